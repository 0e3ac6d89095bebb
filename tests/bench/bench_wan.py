"""How long a caller waits over a bad line: from a commit to the first byte of its answer, QUIC beside TCP.

50 ms of round trip, 1 % of the packets lost each way, audio both ways all the time. The far end answers at
once, so nothing can be faster than 50 ms.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
from collections.abc import Mapping, Sequence

from tests.bench.__main__ import Row
from tests.bench.stage import Actor, StageError, obstacle
from tests.bench.wan import LATEST_US, Line, open_line

DELAY_MS, LOSS, SEED = 25.0, 0.01, 42
SECONDS = float(os.environ.get("CLUTCH_BENCH_SECONDS", "14"))
CALLS = (10, 40)
PEER = "tcp one"
WAYS = {
    PEER: "TCP+TLS (BBR), one connection",
    "tcp each": "TCP+TLS (BBR), a connection a call",
    "media datagram": "QUIC, audio in datagrams",
    "media stream": "QUIC, a stream a call",
    "media object": "QUIC, a stream a frame",
    "cubic datagram": "QUIC with CUBIC, audio in datagrams",
}
FRESH_PEER = "fresh tcp"
FRESH = {FRESH_PEER: "TCP+TLS 1.3", "fresh quic": "QUIC", "fresh resumed": "QUIC, resumed (0-RTT)"}
FRESH_COUNT = 60


def run() -> list[Row]:
    """The rows of this benchmark."""
    if why := obstacle():
        print(f"wan: not measured: {why}", file=sys.stderr)
        return []
    rows: list[Row] = []
    for calls in CALLS:
        found = measured(WAYS, calls)
        rows += table(f"commit to answer, {calls} calls", WAYS, found, PEER)
    found = measured(FRESH, FRESH_COUNT)
    return rows + table("connect, commit, answer", FRESH, found, FRESH_PEER)


def measured(ways: Mapping[str, str], calls: int) -> dict[str, list[float]]:
    """The delays of each way; of one that could not be measured it is said why, and it has none."""
    found: dict[str, list[float]] = {}
    for way in ways:
        try:
            found[way] = measure(way, calls)
        except StageError as error:
            print(f"wan: {way}, {calls}: not measured: {error}", file=sys.stderr)
    return found


def table(what: str, ways: Mapping[str, str], found: Mapping[str, Sequence[float]], peer: str) -> list[Row]:
    """Three percentiles of each way, beside those of the peer."""
    rows = []
    for way, delays in found.items():
        for percent in (50, 95, 99):
            mine = percentile(delays, percent)
            row = Row(name=f"{what}: {ways[way]}, p{percent}", value=mine, unit="ms")
            if way != peer and peer in found:
                row |= {"peer": ways[peer], "ratio": mine / percentile(found[peer], percent)}
            rows.append(row)
    return rows


def percentile(values: Sequence[float], percent: int) -> float:
    """Of all values, those in between interpolated."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def measure(way: str, calls: int) -> list[float]:
    """The delays of one way, on a line of its own; tried again if the machine stood still."""
    for _ in range(3):
        with open_line(DELAY_MS, LOSS, SEED) as line:
            delays = once(line, way, calls, SECONDS)
            if (late_us := line.link.ask("how was it")["late_us"]) <= LATEST_US:
                return delays
        print(f"discarded a round of {way}: the line was {late_us} us late", file=sys.stderr)
    raise StageError(f"{way}: this machine is too busy for a line")


def once(line: Line, way: str, calls: int, seconds: float) -> list[float]:
    """Both ends, once."""
    far = line.start("far", "tests.bench.wan_far")
    near: Actor | None = None
    try:
        ports = far.hear()
        near = line.start("near", "tests.bench.wan_near", json.dumps(ports), way, str(calls), str(seconds))
        answer = near.hear(timeout_s=seconds + 120)
        if answer["unanswered"] > 0.05 * len(answer["ms"]):
            raise StageError(f"{way}: {answer['unanswered']} commits were never answered")
        return list(answer["ms"])
    finally:
        for actor in filter(None, (near, far)):
            actor.close()
