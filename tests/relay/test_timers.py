"""Deadlines: in order, once, and never after they were cancelled."""

from __future__ import annotations

from functools import partial

import trio

from clutch.relay.timers import Timers


async def test_those_who_come_and_go_leave_nothing(autojump_clock: trio.testing.MockClock) -> None:
    timers = Timers()
    fired: list[int] = []
    last = timers.after(50, partial(fired.append, 1))
    for _ in range(10_000):
        timers.after(60, fired.clear).cancel()
    assert len(timers._heap) < 250
    async with trio.open_nursery() as nursery:
        nursery.start_soon(timers.run)
        await trio.sleep(100)
        nursery.cancel_scope.cancel()
    assert (fired, timers.waiting, last.call) == ([1], 0, None)


async def test_in_order_of_time(autojump_clock: trio.testing.MockClock) -> None:
    timers = Timers()
    fired: list[tuple[str, float]] = []
    start = trio.current_time()

    def fire(name: str) -> None:
        fired.append((name, round(trio.current_time() - start, 3)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(timers.run)
        timers.after(3, partial(fire, "c"))
        await trio.sleep(0.5)
        timers.after(0.5, partial(fire, "a"))
        cancelled = timers.after(1, partial(fire, "never"))

        def again() -> None:
            timers.after(0.25, partial(fire, "b"))

        timers.after(1, again)
        cancelled.cancel()
        cancelled.cancel()
        await trio.sleep(5)
        assert timers.waiting == 0
        nursery.cancel_scope.cancel()
    assert fired == [("a", 1.0), ("b", 1.75), ("c", 3.0)]


async def test_one_that_fails_stops_no_other(autojump_clock: trio.testing.MockClock) -> None:
    timers = Timers()
    fired: list[int] = []

    def fail() -> None:
        raise RuntimeError("a bug")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(timers.run)
        timers.after(1, fail)
        timers.after(2, partial(fired.append, 2))
        await trio.sleep(3)
        nursery.cancel_scope.cancel()
    assert fired == [2]
