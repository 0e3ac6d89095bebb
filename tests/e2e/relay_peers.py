"""Clients of a node's relay as processes, which may be stopped and killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import attrs

from tests.e2e.processes import PATIENCE_S
from tests.interop.node import RunningNode

SCRIPT = Path(__file__).with_name("relay_peer.py")


@attrs.frozen
class Heard:
    """What a peer heard since it was asked the last time."""

    heard: int
    gaps: list[int]
    """How many frames were lost in each."""
    p50_ms: float
    p99_ms: float
    """Delay from the publisher's clock."""


@attrs.define(eq=False)
class PeerProcess:
    """One of them; see `relay_peer`."""

    process: subprocess.Popen[str]

    def report(self) -> Heard:
        """Ask it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return Heard(**json.loads(self.process.stdout.readline()))

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def leave(self) -> None:
        """Let it say goodbye, if it lives."""
        assert self.process.stdin is not None
        if self.process.poll() is None:
            self.process.stdin.close()
            assert self.process.wait(PATIENCE_S) == 0

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """It does nothing at all within the block, and goes on after it."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)


@attrs.define(eq=False)
class Peers:
    """Starts them."""

    url: str
    _stack: ExitStack

    def start(self, role: str, where: str, *numbers: int) -> PeerProcess:
        """One that is ready."""
        command = [sys.executable, str(SCRIPT), self.url, role, where, *map(str, numbers)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        peer = PeerProcess(process)
        self._stack.enter_context(process)
        self._stack.callback(process.kill)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        self._stack.callback(peer.leave)
        return peer


@contextmanager
def peers_of(node: RunningNode) -> Iterator[Peers]:
    """Peers of this node; all are gone after the block."""
    with ExitStack() as stack:
        yield Peers(f"moqt://127.0.0.1:{node.moqt_port}/", stack)


@attrs.frozen
class Ledger:
    """What a node holds for others."""

    relay: dict[str, Any]
    tasks: int
    fds: int

    @classmethod
    def of(cls, node: RunningNode) -> Ledger:
        """Now: the least of some answers, as asking costs a connection."""
        status = min((node.status() for _ in range(5)), key=lambda status: (status["tasks"], status["fds"]))
        names = ("connections", "sessions", "tracks", "live", "subscribers", "waiting")
        return cls({name: status["moqt"][name] for name in names}, status["tasks"], status["fds"])

    def within(self, other: Ledger) -> bool:
        """Nothing here is more than there, and the relay holds the same."""
        return self.relay == other.relay and self.tasks <= other.tasks and self.fds <= other.fds


def resident(node: RunningNode) -> int:
    """Bytes of memory that the node uses."""
    status = Path(f"/proc/{node.process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024
