"""What an engine tells about itself: figures, secrets, traces, connection IDs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from clutch.net.link import Address
from clutch.net.memory import MemoryNetwork
from tests.net.quic.world import SERVER, Recorder, World


async def test_figures_of_a_session(autojump_clock: MockClock, world: World) -> None:
    mine, theirs = await world.pair()
    count = 0

    def every_tenth(data: bytes, source: Address, to: Address) -> bool:
        nonlocal count
        count += 1
        return count % 10 == 0

    world.network.lost = every_tenth
    stream = mine.open.open_uni(bytes(100_000), fin=True)
    assert stream is not None
    await theirs.until(lambda: stream.number in theirs.finished)
    stats = mine.open.stats
    assert stats.sent_bytes > 100_000
    assert 0 < stats.received_bytes < stats.sent_bytes
    assert stats.lost_packets >= 5
    assert stats.rtt_s == pytest.approx(0.02, abs=0.005)


async def test_every_connection_id_says_its_shard(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    world = World(MemoryNetwork(latency_s=0.01), nursery)
    await world.start(shard=7)
    seen: set[int] = set()

    def see(data: bytes, source: Address, to: Address) -> bool:
        if to[0] == SERVER and not data[0] & 0x80:
            seen.add(data[1])
        return False

    world.network.lost = see
    mine, theirs = await world.pair()
    mine.open.open_uni(b"x")
    await theirs.until(lambda: len(theirs.data) == 1)
    assert seen == {7}


async def test_secrets_and_traces_are_written(
    autojump_clock: MockClock, nursery: trio.Nursery, tmp_path: Path
) -> None:
    keylog, qlog = tmp_path / "keys", tmp_path / "qlog"
    world = World(MemoryNetwork(latency_s=0.01), nursery)
    await world.start(keylog=keylog, qlog=qlog)
    mine, theirs = await world.pair()
    mine.open.open_uni(b"x", fin=True)
    await theirs.until(lambda: len(theirs.data) == 1)
    assert {line.split()[0] for line in keylog.read_text().splitlines()} == {
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
        "CLIENT_TRAFFIC_SECRET_0",
        "SERVER_HANDSHAKE_TRAFFIC_SECRET",
        "SERVER_TRAFFIC_SECRET_0",
    }
    await world.stop_server()
    (trace,) = qlog.glob("*_server.sqlog")
    head, *events = [json.loads(record) for record in trace.read_text().split("\x1e")[1:]]
    assert head["qlog_format"] == "JSON-SEQ"
    frames = [
        frame["frame_type"]
        for event in events
        if event["name"] == "transport:packet_received"
        for frame in event["data"]["frames"]
    ]
    assert {"crypto", "ack", "stream"} <= set(frames)


async def test_the_name_that_a_client_asked_for(autojump_clock: MockClock, world: World) -> None:
    world.network.names["relay.example"] = SERVER
    target = world.target()
    await world.client.connect(
        type(target)("relay.example", target.port, target.protocols, trust=target.trust), Recorder()
    )
    await trio.sleep(0.1)
    assert world.asked[0].authority == "relay.example"
