"""A subscriber that does not keep up: it loses the past, then its subscription, and nobody else notices."""

from __future__ import annotations

import math

import pytest
from trio.testing import MockClock

from clutch.relay import RelayLimits
from clutch.wire.moqt.codes import DoneStatus
from clutch.wire.moqt.names import Location
from clutch.wire.moqt.parameters import Filter, FilterType, GroupOrder, Parameters
from clutch.wire.moqt.properties import Properties
from tests.relay.conftest import AUDIO, OTHER
from tests.relay.world import Client, World

NOTHING, EVERYTHING = 0, math.inf


def _groups(client: Client) -> list[int]:
    return [group for group, _, _ in client.objects()]


@pytest.fixture
def stage(world: World) -> tuple[World, Client, Client, Client]:
    """The world, and in it a publisher, a slow subscriber and a quick one."""
    publisher = world.connect()
    slow, quick = world.connect(), world.connect()
    return world, publisher, slow, quick


Stage = tuple[World, Client, Client, Client]


async def test_it_goes_on_at_the_next_group(autojump_clock: MockClock, stage: Stage) -> None:
    world, publisher, slow, quick = stage
    track = publisher.publish(AUDIO)
    slow.subscribe(AUDIO)
    quick.subscribe(AUDIO)
    slow.pair.server.credit = NOTHING
    for group in range(7):
        publisher.send(track, group, b"x")
        world.settle()
        assert slow.pair.server.unsent < 100
    slow.pair.server.credit = EVERYTHING
    publisher.send(track, 7, b"x")
    assert _groups(slow) == [4, 5, 6, 7]  # four may wait; the fifth threw them away
    assert _groups(quick) == [0, 1, 2, 3, 4, 5, 6, 7]
    assert slow.take("finished") == []


async def test_after_too_many_skips_it_is_over(
    autojump_clock: MockClock, stage: Stage, limits: RelayLimits
) -> None:
    world, publisher, slow, quick = stage
    track = publisher.publish(AUDIO)
    slow.subscribe(AUDIO)
    quick.subscribe(AUDIO)
    slow.pair.server.credit = NOTHING
    for group in range(17):
        publisher.send(track, group, b"x")
        world.settle()
    assert slow.pair.server.unsent < 100
    assert world.relay.snapshot()["subscribers"] == 1
    slow.pair.server.credit = EVERYTHING
    await world.later(3)  # the subscriber waits for streams that were reset before their first byte
    ((request, done),) = slow.take("finished")
    assert (request.name, done.status) == (AUDIO, DoneStatus.TOO_FAR_BEHIND)
    assert done.stream_count == 16
    assert _groups(quick) == list(range(17))
    slow.subscribe(AUDIO)
    publisher.send(track, 20, b"x")
    assert _groups(slow) == [20]


async def test_who_catches_up_is_forgiven(autojump_clock: MockClock, stage: Stage) -> None:
    world, publisher, slow, _ = stage
    track = publisher.publish(AUDIO)
    slow.subscribe(AUDIO)
    for round_ in range(10):
        slow.pair.server.credit = NOTHING
        for group in range(6):
            publisher.send(track, 10 * round_ + group, b"x")
            world.settle()
        slow.pair.server.credit = EVERYTHING
        publisher.send(track, 10 * round_ + 6, b"x")
        assert _groups(slow) == [10 * round_ + group for group in (4, 5, 6)]
        await world.later(6)


async def test_who_never_does_for_long_is_not(autojump_clock: MockClock, stage: Stage) -> None:
    world, publisher, slow, _ = stage
    track = publisher.publish(AUDIO)
    slow.subscribe(AUDIO)
    group = 0
    while world.relay.snapshot()["subscribers"]:
        slow.pair.server.credit = 60  # for two of four objects
        for _ in range(4):
            publisher.send(track, group, bytes(25))
            await world.later(0.02)
            group += 1
    assert 12 < group < 60


async def test_bytes_count_as_well(autojump_clock: MockClock, stage: Stage) -> None:
    world, publisher, slow, _ = stage
    track = publisher.publish(AUDIO)
    slow.subscribe(AUDIO)
    slow.pair.server.credit = NOTHING
    for group in range(3):
        publisher.send(track, group, bytes(4_000))
        world.settle()
    assert slow.pair.server.unsent < 5_000
    slow.pair.server.credit = EVERYTHING
    assert _groups(slow) == [2]


async def test_a_long_group_is_left_for_the_next(autojump_clock: MockClock, stage: Stage) -> None:
    world, publisher, slow, quick = stage
    track = publisher.publish(AUDIO)
    slow.subscribe(AUDIO)
    quick.subscribe(AUDIO)
    writer = publisher.send(track, 0, b"key", fin=False)
    world.settle()
    slow.pair.server.credit = NOTHING
    for number in range(1, 20):
        publisher.more(writer, number, bytes(2_000), fin=number == 19)
        world.settle()
        assert slow.pair.server.unsent <= 12_000
    assert len(quick.objects()) == 20
    slow.pair.server.credit = EVERYTHING
    assert len(slow.take("objects")) == 1
    assert len(slow.take("subgroup_ended")) == 1  # reset
    publisher.send(track, 1, b"key")
    assert slow.objects() == [(1, 0, b"key")]


async def test_but_not_for_ever(autojump_clock: MockClock, stage: Stage) -> None:
    world, publisher, slow, _ = stage
    track = publisher.publish(AUDIO)
    slow.subscribe(AUDIO)
    writer = publisher.send(track, 0, b"text", fin=False)
    world.settle()
    slow.pair.server.credit = NOTHING
    for number in range(1, 8):
        publisher.more(writer, number, bytes(2_000))
        world.settle()
    await world.later(6)
    publisher.more(writer, 8, b"still the same group")
    world.settle()
    slow.pair.server.credit = EVERYTHING
    ((_, done),) = slow.take("finished")
    assert done.status == DoneStatus.TOO_FAR_BEHIND


async def test_a_session_that_takes_nothing_more(autojump_clock: MockClock, world: World) -> None:
    publisher, slow = world.connect(), world.connect()
    slow.pair.server.limits = type(slow.pair.server.limits)(session_unsent=500)
    track = publisher.publish(AUDIO)
    slow.subscribe(AUDIO)
    slow.pair.server.credit = NOTHING
    for group in range(3):
        publisher.send(track, group, bytes(400))
        world.settle()
    assert slow.pair.server.unsent < 500
    slow.pair.server.credit = EVERYTHING
    publisher.send(track, 3, b"x")
    assert 3 in _groups(slow)


@pytest.mark.parametrize("by", ["subscriber", "publisher"])
async def test_what_is_late_is_given_up(autojump_clock: MockClock, stage: Stage, by: str) -> None:
    world, publisher, slow, quick = stage
    if by == "publisher":
        track = publisher.publish(AUDIO, Properties.of((0x02, 300)))
        slow.subscribe(AUDIO)
    else:
        track = publisher.publish(AUDIO, Properties.of((0x02, 3_000)))
        slow.subscribe(AUDIO, delivery_timeout_ms=300)
    quick.subscribe(AUDIO)
    slow.pair.server.credit = NOTHING
    publisher.send(track, 0, b"x")
    writer = publisher.send(track, 1, b"x", fin=False)
    await world.later(0.2)
    publisher.send(track, 2, b"x")
    assert slow.pair.server.unsent > 0
    await world.later(0.2)
    slow.pair.server.credit = EVERYTHING
    assert _groups(slow) == [2]
    publisher.more(writer, 1, b"late", fin=True)
    assert _groups(slow) == []
    assert _groups(quick) == [0, 1, 2, 1]
    await world.later(1)


async def test_a_narrower_window(autojump_clock: MockClock, stage: Stage) -> None:
    _, publisher, subscriber, _ = stage
    track = publisher.publish(AUDIO)
    subscription = subscriber.subscribe(AUDIO)
    writer = publisher.send(track, 3, b"x", fin=False)
    assert _groups(subscriber) == [3]
    wanted = Filter(FilterType.ABSOLUTE_START, Location(5, 0))
    subscriber.session.update(subscription, Parameters(filter=wanted))
    assert len(subscriber.take("subgroup_ended")) == 1
    publisher.more(writer, 1, b"y", fin=True)
    publisher.send(track, 4, b"x")
    publisher.send(track, 5, b"x")
    assert _groups(subscriber) == [5]


async def test_the_urgent_first(autojump_clock: MockClock, stage: Stage) -> None:
    world, publisher, subscriber, _ = stage
    audio, video = publisher.publish(AUDIO), publisher.publish(OTHER)
    subscriber.subscribe(AUDIO, subscriber_priority=1)
    subscriber.subscribe(OTHER, subscriber_priority=2)
    subscriber.pair.server.credit = NOTHING
    publisher.send(video, 0, b"video", priority=0)
    publisher.send(audio, 0, b"later", priority=9)
    publisher.send(audio, 1, b"audio", priority=8)
    world.settle()
    subscriber.pair.server.credit = EVERYTHING
    assert [payload for _, _, payload in subscriber.objects()] == [b"audio", b"later", b"video"]


@pytest.mark.parametrize("by", ["subscriber", "publisher"])
async def test_the_newest_group_first(autojump_clock: MockClock, stage: Stage, by: str) -> None:
    world, publisher, subscriber, _ = stage
    if by == "publisher":
        track = publisher.publish(AUDIO, Properties.of((0x22, GroupOrder.DESCENDING)))
        subscriber.subscribe(AUDIO)
    else:
        track = publisher.publish(AUDIO)
        subscriber.subscribe(AUDIO, group_order=GroupOrder.DESCENDING)
    subscriber.pair.server.credit = NOTHING
    for group in (7, 8, 9):
        publisher.send(track, group, b"x")
        world.settle()
    subscriber.pair.server.credit = EVERYTHING
    assert _groups(subscriber) == [9, 8, 7]


@pytest.mark.parametrize("size", [20, 1_500], ids=["streams", "bytes"])
async def test_what_overtook_the_oldest_group_waits_no_more(
    autojump_clock: MockClock, stage: Stage, size: int
) -> None:
    world, publisher, slow, _ = stage
    track = publisher.publish(AUDIO)
    slow.subscribe(AUDIO, group_order=GroupOrder.DESCENDING)
    slow.pair.server.credit = NOTHING
    publisher.send(track, 0, bytes(6_000))
    world.settle()
    for group in range(1, 13):
        publisher.send(track, group, bytes(size))
        world.settle()
        slow.pair.server.credit = size + 50  # for this one, and a little of the first
    assert _groups(slow) == list(range(1, 13))
    assert world.relay.snapshot()["skips"] == 0
    slow.pair.server.credit = EVERYTHING
    assert _groups(slow) == [0]
