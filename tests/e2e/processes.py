"""Commands of ours as processes, and what a node has left over."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import attrs

from tests.interop.node import CLUTCH, RunningNode

PATIENCE_S = 60.0
"""How long anything may take before a test gives up; no assertion depends on it."""

Done = subprocess.CompletedProcess[str]


def until(holds: Callable[[], object], what: str) -> None:
    """Wait until something holds; AssertionError if it never does."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.02)


def clutch(*arguments: str, command: Sequence[str] = (CLUTCH,), **environment: str) -> Done:
    """Run a command to its end."""
    return finish(start(*arguments, command=command, **environment))


def start(
    *arguments: str, command: Sequence[str] = (CLUTCH,), stderr: Any = subprocess.PIPE, **environment: str
) -> subprocess.Popen[str]:
    """Start a command; its output is for `finish`."""
    return subprocess.Popen(
        [*command, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        env={**os.environ, **environment},
    )


def finish(process: subprocess.Popen[str]) -> Done:
    """Wait for a command that was started."""
    try:
        out, err = process.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@contextmanager
def calling(node: RunningNode, extension: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A `clutch call --json` that the node has answered when the block begins; it is gone when it ends."""

    def answered() -> int:
        return sum(event["status"] == "in_progress" for event in events(node, "call.status"))

    before = answered()
    process = start("call", target(node, extension), "--json", *options)
    try:
        until(lambda: answered() > before or process.poll() is not None, "the call is answered")
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def target(node: RunningNode, extension: str) -> str:
    """The SIP URI of an extension of a node."""
    return f"sip:{extension}@127.0.0.1:{node.sip_port}"


def summary(done: Done) -> dict[str, Any]:
    """What `clutch call --json` said; nothing else may stand there."""
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def complaint(done: Done) -> str:
    """The one line with which a command refused, if it was one; AssertionError if not."""
    assert done.stdout == "", done.stdout
    assert done.stderr.startswith("Error: "), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr.removeprefix("Error: ").rstrip("\n")


def events(node: RunningNode, name: str) -> list[dict[str, Any]]:
    """The log lines of one event; the last one may still be on its way."""
    whole = node.log().rpartition("\n")[0].splitlines()
    return [line for line in map(json.loads, whole) if line["event"] == name]


def clean(node: RunningNode) -> bool:
    """True if nothing in the log is an error or a traceback."""
    return not any(word in node.log() for word in ("Traceback", '"level": "error"', "crashed"))


@attrs.frozen
class Footprint:
    """What a node without calls holds on to."""

    tasks: int
    fds: int


def footprint(node: RunningNode) -> Footprint:
    """Tasks and descriptors of a node, once it has no call, media port or connection of SIP any more."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        status = node.status()
        if not (status["calls"] or status["rtp_ports"] or status["sip"]["connections"]):
            return Footprint(status["tasks"], status["fds"])
        assert time.monotonic() < deadline, status
        time.sleep(0.05)


def wait_for_footprint(node: RunningNode, before: Footprint) -> None:
    """Wait until a node holds no more than `before`; less if that was counted while a request ended."""
    until(
        lambda: (now := footprint(node)).tasks <= before.tasks and now.fds <= before.fds,
        f"no more than {before} is left",
    )
