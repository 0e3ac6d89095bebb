"""The stream of events: everyone sees everything, and a bad observer harms nobody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trio.testing import MockClock, wait_all_tasks_blocked

from actors.runtime import ChildSpec, Exit, Exited, Observatory, ObserverFailed, Outcome, Started, open_system

MakeActor = Callable[..., ChildSpec[Any]]


def test_every_observer_sees_every_event_in_order() -> None:
    observatory = Observatory()
    first: list[object] = []
    second: list[object] = []
    end_first = observatory.subscribe(first.append)
    observatory.subscribe(second.append)
    observatory.emit(1)
    end_first()
    end_first()
    observatory.emit(2)
    assert first == [1]
    assert second == [1, 2]


def test_an_observer_that_raises_is_taken_off_and_reported() -> None:
    observatory = Observatory()
    seen: list[object] = []
    error = ValueError("full disk")

    def broken(event: object) -> None:
        raise error

    observatory.subscribe(broken)
    observatory.subscribe(seen.append)
    observatory.emit(1)
    observatory.emit(2)
    assert seen == [1, ObserverFailed(error), 2]


def test_observers_that_all_raise_end_in_silence() -> None:
    observatory = Observatory()

    def broken(event: object) -> None:
        raise ValueError(event)

    def just_as_broken(event: object) -> None:
        raise OSError(event)

    observatory.subscribe(broken)
    observatory.subscribe(just_as_broken)
    observatory.emit(1)
    observatory.emit(2)


async def test_a_broken_observer_brings_no_actor_down(actor: MakeActor, autojump_clock: MockClock) -> None:
    seen: list[object] = []
    error = ValueError("full disk")

    def broken(event: object) -> None:
        raise error

    async with open_system() as system:
        system.observe.subscribe(broken)
        system.observe.subscribe(seen.append)
        ref = await system.start(actor("a"))
        await wait_all_tasks_blocked()
        assert ref.alive
        await system.stop("a", "enough")
    assert seen == [
        Started("node/a", 0),
        ObserverFailed(error),
        Exited(Exit("node/a", 0, Outcome.STOPPED, "enough")),
        Exited(Exit("node", 0, Outcome.STOPPED, "system closed")),
    ]
