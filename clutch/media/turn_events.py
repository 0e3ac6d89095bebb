"""What a turn detector reports, and the states that it moves between.

Every event has `t_ms`: the end of the frame that brought it, since the detector was made. Other moments count
from there as well.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Literal, TypeAlias

import attrs

CommitReason: TypeAlias = Literal["silence", "eager", "max_turn"]
DiscardReason: TypeAlias = Literal["short", "backchannel", "after_barge_in"]
DropReason: TypeAlias = Literal["short", "agent_finished"]


class TurnState(enum.Enum):
    """Where the caller's turn stands. Moves only along `TURN_MOVES`."""

    IDLE = "idle"
    """No turn is open and no reply is due."""
    SPEECH = "speech"
    """The caller speaks; with the floor, or over the agent or the reply that is due: a pending barge-in."""
    TRAILING = "trailing"
    """The caller has stopped, and may go on."""
    AWAIT = "await"
    """A turn was committed; the agent has not played a frame since."""


@attrs.frozen
class SpeechStarted:
    """A turn opens."""

    t_ms: int
    onset_ms: int
    """Start of its first frame of speech."""
    preroll_from_ms: int
    """Start of the audio that belongs to it and was not appended yet, where appending is gated."""


@attrs.frozen
class SpeechStopped:
    """The hangover is over. Stands between any two of SpeechStarted and TurnResumed."""

    t_ms: int
    offset_ms: int
    """End of the last frame of speech."""


@attrs.frozen
class Prime:
    """The caller has the floor: a non-final commit. Nothing is committed without one before it."""

    t_ms: int


@attrs.frozen
class Commit:
    """The turn is over and to be answered."""

    t_ms: int
    speech_ms: int
    """Frames of speech in the whole turn, without the gaps."""
    offset_ms: int
    """End of the last frame of speech."""
    reason: CommitReason
    """`eager`: on probation until the silence is that of an end of turn, or the agent plays; a `TurnResumed`
    with `cancel` may take it back."""


@attrs.frozen
class TurnDiscarded:
    """The turn is over and not to be answered."""

    t_ms: int
    speech_ms: int
    reason: DiscardReason
    """`backchannel`: never had the floor; `after_barge_in`: the agent was interrupted for it."""


@attrs.frozen
class TurnResumed:
    """The caller goes on: it is still the same turn."""

    t_ms: int
    onset_ms: int
    preroll_from_ms: int
    """As in SpeechStarted."""
    cancel: bool = False
    """Take back the eager commit and drop its reply, of which nothing was heard yet. A Prime follows."""


@attrs.frozen
class BargeInPending:
    """The caller speaks over the agent, or over the reply that is due. The agent goes on."""

    t_ms: int


@attrs.frozen
class BargeInDropped:
    """The agent was not interrupted: the caller said too little, or it finished first."""

    t_ms: int
    reason: DropReason


@attrs.frozen
class BargeIn:
    """Cancel the agent, or the reply that is due: the caller has the floor. A Prime follows."""

    t_ms: int
    cancel: bool = True


@attrs.frozen
class ReplyTimeout:
    """The agent has not begun to answer."""

    t_ms: int


@attrs.frozen
class IdleTimeout:
    """Nobody has spoken for `TurnParams.idle_timeout_ms`."""

    t_ms: int


TurnEvent: TypeAlias = (
    SpeechStarted
    | SpeechStopped
    | Prime
    | Commit
    | TurnDiscarded
    | TurnResumed
    | BargeInPending
    | BargeInDropped
    | BargeIn
    | ReplyTimeout
    | IdleTimeout
)

TURN_MOVES: Mapping[tuple[TurnState, TurnState], tuple[type[TurnEvent], ...]] = {
    (TurnState.IDLE, TurnState.SPEECH): (SpeechStarted,),
    (TurnState.SPEECH, TurnState.TRAILING): (SpeechStopped,),
    (TurnState.SPEECH, TurnState.IDLE): (TurnDiscarded,),
    (TurnState.SPEECH, TurnState.AWAIT): (Commit, TurnDiscarded),
    (TurnState.TRAILING, TurnState.SPEECH): (TurnResumed,),
    (TurnState.TRAILING, TurnState.AWAIT): (Commit,),
    (TurnState.TRAILING, TurnState.IDLE): (TurnDiscarded,),
    (TurnState.AWAIT, TurnState.SPEECH): (SpeechStarted, TurnResumed),
    (TurnState.AWAIT, TurnState.IDLE): (ReplyTimeout,),
}
"""What one frame may do, and the events of which one tells of it. The first frame of the agent also leads
from AWAIT to IDLE, without an event."""
