"""What a relay and its clients keep of voice that goes on: for a test, and for the benchmark of an hour."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import attrs
import trio

from clutch.client.publication import Publication
from clutch.client.subscription import Subscription
from tests.relay.stage import Kind, Stage, open_stage

WARM_UP_S = 30
"""After this every cache is full, and every window of a counter."""
_PAGE = os.sysconf("SC_PAGE_SIZE")
_NAMESPACE, _NAME = "voice/ab12/uplink", "audio"


@attrs.frozen
class Memory:
    """What the process holds, when there is no rubbish."""

    blocks: int
    """Of Python's own allocator: nearly every object is one."""
    resident: int
    """Bytes."""

    @classmethod
    def now(cls) -> Memory:
        """Count."""
        gc.collect()
        statm = Path("/proc/self/statm").read_text().split()
        return cls(sys.getallocatedblocks(), int(statm[1]) * _PAGE)


@attrs.define(eq=False)
class Listener:
    """Hears the track."""

    subscription: Subscription
    heard: int = 0
    lost: int = 0

    async def run(self) -> None:
        """Until the track ends."""
        async for frame in self.subscription:
            self.heard += 1
            self.lost += frame.gap.frames if frame.gap else 0


@attrs.frozen
class Course:
    """What came of it."""

    before: Memory
    """After the warm-up."""
    after: Memory
    groups: int
    """That were published."""
    listeners: list[Listener]


async def talk(kind: Kind, seconds: float, listeners: int = 3) -> Course:
    """50 groups a second of one object each to some listeners who stay, and to one who comes and goes."""
    async with open_stage(kind) as stage, trio.open_nursery() as nursery, stage.voice() as speaker:
        said = speaker.publish_audio(_NAMESPACE, _NAME, capability="voice/opus")
        await speaker.connected()
        hearing = [await nursery.start(_listen, stage) for _ in range(listeners)]
        nursery.start_soon(_visit, stage)
        await _say(said, WARM_UP_S)
        before = Memory.now()
        groups = await _say(said, seconds)
        after = Memory.now()
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    return Course(before, after, groups, hearing)


async def _say(said: Publication, seconds: float) -> int:
    groups = round(seconds * 50)
    for _ in range(groups):
        await said.send(bytes(80))
    return groups


async def _listen(stage: Stage, task_status: trio.TaskStatus[Listener]) -> None:
    async with stage.voice() as voice:
        listener = Listener(voice.subscribe_audio(_NAMESPACE, _NAME))
        await listener.subscription.established.wait()
        task_status.started(listener)
        await listener.run()


async def _visit(stage: Stage) -> None:
    while True:
        with trio.move_on_after(7):
            async with stage.voice() as voice:
                await Listener(voice.subscribe_audio(_NAMESPACE, _NAME)).run()
