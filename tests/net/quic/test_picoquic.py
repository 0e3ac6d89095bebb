"""What only concerns the picoquic engine. It needs aiopquic, so all of it, and the conformance, runs in the
virtual environment of the peers (.ci/peers), started from here."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import trio

from clutch.net.errors import AddressUnavailable, BackendUnavailable, ConnectFailed, PortInUse
from clutch.net.link import TrioNetwork
from clutch.net.quic.engine import Limits
from clutch.net.quic.picoquic_engine import PicoquicEngine
from clutch.net.quic.picoquic_private import Picoquic, why_not
from tests.net.quic.loopback import HAS_PICOQUIC, Loopback, refuse
from tests.net.quic.world import Recorder

ROOT = Path(__file__).parents[3]
PYTHON = ROOT / ".venv/peers/bin/python"
HERE = Path(__file__).parent.relative_to(ROOT)

with_picoquic = pytest.mark.skipif(not HAS_PICOQUIC, reason="runs where aiopquic is, by the first test here")


@pytest.mark.skipif(HAS_PICOQUIC, reason="this is where it runs")
@pytest.mark.skipif(not PYTHON.exists(), reason="there was no Python 3.12 for aiopquic (.ci/peers)")
def test_the_picoquic_engine_where_it_can_run() -> None:
    command: list[str | Path] = [
        PYTHON,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-o",
        "faulthandler_timeout=60",
    ]
    command += [HERE / "test_conformance.py", HERE / "test_picoquic.py"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.skipif(HAS_PICOQUIC, reason="it is here")
def test_without_aiopquic_it_says_what_is_missing() -> None:
    assert why_not() == "aiopquic is not installed"
    with pytest.raises(BackendUnavailable, match=r"clutch\[fast\]"):
        Picoquic()


@with_picoquic
def test_the_version_is_the_one_that_was_read() -> None:
    assert why_not() == ""


def test_it_listens_everywhere_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(AddressUnavailable, match="all addresses"):
        PicoquicEngine(TrioNetwork(), ("127.0.0.1", 4443), tmp_path, tmp_path, ["moqt-18"], refuse)


async def test_it_does_not_connect(tmp_path: Path, nursery: trio.Nursery) -> None:
    world = Loopback("aioquic", tmp_path, nursery)
    await world.start()
    engine = PicoquicEngine(TrioNetwork(), ("::", 4443), tmp_path, tmp_path, ["moqt-18"], refuse)
    with pytest.raises(ConnectFailed, match="only listens"):
        await engine.connect(world.target(), Recorder())
    nursery.cancel_scope.cancel()


@with_picoquic
async def test_a_port_that_is_taken(tmp_path: Path, nursery: trio.Nursery) -> None:
    world = Loopback("picoquic", tmp_path, nursery)
    await world.start()
    where = ("0.0.0.0", world.server.address[1])
    second = PicoquicEngine(TrioNetwork(), where, tmp_path / "cert.pem", tmp_path / "key.pem", [], refuse)
    with pytest.raises(PortInUse):
        await second.run()
    nursery.cancel_scope.cancel()


@with_picoquic
@pytest.mark.parametrize("kind", ["quic", "webtransport"])
async def test_who_floods_is_closed_and_nobody_else(tmp_path: Path, nursery: trio.Nursery, kind: str) -> None:
    world = Loopback("picoquic", tmp_path, nursery, limits=Limits(backlog=100))
    await world.start()
    world.kind = "webtransport" if kind == "webtransport" else "quic"
    good, bad = await world.pair(), await world.pair()
    for _ in range(350):
        bad[0].open.open_uni(b"x", fin=True)
    good[0].open.open_uni(b"y", fin=True)
    await bad[1].until(lambda: bad[1].end is not None)
    assert bad[1].end is not None
    assert (bad[1].end.by, bad[1].end.reason) == ("engine", "it sends faster than this node can handle")
    await bad[0].until(lambda: bad[0].end is not None)
    await good[1].until(lambda: len(good[1].finished) == 1)
    assert good[1].end is None
    assert isinstance(world.server, PicoquicEngine)
    assert world.server.closed_for_load == 1
    nursery.cancel_scope.cancel()


@with_picoquic
async def test_nothing_is_left_of_sessions(tmp_path: Path, nursery: trio.Nursery) -> None:
    world = Loopback("picoquic", tmp_path, nursery)
    await world.start()
    assert isinstance(world.server, PicoquicEngine)
    for _ in range(10):
        mine, theirs = await world.pair()
        for number in range(100):
            mine.open.open_uni(b"%d" % number, fin=True)
            theirs.open.open_uni(b"%d" % number, fin=True)
        await mine.until(lambda mine=mine: len(mine.finished) == 100)  # type: ignore[misc]
        await theirs.until(lambda theirs=theirs: len(theirs.finished) == 100)  # type: ignore[misc]
        mine.open.close(0, "")
        await theirs.until(lambda theirs=theirs: theirs.end is not None)  # type: ignore[misc]
    assert world.server.connections == 0
    nursery.cancel_scope.cancel()
