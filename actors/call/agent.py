"""The agent actor: runs an AgentPort against the call's audio."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs
import trio

from actors.call.cause import Cause, Party, Reason
from actors.call.ports import AgentPort, Dtmf, MediaFrame, Speech
from actors.runtime import ActorFn, Context, LossyReceiver

if TYPE_CHECKING:
    from actors.call.call import Call

AHEAD_MS = 100
"""How far speech may run ahead of the caller's ear: the plane's queue stays short, so a barge-in is quick."""


def agent_actor(call: Call, make: Callable[[], AgentPort]) -> ActorFn[Any]:
    """The actor function for the agent of `call`; `make` is called once per generation.

    When the call ends, `Conversation.uplink` ends, which is the agent's time to go by itself.
    """

    async def run(ctx: Context[Any]) -> None:
        stream = call.spec.stream
        try:
            with stream.tap() as uplink:
                ctx.when_stopping(uplink.finish)
                ctx.started()
                await make().run(_Conversation(call, uplink))
        except Exception as error:
            text = f"the agent crashed: {type(error).__name__}"
            call.failed(Cause(Reason.AGENT_FAILED, Party.NODE, text=text))
            stream.clear()
            raise
        except BaseException:
            stream.clear()
            raise

    return run


@attrs.define(eq=False)
class _Conversation:
    """The Conversation port over a call's media stream."""

    _call: Call
    _uplink: LossyReceiver[MediaFrame]

    @property
    def sid(self) -> str:
        return self._call.sid

    @property
    def rate_hz(self) -> int:
        return self._call.spec.stream.rate_hz

    @property
    def uplink(self) -> LossyReceiver[MediaFrame]:
        return self._uplink

    @property
    def queued_ms(self) -> int:
        return self._call.spec.stream.queued_ms

    async def say(self, pcm: bytes) -> None:
        stream = self._call.spec.stream
        await trio.lowlevel.checkpoint()
        while pcm:
            if (ahead := stream.queued_ms - AHEAD_MS) > 0:
                await trio.sleep(ahead / 1000)
                continue
            # One slice at a time, so that the queue never holds much more than AHEAD_MS.
            slice_ = pcm[: stream.rate_hz // 50 * 2]
            if stream.send(slice_) < len(slice_):
                return  # the stream is closed or nobody drains it: there is no ear
            pcm = pcm[len(slice_) :]

    def silence(self) -> None:
        self._call.spec.stream.clear()

    @property
    def keys(self) -> LossyReceiver[Dtmf]:
        return self._call.keys

    @property
    def speech(self) -> LossyReceiver[Speech]:
        return self._call.speech

    def send_dtmf(self, digits: str) -> None:
        self._call.spec.stream.send_dtmf(digits)

    def hangup(self, reason: Reason | None = None) -> None:
        by = Party.CALLEE if self._call.spec.inbound else Party.CALLER
        self._call.hangup(Cause(reason or Reason.NORMAL, by))
