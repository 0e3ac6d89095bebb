"""What is due later: many deadlines, one task that waits."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable

import attrs
import structlog
import trio

log = structlog.get_logger(__name__)

_MANY = 100


@attrs.define(eq=False)
class Timer:
    """One deadline. Cancelling is idempotent and costs nothing."""

    call: Callable[[], None] | None
    _timers: Timers = attrs.field(repr=False)

    def cancel(self) -> None:
        """It does not fire any more."""
        if self.call is not None:
            self.call = None
            self._timers.cancelled()


@attrs.define(eq=False)
class Timers:
    """Calls what is due, in order of time, from `run` alone."""

    _now: Callable[[], float] = trio.current_time
    _heap: list[tuple[float, int, Timer]] = attrs.field(factory=list)
    _order: itertools.count[int] = attrs.field(factory=itertools.count)
    _dead: int = 0
    """How many in the heap are cancelled."""
    _changed: trio.Event = attrs.field(factory=trio.Event)

    def after(self, seconds: float, call: Callable[[], None]) -> Timer:
        """Call it once, that many seconds from now."""
        timer = Timer(call, self)
        entry = (self._now() + seconds, next(self._order), timer)
        heapq.heappush(self._heap, entry)
        if self._heap[0] is entry:
            self._changed.set()
        return timer

    @property
    def waiting(self) -> int:
        """How many are not cancelled and not fired; for tests."""
        return sum(timer.call is not None for _, _, timer in self._heap)

    def cancelled(self) -> None:
        """For `Timer`: so that those who come and go at once leave nothing behind for long."""
        self._dead += 1
        if self._dead > _MANY and 2 * self._dead > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].call is not None]
            heapq.heapify(self._heap)
            self._dead = 0

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
            if call is None:
                self._dead -= 1
                continue
            try:
                call()
            except Exception:  # whose it was we do not know; the other sessions wait for theirs
                log.exception("relay.failed")
        return self._heap[0][0] if self._heap else math.inf
