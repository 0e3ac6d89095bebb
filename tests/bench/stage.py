"""Two network namespaces on one cable: in one the load, in the other what is measured.

A pair of virtual Ethernet interfaces, never the loopback: that has no XDP. The node's end receives on the
processor of whoever sends, so that what a forwarder costs shows only in part in its own process (see `cpu`).
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import attrs

ROOT = Path(__file__).resolve().parents[2]
LOAD_IP, NODE_IP = "198.18.0.1", "198.18.0.2"  # for benchmarks of networks: RFC 2544
LOAD_CPU, NODE_CPU = 0, 1
TOOLS = ("ip", "tc", "ethtool", "clang", "flite")
ANSWER_S = 120.0

Answer: TypeAlias = dict[str, Any]


class StageError(Exception):
    """A program on the stage ended, or did not answer; the message holds what it said."""


def obstacle(*tools: str) -> str:
    """Why nothing can be measured over a network on this machine; empty if it can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if missing := [tool for tool in (*TOOLS, *tools) if shutil.which(tool) is None]:
        return f"not installed: {' '.join(missing)}"
    if not {LOAD_CPU, NODE_CPU} <= os.sched_getaffinity(0):
        return "the load and what is measured need a processor each"
    return ""


def run(*command: str) -> str:
    """Run a command and return its output. Raises `StageError` with what it said if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=ANSWER_S)
    if done.returncode != 0:
        raise StageError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout


@attrs.define(eq=False)
class Actor:
    """A program on the stage that answers a line on its standard input with a line of JSON.

    It ends when its standard input does.
    """

    name: str
    _process: subprocess.Popen[str] = attrs.field(repr=False)

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def ask(self, line: str, *, timeout_s: float = ANSWER_S) -> Answer:
        """Say something and wait for the answer. Raises `StageError`."""
        self.say(line)
        return self.hear(timeout_s=timeout_s)

    def say(self, line: str) -> None:
        """Say something; who has ended does not hear it."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()

    def hear(self, *, timeout_s: float = ANSWER_S) -> Answer:
        """Wait for a line. Raises `StageError` if the program ends instead, or takes too long."""
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], timeout_s)
        line = self._process.stdout.readline() if ready else ""
        if not line:
            raise StageError(f"{self.name} {'ended' if ready else 'did not answer'}")
        answer: Answer = json.loads(line)
        return answer

    def close(self) -> None:
        """Let it end, and see that it does."""
        try:
            self._process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()


@attrs.frozen
class Stage:
    """Both ends. The interfaces are called ``load`` and ``node``, each in its own namespace."""

    prefix: str

    def start(self, end: str, cpu: int, command: Sequence[str]) -> Actor:
        """Run a program in the namespace of one end, on one processor only."""
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(
            ["ip", "netns", "exec", f"{self.prefix}-{end}", "taskset", "-c", str(cpu), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=ROOT,
        )
        return Actor(shlex.join(command), process)

    def run(self, end: str, *command: str) -> str:
        """Run a command in the namespace of one end. Raises `StageError`."""
        return run("ip", "netns", "exec", f"{self.prefix}-{end}", *command)


@contextlib.contextmanager
def open_stage() -> Iterator[Stage]:
    """Build both ends and the cable, and remove them."""
    stage = Stage(f"clutch-bench-{os.getpid()}")
    load, node = f"{stage.prefix}-load", f"{stage.prefix}-node"
    try:
        for name in (load, node):
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        run("ip", "-n", load, "link", "add", "load", "type", "veth", "peer", "name", "node", "netns", node)
        for name, device, address in ((load, "load", LOAD_IP), (node, "node", NODE_IP)):
            run("ip", "-n", name, "address", "add", f"{address}/30", "dev", device)
            run("ip", "-n", name, "link", "set", device, "up")
        # No network card leaves the checksum to the receiver, as a virtual one does.
        stage.run("load", "ethtool", "-K", "load", "tx", "off")
        yield stage
    finally:
        for name in (load, node):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
