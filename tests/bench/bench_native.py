"""What the media plane costs: C per RTP packet, Python per tapped frame."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import attrs
import trio

import native
from actors.call.ports import MediaFrame
from actors.runtime import LossyReceiver
from clutch.media.params import Codec, RtpParams
from clutch.net.native_plane import NativePlane
from native import build
from tests.bench.__main__ import Row
from tests.bench.programs import C, with_plane

PROGRAM = C / "bench_stream.c"
LOCAL, NOWHERE = "127.0.0.1", ("127.0.0.1", 9)
PORTS = range(26_000, 26_998)
STREAMS = 100
SECONDS = 3.0
WARM_UP_S = 0.3
PCMU = Codec("pcmu", 0, 8000, 8000)


def c_per_packet() -> list[Row]:
    """Nanoseconds to take, decode, encode and write one packet, without sockets."""
    with tempfile.TemporaryDirectory() as folder:
        program = with_plane(PROGRAM, Path(folder))
        lines = build.run([program]).splitlines()
    figures = [(name, float(value)) for name, value in map(str.split, lines)]
    return [
        Row(name=f"C per RTP packet in and out, {name}", value=ns, unit="ns") for name, ns in figures if ns
    ]


@attrs.define
class Count:
    """Frames that readers have read."""

    frames: int = 0


async def batched(nursery: trio.Nursery, count: Count) -> None:
    """Our way: the pump hands frames to taps, and readers take what has gathered."""

    async def read(tap: LossyReceiver[MediaFrame]) -> None:
        while True:
            batch = await tap.receive(at_least=5)
            count.frames += len(batch.items)

    plane = NativePlane(LOCAL, ports=PORTS)
    await nursery.start(plane.run)
    for _ in range(STREAMS):
        stream = plane.open("bench")
        stream.connect(RtpParams(NOWHERE, PCMU))
        nursery.start_soon(read, stream.tap())


async def awaited(nursery: trio.Nursery, count: Count) -> None:
    """The naive way: one awaited channel hop for every frame."""

    async def read(channel: trio.MemoryReceiveChannel[MediaFrame]) -> None:
        async for _ in channel:
            count.frames += 1

    async def pump() -> None:
        try:
            while True:
                await trio.lowlevel.wait_readable(plane.wake_fd)
                plane.begin_drain()
                for key, tick, rate_hz, uplink, downlink, concealed in plane.frames():
                    await channels[key].send(MediaFrame(tick, rate_hz, uplink, downlink, concealed))
        finally:
            plane.close()

    plane = native.Plane(LOCAL, PORTS[0], PORTS[-1])
    channels: dict[int, trio.MemorySendChannel[MediaFrame]] = {}
    for _ in range(STREAMS):
        stream = plane.open(1, 1, 1, bytes(16))
        stream.connect(native.Params(NOWHERE, "pcmu", 8000, 0))
        stream.tap(True)
        channels[stream.id], receiver = trio.open_memory_channel[MediaFrame](0)
        nursery.start_soon(read, receiver)
    nursery.start_soon(pump)


def python_per_frame(design: Callable[[trio.Nursery, Count], Awaitable[None]]) -> float:
    """Microseconds of this thread's processor time per frame, wake-ups and readers included."""

    async def main() -> float:
        count = Count()
        async with trio.open_nursery() as nursery:
            await design(nursery, count)
            await trio.sleep(WARM_UP_S)
            started, before = time.thread_time(), count.frames
            await trio.sleep(SECONDS)
            used, frames = time.thread_time() - started, count.frames - before
            nursery.cancel_scope.cancel()
        return used / frames * 1e6

    return trio.run(main)


def run() -> list[Row]:
    """The rows of this benchmark; none without the native library."""
    if not native.available:
        return []
    ours, naive = python_per_frame(batched), python_per_frame(awaited)
    row = Row(name=f"Python per tapped frame, {STREAMS} streams", value=ours, unit="us")
    row |= {"peer": "an await per frame", "ratio": ours / naive}
    return [*c_per_packet(), row]
