"""The states of a session as a table."""

from __future__ import annotations

import enum
from collections.abc import Mapping


class SessionState(enum.Enum):
    """Where a session stands."""

    INCOMING = "incoming"
    """UAS: no final response yet."""
    ANSWERED = "answered"
    """UAS: 2xx sent, no ACK yet."""
    LEAVING = "leaving"
    """UAS: as answered, and a BYE is to follow the ACK (RFC 3261 section 15)."""
    CALLING = "calling"
    """UAC: no final response yet."""
    CANCELLING = "cancelling"
    """UAC: as calling, but no longer wanted."""
    UP = "up"
    ENDING = "ending"
    """Our BYE waits for its response."""
    OVER = "over"


_S = SessionState
SESSION_MOVES: Mapping[SessionState, frozenset[SessionState]] = {
    _S.INCOMING: frozenset({_S.ANSWERED, _S.OVER}),
    _S.ANSWERED: frozenset({_S.UP, _S.LEAVING, _S.ENDING, _S.OVER}),
    _S.LEAVING: frozenset({_S.ENDING, _S.OVER}),
    _S.CALLING: frozenset({_S.UP, _S.CANCELLING, _S.OVER}),
    _S.CANCELLING: frozenset({_S.ENDING, _S.OVER}),
    _S.UP: frozenset({_S.ENDING, _S.OVER}),
    _S.ENDING: frozenset({_S.OVER}),
    _S.OVER: frozenset(),
}
"""Every legal move of a session."""

GONE = frozenset({_S.CANCELLING, _S.LEAVING, _S.ENDING, _S.OVER})
"""States in which the session is of no use to its holder any more."""
