"""Alice and her scripted peer. Makes helpers importable as well, which importlib mode does not."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

sys.path.insert(0, str(Path(__file__).parents[2]))

from clutch.legs.sip import Terms
from clutch.media.params import RtpParams
from clutch.net.memory import MemoryNetwork
from clutch.net.twin_plane import TwinPlane, TwinRtpStream
from tests.legs.stage import Bench
from tests.net.sip_world import ALICE, BOB, Peer, World


@pytest.fixture
async def bench(nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    """Alice and a scripted peer on one network."""
    network = MemoryNetwork(latency_s=0.01)
    world = World(network, nursery)
    datagrams = network.host(BOB).open_datagrams(BOB, 5060)
    peer = Peer(datagrams, await world.phone(ALICE, "UDP"))
    plane = TwinPlane(network.host(ALICE), ALICE, range(10_000, 10_100))
    await nursery.start(plane.run)
    connects: list[RtpParams] = []
    connect = TwinRtpStream.connect

    def noted(stream: TwinRtpStream, params: RtpParams) -> None:
        connect(stream, params)
        connects.append(params)

    monkeypatch.setattr(TwinRtpStream, "connect", noted)
    yield Bench(peer, plane, Terms().only(plane.codecs, plane.suites), connects)
    datagrams.close()
