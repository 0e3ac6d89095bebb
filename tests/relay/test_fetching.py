"""FETCH and TRACK_STATUS over sessions."""

from __future__ import annotations

import math

import pytest
from trio.testing import MockClock

from clutch.relay import Relay
from clutch.wire.moqt import messages as m
from clutch.wire.moqt.codes import RequestError, ResetCode
from clutch.wire.moqt.fetch import FetchObject
from clutch.wire.moqt.names import FullTrackName, Location
from clutch.wire.moqt.parameters import GroupOrder, Parameters
from clutch.wire.moqt.properties import Properties
from clutch.wire.moqt.session_request import Request
from tests.relay.conftest import AUDIO, OTHER, joining
from tests.relay.world import Client, World


def _range(start: int, end: int, name: FullTrackName = AUDIO) -> m.StandaloneFetch:
    """Whole groups, inclusive."""
    return m.StandaloneFetch(name, Location(start, 0), Location(end, 0))


def _fetched(client: Client) -> list[bytes]:
    items = [item for _, batch in client.take("fetched") for item in batch]
    return [item.payload if isinstance(item, FetchObject) else b"?" for item in items]


@pytest.fixture
def peers(world: World) -> tuple[World, Client, Request, Client]:
    """A publisher that has sent groups 10 to 14, and somebody who comes late."""
    publisher, late = world.connect(), world.connect()
    track = publisher.publish(AUDIO, Properties.of((0x3841, b"voice/opus")))
    for group in range(10, 15):
        publisher.send(track, group, b"%d" % group, end_of_group=True)
    world.settle()
    return world, publisher, track, late


_ALL = [b"10", b"11", b"12", b"13", b"14"]
Peers = tuple[World, Client, Request, Client]


async def test_a_range_of_the_past(autojump_clock: MockClock, peers: Peers) -> None:
    _, _, _, late = peers
    late.session.fetch(_range(11, 13))
    answer = late.answer()
    assert (answer.end, answer.end_of_track) == ((13, 0), False)
    assert answer.properties.data(0x3841) == b"voice/opus"
    assert _fetched(late) == [b"11", b"12", b"13"]
    assert [code for _, code in late.take("fetch_ended")] == [None]
    assert late.session.requests == []


async def test_what_is_not_known_is_said(autojump_clock: MockClock, peers: Peers) -> None:
    _, _, _, late = peers
    late.session.fetch(_range(8, 20))
    assert late.answer().end == (14, 1)
    assert _fetched(late) == [b"?", b"10", b"11", b"12", b"13", b"14"]


async def test_the_last_group_first(autojump_clock: MockClock, peers: Peers) -> None:
    _, _, _, late = peers
    late.session.fetch(_range(11, 13), Parameters(group_order=GroupOrder.DESCENDING))
    assert _fetched(late) == [b"13", b"12", b"11"]
    late.session.fetch(_range(8, 13), Parameters(group_order=GroupOrder.DESCENDING))
    assert _fetched(late) == [b"13", b"12", b"11", b"10"]
    assert [code for _, code in late.take("fetch_ended")] == [None, ResetCode.UNKNOWN_OBJECT_STATUS]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (_range(15, 20), RequestError.INVALID_RANGE),
        (_range(0, 1, OTHER), RequestError.DOES_NOT_EXIST),
    ],
)
async def test_fetches_that_cannot_be(
    autojump_clock: MockClock,
    peers: Peers,
    asked: m.StandaloneFetch,
    code: RequestError,
) -> None:
    _, _, _, late = peers
    late.session.fetch(asked)
    assert late.answer().code == code


@joining
@pytest.mark.parametrize(
    ("start", "relative", "heard"),
    [(2, True, [b"12", b"13", b"14"]), (13, False, [b"13", b"14"]), (99, True, [b"?", *_ALL])],
)
async def test_joining(
    autojump_clock: MockClock, peers: Peers, start: int, relative: bool, heard: list[bytes]
) -> None:
    _, publisher, track, late = peers
    subscription = late.subscribe(AUDIO)
    late.session.fetch(m.JoiningFetch(subscription.id, start, relative))
    publisher.send(track, 15, b"15", end_of_group=True)
    assert _fetched(late) == heard
    assert late.objects() == [(15, 0, b"15")]


async def test_joining_what_waits_for_its_publisher(autojump_clock: MockClock, relay: Relay) -> None:
    world = World(relay, "moqt-18")
    publisher, late = world.connect(), world.connect()
    subscription = late.subscribe(AUDIO, rendezvous_timeout_ms=1_000)
    late.session.fetch(m.JoiningFetch(subscription.id, 1))
    assert late.take("answered") == []
    publisher.publish(AUDIO, largest=Location(3, 0))
    assert late.answer().end == (3, 1)
    assert _fetched(late) == [b"?"]
    other = late.subscribe(OTHER, rendezvous_timeout_ms=1_000)
    late.session.fetch(m.JoiningFetch(other.id, 1))
    await world.later(2)
    codes = [message.code for _, message in late.take("answered")]
    assert codes == [RequestError.TIMEOUT, RequestError.INVALID_JOINING_REQUEST_ID]
    world.close()


@joining
async def test_joining_before_anything_was_sent(autojump_clock: MockClock, world: World) -> None:
    publisher, late = world.connect(), world.connect()
    publisher.publish(AUDIO)
    subscription = late.subscribe(AUDIO)
    late.session.fetch(m.JoiningFetch(subscription.id, 1))
    assert late.answer().code == RequestError.INVALID_RANGE


async def test_a_large_one_has_a_pace_and_leaves_room(autojump_clock: MockClock, world: World) -> None:
    publisher, late = world.connect(), world.connect()
    track = publisher.publish(AUDIO)
    world.relay.router.cached.limits = type(world.relay.limits.cache)()
    for group in range(100):
        publisher.send(track, group, bytes(10_000))
    world.settle()
    late.pair.server.credit = 0
    late.session.fetch(_range(0, 99))
    world.settle()
    assert 60_000 < late.pair.server.unsent < 90_000
    received = 0
    while received < 100:
        late.pair.server.credit = 50_000
        await world.later(0.1)
        assert late.pair.server.unsent < 90_000
        received += len(_fetched(late))
    late.pair.server.credit = math.inf
    assert len(late.take("fetch_ended")) == 1


async def test_a_fetch_that_is_taken_back(autojump_clock: MockClock, peers: Peers) -> None:
    world, _, _, late = peers
    late.pair.server.credit = 0
    request = late.session.fetch(_range(11, 13))
    world.settle()
    late.session.cancel(request)
    world.settle()
    assert late.pair.server.unsent < 50


async def test_the_status_of_a_track(autojump_clock: MockClock, peers: Peers) -> None:
    _, _, _, late = peers
    late.session.track_status(AUDIO)
    answer = late.answer()
    assert answer.parameters.largest == (14, 0)
    if late.session.draft.number > 16:
        assert answer.properties.data(0x3841) == b"voice/opus"
    late.session.track_status(OTHER)
    assert late.answer().code == RequestError.DOES_NOT_EXIST
