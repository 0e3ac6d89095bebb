"""SRTP with baresip, which has its own: either side calls, each with what it insists on."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import trio

from clutch.media.wav import read_wav, wav_header
from tests.e2e.hearing import median_likeness
from tests.interop import baresip
from tests.interop.node import CLUTCH, RunningNode, free_port, running_node

CODEC = "PCMU/8000/1"


def last_call(node: RunningNode) -> dict[str, Any]:
    """What the node logged of its only call, once it is down."""
    node.stop()
    (ended,) = [line for line in map(json.loads, node.log().splitlines()) if line["event"] == "call.ended"]
    found: dict[str, Any] = ended
    return found


@pytest.mark.parametrize(("plane", "encryption"), [("native", "srtp-mand"), ("twin", "srtp")])
def test_baresip_calls(speech: Path, tmp_path: Path, plane: str, encryption: str) -> None:
    with running_node(tmp_path / "data", f"media.plane={plane}", "rtp.srtp=required") as node:
        twice = tmp_path / "twice.wav"
        pcm = read_wav(speech).pcm * 2
        twice.write_bytes(wav_header(8000, 1, len(pcm)) + pcm)
        target = f"sip:echo@127.0.0.1:{node.sip_port}"
        dump = baresip.call(
            tmp_path / "phone", target, twice, CODEC, port=free_port(), encryption=encryption, seconds=12
        )
        assert median_likeness(read_wav(twice), read_wav(dump.heard)) > 0.95, dump.log[-2000:]
        assert "SRTP is Enabled" in dump.log
        assert "failed to decrypt" not in dump.log
        ended = last_call(node)
        assert ended["srtp"] in dump.log
        # A round trip is known only if either side could read the other's reports.
        assert ended["round_trip_ms"] is not None
        assert ended["loss_percent"] == ended["remote_loss_percent"] == 0


@pytest.mark.parametrize("encryption", ["srtp", "srtp-mand"])
async def test_clutch_calls(speech: Path, tmp_path: Path, encryption: str) -> None:
    heard, ports = tmp_path / "heard.wav", (free_port(), free_port())
    async with baresip.answering(tmp_path / "phone", speech, CODEC, ports, encryption) as phone:
        command = [CLUTCH, "call", phone.address, "--json", "--srtp", "--codec", "pcmu"]
        options = ["--play", str(speech), "--record", str(heard), "--duration", "6"]
        with trio.fail_after(40):
            done = await trio.run_process([*command, *options], capture_stdout=True, check=False)
    summary = json.loads(done.stdout)
    assert (summary["status"], summary["srtp"]) == ("completed", "AEAD_AES_128_GCM")
    # baresip puts its keys away before it says goodbye by RTCP, in the clear.
    assert (summary["media"]["srtp_forged"], summary["media"]["srtp_replayed"]) in {(0, 0), (1, 0)}
    assert summary["media"]["reports_received"] >= 1
    assert median_likeness(read_wav(speech), read_wav(heard)) > 0.95
    (said,) = (tmp_path / "phone").glob("dump-*-dec.wav")
    assert median_likeness(read_wav(speech), read_wav(said)) > 0.95


def test_who_insists_does_not_talk_in_the_clear(tmp_path: Path) -> None:
    with running_node(tmp_path / "data", "rtp.srtp=off") as node:
        target = f"sip:echo@127.0.0.1:{node.sip_port}"
        done = subprocess.run(
            [CLUTCH, "call", target, "--srtp"], capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 8, done.stderr
    assert "not_acceptable" in done.stdout
