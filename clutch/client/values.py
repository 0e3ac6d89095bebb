"""What the SDK hands out: frames, gaps and states."""

from __future__ import annotations

import enum

import attrs


@attrs.frozen
class Gap:
    """Something was lost before the frame that says so: on the way, for want of room, or while there was no
    connection."""

    frames: int
    """How many, at least 1; counted from the numbers of the groups, or from the time where those tell
    nothing."""
    ms: int
    """How long it was; 0 if neither timestamps nor the length of a frame are known."""


@attrs.frozen
class Frame:
    """One object of a track."""

    payload: bytes
    timestamp_us: int = 0
    """Microseconds since the Unix epoch at the publisher (LOC, 2.3.1.1); 0 if it is not known."""
    sequence: int = 0
    """The group: it only grows, and it grows by one with each audio frame and each group of others."""
    gap: Gap | None = None
    keyframe: bool = False
    """Whether a group begins here: of video, a picture that needs no other."""
    priority: int | None = None
    """Of the publisher: 0 is sent first, 255 last; None: that of the track."""

    @property
    def text(self) -> str:
        """The payload as UTF-8; what is not is replaced."""
        return self.payload.decode(errors="replace")


class State(enum.Enum):
    """Of the connection to the node."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    RECONNECTING = "reconnecting"
    CLOSED = "closed"
    """We closed it."""
    FAILED = "failed"
    """The node will not have us; see `ConnectionRefused`."""


MOVES: dict[State, frozenset[State]] = {
    State.CONNECTING: frozenset({State.CONNECTED, State.CONNECTING, State.FAILED, State.CLOSED}),
    State.CONNECTED: frozenset({State.RECONNECTING, State.CLOSED}),
    State.RECONNECTING: frozenset({State.CONNECTED, State.RECONNECTING, State.FAILED, State.CLOSED}),
    State.CLOSED: frozenset(),
    State.FAILED: frozenset({State.CLOSED}),
}
"""What may follow what. CONNECTING and RECONNECTING follow themselves with each attempt."""


@attrs.frozen
class StateChanged:
    """The connection came, went, or was tried in vain."""

    state: State
    reason: str = ""
    """Why the connection before it was lost, or could not be made; empty if nothing went wrong."""
    attempt: int = 0
    """How many attempts have failed since there was a connection."""
    retry_s: float | None = None
    """How long until the next attempt, if there will be one."""
