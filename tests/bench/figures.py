"""Rows out of rounds."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from tests.bench.__main__ import Row
from tests.bench.rounds import Results, Turn


def row(name: str, unit: str, mine: Sequence[float], peer: str, others: Sequence[float]) -> Row:
    """The median of the rounds, beside the peer's if there are some."""
    made = Row(name=name, value=statistics.median(mine), unit=unit, rounds=list(mine))
    if others:
        made |= {"peer": peer, "ratio": made["value"] / statistics.median(others)}
    return made


def costs(results: Results, what: str, turns: Sequence[Turn], peer: Turn) -> list[Row]:
    """Processor time of each contender's own processes, and all in all, beside the peer's."""
    rows = []
    for kind, figure in (("own", results.node_us), ("total", results.total_us)):
        for turn in turns:
            if mine := figure(turn):
                others = figure(peer) if turn != peer else []
                name = f"{what}, {turn.contender.name}: {kind} processor time"
                made = row(name, "us/packet", mine, peer.contender.name, others)
                rows.append(made | {"note": results.of(turn)[0].about} if kind == "own" else made)
    return rows


def delays(results: Results, what: str, turns: Sequence[Turn]) -> list[Row]:
    """What a packet waits inside: from the far end's socket to the other far end's interface."""
    return [
        row(f"{what}, {turn.contender.name}: delay {name}", "us", each, "", [])
        for turn in turns
        for name in ("p50", "p99")
        if (each := [one.sink[f"{name}_us"] for one in results.of(turn)])
    ]
