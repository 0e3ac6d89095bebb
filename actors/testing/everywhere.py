"""Stories, and the trial of a story at every checkpoint.

A story drives calls from start to end on a virtual clock. `run_story` plays it once; `cancel_everywhere`
plays it again and again, cancelling it at its first checkpoint, then at its second, and so on, and checks
each time that nothing is left.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias

import attrs
import trio
import trio.testing

from actors.call import CALL_BUDGET_S, Call, Calls, CallSpec, TapRecording
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
        agents: tuple[FakeAgent, ...] | None = (),
        sink: dict[str, Any] | None = None,
        **spec: Any,
    ) -> tuple[Call, FakeLeg, FakeStream]:
        """Start a call over fakes. The keywords script the fakes; the rest are fields of `CallSpec`.

        Without `agents` there is one that echoes, and with None there is none.
        """
        fake_leg = FakeLeg(self.ledger, sid, **(leg or {}))
        fake_stream = self.media.open(sid, **(stream or {}))
        call = self.calls.start(
            CallSpec(
                sid,
                fake_leg,
                fake_stream,
                agent=None if agents is None else fake_agent(*(agents or (FakeAgent(),))),
                recording=lambda: TapRecording(fake_stream, FakeSink(self.ledger, sid, **(sink or {}))),
                **spec,
            )
        )
        return call, fake_leg, fake_stream


@attrs.define(eq=False)
class Trial:
    """One run of a story: what is struck, and the books that are checked when it is over.

    A setting puts `target` around what is to be struck, sets `trace`, and adds to `problems` what it finds
    wrong by itself.
    """

    strike_at: int | None = None
    """The checkpoint that the blow falls on; None plays the story undisturbed."""
    mode: Mode = "cancel"
    trace: Trace | None = None
    """What the story is judged by; None until there is a system."""
    ledger: Ledger = attrs.field(factory=Ledger)
    problems: list[str] = attrs.field(factory=list)
    struck: bool = False
    """True once the blow has fallen."""
    error: Exception | None = None
    """What came out of the run, injected or not."""

    @contextmanager
    def target(self) -> Iterator[None]:
        """Inside the block, the steps of this task and of all below it count, until one of them is struck.

        Mode ``cancel`` cancels the block, which then has `CALL_BUDGET_S` to come down.
        """
        struck_at = trio.current_time()
        with trio.CancelScope() as scope:

            def strike(task: trio.lowlevel.Task) -> None:
                nonlocal struck_at
                self.struck, struck_at = True, trio.current_time()
                if self.mode == "cancel":
                    scope.cancel(reason=f"checkpoint {self.strike_at}")
                else:
                    throw_into(task, InjectedError(f"checkpoint {self.strike_at}"))

            counter = StepCounter(trio.lowlevel.current_task(), self.strike_at, strike)
            if self.mode == "raise":
                counter.skip = closing_a_nursery
            trio.lowlevel.add_instrument(counter)
            try:
                yield
            finally:
                counter.armed = False
                late = trio.current_time() - struck_at
                if self.struck and self.mode == "cancel" and late > CALL_BUDGET_S:
                    self.problems.append(f"took {late:.3f} s to come down")


Play: TypeAlias = Callable[[Any], Awaitable[None]]
"""What happens in a story, on the stage that its setting makes."""
Setting: TypeAlias = Callable[[Trial, Play], Awaitable[None]]
"""Makes a stage, has the story played on it, and takes everything down again."""


async def on_fakes(trial: Trial, play: Play) -> None:
    """The setting of a `Stage`: all of it is struck, the story as well."""
    with trial.target():
        async with open_system() as system:
            trial.trace = Trace.of(system)
            media, calls = FakeMedia(trial.ledger), Calls()
            await system.start(ChildSpec("media", media.run))
            await system.start(calls.spec())
            await play(Stage(system, trial.ledger, media, calls, trial.trace))


@attrs.frozen
class Story:
    """One lifecycle: how it is played, what an undisturbed trace must show, and where it is set."""

    name: str
    play: Play
    check: Callable[[Trace], None] = lambda _trace: None
    setting: Setting = on_fakes


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


def run_story(story: Story, *, seed: int | None = None) -> Trace:
    """Play a story once on a virtual clock, check its trace and that nothing is left.

    `seed` fixes Trio's scheduling order; None takes it as it comes. Raises AssertionError.
    """
    trial = Trial()
    _try(story, trial, seed)
    lines = trial.trace.lines if trial.trace is not None else []
    if trial.problems:
        raise AssertionError(f"{story.name}: {trial.problems}\n" + "\n".join(lines)) from trial.error
    assert trial.trace is not None, f"{story.name}: its setting has no trace"
    story.check(trial.trace)
    return trial.trace


def strike_story(story: Story, checkpoint: int, seed: int, mode: Mode = "cancel") -> Trial:
    """Play a story with one blow: a finding of `cancel_everywhere` again, by the numbers that it names."""
    trial = Trial(checkpoint, mode)
    _try(story, trial, seed)
    return trial


def cancel_everywhere(story: Story, mode: Mode = "cancel", *, limit: int = 5000) -> Report:
    """Play a story once for every checkpoint, striking there; see the module's page for what is checked.

    Mode ``cancel`` cancels the whole system at that moment; ``raise`` makes the checkpoint itself raise
    `InjectedError`, in whichever task runs into it. Each run has its own scheduling seed. Stops with the
    first run that ends before its checkpoint comes. Raises AssertionError if that takes over `limit` runs.
    """
    leftovers: list[str] = []
    for k in range(1, limit + 1):
        seed = random.randrange(2**32)
        trial = strike_story(story, k, seed, mode)
        if not trial.struck:
            return Report(story.name, mode, k - 1, tuple(leftovers))
        leftovers += [f"checkpoint {k}, seed {seed}: {problem}" for problem in trial.problems]
    raise AssertionError(f"{story.name} still had checkpoints after {limit} runs")


def _try(story: Story, trial: Trial, seed: int | None) -> None:
    """One run, on a virtual clock of its own. What goes wrong is among the trial's problems."""
    if seed is not None:
        seed_schedule(seed)
    clock = trio.testing.MockClock(autojump_threshold=0)
    try:
        trio.run(_perform, story, trial, clock=clock)
    except Exception as error:
        trial.error = error
        # A story that was struck by an error may find its own expectations broken, or its system gone.
        broken = (AssertionError, ActorError) if trial.struck and trial.mode == "raise" else ()
        trial.problems += _strangers(leaves(error), broken)
    if trial.trace is not None:
        trial.problems += _strangers(trial.trace.errors(), RestartLimitExceeded)


def _strangers(errors: list[Exception], known: type[Exception] | tuple[type[Exception], ...]) -> list[str]:
    """The errors that nobody injected."""
    return [
        f"raised {error!r}"
        for error in errors
        if not isinstance(error, InjectedError | FakeError) and not isinstance(error, known)
    ]


async def _perform(story: Story, trial: Trial) -> None:
    async def play(stage: Any) -> None:
        with trio.move_on_after(PATIENCE_S) as patience:
            await story.play(stage)
        if patience.cancelled_caught:
            trial.problems.append(f"the story had not ended after {PATIENCE_S} s")

    tasks_before = trio.lowlevel.current_statistics().tasks_living
    try:
        await story.setting(trial, play)
    finally:
        trial.problems += [f"left over: {thing}" for thing in trial.ledger.leftovers()]
        if open_lossy_channels():
            trial.problems.append(f"{open_lossy_channels()} channels left open")
        living = trio.lowlevel.current_statistics().tasks_living
        if living != tasks_before:
            trial.problems.append(f"{living - tasks_before} tasks left")
        if trial.trace is not None:
            trial.problems += trial.trace.problems()
