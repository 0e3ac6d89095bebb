"""The bridge actor: the media of a call between its leg and everyone else.

Frames do not pass through it: readers tap the stream, and what is spoken is queued on it. The bridge handles
what is not audio: keys, and the silence of a caller who is gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

from actors.call.cause import Cause, Party, Reason
from actors.call.ports import Dtmf, MediaTimeout
from actors.runtime import ActorFn, Context

if TYPE_CHECKING:
    from actors.call.call import Call


def bridge_actor(call: Call) -> ActorFn[Any]:
    """The actor function for the bridge of `call`."""

    async def run(ctx: Context[Any]) -> None:
        stream = call.spec.stream
        ctx.started()
        try:
            while True:
                event = await stream.next_event()
                if isinstance(event, Dtmf):
                    call.keys_in.send(event)
                elif isinstance(event, MediaTimeout):
                    text = f"no audio for {event.idle_ms} ms"
                    call.hangup(Cause(Reason.MEDIA_TIMEOUT, Party.NODE, text=text))
                else:
                    call.speech_in.send(event)
        except trio.ClosedResourceError:
            # The call closes its stream after this actor is down; so the media plane did, and is gone.
            call.hangup(Cause(Reason.MEDIA_UNAVAILABLE, Party.NODE, text="the media plane is gone"))
        except Exception as error:
            call.failed(Cause(Reason.CRASHED, Party.NODE, text=type(error).__name__))
            raise
        finally:
            stream.clear()

    return run
