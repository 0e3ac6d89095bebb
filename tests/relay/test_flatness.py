"""Voice that goes on leaves nothing behind. The benchmark `relay_hour` lets it go on for an hour."""

from __future__ import annotations

import pytest
from trio.testing import MockClock

from tests.relay.flatness import talk
from tests.relay.stage import Kind

BLOCKS = 500
"""What memory may grow by, in objects: an eighth of the groups, at most."""


@pytest.mark.parametrize(("kind", "seconds"), [("memory", 120), ("aioquic", 80)])
async def test_memory_is_flat(autojump_clock: MockClock, kind: Kind, seconds: float) -> None:
    course = await talk(kind, seconds)
    assert course.after.blocks - course.before.blocks < BLOCKS
    assert [listener.lost for listener in course.listeners] == [0, 0, 0]
    assert all(listener.heard >= course.groups for listener in course.listeners)
