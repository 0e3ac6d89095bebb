"""What is due later: many deadlines, one task that waits."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable

import attrs
import trio


@attrs.define(eq=False)
class Timer:
    """One deadline. Cancelling is idempotent and costs nothing."""

    call: Callable[[], None] | None

    def cancel(self) -> None:
        """It does not fire any more."""
        self.call = None


@attrs.define(eq=False)
class Timers:
    """Calls what is due, in order of time, from `run` alone."""

    _now: Callable[[], float] = trio.current_time
    _heap: list[tuple[float, int, Timer]] = attrs.field(factory=list)
    _order: itertools.count[int] = attrs.field(factory=itertools.count)
    _changed: trio.Event = attrs.field(factory=trio.Event)

    def after(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Call it once, that many seconds from now."""
        timer = Timer(call)
        entry = (self._now() + seconds, next(self._order), timer)
        heapq.heappush(self._heap, entry)
        if self._heap[0] is entry:
            self._changed.set()
        return timer

    @property
    def waiting(self) -> int:
        """How many are not cancelled and not fired; for tests."""
        return sum(timer.call is not None for _, _, timer in self._heap)

    async def run(self) -> None:
        """Fire until cancelled."""
        while True:
            self._changed = trio.Event()
            due = self._fire()
            with trio.move_on_at(due):
                await self._changed.wait()

    def _fire(self) -> float:
        now = self._now()
        while self._heap and (self._heap[0][2].call is None or self._heap[0][0] <= now):
            timer = heapq.heappop(self._heap)[2]
            call, timer.call = timer.call, None
            if call is not None:
                call()
        return self._heap[0][0] if self._heap else math.inf
