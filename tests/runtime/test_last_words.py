"""Goodbyes: bounded, shielded, and honest about being cut short."""

from __future__ import annotations

import math

import pytest
import trio
from trio.testing import MockClock

from actors.runtime import last_words


@pytest.mark.parametrize(
    ("takes_s", "took_s", "cut"), [(0.5, 0.5, False), (8.0, 2.0, True), (math.inf, 2.0, True)]
)
async def test_last_words(takes_s: float, took_s: float, cut: bool, autojump_clock: MockClock) -> None:
    with trio.CancelScope() as outer:
        outer.cancel()
        try:
            await trio.lowlevel.checkpoint()
        finally:
            with last_words(2.0) as words:
                await trio.sleep(takes_s)
            assert words.cancelled_caught is cut
            assert trio.current_time() == took_s
    assert outer.cancelled_caught
