"""Children that come and go: start_child and stop_child, also at the worst moments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.runtime import (
    ActorGone,
    AutoShutdown,
    ChildSpec,
    Context,
    Exit,
    Intensity,
    NameTaken,
    Outcome,
    Restart,
    Strategy,
    Supervisor,
    open_system,
)

MakeActor = Callable[..., ChildSpec[Any]]


async def test_a_new_child_comes_last_and_goes_first(
    actor: MakeActor, log: list[str], autojump_clock: MockClock
) -> None:
    supervisor = Supervisor([actor("a")])
    async with open_system() as system:
        await system.start(supervisor.spec("s", restart=Restart.TEMPORARY))
        b = await supervisor.start_child(actor("b", ready_s=1.0))
        assert trio.current_time() == 1.0
        assert system.registry["node/s/b"] is b
        await supervisor.start_child(actor("c"))
    assert log == ["+a", "=a", "+b", "=b", "+c", "=c", "-c", "-b", "-a"]


async def test_a_new_child_waits_for_those_before_it(
    actor: MakeActor, log: list[str], autojump_clock: MockClock
) -> None:
    supervisor = Supervisor([actor("a", ready_s=2.0)])
    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(system.start, supervisor.spec("s", restart=Restart.TEMPORARY))
        await wait_all_tasks_blocked()
        await supervisor.start_child(actor("b"))
        assert trio.current_time() == 2.0
        assert log == ["+a", "=a", "+b", "=b"]


async def test_start_child_returns_a_child_that_ended_before_it_was_ready(autojump_clock: MockClock) -> None:
    async def stillborn(ctx: Context[Any]) -> None:
        raise ValueError("no port")

    async with open_system() as system:
        ref = await system.start(ChildSpec("a", stillborn, Restart.TEMPORARY))
        exit_ = await ref.down()
        assert exit_.outcome is Outcome.CRASHED


async def test_names_are_taken_while_their_bearers_live(actor: MakeActor, autojump_clock: MockClock) -> None:
    async with open_system() as system:
        ref = await system.start(actor("a", restart=Restart.TEMPORARY))
        with pytest.raises(NameTaken, match="node/a"):
            await system.start(actor("a"))
        ref.try_tell(None)
        await ref.down()
        assert await system.start(actor("a")) is not ref


async def test_a_caller_who_is_cancelled_leaves_the_child_behind(
    actor: MakeActor, log: list[str], autojump_clock: MockClock
) -> None:
    async with open_system() as system:
        with trio.move_on_after(1.0) as scope:
            await system.start(actor("a", ready_s=2.0))
        assert scope.cancelled_caught
        await trio.sleep(2.0)
        assert "node/a" in system.registry
    assert log == ["+a", "=a", "-a"]


async def test_start_child_while_the_supervisor_stops(actor: MakeActor, autojump_clock: MockClock) -> None:
    supervisor = Supervisor([actor("a", dying_s=2.0)])
    async with open_system() as system, trio.open_nursery() as nursery:
        await system.start(supervisor.spec("s", restart=Restart.TEMPORARY))

        async def too_late() -> None:
            with pytest.raises(ActorGone, match="stopping"):
                await supervisor.start_child(actor("b", ready_s=4.0))

        nursery.start_soon(too_late)  # is starting when the stop comes
        await trio.sleep(1.0)
        nursery.start_soon(system.stop, "s", "enough")
        await trio.sleep(1.0)
        nursery.start_soon(too_late)  # comes after the stop
        await trio.sleep(4.0)
        with pytest.raises(ActorGone, match="not running"):
            await supervisor.start_child(actor("b"))
        assert await supervisor.stop_child("a", "enough") is None


async def test_stop_child_stops_and_forgets_it(
    actor: MakeActor, log: list[str], autojump_clock: MockClock
) -> None:
    supervisor = Supervisor(
        [actor("a"), actor("b", significant=True), actor("c")],
        Strategy.ONE_FOR_ALL,
        auto_shutdown=AutoShutdown.ANY_SIGNIFICANT,
    )
    async with open_system() as system:
        s = await system.start(supervisor.spec("s", restart=Restart.TEMPORARY))
        b = system.registry["node/s/b"]
        exit_ = await supervisor.stop_child("b", "enough")
        assert exit_ == Exit("node/s/b", 0, Outcome.STOPPED, "enough")
        assert log[6:] == ["-b"]
        assert not b.alive
        assert s.alive
        assert await supervisor.stop_child("b", "again") is None


async def test_a_caller_who_is_cancelled_does_not_stop_the_stop(
    actor: MakeActor, log: list[str], autojump_clock: MockClock
) -> None:
    async with open_system() as system:
        ref = await system.start(actor("a", dying_s=2.0))
        with trio.move_on_after(1.0) as scope:
            await system.stop("a", "first")
        assert scope.cancelled_caught
        assert await system.stop("a", "second") == Exit("node/a", 0, Outcome.STOPPED, "first")
        assert trio.current_time() == 2.0
        assert not ref.alive


async def test_stop_child_of_one_that_has_just_crashed(
    actor: MakeActor, log: list[str], autojump_clock: MockClock
) -> None:
    """Its crash is still unread when the request comes: no restart, no confusion."""
    error = ValueError("just now")
    supervisor = Supervisor([actor("a"), actor("b", dying_s=2.0)], Strategy.REST_FOR_ONE, Intensity(2, 5.0))
    async with open_system() as system, trio.open_nursery() as nursery:
        s = await system.start(supervisor.spec("s", restart=Restart.TEMPORARY))
        a = system.registry["node/s/a"]
        nursery.start_soon(supervisor.stop_child, "b", "enough")
        await trio.sleep(1.0)  # the supervisor is busy with b
        a.try_tell(error)
        await wait_all_tasks_blocked()
        assert await supervisor.stop_child("a", "enough") == Exit("node/s/a", 0, Outcome.CRASHED, None, error)
        assert log.count("+a") == 1
        assert s.alive


async def test_stop_child_of_one_that_is_being_restarted(
    actor: MakeActor, log: list[str], autojump_clock: MockClock
) -> None:
    supervisor = Supervisor([actor("a"), actor("b"), actor("c", dying_s=2.0)], Strategy.REST_FOR_ONE)
    async with open_system() as system:
        await system.start(supervisor.spec("s", restart=Restart.TEMPORARY))
        b, c = system.registry["node/s/b"], system.registry["node/s/c"]
        system.registry["node/s/a"].try_tell(ValueError())
        await trio.sleep(1.0)  # c is going down, b is next
        async with trio.open_nursery() as nursery:
            nursery.start_soon(supervisor.stop_child, "b", "enough")
            nursery.start_soon(supervisor.stop_child, "c", "enough")
        assert not b.alive
        assert not c.alive
        await wait_all_tasks_blocked()
        assert log[6:] == ["-a", "-c", "-b", "+a", "=a"]
        with pytest.raises(ActorGone):
            b.try_tell(None)


async def test_stop_child_of_one_that_never_started(
    actor: MakeActor, log: list[str], autojump_clock: MockClock
) -> None:
    supervisor = Supervisor([actor("a", ready_s=2.0), actor("b")])
    async with open_system() as system, trio.open_nursery() as nursery:
        nursery.start_soon(system.start, supervisor.spec("s", restart=Restart.TEMPORARY))
        await wait_all_tasks_blocked()
        exit_ = await supervisor.stop_child("b", "enough")
        assert exit_ == Exit("node/s/b", 0, Outcome.STOPPED, "never started")
    assert log == ["+a", "=a", "-a"]


async def test_an_actor_may_stop_itself_and_its_own_supervisor(
    log: list[str], autojump_clock: MockClock
) -> None:
    """No deadlock: the request is the supervisor's to carry out, and its sender is cancelled in turn."""

    async def run(ctx: Context[Any]) -> None:
        ctx.started()
        try:
            await ctx.system.stop(await ctx.mailbox.receive(), "had enough")
        finally:
            log.append(f"{ctx.name}: {ctx.reason}")

    async with open_system() as system:
        a = await system.start(ChildSpec("a", run))
        a.try_tell("a")
        await a.down()
        s = await system.start(Supervisor([ChildSpec("b", run)]).spec("s"))
        system.registry["node/s/b"].try_tell("s")
        await s.down()
    assert log == ["a: had enough", "b: had enough"]
