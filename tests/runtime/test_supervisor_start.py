"""Starting: list order, the ready barrier, and deaths while others are still starting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.runtime import (
    AutoShutdown,
    ChildSpec,
    Context,
    Intensity,
    NameTaken,
    Restart,
    RestartLimitExceeded,
    Strategy,
    Supervisor,
    open_system,
)

MakeActor = Callable[..., ChildSpec[Any]]


async def test_each_starts_when_the_one_before_is_ready(
    actor: MakeActor, log: list[str], autojump_clock: MockClock
) -> None:
    supervisor = Supervisor([actor(name, ready_s=1.0) for name in "abc"])
    async with open_system() as system:
        await system.start(supervisor.spec("s", restart=Restart.TEMPORARY))
        assert log == ["+a", "=a", "+b", "=b", "+c", "=c"]
        assert trio.current_time() == 3.0


@pytest.mark.parametrize("strategy", Strategy)
async def test_an_actor_that_returns_before_it_is_ready_is_over(
    strategy: Strategy, actor: MakeActor, log: list[str], autojump_clock: MockClock
) -> None:
    async def shy(ctx: Context[Any]) -> None:
        log.append("shy")

    specs = [actor("a"), ChildSpec("shy", shy, Restart.TRANSIENT), actor("b")]
    async with open_system() as system:
        await system.start(Supervisor(specs, strategy).spec("s"))
        assert log == ["+a", "=a", "shy", "+b", "=b"]
        assert "node/s/shy" not in system.registry


async def test_a_crash_before_ready_is_a_crash(log: list[str], autojump_clock: MockClock) -> None:
    async def stillborn(ctx: Context[Any]) -> None:
        log.append("stillborn")
        raise ValueError("no port")

    supervisor = Supervisor([ChildSpec("a", stillborn)], intensity=Intensity(2, 5.0))
    async with open_system() as system:
        ref = await system.start(supervisor.spec("s", restart=Restart.TEMPORARY))
        exit_ = await ref.down()
        assert isinstance(exit_.error, RestartLimitExceeded)
        assert isinstance(exit_.error.__cause__, ValueError)
        assert log == ["stillborn"] * 3
        assert not [path for path in system.registry if path.startswith("node/s")]


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        # `b` is left to go on starting; `c` waits until both are ready.
        (Strategy.ONE_FOR_ONE, ["+a", "=a", "+b", "-a", "+a", "=a", "=b", "+c", "=c"]),
        (Strategy.ONE_FOR_ALL, ["+a", "=a", "+b", "-a", "-b", "+a", "=a", "+b", "=b", "+c", "=c"]),
        (Strategy.REST_FOR_ONE, ["+a", "=a", "+b", "-a", "-b", "+a", "=a", "+b", "=b", "+c", "=c"]),
    ],
)
async def test_a_death_before_a_starting_sibling_is_handled_at_once(
    strategy: Strategy, expected: list[str], actor: MakeActor, log: list[str], autojump_clock: MockClock
) -> None:
    supervisor = Supervisor([actor("a"), actor("b", ready_s=8.0), actor("c")], strategy)
    async with open_system() as system:

        async def crash_a() -> None:
            await trio.sleep(2.0)
            system.registry["node/s/a"].try_tell(ValueError())
            await wait_all_tasks_blocked()
            assert trio.current_time() == 2.0
            assert log.count("=a") == 2  # it is up again, while b is starting

        async with trio.open_nursery() as nursery:
            nursery.start_soon(crash_a)
            await system.start(supervisor.spec("s", restart=Restart.TEMPORARY))
        assert log == expected
        assert trio.current_time() == (8.0 if strategy is Strategy.ONE_FOR_ONE else 10.0)


async def test_a_significant_end_while_starting_ends_the_supervisor(
    actor: MakeActor, log: list[str], autojump_clock: MockClock
) -> None:
    supervisor = Supervisor(
        [actor("a", significant=True, restart=Restart.TEMPORARY), actor("b", ready_s=8.0), actor("c")],
        auto_shutdown=AutoShutdown.ANY_SIGNIFICANT,
    )
    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(system.start, supervisor.spec("s", restart=Restart.TEMPORARY))
        await trio.sleep(2.0)
        system.registry["node/s/a"].try_tell(None)
    assert log == ["+a", "=a", "+b", "-a", "-b"]


async def test_stopped_while_starting(actor: MakeActor, log: list[str], autojump_clock: MockClock) -> None:
    supervisor = Supervisor([actor("a"), actor("b", ready_s=8.0), actor("c")])
    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(system.start, supervisor.spec("s", restart=Restart.TEMPORARY))
        await trio.sleep(2.0)
        await system.stop("s", "changed our minds")
        assert trio.current_time() == 2.0
    assert log == ["+a", "=a", "+b", "-b", "-a"]


async def test_two_children_of_one_name(actor: MakeActor, autojump_clock: MockClock) -> None:
    supervisor = Supervisor([actor("a"), actor("a")])
    async with open_system() as system:
        ref = await system.start(supervisor.spec("s", restart=Restart.TEMPORARY))
        assert isinstance((await ref.down()).error, NameTaken)
