"""Peers that vanish, restart, move, or are not what they say."""

from __future__ import annotations

import datetime
import os
import random
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from clutch.net.errors import ConnectFailed
from clutch.net.quic.certificates import CertificateFiles, self_signed
from clutch.net.quic.engine import Closed, Trust
from tests.net.quic.pem import write
from tests.net.quic.world import CLIENT, PORT, SERVER, Recorder, World


async def test_an_idle_client_stays(autojump_clock: MockClock, world: World) -> None:
    mine, theirs = await world.pair()
    await trio.sleep(600)
    assert mine.end is None
    assert theirs.end is None


async def test_what_waits_for_a_dead_peer_goes_with_it(
    autojump_clock: MockClock, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    _, theirs = await world.pair()
    world.network.lost = lambda data, source, to: source[0] == CLIENT
    while theirs.end is None:
        theirs.open.open_uni(bytes(20_000))
        await trio.sleep(1)
    assert theirs.end.by == "timeout"
    assert world.server.connections == 0
    assert "failed" not in capsys.readouterr().out


async def test_garbage_changes_nothing(autojump_clock: MockClock, world: World) -> None:
    mine, theirs = await world.pair()
    dice = random.Random(1)
    attacker = world.network.host("192.0.2.66").open_datagrams("192.0.2.66", 1)
    for length in (0, 1, 5, 8, 21, 60, 1199, 1200, 1500):
        for first in (0x00, 0x40, 0x5F, 0x80, 0xC0, 0xCF, 0xFF):
            attacker.send((bytes([first]) + dice.randbytes(length))[:length], (SERVER, PORT))
            head = bytes([first]) + b"\0\0\0\1\x08" + dice.randbytes(8) + b"\x08" + dice.randbytes(8)
            attacker.send((head + dice.randbytes(length))[:length], (SERVER, PORT))
    await trio.sleep(1)
    assert world.server.connections == 1
    assert world.server.counters.dropped > 50
    mine.open.open_uni(b"still here")
    await theirs.until(lambda: len(theirs.data) == 1)
    attacker.close()


async def test_a_client_learns_at_once_that_its_server_was_restarted(
    autojump_clock: MockClock, world: World
) -> None:
    mine, theirs = await world.pair()
    idle, _ = await world.pair()
    world.network.lost = lambda data, source, to: source[0] == SERVER
    await world.stop_server()  # as by kill -9: nobody is told
    await world.start_server()
    world.network.lost = lambda data, source, to: False
    before = trio.current_time()
    mine.open.open_uni(b"are you there?" * 10)
    await mine.until(lambda: mine.end is not None)
    assert mine.end == Closed("peer", 0, "stateless reset", application=False)
    assert trio.current_time() - before < 0.1
    assert theirs.end is not None
    await idle.until(lambda: idle.end is not None)  # by the answer to its ping
    assert idle.end == mine.end
    assert trio.current_time() - before < world.limits.idle_s / 2
    assert world.client.connections == 0


async def test_a_forged_reset_is_ignored(autojump_clock: MockClock, world: World) -> None:
    mine, theirs = await world.pair()
    server = world.network._datagrams[SERVER, PORT]
    server.send(b"\x40" + os.urandom(60), theirs.open.peer)
    await trio.sleep(1)
    assert mine.end is None


async def test_a_peer_that_moves_keeps_its_session(autojump_clock: MockClock, world: World) -> None:
    mine, theirs = await world.pair()
    before = theirs.open.peer
    sockets, old = world.network._datagrams, (CLIENT, before[1])
    moved = sockets[CLIENT, 60_000] = sockets.pop(old)  # as when a NAT forgets
    moved.address = (CLIENT, 60_000)
    mine.open.open_uni(b"from elsewhere", fin=True)
    await theirs.until(lambda: len(theirs.data) == 1)
    assert theirs.open.peer == (CLIENT, 60_000)
    assert theirs.open.open_uni(b"to there") is not None
    await mine.until(lambda: len(mine.data) == 1)


async def test_only_the_certificate_that_is_wanted(autojump_clock: MockClock, world: World) -> None:
    right = world.certificates.current().fingerprint
    wrong = bytes(32)
    mine = Recorder()
    await world.client.connect(world.target(trust=Trust(fingerprint=right)), mine)
    with pytest.raises(ConnectFailed, match="not the certificate that is wanted"):
        await world.client.connect(world.target(trust=Trust(fingerprint=wrong)), Recorder())
    with pytest.raises(ConnectFailed, match="certificate"):
        await world.client.connect(world.target(trust=Trust()), Recorder())


async def test_a_certificate_is_reloaded_under_running_sessions(
    autojump_clock: MockClock, world: World, tmp_path: Path
) -> None:
    now = datetime.datetime.now(datetime.UTC)
    first, second = self_signed([SERVER], now), self_signed([SERVER], now)
    await world.stop_server()
    world.certificates = CertificateFiles(*write(first, tmp_path))
    await world.start_server()
    mine = Recorder()
    await world.client.connect(world.target(trust=Trust(ca_file=tmp_path / "cert.pem")), mine)
    write(second, tmp_path)
    await world.client.connect(world.target(trust=Trust(fingerprint=second.fingerprint)), Recorder())
    with pytest.raises(ConnectFailed):
        await world.client.connect(world.target(trust=Trust(fingerprint=first.fingerprint)), Recorder())
    assert mine.end is None
