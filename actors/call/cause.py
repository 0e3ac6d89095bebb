"""Why a call ended: reasons, who hung up, and what that means in SIP and Q.850.

State is a table (`CALL_MOVES`, `REASONS`): tests and the diagram in docs/architecture.md read it from here.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

import attrs


class CallStatus(enum.Enum):
    """Where a call stands. Moves only along `CALL_MOVES`."""

    DIALING = "dialing"
    RINGING = "ringing"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"
    NO_ANSWER = "no_answer"

    @property
    def final(self) -> bool:
        """True if the call is over."""
        return not CALL_MOVES[self]


_FINAL = frozenset({CallStatus.COMPLETED, CallStatus.FAILED, CallStatus.NO_ANSWER})

CALL_MOVES: Mapping[CallStatus, frozenset[CallStatus]] = {
    CallStatus.DIALING: frozenset(
        {CallStatus.RINGING, CallStatus.IN_PROGRESS, CallStatus.FAILED, CallStatus.NO_ANSWER}
    ),
    CallStatus.RINGING: frozenset({CallStatus.IN_PROGRESS, CallStatus.FAILED, CallStatus.NO_ANSWER}),
    CallStatus.IN_PROGRESS: frozenset({CallStatus.COMPLETED, CallStatus.FAILED}),
    CallStatus.COMPLETED: frozenset(),
    CallStatus.FAILED: frozenset(),
    CallStatus.NO_ANSWER: frozenset(),
}


class Party(enum.Enum):
    """Who ended the call."""

    CALLER = "caller"
    CALLEE = "callee"
    NODE = "node"


class Reason(enum.Enum):
    """Why a call ended. The value is the name in logs, events and the API."""

    NORMAL = "normal"
    CANCELLED = "cancelled"
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    REJECTED = "rejected"
    NOT_FOUND = "not_found"
    NOT_ACCEPTABLE = "not_acceptable"
    UNREACHABLE = "unreachable"
    NO_ACK = "no_ack"
    MEDIA_TIMEOUT = "media_timeout"
    MEDIA_UNAVAILABLE = "media_unavailable"
    MAX_DURATION = "max_duration"
    DRAIN = "drain"
    AGENT_FAILED = "agent_failed"
    CRASHED = "crashed"


@attrs.frozen
class Meaning:
    """What a reason means elsewhere."""

    unanswered: CallStatus
    """Final status if the call was never answered."""
    answered: CallStatus
    """Final status if it was."""
    sip: int
    """SIP status code (RFC 3261 section 21) for refusing an unanswered call with this reason."""
    q850: int
    """ITU-T Q.850 cause value, as carried in the Reason header (RFC 3326)."""


_DONE, _FAIL, _NONE = CallStatus.COMPLETED, CallStatus.FAILED, CallStatus.NO_ANSWER

REASONS: Mapping[Reason, Meaning] = {
    Reason.NORMAL: Meaning(_FAIL, _DONE, 480, 16),
    Reason.CANCELLED: Meaning(_NONE, _DONE, 487, 16),
    Reason.NO_ANSWER: Meaning(_NONE, _DONE, 480, 19),
    Reason.BUSY: Meaning(_FAIL, _DONE, 486, 17),
    Reason.REJECTED: Meaning(_FAIL, _DONE, 603, 21),
    Reason.NOT_FOUND: Meaning(_FAIL, _DONE, 404, 1),
    Reason.NOT_ACCEPTABLE: Meaning(_FAIL, _FAIL, 488, 88),
    Reason.UNREACHABLE: Meaning(_FAIL, _FAIL, 408, 18),
    Reason.NO_ACK: Meaning(_FAIL, _FAIL, 408, 102),
    Reason.MEDIA_TIMEOUT: Meaning(_FAIL, _DONE, 480, 27),
    Reason.MEDIA_UNAVAILABLE: Meaning(_FAIL, _FAIL, 503, 47),
    Reason.MAX_DURATION: Meaning(_FAIL, _DONE, 480, 102),
    Reason.DRAIN: Meaning(_FAIL, _DONE, 503, 41),
    Reason.AGENT_FAILED: Meaning(_FAIL, _FAIL, 500, 41),
    Reason.CRASHED: Meaning(_FAIL, _FAIL, 500, 41),
}


@attrs.frozen
class Cause:
    """Why and by whom a call was ended; the first cause that is given wins."""

    reason: Reason
    by: Party
    sip: int = attrs.field()
    """The SIP status code seen or to be sent; 200 when an answered call was hung up with BYE."""
    q850: int = attrs.field()
    text: str = ""
    """Free text for people: the peer's reason phrase, or what was measured."""

    @sip.default
    def _sip(self) -> int:
        return REASONS[self.reason].sip

    @q850.default
    def _q850(self) -> int:
        return REASONS[self.reason].q850

    def status(self, *, answered: bool) -> CallStatus:
        """The final status that this cause gives to a call."""
        meaning = REASONS[self.reason]
        return meaning.answered if answered else meaning.unanswered
