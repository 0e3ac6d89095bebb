"""How long packets must wait so that few come too late: the estimate that sizes the jitter buffer.

native/src/jitter.h describes the method and docs/decisions/0008-adaptive-jitter.md says why. Times are in
ticks: a moment or a length in units of the RTP clock, 32 bits that wrap.
"""

from __future__ import annotations

import attrs

STEPS_PER_FRAME = 4
"""Delays are told apart by quarters of a frame: 5 ms."""
MIN_STEPS, START_STEPS, MAX_STEPS = 4, 8, 17
"""20, 40 and 85 ms: with up to 20 ms until the next tick that makes 2, 3 and up to 6 frames."""
START_WEIGHT = 2
"""The first guess holds for 200 packets."""
LATE_WEIGHT = 10
"""What missed its tick, as less delay was thought to do, counts as so many: enough to be seen at once."""
TOLERANCE = 100
"""One packet in so many may come too late."""
MEMORY = 500
"""When so many are counted all counts are halved."""
WINDOW_FRAMES = 250
"""The fastest packet is forgotten after one to two windows of 5 s."""
RESTART_FRAMES = 50
"""Timestamps that are 1 s off were started anew."""


def signed32(value: int) -> int:
    """A difference of two moments."""
    return (value + 0x8000_0000) % 0x1_0000_0000 - 0x8000_0000


@attrs.define(eq=False)
class DelayEstimate:
    """Learns from every packet of a run how much later than the fastest it came."""

    _frame: int
    """Ticks of 20 ms."""
    _counts: list[int] = attrs.field(factory=lambda: [0] * (MAX_STEPS + 1))
    """Packets by how many steps they were held up; the last entry stands for all that is more."""
    _total: int = START_WEIGHT
    _steps: int = START_STEPS
    _base: int | None = None
    """Transit, arrival minus timestamp, of the fastest packet of late; None before the first one."""
    _fastest: int = 0
    """That of the current window …"""
    _fastest_before: int = 0
    """… and of the one before."""
    _window_start: int = 0

    def __attrs_post_init__(self) -> None:
        self._counts[START_STEPS - 1] = START_WEIGHT

    @property
    def needed(self) -> int:
        """Ticks that a packet should be played after the fastest one could have come."""
        return self._steps * (self._frame // STEPS_PER_FRAME)

    def waited(self, timestamp: int, now: int) -> int:
        """Ticks that a packet has been under way if it is played now, beyond the fastest one."""
        return signed32(now - timestamp - (self._base or 0))

    def arrived(self, timestamp: int, now: int, *, late: bool) -> int:
        """Learn from a packet, `late` if it missed its tick; returns the ticks it was held up."""
        transit = now - timestamp
        if self._base is None or abs(signed32(transit - self._base)) > RESTART_FRAMES * self._frame:
            self._fastest = self._fastest_before = transit
            self._window_start = now
        self._forget_old_windows(transit, now)
        if signed32(transit - self._fastest) < 0:
            self._fastest = transit
        older = signed32(self._fastest_before - self._fastest) < 0
        self._base = self._fastest_before if older else self._fastest
        held_up = signed32(transit - self._base)
        self._count(held_up, LATE_WEIGHT if late and held_up > self.needed else 1)
        return held_up

    def _forget_old_windows(self, transit: int, now: int) -> None:
        age = (now - self._window_start) % 0x1_0000_0000
        window = WINDOW_FRAMES * self._frame
        if age >= window:
            self._fastest_before = self._fastest if age < 2 * window else transit
            self._fastest = transit
            self._window_start = now

    def _count(self, held_up: int, weight: int) -> None:
        self._counts[min(held_up // (self._frame // STEPS_PER_FRAME), MAX_STEPS)] += weight
        self._total += weight
        if self._total >= MEMORY:
            self._counts = [count // 2 for count in self._counts]
            self._total = sum(self._counts)
        steps, later = MAX_STEPS, self._counts[MAX_STEPS]
        while steps > MIN_STEPS and (later + self._counts[steps - 1]) * TOLERANCE <= self._total:
            steps -= 1
            later += self._counts[steps]
        self._steps = steps
