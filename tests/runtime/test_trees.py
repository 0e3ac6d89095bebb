"""Random trees, random crashes, a stop at a random moment: what holds for every tree, always."""

from __future__ import annotations

import math
from typing import Any, Literal

import attrs
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from actors.runtime import (
    AutoShutdown,
    ChildSpec,
    Context,
    Exit,
    Exited,
    Intensity,
    OnLimit,
    Restart,
    RestartLimitExceeded,
    Started,
    Strategy,
    Supervisor,
    last_words,
    open_system,
)


class Boom(Exception):
    """What crashing actors raise."""


@attrs.frozen
class Leaf:
    """An actor. Times are in quarters of a second, so that they meet often."""

    ready: int
    lives: tuple[tuple[int, bool], ...]
    """How long each of the first generations lives after it was ready, and whether it ends in a crash."""
    grace: int
    dying: int
    crashes_when_stopped: bool
    restart: Restart
    significant: bool
    on_limit: OnLimit

    @property
    def budget_s(self) -> float:
        """How long a stop of this actor may take."""
        return (self.grace + self.dying) / 4


@attrs.frozen
class Branch:
    """A supervisor."""

    children: tuple[Leaf | Branch, ...]
    strategy: Strategy
    restarts: int
    auto_shutdown: AutoShutdown
    restart: Restart
    significant: bool

    @property
    def budget_s(self) -> float:
        """How long a stop of this tree may take: its children, one after the other."""
        return sum(child.budget_s for child in self.children)


QUARTERS = st.integers(0, 6)
LEAVES = st.builds(
    Leaf,
    ready=QUARTERS,
    lives=st.lists(st.tuples(QUARTERS, st.booleans()), max_size=3).map(tuple),
    grace=QUARTERS,
    dying=QUARTERS,
    crashes_when_stopped=st.booleans(),
    restart=st.sampled_from(Restart),
    significant=st.booleans(),
    on_limit=st.sampled_from(OnLimit),
)


def branches(children: st.SearchStrategy[Leaf | Branch]) -> st.SearchStrategy[Leaf | Branch]:
    """Supervisors over such children."""
    return st.builds(
        Branch,
        children=st.lists(children, min_size=1, max_size=4).map(tuple),
        strategy=st.sampled_from(Strategy),
        restarts=st.integers(0, 3),
        auto_shutdown=st.sampled_from(AutoShutdown),
        restart=st.sampled_from(Restart),
        significant=st.booleans(),
    )


TREES: st.SearchStrategy[Leaf | Branch] = st.recursive(LEAVES, branches, max_leaves=8)


@attrs.frozen
class Ran:
    """A leaf began to run."""

    path: str


@attrs.define
class Witness:
    """Sees every step of a tree, and objects to what must not be."""

    running: dict[str, bool] = attrs.field(factory=dict)
    """Path of every leaf that runs, and whether it is ready."""
    events: list[Ran | Started | Exit] = attrs.field(factory=list)
    objections: list[str] = attrs.field(factory=list)

    def observe(self, event: object) -> None:
        """An observer: keeps starts and exits."""
        if isinstance(event, Started):
            self.events.append(event)
        if isinstance(event, Exited):
            self.events.append(event.exit)

    def runs(self, path: str) -> None:
        """A leaf begins: every leaf before it under the same supervisor is ready or down."""
        if path in self.running:
            self.objections.append(f"{path} runs twice")
        supervisor, _, number = path.rpartition("/")
        if not all(self.running.get(f"{supervisor}/{n}", True) for n in range(int(number))):
            self.objections.append(f"{path} runs before an earlier one is ready")
        self.running[path] = False
        self.events.append(Ran(path))

    def check(self) -> None:
        """Everything that ran has ended once, in its supervisor's life, and if it was asked, in order."""
        assert not self.running
        assert not self.objections
        up: set[tuple[str, int]] = set()
        asked: dict[str, int] = {}
        for event in self.events:
            if isinstance(event, Ran):
                asked = {path: number for path, number in asked.items() if not _within(event.path, path)}
            elif isinstance(event, Started):
                assert not any(path == event.path for path, _ in up)
                up.add((event.path, event.generation))
            else:
                up.discard((event.path, event.generation))
                assert not any(_within(path, event.path) for path, _ in up)
                supervisor, _, name = event.path.rpartition("/")
                if supervisor and event.reason is not None:
                    # Between two starts, a supervisor stops its children from the last to the first.
                    assert int(name) <= asked.get(supervisor, math.inf)
                    asked[supervisor] = int(name)
        assert not up

    def raised(self, reason: str) -> set[Exception]:
        """What leaves raised when they were stopped for that reason."""
        exits = [event for event in self.events if isinstance(event, Exit) and event.reason == reason]
        return {e.error for e in exits if isinstance(e.error, Boom)}


def _within(path: str, supervisor: str) -> bool:
    return path == supervisor or path.startswith(f"{supervisor}/")


def spec_of(node: Leaf | Branch, name: str, witness: Witness) -> ChildSpec[Any]:
    """The child spec of a tree. Children are called 0, 1, 2 …"""
    if isinstance(node, Branch):
        specs = [spec_of(child, str(number), witness) for number, child in enumerate(node.children)]
        intensity = Intensity(node.restarts, 2.0)
        supervisor = Supervisor(specs, node.strategy, intensity, node.auto_shutdown)
        return supervisor.spec(name, restart=node.restart, significant=node.significant)
    lives = list(node.lives)

    async def run(ctx: Context[Any]) -> None:
        witness.runs(ctx.path)
        try:
            await trio.sleep(node.ready / 4)
            witness.running[ctx.path] = True
            ctx.started()
            lasts, crashes = lives.pop(0) if lives else (math.inf, False)
            await trio.sleep(lasts / 4)
            if crashes:
                raise Boom
        except trio.Cancelled:
            if ctx.reason is None:
                witness.objections.append(f"{ctx.path} was cancelled, but not by its supervisor")
            with last_words(10.0):
                await trio.sleep(node.dying / 4)
            if node.crashes_when_stopped:
                raise Boom from None
            raise
        finally:
            del witness.running[ctx.path]

    return ChildSpec(
        name,
        run,
        node.restart,
        node.significant,
        grace_s=node.grace / 4,
        cleanup_s=0.5,
        on_limit=node.on_limit,
    )


@settings(derandomize=True, deadline=None, max_examples=400)
@given(tree=TREES, quarters=st.integers(0, 20), how=st.sampled_from(["stop", "cancel", "raise"]))
def test_every_tree(tree: Leaf | Branch, quarters: int, how: Literal["stop", "cancel", "raise"]) -> None:
    trio.run(_live, tree, quarters / 4, how, clock=MockClock(autojump_threshold=0))


async def _live(tree: Leaf | Branch, stop_at: float, how: Literal["stop", "cancel", "raise"]) -> None:
    """Plant a tree, end it at `stop_at` in that way, and look at what it was."""
    witness = Witness()
    tasks = trio.lowlevel.current_statistics().tasks_living
    errors: set[BaseException] = set()
    try:
        with trio.CancelScope() as outside:
            async with open_system() as system, trio.open_nursery() as nursery:
                system.observe.subscribe(witness.observe)
                spec = attrs.evolve(spec_of(tree, "0", witness), restart=Restart.TEMPORARY)
                nursery.start_soon(system.start, spec)
                await trio.sleep_until(stop_at)
                nursery.cancel_scope.cancel()
                if how == "stop":
                    with trio.CancelScope(shield=True):
                        exit_ = await system.stop("0", "system closed")
                    errors = set() if exit_ is None else _leaves(exit_.error)
                elif how == "cancel":
                    outside.cancel()
                else:
                    raise Boom
    except ExceptionGroup as group:
        errors = _leaves(group)
    assert trio.current_time() - stop_at <= tree.budget_s
    assert trio.lowlevel.current_statistics().tasks_living == tasks
    assert not system.registry
    witness.check()
    assert witness.raised("system closed") <= errors
    assert all(isinstance(error, (Boom, RestartLimitExceeded)) for error in errors)


def _leaves(error: BaseException | None) -> set[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return {leaf for child in error.exceptions for leaf in _leaves(child)}
    return set() if error is None else {error}
