"""Whether memory is flat: an hour of voice through the relay, one group an object, on a virtual clock.

Relay, clients and the network between them are one process, so that nothing of either side hides: three
listeners stay, one comes and goes every seven seconds. `CLUTCH_BENCH_HOUR_S` shortens the hour.
"""

from __future__ import annotations

import math
import os

import trio
from trio.testing import MockClock

from tests.bench.__main__ import Row
from tests.relay.flatness import Course, talk
from tests.relay.stage import Kind

SECONDS = float(os.environ.get("CLUTCH_BENCH_HOUR_S", "3600"))


def run() -> list[Row]:
    """The rows of this benchmark."""
    return [row for kind in ("memory", "aioquic") for row in table(kind, let_talk(kind))]


def let_talk(kind: Kind) -> Course:
    """An hour that takes as long as the work in it."""
    clock = MockClock(autojump_threshold=0)
    return trio.run(talk, kind, SECONDS, clock=clock)


def table(kind: str, course: Course) -> list[Row]:
    """What came of it."""
    what = f"relay, {SECONDS / 60:.0f} minutes over {kind}"
    lost = sum(listener.lost for listener in course.listeners)
    blocks = course.after.blocks - course.before.blocks
    kilobytes = (course.after.resident - course.before.resident) / 1024
    note = f"{course.groups} groups, {math.ceil(course.after.resident / 2**20)} MiB at the end"
    return [
        Row(name=f"{what}: growth of memory", value=kilobytes, unit="KiB", note=note),
        Row(name=f"{what}: growth in objects of Python", value=blocks, unit=""),
        Row(name=f"{what}: frames lost", value=lost, unit=""),
    ]
