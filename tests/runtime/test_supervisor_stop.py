"""Stopping: reverse order on every schedule, at every moment, and no error lost on the way."""

from __future__ import annotations

import math
import signal
from collections.abc import Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.runtime import (
    AutoShutdown,
    ChildSpec,
    Exited,
    Outcome,
    Pool,
    Restart,
    Restarting,
    Strategy,
    Stuck,
    Supervisor,
    last_words,
    open_system,
)

MakeActor = Callable[..., ChildSpec[Any]]


async def test_reverse_order_on_a_hundred_schedules(
    actor: MakeActor, log: list[str], autojump_clock: MockClock
) -> None:
    for _ in range(100):
        log.clear()
        async with open_system() as system:
            await system.start(Supervisor([actor(name) for name in "abcdef"]).spec("s"))
        assert log[12:] == ["-f", "-e", "-d", "-c", "-b", "-a"]


async def test_a_nested_tree_comes_down_in_one_global_order(
    actor: MakeActor, log: list[str], autojump_clock: MockClock
) -> None:
    for _ in range(50):
        log.clear()
        inner = Supervisor([actor("c"), actor("d", dying_s=1.0)])
        middle = Supervisor([actor("b"), inner.spec("inner"), actor("e", dying_s=1.0)])
        async with open_system() as system:
            await system.start(actor("a"))
            await system.start(middle.spec("middle"))
            await system.start(actor("f", dying_s=1.0))
            before = trio.current_time()
        assert log[12:] == ["-f", "-e", "-d", "-c", "-b", "-a"]
        assert trio.current_time() - before == 3.0


async def test_every_actor_learns_the_same_reason(actor: MakeActor, autojump_clock: MockClock) -> None:
    reasons: dict[str, str | None] = {}

    def observer(event: object) -> None:
        if isinstance(event, Exited):
            assert event.exit.outcome is Outcome.STOPPED
            reasons[event.exit.path] = event.exit.reason

    async with open_system() as system:
        system.observe.subscribe(observer)
        inner = Supervisor([actor("a")])
        await system.start(Supervisor([inner.spec("inner")]).spec("outer"))
        await system.stop("outer", "drain")
    assert reasons == {
        "node/outer/inner/a": "drain",
        "node/outer/inner": "drain",
        "node/outer": "drain",
        "node": "system closed",
    }


async def test_nothing_is_restarted_once_the_stop_was_asked(
    actor: MakeActor, log: list[str], autojump_clock: MockClock
) -> None:
    supervisor = Supervisor([actor("a"), actor("b", dying_s=2.0)], Strategy.REST_FOR_ONE)
    seen: list[object] = []
    async with open_system() as system:
        system.observe.subscribe(seen.append)
        await system.start(supervisor.spec("s", restart=Restart.TEMPORARY))
        system.registry["node/s/a"].try_tell(ValueError())
        await trio.sleep(1.0)  # b is going down, to be started again with a
        await system.stop("s", "enough")
        assert trio.current_time() == 2.0
    assert log[4:] == ["-a", "-b"]
    assert not [event for event in seen if isinstance(event, Restarting)]


@pytest.mark.parametrize("significant", [False, True])
async def test_a_crash_in_the_step_of_the_stop(
    significant: bool, actor: MakeActor, log: list[str], autojump_clock: MockClock
) -> None:
    """Counts as if it had come before: what would only be reported is, and what would be raised is."""
    restart = Restart.TEMPORARY if significant else Restart.PERMANENT
    for _ in range(50):
        log.clear()
        supervisor = Supervisor(
            [actor("a", restart=restart, significant=significant), actor("b")],
            auto_shutdown=AutoShutdown.ANY_SIGNIFICANT,
        )
        async with open_system() as system:
            await system.start(supervisor.spec("s", restart=Restart.TEMPORARY))
            await wait_all_tasks_blocked()
            error = ValueError("just before")
            system.registry["node/s/a"].try_tell(error)
            exit_ = await system.stop("s", "enough")
        assert log[4:] == ["-a", "-b"]
        assert exit_ is not None
        if significant:
            assert isinstance(exit_.error, ExceptionGroup)
            assert exit_.error.exceptions == (error,)
        else:
            assert exit_.outcome is Outcome.STOPPED


async def test_errors_raised_while_stopping_come_out_together(
    actor: MakeActor, log: list[str], autojump_clock: MockClock
) -> None:
    supervisor = Supervisor(
        [actor("a", last_error=OSError("a")), actor("b"), actor("c", last_error=ValueError("c"))]
    )
    async with open_system() as system:
        await system.start(supervisor.spec("s", restart=Restart.TEMPORARY))
        exit_ = await system.stop("s", "enough")
    assert log[6:] == ["-c", "-b", "-a"]
    assert exit_ is not None
    group = exit_.error
    assert isinstance(group, ExceptionGroup)
    assert group.message == "node/s teardown"
    assert [repr(error) for error in group.exceptions] == ["ValueError('c')", "OSError('a')"]


async def test_a_crash_while_later_siblings_are_stopped_is_not_lost(
    actor: MakeActor, log: list[str], autojump_clock: MockClock
) -> None:
    error = ValueError("meanwhile")
    async with open_system() as system, trio.open_nursery() as nursery:
        await system.start(Supervisor([actor("a"), actor("b", dying_s=2.0)]).spec("s"))
        a = system.registry["node/s/a"]

        async def crash_a() -> None:
            await trio.sleep(1.0)
            a.try_tell(error)

        nursery.start_soon(crash_a)
        exit_ = await system.stop("s", "enough")
    assert log[4:] == ["-a", "-b"]
    assert exit_ is not None
    with pytest.RaisesGroup(ValueError):
        raise exit_.error or AssertionError


async def test_groups_mirror_the_tree(actor: MakeActor, autojump_clock: MockClock) -> None:
    inner = Supervisor([actor("a", last_error=OSError("a"))])
    outer = Supervisor([inner.spec("inner"), actor("b", last_error=OSError("b"))])
    with pytest.RaisesGroup(  # the nursery of the block
        pytest.RaisesGroup(
            pytest.RaisesGroup(
                pytest.RaisesExc(OSError, match="b"),
                pytest.RaisesGroup(pytest.RaisesExc(OSError, match="a"), match="^node/outer/inner teardown"),
                match="^node/outer teardown",
            ),
            match="^node teardown",
        )
    ):
        async with open_system() as system:
            await system.start(outer.spec("outer"))


async def test_a_significant_crash_and_an_error_while_stopping_come_out_together(
    actor: MakeActor, log: list[str], autojump_clock: MockClock
) -> None:
    supervisor = Supervisor(
        [actor("a", significant=True, restart=Restart.TEMPORARY), actor("b", last_error=OSError("b"))],
        auto_shutdown=AutoShutdown.ANY_SIGNIFICANT,
    )
    async with open_system() as system:
        ref = await system.start(supervisor.spec("s", restart=Restart.TEMPORARY))
        system.registry["node/s/a"].try_tell(ValueError("a"))
        exit_ = await ref.down()
        assert exit_.outcome is Outcome.CRASHED
        assert exit_.reason is None
        with pytest.RaisesGroup(ValueError, OSError):
            raise exit_.error or AssertionError
    assert log[4:] == ["-a", "-b"]


@pytest.mark.parametrize("fatal", [KeyboardInterrupt, SystemExit])
async def test_what_is_not_an_exception_stops_everyone_in_order_and_comes_out(
    fatal: type[BaseException], actor: MakeActor, log: list[str], autojump_clock: MockClock
) -> None:
    exits: list[Exited] = []
    supervisor = Supervisor([actor("a"), actor("b"), actor("c", last_error=OSError("c"))])
    with pytest.RaisesGroup(
        pytest.RaisesExc(fatal), pytest.RaisesExc(OSError, match="c"), flatten_subgroups=True
    ):
        async with open_system() as system:
            system.observe.subscribe(lambda e: exits.append(e) if isinstance(e, Exited) else None)
            await system.start(actor("first"))
            await system.start(supervisor.spec("s", restart=Restart.TEMPORARY))
            system.registry["node/s/b"].try_tell(fatal())
            await trio.sleep_forever()
    assert log[8:] == ["-b", "-c", "-a", "-first"]
    assert exits[0].exit.path == "node/s/b"
    assert exits[0].exit.outcome is Outcome.CRASHED
    assert exits[0].exit.error is None


async def test_what_hits_a_supervisor_while_it_stops_its_children(
    actor: MakeActor, log: list[str], autojump_clock: MockClock
) -> None:
    """As when a Ctrl-C lands in the code of an observer."""

    def interrupted(event: object) -> None:
        if isinstance(event, Stuck):
            raise KeyboardInterrupt

    supervisor = Supervisor([actor("a"), actor("b", dying_s=2.0, cleanup_s=1.0), actor("c")])
    with pytest.RaisesGroup(KeyboardInterrupt, flatten_subgroups=True):
        async with open_system() as system:
            system.observe.subscribe(interrupted)
            await system.start(supervisor.spec("s", restart=Restart.TEMPORARY))
    assert log[6:] == ["-c", "-b", "-a"]


async def test_what_hits_an_observer_of_an_exit_leaves_nobody_waiting(
    actor: MakeActor, log: list[str], autojump_clock: MockClock
) -> None:
    def interrupted(event: object) -> None:
        if isinstance(event, Exited) and event.exit.path == "node/s/b":
            raise KeyboardInterrupt

    supervisor = Supervisor([actor("a"), actor("b"), actor("c")])
    with pytest.RaisesGroup(KeyboardInterrupt, flatten_subgroups=True):
        async with open_system() as system:
            system.observe.subscribe(interrupted)
            await system.start(supervisor.spec("s", restart=Restart.TEMPORARY))
    assert log[6:] == ["-c", "-b", "-a"]


def test_an_impatient_second_interrupt_keeps_the_order(actor: MakeActor, log: list[str]) -> None:
    @trio.lowlevel.enable_ki_protection
    async def interrupt_at(seconds: float) -> None:
        await trio.sleep_until(seconds)
        signal.raise_signal(signal.SIGINT)

    async def main() -> None:
        supervisor = Supervisor([actor("a", dying_s=2.0), actor("b", dying_s=2.0, grace_s=4.0)])
        async with trio.open_nursery() as outside:
            outside.start_soon(interrupt_at, 1.0)
            outside.start_soon(interrupt_at, 2.0)
            async with open_system() as system:
                await system.start(supervisor.spec("s", restart=Restart.TEMPORARY))
                await trio.sleep_forever()

    with pytest.RaisesGroup(KeyboardInterrupt, flatten_subgroups=True):
        trio.run(main, clock=MockClock(autojump_threshold=0))
    assert log[4:] == ["-b", "-a"]


def test_an_interrupted_stop_cuts_the_grace_and_leaves_nobody(actor: MakeActor, log: list[str]) -> None:
    @trio.lowlevel.enable_ki_protection
    async def interrupt_at(seconds: float) -> None:
        await trio.sleep_until(seconds)
        signal.raise_signal(signal.SIGINT)

    async def main() -> None:
        async with trio.open_nursery() as outside, open_system() as system:
            outside.start_soon(interrupt_at, 1.0)
            pool = Pool()
            await system.start(ChildSpec("pool", pool.run, cleanup_s=math.inf))
            pool.start(actor("a", restart=Restart.TEMPORARY, grace_s=4.0))
            await wait_all_tasks_blocked()
            try:
                await pool.stop("a", "enough")
            finally:
                with last_words(1.0):
                    await wait_all_tasks_blocked()
                assert trio.current_time() == 1.0
                assert log == ["+a", "=a", "-a"]

    with pytest.RaisesGroup(KeyboardInterrupt, flatten_subgroups=True):
        trio.run(main, clock=MockClock(autojump_threshold=0))
