"""Any peer may be gone at any moment: nothing remains of it, and nobody else is harmed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from trio.testing import MockClock

from clutch.net.moqt.session import MoqtSession
from clutch.relay import Relay
from clutch.wire.moqt import messages as m
from clutch.wire.moqt.codes import DoneStatus
from clutch.wire.moqt.errors import LocalProtocolError
from clutch.wire.moqt.names import FullTrackName, Location
from clutch.wire.moqt.parameters import Parameters
from clutch.wire.moqt.session_request import Kind, Request
from tests.relay.conftest import AUDIO, OTHER
from tests.relay.world import Client, World

DIRECT, NAMED, SUBSCRIBER, WATCHER = range(4)


def _find(client: Client, *kinds: Kind, name: FullTrackName | None = None) -> Request:
    """Raises LookupError."""
    found = [
        request
        for request in client.session.requests
        if request.kind in kinds and (name is None or request.name == name)
    ]
    return found[0]


def _send(client: Client, name: FullTrackName, group: int, *, fin: bool) -> None:
    client.send(_find(client, Kind.SUBSCRIBE, Kind.PUBLISH, name=name), group, b"x", fin=fin)


def _pause(client: Client) -> None:
    client.session.update(_find(client, Kind.SUBSCRIBE, name=AUDIO), Parameters(forward=False))


def _end(client: Client) -> None:
    client.session.finish(_find(client, Kind.PUBLISH), DoneStatus.TRACK_ENDED)


STORY: list[tuple[int, Callable[[Client], object]]] = [
    (WATCHER, lambda client: client.session.subscribe_tracks((b"voice", b"a1"))),
    (WATCHER, lambda client: client.session.subscribe_namespace((b"voice", b"a2"))),
    (SUBSCRIBER, lambda client: client.session.subscribe(AUDIO, Parameters(rendezvous_timeout_ms=5_000))),
    (DIRECT, lambda client: client.session.publish(AUDIO)),
    (SUBSCRIBER, lambda client: client.session.subscribe(AUDIO)),
    (NAMED, lambda client: client.session.publish_namespace(OTHER.namespace)),
    (SUBSCRIBER, lambda client: client.session.subscribe(OTHER)),
    (DIRECT, lambda client: _send(client, AUDIO, 1, fin=False)),
    (NAMED, lambda client: _send(client, OTHER, 1, fin=False)),
    (DIRECT, lambda client: _send(client, AUDIO, 2, fin=True)),
    (WATCHER, lambda client: client.session.fetch(m.StandaloneFetch(AUDIO, Location(0, 0), Location(9, 0)))),
    (WATCHER, lambda client: client.session.fetch(m.StandaloneFetch(OTHER, Location(0, 0), Location(9, 0)))),
    (SUBSCRIBER, lambda client: client.session.track_status(FullTrackName(OTHER.namespace, b"else"))),
    (SUBSCRIBER, _pause),
    (DIRECT, _end),
    (NAMED, lambda client: client.session.cancel(_find(client, Kind.PUBLISH_NAMESPACE))),
]


def _accept(session: MoqtSession, request: Request) -> None:
    if request.kind in (Kind.SUBSCRIBE, Kind.PUBLISH):
        session.accept(request)


@pytest.mark.parametrize("settled", [True, False], ids=["after", "amid"])
@pytest.mark.parametrize("how", ["close", "vanish"])
@pytest.mark.parametrize("victim", range(4), ids=["direct", "named", "subscriber", "watcher"])
@pytest.mark.parametrize("alpn", ["moqt-18", "moqt-16"])
async def test_at_every_step(
    autojump_clock: MockClock, relay: Relay, alpn: str, victim: int, how: str, settled: bool
) -> None:
    for moment in range(len(STORY) + 1):
        world = World(relay, alpn)
        peers = [world.connect() for _ in range(4)]
        for peer in peers:
            peer.scribe.on["requested"] = _accept
        for number, (actor, step) in enumerate(STORY):
            if number == moment:
                _kill(peers[victim], how)
            if actor != victim or number < moment:
                # What others had may be gone with the victim; then there is nothing to do in this step.
                with suppress(LookupError, LocalProtocolError):
                    step(peers[actor])
            if settled or number != moment - 1:
                world.settle()
        await world.later(31)  # the idle timeout of who vanished
        assert relay.snapshot()["sessions"] == 4 - (moment < len(STORY))
        assert [peer.take("closed") for number, peer in enumerate(peers) if number != victim] == [[]] * 3
        world.close()
        await world.later(3)  # a track lingers upstream, and its peer has just left
        assert relay.router.tracks == {}


def _kill(client: Client, how: str) -> None:
    if how == "close":
        client.session.close()
    else:
        client.pair.client.vanish()
