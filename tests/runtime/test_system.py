"""Open systems: guests in somebody's Trio program, and gone when the block is left, whatever way."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.runtime import (
    ActorGone,
    ChildSpec,
    Restart,
    RestartLimitExceeded,
    Started,
    Supervisor,
    System,
    open_system,
)

MakeActor = Callable[..., ChildSpec[Any]]


async def test_top_level_actors_are_stopped_in_reverse_order(
    actor: MakeActor, log: list[str], autojump_clock: MockClock
) -> None:
    for _ in range(50):
        log.clear()
        async with open_system() as system:
            for name in "abc":
                await system.start(actor(name, dying_s=1.0))
        assert log[6:] == ["-c", "-b", "-a"]
        assert not system.registry
    assert trio.current_time() == 150.0


async def test_an_empty_system(autojump_clock: MockClock) -> None:
    async with open_system("shard") as system:
        assert list(system.registry) == ["shard"]
        assert await system.stop("nobody", "enough") is None
        root = system.registry["shard"]
    assert not system.registry
    assert (await root.down()).reason == "system closed"


async def test_the_registry_is_read_only(autojump_clock: MockClock) -> None:
    async with open_system() as system:
        with pytest.raises(TypeError):
            system.registry["node"] = None  # type: ignore[index]


async def test_the_block_raises(actor: MakeActor, log: list[str], autojump_clock: MockClock) -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(ValueError, match="body")):
        async with open_system() as system:
            await system.start(actor("a"))
            await system.start(actor("b"))
            raise ValueError("body")
    assert log[4:] == ["-b", "-a"]


async def test_the_block_and_an_actor_raise(actor: MakeActor, autojump_clock: MockClock) -> None:
    with pytest.RaisesGroup(
        ValueError, pytest.RaisesGroup(OSError, match="^node teardown"), match="Trio nursery"
    ):
        async with open_system() as system:
            await system.start(actor("a", last_error=OSError()))
            raise ValueError


async def test_the_block_is_cancelled(actor: MakeActor, log: list[str], autojump_clock: MockClock) -> None:
    with trio.move_on_after(1.0) as scope:
        async with open_system() as system:
            await system.start(actor("a", dying_s=1.0))
            await system.start(actor("b", dying_s=1.0))
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert trio.current_time() == 3.0
    assert log[4:] == ["-b", "-a"]


async def test_cancelled_while_it_opens(autojump_clock: MockClock) -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        async with open_system():
            pytest.fail("not reached")
    assert scope.cancelled_caught


async def test_an_actor_out_of_restarts_cancels_the_block(
    actor: MakeActor, log: list[str], autojump_clock: MockClock
) -> None:
    cleaned_up = False
    with pytest.RaisesGroup(RestartLimitExceeded):
        async with open_system() as system:
            await system.start(actor("a"))
            b = await system.start(actor("b"))
            try:
                for _ in range(4):  # the root allows 3 restarts in 10 s
                    b.try_tell(ValueError())
                    await wait_all_tasks_blocked()
                pytest.fail("not reached")
            finally:
                cleaned_up = True
                with pytest.raises(ActorGone):
                    await system.start(actor("c"))
    assert cleaned_up
    assert log[-2:] == ["-b", "-a"]


async def test_two_systems_side_by_side(actor: MakeActor, log: list[str], autojump_clock: MockClock) -> None:
    seen: list[object] = []
    async with open_system() as one, open_system() as two:
        one.observe.subscribe(seen.append)
        await two.start(actor("a"))
        assert not seen
        await one.start(actor("a"))
        assert seen == [Started("node/a", 0)]
        assert one.registry["node/a"] is not two.registry["node/a"]
        await one.stop("a", "enough")
        assert "node/a" in two.registry


async def test_one_system_fails_beside_another(actor: MakeActor, autojump_clock: MockClock) -> None:
    async def doomed() -> None:
        with pytest.RaisesGroup(ValueError):
            async with open_system() as system:
                await system.start(actor("a"))
                raise ValueError

    async with open_system() as healthy:
        a = await healthy.start(actor("a"))
        await doomed()
        assert a.alive


async def test_started_and_stopped_by_different_tasks(
    actor: MakeActor, log: list[str], autojump_clock: MockClock
) -> None:
    async def phone(system: System, name: str) -> None:
        await system.start(Supervisor([actor(name)]).spec(name, restart=Restart.TEMPORARY))
        await trio.sleep(1.0)
        await system.stop(name, "done")

    async with open_system() as system:
        async with trio.open_nursery() as nursery:
            for name in "abc":
                nursery.start_soon(phone, system, name)
        assert list(system.registry) == ["node"]
    assert sorted(log) == ["+a", "+b", "+c", "-a", "-b", "-c", "=a", "=b", "=c"]


async def test_a_system_is_a_quiet_guest(actor: MakeActor, autojump_clock: MockClock) -> None:
    """No signal handler, no logging, no task outside its nursery."""

    def world() -> tuple[object, ...]:
        handlers = [signal.getsignal(number) for number in signal.valid_signals()]
        return handlers, list(logging.root.handlers), set(logging.root.manager.loggerDict)

    before = world()
    tasks = trio.lowlevel.current_statistics().tasks_living
    async with open_system() as system:
        await system.start(actor("a"))
        assert world() == before
    assert world() == before
    assert trio.lowlevel.current_statistics().tasks_living == tasks
