"""Sessions over a real engine: raw QUIC and WebTransport, both drafts."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from clutch.net.memory import MemoryNetwork
from clutch.net.moqt.session import MoqtSession
from clutch.net.quic.engine import Incoming, Kind, SessionHandler
from clutch.wire.moqt.codes import DoneStatus
from clutch.wire.moqt.data import Object, SubgroupHeader, encode_object, encode_subgroup_header
from clutch.wire.moqt.setup import Options
from tests.net.moqt.kit import TRACK, Scribe
from tests.net.quic.world import World


@pytest.fixture
async def world(nursery: trio.Nursery) -> World:
    """A server and a client engine, 10 ms apart; what connects gets a session."""
    world = World(MemoryNetwork(latency_s=0.01), nursery)
    await world.start()
    return world


@pytest.mark.parametrize("alpn", ["moqt-18", "moqt-16"])
@pytest.mark.parametrize("kind", ["quic", "webtransport"])
async def test_a_subscription_over_quic(
    autojump_clock: MockClock, nursery: trio.Nursery, world: World, alpn: str, kind: Kind
) -> None:
    servers: list[MoqtSession] = []

    def accept(incoming: Incoming) -> SessionHandler:
        scribe = Scribe()
        scribe.on["requested"] = lambda session, request: session.accept(request, alias=3)
        servers.append(MoqtSession(scribe))
        return servers[-1]

    world.answer, world.kind = accept, kind
    client = MoqtSession(heard := Scribe(), options=Options(path="/calls", authority="sip.example"))
    await world.client.connect(world.target(alpn), client)
    nursery.start_soon(client.run)
    ours = client.subscribe(TRACK)
    await trio.sleep(0.2)
    (server,) = servers
    assert server.path == ("/calls" if kind == "quic" else "/")
    (theirs,) = server.requests
    header = SubgroupHeader(3, 1)
    data = encode_subgroup_header(server.draft, header)
    for number in range(3):
        data += encode_object(
            server.draft, header, Object(number, b"x" * 900), number - 1 if number else None
        )
    assert server.open_subgroup(theirs, data, fin=True) is not None
    server.finish(theirs, DoneStatus.TRACK_ENDED)
    await trio.sleep(0.2)
    calls = heard.take()
    assert [call[0] for call in calls[:2]] == ["ready", "answered"]
    assert sum(len(call[2]) for call in calls if call[0] == "objects") == 3
    assert calls[-1][:2] == ("finished", ours)
    client.close(0, "bye")
    await trio.sleep(0.2)
    assert server.over
    assert client.over
