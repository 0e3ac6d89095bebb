"""What turn-taking costs per frame, and whether its invariants hold on many random timelines."""

from __future__ import annotations

import statistics
import time

from clutch.media.turn import TurnDetector
from clutch.media.turn_params import NO_SPEECH, TurnParams
from tests.bench.__main__ import Row
from tests.media.turn_random import watch

FRAMES = 200_000
ROUNDS = 7
TIMELINES = 20_000


def frame_us(params: TurnParams, *, talk: bool) -> float:
    """Processor time of a push: nobody talks, or the caller half of the time and over the agent at times."""
    caller = [-25.0 if talk and number % 180 < 90 else NO_SPEECH for number in range(900)]
    agents = [talk and number % 200 >= 120 for number in range(900)]
    frames = [*zip(caller, agents, strict=True)] * (FRAMES // 900)
    push = TurnDetector(params).push
    start = time.process_time_ns()
    for level, agent in frames:
        push(level, agent=agent, tx_dbfs=-20.0, probability=0.9)
    return (time.process_time_ns() - start) / 1000 / len(frames)


def run() -> list[Row]:
    """The rows of this benchmark."""
    rows = list[Row]()
    for name, params, talk in (
        ("silence, browser", TurnParams(), False),
        ("talk, browser", TurnParams(), True),
        ("talk, sip", TurnParams.sip(), True),
    ):
        rounds = [frame_us(params, talk=talk) for _ in range(ROUNDS)]
        rows.append(
            Row(name=f"Turns, {name}", value=statistics.median(rounds), unit="us/frame", rounds=rounds)
        )
    for seed in range(TIMELINES):
        watch(1_000_000 + seed)
    rows.append(Row(name="Turns, random timelines that keep the rules", value=TIMELINES, unit="timelines"))
    return rows
