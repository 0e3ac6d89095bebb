"""What a call tree costs: up and down, beside a bare Trio nursery with as many tasks."""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

import trio

from actors import Call, Calls, CallSpec, ChildSpec, TapRecording, open_system
from actors.testing import FakeAgent, FakeLeg, FakeMedia, FakeSink, Ledger

CALLS = 300
ROUNDS = 7


def run() -> list[dict[str, object]]:
    """Rows for `make bench`."""
    tree: list[float] = []
    nursery: list[float] = []
    for _ in range(ROUNDS):  # in turns, so that a slow moment of the machine hits both
        tree.append(trio.run(_trees))
        nursery.append(trio.run(_nurseries))
    cost, bare = statistics.median(tree), statistics.median(nursery)
    return [
        {
            "name": "call tree up and down (leg, recorder, bridge, agent)",
            "value": round(cost * 1e6, 1),
            "unit": "us/call",
            "peer": f"trio nursery with 4 tasks: {bare * 1e6:.1f} us",
            "ratio": round(cost / bare, 2),
        }
    ]


async def _timed(one: Callable[[int], Awaitable[object]]) -> float:
    began = time.perf_counter()
    for index in range(CALLS):
        await one(index)
    return (time.perf_counter() - began) / CALLS


async def _trees() -> float:
    ledger = Ledger()
    async with open_system() as system:
        media, calls = FakeMedia(ledger), Calls()
        await system.start(ChildSpec("media", media.run))
        await system.start(calls.spec())

        async def one(index: int) -> None:
            sid = f"s{index}"
            leg, stream = FakeLeg(ledger, sid), media.open(sid)
            recording = TapRecording(stream, FakeSink(ledger, sid))
            call = calls.start(
                CallSpec(sid, leg, stream, agent=lambda: _Quits(call), recording=lambda: recording)
            )
            await call.wait()

        return await _timed(one)


class _Quits(FakeAgent):
    """Hangs up as soon as it is there."""

    def __init__(self, call: Call) -> None:
        super().__init__()
        self.call = call

    async def run(self, conversation: Any) -> None:
        """Hang up."""
        conversation.hangup()


async def _nurseries() -> float:
    async def one(_index: int) -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                await nursery.start(_idle)
            nursery.cancel_scope.cancel()

    return await _timed(one)


async def _idle(*, task_status: trio.TaskStatus[None]) -> None:
    task_status.started()
    await trio.sleep_forever()
