"""Real time for what is there all at once: files, and speech that was made faster than it is spoken."""

from __future__ import annotations

import attrs
import trio

FORGIVEN_S = 0.1
"""Who is later than this is not hurrying after: it was a pause, or a machine that stood still."""


@attrs.define(eq=False)
class Pacer:
    """Lets audio through at the speed at which it is heard, plus a little lead.

    The times are counted from the first frame, not from the frame before, so that nothing drifts: however
    late one wait ends, the next ends on time. After a pause it starts anew.
    """

    lead_s: float = 0.0
    """How far ahead of real time one may be."""
    _due: float | None = attrs.field(init=False, default=None)
    """Trio time at which all that was let through has been heard."""

    async def wait(self, seconds: float) -> float:
        """Wait until so much more audio may go; if cancelled, it counts as not sent.

        Returns in how many seconds it is to be heard.
        """
        now = trio.current_time()
        due = now if self._due is None or self._due < now - FORGIVEN_S else self._due
        await trio.sleep_until(due - self.lead_s)
        self._due = due + seconds
        return due - trio.current_time()
