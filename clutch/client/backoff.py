"""When to try again: capped exponential backoff with full jitter.

Full jitter spreads the clients of a node that was restarted over the whole interval, so that they do not
come back all at once (M. Brooker, Exponential Backoff And Jitter, 2015).
"""

from __future__ import annotations

import random

import attrs


@attrs.define(eq=False)
class Backoff:
    """The waits between attempts. Each is anything from nothing to a bound, which doubles up to a cap."""

    _random: random.Random = attrs.field(factory=random.Random)
    first_s: float = 0.25
    """The bound of the first wait."""
    cap_s: float = 1.0
    """The last bound: so much later than a node, at most, is a client back that is not just trying."""
    failed: int = attrs.field(init=False, default=0)
    """Attempts that failed in a row."""

    def next_s(self) -> float:
        """An attempt failed: how long to wait before the next one."""
        bound = min(self.cap_s, self.first_s * 2 ** min(self.failed, 30))
        self.failed += 1
        return self._random.uniform(0, bound)

    def reset(self) -> None:
        """An attempt succeeded."""
        self.failed = 0
