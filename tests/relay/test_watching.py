"""SUBSCRIBE_NAMESPACE and SUBSCRIBE_TRACKS: what there is, what comes, what goes."""

from __future__ import annotations

import pytest
from trio.testing import MockClock

from clutch.relay import Relay, RelayLimits
from clutch.wire.moqt import messages as m
from clutch.wire.moqt.codes import RequestError
from clutch.wire.moqt.names import FullTrackName, Namespace
from clutch.wire.moqt.parameters import Parameters
from clutch.wire.moqt.properties import Properties
from clutch.wire.moqt.session_request import Request
from tests.relay.conftest import AUDIO, OTHER
from tests.relay.world import Client, World

VOICE: Namespace = (b"voice",)
AUDIO_SUFFIX, OTHER_SUFFIX = AUDIO.namespace[1:], OTHER.namespace[1:]


def _suffixes(client: Client, call: str) -> list[Namespace]:
    return [suffix for _, suffix in client.take(call)]


def _offered(client: Client) -> list[FullTrackName]:
    return [request.name for (request,) in client.take("requested")]


async def test_namespaces_that_are_there_that_come_and_go(autojump_clock: MockClock, world: World) -> None:
    one, two, watcher = world.connect(), world.connect(), world.connect()
    first = one.announce(AUDIO)
    watcher.session.subscribe_namespace(VOICE)
    assert _suffixes(watcher, "announced") == [AUDIO_SUFFIX]
    two.announce(AUDIO)
    two.announce(OTHER)
    assert _suffixes(watcher, "announced") == [OTHER_SUFFIX]
    one.session.cancel(first)
    assert _suffixes(watcher, "withdrawn") == []  # there is another one
    two.leave()
    assert sorted(_suffixes(watcher, "withdrawn")) == [AUDIO_SUFFIX, OTHER_SUFFIX]


async def test_what_this_process_publishes_is_announced(autojump_clock: MockClock, world: World) -> None:
    watcher = world.connect()
    watcher.session.subscribe_namespace(VOICE)
    publication = world.relay.publish(AUDIO)
    assert _suffixes(watcher, "announced") == [AUDIO_SUFFIX]
    publication.close()
    assert _suffixes(watcher, "withdrawn") == [AUDIO_SUFFIX]


async def test_ones_own_namespaces_are_echoed(autojump_clock: MockClock, world: World) -> None:
    peer = world.connect()
    peer.session.subscribe_namespace(())
    world.settle()
    peer.session.publish_namespace(AUDIO.namespace)
    assert _suffixes(peer, "announced") == [AUDIO.namespace]


async def test_who_watches_no_more_is_told_nothing(autojump_clock: MockClock, world: World) -> None:
    publisher, watcher = world.connect(), world.connect()
    request = watcher.session.subscribe_namespace(VOICE)
    world.settle()
    watcher.session.cancel(request)
    world.settle()
    publisher.announce(AUDIO)
    assert _suffixes(watcher, "announced") == []


async def test_another_prefix(autojump_clock: MockClock, relay: Relay) -> None:
    world = World(relay, "moqt-18")
    publisher, watcher = world.connect(), world.connect()
    publisher.announce(AUDIO)
    publisher.announce(OTHER)
    request = watcher.session.subscribe_namespace((b"video",))
    assert _suffixes(watcher, "announced") == []
    watcher.session.update(request, Parameters(prefix=AUDIO.namespace[:2]))
    assert _suffixes(watcher, "announced") == [AUDIO.namespace[2:]]
    publisher.leave()
    assert _suffixes(watcher, "withdrawn") == [AUDIO.namespace[2:]]
    world.close()


async def test_every_track_is_published_to_who_asks_for_tracks(
    autojump_clock: MockClock, world: World
) -> None:
    publisher, watcher = world.connect(), world.connect()
    audio = publisher.publish(AUDIO, Properties.of((0x3841, b"voice/opus")))
    publisher.send(audio, 4, b"before")
    watcher.session.subscribe_tracks(VOICE)
    offered = watcher.asked()
    assert isinstance(offered.message, m.Publish)
    assert offered.message.properties.data(0x3841) == b"voice/opus"
    assert offered.message.parameters.largest == (4, 0)
    publisher.send(audio, 5, b"nobody has accepted it")
    world.settle()
    watcher.session.accept(offered)
    world.settle()
    publisher.send(audio, 6, b"now")
    assert watcher.objects() == [(6, 0, b"now")]
    other = publisher.publish(OTHER)
    assert _offered(watcher) == [OTHER]
    publisher.session.finish(other, 2)
    publisher.session.finish(audio, 2)
    await world.later(3)
    assert [request.name for request, _ in watcher.take("finished")] == [AUDIO]


async def test_a_subscriber_by_capability(autojump_clock: MockClock, world: World) -> None:
    """What a client does that wants every `voice/opus` under a prefix."""
    publisher, watcher = world.connect(), world.connect()

    def requested(session: object, request: Request) -> None:
        if request.properties.data(0x3841) == b"voice/opus":
            watcher.session.accept(request)
        else:
            watcher.session.reject(request, RequestError.UNINTERESTED)

    watcher.scribe.on["requested"] = requested
    watcher.session.subscribe_tracks(VOICE)
    world.settle()
    opus = publisher.publish(AUDIO, Properties.of((0x3841, b"voice/opus")))
    pcm = publisher.publish(OTHER, Properties.of((0x3841, b"voice/pcm16")))
    world.settle()
    publisher.send(opus, 0, b"opus")
    publisher.send(pcm, 0, b"pcm")
    assert watcher.objects() == [(0, 0, b"opus")]
    assert world.relay.snapshot()["subscribers"] == 1


async def test_ones_own_tracks_are_not_published_back(autojump_clock: MockClock, world: World) -> None:
    one, two = world.connect(), world.connect()
    one.session.subscribe_tracks(VOICE)
    world.settle()
    one.publish(AUDIO)
    two.publish(OTHER)
    assert _offered(one) == [OTHER]


async def test_who_subscribes_is_not_asked(autojump_clock: MockClock, relay: Relay) -> None:
    world = World(relay, "moqt-18")
    publisher, watcher = world.connect(), world.connect()
    watcher.session.subscribe_tracks(VOICE)
    watcher.subscribe(AUDIO, rendezvous_timeout_ms=1_000)
    publisher.publish(AUDIO)
    assert isinstance(watcher.answer(), m.SubscribeOk)
    assert _offered(watcher) == []
    world.close()


async def test_a_track_that_ends_before_the_answer(autojump_clock: MockClock, world: World) -> None:
    publisher, watcher = world.connect(), world.connect()
    audio = publisher.publish(AUDIO)
    watcher.session.subscribe_tracks(VOICE)
    offered = watcher.asked()
    publisher.session.finish(audio, 2)
    world.settle()
    watcher.session.accept(offered)
    await world.later(3)
    assert [request.name for request, _ in watcher.take("finished")] == [AUDIO]


async def test_a_track_that_is_another_one_by_then(autojump_clock: MockClock, world: World) -> None:
    publisher, watcher = world.connect(), world.connect()
    first = publisher.publish(AUDIO)
    watcher.session.subscribe_tracks(VOICE)
    offered = watcher.asked()
    publisher.session.finish(first, 2)
    second = publisher.publish(AUDIO)  # with another alias
    watcher.session.accept(offered)
    world.settle()
    publisher.send(second, 0, b"x")
    assert watcher.objects() == []
    await world.later(3)
    assert [done.status for _, done in watcher.take("finished")] == [2]


async def test_without_forwarding(autojump_clock: MockClock, relay: Relay) -> None:
    world = World(relay, "moqt-18")
    publisher, watcher = world.connect(), world.connect()
    audio = publisher.publish(AUDIO)
    watcher.session.subscribe_tracks(VOICE, Parameters(forward=False))
    offered = watcher.asked()
    assert offered.parameters.forward is False
    watcher.session.accept(offered, parameters=Parameters(forward=False))
    world.settle()
    publisher.send(audio, 0, b"x")
    assert watcher.objects() == []
    watcher.session.update(offered, Parameters(forward=True))
    world.settle()
    publisher.send(audio, 1, b"y")
    assert watcher.objects() == [(1, 0, b"y")]
    world.close()


async def test_more_tracks_than_a_session_may_hear(
    autojump_clock: MockClock, relay: Relay, limits: RelayLimits
) -> None:
    world = World(relay, "moqt-18")
    publisher, watcher = world.connect(), world.connect()
    for number in range(limits.subscriptions + 2):
        publisher.publish(FullTrackName((b"voice", b"many"), b"%d" % number))
    watcher.session.subscribe_tracks(VOICE)
    world.settle()
    assert len(watcher.take("requested")) == limits.subscriptions
    assert [call[1:] for call in watcher.take("blocked")] == [((b"many",), b"20"), ((b"many",), b"21")]
    world.close()


@pytest.mark.parametrize("what", ["subscribe_namespace", "subscribe_tracks"])
async def test_a_prefix_of_too_much(autojump_clock: MockClock, world: World, what: str) -> None:
    world.relay.router.limits = RelayLimits(matches=3)
    publisher, watcher = world.connect(), world.connect()
    for number in range(4):
        name = FullTrackName((b"voice", b"%d" % number), b"audio")
        publisher.publish(name)
        publisher.announce(name)
    getattr(watcher.session, what)(VOICE)
    old = world.alpn == "moqt-16"
    assert watcher.answer().code == (RequestError.NOT_SUPPORTED if old else RequestError.NAMESPACE_TOO_LARGE)
