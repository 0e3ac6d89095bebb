"""A phone at the other end of a cable, with a node on each backend: it hears itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import native
from clutch.media.wav import read_wav
from tests.interop import baresip
from tests.interop.node import CLUTCH, running_node
from tests.interop.sound import channels, compare
from tests.native import cable as cables
from tests.native.cable import Cable


@pytest.fixture
def cable() -> Iterator[Cable]:
    """A cable of its own."""
    if why := cables.obstacle():
        pytest.skip(why)
    with cables.open_cable() as made:
        yield made


@pytest.mark.parametrize("backend", ["udp", "io_uring", "af_xdp"])
def test_hears_itself_over_a_cable(cable: Cable, speech: Path, tmp_path: Path, backend: str) -> None:
    if backend not in native.features():
        pytest.skip(f"this build has no {backend}")
    near, far = cable.near, cable.far
    settings = [f"sip.host={near.ip}", f"media.backend={backend}"]
    if backend == "af_xdp":
        settings.append(f"media.interface={near.interface}")
    with running_node(tmp_path / "data", *settings, command=[*near.enter, CLUTCH, "run"]) as node:
        target = f"sip:echo@{near.ip}:{node.sip_port}"
        dump = baresip.call(tmp_path / "phone", target, speech, "PCMU/8000/1", port=6000, end=far)
        assert node.stop() == 0, node.log()
        (up,) = [line for line in map(json.loads, node.log().splitlines()) if line["event"] == "node.up"]
        assert up["media"].startswith(backend)
    said = read_wav(speech)
    likeness = compare(said, read_wav(dump.heard))
    print(up["media"], likeness)
    assert likeness.correlation > 0.95, dump.log[-2000:]
    (recording,) = node.recordings()
    for channel in channels(recording):
        assert compare(said, channel).correlation > 0.95
