"""Pieces in the order of their talk; the queue is a number that the tests count down."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from clutch.media.playout import LEAD_MS, MOST_MS, Filler, Playout

LEAD, GAP = Filler.LEAD, Filler.GAP
MS = {LEAD: LEAD_MS, GAP: 20}


class Talk:
    """A playout and its queue."""

    def __init__(self) -> None:
        self.playout: Playout[int] = Playout()
        self.queued_ms = 0
        self.played: list[int | Filler] = []

    def come(self, *groups: int) -> list[int | Filler]:
        """Pieces come, each alone in its group; returns what is played of it at once."""
        for group in groups:
            self.playout.push((group, 0), group)
        return self.play()

    def play(self) -> list[int | Filler]:
        played: list[int | Filler] = []
        while (item := self.playout.next(self.queued_ms)) is not None:
            self.queued_ms += MS[item] if isinstance(item, Filler) else 20
            played.append(item)
        self.played += played
        return played

    def tick(self, ticks: int = 1) -> list[int | Filler]:
        """Time passes."""
        played: list[int | Filler] = []
        for _ in range(ticks):
            self.queued_ms = max(0, self.queued_ms - 20)
            played += self.play()
        return played


def test_in_order() -> None:
    talk = Talk()
    assert talk.come(1) == [LEAD, 1]
    assert talk.come(2, 3) == [2, 3]
    assert not talk.playout.waits


def test_what_overtook_waits_for_its_turn() -> None:
    talk = Talk()
    talk.come(1)
    assert talk.come(3) == []
    assert talk.playout.waits
    assert talk.come(2) == [2, 3]
    assert (talk.playout.late, talk.playout.missing) == (0, 0)


def test_what_is_missing_is_waited_for_as_long_as_the_queue_lasts() -> None:
    talk = Talk()
    talk.come(1)
    assert talk.come(3) == []
    assert talk.tick() == []  # 40 ms wait in the queue
    assert talk.tick() == [GAP, 3]
    assert talk.come(2) == []
    assert (talk.playout.late, talk.playout.missing) == (1, 1)


def test_several_are_missing() -> None:
    talk = Talk()
    talk.come(1)
    talk.come(4)
    assert talk.tick(3) == [GAP, GAP, 4]
    assert talk.playout.missing == 2


def test_a_dry_queue_begins_again() -> None:
    talk = Talk()
    talk.come(1)
    talk.tick(5)
    assert talk.come(3) == [LEAD, 3]
    assert talk.playout.missing == 1
    assert talk.come(2, 4) == [4]
    assert talk.playout.late == 1


def test_a_far_jump_is_another_beginning() -> None:
    talk = Talk()
    talk.come(1)
    assert talk.come(1000) == [1000]
    assert talk.playout.missing == 0


def test_what_comes_twice_is_played_once() -> None:
    talk = Talk()
    talk.come(1)
    talk.come(3, 3)
    assert talk.come(1, 2) == [2, 3]
    assert talk.playout.late == 2


def test_groups_of_several_pieces() -> None:
    talk = Talk()
    for place, piece in {(7, 0): 1, (7, 1): 2, (8, 0): 4, (7, 2): 3, (8, 1): 5}.items():
        talk.playout.push(place, piece)
    assert talk.play() == [LEAD, 1, 2, 3, 4, 5]
    talk.playout.push((8, 3), 7)
    assert talk.play() == []
    talk.playout.push((8, 2), 6)
    assert talk.play() == [6, 7]


def test_too_much_is_trimmed_and_the_talk_goes_on() -> None:
    talk = Talk()
    talk.come(*range(1, 101))
    assert talk.queued_ms == MOST_MS + 20
    assert talk.playout.trimmed == 100 - (MOST_MS + 20 - LEAD_MS) // 20
    talk.tick(10)
    assert talk.come(101) == [101]
    assert talk.playout.missing == 0


@given(st.lists(st.one_of(st.integers(1, 40), st.none()), max_size=80))
def test_whatever_comes_is_played_in_order_and_never_late(steps: Sequence[int | None]) -> None:
    talk = Talk()
    for step in steps:
        if step is None:
            talk.tick()
        else:
            talk.come(step)
        assert talk.queued_ms <= MOST_MS + LEAD_MS
    pieces = [item for item in talk.played if isinstance(item, int)]
    assert pieces == sorted(set(pieces))
    talk.tick(40)
    assert not talk.playout.waits
    count = sum(step is not None for step in steps)
    pieces = [item for item in talk.played if isinstance(item, int)]
    assert len(pieces) + talk.playout.late + talk.playout.trimmed == count
