"""What the jitter buffer makes of seeded networks: audio made up, and delay, beside a fixed one of 60 ms."""

from __future__ import annotations

import statistics
from collections.abc import Callable

import native
from actors.call import MediaStats
from tests.bench.__main__ import Row
from tests.contract.cores import CORES
from tests.contract.network import Arrivals, Heard, listen, lte, on_time, speech, stalled, wifi
from tests.contract.trace import TICK_US

PACKETS = 15_000
"""Five minutes."""
SEEDS = (1, 2, 3, 4)
PEER = "fixed 60 ms"


def clean(count: int, seed: int, phase_us: int) -> Arrivals:
    """No trouble at all."""
    return on_time(count, phase_us=phase_us)


def stalls(count: int, seed: int, phase_us: int) -> Arrivals:
    """200 ms of nothing every 30 s, then all of it."""
    arrivals: Arrivals = on_time(count, phase_us=phase_us)
    for at_us in range(15_000_000, count * TICK_US, 30_000_000):
        arrivals = stalled(arrivals, at_us, 200_000)
    return arrivals


NETWORKS: tuple[Callable[[int, int, int], Arrivals], ...] = (clean, wifi, lte, stalls)


def fixed(arrivals: Arrivals) -> Heard:
    """The buffer there was before: it waits 40 ms once and after every pause; 200 ms are cut to 60 ms."""
    coming = sorted((at, number) for number, at in enumerate(arrivals) if at is not None)
    end_us, waiting, numbers = coming[-1][0], set[int](), list[int | None]()
    following, start_us, empty, playing = 0, 0, 0, False
    coming.reverse()
    for now_us in range(TICK_US, end_us + 12 * TICK_US, TICK_US):
        while coming and coming[-1][0] < now_us:
            at_us, number = coming.pop()
            if number < following:
                continue
            if not waiting and not playing:
                following, start_us = number, at_us
            waiting.add(number)
        playing = playing or (bool(waiting) and now_us - start_us >= 40_000)
        if playing and waiting and (newest := max(waiting)) - following >= 10:
            following = newest - 2
            waiting = {number for number in waiting if number >= following}
        numbers.append(following if playing and following in waiting else None)
        if playing and waiting:
            empty = empty if numbers[-1] is None else 0
            waiting.discard(following)
            following += 1
        elif playing:
            empty = (empty + 1) % 3
            playing = empty > 0
    return Heard(numbers, 0, MediaStats())


def figures(heard: Heard, arrivals: Arrivals) -> tuple[float, float, float]:
    """Percent of ticks made up beyond what was lost, mean and 99th percentile of delay in milliseconds."""
    made_up = 100 * len(heard.made_up) / len(heard.numbers)
    delays = [*heard.delays(arrivals).values()]
    beyond_loss = made_up - 100 * arrivals.count(None) / len(arrivals)
    return beyond_loss, statistics.fmean(delays), statistics.quantiles(delays, n=100)[-1]


def run() -> list[Row]:
    """The rows of this benchmark, means over all seeds."""
    core = CORES["native" if native.available else "twin"]
    loud, rows = speech(PACKETS), list[Row]()
    for network in NETWORKS:
        ours, theirs = [], []
        for seed in SEEDS:
            arrivals = network(PACKETS, seed, (5 * seed - 4) * 1000)
            ours.append(figures(listen(core, arrivals, loud), arrivals))
            theirs.append(figures(fixed(arrivals), arrivals))
        names = (("made up beyond loss", "points"), ("mean delay", "ms"), ("p99 delay", "ms"))
        pairs = zip(zip(*ours, strict=True), zip(*theirs, strict=True), strict=True)
        for (name, unit), (mine, other) in zip(names, pairs, strict=True):
            value, peer = statistics.fmean(mine), statistics.fmean(other)
            row = Row(name=f"Jitter, {network.__name__}: {name}", value=round(value, 3), unit=unit)
            if peer:
                row |= {"peer": f"{PEER} ({peer:.4g})", "ratio": value / peer}
            rows.append(row)
    return rows
