"""`clutch call` against `clutch run`: two processes, real sockets, real speech."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from clutch.media.wav import read_wav
from tests.interop.node import CLUTCH, RunningNode
from tests.interop.sound import channels, compare


def call(node: RunningNode, extension: str, *options: str) -> tuple[int, dict[str, Any]]:
    """Exit status and JSON summary of a call."""
    done = subprocess.run(
        [CLUTCH, "call", f"sip:{extension}@127.0.0.1:{node.sip_port}", "--json", *options],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize(("codec", "least"), [("pcmu", 0.95), ("pcma", 0.95), ("opus", 0.8)])
def test_speech_comes_back(node: RunningNode, speech: Path, tmp_path: Path, codec: str, least: float) -> None:
    heard = tmp_path / "heard.wav"
    status, summary = call(node, "echo", "--play", str(speech), "--record", str(heard), "--codec", codec)
    assert (status, summary["status"], summary["codec"]) == (0, "completed", codec)
    likeness = compare(read_wav(speech), read_wav(heard))
    print(codec, likeness, summary["quality"])
    assert likeness.correlation > least
    assert likeness.longest_gap_ms <= 40
    (recording,) = node.recordings()
    caller, callee = channels(recording)
    assert compare(read_wav(speech), caller).correlation > least
    assert compare(read_wav(speech), callee).correlation > least


def test_exit_status_says_how_it_ended(node: RunningNode) -> None:
    assert call(node, "nobody")[0] == 6
    status, summary = call(node, "play", "--duration", "30")
    assert (status, summary["by"]) == (0, "callee")


def test_keys_are_pressed(node: RunningNode) -> None:
    status, summary = call(node, "echo", "--dtmf", "12#", "--duration", "1.5", "--codec", "pcmu")
    assert status == 0
    assert summary["concealed_percent"] < 5


def test_the_quality_is_known_at_the_end(node: RunningNode) -> None:
    status, summary = call(node, "echo", "--duration", "12")
    quality, media = summary["quality"], summary["media"]
    assert status == 0
    assert media["reports_sent"] >= 2 <= media["reports_received"]
    assert media["reports_wrong_source"] == media["reports_malformed"] == 0
    assert (quality["loss_percent"], quality["remote_loss_percent"]) == (0, 0)
    assert quality["round_trip_ms"] < 100
    assert min(quality["mos"], quality["remote_mos"]) > 4


def test_nobody_there() -> None:
    done = subprocess.run(
        [CLUTCH, "call", "sip:echo@127.0.0.1:9", "--ring", "1", "--json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert json.loads(done.stdout)["reason"] == "no_answer"


def test_over_tcp(node: RunningNode) -> None:
    done = subprocess.run(
        [CLUTCH, "call", f"sip:echo@127.0.0.1:{node.sip_port};transport=tcp", "--duration", "0.5"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("completed: normal by caller")
