"""One call: what it is made of, its status and its cause of end. Its actors are in the modules beside."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import attrs
import trio

from actors.call.cause import CALL_MOVES, CallStatus, Cause, Party, Reason
from actors.call.downlink import Downlink, Lease, Mix, Speaker
from actors.call.errors import IllegalMove
from actors.call.ports import AgentPort, Dtmf, LegPort, MediaStream, Recording, Speech, TracksPort
from actors.runtime import Context, LossyReceiver, LossySender, System, open_lossy

KEYS = 64
"""How many unread DTMF digits a call keeps; more, and the oldest go."""
SPEECH = 16
"""How many unread beginnings and ends of speech a call keeps; more, and the oldest go."""


@attrs.frozen
class CallSpec:
    """Everything a call needs. `leg` and `stream` are taken over by the call, which closes them."""

    sid: str
    leg: LegPort
    stream: MediaStream
    inbound: bool = True
    agent: Callable[[], AgentPort] | None = None
    """Makes the agent, once per generation; None for a call that only rings and stands."""
    recording: Callable[[], Recording] | None = None
    """Makes the recording of `stream`; None to record nothing."""
    tracks: TracksPort | None = None
    """Offers the call's audio as tracks; None to keep it to the call."""
    mix: Mix | None = None
    """Adds up what several writers of the downlink say at once; None lets only one speak at a time."""
    ring_timeout_s: float = 30.0
    max_duration_s: float = math.inf
    """Counted from the answer."""
    on_agent_failure: Literal["hangup", "continue"] = "hangup"
    """What happens when the agent has crashed once more than it may be restarted."""
    caller: str = ""
    callee: str = ""


@attrs.frozen
class StatusChanged:
    """A call moved to another status; exactly one of these per call has a final status."""

    sid: str
    status: CallStatus
    cause: Cause | None = None
    """Set with a final status."""


@attrs.define(eq=False)
class Call:
    """A call while it lives, and what is known of it afterwards.

    Handed out by `Calls.start`. Read the fields freely; only `hangup`, `wait` and `downlink` are yours to
    call.
    """

    spec: CallSpec
    status: CallStatus = attrs.field(init=False)
    cause: Cause | None = None
    """Why it ends or ended: the first cause given wins."""
    started_at: float = attrs.field(factory=trio.current_time)
    """Trio time, in seconds; so are the next two."""
    answered_at: float | None = None
    ended_at: float | None = None
    keys_in: LossySender[Dtmf] = attrs.field(init=False)
    keys: LossyReceiver[Dtmf] = attrs.field(init=False)
    speech_in: LossySender[Speech] = attrs.field(init=False)
    speech: LossyReceiver[Speech] = attrs.field(init=False)
    downlink: Downlink = attrs.field(init=False)
    """Whoever wants to speak to the caller takes a lease of it."""
    agent_lease: Lease | None = attrs.field(init=False, default=None)
    """The agent has the downlink before anybody else; None for a call without an agent."""
    hangup_wanted: trio.Event = attrs.field(factory=trio.Event)
    _failure: Cause | None = None
    _over: trio.Event = attrs.field(factory=trio.Event)
    _ctx: Context[Any] | None = None
    _system: System | None = None

    def __attrs_post_init__(self) -> None:
        self.status = CallStatus.RINGING if self.spec.inbound else CallStatus.DIALING
        self.keys_in, self.keys = open_lossy(KEYS)
        self.speech_in, self.speech = open_lossy(SPEECH)
        self.downlink = Downlink(self.spec.stream, self.spec.mix)
        if self.spec.agent is not None:
            self.agent_lease = self.downlink.lease(Speaker.AGENT)

    @property
    def sid(self) -> str:
        """The one identifier of the call."""
        return self.spec.sid

    @property
    def answered(self) -> bool:
        """True if the call was ever in progress."""
        return self.answered_at is not None

    def hangup(self, cause: Cause) -> None:
        """End the call by the signalled road: leg, agent, bridge, recorder. Returns at once, idempotent."""
        if self.cause is None and not self.status.final:
            self.cause = cause
        self.hangup_wanted.set()

    async def wait(self) -> CallStatus:
        """Wait until the call is over and everything of it is gone; return the final status."""
        await self._over.wait()
        return self.status

    def move(self, status: CallStatus) -> None:
        """Move to another status and publish it. Raises `IllegalMove`."""
        if status not in CALL_MOVES[self.status]:
            raise IllegalMove(self.sid, self.status, status)
        self.status = status
        if status is CallStatus.IN_PROGRESS:
            self.answered_at = trio.current_time()
        if status.final:
            self.ended_at = trio.current_time()
        if self._system is not None:
            self._system.observe.emit(StatusChanged(self.sid, status, self.cause if status.final else None))

    def failed(self, cause: Cause) -> None:
        """Remember what broke, in case the call does not survive it."""
        self._failure = cause

    def why(self) -> Cause:
        """The cause to tell the far side: what was given, or else what is stopping the call."""
        if self.cause is None:
            stopped_by = self._ctx.reason if self._ctx is not None else None
            if stopped_by is not None:
                self.cause = Cause(Reason.DRAIN, Party.NODE, text=stopped_by)
            else:
                self.cause = self._failure or Cause(Reason.CRASHED, Party.NODE)
        return self.cause

    def begin(self, ctx: Context[Any]) -> None:
        """The tree is about to come up: publish the first status."""
        self._ctx, self._system = ctx, ctx.system
        ctx.system.observe.emit(StatusChanged(self.sid, self.status))

    def finish(self) -> None:
        """The tree is down: give everything back and publish the final status, without a checkpoint."""
        self.close()
        cause = self.why()
        if self.answered:
            self.cause = attrs.evolve(cause, sip=200)  # it ended with BYE, not with a final response
        self.move(cause.status(answered=self.answered))
        self._over.set()

    def close(self) -> None:
        """Give back what the call was handed. The tree is down, or never came up."""
        self.spec.leg.close()
        self.spec.stream.close()
        self.keys_in.close()
        self.keys.close()
        self.speech_in.close()
        self.speech.close()
