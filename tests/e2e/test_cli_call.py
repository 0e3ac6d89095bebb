"""`clutch call` as a process: exit statuses, output, signals, a terminal, what it refuses before it dials."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from clutch.media.wav import read_wav
from tests.e2e.processes import PATIENCE_S, clutch, complaint, finish, start, summary, target
from tests.e2e.raw_sip import OFFER, Callee, crlf
from tests.interop.node import CLUTCH, RunningNode

SIGNALS = [signal.SIGINT, signal.SIGTERM]


@pytest.fixture
def callee() -> Iterator[Callee]:
    """Somebody to call who does as the test says."""
    with Callee() as callee:
        yield callee


@pytest.mark.parametrize(
    ("code", "status", "reason"),
    [
        (480, 3, "no_answer"),
        (486, 4, "busy"),
        (600, 4, "busy"),
        (603, 5, "rejected"),
        (403, 5, "rejected"),
        (404, 6, "not_found"),
        (503, 7, "unreachable"),
        (488, 8, "not_acceptable"),
    ],
)
def test_the_exit_status_says_how_a_call_was_refused(
    callee: Callee, code: int, status: int, reason: str
) -> None:
    process = start("call", callee.uri, "--json")
    callee.refuse(code)
    done = finish(process)
    said = summary(done)
    assert (done.returncode, done.stderr) == (status, "")
    assert (said["status"] != "completed", said["reason"], said["by"], said["sip"]) == (
        True,
        reason,
        "callee",
        code,
    )


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_what_the_far_side_says_cannot_work_the_terminal(callee: Callee, options: tuple[str, ...]) -> None:
    process = start("call", callee.uri, *options)
    callee.answer(callee.expect("INVITE"), 486, reason="\x1b]0;gone\x07 fishing \udcff")
    done = finish(process)
    assert done.returncode == 4
    said = summary(done)["text"] if options else done.stdout
    assert "\ufffd]0;gone\ufffd fishing \ufffd" in said


def test_nobody_listens() -> None:
    done = clutch("call", "sip:bob@127.0.0.1:9;transport=tcp", "--json")
    assert (done.returncode, summary(done)["reason"]) == (7, "unreachable")


def test_nobody_answers_in_time(callee: Callee) -> None:
    process = start("call", callee.uri, "--ring", "0.5", "--json")
    invite = callee.expect("INVITE")
    callee.answer(invite, 180)
    callee.answer(callee.expect("CANCEL"), 200)
    callee.answer(invite, 487)
    callee.expect("ACK")
    done = finish(process)
    assert (done.returncode, summary(done)["reason"]) == (3, "no_answer")


def test_an_answer_without_a_common_codec_is_hung_up(callee: Callee) -> None:
    process = start("call", callee.uri, "--codec", "pcmu", "--json")
    callee.answer(callee.expect("INVITE"), 200, crlf(OFFER.replace("0 8 101", "77")))
    callee.expect("ACK")
    callee.answer(callee.expect("BYE"), 200)
    done = finish(process)
    assert (done.returncode, summary(done)["reason"]) == (8, "not_acceptable")


def said_until(process: subprocess.Popen[str], word: str) -> None:
    """Read what a process says on stderr up to a word."""
    assert process.stderr is not None
    while word not in process.stderr.readline():
        assert process.poll() is None


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_while_it_rings_cancels(callee: Callee, number: signal.Signals) -> None:
    process = start("call", callee.uri)
    invite = callee.expect("INVITE")
    callee.answer(invite, 180)
    said_until(process, "ringing")
    process.send_signal(number)
    callee.answer(callee.expect("CANCEL"), 200)
    callee.answer(invite, 487)
    callee.expect("ACK")
    done = finish(process)
    assert (done.returncode, done.stdout) == (3, "no_answer: cancelled by caller (SIP 487)\n")


def test_a_signal_while_nobody_says_anything(callee: Callee) -> None:
    process = start("call", callee.uri)
    callee.expect("INVITE")
    process.send_signal(signal.SIGINT)
    done = finish(process)
    assert (done.returncode, done.stdout) == (3, "no_answer: cancelled by caller (SIP 487)\n")


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_in_mid_call_hangs_up(shared_node: RunningNode, number: signal.Signals) -> None:
    process = start("call", target(shared_node, "echo"))
    said_until(process, "in_progress")
    process.send_signal(number)
    done = finish(process)
    assert done.returncode == 0
    assert re.fullmatch(
        r"completed: normal by caller \(SIP 200\), [\d.]+ s of opus, [\d.]+ % lost, jitter [\d.]+ ms, "
        r"MOS [\d.]+\n",
        done.stdout,
    )
    assert "Traceback" not in done.stderr


def test_the_far_side_hangs_up(shared_node: RunningNode) -> None:
    done = clutch("call", target(shared_node, "play"))
    assert done.returncode == 0
    assert done.stdout.startswith("completed: normal by callee (SIP 200), ")
    assert "in_progress" in done.stderr.splitlines()


def test_meters_on_a_terminal_are_one_line(shared_node: RunningNode) -> None:
    ours, theirs = pty.openpty()
    command = [CLUTCH, "call", target(shared_node, "tone"), "--duration", "1.5"]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        while data := _read(ours):
            shown += data
        assert process.wait(PATIENCE_S) == 0
    os.close(ours)
    meters, sentence, rest = shown.decode().split("\r\n")
    drawn = meters.split("\r")[1:]
    assert len(drawn) > 3
    known = r"(-|[\d.]+)"
    quality = rf"loss [\d.]+ %  mos {known}/{known}"
    for line in drawn:
        assert re.fullmatch(rf"\w+ +you \[#*\.*\]  they \[#*\.*\]\s*({quality})?\x1b\[K", line)
        assert len(line.removesuffix("\x1b[K")) < 80
    assert re.search(quality, drawn[-1])
    assert any("they [##" in line for line in drawn)
    assert sentence.startswith("completed: normal by caller")
    assert rest == ""


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # Linux says so when the other end is closed
        return b""


def test_a_recording_replaces_an_older_one(shared_node: RunningNode, tmp_path: Path) -> None:
    kept = tmp_path / "kept.wav"
    kept.write_text("something older")
    done = clutch("call", target(shared_node, "play"), "--record", str(kept), "--duration", "1")
    assert done.returncode == 0
    assert read_wav(kept).seconds > 0


def test_a_call_that_fails_leaves_an_older_recording(callee: Callee, tmp_path: Path) -> None:
    kept = tmp_path / "kept.wav"
    kept.write_text("something older")
    process = start("call", callee.uri, "--record", str(kept))
    callee.refuse(486)
    assert finish(process).returncode == 4
    assert kept.read_text() == "something older"


CHALLENGE = 'Digest realm="here", nonce="1234", qop="auth", algorithm=MD5'


def test_a_password_is_shown_to_nobody(callee: Callee) -> None:
    process = start("call", callee.uri, "--user", "alice", CLUTCH_PASSWORD="wonderland")
    callee.refuse(401, CHALLENGE)
    callee.refuse(403)
    done = finish(process)
    assert done.returncode == 5
    assert b"Authorization: Digest" in b"".join(callee.heard)
    assert "wonderland" not in f"{done.stdout}{done.stderr}{callee.heard}"


def test_a_wrong_password_is_tried_once(callee: Callee) -> None:
    process = start("call", callee.uri, "--json", CLUTCH_PASSWORD="wrong")
    callee.refuse(401, CHALLENGE)
    callee.refuse(401, CHALLENGE)
    done = finish(process)
    assert (done.returncode, summary(done)["sip"]) == (5, 401)


@pytest.mark.parametrize("user", ["a b", "jürgen", "a@b", ""])
def test_any_name_can_be_ours(callee: Callee, user: str) -> None:
    process = start("call", callee.uri, "--user", user, "--json")
    invite = callee.expect("INVITE")
    assert (invite.from_.uri.username or "") == user
    callee.answer(invite, 486)
    assert finish(process).returncode == 4


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("bob@127.0.0.1", "URI without a scheme; write it like sip:"),
        ("sip:bob@127.0.0.1:99999", "port is over 65535"),
        ("sip:a b@127.0.0.1", "character that a URI must escape"),
        ("sip:bob@host.invalid", "host.invalid has no address"),
        ("sips:bob@127.0.0.1", "only sip: by UDP or TCP"),
        ("tel:+15551234", "only sip: by UDP or TCP"),
        ("sip:bob@127.0.0.1;transport=tls", "only sip: by UDP or TCP"),
    ],
)
def test_a_target_that_cannot_be_called_is_refused(uri: str, why: str) -> None:
    done = clutch("call", uri, "--json")
    assert done.returncode == 1
    said = complaint(done)
    assert said.startswith(f"{uri}: ")
    assert why in said


@pytest.mark.parametrize(
    "options",
    [
        ("--dtmf", "12x"),
        ("--duration", "-1"),
        ("--duration", "long"),
        ("--ring", "-1"),
        ("--codec", "mp3"),
        ("--frobnicate",),
    ],
)
def test_wrong_usage_is_refused_before_dialing(callee: Callee, options: tuple[str, ...]) -> None:
    done = clutch("call", callee.uri, *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert options[0] in done.stderr
    assert "Traceback" not in done.stderr
    callee.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        callee.expect("INVITE")
