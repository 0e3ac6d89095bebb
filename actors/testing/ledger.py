"""The ledger: what was taken and not given back."""

from __future__ import annotations

from collections import Counter

import attrs


@attrs.define(eq=False)
class Ledger:
    """Counts resources by kind and name ("port", "file", "leg" …) as the fakes take and return them."""

    _held: Counter[str] = attrs.field(factory=Counter)
    _taken: int = 0

    def take(self, kind: str, name: str) -> None:
        """A resource was taken."""
        self._held[f"{kind} {name}"] += 1
        self._taken += 1

    def give_back(self, kind: str, name: str) -> None:
        """A resource was returned. Raises AssertionError if it was not held: a double release is a bug."""
        key = f"{kind} {name}"
        if self._held[key] < 1:
            raise AssertionError(f"{key} was given back without being held")
        self._held[key] -= 1

    @property
    def taken(self) -> int:
        """How many were ever taken."""
        return self._taken

    def leftovers(self) -> list[str]:
        """What is still held, as ``kind name``."""
        return sorted((+self._held).elements())
