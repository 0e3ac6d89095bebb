"""The harness that carries packets through namespaces, with a load so small that any machine keeps up."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench import rtpengine
from tests.bench.__main__ import Row, table_line
from tests.bench.bench_wan import once
from tests.bench.cpu import Spent
from tests.bench.load import Voice, build_programs, pcmu
from tests.bench.rounds import NOTHING, RTPENGINE, Contender, Results, Round, Scene, Turn, planes, play
from tests.bench.stage import obstacle
from tests.bench.wan import open_line

PLANE = Contender("plane", "forwarder", ("udp", "answer"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the load and its sink."""
    if why := obstacle():
        pytest.skip(why)
    made = tmp_path_factory.mktemp("bench")
    build_programs(made)
    return made


@pytest.fixture
def scene(folder: Path) -> Scene:
    """Three calls, and ten packets from each leg after five to warm up."""
    voice = pcmu(folder, 20)
    return Scene(3, 20, 0.2, 0.1, (voice, voice))


def test_the_load_alone_is_dropped_and_paid_for(folder: Path, scene: Scene) -> None:
    done = play(Turn(scene, NOTHING), folder)
    assert (done.sent, done.delivered, done.spent.node_ns) == (60, 0, 0)
    assert done.spent.load_ns > 0


@pytest.mark.parametrize("contender", [RTPENGINE, *planes("bridge")], ids=lambda contender: contender.name)
def test_a_forwarder_passes_every_packet_on(folder: Path, scene: Scene, contender: Contender) -> None:
    if why := obstacle("rtpengine"):
        pytest.skip(why)
    done = play(Turn(scene, contender), folder)
    assert (done.sent, done.delivered, done.sink["silent"], done.sink["skips"]) == (60, 60, 0, 0)
    assert done.spent.node_ns > 0
    assert 0 < done.sink["p50_us"] <= done.sink["p99_us"]


@pytest.mark.parametrize("mode", ["answer", "room"])
def test_our_plane_takes_every_packet(folder: Path, scene: Scene, mode: str) -> None:
    done = play(Turn(scene, Contender("plane", "forwarder", ("udp", mode))), folder)
    assert (done.sent, done.node["packets_received"], done.sink["silent"]) == (60, 60, 0)
    assert done.spent.node_ns > 0


@pytest.mark.parametrize("value", ["", "voice", 7, -1, [1, ["x"]], {"a": {"b": [1]}, "c": "d:e"}])
def test_what_rtpengine_is_told_can_be_read_back(value: rtpengine.Value) -> None:
    assert rtpengine.bdecode(rtpengine.bencode(value)) == value


@pytest.mark.parametrize("data", [b"", b"x", b"i1", b"1:a2:bb"])
def test_what_is_no_bencoding_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"value|bencoding"):
        rtpengine.bdecode(data)


VOICE = Voice("pcmu", 0, 160, [bytes(160)])
TURN, ALONE = (Turn(Scene(600, 12, 1.0, 1.0, (VOICE, VOICE)), contender) for contender in (PLANE, NOTHING))


def round_of(
    turn: Turn,
    *,
    delivered: int = 1000,
    received: int = 1000,
    seconds: float = 1.0,
    node_ns: int = 0,
    waited_ns: int = 0,
) -> Round:
    """A thousand packets were sent, and each cost the load a microsecond."""
    spent = Spent(node_ns, waited_ns, 1_000_000, 0, (0, 0), 0)
    return Round(turn, 1000, delivered, seconds, spent, {}, {"packets_received": received}, "")


def test_the_cost_of_the_load_is_taken_off_the_total() -> None:
    results = Results([round_of(ALONE, delivered=0), round_of(TURN, node_ns=3_000_000)])
    assert results.node_us(TURN) == [3.0]
    assert results.total_us(TURN) == [3.0]


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        (round_of(TURN, delivered=990), "delivered 99.00%"),
        (round_of(TURN, received=990), "delivered 99.00%"),
        (round_of(TURN, seconds=1.02), "the load took 1.02 s for 1.00 s"),
        (round_of(TURN, waited_ns=60_000_000), "others had its processor for 6% of the time"),
    ],
    ids=["lost", "not received", "late", "disturbed"],
)
def test_a_round_that_went_wrong_is_no_measurement(bad: Round, fault: str) -> None:
    good = round_of(TURN, delivered=995, seconds=1.005, node_ns=1_000_000)
    assert bad.fault == fault
    assert Results([bad, good]).of(TURN) == [good]


def test_a_row_shows_its_rounds_and_its_peer() -> None:
    row = Row(name="x", value=2.0, unit="us", peer="y", ratio=0.5, rounds=[1.0, 2.0, 3.0])
    assert table_line(row).split() == ["x", "2", "us", "0.50", "x", "y", "[1", "2", "3]"]


def test_a_scene_says_what_it_offers() -> None:
    assert TURN.scene.packets_per_second == 100_000


@pytest.mark.skipif(bool(obstacle()), reason=obstacle())
def test_a_long_line_delays_both_protocols() -> None:
    for way in ("tcp one", "media object"):
        with open_line(20.0, 0.0, 1) as line:
            delays = once(line, way, 2, 3.0)
            assert line.link.ask("how was it")["lost"] == 0
        assert delays
        assert min(delays) >= 40.0
