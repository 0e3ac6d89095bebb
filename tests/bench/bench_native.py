"""What the media plane costs: C per RTP packet, Python per tapped frame."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import trio

import native
from actors.call.ports import MediaFrame
from clutch.media.params import Codec, RtpParams
from clutch.net.native_plane import NativePlane
from native import build
from tests.bench.__main__ import Row

PROGRAM = Path(__file__).parent / "c" / "bench_stream.c"
LOCAL, NOWHERE = "127.0.0.1", ("127.0.0.1", 9)
PORTS = range(26_000, 26_998)
STREAMS = 100
SECONDS = 3.0
PCMU = Codec("pcmu", 0, 8000, 8000)


def c_per_packet() -> list[Row]:
    """Nanoseconds to take, decode, encode and write one packet, without sockets."""
    cflags, libs = build.opus()
    sources = [str(PROGRAM), *map(str, sorted(build.SOURCES.glob("*.c")))]
    with tempfile.TemporaryDirectory() as folder:
        program = f"{folder}/bench"
        flags = [*build.STRICT, *build.OPTIMISED, *cflags, f"-I{build.SOURCES}"]
        build.run([*build.compiler(), *flags, *sources, *libs, "-o", program])
        lines = build.run([program]).splitlines()
    figures = [(name, float(value)) for name, value in map(str.split, lines)]
    return [
        Row(name=f"C per RTP packet in and out, {name}", value=ns, unit="ns") for name, ns in figures if ns
    ]


async def batched(scope: trio.CancelScope) -> int:
    """Our way: the pump hands frames to taps, readers take what has gathered. Returns frames read."""
    frames = 0

    async def read(plane: NativePlane) -> None:
        nonlocal frames
        stream = plane.open("bench")
        stream.connect(RtpParams(NOWHERE, PCMU))
        with stream.tap() as tap:
            while True:
                batch = await tap.receive(at_least=5)
                frames += len(batch.items)

    with scope:
        async with trio.open_nursery() as nursery:
            plane = NativePlane(LOCAL, ports=PORTS)
            await nursery.start(plane.run)
            for _ in range(STREAMS):
                nursery.start_soon(read, plane)
    return frames


async def awaited(scope: trio.CancelScope) -> int:
    """The naive way: one awaited channel hop for every frame. Returns frames read."""
    frames = 0
    plane = native.Plane(LOCAL, PORTS[0], PORTS[-1])
    channels: dict[int, trio.MemorySendChannel[MediaFrame]] = {}

    async def read(channel: trio.MemoryReceiveChannel[MediaFrame]) -> None:
        nonlocal frames
        async for _ in channel:
            frames += 1

    with scope:
        async with trio.open_nursery() as nursery:
            for _ in range(STREAMS):
                stream = plane.open(1, 1, 1)
                stream.connect(native.Params(NOWHERE, "pcmu", 8000, 0))
                stream.tap(True)
                channels[stream.id], receiver = trio.open_memory_channel[MediaFrame](0)
                nursery.start_soon(read, receiver)
            while True:
                await trio.lowlevel.wait_readable(plane.wake_fd)
                plane.begin_drain()
                for key, tick, rate_hz, uplink, downlink, concealed in plane.frames():
                    await channels[key].send(MediaFrame(tick, rate_hz, uplink, downlink, concealed))
    plane.close()
    return frames


def python_per_frame(design: Callable[[trio.CancelScope], Awaitable[int]]) -> float:
    """Microseconds of this thread's processor time per frame that was read."""

    async def main() -> float:
        start = time.thread_time()
        frames = await design(trio.CancelScope(deadline=trio.current_time() + SECONDS))
        return (time.thread_time() - start) / frames * 1e6

    return trio.run(main)


def run() -> list[Row]:
    """The rows of this benchmark; none without the native library."""
    if not native.available:
        return []
    ours, naive = python_per_frame(batched), python_per_frame(awaited)
    row = Row(name="Python per tapped frame", value=ours, unit="us")
    row |= {"peer": "an await per frame", "ratio": ours / naive}
    return [*c_per_packet(), row]
