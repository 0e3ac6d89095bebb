"""Pools: children of one kind that come, go and crash on their own, and are stopped all at once."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.runtime import (
    ActorGone,
    ChildSpec,
    Context,
    Exit,
    Exited,
    NameTaken,
    Outcome,
    Pool,
    PoolClosed,
    PoolFull,
    Restart,
    Stuck,
    Supervisor,
    open_system,
)

MakeActor = Callable[..., ChildSpec[Any]]


def spec_of(pool: Pool, **spec: Any) -> ChildSpec[Any]:
    """The spec of a pool called ``pool``."""
    return ChildSpec("pool", pool.run, cleanup_s=math.inf, **spec)


async def test_children_come_and_go(actor: MakeActor, autojump_clock: MockClock) -> None:
    pool = Pool()
    async with open_system() as system:
        await system.start(spec_of(pool))
        refs = [pool.start(actor(name, restart=Restart.TEMPORARY)) for name in "abc"]
        assert len(pool) == 3
        await wait_all_tasks_blocked()
        assert system.registry["node/pool/b"] is refs[1]
        refs[1].try_tell(None)
        refs[2].try_tell(ValueError("reported, not raised"))
        assert (await refs[1].down()).outcome is Outcome.NORMAL
        assert (await refs[2].down()).outcome is Outcome.CRASHED
        assert pool.names() == ["a"]
        assert "a" in pool
        assert "b" not in pool
        with pytest.raises(ActorGone):
            refs[1].try_tell(None)
        pool.start(actor("b", restart=Restart.TEMPORARY))  # the name is free in the step of the exit
        assert await pool.stop("b", "enough") == Exit("node/pool/b", 0, Outcome.STOPPED, "enough")
        assert await pool.stop("b", "enough") is None


async def test_the_limit(actor: MakeActor, autojump_clock: MockClock) -> None:
    pool = Pool(limit=2)
    async with open_system() as system:
        await system.start(spec_of(pool))
        a = pool.start(actor("a", restart=Restart.TEMPORARY))
        with pytest.raises(NameTaken, match="node/pool/a exists"):
            pool.start(actor("a", restart=Restart.TEMPORARY))
        pool.start(actor("b", restart=Restart.TEMPORARY))
        with pytest.raises(PoolFull, match="node/pool holds 2 already"):
            pool.start(actor("c", restart=Restart.TEMPORARY))
        a.try_tell(None)
        await a.down()
        pool.start(actor("c", restart=Restart.TEMPORARY))
        assert pool.names() == ["b", "c"]


@pytest.mark.parametrize("restart", [Restart.PERMANENT, Restart.TRANSIENT])
async def test_a_pool_does_not_restart(restart: Restart, actor: MakeActor, autojump_clock: MockClock) -> None:
    pool = Pool()
    async with open_system() as system:
        await system.start(spec_of(pool))
        with pytest.raises(ValueError, match="never restarts"):
            pool.start(actor("a", restart=restart))


async def test_closed_before_and_after(actor: MakeActor, autojump_clock: MockClock) -> None:
    pool = Pool()
    spec = actor("late", restart=Restart.TEMPORARY)
    with pytest.raises(PoolClosed):
        pool.start(spec)
    async with open_system() as system, trio.open_nursery() as nursery:
        await system.start(spec_of(pool))
        pool.start(actor("slow", restart=Restart.TEMPORARY, dying_s=2.0))
        await wait_all_tasks_blocked()
        nursery.start_soon(system.stop, "pool", "drain")
        await trio.sleep(1.0)
        with pytest.raises(PoolClosed):
            pool.start(spec)
    with pytest.raises(PoolClosed):
        pool.start(spec)


async def test_all_stop_at_once_each_by_its_own_ladder(actor: MakeActor, autojump_clock: MockClock) -> None:
    pool = Pool()
    ended: dict[str, float] = {}
    stuck: list[tuple[str, float]] = []

    def observer(event: object) -> None:
        if isinstance(event, Exited):
            ended[event.exit.path] = trio.current_time()
        if isinstance(event, Stuck):
            stuck.append((event.path, trio.current_time()))

    async with open_system() as system:
        system.observe.subscribe(observer)
        await system.start(spec_of(pool))
        for name, dying_s in (("a", 2.0), ("b", 1.0), ("c", 4.0), ("d", 0.0)):
            pool.start(actor(name, dying_s=dying_s, restart=Restart.TEMPORARY, cleanup_s=3.0))
        await wait_all_tasks_blocked()
        await system.stop("pool", "drain")
    assert ended == {
        "node/pool/d": 0.0,
        "node/pool/b": 1.0,
        "node/pool/a": 2.0,
        "node/pool/c": 4.0,
        "node/pool": 4.0,
        "node": 4.0,
    }
    assert stuck == [("node/pool/c", 3.0)]


async def test_a_thousand_supervised_children(autojump_clock: MockClock) -> None:
    """The shape of a node: a pool of supervisors, stopped in the time of one."""
    pool = Pool()
    ended: list[str] = []

    async def slow(ctx: Context[Any]) -> None:
        ctx.started()
        try:
            await ctx.stopping.wait()
            await trio.sleep(1.0)
        finally:
            ended.append(ctx.path)

    async with open_system() as system:
        await system.start(spec_of(pool))
        for number in range(1000):
            supervisor = Supervisor([ChildSpec("a", slow, grace_s=1.0), ChildSpec("b", slow, grace_s=1.0)])
            pool.start(supervisor.spec(str(number), restart=Restart.TEMPORARY))
        await wait_all_tasks_blocked()
        assert len(system.registry) == 3002
        await system.stop("pool", "drain")
        assert trio.current_time() == 2.0
    assert len(ended) == 2000
    assert {path[-1] for path in ended[:1000]} == {"b"}


async def test_a_strict_pool_raises_and_stops_the_rest(
    actor: MakeActor, log: list[str], autojump_clock: MockClock
) -> None:
    pool = Pool(strict=True)
    async with open_system() as system:
        ref = await system.start(spec_of(pool, restart=Restart.TEMPORARY))
        a = pool.start(actor("a", restart=Restart.TEMPORARY))
        pool.start(actor("b", restart=Restart.TEMPORARY, last_error=OSError()))
        await wait_all_tasks_blocked()
        a.try_tell(ValueError())
        exit_ = await ref.down()
        with pytest.RaisesGroup(ValueError, OSError):
            raise exit_.error or AssertionError
        assert log[-2:] == ["-a", "-b"]
        assert len(pool) == 0


async def test_a_pool_under_a_supervisor_can_be_restarted(
    actor: MakeActor, autojump_clock: MockClock
) -> None:
    pool = Pool(strict=True)
    async with open_system() as system:
        ref = await system.start(spec_of(pool))
        pool.start(actor("a", restart=Restart.TEMPORARY)).try_tell(ValueError())
        await wait_all_tasks_blocked()
        assert ref.generation == 1
        assert len(pool) == 0
        pool.start(actor("a", restart=Restart.TEMPORARY))
        await wait_all_tasks_blocked()
        assert "node/pool/a" in system.registry


async def test_what_is_not_an_exception_comes_out_of_a_pool(
    actor: MakeActor, log: list[str], autojump_clock: MockClock
) -> None:
    pool = Pool(strict=True)
    with pytest.RaisesGroup(KeyboardInterrupt, OSError, flatten_subgroups=True):
        async with open_system() as system:
            await system.start(spec_of(pool))
            a = pool.start(actor("a", restart=Restart.TEMPORARY))
            pool.start(actor("b", restart=Restart.TEMPORARY, last_error=OSError(), dying_s=1.0))
            await wait_all_tasks_blocked()
            a.try_tell(KeyboardInterrupt())
            await trio.sleep_forever()
    assert log[-2:] == ["-a", "-b"]


async def test_what_hits_a_pool_while_it_stops_its_children(
    actor: MakeActor, log: list[str], autojump_clock: MockClock
) -> None:
    """As when a Ctrl-C lands in the code of an observer."""

    def interrupted(event: object) -> None:
        if isinstance(event, Stuck):
            raise KeyboardInterrupt

    pool = Pool()
    with pytest.RaisesGroup(KeyboardInterrupt, flatten_subgroups=True):
        async with open_system() as system:
            system.observe.subscribe(interrupted)
            await system.start(spec_of(pool))
            pool.start(actor("a", restart=Restart.TEMPORARY, dying_s=2.0, cleanup_s=1.0))
            pool.start(actor("b", restart=Restart.TEMPORARY, dying_s=4.0))
            await wait_all_tasks_blocked()
    assert log[-2:] == ["-a", "-b"]
