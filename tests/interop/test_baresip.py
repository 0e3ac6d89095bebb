"""baresip calls the echo and hears itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from clutch.media.wav import read_wav
from tests.interop import baresip
from tests.interop.node import RunningNode, free_port
from tests.interop.sound import channels, compare


@pytest.mark.parametrize(
    ("codec", "least"), [("PCMU/8000/1", 0.95), ("PCMA/8000/1", 0.95), ("opus/48000/2", 0.8)]
)
def test_hears_itself(
    node: RunningNode, speech: Path, wide_speech: Path, tmp_path: Path, codec: str, least: float
) -> None:
    source = wide_speech if codec.startswith("opus") else speech
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
