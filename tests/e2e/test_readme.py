"""The README's commands, taken from the README, against a node on free ports."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import wave
from collections.abc import Iterator
from pathlib import Path

import attrs
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
CLUTCH = [sys.executable, "-c", "from clutch.cli.main import main; main(prog_name='clutch')"]
PATIENCE_S = 60.0
"""How long anything may take before the test gives up; no assertion depends on it."""


@attrs.frozen
class RunningNode:
    """A node in a process of its own."""

    folder: Path
    sip_port: int
    url: str
    moqt_url: str

    def start(self, command: str) -> subprocess.Popen[str]:
        """Start a command of the README in `folder`, with this node's ports instead of the usual ones."""
        words = shlex.split(command)
        assert words[0] == ".venv/bin/clutch"
        words[1:] = [re.sub(r"^(sip:.*)", rf"\1:{self.sip_port}", word) for word in words[1:]]
        if url := {"status": self.url, "pub": self.moqt_url, "sub": self.moqt_url}.get(words[1]):
            words += ["--url", url]
        return clutch(self.folder, words[1:])

    def sid(self) -> str:
        """Of the one call that comes."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            said, _ = self.start(".venv/bin/clutch status --json").communicate(timeout=PATIENCE_S)
            if sids := json.loads(said)["sids"]:
                return str(sids[0])
        raise AssertionError("there is no call")


def clutch(folder: Path, arguments: list[str]) -> subprocess.Popen[str]:
    """Start the command."""
    return subprocess.Popen(
        [*CLUTCH, *arguments],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def succeeds(process: subprocess.Popen[str]) -> bool:
    """Wait for its end."""
    process.communicate(timeout=PATIENCE_S)
    return process.returncode == 0


def check(command: str, process: subprocess.Popen[str]) -> None:
    """See that it ends well."""
    said, complaint = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, f"{command}\n{said}\n{complaint}"


def environment() -> dict[str, str]:
    """This process's, with the repository importable."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def free_port(kind: int) -> int:
    """A port that nobody has at the moment."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RunningNode]:
    """A node with its data in a folder of the test; it must end well when it is told to."""
    sip_port, http_port = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_STREAM)
    url, moqt_port = f"http://127.0.0.1:{http_port}", free_port(socket.SOCK_DGRAM)
    ports = (f"sip.port={sip_port}", f"http.port={http_port}", f"moqt.port={moqt_port}")
    changed = (*ports, "node.drain_s=0")
    settings = [part for text in changed for part in ("--set", text)]
    log = (tmp_path / "log").open("w")
    with (
        log,
        subprocess.Popen([*CLUTCH, "run", *settings], cwd=tmp_path, env=environment(), stderr=log) as process,
    ):
        try:
            deadline = time.monotonic() + PATIENCE_S
            while not succeeds(clutch(tmp_path, ["status", "--url", url])):
                assert process.poll() is None, (tmp_path / "log").read_text()
                assert time.monotonic() < deadline
            yield RunningNode(tmp_path, sip_port, url, f"moqt://127.0.0.1:{moqt_port}")
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0, (tmp_path / "log").read_text()
        finally:
            process.kill()


def loudness(path: Path) -> float:
    """The RMS of a wav file's samples."""
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)
    return float(np.sqrt(np.mean(samples**2)))


def test_commands_work_as_written(node: RunningNode) -> None:
    text = (ROOT / "README.md").read_text()
    commands = re.findall(r"^\.venv/bin/clutch .*$", text, re.MULTILINE)
    assert commands
    begun: list[tuple[str, subprocess.Popen[str]]] = []
    for command in commands:
        if "$SID" in command:
            command = command.replace("$SID", node.sid())
        process = node.start(command)
        if "sip:app@" in command or " sub " in command:
            begun.append((command, process))  # these go on while others are run
        else:
            check(command, process)
    for command, process in begun:
        check(command, process)
    assert loudness(node.folder / "chime.wav") > 500
    assert loudness(node.folder / "echo.wav") > 500
    assert loudness(node.folder / "heard.wav") > 100
    assert loudness(node.folder / "caller.wav") >= 0
    assert len(list((node.folder / "data/recordings").glob("*.wav"))) == 3
