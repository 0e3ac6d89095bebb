"""Audio that comes over a network in pieces, each on its own way: back in order, without waiting for long.

The pieces go on into a queue that plays at a steady pace. How much waits in that queue is the only clock:
what is missing is waited for as long as the queue lasts, and what comes after its turn is late.
"""

from __future__ import annotations

import enum
from typing import Generic, TypeAlias, TypeVar

import attrs

T = TypeVar("T")
Place: TypeAlias = tuple[int, int]
"""The number of a piece's group, and its number within the group."""

LEAD_MS = 40
"""How much silence goes first into an empty queue: by so much a piece may be later than the one before it."""
URGENT_MS = 20
"""While more than this waits in the queue, there is time for what is missing."""
MOST_MS = 300
"""While more than this waits in the queue, pieces are dropped: a sender with a fast clock, or in a hurry,
must not make the talk late for good."""
MAX_GAP = 5
"""Missing pieces in a row that are made up for. A larger jump of the numbers is another beginning."""


class Filler(enum.Enum):
    """What to play where there is no piece."""

    LEAD = "lead"
    """`LEAD_MS` of silence."""
    GAP = "gap"
    """Something in place of one missing piece."""


@attrs.define(eq=False)
class Playout(Generic[T]):
    """One talk: `push` what comes, and play what `next` says until it says None. Counters only grow."""

    late: int = 0
    """Pieces that came after their turn, or twice."""
    missing: int = 0
    """Pieces that did not come in time, while the talk went on."""
    trimmed: int = 0
    """Pieces that were dropped because too much was waiting."""
    _waiting: dict[Place, T] = attrs.field(factory=dict)
    _last: Place | None = None
    """What was played last, or passed over."""
    _led: bool = False
    """The lead was played, and nothing since."""

    @property
    def waits(self) -> bool:
        """Whether something is missing: ask again, at the latest when the queue is down to `URGENT_MS`."""
        return bool(self._waiting)

    def push(self, place: Place, piece: T) -> None:
        """A piece came."""
        if place in self._waiting or (self._last is not None and place <= self._last):
            self.late += 1
        else:
            self._waiting[place] = piece

    def next(self, queued_ms: int) -> T | Filler | None:
        """What to play next, if anything is due; `queued_ms` is what waits in the queue now."""
        if not self._waiting:
            return None
        if queued_ms > MOST_MS:
            self.trimmed += len(self._waiting)
            self._last = max(self._waiting)
            self._waiting.clear()
            return None
        place = min(self._waiting)
        missing = self._missing_before(place)
        if queued_ms == 0 and not self._led:
            # It is too late for those: the silence is in their place.
            self.missing += missing
            self._last = (place[0], place[1] - 1) if place[1] else (place[0] - 1, 0)
            self._led = True
            return Filler.LEAD
        self._led = False
        if missing == 0:
            self._last = place
            return self._waiting.pop(place)
        if queued_ms > URGENT_MS:
            return None
        self.missing += 1
        group, number = self._last or place
        self._last = (group, number + 1) if group == place[0] else (group + 1, 0)
        return Filler.GAP

    def _missing_before(self, place: Place) -> int:
        """How many pieces there should be between the last one and this one."""
        if self._last is None:
            return 0
        (group, number), (last_group, last_number) = place, self._last
        if group == last_group:
            gap = number - last_number - 1
        else:
            # How long a group of several pieces was, nobody knows.
            gap = group - last_group - 1 if number == 0 else 0
        return gap if gap <= MAX_GAP else 0
