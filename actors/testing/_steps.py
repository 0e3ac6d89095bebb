"""The one module that touches Trio's private parts: counting task steps and striking at one of them.

Written against trio 0.35, which pyproject.toml pins for that reason; tests/runtime/test_steps.py breaks
first when Trio changes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakSet

import attrs
import trio
from trio._core import _run


@attrs.define(eq=False, slots=False)
class StepCounter(trio.abc.Instrument):
    """Counts steps (from one checkpoint to the next) of a task and all tasks below it.

    A step counts when the task has run before, so step k is "the k-th return from a checkpoint".
    """

    root: trio.lowlevel.Task
    strike_at: int | None
    strike: Callable[[trio.lowlevel.Task], None]
    skip: Callable[[trio.lowlevel.Task], bool] = lambda _task: False
    """Steps for which this is true are not counted."""
    steps: int = 0
    struck: bool = False
    armed: bool = True
    _seen: WeakSet[trio.lowlevel.Task] = attrs.field(factory=WeakSet)

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Called by Trio before each step of each task."""
        if not self.armed or not self._below_root(task):
            return
        if task not in self._seen:
            self._seen.add(task)
            return
        if self.skip(task):
            return
        self.steps += 1
        if self.steps == self.strike_at:
            self.struck = True
            self.strike(task)

    def _below_root(self, task: trio.lowlevel.Task) -> bool:
        here: trio.lowlevel.Task | None = task
        while here is not None and here is not self.root:
            here = here.parent_nursery.parent_task if here.parent_nursery else None
        return here is self.root


def closing_a_nursery(task: trio.lowlevel.Task) -> bool:
    """True if the task waits for the children of a nursery that it leaves.

    No error but cancellation can come out of that wait, and Trio relies on it: throwing there would
    corrupt Trio's own books, not try ours.
    """
    coro: Any = task.coro
    while coro is not None and hasattr(coro, "cr_await"):
        if coro.cr_code.co_name == "_nested_child_finished":
            return True
        coro = coro.cr_await
    return False


def throw_into(task: trio.lowlevel.Task, error: Exception) -> None:
    """Make the step that is about to run raise `error` at the checkpoint instead of returning from it."""
    private: Any = task
    private._next_send_fn = task.coro.throw
    private._next_send = error


def seed_schedule(seed: int) -> None:
    """Fix the coin that Trio throws when it orders runnable tasks, so that a run can be repeated."""
    _run._r.seed(seed)
