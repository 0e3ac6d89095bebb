"""What the relay does not have itself it asks for: FETCH and TRACK_STATUS to who publishes the namespace."""

from __future__ import annotations

import pytest
from trio.testing import MockClock

from clutch.relay import Relay
from clutch.wire.moqt import messages as m
from clutch.wire.moqt.codes import RequestError, ResetCode
from clutch.wire.moqt.fetch import EndOfRange, FetchObject
from clutch.wire.moqt.names import Location
from clutch.wire.moqt.parameters import GroupOrder, Parameters
from clutch.wire.moqt.properties import Properties
from clutch.wire.moqt.session_request import Kind, Request
from tests.relay.conftest import AUDIO, joining
from tests.relay.world import Client, World

RANGE = m.StandaloneFetch(AUDIO, Location(1, 0), Location(3, 0))
END = Location(3, 0)
CAPABILITY = Properties.of((0x3841, b"voice/opus"))

Peers = tuple[World, Client, Client]


@pytest.fixture
def peers(world: World) -> Peers:
    """A publisher of a namespace that answers nothing by itself, and a subscriber."""
    publisher, subscriber = world.connect(), world.connect()
    publisher.announce(AUDIO, serve=False)
    return world, publisher, subscriber


def _objects(*groups: int) -> list[FetchObject]:
    return [FetchObject(group, 0, b"%d" % group, 2, 7, Properties.of((0x10, group))) for group in groups]


def _send(publisher: Client, request: Request, items: list[FetchObject], *, finish: bool = True) -> None:
    stream = publisher.session.open_fetch(request)
    assert stream is not None
    for item in items:
        assert stream.write(item)
    if finish:
        stream.finish()


def _fetched(client: Client) -> list[FetchObject | EndOfRange]:
    return [item for _, batch in client.take("fetched") for item in batch]


async def test_the_past_of_a_track_nobody_has_heard(autojump_clock: MockClock, peers: Peers) -> None:
    world, publisher, subscriber = peers
    subscriber.session.fetch(RANGE, Parameters(group_order=GroupOrder.DESCENDING))
    request = publisher.asked()
    assert request.message.range == RANGE  # type: ignore[union-attr]  # it is a FETCH
    assert request.parameters.group_order is GroupOrder.DESCENDING
    publisher.session.accept(request, end=END, end_of_track=True, properties=CAPABILITY)
    _send(publisher, request, _objects(3, 2, 1))
    answer = subscriber.answer()
    assert (answer.end, answer.end_of_track) == (END, True)
    assert _fetched(subscriber) == _objects(3, 2, 1)
    assert [code for _, code in subscriber.take("fetch_ended")] == [None]
    assert world.relay.router.tracks == {}


async def test_the_objects_before_the_answer(autojump_clock: MockClock, peers: Peers) -> None:
    _, publisher, subscriber = peers
    subscriber.session.fetch(RANGE)
    request = publisher.asked()
    _send(publisher, request, _objects(1, 2))
    assert _fetched(subscriber) == []
    publisher.session.accept(request, end=END)
    assert _fetched(subscriber) == _objects(1, 2)
    assert [code for _, code in subscriber.take("fetch_ended")] == [None]


async def test_what_the_cache_knows_is_not_asked_for(autojump_clock: MockClock, peers: Peers) -> None:
    world, publisher, subscriber = peers
    track = publisher.publish(AUDIO)
    for group in (1, 2, 3):
        publisher.send(track, group, b"%d" % group, end_of_group=True)
    world.settle()
    subscriber.session.fetch(RANGE)
    assert len(_fetched(subscriber)) == 3
    assert publisher.take("requested") == []
    subscriber.session.fetch(m.StandaloneFetch(AUDIO, Location(0, 0), Location(3, 0)))
    request = publisher.asked()
    publisher.session.reject(request, RequestError.NOT_SUPPORTED)
    assert [type(item) for item in _fetched(subscriber)] == [
        EndOfRange,
        FetchObject,
        FetchObject,
        FetchObject,
    ]


async def test_who_wants_only_what_is_here(autojump_clock: MockClock, relay: Relay) -> None:
    world = World(relay, "moqt-18")
    publisher, subscriber = world.connect(), world.connect()
    publisher.announce(AUDIO, serve=False)
    subscriber.session.fetch(RANGE, Parameters(fill_timeout_ms=0))
    assert subscriber.answer().code == RequestError.DOES_NOT_EXIST
    assert publisher.take("requested") == []
    world.close()


async def test_the_publisher_says_no(autojump_clock: MockClock, peers: Peers) -> None:
    _, publisher, subscriber = peers
    subscriber.session.fetch(RANGE)
    publisher.session.reject(publisher.asked(), RequestError.INVALID_RANGE, "nothing there")
    answer = subscriber.answer()
    assert (answer.code, answer.reason) == (RequestError.INVALID_RANGE, "nothing there")


async def test_the_publisher_says_nothing(autojump_clock: MockClock, peers: Peers) -> None:
    world, publisher, subscriber = peers
    subscriber.session.fetch(RANGE)
    await world.later(6)
    assert subscriber.answer().code == RequestError.TIMEOUT
    assert len(publisher.take("cancelled")) == 1


@pytest.mark.parametrize("granted", [True, False])
async def test_the_publisher_goes(autojump_clock: MockClock, peers: Peers, granted: bool) -> None:
    _, publisher, subscriber = peers
    subscriber.session.fetch(RANGE)
    request = publisher.asked()
    if granted:
        publisher.session.accept(request, end=END)
        _send(publisher, request, _objects(1), finish=False)
        assert len(_fetched(subscriber)) == 1
    publisher.leave()
    if granted:
        assert [code for _, code in subscriber.take("fetch_ended")] == [ResetCode.UNKNOWN_OBJECT_STATUS]
    else:
        assert subscriber.answer().code == RequestError.INTERNAL_ERROR


async def test_the_subscriber_goes(autojump_clock: MockClock, peers: Peers) -> None:
    _, publisher, subscriber = peers
    subscriber.session.fetch(RANGE)
    request = publisher.asked()
    publisher.session.accept(request, end=END)
    subscriber.leave()
    assert [request for request, _ in publisher.take("cancelled")] == [request]


async def test_a_subscriber_that_does_not_read(autojump_clock: MockClock, peers: Peers) -> None:
    world, publisher, subscriber = peers
    subscriber.session.fetch(RANGE)
    request = publisher.asked()
    publisher.session.accept(request, end=END)
    world.settle()
    subscriber.pair.server.credit = 0
    large = [FetchObject(1, number, bytes(500_000)) for number in range(12)]
    _send(publisher, request, large, finish=False)
    world.settle()
    assert subscriber.pair.server.unsent < 600_000
    assert len(publisher.take("cancelled")) == 1
    subscriber.pair.server.credit = float("inf")
    assert [code for _, code in subscriber.take("fetch_ended")] == [
        ResetCode.INTERNAL_ERROR if world.alpn == "moqt-16" else ResetCode.EXCESSIVE_LOAD
    ]


async def test_objects_without_payload_are_not_kept_without_end(
    autojump_clock: MockClock, peers: Peers
) -> None:
    world, publisher, subscriber = peers
    subscriber.session.fetch(RANGE)
    request = publisher.asked()
    _send(publisher, request, [FetchObject(1, number, b"") for number in range(9_000)], finish=False)
    world.settle()
    assert len(publisher.take("cancelled")) == 1


@joining
async def test_a_joining_fetch_that_is_taken_back_leaves_nothing(
    autojump_clock: MockClock, peers: Peers
) -> None:
    world, _, subscriber = peers
    subscription = subscriber.subscribe(AUDIO)
    fetch = subscriber.session.fetch(m.JoiningFetch(subscription.id, 1))
    world.settle()
    (peer,) = (peer for peer in world.relay.peers.values() if AUDIO in peer.subscribed)
    assert len(peer.subscribed[AUDIO]._then) == 1
    subscriber.session.cancel(fetch)
    world.settle()
    assert len(peer.subscribed[AUDIO]._then) == 0


@joining
async def test_a_joining_fetch(autojump_clock: MockClock, peers: Peers) -> None:
    _, publisher, subscriber = peers
    subscription = subscriber.subscribe(AUDIO)
    publisher.session.accept(publisher.asked(), parameters=Parameters(largest=Location(3, 0)))
    assert isinstance(subscriber.answer(), m.SubscribeOk)
    subscriber.session.fetch(m.JoiningFetch(subscription.id, 1))
    request = publisher.asked()
    assert request.kind is Kind.FETCH
    asked = m.StandaloneFetch(AUDIO, Location(2, 0), Location(3, 1))
    assert request.message.range == asked  # type: ignore[union-attr]  # it is a FETCH
    publisher.session.accept(request, end=Location(3, 1))
    _send(publisher, request, _objects(2, 3))
    assert _fetched(subscriber) == _objects(2, 3)


async def test_the_status_of_a_track_nobody_has_heard(autojump_clock: MockClock, peers: Peers) -> None:
    world, publisher, subscriber = peers
    subscriber.session.track_status(AUDIO)
    parameters = Parameters(largest=Location(8, 1))
    properties = Properties() if world.alpn == "moqt-16" else CAPABILITY
    publisher.session.accept(publisher.asked(), parameters=parameters, properties=properties)
    answer = subscriber.answer()
    assert (answer.parameters.largest, answer.properties) == (Location(8, 1), properties)
    subscriber.session.track_status(AUDIO)
    publisher.session.reject(publisher.asked(), RequestError.DOES_NOT_EXIST)
    assert subscriber.answer().code == RequestError.DOES_NOT_EXIST
    subscriber.session.track_status(AUDIO)
    world.settle()
    publisher.leave()
    assert subscriber.answer().code == RequestError.DOES_NOT_EXIST
