"""Numbers of draft 18 for which draft 16 has no room: who speaks it goes without, and nobody else notices."""

from __future__ import annotations

import pytest
from trio.testing import MockClock

from clutch.relay import Relay
from clutch.wire.moqt import messages as m
from clutch.wire.moqt.codes import RequestError
from clutch.wire.moqt.data import Object, SubgroupHeader, encode_object, encode_subgroup_header
from clutch.wire.moqt.names import Location
from clutch.wire.moqt.properties import Properties
from clutch.wire.moqt.session_request import Kind, Request
from tests.relay.conftest import AUDIO
from tests.relay.world import Client, World

LARGE = 1 << 62
STRANGE = Properties.of((0x3900, LARGE))


@pytest.fixture
def world(relay: Relay) -> World:
    """Its peers speak draft 18 unless they are told otherwise."""
    return World(relay, "moqt-18")


def trio_of(world: World) -> tuple[Client, Client, Client]:
    """A publisher, a subscriber of its draft, and one of draft 16."""
    return world.connect(), world.connect(), world.connect("moqt-16")


def nobody_left(world: World) -> bool:
    return not any(client.take("closed") for client in world.clients)


async def test_objects(autojump_clock: MockClock, world: World) -> None:
    publisher, new, old = trio_of(world)
    said = publisher.publish(AUDIO)
    new.subscribe(AUDIO)
    old.subscribe(AUDIO)
    for group in (1, LARGE):
        publisher.send(said, group, b"x")
    assert new.objects() == [(1, 0, b"x"), (LARGE, 0, b"x")]
    assert old.objects() == [(1, 0, b"x")]
    late = world.connect("moqt-16")
    late.subscribe(AUDIO)
    assert isinstance(late.answer(), m.SubscribeOk)
    assert nobody_left(world)
    world.close()


async def test_the_rest_of_a_stream(autojump_clock: MockClock, world: World) -> None:
    publisher, new, old = trio_of(world)
    said = publisher.publish(AUDIO)
    new.subscribe(AUDIO)
    old.subscribe(AUDIO)
    draft, head = publisher.session.draft, SubgroupHeader(said.alias or 0, 1, properties=True)
    items = [Object(0, b"a"), Object(1, b"b", STRANGE), Object(2, b"c")]
    writer = publisher.session.open_subgroup(said, encode_subgroup_header(draft, head))
    assert writer is not None
    for item in items:
        writer.write(encode_object(draft, head, item, item.id - 1 if item.id else None), fin=item.id == 2)
        world.settle()
    publisher.send(said, 2, b"d")
    assert new.objects() == [(1, 0, b"a"), (1, 1, b"b"), (1, 2, b"c"), (2, 0, b"d")]
    assert old.objects() == [(1, 0, b"a"), (2, 0, b"d")]
    old.session.fetch(m.StandaloneFetch(AUDIO, Location(1, 0), Location(2, 1)))
    assert [code for _, code in old.take("fetch_ended")] == [0]  # INTERNAL_ERROR
    assert nobody_left(world)
    world.close()


async def test_properties_of_a_track(autojump_clock: MockClock, world: World) -> None:
    publisher, new, old = trio_of(world)
    said = publisher.publish(AUDIO, STRANGE)
    publisher.send(said, 1, b"x")
    past = m.StandaloneFetch(AUDIO, Location(0, 0), Location(1, 1))
    old.session.subscribe(AUDIO)
    assert old.answer().code == RequestError.NOT_SUPPORTED
    old.session.fetch(past)
    assert old.answer().code == RequestError.NOT_SUPPORTED
    old.session.track_status(AUDIO)
    assert old.answer().parameters.largest == (1, 0)  # there are no properties in it
    new.subscribe(AUDIO)
    assert isinstance(new.answer(), m.SubscribeOk)
    assert nobody_left(world)
    world.close()


async def test_properties_that_come_later(autojump_clock: MockClock, world: World) -> None:
    """The publisher answers, and must not pay for one of those who wait."""
    publisher, new, old = trio_of(world)
    publisher.announce(AUDIO, serve=False)
    old.session.subscribe(AUDIO)
    new.session.subscribe(AUDIO)
    asked: Request = publisher.asked()
    assert asked.kind is Kind.SUBSCRIBE
    publisher.session.accept(asked, properties=STRANGE)
    assert old.answer().code == RequestError.NOT_SUPPORTED
    assert isinstance(new.answer(), m.SubscribeOk)
    assert nobody_left(world)
    world.close()
