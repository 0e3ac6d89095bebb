"""baresip calls the echo and hears itself."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from clutch.media.wav import read_wav, wav_header
from tests.interop import baresip
from tests.interop.node import RunningNode, free_port
from tests.interop.sound import channels, compare, speak


@pytest.mark.parametrize(
    ("codec", "least"),
    [
        ("PCMU/8000/1", 0.95),
        ("PCMA/8000/1", 0.95),
        ("G722/16000/1", 0.95),
        ("L16/16000/1", 0.95),
        ("opus/48000/2", 0.8),
    ],
)
def test_hears_itself(node: RunningNode, tmp_path: Path, codec: str, least: float) -> None:
    _, rate_hz, channels_said = codec.split("/")
    source = speak(tmp_path / "speech.wav", int(rate_hz), int(channels_said))
    target = f"sip:echo@127.0.0.1:{node.sip_port}"
    dump = baresip.call(tmp_path / "phone", target, source, codec, port=free_port())
    said = read_wav(source)
    likeness = compare(said, read_wav(dump.heard))
    print(codec, likeness)
    assert likeness.correlation > least, dump.log[-2000:]
    (recording,) = node.recordings()
    caller, callee = channels(recording)
    assert compare(said, caller).correlation > least
    assert compare(said, callee).correlation > least


@pytest.mark.parametrize("mux", [False, True])
def test_each_reports_to_the_other(node: RunningNode, speech: Path, tmp_path: Path, mux: bool) -> None:
    """A round trip is known only if baresip got our report, and we got its own that echoes it."""
    twice = tmp_path / "twice.wav"
    pcm = read_wav(speech).pcm * 2
    twice.write_bytes(wav_header(8000, 1, len(pcm)) + pcm)
    target = f"sip:echo@127.0.0.1:{node.sip_port}"
    dump = baresip.call(tmp_path / "phone", target, twice, "PCMU/8000/1", port=free_port(), mux=mux)
    node.settled()
    (ended,) = [line for line in map(json.loads, node.log().splitlines()) if line["event"] == "call.ended"]
    (port,) = re.findall(r"starting RTCP with remote 127\.0\.0\.1:(\d+)", dump.log)
    assert int(port) % 2 == (not mux)
    assert ended["loss_percent"] == ended["remote_loss_percent"] == 0
    assert ended["round_trip_ms"] < 100
    assert ended["remote_mos"] > 4
