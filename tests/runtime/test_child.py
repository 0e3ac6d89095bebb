"""One child: its ladder to the last virtual second, its outcomes, and what happens in the step it ends."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.runtime import (
    ChildSpec,
    Context,
    Exit,
    Exited,
    Outcome,
    Pool,
    Restart,
    Started,
    Stuck,
    last_words,
    open_system,
)

MakeActor = Callable[..., ChildSpec[Any]]


def sweeper(sweep_s: float, dying_s: float, **spec: Any) -> ChildSpec[Any]:
    """An actor that returns `sweep_s` after it was asked, or else `dying_s` after it was cancelled."""

    async def run(ctx: Context[Any]) -> None:
        ctx.started()
        try:
            await ctx.stopping.wait()
            await trio.sleep(sweep_s)
        except trio.Cancelled:
            with last_words(math.inf):
                await trio.sleep(dying_s)
            raise

    return ChildSpec("a", run, **spec)


@pytest.mark.parametrize(
    ("grace_s", "cleanup_s", "sweep_s", "dying_s", "took_s", "stuck_at_s"),
    [
        pytest.param(1.0, 1.0, 0.0, 0.0, 0.0, None, id="goes when asked"),
        pytest.param(1.0, 1.0, 0.5, 0.0, 0.5, None, id="sweeps within grace"),
        pytest.param(1.0, 1.0, 2.0, 0.0, 1.0, None, id="cancelled after grace"),
        pytest.param(0.0, 1.0, 0.5, 0.0, 0.0, None, id="no grace: cancelled at once"),
        pytest.param(0.0, 1.0, 0.5, 0.25, 0.25, None, id="cleans up within cleanup"),
        pytest.param(1.0, 0.5, 2.0, 0.25, 1.25, None, id="both rungs"),
        pytest.param(1.0, 0.5, 2.0, 8.0, 9.0, 1.5, id="stuck, and waited for"),
        pytest.param(0.0, 0.0, 2.0, 8.0, 8.0, 0.0, id="no time at all"),
        pytest.param(math.inf, 0.5, 1000.0, 8.0, 1000.0, None, id="endless grace"),
        pytest.param(0.0, math.inf, 2.0, 1000.0, 1000.0, None, id="endless cleanup"),
    ],
)
async def test_ladder(
    grace_s: float,
    cleanup_s: float,
    sweep_s: float,
    dying_s: float,
    took_s: float,
    stuck_at_s: float | None,
    autojump_clock: MockClock,
) -> None:
    stuck: list[tuple[float, object]] = []

    def observer(event: object) -> None:
        if isinstance(event, Stuck):
            stuck.append((trio.current_time() - asked, event))

    async with open_system() as system:
        system.observe.subscribe(observer)
        await system.start(sweeper(sweep_s, dying_s, grace_s=grace_s, cleanup_s=cleanup_s))
        asked = trio.current_time()
        exit_ = await system.stop("a", "enough")
        assert trio.current_time() - asked == took_s
        assert exit_ == Exit("node/a", 0, Outcome.STOPPED, "enough")
    assert stuck == ([] if stuck_at_s is None else [(stuck_at_s, Stuck("node/a", grace_s + cleanup_s))])


async def test_the_actor_is_told_why(autojump_clock: MockClock) -> None:
    told: list[object] = []

    async def run(ctx: Context[Any]) -> None:
        ctx.started()
        told.append(ctx.reason)
        await ctx.stopping.wait()
        told.append(ctx.reason)
        try:
            await trio.sleep_forever()
        except trio.Cancelled as cancelled:
            told.append(cancelled.reason)
            raise

    async with open_system() as system:
        await system.start(ChildSpec("a", run, grace_s=1.0))
        await system.stop("a", "enough")
    assert told == [None, "enough", "enough"]


async def test_an_actor_stopped_before_its_first_step_still_runs_to_its_first_checkpoint(
    actor: MakeActor, log: list[str], autojump_clock: MockClock
) -> None:
    async with open_system() as system:
        pool = Pool()
        await system.start(ChildSpec("pool", pool.run, cleanup_s=math.inf))
        pool.start(actor("a", restart=Restart.TEMPORARY))
        exit_ = await pool.stop("a", "never mind")
        assert exit_ == Exit("node/pool/a", 0, Outcome.STOPPED, "never mind")
        assert log == ["+a", "-a"]
        assert pool.names() == []


async def test_two_who_stop_the_same_actor_share_one_ladder(
    actor: MakeActor, autojump_clock: MockClock
) -> None:
    exits: list[Exit | None] = []
    stuck: list[object] = []
    async with open_system() as system, trio.open_nursery() as nursery:
        system.observe.subscribe(lambda event: stuck.append(event) if isinstance(event, Stuck) else None)
        pool = Pool()
        await system.start(ChildSpec("pool", pool.run, cleanup_s=math.inf))
        pool.start(actor("a", restart=Restart.TEMPORARY, dying_s=4.0, grace_s=1.0, cleanup_s=1.0))
        await wait_all_tasks_blocked()

        async def stop(reason: str) -> None:
            exits.append(await pool.stop("a", reason))
            assert trio.current_time() == 5.0

        nursery.start_soon(stop, "first")
        await wait_all_tasks_blocked()
        nursery.start_soon(stop, "second")
    assert exits == [Exit("node/pool/a", 0, Outcome.STOPPED, "first")] * 2
    assert stuck == [Stuck("node/pool/a", 2.0)]


async def test_an_actor_that_raises_while_it_is_stopped_has_crashed(
    actor: MakeActor, autojump_clock: MockClock
) -> None:
    error = OSError("disk full")
    async with open_system() as system:
        await system.start(actor("a", last_error=error))
        exit_ = await system.stop("a", "enough")
        assert exit_ == Exit("node/a", 0, Outcome.CRASHED, "enough", error)


async def test_registry_and_observers_change_in_one_step(actor: MakeActor, autojump_clock: MockClock) -> None:
    seen: list[tuple[str, bool, bool]] = []
    async with open_system() as system:

        def observer(event: object) -> None:
            if isinstance(event, Started):
                seen.append(("started", event.path in system.registry, True))
            if isinstance(event, Exited):
                seen.append(("exited", event.exit.path in system.registry, a.alive))

        system.observe.subscribe(observer)
        a = await system.start(actor("a"))
        assert system.registry["node/a"] is a
        a.try_tell(ValueError())
        await wait_all_tasks_blocked()
        assert seen == [("started", True, True), ("exited", False, True), ("started", True, True)]
    assert not system.registry


async def test_started_is_idempotent_and_deaf_to_the_dead(autojump_clock: MockClock) -> None:
    contexts: list[Context[Any]] = []
    seen: list[object] = []

    async def run(ctx: Context[Any]) -> None:
        contexts.append(ctx)
        if ctx.ref.generation == 0:
            raise ValueError("never ready")
        ctx.started()
        ctx.started()
        await trio.sleep_forever()

    async with open_system() as system:
        system.observe.subscribe(lambda event: seen.append(event) if isinstance(event, Started) else None)
        await system.start(ChildSpec("a", run))
        await wait_all_tasks_blocked()
        await system.stop("a", "enough")
        for ctx in contexts:
            ctx.started()
        assert "node/a" not in system.registry
    assert seen == [Started("node/a", 1)]


async def test_the_dead_do_not_speak_for_the_living(autojump_clock: MockClock) -> None:
    contexts: list[Context[Any]] = []

    async def run(ctx: Context[Any]) -> None:
        contexts.append(ctx)
        if ctx.ref.generation == 0:
            raise ValueError("never ready")
        await trio.sleep_forever()

    async with open_system() as system:
        await system.start(ChildSpec("a", run))
        await wait_all_tasks_blocked()
        contexts[0].started()
        assert "node/a" not in system.registry


@pytest.mark.parametrize("name", ["", "a/b", "/"])
def test_a_name_is_one_path_segment(name: str, actor: MakeActor) -> None:
    with pytest.raises(ValueError, match="one non-empty path segment"):
        actor(name)


async def test_inlets_close_in_the_step_in_which_a_stop_begins(autojump_clock: MockClock) -> None:
    log: list[str] = []

    async def run(ctx: Context[Any]) -> None:
        ctx.when_stopping(lambda: log.append(f"closed, {ctx.stopping.is_set()}"))
        ctx.started()
        await ctx.stopping.wait()
        ctx.when_stopping(lambda: log.append("too late for a list"))
        log.append("returns")

    async with open_system() as system:
        await system.start(ChildSpec("a", run, grace_s=1.0))
        assert log == []
    assert log == ["closed, True", "too late for a list", "returns"]
