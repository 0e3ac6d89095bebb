"""Processor time, from the kernel's own books.

The kernel charges a soft interrupt to whoever runs when it comes: receiving from a virtual cable to the
sender, the rest to ``ksoftirqd``. So the cost of a forwarder is its own process and what it adds to the load
and to ``ksoftirqd``, and both are measured.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Collection
from pathlib import Path

import attrs

PROC = Path("/proc")
TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
SOFTIRQ, STEAL = 6, 7
"""Fields of a line of /proc/stat, see proc(5)."""


@attrs.frozen
class Spent:
    """Nanoseconds of processor time, since the machine or the process began or between two of these."""

    node_ns: int
    """In the processes that are measured."""
    waited_ns: int
    """That these were ready to run while others had the processor."""
    load_ns: int
    """In the load generator."""
    kernel_ns: int
    """In ``ksoftirqd``."""
    softirq_ns: tuple[int, ...]
    """In soft interrupts, for each processor; sampled by the kernel, and part of the others."""
    steal_ns: int
    """That the hypervisor gave to others."""

    def __sub__(self, before: Spent) -> Spent:
        return Spent(
            self.node_ns - before.node_ns,
            self.waited_ns - before.waited_ns,
            self.load_ns - before.load_ns,
            self.kernel_ns - before.kernel_ns,
            tuple(now - then for now, then in zip(self.softirq_ns, before.softirq_ns, strict=True)),
            self.steal_ns - before.steal_ns,
        )

    @property
    def total_ns(self) -> int:
        """All of it."""
        return self.node_ns + self.load_ns + self.kernel_ns


def spent(node: Collection[int], load: int) -> Spent:
    """What these processes have used until now; those that have ended count nothing."""
    lines = [line.split() for line in (PROC / "stat").read_text().splitlines()]
    processors = [line for line in lines if line[0].startswith("cpu") and line[0] != "cpu"]
    return Spent(
        sum(map(ran_ns, node)),
        sum(map(waited_ns, node)),
        ran_ns(load),
        sum(map(ran_ns, _ksoftirqd())),
        tuple(int(line[1 + SOFTIRQ]) * TICK_NS for line in processors),
        sum(int(line[1 + STEAL]) * TICK_NS for line in processors),
    )


def ran_ns(pid: int) -> int:
    """Nanoseconds that the threads of a process have run."""
    return _schedstat(pid, 0)


def waited_ns(pid: int) -> int:
    """Nanoseconds that the threads of a process have waited for a processor."""
    return _schedstat(pid, 1)


def _schedstat(pid: int, field: int) -> int:
    tasks = (PROC / str(pid) / "task").glob("*/schedstat")
    return sum(int(path.read_text().split()[field]) for path in tasks)


@functools.cache
def _ksoftirqd() -> tuple[int, ...]:
    names = {int(path.parent.name): path.read_text() for path in PROC.glob("[0-9]*/comm")}
    return tuple(pid for pid, name in names.items() if name.startswith("ksoftirqd/"))
