"""The recorder actor: taps the stream, and gets the tail of the call onto the disk before it goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trio

from actors.call.ports import MediaFrame, MediaStream, RecordSink
from actors.runtime import ActorFn, Context, LossyReceiver, last_words

BACKLOG = 500
"""Frames that may wait for a slow disk (10 s). Older ones are dropped; the sink writes silence for them."""
BATCH = 25
"""Frames per write (0.5 s): the recorder wakes twice a second, not fifty times."""
CLOSE_S = 0.15
"""How long closing the file may take once the recorder was cancelled."""


def recorder_actor(stream: MediaStream, make: Callable[[], RecordSink]) -> ActorFn[Any]:
    """The actor function for a recorder that taps `stream` into the sink that `make` returns.

    When it is asked to stop, the bridge is down already, so what is in the tap is all there is: it is
    written within the grace time, and the file is closed in any case.
    """

    async def run(ctx: Context[Any]) -> None:
        with stream.tap(BACKLOG) as tap:
            sink = make()
            try:
                ctx.when_stopping(tap.finish)
                ctx.started()
                await _pump(tap, sink)
            finally:
                with last_words(CLOSE_S):
                    await sink.aclose()

    return run


async def _pump(tap: LossyReceiver[MediaFrame], sink: RecordSink) -> None:
    while True:
        try:
            batch = await tap.receive(at_least=BATCH)
        except trio.EndOfChannel:
            return
        await sink.write(batch.items)
