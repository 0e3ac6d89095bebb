"""From another thread's signal, by eventfd, to the Trio task that waits for it: as in the media plane."""

from __future__ import annotations

import functools
import mmap
import os
import select
import statistics
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import attrs
import trio

from tests.bench.__main__ import Row
from tests.bench.programs import C, alone

PERIODS_US = {1_000: 3_000, 5_000: 1_000, 20_000: 250}
"""How often, and how many signals."""
STAMP = struct.Struct("=q")


@attrs.define
class Signals:
    """Signals that come, and how long each took to be seen."""

    eventfd: int
    memory: mmap.mmap
    expected: int
    delays_us: list[float] = attrs.field(factory=list)

    @property
    def complete(self) -> bool:
        """All were seen."""
        return len(self.delays_us) >= self.expected

    def take(self) -> None:
        """Note the signals since the last time; several may have come at once."""
        count, now = os.eventfd_read(self.eventfd), time.monotonic_ns()
        for index in range(len(self.delays_us), len(self.delays_us) + count):
            (sent,) = STAMP.unpack_from(self.memory, index * STAMP.size)
            self.delays_us.append((now - sent) / 1000)


def in_trio(signals: Signals) -> None:
    """A task waits."""

    async def main() -> None:
        while not signals.complete:
            await trio.lowlevel.wait_readable(signals.eventfd)
            signals.take()

    trio.run(main)


def in_poll(signals: Signals) -> None:
    """Without an event loop: what Python and the kernel take at least."""
    poll = select.poll()
    poll.register(signals.eventfd, select.POLLIN)
    while not signals.complete:
        poll.poll()
        signals.take()


def delays(program: str, wait: Callable[[Signals], None], period_us: int, count: int) -> list[float]:
    """Let the program signal, and wait for it."""
    eventfd, file = os.eventfd(0, os.EFD_NONBLOCK), os.memfd_create("stamps")
    try:
        os.truncate(file, count * STAMP.size)
        with mmap.mmap(file, count * STAMP.size) as memory:
            command = [program, str(eventfd), str(file), str(period_us), str(count)]
            with subprocess.Popen(command, pass_fds=(eventfd, file)):
                wait(signals := Signals(eventfd, memory, count))
            return signals.delays_us
    finally:
        os.close(eventfd)
        os.close(file)


def run() -> list[Row]:
    """The rows of this benchmark."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        program = alone(C / "signal.c", Path(folder))
        for period_us, count in PERIODS_US.items():
            measure = functools.partial(delays, program, period_us=period_us, count=count)
            ours = statistics.quantiles(measure(in_trio), n=100)
            bare = statistics.quantiles(measure(in_poll), n=100)
            for percent in (50, 99):
                value, peer = ours[percent - 1], bare[percent - 1]
                name = f"eventfd to a Trio task, every {period_us / 1000:g} ms: p{percent}"
                row = Row(name=name, value=value, unit="us", peer=f"poll() ({peer:.4g})", ratio=value / peer)
                rows.append(row)
    return rows
