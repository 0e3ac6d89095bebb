"""`clutch pub` and `clutch sub` through the relay of a node."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from clutch.media.wav import read_wav
from tests.e2e.processes import PATIENCE_S, finish, start, until
from tests.interop.node import RunningNode, running_node
from tests.interop.sound import compare


def said(log: Path, text: str) -> bool:
    return text in log.read_text()


@pytest.mark.parametrize(
    ("scheme", "options", "output"),
    [
        ("moqt", (), "heard.wav"),
        ("moqt", (), "heard.ogg"),
        ("moqt", ("--codec", "g711_alaw"), "heard.wav"),
        ("https", ("--codec", "pcm16", "--rate", "16000"), "heard.wav"),
    ],
    ids=["opus", "ogg", "g711", "pcm-https"],
)
def test_a_file_goes_through(
    shared_node: RunningNode, speech: Path, tmp_path: Path, scheme: str, options: tuple[str, ...], output: str
) -> None:
    url = ("--url", f"{scheme}://127.0.0.1:{shared_node.moqt_port}/")
    log = tmp_path / "log"
    with log.open("w") as stderr:
        listener = start("sub", "test/tracks", *options, *url, "-o", str(tmp_path / output), stderr=stderr)
        until(lambda: said(log, "connected"), "connected")
        speaker = finish(start("pub", "test/tracks", *options, str(speech), *url))
        assert speaker.returncode == 0, speaker.stderr
        assert finish(listener).returncode == 0, log.read_text()
    assert " 0 lost in 0 gaps" in log.read_text()
    heard = tmp_path / output
    if output.endswith(".ogg"):
        back = tmp_path / "back.wav"
        with (tmp_path / "log").open("w") as stderr:
            again = start("sub", "test/ogg", *url, "-o", str(back), stderr=stderr)
            until(lambda: said(log, "connected"), "connected")
            assert finish(start("pub", "test/ogg", str(heard), *url)).returncode == 0
            assert finish(again).returncode == 0
        heard = back
    assert compare(read_wav(speech), read_wav(heard)).correlation > 0.9


def test_a_node_that_is_restarted_is_one_gap(speech: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with running_node(tmp_path / "data") as node:
        settings = [f"sip.port={node.sip_port}", f"http.port={node.http_port}", f"moqt.port={node.moqt_port}"]
        url = ("--url", f"moqt://127.0.0.1:{node.moqt_port}")
        with log.open("w") as stderr:
            speaker = start("pub", "test/tracks", str(speech), "--loop", *url)
            listener = start("sub", "test/tracks", *url, stderr=stderr)
            try:
                until(lambda: said(log, "hearing"), "hearing")
                assert node.stop() == 0
                with running_node(tmp_path / "data", *settings):
                    until(lambda: said(log, "gap: "), "heard again")
                    listener.send_signal(signal.SIGINT)
                    assert listener.wait(PATIENCE_S) == 0
            finally:
                for process in (speaker, listener):
                    process.kill()
                    process.communicate()
    assert re.search(r"[1-9]\d* lost in 1 gaps", log.read_text()), log.read_text()


def test_who_is_not_let_speak_is_told(shared_node: RunningNode, speech: Path) -> None:
    """The agent of the call has the caller's ear."""
    phone = start("call", f"sip:echo@127.0.0.1:{shared_node.sip_port}", "--duration", "20")
    try:
        until(lambda: bool(shared_node.status()["sids"]), "a call")
        (sid,) = shared_node.status()["sids"]
        url = ("--url", f"moqt://127.0.0.1:{shared_node.moqt_port}")
        speaker = finish(start("pub", f"voice/{sid}/downlink", str(speech), *url))
    finally:
        phone.send_signal(signal.SIGINT)
        finish(phone)
    assert speaker.returncode == 1
    assert "the downlink is taken by an agent" in speaker.stderr, speaker.stderr
