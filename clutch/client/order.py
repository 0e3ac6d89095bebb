"""Objects in the order in which they were made, and what is missing between them.

Each audio frame is a stream of its own, so a lost packet delays one frame, and the next arrives before it. A
reader wants them in order, does not want to wait for long, and wants to know what is missing.
"""

from __future__ import annotations

import bisect
from typing import NamedTuple

import attrs

from clutch.client.values import Frame, Gap

PATIENCE_S = 0.1
"""How long a frame waits for one before it: a retransmission over 60 ms of round trip (RFC 9002, 6.2)."""


class _Place(NamedTuple):
    """When an object was made, compared with others."""

    epoch: int
    """Grows when a publisher begins to count anew."""
    group: int
    number: int


@attrs.frozen
class _Arrival:
    place: _Place
    frame: Frame
    at: float


@attrs.define(eq=False)
class Order:
    """A bounded buffer between a track and its reader. Full, it drops the oldest, which shows as a gap.

    Sans I/O: time is an argument, in seconds. What is handed out is never followed by something older: that
    is dropped and counted.
    """

    capacity: int
    """Objects that wait for their reader."""
    frame_ms: int = 0
    """How long an object lasts; 0 if that is not known or makes no sense."""
    patience_s: float = PATIENCE_S
    """How long to wait for what is missing."""
    ordered: bool = True
    """If not, objects are handed out as they come, and only what had no room is missing."""
    late: int = attrs.field(init=False, default=0)
    """Objects that came too late, or twice."""
    overflowed: int = attrs.field(init=False, default=0)
    """Objects dropped for want of room."""
    _held: list[_Arrival] = attrs.field(init=False, factory=list)
    _ended: set[int] = attrs.field(init=False, factory=set)
    """Groups, from the last one on, of which nothing more will come."""
    _epoch: int = attrs.field(init=False, default=0)
    _last: _Arrival | None = attrs.field(init=False, default=None)
    """What was handed out last."""
    _rejoined: bool = attrs.field(init=False, default=False)
    _waits: bool = attrs.field(init=False, default=False)
    _dropped: int = attrs.field(init=False, default=0)
    """For want of room, since what was handed out last."""

    def __len__(self) -> int:
        return len(self._held)

    def rejoin(self) -> None:
        """The subscription begins anew, maybe with another publisher; what is held is still good."""
        self._rejoined = True

    def hold(self, on: bool) -> None:
        """Hand out nothing while older objects are on their way."""
        self._waits = on

    def clear(self) -> None:
        """Forget what is held."""
        self._held.clear()

    def put(self, group: int, number: int, frame: Frame, now: float) -> bool:
        """An object came. False if it was made before one that was handed out, or is there already."""
        place = _Place(self._epoch, group, number)
        last = self._last
        if last is not None and place <= last.place and self._counts_anew(last.frame, frame):
            self._epoch += 1
            self._ended.clear()
            place = place._replace(epoch=self._epoch)
        if self.ordered and not self._fits(place):
            self.late += 1
            return False
        arrival = _Arrival(place, frame, now)
        if self.ordered:
            bisect.insort(self._held, arrival, key=lambda held: held.place)
        else:
            self._held.append(arrival)
        if len(self._held) > self.capacity:
            del self._held[0]
            self.overflowed += 1
            self._dropped += 1
        return True

    def end(self, group: int) -> None:
        """Nothing more will come of a group."""
        if self._last is None or group >= self._last.place.group:
            self._ended.add(group)
            if len(self._ended) > 2 * self.capacity:
                self._ended.discard(min(self._ended))

    def deadline(self) -> float | None:
        """When to call `take` again although nothing came; None if there is no such time."""
        return self._held[0].at + self.patience_s if self._held and not self._waits else None

    def take(self, now: float, *, flush: bool = False) -> Frame | None:
        """The next object, if it is time for it. `flush`: do not wait for what is missing."""
        if not self._held or not (flush or (not self._waits and self._is_due(self._held[0], now))):
            return None
        next_ = self._held.pop(0)
        gap = self._gap(self._last, next_) if self._last else None
        self._last, self._rejoined, self._dropped = next_, False, 0
        self._ended = {group for group in self._ended if group >= next_.place.group}
        return attrs.evolve(next_.frame, gap=gap) if gap else next_.frame

    def _fits(self, place: _Place) -> bool:
        if self._last is not None and place <= self._last.place:
            return False
        at = bisect.bisect_left(self._held, place, key=lambda held: held.place)
        return at == len(self._held) or self._held[at].place != place

    def _counts_anew(self, last: Frame, frame: Frame) -> bool:
        """Whether an object with a lower number was made later than one with a higher one."""
        if last.timestamp_us and frame.timestamp_us:
            return frame.timestamp_us > last.timestamp_us
        return self._rejoined

    def _is_due(self, head: _Arrival, now: float) -> bool:
        last = self._last
        if last is None or self._rejoined or not self.ordered or head.at + self.patience_s <= now:
            return True
        return head.place.epoch != last.place.epoch or self._follows(last.place, head.place)

    def _follows(self, last: _Place, place: _Place) -> bool:
        """Whether nothing more can come between the two."""
        group = last.group
        while group in self._ended and group < place.group:
            group += 1
        expected = last.number + 1 if group == last.group else 0
        return (place.group, place.number) == (group, expected)

    def _gap(self, last: _Arrival, next_: _Arrival) -> Gap | None:
        made_us = next_.frame.timestamp_us - last.frame.timestamp_us
        known = last.frame.timestamp_us and next_.frame.timestamp_us and made_us > 0
        between_us = made_us if known else round((next_.at - last.at) * 1e6)
        by_time = round(between_us / 1000 / self.frame_ms) - 1 if self.frame_ms else 0
        frames = max(self._dropped, self._missing(last.place, next_.place, by_time, bool(known)))
        if frames <= 0:
            return None
        if self.frame_ms:
            return Gap(frames, frames * self.frame_ms)
        return Gap(frames, between_us // 1000 if known or self._rejoined else 0)

    def _missing(self, last: _Place, place: _Place, by_time: int, known: bool) -> int:
        """How many objects there were between the two, by their numbers and by their times.

        The lower of the two is right: silence that nobody sends has no numbers, and who begins to count anew
        jumps over numbers that never were.
        """
        if not self.ordered and not self._rejoined:
            return 0
        if place.epoch != last.epoch:
            return by_time
        if place.group == last.group:
            return place.number - last.number - 1
        groups = place.group - last.group - 1
        if groups == 0 or not (known and self.frame_ms):
            return groups + (place.number if groups == 0 else 0)
        if last.number or place.number:
            return max(1, by_time)
        return max(1, min(groups, by_time))
