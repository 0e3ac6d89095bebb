"""The agent actor: runs an AgentPort against the call's audio."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs
import trio

from actors.call.cause import Cause, Party, Reason
from actors.call.downlink import Lease, Speaker
from actors.call.ports import AgentPort, Dtmf, MediaFrame, Speech
from actors.runtime import ActorFn, Context, LossyReceiver

if TYPE_CHECKING:
    from actors.call.call import Call


def agent_actor(call: Call, make: Callable[[], AgentPort]) -> ActorFn[Any]:
    """The actor function for the agent of `call`; `make` is called once per generation.

    It holds the downlink for as long as it runs: the first from the beginning of the call, and one that comes
    after a crash as soon as it is free. When the call ends, `Conversation.uplink` ends, which is the agent's
    time to go by itself.
    """

    async def run(ctx: Context[Any]) -> None:
        try:
            ctx.started()
            with trio.CancelScope() as waiting:
                ctx.when_stopping(lambda: waiting.cancel(reason="the call ends"))
                lease, call.agent_lease = call.agent_lease, None
                lease = lease or await call.downlink.turn(Speaker.AGENT)
            if waiting.cancelled_caught:
                return
            assert lease is not None
            with lease, call.spec.stream.tap() as uplink:
                ctx.when_stopping(uplink.finish)
                await make().run(_Conversation(call, uplink, lease))
        except Exception as error:
            text = f"the agent crashed: {type(error).__name__}"
            call.failed(Cause(Reason.AGENT_FAILED, Party.NODE, text=text))
            raise

    return run


@attrs.define(eq=False)
class _Conversation:
    """The Conversation port over a call's media stream."""

    _call: Call
    _uplink: LossyReceiver[MediaFrame]
    _lease: Lease

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
        return self._lease.queued_ms

    async def say(self, pcm: bytes) -> None:
        await self._lease.say(pcm)

    def silence(self) -> None:
        self._lease.clear()

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
