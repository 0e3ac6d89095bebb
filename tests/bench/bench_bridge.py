"""Calls from leg to leg: processor time for each packet passed on, beside rtpengine in userspace.

Both track SSRC, sequence and RTCP of every leg, learn where its far end is, and then take packets from there
only. 600 calls at 100,000 packets a second: what 1,000 calls of 20 ms packets offer.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.bench.__main__ import Row
from tests.bench.load import pcmu
from tests.bench.rounds import NOTHING, RTPENGINE, Contender, Results, Scene, measure
from tests.bench.stage import obstacle

CALLS, PACKET_MS, SECONDS, WARM_UP_S, ROUNDS = 600, 12, 10.0, 4.0, 3
"""rtpengine settles on a far end three seconds after its first packet, hence the warm-up."""


def ours() -> list[Contender]:
    """Our plane, once for every backend."""
    return []


def rows(results: Results, contenders: Sequence[Contender], peer: Contender, what: str) -> list[Row]:
    """Processor time of each contender's own processes, and all in all, beside the peer's."""
    kinds: list[tuple[str, Callable[[Contender], list[float]]]] = [
        ("own processor time", results.node_us),
        ("total processor time", results.total_us),
    ]
    found = []
    for kind, figures in kinds:
        for contender in contenders:
            if each := figures(contender):
                row = Row(
                    name=f"{what}, {contender.name}: {kind}", value=statistics.median(each), unit="us/packet"
                )
                row["rounds"] = each
                if contender != peer and (others := figures(peer)):
                    row |= {"peer": peer.name, "ratio": row["value"] / statistics.median(others)}
                found.append(row)
    return found + delays(results, contenders, what)


def delays(results: Results, contenders: Sequence[Contender], what: str) -> list[Row]:
    """What a packet waits inside: from the far end's socket to the other far end's interface."""
    found = []
    for contender in contenders:
        for name in ("p50", "p99"):
            if each := [one.sink[f"{name}_us"] for one in results.of(contender)]:
                value = statistics.median(each)
                row = Row(name=f"{what}, {contender.name}: delay {name}", value=value, unit="us", rounds=each)
                found.append(row)
    return found


def complain(results: Results) -> None:
    """Say which rounds were none."""
    for one in results.rounds:
        if one.fault:
            print(f"discarded a round of {one.contender.name}: {one.fault}", file=sys.stderr)


def run() -> list[Row]:
    """The rows of this benchmark; none where it cannot be run."""
    if why := obstacle("rtpengine"):
        print(f"bridge: not measured: {why}", file=sys.stderr)
        return []
    with tempfile.TemporaryDirectory() as folder:
        voice = pcmu(Path(folder), PACKET_MS)
    scene = Scene(CALLS, PACKET_MS, SECONDS, WARM_UP_S, (voice, voice))
    contenders = [RTPENGINE, *ours()]
    results = measure(scene, [NOTHING, *contenders], ROUNDS)
    complain(results)
    return rows(results, contenders, RTPENGINE, f"Bridge of {CALLS} calls")
