"""The bridge actor: the media of a call between its leg and everyone else.

Frames do not pass through it: readers tap the stream, and writers have a lease of the downlink. The bridge
handles what is not audio: keys, and the silence of a caller who is gone. It has the call's tracks served, and
where several writers may speak at once it has them mixed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import trio

from actors.call.cause import Cause, Party, Reason
from actors.call.downlink import Lease, Speaker
from actors.call.ports import Dtmf, MediaFrame, MediaTimeout
from actors.runtime import ActorFn, Context, LossyReceiver

if TYPE_CHECKING:
    from actors.call.call import Call


def bridge_actor(call: Call) -> ActorFn[Any]:
    """The actor function for the bridge of `call`."""

    async def run(ctx: Context[Any]) -> None:
        tracks = call.spec.tracks
        ctx.started()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(call.downlink.run)
                if tracks is not None:
                    nursery.start_soon(tracks.run, _Audio(call))
                await _hear_events(call)
                nursery.cancel_scope.cancel(reason="the stream is closed")
        except* Exception as errors:
            text = type(errors.exceptions[0]).__name__
            call.failed(Cause(Reason.CRASHED, Party.NODE, text=text))
            raise
        finally:
            call.spec.stream.clear()

    return run


async def _hear_events(call: Call) -> None:
    """Pass on what the caller does besides talking, until the stream closes."""
    while True:
        try:
            event = await call.spec.stream.next_event()
        except trio.ClosedResourceError:
            # The call closes its stream after this actor is down; so the media plane did, and is gone.
            call.hangup(Cause(Reason.MEDIA_UNAVAILABLE, Party.NODE, text="the media plane is gone"))
            return
        if isinstance(event, Dtmf):
            call.keys_in.send(event)
        elif isinstance(event, MediaTimeout):
            text = f"no audio for {event.idle_ms} ms"
            call.hangup(Cause(Reason.MEDIA_TIMEOUT, Party.NODE, text=text))
        else:
            call.speech_in.send(event)


@attrs.define(eq=False)
class _Audio:
    """The CallAudio port over a call."""

    _call: Call

    @property
    def sid(self) -> str:
        return self._call.sid

    @property
    def rate_hz(self) -> int:
        return self._call.spec.stream.rate_hz

    def tap(self, capacity: int = 50) -> LossyReceiver[MediaFrame]:
        return self._call.spec.stream.tap(capacity)

    def lease(self, speaker: Speaker) -> Lease:
        return self._call.downlink.lease(speaker)
