"""The recorder actor: gets the tail of the call into the recording before it goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import trio

from actors.call.ports import FRAME_MS, MediaFrame, MediaStream, Recording, RecordSink
from actors.runtime import ActorFn, Context, LossyReceiver, last_words

BACKLOG = 500
"""Frames that may wait for a slow sink (10 s). Older ones are dropped; the sink writes silence for them."""
BATCH = 25
"""Frames per write (0.5 s): the recorder wakes twice a second, not fifty times."""
CLOSE_S = 0.15
"""How long closing may take once the recorder was cancelled."""


@attrs.frozen
class RecordingGaps:
    """The recording of a call is not complete. Published on `observe`."""

    sid: str
    lost_ms: int | None
    """How much of it is silence because the sink was too slow; None: it had to be left before its end."""


def recorder_actor(sid: str, make: Callable[[], Recording]) -> ActorFn[Any]:
    """The actor function for a recorder of the call `sid`; `make` begins the recording.

    When it is asked to stop, the bridge is down already, so what the stream has given is all there is: it is
    kept within the grace time, and the recording is closed in any case.
    """

    async def run(ctx: Context[Any]) -> None:
        recording = make()
        lost: int | None = None
        try:
            ctx.when_stopping(recording.finish)
            ctx.started()
            lost = await recording.run()
        finally:
            with last_words(CLOSE_S):
                await recording.aclose()
            if lost != 0:
                ctx.system.observe.emit(RecordingGaps(sid, None if lost is None else lost * FRAME_MS))

    return run


@attrs.define(eq=False)
class TapRecording:
    """A `Recording` that taps a stream into a sink: for every stream and every sink."""

    _stream: MediaStream
    _sink: RecordSink
    _tap: LossyReceiver[MediaFrame] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._tap = self._stream.tap(BACKLOG)

    async def run(self) -> int:
        """See `Recording.run`."""
        while True:
            try:
                batch = await self._tap.receive(at_least=BATCH)
            except trio.EndOfChannel:
                return self._tap.lost_total
            await self._sink.write(batch.items)

    def finish(self) -> None:
        """See `Recording.finish`."""
        self._tap.finish()

    async def aclose(self) -> None:
        """See `Recording.aclose`."""
        self._tap.close()
        await self._sink.aclose()
