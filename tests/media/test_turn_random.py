"""Invariants of turn-taking on timelines of chance; `python -m tests.bench turn` tries many more."""

from __future__ import annotations

from clutch.media.turn_events import TURN_MOVES
from tests.media.turn_random import Moves, watch


def test_any_talk_keeps_the_rules_and_together_they_go_everywhere() -> None:
    seen = Moves()
    for seed in range(2000):
        seen |= watch(seed)
    assert seen == set(TURN_MOVES)
