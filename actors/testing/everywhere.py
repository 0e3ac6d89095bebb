"""Stories, and the trial of a story at every checkpoint.

A story drives calls from start to end on a virtual clock. `run_story` plays it once; `cancel_everywhere`
plays it again and again, cancelling it at its first checkpoint, then at its second, and so on, and checks
each time that nothing is left.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import attrs
import trio
import trio.testing

from actors.call import CALL_BUDGET_S, Call, Calls, CallSpec
from actors.runtime import (
    ActorError,
    ChildSpec,
    RestartLimitExceeded,
    System,
    open_lossy_channels,
    open_system,
)
from actors.testing._steps import StepCounter, closing_a_nursery, seed_schedule, throw_into
from actors.testing.fakes import FakeAgent, FakeError, FakeLeg, FakeMedia, FakeSink, FakeStream, fake_agent
from actors.testing.ledger import Ledger
from actors.testing.trace import Trace, leaves

Mode = Literal["cancel", "raise"]

PATIENCE_S = 60.0
"""Virtual seconds after which a story counts as hung."""


class InjectedError(Exception):
    """Raised by `cancel_everywhere` in the mode ``raise``."""


@attrs.define(eq=False)
class Stage:
    """What a story plays on: a system with media and calls, and the books that are checked afterwards."""

    system: System
    ledger: Ledger
    media: FakeMedia
    calls: Calls
    trace: Trace

    def call(
        self,
        sid: str = "s1",
        *,
        leg: dict[str, Any] | None = None,
        stream: dict[str, Any] | None = None,
        agents: tuple[FakeAgent, ...] = (),
        sink: dict[str, Any] | None = None,
        **spec: Any,
    ) -> tuple[Call, FakeLeg, FakeStream]:
        """Start a call over fakes. The keywords script the fakes; the rest are fields of `CallSpec`."""
        fake_leg = FakeLeg(self.ledger, sid, **(leg or {}))
        fake_stream = self.media.open(sid, **(stream or {}))
        call = self.calls.start(
            CallSpec(
                sid,
                fake_leg,
                fake_stream,
                agent=fake_agent(*(agents or (FakeAgent(),))),
                sink=lambda: FakeSink(self.ledger, sid, **(sink or {})),
                **spec,
            )
        )
        return call, fake_leg, fake_stream


@attrs.frozen
class Story:
    """One lifecycle: how it is played, and what an undisturbed trace must show."""

    name: str
    play: Callable[[Stage], Awaitable[None]]
    check: Callable[[Trace], None] = lambda _trace: None


@attrs.frozen
class Report:
    """What `cancel_everywhere` found."""

    story: str
    mode: Mode
    checkpoints: int
    """How many checkpoints were tried as the place of the blow."""
    leftovers: tuple[str, ...]
    """What was wrong, each with the checkpoint and the seed that show it again."""

    def __str__(self) -> str:
        head = f"{self.story}: {self.mode} at each of {self.checkpoints} checkpoints"
        return "\n  ".join((head, *(self.leftovers or ("nothing left",))))


@attrs.define
class _Run:
    trace: Trace | None = None
    steps: int = 0
    struck: bool = False
    problems: list[str] = attrs.field(factory=list)


def run_story(story: Story, *, seed: int | None = None) -> Trace:
    """Play a story once on a virtual clock, check its trace and that nothing is left.

    `seed` fixes Trio's scheduling order; None takes it as it comes. Raises AssertionError.
    """
    run = _play(story, None, "cancel", seed)
    assert run.trace is not None
    assert not run.problems, f"{story.name}: {run.problems}\n" + "\n".join(run.trace.lines)
    story.check(run.trace)
    return run.trace


def cancel_everywhere(story: Story, mode: Mode = "cancel", *, limit: int = 5000) -> Report:
    """Play a story once for every checkpoint, striking there; see the module's page for what is checked.

    Mode ``cancel`` cancels the whole system at that moment; ``raise`` makes the checkpoint itself raise
    `InjectedError`, in whichever task runs into it. Each run has its own scheduling seed. Stops with the
    first run that ends before its checkpoint comes. Raises AssertionError if that takes over `limit` runs.
    """
    leftovers: list[str] = []
    for k in range(1, limit + 1):
        seed = random.randrange(2**32)
        run = _play(story, k, mode, seed)
        if not run.struck:
            return Report(story.name, mode, k - 1, tuple(leftovers))
        leftovers += [f"checkpoint {k}, seed {seed}: {problem}" for problem in run.problems]
    raise AssertionError(f"{story.name} still had checkpoints after {limit} runs")


def _play(story: Story, strike_at: int | None, mode: Mode, seed: int | None) -> _Run:
    run = _Run()
    if seed is not None:
        seed_schedule(seed)
    clock = trio.testing.MockClock(autojump_threshold=0)
    try:
        trio.run(_on_stage, story, strike_at, mode, run, clock=clock)
    except Exception as error:
        # A story that was struck by an error may find its own expectations broken, or its system gone.
        broken = (AssertionError, ActorError) if run.struck and mode == "raise" else ()
        run.problems += _strangers(leaves(error), broken)
    if run.trace is not None:
        run.problems += _strangers(run.trace.errors(), RestartLimitExceeded)
    return run


def _strangers(errors: list[Exception], known: type[Exception] | tuple[type[Exception], ...]) -> list[str]:
    """The errors that nobody injected."""
    return [
        f"raised {error!r}"
        for error in errors
        if not isinstance(error, InjectedError | FakeError) and not isinstance(error, known)
    ]


async def _on_stage(story: Story, strike_at: int | None, mode: Mode, run: _Run) -> None:
    root = trio.lowlevel.current_task()
    tasks_before = trio.lowlevel.current_statistics().tasks_living
    struck_at = trio.current_time()

    with trio.CancelScope() as scope:

        def strike(task: trio.lowlevel.Task) -> None:
            nonlocal struck_at
            struck_at = trio.current_time()
            if mode == "cancel":
                scope.cancel(reason=f"checkpoint {strike_at}")
            else:
                throw_into(task, InjectedError(f"checkpoint {strike_at}"))

        counter = StepCounter(root, strike_at, strike)
        if mode == "raise":
            counter.skip = closing_a_nursery
        trio.lowlevel.add_instrument(counter)
        ledger = Ledger()
        try:
            await _perform(story, ledger, run)
        finally:
            counter.armed = False
            run.steps, run.struck = counter.steps, counter.struck
            late = trio.current_time() - struck_at
            run.problems += [f"left over: {thing}" for thing in ledger.leftovers()]
            if open_lossy_channels():
                run.problems.append(f"{open_lossy_channels()} channels left open")
            living = trio.lowlevel.current_statistics().tasks_living
            if living != tasks_before:
                run.problems.append(f"{living - tasks_before} tasks left")
            if run.trace is not None:
                run.problems += run.trace.problems()
            if run.struck and mode == "cancel" and late > CALL_BUDGET_S:
                run.problems.append(f"took {late:.3f} s to come down")


async def _perform(story: Story, ledger: Ledger, run: _Run) -> None:
    async with open_system() as system:
        run.trace = Trace.of(system)
        media = FakeMedia(ledger)
        calls = Calls()
        await system.start(ChildSpec("media", media.run))
        await system.start(calls.spec())
        with trio.move_on_after(PATIENCE_S) as patience:
            await story.play(Stage(system, ledger, media, calls, run.trace))
        if patience.cancelled_caught:
            run.problems.append(f"the story had not ended after {PATIENCE_S} s")
