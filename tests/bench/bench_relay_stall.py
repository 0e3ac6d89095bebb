"""What one subscriber that stands still costs the others: their delay before, meanwhile and after.

A node, one publisher of 20 ms frames of pcm16 and some listeners. One more listener is stopped (SIGSTOP) for
most of the second part: what waits for it is given up again and again. Delay is from the publisher's stamp to
the listener's loop; how long all these processes wait for a processor is in it.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path

from tests.bench.__main__ import Row
from tests.bench.figures import row
from tests.bench.stage import NODE_CPU
from tests.e2e.relay_peers import Heard, PeerProcess, Peers, peers_of
from tests.interop.node import CLUTCH, running_node

SECONDS = float(os.environ.get("CLUTCH_BENCH_SECONDS", "10"))
ROUNDS = 3
LISTENERS, FRAME = 4, 1_920
STOPPED_S = 2.5
"""Less than the SDK's idle timeout."""
NAMESPACE = "bench/stall"


def run() -> list[Row]:
    """The rows of this benchmark."""
    command = ("taskset", "-c", str(NODE_CPU), CLUTCH, "run")
    with (
        tempfile.TemporaryDirectory() as folder,
        running_node(Path(folder), command=command) as node,
        peers_of(node) as peers,
    ):
        before, meanwhile = listen(peers)
        skips = node.status()["moqt"]["skips"]
    lost = sum(sum(heard.gaps) for each in (*before, *meanwhile) for heard in each)
    what = f"relay, one of {LISTENERS + 1} stands still: others'"
    missing = Row(name=f"{what} frames lost", value=lost, unit="")
    missing["note"] = f"that one was skipped {skips} times"
    return [*(delay(what, name, before, meanwhile) for name in ("p50_ms", "p99_ms")), missing]


def listen(peers: Peers) -> tuple[list[list[Heard]], list[list[Heard]]]:
    """What the others heard, in each round: while all listen, and while one does not."""
    before, meanwhile = [], []
    peers.start("publish", NAMESPACE, FRAME)
    others = [peers.start("listen", NAMESPACE) for _ in range(LISTENERS)]
    slow = peers.start("listen", NAMESPACE)
    time.sleep(1)
    for _ in range(ROUNDS):
        _hear(others)
        time.sleep(SECONDS)
        before.append(_hear(others))
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            with slow.stopped():
                time.sleep(STOPPED_S)
            time.sleep(0.5)
        meanwhile.append(_hear(others))
    return before, meanwhile


def delay(what: str, name: str, before: list[list[Heard]], meanwhile: list[list[Heard]]) -> Row:
    """How late the others heard, beside before."""
    calm, busy = _worst(before, name), _worst(meanwhile, name)
    made = row(f"{what} delay {name[:3]}", "ms", busy, "before", calm)
    return made | {"note": f"{statistics.median(busy) - statistics.median(calm):+.2f} ms"}


def _hear(listeners: list[PeerProcess]) -> list[Heard]:
    return [listener.report() for listener in listeners]


def _worst(rounds: list[list[Heard]], name: str) -> list[float]:
    """Of each round, the listener that fared worst."""
    return [max(getattr(heard, name) for heard in each) for each in rounds]
