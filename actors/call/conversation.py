"""What an agent holds in its hands during a call: ears, a mouth, keys, and the hook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from actors.call.cause import Reason
    from actors.call.ports import Dtmf, MediaFrame
    from actors.runtime import LossyReceiver


class Conversation(Protocol):
    """One agent's side of a call. Valid inside `AgentPort.run` only."""

    @property
    def sid(self) -> str:
        """The call's identifier."""

    @property
    def rate_hz(self) -> int:
        """PCM rate of `uplink` frames and of `say`."""

    @property
    def uplink(self) -> LossyReceiver[MediaFrame]:
        """What the caller says, one frame per 20 ms; drops the oldest when not read."""

    @property
    def queued_ms(self) -> int:
        """How much of what was said is still to be sent."""

    async def say(self, pcm: bytes) -> None:
        """Speak: queue PCM, waiting while more than 100 ms of it is ahead of the caller's ear."""

    def silence(self) -> None:
        """Stop speaking at once: everything queued is dropped."""

    @property
    def keys(self) -> LossyReceiver[Dtmf]:
        """The caller's keys (RFC 4733), in order. They outlive a restart of the agent."""

    def send_dtmf(self, digits: str) -> None:
        """Press keys towards the caller (RFC 4733)."""

    def hangup(self, reason: Reason | None = None) -> None:
        """End the call. Returns at once; the agent is stopped in its turn."""
