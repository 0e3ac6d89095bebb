"""Frames come out in order, once, and say what is missing."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from clutch.client.order import Order
from clutch.client.values import Frame, Gap

FRAME_US = 20_000


def frame(number: int, start_us: int = 1_000_000) -> Frame:
    """The frame of that number of a track that began with 0 at `start_us`."""
    return Frame(b"%d" % number, start_us + number * FRAME_US, number)


def put(order: Order, *numbers: int, now: float = 0.0) -> None:
    """Each a group of its own, complete on arrival."""
    for number in numbers:
        order.put(number, 0, frame(number), now)
        order.end(number)


def taken(order: Order, now: float = 0.0) -> list[Frame]:
    """All that can be had now."""
    return list(iter(lambda: order.take(now), None))


def numbers(frames: list[Frame]) -> list[int]:
    return [frame.sequence for frame in frames]


def test_in_order_at_once() -> None:
    order = Order(50, 20)
    put(order, 7, 8, 9)
    assert numbers(taken(order)) == [7, 8, 9]
    assert order.late == 0


def test_a_late_one_is_waited_for() -> None:
    order = Order(50, 20, patience_s=0.1)
    put(order, 1, 3, 4)
    assert numbers(taken(order)) == [1]
    assert order.deadline() == 0.1
    put(order, 2, now=0.05)
    assert [(frame.sequence, frame.gap) for frame in taken(order, 0.05)] == [(2, None), (3, None), (4, None)]


def test_patience_ends() -> None:
    order = Order(50, 20, patience_s=0.1)
    put(order, 1, 4)
    assert numbers(taken(order, 0.09)) == [1]
    assert [(frame.sequence, frame.gap) for frame in taken(order, 0.1)] == [(4, Gap(2, 40))]
    put(order, 2, 3, now=0.11)
    assert taken(order, 1) == []
    assert order.late == 2


def test_full_drops_the_oldest_and_says_so() -> None:
    order = Order(3, 20)
    put(order, 0)
    taken(order)
    put(order, *range(1, 11))
    assert order.overflowed == 7
    assert [(frame.sequence, frame.gap) for frame in taken(order, 1)] == [
        (8, Gap(7, 140)),
        (9, None),
        (10, None),
    ]


def test_a_group_of_many() -> None:
    order = Order(50, 20)
    for group, number in [(1, 0), (1, 1), (2, 0), (2, 1)]:
        order.put(group, number, frame(2 * group + number), 0)
    assert numbers(taken(order)) == [2, 3]
    order.end(1)
    assert numbers(taken(order)) == [4, 5]


def test_a_group_that_was_reset_empty_is_not_waited_for() -> None:
    order = Order(50, 20)
    put(order, 1, 3)
    order.end(2)
    assert [(frame.sequence, frame.gap) for frame in taken(order)] == [(1, None), (3, Gap(1, 20))]


def test_silence_that_is_not_sent_is_no_gap() -> None:
    order = Order(50, 20)
    order.put(1, 0, frame(1), 0)
    order.end(1)
    order.put(2, 0, frame(60), 0)
    assert [frame.gap for frame in taken(order)] == [None, None]


def test_one_gap_after_a_reconnect() -> None:
    order = Order(50, 20)
    put(order, 1, 2)
    assert numbers(taken(order)) == [1, 2]
    order.rejoin()
    put(order, 103, 104, now=2.0)
    assert [(frame.sequence, frame.gap) for frame in taken(order, 2.0)] == [
        (103, Gap(100, 2000)),
        (104, None),
    ]


def test_a_publisher_that_begins_anew_is_followed() -> None:
    order = Order(50, 20)
    put(order, 1001, 1002)
    taken(order)
    order.rejoin()
    order.put(1, 0, frame(1, start_us=1_000_000 + 1052 * FRAME_US), 1.0)
    assert [(frame.sequence, frame.gap) for frame in taken(order, 1.0)] == [(1, Gap(50, 1000))]


def test_a_publisher_that_jumps_is_measured_by_its_clock() -> None:
    order = Order(50, 20)
    put(order, 1)
    taken(order)
    order.put(90_000, 0, frame(11), 1.0)
    assert [frame.gap for frame in taken(order, 2.0)] == [Gap(9, 180)]


def test_without_timestamps_the_reader_s_clock_counts() -> None:
    order = Order(50, 20)
    order.put(100, 0, Frame(b""), 10.0)
    taken(order, 10.0)
    order.rejoin()
    order.put(1, 0, Frame(b""), 11.0)
    assert [frame.gap for frame in taken(order, 11.0)] == [Gap(49, 980)]


def test_what_was_sent_again_is_dropped() -> None:
    order = Order(50, 0)
    order.put(1, 0, frame(1), 0)
    order.put(1, 1, frame(2), 0)
    taken(order)
    order.rejoin()
    assert not order.put(1, 0, frame(1), 1)
    assert not order.put(1, 1, frame(2), 1)
    assert order.put(1, 2, frame(3), 1)
    assert [(frame.sequence, frame.gap) for frame in taken(order, 1)] == [(3, None)]


def test_unordered_hands_out_what_comes() -> None:
    order = Order(3, 0, ordered=False)
    put(order, 5, 3, 4)
    assert numbers(taken(order)) == [5, 3, 4]
    put(order, 9, 8, 7, 6)
    assert [(frame.sequence, frame.gap) for frame in taken(order)] == [(8, Gap(1, 80)), (7, None), (6, None)]


@given(st.integers(0, 2**32), st.integers(1, 60), st.floats(0, 0.3))
def test_any_network(seed: int, capacity: int, loss: float) -> None:
    """Whatever is lost and delayed: in order, once, and the gaps add up to what is missing."""
    chance = random.Random(seed)
    order = Order(capacity, 20)
    arrivals = sorted(
        (number * 0.02 + chance.choice([0.0, 0.0, 0.0, 0.03, 0.2]), number)
        for number in range(100)
        if chance.random() >= loss
    )
    out: list[Frame] = []
    for now, number in arrivals:
        out += taken(order, now) if chance.random() < 0.5 else []
        put(order, number, now=now)
    out += list(iter(lambda: order.take(9.0, flush=True), None))
    found = numbers(out)
    assert found == sorted(set(found))
    if found:
        missing = sum(frame.gap.frames for frame in out if frame.gap)
        assert missing == found[-1] - found[0] + 1 - len(found)
        assert len(found) + order.late + order.overflowed == len(arrivals)
