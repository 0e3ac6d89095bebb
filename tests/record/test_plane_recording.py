"""`record_wav` on the native plane: a thread of C writes, Trio hears of the end. Nothing is timed."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import trio

import native
from actors.call.errors import RecordError
from actors.call.ports import Recording
from actors.call.recorder import TapRecording
from clutch.media.params import Codec, RtpParams
from clutch.media.wav import HEADER_BYTES
from clutch.net.memory import MemoryNetwork
from clutch.net.native_plane import NativePlane, NativeRtpStream
from clutch.net.twin_plane import TwinPlane
from clutch.record.wav import WavSink, record_wav

LOCAL = "127.0.0.1"
NOWHERE = (LOCAL, 9)
PCMU = Codec("pcmu", 0, 8000, 8000)
L16_WIDE = Codec("l16", 96, 16_000, 16_000)
FIRST_PORT = 33_000 + os.getpid() % 90 * 8
"""Two runs at once keep out of each other's way."""
PATIENCE_S = 10.0
SECOND = np.arange(-4000, 4000, dtype=np.int16)
"""One second of downlink in which no two samples are alike."""


async def inline(work: Callable[[], None]) -> None:
    """A writer without a thread."""
    await trio.lowlevel.checkpoint()
    work()


@pytest.fixture
async def plane() -> AsyncIterator[NativePlane]:
    """A running native plane."""
    if not native.available:
        if os.environ.get("CLUTCH_NATIVE") == "off":
            pytest.skip(native.reason)
        pytest.fail(native.reason)
    plane = NativePlane(LOCAL, ports=range(FIRST_PORT, FIRST_PORT + 8))
    async with trio.open_nursery() as nursery:
        await nursery.start(plane.run)
        with trio.fail_after(PATIENCE_S):
            yield plane
        nursery.cancel_scope.cancel()


@pytest.fixture
def stream(plane: NativePlane) -> NativeRtpStream:
    """A stream that sends to nobody."""
    stream = plane.open("s")
    stream.connect(RtpParams(NOWHERE, PCMU))
    return stream


def stereo(path: Path) -> np.ndarray[tuple[int, int], np.dtype[np.int16]]:
    """The samples, one row for uplink and downlink each."""
    return np.frombuffer(path.read_bytes()[HEADER_BYTES:], "<i2").reshape(-1, 2)


async def grown(path: Path, size: int) -> None:
    """Wait until there is so much of the file."""
    while not path.exists() or path.stat().st_size < size:  # noqa: ASYNC110 - a thread of C writes
        await trio.sleep(0.02)


async def test_what_is_heard_is_on_the_disk_to_the_last_sample(
    stream: NativeRtpStream, tmp_path: Path
) -> None:
    path = tmp_path / "s.wav"
    recording = record_wav(stream, path, inline)
    with stream.tap() as tap:
        await tap.receive()
        stream.send(SECOND.tobytes())
        while stream.queued_ms:
            await tap.receive()
        await tap.receive(at_least=2)
        recording.finish()
        assert await recording.run() == 0
    await recording.aclose()
    downlink = stereo(path)[:, 1]
    (first,) = np.flatnonzero(downlink == SECOND[0])
    assert (downlink[first : first + len(SECOND)] == SECOND).all()
    assert not downlink[:first].any()
    assert not stereo(path)[:, 0].any()


async def test_a_tap_beside_it_writes_the_same(stream: NativeRtpStream, tmp_path: Path) -> None:
    ways: list[Recording] = [
        record_wav(stream, tmp_path / "c.wav", inline),
        TapRecording(stream, WavSink(tmp_path / "python.wav", inline)),
    ]
    stream.send(SECOND.tobytes())
    async with trio.open_nursery() as nursery:
        for way in ways:
            nursery.start_soon(way.run)
        await grown(tmp_path / "c.wav", 44_000)
        await grown(tmp_path / "python.wav", 44_000)
        for way in ways:
            way.finish()
    both = [stereo(tmp_path / name)[:, 1] for name in ("c.wav", "python.wav")]
    heard = [samples[np.flatnonzero(samples)[0] :][:8000] for samples in both]
    assert (heard[0] == heard[1]).all()
    for way in ways:
        await way.aclose()


async def test_a_bridged_call_is_recorded_beside_its_packets(plane: NativePlane, tmp_path: Path) -> None:
    ends = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(2)]
    streams = [plane.open(name) for name in "ab"]
    for end, stream in zip(ends, streams, strict=True):
        end.bind((LOCAL, 0))
        stream.connect(RtpParams(end.getsockname(), PCMU))
    streams[0].bridge(streams[1])
    recording = record_wav(streams[0], tmp_path / "s.wav", inline)
    loud, spoken = bytes([0x80]) * 160, 32_124  # the highest level of mu-law
    with streams[0].tap() as clock:
        for number in range(30):
            packet = struct.pack("!BBHII", 0x80, 0, number, number * 160, 7) + loud
            ends[0].sendto(packet, streams[0].local)
            await anext(clock)
    recording.finish()
    assert await recording.run() == 0
    await recording.aclose()
    assert streams[1].stats().packets_sent >= 29
    uplink = stereo(tmp_path / "s.wav")[:, 0]
    assert np.count_nonzero(uplink == spoken) > 15 * 160
    for end in ends:
        end.close()


async def test_closing_the_stream_ends_the_recording(stream: NativeRtpStream, tmp_path: Path) -> None:
    recording = stream.record(tmp_path / "s.wav", ("uplink",))
    await grown(tmp_path / "s.wav", HEADER_BYTES + 320)
    stream.close()
    assert await recording.run() == 0
    recording.finish()
    await recording.aclose()
    assert (tmp_path / "s.wav").stat().st_size % 320 == HEADER_BYTES


async def test_a_recording_of_a_closed_stream_is_over_without_a_file(
    stream: NativeRtpStream, tmp_path: Path
) -> None:
    stream.close()
    assert await stream.record(tmp_path / "s.wav", ("uplink",)).run() == 0
    assert list(tmp_path.iterdir()) == []


async def test_one_recording_at_a_time_and_another_after_it(stream: NativeRtpStream, tmp_path: Path) -> None:
    first = stream.record(tmp_path / "1.wav", ("uplink",))
    with pytest.raises(RecordError, match=r"2\.wav: .*busy"):
        stream.record(tmp_path / "2.wav", ("uplink",))
    first.finish()
    second = stream.record(tmp_path / "3.wav", ("uplink",))
    await grown(tmp_path / "3.wav", HEADER_BYTES + 320)
    second.finish()
    assert [await first.run(), await second.run()] == [0, 0]
    assert not (tmp_path / "2.wav").exists()


async def test_another_codec_rate_ends_it_and_is_named(stream: NativeRtpStream, tmp_path: Path) -> None:
    path = tmp_path / "s.wav"
    recording = record_wav(stream, path, inline)
    await grown(path, HEADER_BYTES + 640)
    stream.connect(RtpParams(NOWHERE, L16_WIDE))
    with pytest.raises(RecordError, match=r"s\.wav: the rate changed from 8000 to 16000 Hz"):
        await recording.run()
    await recording.aclose()


async def test_a_plane_that_stops_writes_what_it_has(plane: NativePlane, tmp_path: Path) -> None:
    other = NativePlane(LOCAL, ports=range(FIRST_PORT, FIRST_PORT + 8))
    async with trio.open_nursery() as nursery:
        await nursery.start(other.run)
        stream = other.open("s")
        stream.connect(RtpParams(NOWHERE, PCMU))
        recording = stream.record(tmp_path / "s.wav", ("uplink",))
        with stream.tap() as tap:
            await tap.receive(at_least=3)
        nursery.cancel_scope.cancel()
    assert (tmp_path / "s.wav").stat().st_size >= HEADER_BYTES + 2 * 320
    with pytest.raises(RecordError, match="the media plane has stopped"):
        await recording.run()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"none", os.fsencode(folder), b"tmpfs", 0, b"size=64k") != 0:
        pytest.skip(f"cannot mount: {os.strerror(ctypes.get_errno())}")
    yield folder
    libc.umount2(os.fsencode(folder), 2)


async def test_a_full_disk_is_an_error_of_the_recording(stream: NativeRtpStream, small_disk: Path) -> None:
    path = small_disk / "s.wav"
    recording = record_wav(stream, path, inline)
    with pytest.raises(RecordError, match=r"s\.wav: No space left on device"):
        await recording.run()
    await recording.aclose()
    kept = stereo(path)
    assert 0 < len(kept) <= 16_384
    assert stream.stats().packets_sent > 0


async def test_the_twin_records_by_its_tap(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    plane = TwinPlane(MemoryNetwork().host("192.0.2.1"), "192.0.2.1", range(4000, 4010))
    async with trio.open_nursery() as nursery:
        await nursery.start(plane.run)
        stream = plane.open("s")
        stream.connect(RtpParams(("192.0.2.2", 9), PCMU))
        recording = record_wav(stream, tmp_path / "s.wav", inline)
        stream.send(SECOND.tobytes())
        await trio.sleep(1.5)
        recording.finish()
        assert await recording.run() == 0
        await recording.aclose()
        nursery.cancel_scope.cancel()
    assert (stereo(tmp_path / "s.wav")[:8000, 1] == SECOND).all()
