"""Deadlines by key: the clock is the caller's."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Hashable, Iterator
from typing import TypeAlias

import attrs

Action: TypeAlias = Callable[[], None]


@attrs.define(eq=False)
class Timers:
    """What is to be done at which time; one deadline per key."""

    _due: dict[Hashable, tuple[float, int, Action]] = attrs.field(init=False, factory=dict)
    _heap: list[tuple[float, int, Hashable]] = attrs.field(init=False, factory=list)
    _numbers: Iterator[int] = attrs.field(init=False, factory=itertools.count, repr=False)

    def set(self, key: Hashable, when: float, action: Action) -> None:
        """Call `action` at a time; replaces what the key had."""
        number = next(self._numbers)
        self._due[key] = (when, number, action)
        heapq.heappush(self._heap, (when, number, key))
        if len(self._heap) > 2 * len(self._due) + 64:  # most of it was cleared or replaced
            self._heap = [(when, number, key) for key, (when, number, _) in self._due.items()]
            heapq.heapify(self._heap)

    def clear(self, key: Hashable) -> None:
        """Forget a key. Nothing happens if it has no deadline."""
        self._due.pop(key, None)

    def __contains__(self, key: Hashable) -> bool:
        """Whether it has a deadline."""
        return key in self._due

    def deadline(self) -> float | None:
        """When something is to be done next; None: never."""
        while self._heap and not self._current(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def run(self, now: float) -> None:
        """Do what is due."""
        while (when := self.deadline()) is not None and when <= now:
            _, _, key = heapq.heappop(self._heap)
            self._due.pop(key)[2]()

    def _current(self, entry: tuple[float, int, Hashable]) -> bool:
        _, number, key = entry
        return self._due.get(key, (0.0, -1, None))[1] == number
