"""A long line: two network namespaces, and between them a program that delays and loses packets."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from tests.bench.programs import C, alone
from tests.bench.stage import LOAD_CPU, NODE_CPU, ROOT, Actor, run

NEAR_IP, FAR_IP = "198.18.1.1", "198.18.1.2"
LATEST_US = 2_000
"""If one packet in a thousand leaves later than this after its time, the line was no line."""


@attrs.frozen
class Line:
    """Both ends, called ``near`` and ``far``, and the emulator between them (c/link.c)."""

    prefix: str
    link: Actor

    def start(self, end: str, *arguments: str) -> Actor:
        """Run a module of this folder at one end: the ends have a processor each."""
        processor = {"near": LOAD_CPU, "far": NODE_CPU}[end]
        prefix = ["ip", "netns", "exec", f"{self.prefix}-{end}", "taskset", "-c", str(processor)]
        return start([*prefix, sys.executable, "-m", *arguments])


def start(command: Sequence[str]) -> Actor:
    """Run a program that answers lines."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT
    )
    return Actor(command[-1], process)


@contextlib.contextmanager
def open_line(delay_ms: float, loss: float, seed: int) -> Iterator[Line]:
    """Build a line of so much delay and loss each way, and remove it. Raises `StageError`."""
    prefix = f"clutch-wan-{os.getpid()}"
    ends = {f"{prefix}-near": NEAR_IP, f"{prefix}-far": FAR_IP}
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        program = alone(C / "link.c", Path(folder))
        for name in ends:
            run("ip", "netns", "add", name)
            stack.callback(subprocess.run, ["ip", "netns", "del", name], capture_output=True, check=False)
        link = start([program, *ends, str(int(delay_ms * 1000)), str(int(loss * 1e6)), str(seed)])
        stack.callback(link.close)
        link.hear()
        for name, address in ends.items():
            run("ip", "-n", name, "address", "add", f"{address}/30", "dev", "wan")
            run("ip", "-n", name, "link", "set", "lo", "up")
            run("ip", "-n", name, "link", "set", "wan", "up")
        yield Line(prefix, link)
