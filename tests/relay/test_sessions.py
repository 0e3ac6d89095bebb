"""SUBSCRIBE, PUBLISH and PUBLISH_NAMESPACE over sessions, in both drafts."""

from __future__ import annotations

import pytest
from trio.testing import MockClock

from clutch.relay import Relay
from clutch.wire.moqt import messages as m
from clutch.wire.moqt.codes import DoneStatus, RequestError
from clutch.wire.moqt.data import (
    Object,
    ObjectDatagram,
    SubgroupHeader,
    encode_datagram,
    encode_object,
    encode_subgroup_header,
)
from clutch.wire.moqt.names import Location
from clutch.wire.moqt.parameters import Filter, FilterType, Parameters
from clutch.wire.moqt.properties import Properties
from tests.relay.conftest import AUDIO, OTHER
from tests.relay.world import World


async def test_publish_and_subscribe(autojump_clock: MockClock, world: World) -> None:
    publisher, subscriber = world.connect(), world.connect()
    track = publisher.publish(AUDIO, Properties.of((0x3841, b"voice/opus")))
    subscription = subscriber.subscribe(AUDIO)
    answer = subscriber.answer()
    assert answer.properties.data(0x3841) == b"voice/opus"
    publisher.send(track, 7, b"hello")
    assert subscriber.objects() == [(7, 0, b"hello")]
    publisher.session.finish(track, DoneStatus.TRACK_ENDED, "over")
    ((request, done),) = subscriber.take("finished")
    assert request is subscription
    assert (done.status, done.stream_count, done.reason) == (DoneStatus.TRACK_ENDED, 1, "over")


async def test_a_published_namespace_is_asked(autojump_clock: MockClock, world: World) -> None:
    publisher, one, two = world.connect(), world.connect(), world.connect()
    publisher.announce(AUDIO)
    one.subscribe(AUDIO)
    assert isinstance(one.answer(), m.SubscribeOk)
    two.subscribe(AUDIO)
    assert isinstance(two.answer(), m.SubscribeOk)
    upstream = publisher.asked()
    publisher.send(upstream, 0, b"a", b"b")
    assert one.objects() == two.objects() == [(0, 0, b"a"), (0, 1, b"b")]
    one.leave()
    two.leave()
    assert publisher.take("cancelled") == []
    await world.later(2.5)  # it lingers, for who comes again
    ((request, _),) = publisher.take("cancelled")
    assert request is upstream


async def test_nobody_publishes_it(autojump_clock: MockClock, world: World) -> None:
    subscriber = world.connect()
    subscriber.subscribe(AUDIO)
    assert subscriber.answer().code == RequestError.DOES_NOT_EXIST


async def test_the_publisher_has_no_such_track(autojump_clock: MockClock, world: World) -> None:
    publisher, subscriber = world.connect(), world.connect()
    publisher.announce(AUDIO, serve=False)
    subscriber.subscribe(AUDIO)
    publisher.session.reject(publisher.asked(), RequestError.DOES_NOT_EXIST, "no such track")
    answer = subscriber.answer()
    assert (answer.code, answer.reason) == (RequestError.DOES_NOT_EXIST, "no such track")


async def test_the_publisher_says_when_to_ask_again(autojump_clock: MockClock, relay: Relay) -> None:
    world = World(relay, "moqt-18")
    publisher, subscriber = world.connect(), world.connect()
    publisher.announce(AUDIO, serve=False)
    subscriber.subscribe(AUDIO, rendezvous_timeout_ms=20_000)
    publisher.session.reject(publisher.asked(), RequestError.DOES_NOT_EXIST, "not yet", retry_ms=5_000)
    await world.later(4)
    assert publisher.take("requested") == []
    await world.later(2)
    publisher.session.accept(publisher.asked())
    assert isinstance(subscriber.answer(), m.SubscribeOk)
    world.close()


async def test_who_waits_for_the_next_publisher_asks_for_it(autojump_clock: MockClock, world: World) -> None:
    publisher = world.connect()
    publisher.announce(AUDIO)
    with world.relay.subscribe(AUDIO) as subscription:
        for _ in range(2):
            upstream = publisher.asked()
            assert subscription.live
            publisher.session.finish(upstream, DoneStatus.TRACK_ENDED)
            world.settle()
            assert not subscription.live
            await world.later(3)
        assert subscription.live
    await world.later(3)


async def test_the_publisher_does_not_answer(autojump_clock: MockClock, world: World) -> None:
    publisher, subscriber = world.connect(), world.connect()
    publisher.announce(AUDIO, serve=False)
    subscriber.subscribe(AUDIO)
    await world.later(6)
    assert subscriber.answer().code == RequestError.TIMEOUT
    assert len(publisher.take("cancelled")) == 1


async def test_subscribe_before_publish(autojump_clock: MockClock, world: World) -> None:
    subscriber = world.connect("moqt-18")
    subscriber.subscribe(AUDIO, rendezvous_timeout_ms=5_000)
    subscriber.subscribe(OTHER, rendezvous_timeout_ms=500)
    await world.later(1)
    ((request, answer),) = subscriber.take("answered")
    assert (request.name, answer.code) == (OTHER, RequestError.TIMEOUT)
    publisher = world.connect()
    track = publisher.publish(AUDIO)
    assert isinstance(subscriber.answer(), m.SubscribeOk)
    publisher.send(track, 0, b"x")
    assert subscriber.objects() == [(0, 0, b"x")]


async def test_subscribe_before_a_namespace_is_published(autojump_clock: MockClock, world: World) -> None:
    subscriber = world.connect("moqt-18")
    subscriber.subscribe(AUDIO, rendezvous_timeout_ms=5_000)
    publisher = world.connect()
    publisher.announce(AUDIO)  # its SUBSCRIBE has come before `serve` takes effect
    publisher.session.accept(publisher.asked())
    assert isinstance(subscriber.answer(), m.SubscribeOk)


@pytest.mark.parametrize("alpns", [("moqt-18", "moqt-16"), ("moqt-16", "moqt-18")])
async def test_drafts_meet(autojump_clock: MockClock, relay: Relay, alpns: tuple[str, str]) -> None:
    world = World(relay, "")
    publisher, subscriber = map(world.connect, alpns)
    track = publisher.publish(AUDIO)
    subscriber.subscribe(AUDIO)
    publisher.send(track, 300, b"x" * 300, subgroup=5, priority=9, end_of_group=True)
    assert subscriber.objects() == [(300, 0, b"x" * 300)]
    ((incoming,),) = subscriber.take("subgroup_opened")
    header = incoming.header
    assert (header.subgroup, header.priority, header.end_of_group) == (5, 9, True)
    world.close()


async def test_from_this_process_to_peers_and_back(autojump_clock: MockClock, world: World) -> None:
    peer = world.connect()
    publication = world.relay.publish(AUDIO, capability="voice/opus")
    peer.subscribe(AUDIO)
    assert isinstance(peer.answer(), m.SubscribeOk)
    publication.write(b"down", timestamp_us=123)
    ((incoming, (item,)),) = peer.take("objects")
    assert (item.payload, item.properties.number(0x10)) == (b"down", 123)
    assert incoming.request.properties.data(0x3841) == b"voice/opus"
    publication.close()
    track = peer.publish(OTHER)
    with world.relay.subscribe(OTHER) as subscription:
        peer.send(track, 4, b"up")
        world.settle()
        item = await subscription.__anext__()
        assert (item.group, item.payload, item.timestamp_us) == (4, b"up", None)


async def test_an_open_stream_is_passed_on_as_it_comes(autojump_clock: MockClock, world: World) -> None:
    publisher, subscriber = world.connect(), world.connect()
    track = publisher.publish(AUDIO)
    subscriber.subscribe(AUDIO)
    writer = publisher.send(track, 1, b"0", b"1", fin=False)
    assert subscriber.objects() == [(1, 0, b"0"), (1, 1, b"1")]
    publisher.more(writer, 2, b"2")
    assert subscriber.objects() == [(1, 2, b"2")]
    assert subscriber.take("subgroup_ended") == []
    publisher.more(writer, 3, b"3", fin=True)
    assert subscriber.objects() == [(1, 3, b"3")]
    assert [code for _, code in subscriber.take("subgroup_ended")] == [None]
    assert len(subscriber.take("subgroup_opened")) == 1


async def test_a_stream_that_breaks_breaks(autojump_clock: MockClock, world: World) -> None:
    publisher, subscriber = world.connect(), world.connect()
    track = publisher.publish(AUDIO)
    subscriber.subscribe(AUDIO)
    writer = publisher.send(track, 1, b"0", fin=False)
    assert len(subscriber.objects()) == 1
    writer.reset(2)
    assert [code for _, code in subscriber.take("subgroup_ended")] == [2]


async def test_who_joins_within_a_group_gets_the_rest_of_it(autojump_clock: MockClock, world: World) -> None:
    publisher, subscriber = world.connect(), world.connect()
    track = publisher.publish(AUDIO)
    writer = publisher.send(track, 1, b"0", fin=False)
    world.settle()
    subscriber.subscribe(AUDIO)
    assert subscriber.answer().parameters.largest == Location(1, 0)
    publisher.more(writer, 1, b"1", fin=True)
    ((incoming,),) = subscriber.take("subgroup_opened")
    assert not incoming.header.first_object
    assert subscriber.objects() == [(1, 1, b"1")]


async def test_or_waits_for_the_next(autojump_clock: MockClock, world: World) -> None:
    publisher, subscriber = world.connect(), world.connect()
    track = publisher.publish(AUDIO)
    writer = publisher.send(track, 1, b"0", fin=False)
    world.settle()
    subscriber.subscribe(AUDIO, filter=Filter(FilterType.NEXT_GROUP))
    publisher.more(writer, 1, b"1", fin=True)
    publisher.send(track, 2, b"0")
    assert subscriber.objects() == [(2, 0, b"0")]


async def test_a_range_that_is_over(autojump_clock: MockClock, world: World) -> None:
    publisher, subscriber = world.connect(), world.connect()
    track = publisher.publish(AUDIO)
    publisher.send(track, 5, b"0")
    world.settle()
    subscriber.subscribe(AUDIO, filter=Filter(FilterType.ABSOLUTE_RANGE, Location(1, 0), 4))
    assert subscriber.answer().code == RequestError.INVALID_RANGE
    subscriber.subscribe(AUDIO, filter=Filter(FilterType.ABSOLUTE_RANGE, Location(1, 0), 6))
    for group in (6, 7):
        publisher.send(track, group, b"%d" % group)
    assert subscriber.objects() == [(6, 0, b"6")]


async def test_pause_and_go_on(autojump_clock: MockClock, world: World) -> None:
    publisher, subscriber = world.connect(), world.connect()
    track = publisher.publish(AUDIO)
    subscription = subscriber.subscribe(AUDIO, forward=False)
    publisher.send(track, 1, b"1")
    assert subscriber.objects() == []
    subscriber.session.update(subscription, Parameters(forward=True))
    ((_, answer),) = subscriber.take("update_answered")
    if world.alpn != "moqt-16":
        assert answer.parameters.largest == Location(1, 0)
    publisher.send(track, 2, b"2")
    assert subscriber.objects() == [(2, 0, b"2")]
    subscriber.session.update(subscription, Parameters(forward=False))
    world.settle()
    publisher.send(track, 3, b"3")
    assert subscriber.objects() == []


async def test_a_datagram_stays_one(autojump_clock: MockClock, world: World) -> None:
    publisher, subscriber = world.connect(), world.connect()
    track = publisher.publish(AUDIO)
    subscriber.subscribe(AUDIO)
    world.settle()
    sent = ObjectDatagram(track.alias or 0, 9, 2, b"now", Properties.of((0x10, 5)), priority=3)
    publisher.session.send_datagram(encode_datagram(publisher.session.draft, sent))
    ((_, came),) = subscriber.take("datagram")
    assert came._replace(track_alias=0) == sent._replace(track_alias=0)


async def test_from_this_process_as_datagrams(autojump_clock: MockClock, world: World) -> None:
    subscriber = world.connect()
    publication = world.relay.publish(AUDIO, kind="datagram")
    subscriber.subscribe(AUDIO)
    publication.write(b"now", timestamp_us=5, priority=3)
    publication.write(bytes(5_000), timestamp_us=6)  # too long for one
    publication.write(b"then", timestamp_us=7)
    now, then = [datagram for _, datagram in subscriber.take("datagram")]
    assert (now.payload, now.priority, now.end_of_group) == (b"now", 3, True)
    assert (then.payload, then.group - now.group) == (b"then", 2)
    publication.close()


async def test_to_oneself(autojump_clock: MockClock, world: World) -> None:
    peer = world.connect()
    track = peer.publish(AUDIO)
    peer.subscribe(AUDIO)
    peer.send(track, 0, b"echo")
    assert peer.objects() == [(0, 0, b"echo")]


async def test_unsubscribing(autojump_clock: MockClock, world: World) -> None:
    publisher, subscriber = world.connect(), world.connect()
    track = publisher.publish(AUDIO)
    subscription = subscriber.subscribe(AUDIO)
    world.settle()
    subscriber.session.cancel(subscription)
    world.settle()
    assert world.relay.snapshot()["subscribers"] == 0
    publisher.send(track, 0, b"x")
    assert subscriber.objects() == []
    subscriber.subscribe(AUDIO)
    publisher.send(track, 1, b"y")
    assert subscriber.objects() == [(1, 0, b"y")]


async def test_the_publisher_is_gone_without_a_word(autojump_clock: MockClock, world: World) -> None:
    publisher, subscriber = world.connect(), world.connect()
    track = publisher.publish(AUDIO)
    subscriber.subscribe(AUDIO)
    publisher.send(track, 0, b"x", fin=False)
    world.settle()
    publisher.pair.client.vanish()
    await world.later(29)
    assert subscriber.take("finished") == []
    await world.later(2)
    ((_, done),) = subscriber.take("finished")
    assert done.status == DoneStatus.TRACK_ENDED
    assert world.relay.snapshot()["sessions"] == 1


async def test_two_publishers_are_one_track(autojump_clock: MockClock, world: World) -> None:
    one, two, subscriber = world.connect(), world.connect(), world.connect()
    first, second = one.publish(AUDIO), two.publish(AUDIO)
    subscriber.subscribe(AUDIO)
    world.settle()
    for group in range(3):
        for publisher, track in ((one, first), (two, second)):
            publisher.send(track, group, b"%d" % group)
            world.settle()
    assert subscriber.objects() == [(0, 0, b"0"), (1, 0, b"1"), (2, 0, b"2")]
    one.leave()
    two.send(second, 3, b"3")
    assert subscriber.objects() == [(3, 0, b"3")]
    assert subscriber.take("finished") == []


async def test_a_gap_is_not_papered_over(autojump_clock: MockClock, world: World) -> None:
    one, two, subscriber = world.connect(), world.connect(), world.connect()
    first, second = one.publish(AUDIO), two.publish(AUDIO)
    subscriber.subscribe(AUDIO)
    one.send(first, 1, b"0", fin=False)
    world.settle()
    head = SubgroupHeader(second.alias or 0, 1)
    late = encode_subgroup_header(two.session.draft, head) + encode_object(
        two.session.draft, head, Object(5, b"5")
    )
    two.session.open_subgroup(second, late, fin=True)
    world.settle()
    one.leave()
    assert subscriber.objects() == [(1, 0, b"0")]
    assert len([code for _, code in subscriber.take("subgroup_ended") if code is not None]) == 1


async def test_another_publisher_goes_on_where_one_broke_off(autojump_clock: MockClock, world: World) -> None:
    one, two, subscriber = world.connect(), world.connect(), world.connect()
    first, second = one.publish(AUDIO), two.publish(AUDIO)
    subscriber.subscribe(AUDIO)
    world.settle()
    one.send(first, 1, b"0", b"1", fin=False)
    world.settle()
    writer = two.send(second, 1, b"0", fin=False)
    world.settle()
    one.leave()
    two.more(writer, 1, b"1")
    two.more(writer, 2, b"2", fin=True)
    assert subscriber.objects() == [(1, 0, b"0"), (1, 1, b"1"), (1, 2, b"2")]
    assert [code for _, code in subscriber.take("subgroup_ended")] == [None]
