"""Signals to a node: it drains, hangs up in order, leaves whole recordings; and callers who are killed."""

from __future__ import annotations

import json
import re
import signal
import socket
import wave
from pathlib import Path

import pytest

from tests.e2e.processes import (
    calling,
    clean,
    clutch,
    events,
    finish,
    footprint,
    summary,
    target,
    until,
    wait_for_footprint,
)
from tests.e2e.raw_sip import Peer, draft, invite
from tests.interop.node import RunningNode, running_node

FOREVER = "node.drain_s=600"
SIGNALS = [signal.SIGTERM, signal.SIGINT]


def drain(node: RunningNode, number: signal.Signals = signal.SIGTERM) -> None:
    """Send the signal and wait until it has been heard."""
    node.process.send_signal(number)
    until(lambda: node.status()["draining"], "the node drains")


def seconds(recording: Path) -> float:
    """How long a stereo recording is; AssertionError if its header does not tell the truth."""
    with wave.open(str(recording)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (2, 2)
        assert recording.stat().st_size == 44 + 4 * file.getnframes()
        return float(file.getnframes() / file.getframerate())


def assert_ended_in_order(node: RunningNode) -> None:
    """The last call ended before the node said goodbye, and nothing went wrong."""
    names = [json.loads(line)["event"] for line in node.log().splitlines()]
    assert names[-1] == "node.down"
    assert names.index("node.draining") < names.index("call.ended")
    assert clean(node), node.log()


@pytest.mark.parametrize("number", SIGNALS)
def test_a_node_without_calls_goes_at_once(tmp_path: Path, number: signal.Signals) -> None:
    with running_node(tmp_path / "data", FOREVER) as node:
        node.process.send_signal(number)
        assert node.process.wait(30) == 0
        assert [event["calls"] for event in events(node, "node.draining")] == [0]
        assert clean(node), node.log()
        for port in (node.sip_port, node.http_port):
            socket.create_server(("127.0.0.1", port)).close()
        with socket.socket(type=socket.SOCK_DGRAM) as free:
            free.bind(("127.0.0.1", node.moqt_port))


def test_while_it_drains_new_calls_are_refused_and_old_ones_go_on(tmp_path: Path) -> None:
    with running_node(tmp_path / "data", FOREVER) as node:
        with calling(node, "echo") as caller, Peer(node.sip_port) as peer:
            drain(node)
            for request in (invite(), draft("OPTIONS")):
                refusal = peer.ask(request)
                assert refusal.status == 503
                assert int(refusal.headers.get("Retry-After") or 0) > 0
            refused = clutch("call", target(node, "echo"), "--json")
            assert (refused.returncode, summary(refused)["sip"]) == (7, 503)
            assert node.status()["calls"] == 1
            caller.send_signal(signal.SIGINT)
            ended = finish(caller)
        assert (ended.returncode, summary(ended)["by"]) == (0, "caller")
        assert node.process.wait(30) == 0
        assert [event["by"] for event in events(node, "call.ended")] == ["caller"]
        assert_ended_in_order(node)


def test_at_the_deadline_it_hangs_up(tmp_path: Path, speech: Path) -> None:
    with running_node(tmp_path / "data", "node.drain_s=1") as node:
        with calling(node, "echo", "--play", str(speech), "--duration", "600") as caller:
            assert node.stop() == 0
            ended = finish(caller)
        assert ended.returncode == 0
        assert {key: summary(ended)[key] for key in ("status", "by", "q850")} == {
            "status": "completed",
            "by": "callee",
            "q850": 41,
        }
        (event,) = events(node, "call.ended")
        assert (event["status"], event["reason"], event["by"]) == ("completed", "drain", "node")
        assert_ended_in_order(node)
        (recording,) = node.recordings()
        assert seconds(recording) > 0


@pytest.mark.parametrize(("first", "second"), [SIGNALS, SIGNALS[::-1]])
def test_a_second_signal_ends_the_waiting(
    tmp_path: Path, first: signal.Signals, second: signal.Signals
) -> None:
    with running_node(tmp_path / "data", FOREVER) as node:
        with calling(node, "tone", "--codec", "pcmu") as caller:
            drain(node, first)
            node.process.send_signal(second)
            assert node.process.wait(30) == 0
            ended = finish(caller)
        assert (ended.returncode, summary(ended)["by"]) == (0, "callee")
        assert [event["reason"] for event in events(node, "call.ended")] == ["drain"]
        assert_ended_in_order(node)
        assert seconds(node.recordings()[0]) > 0


def test_a_call_whose_answer_was_never_acknowledged_does_not_hold_it_up(tmp_path: Path) -> None:
    with running_node(tmp_path / "data") as node, Peer(node.sip_port) as peer:
        assert peer.ask(invite()).status == 200
        assert node.stop() == 0
        assert [event["reason"] for event in events(node, "call.ended")] == ["drain"]
        assert_ended_in_order(node)


def test_a_caller_who_is_killed_is_missed(tmp_path: Path) -> None:
    """Nothing tells the node but the silence. Its BYE reaches nobody, and it goes all the same."""
    with running_node(tmp_path / "data", "rtp.timeout_s=1") as node:
        before = footprint(node)
        with calling(node, "echo") as caller:
            caller.kill()
            wait_for_footprint(node, before)
        (event,) = events(node, "call.ended")
        assert (event["status"], event["reason"], event["by"]) == ("completed", "media_timeout", "node")
        assert seconds(node.recordings()[0]) > 0
        assert node.stop() == 0
        assert clean(node), node.log()


def test_a_hangup_reads_keys_and_revoked_tokens_again(tmp_path: Path) -> None:
    revoked = tmp_path / "revoked"
    revoked.write_text("one")
    with running_node(tmp_path / "data", FOREVER, f"auth.revoked={revoked}") as node:
        (made,) = events(node, "auth.key_made")
        kid = json.loads(Path(made["file"]).read_text())["keys"][0]["kid"]
        revoked.unlink()
        node.process.send_signal(signal.SIGHUP)
        until(lambda: events(node, "auth.not_reloaded"), "the broken file is named")
        (line,) = events(node, "auth.not_reloaded")
        assert line["error"] == f"auth.revoked {revoked}: No such file or directory"
        revoked.write_text("two")
        node.process.send_signal(signal.SIGHUP)
        until(lambda: events(node, "auth.reloaded"), "the files are read")
        assert events(node, "auth.reloaded")[0]["keys"] == [kid]
        assert node.stop() == 0


def test_the_relay_says_where_it_is_and_what_certificate_it_has(tmp_path: Path) -> None:
    with running_node(tmp_path / "data", FOREVER) as node:
        (up,) = events(node, "moqt.up")
        status = node.status()["moqt"]
        assert up["address"] == status["address"] == f"127.0.0.1:{node.moqt_port}"
        assert f"moqt://127.0.0.1:{node.moqt_port}\n" in node.greeting
        assert re.fullmatch(r"[0-9a-f]{64}", status["certificate_sha256"])
        assert up["certificate_sha256"] == status["certificate_sha256"]
        assert node.stop() == 0
    with running_node(tmp_path / "data", FOREVER) as node:
        assert node.status()["moqt"]["certificate_sha256"] == up["certificate_sha256"]
