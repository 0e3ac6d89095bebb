"""Phones at the other end of a cable, with a node on each backend: they are heard, and hear themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import native
from clutch.media.audio import Sound
from clutch.media.wav import read_wav
from tests.interop import baresip, sipp
from tests.interop.node import CLUTCH, RunningNode, free_port, running_node
from tests.interop.sound import channels, compare
from tests.native import cable as cables
from tests.native.cable import Cable

BACKENDS = {
    "udp": ["media.backend=udp"],
    "io_uring": ["media.backend=io_uring"],
    "af_xdp": ["media.backend=af_xdp", "media.interface=near"],
}
SECONDS = 1
"""How much sipp says: one packet every 20 ms, and as many back."""
RTP_MOST = 40
"""Datagrams of signalling, reports and RTP that the kernel may handle in a call whose RTP goes past it."""


@pytest.fixture(scope="module")
def cable() -> Iterator[Cable]:
    """A cable for all calls here."""
    if why := cables.obstacle():
        pytest.skip(why)
    with cables.open_cable() as cable:
        yield cable


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """Every backend, one after the other."""
    name: str = request.param
    if name not in native.features():
        pytest.skip(f"this build has no {name}")
    return name


@pytest.fixture
def node(cable: Cable, backend: str, tmp_path: Path) -> Iterator[RunningNode]:
    """A node at the near end; it must come down cleanly after the test."""
    settings = [f"sip.host={cable.near.ip}", *BACKENDS[backend]]
    command = [*cable.near.enter, CLUTCH, "run"]
    with running_node(tmp_path / "data", *settings, command=command) as running:
        yield running
        assert running.stop() == 0, running.log()
        assert "crashed" not in running.log(), running.log()


@pytest.fixture
def kernel_datagrams(cable: Cable, backend: str) -> Iterator[None]:
    """Sees to it that the packets of the call take the way that the backend is for."""
    before = cable.near.counters()
    yield
    after = cable.near.counters()
    for name in ("InDatagrams", "OutDatagrams"):
        assert (after[name] - before[name] < RTP_MOST) == (backend == "af_xdp")


def ended(node: RunningNode) -> dict[str, float]:
    """What the node logged at the end of its one call."""
    (line,) = [line for line in map(json.loads, node.log().splitlines()) if line["event"] == "call.ended"]
    return {key: value for key, value in line.items() if isinstance(value, int | float)}


@pytest.mark.usefixtures("kernel_datagrams")
def test_baresip_hears_itself(
    node: RunningNode, cable: Cable, backend: str, speech: Path, tmp_path: Path
) -> None:
    (up,) = [line for line in map(json.loads, node.log().splitlines()) if line["event"] == "node.up"]
    assert up["media"].startswith(backend)
    target = f"sip:echo@{cable.near.ip}:{node.sip_port}"
    codec, port = "PCMU/8000/1", free_port()
    dump = baresip.call(tmp_path / "phone", target, speech, codec, port=port, end=cable.far)
    said = read_wav(speech)
    likeness = compare(said, read_wav(dump.heard))
    print(up["media"], likeness)
    assert likeness.correlation > 0.95, dump.log[-2000:]
    (recording,) = node.recordings()
    assert min(compare(said, side).correlation for side in channels(recording)) > 0.95
    assert ended(node)["loss_percent"] == ended(node)["remote_loss_percent"] == 0


@pytest.mark.usefixtures("kernel_datagrams")
def test_sipp_is_heard(node: RunningNode, cable: Cable, backend: str, speech: Path, tmp_path: Path) -> None:
    folder = tmp_path / "sipp"
    folder.mkdir()
    sipp.raw_ulaw(speech, folder / "speech.ul", SECONDS)
    target = f"{cable.near.ip}:{node.sip_port}"
    options = ["-mi", cable.far.ip, "-m", "1", "-p", str(free_port())]
    sipp.run("talk", target, folder, *options, end=cable.far)
    said = Sound(read_wav(speech).samples[: 8000 * SECONDS], 8000)
    (recording,) = node.recordings()
    likenesses = [compare(said, side) for side in channels(recording)]
    print(backend, likenesses)
    assert min(likeness.correlation for likeness in likenesses) > 0.95
