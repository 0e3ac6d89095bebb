"""Restarting: which children, how often, what is left when it is not to be; all of it as tables."""

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
    Exited,
    Intensity,
    OnLimit,
    Outcome,
    Restart,
    Restarting,
    RestartLimitExceeded,
    Started,
    Strategy,
    Supervisor,
    open_system,
)

MakeActor = Callable[..., ChildSpec[Any]]

ONE, ALL, REST = Strategy.ONE_FOR_ONE, Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE
PERMANENT, TRANSIENT, TEMPORARY = Restart
NEVER, ANY, EVERY = AutoShutdown


@pytest.mark.parametrize(
    ("strategy", "crashes", "expected"),
    [
        (ONE, "a", "-a +a"),
        (ONE, "b", "-b +b"),
        (ONE, "c", "-c +c"),
        (ALL, "a", "-a -c -b +a +b +c"),
        (ALL, "b", "-b -c -a +a +b +c"),
        (ALL, "c", "-c -b -a +a +b +c"),
        (REST, "a", "-a -c -b +a +b +c"),
        (REST, "b", "-b -c +b +c"),
        (REST, "c", "-c +c"),
    ],
)
async def test_who_is_restarted(
    strategy: Strategy,
    crashes: str,
    expected: str,
    actor: MakeActor,
    log: list[str],
    autojump_clock: MockClock,
) -> None:
    supervisor = Supervisor([actor(name, dying_s=1.0) for name in "abc"], strategy)
    async with open_system() as system:
        await system.start(supervisor.spec("s", restart=TEMPORARY))
        log.clear()
        system.registry[f"node/s/{crashes}"].try_tell(ValueError())
        await trio.sleep(10.0)
        assert [line for line in log if not line.startswith("=")] == expected.split()
        assert set(system.registry) == {"node", "node/s", "node/s/a", "node/s/b", "node/s/c"}


@pytest.mark.parametrize(
    ("restart", "error", "again"),
    [
        (PERMANENT, None, True),
        (PERMANENT, ValueError(), True),
        (TRANSIENT, None, False),
        (TRANSIENT, ValueError(), True),
        (TEMPORARY, None, False),
        (TEMPORARY, ValueError(), False),
    ],
)
@pytest.mark.parametrize("strategy", Strategy)
async def test_restart_types(
    strategy: Strategy,
    restart: Restart,
    error: Exception | None,
    again: bool,
    actor: MakeActor,
    log: list[str],
    autojump_clock: MockClock,
) -> None:
    supervisor = Supervisor([actor("a", restart=restart), actor("b")], strategy)
    seen: list[object] = []
    async with open_system() as system:
        await system.start(supervisor.spec("s", restart=TEMPORARY))
        a = system.registry["node/s/a"]
        system.observe.subscribe(seen.append)
        log.clear()
        a.try_tell(error)
        await wait_all_tasks_blocked()
        assert ("+a" in log) is again
        assert ("+b" in log) is (again and strategy is not ONE)
        assert a.alive is again
        assert a.generation == int(again)
        assert (Restarting("node/s/a", 1) in seen) is again
        ended = next(event.exit for event in seen if isinstance(event, Exited))
        assert ended.outcome is (Outcome.CRASHED if error else Outcome.NORMAL)
        assert ended.error is error


@pytest.mark.parametrize(
    ("auto_shutdown", "restart", "ends", "over"),
    [
        (NEVER, TEMPORARY, "a b c", False),
        (ANY, TEMPORARY, "c", False),
        (ANY, TEMPORARY, "a", True),
        (ANY, TEMPORARY, "b", True),
        (ANY, TRANSIENT, "b", True),
        (ANY, PERMANENT, "a", False),
        (EVERY, TEMPORARY, "a", False),
        (EVERY, TEMPORARY, "c a", False),
        (EVERY, TEMPORARY, "a b", True),
        (EVERY, TRANSIENT, "b a", True),
        (EVERY, PERMANENT, "a b", False),
    ],
)
@pytest.mark.parametrize("strategy", Strategy)
async def test_significant_children(
    strategy: Strategy,
    auto_shutdown: AutoShutdown,
    restart: Restart,
    ends: str,
    over: bool,
    actor: MakeActor,
    log: list[str],
    autojump_clock: MockClock,
) -> None:
    """Of a, b and c, the first two are significant; each of `ends` returns, one after the other."""
    supervisor = Supervisor(
        [
            actor("a", significant=True, restart=restart),
            actor("b", significant=True, restart=restart),
            actor("c", restart=restart),
        ],
        strategy,
        Intensity(2, 5.0),
        auto_shutdown,
    )
    async with open_system() as system:
        ref = await system.start(supervisor.spec("s", restart=TEMPORARY))
        for name in ends.split():
            assert ref.alive
            system.registry[f"node/s/{name}"].try_tell(None)
            await wait_all_tasks_blocked()
        assert ref.alive is not over
        if over:
            assert (await ref.down()).outcome is Outcome.NORMAL
            assert log.count("+a") == log.count("-a") == 1


async def test_a_crash_of_the_last_significant_child_is_the_supervisors(
    actor: MakeActor, autojump_clock: MockClock
) -> None:
    error = ValueError("gone for good")
    supervisor = Supervisor(
        [actor("a", significant=True, restart=TEMPORARY)], auto_shutdown=AutoShutdown.ANY_SIGNIFICANT
    )
    async with open_system() as system:
        ref = await system.start(supervisor.spec("s", restart=TEMPORARY))
        system.registry["node/s/a"].try_tell(error)
        group = (await ref.down()).error
        assert isinstance(group, ExceptionGroup)
        assert group.exceptions == (error,)


async def test_a_significant_child_stopped_by_its_supervisor_does_not_end_it(
    actor: MakeActor, autojump_clock: MockClock
) -> None:
    supervisor = Supervisor(
        [actor("a"), actor("b", significant=True, restart=TEMPORARY)], REST, auto_shutdown=ANY
    )
    async with open_system() as system:
        ref = await system.start(supervisor.spec("s", restart=TEMPORARY))
        system.registry["node/s/a"].try_tell(ValueError())
        await wait_all_tasks_blocked()
        assert ref.alive
        assert "node/s/a" in system.registry
        assert "node/s/b" not in system.registry


@pytest.mark.parametrize("strategy", [ALL, REST])
async def test_temporary_siblings_go_down_with_the_rest_and_stay_down(
    strategy: Strategy, actor: MakeActor, log: list[str], autojump_clock: MockClock
) -> None:
    supervisor = Supervisor([actor("a"), actor("b", restart=TEMPORARY), actor("c")], strategy)
    async with open_system() as system:
        await system.start(supervisor.spec("s", restart=TEMPORARY))
        b = system.registry["node/s/b"]
        log.clear()
        system.registry["node/s/a"].try_tell(ValueError())
        await wait_all_tasks_blocked()
        assert log == ["-a", "-c", "-b", "+a", "=a", "+c", "=c"]
        assert not b.alive


async def test_a_sibling_that_raises_on_its_way_down_is_started_again(
    actor: MakeActor, log: list[str], autojump_clock: MockClock
) -> None:
    error = OSError("b")
    seen: list[object] = []
    supervisor = Supervisor([actor("a"), actor("b", last_error=error)], REST)
    async with open_system() as system:
        await system.start(supervisor.spec("s", restart=TEMPORARY))
        system.observe.subscribe(seen.append)
        system.registry["node/s/a"].try_tell(ValueError())
        await wait_all_tasks_blocked()
        assert log[4:] == ["-a", "-b", "+a", "=a", "+b", "=b"]
        exits = [event.exit for event in seen if isinstance(event, Exited)]
        assert [exit_.error for exit_ in exits if exit_.path == "node/s/b"] == [error]
        await system.stop("s", "enough")


@pytest.mark.parametrize("strategy", [ALL, REST])
async def test_siblings_that_crash_together_are_one_restart(
    strategy: Strategy, actor: MakeActor, log: list[str], autojump_clock: MockClock
) -> None:
    """As when an agent trips over the bridge that has just died under it."""
    supervisor = Supervisor([actor("a"), actor("b"), actor("c", dying_s=2.0)], strategy, Intensity(1, 5.0))
    async with open_system() as system:
        await system.start(supervisor.spec("s", restart=TEMPORARY))
        b = system.registry["node/s/b"]
        log.clear()
        system.registry["node/s/a"].try_tell(ValueError())
        await trio.sleep(1.0)
        b.try_tell(ValueError())
        await trio.sleep(3.0)
        assert log == ["-a", "-b", "-c", "+a", "=a", "+b", "=b", "+c", "=c"]


@pytest.mark.parametrize("strategy", [ALL, REST])
async def test_a_sibling_that_had_finished_is_not_started_again(
    strategy: Strategy, actor: MakeActor, log: list[str], autojump_clock: MockClock
) -> None:
    supervisor = Supervisor(
        [actor("a"), actor("b", restart=TRANSIENT, significant=True), actor("c", dying_s=2.0)],
        strategy,
        auto_shutdown=AutoShutdown.ANY_SIGNIFICANT,
    )
    async with open_system() as system:
        ref = await system.start(supervisor.spec("s", restart=TEMPORARY))
        b = system.registry["node/s/b"]
        system.registry["node/s/a"].try_tell(ValueError())
        await trio.sleep(1.0)
        b.try_tell(None)
        assert (await ref.down()).outcome is Outcome.NORMAL
        assert log[6:] == ["-a", "-b", "-c"]


@pytest.mark.parametrize(
    ("restarts", "within_s", "crashes_at", "over"),
    [
        (0, 4.0, [1.0], True),
        (1, 4.0, [1.0], False),
        (1, 4.0, [1.0, 1.0], True),
        (1, 4.0, [1.0, 4.75], True),
        (1, 4.0, [1.0, 5.0], False),  # the window is half open
        (1, 4.0, [1.0, 5.0, 9.0, 13.0], False),
        (2, 4.0, [1.0, 2.0, 4.75], True),
        (2, 4.0, [1.0, 2.0, 5.0, 6.0], False),
        (2, 4.0, [1.0, 2.0, 5.0, 5.75], True),
    ],
)
async def test_intensity(
    restarts: int,
    within_s: float,
    crashes_at: list[float],
    over: bool,
    actor: MakeActor,
    autojump_clock: MockClock,
) -> None:
    supervisor = Supervisor([actor("a")], intensity=Intensity(restarts, within_s))
    async with open_system() as system:
        ref = await system.start(supervisor.spec("s", restart=TEMPORARY))
        for at in crashes_at:
            await trio.sleep_until(at)
            assert ref.alive
            system.registry["node/s/a"].try_tell(ValueError(at))
            await wait_all_tasks_blocked()
        assert ref.alive is not over
        if over:
            error = (await ref.down()).error
            assert isinstance(error, RestartLimitExceeded)
            assert repr(error.__cause__) == repr(ValueError(crashes_at[-1]))


async def test_escalation_stops_the_others_in_order(
    actor: MakeActor, log: list[str], autojump_clock: MockClock
) -> None:
    error = OSError("b")
    supervisor = Supervisor(
        [actor("a"), actor("b", last_error=error), actor("c"), actor("d")], intensity=Intensity(0, 5.0)
    )
    async with open_system() as system:
        ref = await system.start(supervisor.spec("s", restart=TEMPORARY))
        log.clear()
        system.registry["node/s/c"].try_tell(ValueError())
        exit_ = await ref.down()
        assert log == ["-c", "-d", "-b", "-a"]
        with pytest.RaisesGroup(RestartLimitExceeded, OSError):
            raise exit_.error or AssertionError


async def test_intensities_multiply_up_the_tree(
    actor: MakeActor, log: list[str], autojump_clock: MockClock
) -> None:
    inner = Supervisor([actor("a")], intensity=Intensity(1, 5.0))
    outer = Supervisor([inner.spec("inner")], intensity=Intensity(1, 5.0))
    async with open_system() as system:
        ref = await system.start(outer.spec("outer", restart=TEMPORARY))
        old = system.registry["node/outer/inner/a"]
        for _ in range(4):
            assert ref.alive
            system.registry["node/outer/inner/a"].try_tell(ValueError())
            await wait_all_tasks_blocked()
        assert log.count("+a") == 4
        assert not old.alive  # its supervisor died, so it has no next generation
        error = (await ref.down()).error
        assert isinstance(error, RestartLimitExceeded)
        assert isinstance(error.__cause__, RestartLimitExceeded)


async def test_a_child_over_the_limit_can_be_left_down(
    actor: MakeActor, log: list[str], autojump_clock: MockClock
) -> None:
    supervisor = Supervisor(
        [actor("a"), actor("b", on_limit=OnLimit.DROP), actor("c")], REST, Intensity(1, 4.0)
    )
    async with open_system() as system:
        s = await system.start(supervisor.spec("s", restart=TEMPORARY))
        a, b = system.registry["node/s/a"], system.registry["node/s/b"]
        b.try_tell(ValueError())
        await trio.sleep(1.0)
        log.clear()
        b.try_tell(ValueError())
        assert (await b.down()).generation == 1
        assert log == ["-b"]  # and nobody else
        with pytest.raises(ActorGone):
            b.try_tell(None)
        await trio.sleep_until(4.0)
        a.try_tell(ValueError())  # what was not restarted does not count
        await wait_all_tasks_blocked()
        assert s.alive
        assert log == ["-b", "-a", "-c", "+a", "=a", "+c", "=c"]


async def test_a_restart_keeps_the_ref_and_raises_the_generation(
    actor: MakeActor, autojump_clock: MockClock
) -> None:
    seen: list[object] = []
    async with open_system() as system:
        system.observe.subscribe(seen.append)
        ref = await system.start(actor("a"))
        for _ in range(3):
            ref.try_tell(ValueError())
            await wait_all_tasks_blocked()
        assert ref.generation == 3
        assert system.registry["node/a"] is ref
        await system.stop("a", "enough")
    events = [event for event in seen if "node/a" in str(event)]
    assert [type(event) for event in events] == [Started, Exited, Restarting] * 3 + [Started, Exited]
    assert [e.exit.generation for e in events if isinstance(e, Exited)] == [0, 1, 2, 3]
    assert [e.generation for e in events if isinstance(e, Started)] == [0, 1, 2, 3]
    assert [e.generation for e in events if isinstance(e, Restarting)] == [1, 2, 3]
