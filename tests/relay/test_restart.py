"""A relay that is restarted under a call: audio goes on by itself both ways, with one gap each."""

from __future__ import annotations

from collections.abc import AsyncIterable

import attrs
import pytest
import trio
from trio.testing import MockClock

from clutch.client.publication import Publication
from clutch.client.values import Frame, Gap, State
from clutch.client.voice import Voice
from tests.relay.stage import Kind, open_stage

DOWN_S = 0.5
RESUMED_S = 3.0
"""From the end of the old relay to the first frame through the new one."""


@attrs.define(eq=False)
class Ear:
    """What one side heard, and when."""

    frames: list[Frame] = attrs.field(factory=list)
    at: list[float] = attrs.field(factory=list)

    async def listen(self, frames: AsyncIterable[Frame]) -> None:
        async for frame in frames:
            self.frames.append(frame)
            self.at.append(trio.current_time())

    @property
    def gaps(self) -> list[Gap]:
        return [frame.gap for frame in self.frames if frame.gap]

    def silence(self) -> tuple[float, int]:
        """When the longest one was over, and how many frames were lost in it."""
        waits = [self.at[number] - self.at[number - 1] for number in range(1, len(self.at))]
        number = waits.index(max(waits)) + 1
        return self.at[number], self.frames[number].sequence - self.frames[number - 1].sequence - 1


async def speak(publication: Publication) -> None:
    number = 0
    while True:
        await publication.send(b"%d" % number)
        number += 1


@pytest.mark.parametrize(
    ("kind", "killed"),
    [("memory", False), ("aioquic", False), ("aioquic", True)],
    ids=["memory", "stopped", "killed"],
)
async def test_audio_resumes_both_ways(autojump_clock: MockClock, kind: Kind, killed: bool) -> None:
    up, down = Ear(), Ear()
    async with (
        open_stage(kind) as stage,
        stage.voice() as app,
        stage.voice() as phone,
        app.audio_bridge.attach("ab12") as bridge,
        phone.audio_bridge.attach_caller("ab12") as caller,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(up.listen, bridge.uplink)
        nursery.start_soon(down.listen, caller.downlink)
        nursery.start_soon(speak, caller.uplink)
        nursery.start_soon(speak, bridge.downlink)
        await trio.sleep(5)
        ended_at = trio.current_time()
        await stage.stop(killed=killed)
        await trio.sleep(DOWN_S)
        await stage.start()
        await trio.sleep(10)
        assert (app.state, phone.state) == (State.CONNECTED, State.CONNECTED)
        nursery.cancel_scope.cancel()
    for ear in (up, down):
        resumed_at, lost = ear.silence()
        assert resumed_at - ended_at < RESUMED_S
        assert ear.gaps == [Gap(lost, lost * 20)]
        assert ear.at[-1] > ended_at + DOWN_S + 9


async def test_a_relay_that_stays_away_is_waited_for(autojump_clock: MockClock) -> None:
    ear = Ear()
    async with open_stage("aioquic") as stage, stage.voice() as app, stage.voice() as phone:
        heard = app.subscribe_audio("a", "b")
        said = phone.publish_audio("a", "b")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ear.listen, heard)
            nursery.start_soon(speak, said)
            await trio.sleep(5)
            await stage.stop(killed=True)
            await trio.sleep(120)
            assert _connecting(app)
            assert _connecting(phone)
            await stage.start()
            await trio.sleep(5)
            nursery.cancel_scope.cancel()
    (gap,) = ear.gaps
    assert gap.frames == ear.silence()[1]
    assert 120_000 < gap.ms < 124_000


def _connecting(voice: Voice) -> bool:
    return voice.state is State.RECONNECTING
