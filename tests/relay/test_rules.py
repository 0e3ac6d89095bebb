"""Publishers who break the rules of a track, groups on request, and bugs that stay where they are."""

from __future__ import annotations

from trio.testing import MockClock

from clutch.relay import Relay
from clutch.relay.cache import Cache
from clutch.relay.flow import News
from clutch.relay.track import Demand
from clutch.wire.moqt.codes import DoneStatus, ResetCode
from clutch.wire.moqt.data import ObjectDatagram, Status, encode_datagram
from clutch.wire.moqt.names import Location
from clutch.wire.moqt.parameters import Parameters
from clutch.wire.moqt.properties import Properties
from tests.relay.conftest import AUDIO, OTHER
from tests.relay.world import Client, World

DYNAMIC = Properties.of((0x30, 1))
"""Groups on request (DYNAMIC_GROUPS)."""


def _done(client: Client) -> DoneStatus:
    ((_, done),) = client.take("finished")
    return DoneStatus(done.status)


async def test_an_object_behind_the_end_of_its_group(autojump_clock: MockClock, world: World) -> None:
    publisher, subscriber = world.connect(), world.connect()
    track, other = publisher.publish(AUDIO), publisher.publish(OTHER)
    subscriber.subscribe(AUDIO)
    subscriber.subscribe(OTHER)
    publisher.send(track, 0, b"0", b"1", end_of_group=True)
    publisher.send(track, 0, b"0", b"1", b"2", b"3", subgroup=1)
    assert subscriber.objects() == [(0, 0, b"0"), (0, 1, b"1")]
    assert _done(subscriber) is DoneStatus.MALFORMED_TRACK
    assert [request.name for request, _ in publisher.take("cancelled")] == [AUDIO]
    publisher.send(other, 0, b"untouched")
    assert subscriber.objects() == [(0, 0, b"untouched")]
    assert world.relay.snapshot()["malformed"] == 1


async def test_an_object_behind_the_end_of_the_track(autojump_clock: MockClock, world: World) -> None:
    publisher, subscriber = world.connect(), world.connect()
    track = publisher.publish(AUDIO)
    subscriber.subscribe(AUDIO)
    draft, alias = publisher.session.draft, track.alias or 0
    for datagram in (
        ObjectDatagram(alias, 1, 0, status=Status.END_OF_TRACK),
        ObjectDatagram(alias, 1, 1, b"more"),
    ):
        publisher.session.send_datagram(encode_datagram(draft, datagram))
    assert _done(subscriber) is DoneStatus.MALFORMED_TRACK
    assert [datagram.status for _, datagram in subscriber.take("datagram")] == [Status.END_OF_TRACK]


async def test_a_group_on_request(autojump_clock: MockClock, relay: Relay) -> None:
    world = World(relay, "moqt-18")
    publisher, one, two = world.connect(), world.connect(), world.connect()
    track = publisher.publish(AUDIO, DYNAMIC)
    publisher.send(track, 4, b"x", fin=False)
    world.settle()
    asked: list[int | None] = []

    def updated(session: object, request: object, parameters: Parameters) -> None:
        asked.append(parameters.new_group_request)

    publisher.scribe.on["updated"] = updated
    subscription = one.subscribe(AUDIO, new_group_request=0)
    two.subscribe(AUDIO, new_group_request=0)  # it is asked for already
    assert asked == [0]
    one.session.update(subscription, Parameters(new_group_request=4))  # it knows less than there is
    world.settle()
    one.session.update(subscription, Parameters(new_group_request=7))
    world.settle()
    assert asked == [0, 7]
    publisher.send(track, 7, b"x")
    world.settle()
    one.session.update(subscription, Parameters(new_group_request=8))
    world.settle()
    assert asked == [0, 7, 8]
    world.close()


async def test_who_asks_for_a_group_far_ahead_is_not_the_last(
    autojump_clock: MockClock, relay: Relay
) -> None:
    world = World(relay, "moqt-18")
    publisher, one, two = world.connect(), world.connect(), world.connect()
    track = publisher.publish(AUDIO, DYNAMIC)
    publisher.send(track, 4, b"x")
    one.subscribe(AUDIO, new_group_request=1 << 61)
    subscription = two.subscribe(AUDIO, new_group_request=0)  # one is on its way
    publisher.send(track, 5, b"x")
    world.settle()
    two.session.update(subscription, Parameters(new_group_request=6))
    asked = [parameters.new_group_request for _, parameters in publisher.take("updated")]
    assert asked == [1 << 61, 6]
    world.close()


async def test_the_next_publisher_is_asked_for_a_group_anew(autojump_clock: MockClock, relay: Relay) -> None:
    world = World(relay, "moqt-18")
    with relay.subscribe(AUDIO):  # it stays, and the track with it
        for _ in range(2):
            publisher, subscriber = world.connect(), world.connect()
            publisher.publish(AUDIO, DYNAMIC)
            subscriber.subscribe(AUDIO, new_group_request=50)
            ((_, parameters),) = publisher.take("updated")
            assert parameters.new_group_request == 50
            publisher.leave()
    world.close()


async def test_no_group_from_who_is_about_to_end(autojump_clock: MockClock, relay: Relay) -> None:
    world = World(relay, "moqt-18")
    publisher, subscriber = world.connect(), world.connect()
    track = publisher.publish(AUDIO, DYNAMIC)
    subscription = subscriber.subscribe(AUDIO)
    publisher.session.finish(track, DoneStatus.TRACK_ENDED, streams=1)  # of which the relay has seen none
    world.settle()
    subscriber.session.update(subscription, Parameters(new_group_request=7))
    assert len(subscriber.take("update_answered")) == 1
    assert subscriber.take("closed") == []
    world.close()


async def test_who_is_thrown_out_ends_only_its_own(autojump_clock: MockClock, relay: Relay) -> None:
    world = World(relay, "moqt-18")
    one, two, subscriber = world.connect(), world.connect(), world.connect()
    track, same = one.publish(AUDIO), two.publish(AUDIO)
    subscriber.subscribe(AUDIO)
    dropped, goes_on = one.send(track, 0, b"0", fin=False), two.send(same, 0, b"0", fin=False)
    one.send(track, 1, b"0", end_of_group=True)
    world.settle()
    one.send(track, 1, b"0", b"1", subgroup=1, fin=False)  # malformed, in the batch of the reset
    dropped.reset()
    world.settle()
    two.more(goes_on, 1, b"1")
    assert (0, 1, b"1") in subscriber.objects()
    world.close()


async def test_no_groups_on_request_from_who_makes_none(autojump_clock: MockClock, relay: Relay) -> None:
    world = World(relay, "moqt-18")
    publisher, subscriber = world.connect(), world.connect()
    publisher.publish(AUDIO)
    subscriber.subscribe(AUDIO, new_group_request=0)
    assert publisher.take("updated") == []
    world.close()


class Bug:
    """A `Sink` that does not work."""

    forward = True
    stays = False

    def __init__(self) -> None:
        self.over = False

    def joined(self, track: object) -> None:
        """Fine so far."""

    def refused(self, code: int, reason: str, retry_ms: int | None = None) -> None:
        """Does not happen."""

    def take(self, news: News) -> None:
        """Raises."""
        raise RuntimeError("a bug")

    def ended(self, status: DoneStatus, reason: str) -> None:
        """Does not happen."""

    def failed(self) -> None:
        """As it must."""
        self.over = True


async def test_a_subscriber_that_fails_harms_nobody(autojump_clock: MockClock, world: World) -> None:
    publisher, subscriber, bug = world.connect(), world.connect(), Bug()
    track = publisher.publish(AUDIO)
    world.relay.router.subscribe(AUDIO, bug, 0)
    subscriber.subscribe(AUDIO)
    publisher.send(track, 0, b"x")
    publisher.send(track, 1, b"y")
    assert subscriber.objects() == [(0, 0, b"x"), (1, 0, b"y")]
    assert bug.over
    assert publisher.take("closed") == []


async def test_a_group_that_goes_on_when_it_is_forgotten(autojump_clock: MockClock, world: World) -> None:
    publisher, subscriber = world.connect(), world.connect()
    track = publisher.publish(AUDIO)
    subscriber.subscribe(AUDIO)
    writer = publisher.send(track, 0, b"0", fin=False)
    for group in range(1, 20):
        publisher.send(track, group, b"x")
    assert [group for group, _, _ in subscriber.objects()] == list(range(20))
    cache: Cache = world.relay.router.tracks[AUDIO].cache
    assert 0 not in cache.groups
    for number in range(1, 50):
        publisher.more(writer, number, b"x", fin=number == 49)
        world.settle()
    assert len([group for group, _, _ in subscriber.objects() if group == 0]) == 49


async def test_a_paused_subscriber_keeps_the_track(autojump_clock: MockClock, world: World) -> None:
    publisher, subscriber = world.connect(), world.connect()
    publisher.announce(AUDIO)
    subscription = subscriber.subscribe(AUDIO, forward=False)
    await world.later(5)
    assert publisher.take("cancelled") == []
    heard: list[bool] = []
    publication = world.relay.publish(OTHER, wanted=heard.append)
    other = subscriber.subscribe(OTHER, forward=False)
    assert heard == []
    subscriber.session.update(other, Parameters(forward=True))
    world.settle()
    assert heard == [True]
    subscriber.session.cancel(other)
    world.settle()
    assert heard == [True, False]
    publication.close()
    subscriber.session.cancel(subscription)
    await world.later(5)
    assert len(publisher.take("cancelled")) == 1
    assert Demand.NONE < Demand.PAUSED < Demand.HEARD


async def test_the_publisher_stops_a_stream_nobody_wants(autojump_clock: MockClock, world: World) -> None:
    """STOP_SENDING of a subscriber ends a stream, and not the subscription."""
    publisher, subscriber = world.connect(), world.connect()
    track = publisher.publish(AUDIO)
    subscriber.subscribe(AUDIO)
    writer = publisher.send(track, 0, b"0", fin=False)
    ((incoming,),) = subscriber.take("subgroup_opened")
    incoming.stop(ResetCode.CANCELLED)
    publisher.more(writer, 1, b"1", fin=True)
    publisher.send(track, 1, b"next")
    assert subscriber.objects() == [(0, 0, b"0"), (1, 0, b"next")]


async def test_the_largest_object_is_the_largest_that_anybody_told(
    autojump_clock: MockClock, world: World
) -> None:
    publisher, subscriber = world.connect(), world.connect()
    track = publisher.publish(AUDIO, largest=Location(9, 9))
    publisher.send(track, 3, b"late")
    subscriber.subscribe(AUDIO)
    assert subscriber.answer().parameters.largest == (9, 9)
