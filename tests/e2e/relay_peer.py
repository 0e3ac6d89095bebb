"""Runs as a process of its own: a client of a relay, with the SDK.

Arguments: URL, role and what it needs: ``publish NAMESPACE [BYTES]`` (50 frames a second),
``listen NAMESPACE`` or ``bridge SID`` (both directions of a call). Says "ready" when it is; then it answers
every line of its input with one of JSON: what it heard since the last one.
"""

from __future__ import annotations

import json
import statistics
import sys
import time

import attrs
import trio

from clutch.client.publication import Publication
from clutch.client.subscription import Subscription
from clutch.client.voice import Voice
from clutch.net.quic.engine import Trust

TRACK = "audio"


@attrs.define(eq=False)
class Ear:
    """What was heard since the last question."""

    delays_ms: list[float] = attrs.field(factory=list)
    gaps: list[int] = attrs.field(factory=list)

    async def listen(self, subscription: Subscription) -> None:
        """Until the track ends."""
        async for frame in subscription:
            sent_ns = int.from_bytes(frame.payload[:8], "big")
            self.delays_ms.append((time.time_ns() - sent_ns) / 1e6)
            if frame.gap:
                self.gaps.append(frame.gap.frames)

    def report(self) -> str:
        """One line, and begin again."""
        delays, gaps, self.delays_ms, self.gaps = self.delays_ms, self.gaps, [], []
        points = statistics.quantiles(delays, n=100) if len(delays) > 1 else [0.0] * 99
        return json.dumps({"heard": len(delays), "gaps": gaps, "p50_ms": points[49], "p99_ms": points[98]})


async def speak(publication: Publication, size: int) -> None:
    """Frames in real time, each with when it was written in front."""
    due = trio.current_time()
    while True:
        publication.write(time.time_ns().to_bytes(8, "big") + bytes(size - 8))
        due += 0.02
        await trio.sleep_until(due)


async def main(url: str, role: str, where: str, size: int) -> None:
    """Play a role until the input ends."""
    ear = Ear()
    async with (
        Voice(url, trust=Trust(insecure=True)) as voice,
        trio.open_nursery() as nursery,
    ):
        await voice.connected()
        match role:
            case "publish":
                nursery.start_soon(speak, voice.publish_audio(where, TRACK), size)
            case "listen":
                subscription = voice.subscribe_audio(where, TRACK)
                nursery.start_soon(ear.listen, subscription)
                await subscription.established.wait()
            case "bridge":
                bridge = await nursery.start(attach, voice, where)
                nursery.start_soon(ear.listen, bridge)
                await bridge.established.wait()
        print("ready", flush=True)
        while await trio.to_thread.run_sync(sys.stdin.readline):
            print(ear.report(), flush=True)
        nursery.cancel_scope.cancel()


async def attach(voice: Voice, sid: str, task_status: trio.TaskStatus[Subscription]) -> None:
    """Hear and speak to the caller of a call."""
    async with voice.audio_bridge.attach(sid, codec="pcm16") as bridge:
        task_status.started(bridge.uplink)
        await speak(bridge.downlink, 1_920)


if __name__ == "__main__":
    _, to, part, place, *sizes = sys.argv
    trio.run(main, to, part, place, int(sizes[0]) if sizes else 80)
