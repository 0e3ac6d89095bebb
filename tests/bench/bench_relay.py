"""What a relay costs for each object and receiver, and how late they are: ours beside aiomoqt's.

Voice-like: one publisher, objects of 80 bytes 50 times a second, each its own group and stream, to many
subscribers with a connection each. The load is aiomoqt's for both (tests/interop/peers/load.py); it runs on
the other processor. Delay is from the publisher's stamp to the subscriber's callback, so the load's own part
is in it, and all subscribers of a tick share it: ratios say more.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import attrs

from tests.bench import cpu
from tests.bench.__main__ import Row
from tests.bench.figures import row
from tests.bench.stage import LOAD_CPU, NODE_CPU, Actor, StageError
from tests.bench.wan import start
from tests.interop import aiomoqt
from tests.interop.node import CLUTCH, free_port, running_node

SECONDS = float(os.environ.get("CLUTCH_BENCH_SECONDS", "10"))
ROUNDS = 3
DRAFT, SIZE, RATE = 18, 80, 50
RECEIVERS = (50, 100)
PEER = "aiomoqt's relay"
"""In C (picoquic) below Python."""
OURS = "clutch"
FAST = "clutch, fast port"
"""picoquic, in a process of its own; that alone is measured."""
WARM_UP_S = 1.5
LOAD_SHARE = 50
"""Subscribers in one process of the load."""


@attrs.frozen
class Running:
    """A relay."""

    url: str
    pid: int


@attrs.frozen
class Heard:
    """One round."""

    node_us: float
    """Processor time of the relay for each object and receiver."""
    p50_ms: float
    p99_ms: float
    missing: int


def run() -> list[Row]:
    """The rows of this benchmark."""
    if not aiomoqt.BIN.exists():
        print("relay: not measured: there was no Python 3.12 for aiomoqt", file=sys.stderr)
        return []
    rows: list[Row] = []
    for receivers in RECEIVERS:
        found: dict[str, list[Heard]] = {PEER: [], OURS: [], FAST: []}
        for _ in range(ROUNDS):
            for name, relay in ((PEER, their_relay), (OURS, our_relay), (FAST, our_fast_relay)):
                try:
                    with relay() as running:
                        found[name].append(measure(running, receivers))
                except StageError as error:
                    print(f"a round of {name}, 1 to {receivers}, is none: {error}", file=sys.stderr)
        for name in (OURS, FAST):
            rows += table(f"{name}, 1 to {receivers}", found[name], found[PEER])
    return rows


def table(what: str, ours: list[Heard], theirs: list[Heard]) -> list[Row]:
    """Our rounds beside theirs."""
    if not ours:
        return []
    rows = []
    for title, unit, name in (
        ("processor time an object and receiver", "us", "node_us"),
        ("delay p50", "ms", "p50_ms"),
        ("delay p99", "ms", "p99_ms"),
    ):
        mine, other = ([getattr(one, name) for one in rounds] for rounds in (ours, theirs))
        rows.append(row(f"{what}: {title}", unit, mine, PEER, other))
    missing = Row(name=f"{what}: objects missing", value=sum(one.missing for one in ours), unit="")
    missing["note"] = f"{PEER}: {sum(one.missing for one in theirs)}"
    return [*rows, missing]


@contextlib.contextmanager
def our_relay() -> Iterator[Running]:
    """A node."""
    command = ("taskset", "-c", str(NODE_CPU), CLUTCH, "run")
    with tempfile.TemporaryDirectory() as folder, running_node(Path(folder), command=command) as node:
        yield Running(f"moqt://127.0.0.1:{node.moqt_port}/", node.process.pid)


@contextlib.contextmanager
def our_fast_relay() -> Iterator[Running]:
    """A node with a fast port."""
    command = ("taskset", "-c", str(NODE_CPU), CLUTCH, "run")
    port = free_port()
    settings = (f"moqt.fast_port={port}", f'moqt.fast_python="{aiomoqt.BIN / "python"}"')
    with (
        tempfile.TemporaryDirectory() as folder,
        running_node(Path(folder), *settings, command=command) as node,
    ):
        children = Path(f"/proc/{node.process.pid}/task").glob("*/children")
        (worker,) = (int(pid) for each in children for pid in each.read_text().split())
        yield Running(f"moqt://127.0.0.1:{port}/", worker)


@contextlib.contextmanager
def their_relay() -> Iterator[Running]:
    """aiomoqt's."""
    processor = ("taskset", "-c", str(NODE_CPU))
    with tempfile.TemporaryDirectory() as folder, aiomoqt.relay(Path(folder), *processor) as relay:
        yield Running(f"moqt://127.0.0.1:{relay.port}/", relay.pid)


def measure(relay: Running, receivers: int) -> Heard:
    """Let the load run against a relay. Raises `StageError`."""
    namespace, loads = f"bench/{secrets.token_hex(4)}", list[Actor]()
    with contextlib.ExitStack() as stack:
        for first in range(0, receivers, LOAD_SHARE):
            count = min(LOAD_SHARE, receivers - first)
            role = [] if first else ["lead"]
            loads.append(start_load(relay.url, namespace, count, *role))
            stack.callback(loads[-1].close)
            loads[-1].hear()
        time.sleep(WARM_UP_S)
        before = cpu.ran_ns(relay.pid)
        for load in loads:
            load.say("begin")
        time.sleep(SECONDS)
        used = cpu.ran_ns(relay.pid) - before
        said = [load.ask("end") for load in loads]
    return Heard(
        used / 1000 / sum(one["objects"] for one in said),
        max(one["p50_ms"] for one in said),
        max(one["p99_ms"] for one in said),
        sum(one["missing"] for one in said),
    )


def start_load(url: str, namespace: str, count: int, *role: str) -> Actor:
    """A process of the load."""
    arguments = [url, DRAFT, namespace, count, SIZE, RATE, *role]
    script = ["taskset", "-c", str(LOAD_CPU), str(aiomoqt.BIN / "python"), str(aiomoqt.SCRIPTS / "load.py")]
    return start([*script, *map(str, arguments)])
