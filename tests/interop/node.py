"""A node as a subprocess, on ports of its own."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs

CLUTCH = str(Path(sys.executable).with_name("clutch"))


def free_port() -> int:
    """A port that neither UDP nor TCP uses just now."""
    for _ in range(100):
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port: int = tcp.getsockname()[1]
            try:
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port")


@attrs.define
class RunningNode:
    """A node that has said that it is up."""

    process: subprocess.Popen[str]
    sip_port: int
    http_port: int
    moqt_port: int
    data: Path
    greeting: str

    def status(self) -> dict[str, Any]:
        """``GET /v1/status``."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/v1/status", timeout=10) as answer:
            status: dict[str, Any] = json.load(answer)
        return status

    def settled(self) -> dict[str, Any]:
        """The status once no call, port or transaction is left; AssertionError if that takes a minute.

        The quietest of ten answers: asking costs a connection, and the one before may still be there.
        """
        for _ in range(600):
            status = self.status()
            if not status["calls"] and not status["rtp_ports"] and not status["sip"]["transactions"]:
                break
            time.sleep(0.1)
        else:
            raise AssertionError(f"the node does not settle: {status}")
        answers = []
        for _ in range(10):
            time.sleep(0.05)
            answers.append(self.status())
        return min(answers, key=lambda answer: (answer["tasks"], answer["fds"]))

    def recordings(self) -> list[Path]:
        """The recordings, oldest first."""
        return sorted((self.data / "recordings").glob("*.wav"), key=lambda path: path.stat().st_mtime)

    def log(self) -> str:
        """What it logged so far."""
        return (self.data / "log").read_text()

    def stop(self) -> int:
        """SIGTERM; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


@contextmanager
def running_node(
    data: Path, *settings: str, command: Sequence[str] = (CLUTCH, "run")
) -> Iterator[RunningNode]:
    """Start a node and wait for its greeting; make sure that it is gone afterwards."""
    data.mkdir(exist_ok=True)
    sip, http, moqt = free_port(), free_port(), free_port()
    sets = [f"sip.port={sip}", f"http.port={http}", f"moqt.port={moqt}", "node.drain_s=0", *settings]
    options = ["--data", str(data), *(part for text in sets for part in ("--set", text))]
    with (data / "log").open("w") as log:
        process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            greeting = _greeting(process)
            assert "is up" in greeting, (data / "log").read_text()
            yield RunningNode(process, sip, http, moqt, data, greeting)
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(15)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            assert process.stdout is not None
            process.stdout.close()


def _greeting(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("Stop with"):
            break
    return "".join(lines)
