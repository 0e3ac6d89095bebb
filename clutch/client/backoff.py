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
    cap_s: float = 2.0
    """The last bound: with a node that is back, a client is back at the latest after this and a handshake."""
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
