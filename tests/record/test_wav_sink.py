"""Recordings: both sides aligned, valid at any moment, and never in the way of a call's end."""

from __future__ import annotations

import stat
import threading
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import trio

from actors.call.errors import RecordError
from actors.call.ports import MediaFrame
from clutch.media import wav
from clutch.record.wav import WavSink, thread_writer


async def inline(work: Callable[[], None]) -> None:
    """A writer without a thread."""
    await trio.lowlevel.checkpoint()
    work()


def frame(tick: int, uplink: int = 1, downlink: int = 2, rate_hz: int = 8000) -> MediaFrame:
    """A frame whose samples all have one value per side."""
    left, right = (np.full(rate_hz // 50, value, np.int16).tobytes() for value in (uplink, downlink))
    return MediaFrame(tick, rate_hz, left, right, False)


def sides(path: Path) -> list[list[int]]:
    """One (left, right) pair for each 20 ms, checking that every sample of it is the same."""
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (2, 2)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        blocks = samples.reshape(-1, file.getframerate() // 50, 2)
    assert (blocks == blocks[:, :1, :]).all()
    return [[int(left), int(right)] for left, right in blocks[:, 0, :]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the recording goes."""
    return tmp_path / "s1.wav"


async def test_left_is_the_caller_and_right_the_callee(path: Path) -> None:
    sink = WavSink(path, inline)
    await sink.write([frame(7, 10, 20), frame(8, 11, 21)])
    await sink.write([frame(9, 12, 22)])
    await sink.aclose()
    assert sides(path) == [[10, 20], [11, 21], [12, 22]]


@pytest.mark.parametrize(("side", "value"), [("uplink", 1), ("downlink", 2)])
async def test_one_side_only_is_a_mono_file(
    path: Path, side: Literal["uplink", "downlink"], value: int
) -> None:
    sink = WavSink(path, inline, (side,))
    await sink.write([frame(0), frame(2)])
    await sink.aclose()
    with wave.open(str(path)) as file:
        assert file.getnchannels() == 1
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 160)
    assert [set(block) for block in samples.tolist()] == [{value}, {0}, {value}]


async def test_the_file_is_valid_after_every_write(path: Path) -> None:
    sink = WavSink(path, inline)
    for tick in range(5):
        await sink.write([frame(tick)])
        assert len(sides(path)) == tick + 1
    await sink.aclose()


async def test_missing_ticks_are_silence(path: Path) -> None:
    sink = WavSink(path, inline)
    await sink.write([frame(0), frame(2)])
    await sink.write([frame(5)])
    await sink.aclose()
    assert sides(path) == [[1, 2], [0, 0], [1, 2], [0, 0], [0, 0], [1, 2]]


async def test_only_the_owner_may_read_it(path: Path) -> None:
    sink = WavSink(path, inline)
    await sink.write([frame(0)])
    await sink.aclose()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_nothing_is_overwritten(path: Path) -> None:
    path.write_text("precious")
    sink = WavSink(path, inline)
    with pytest.raises(RecordError, match=r"s1\.wav: File exists"):
        await sink.write([frame(0)])
    await sink.aclose()
    assert path.read_text() == "precious"


async def test_a_call_without_audio_leaves_no_file(path: Path) -> None:
    sink = WavSink(path, inline)
    await sink.write([])
    await sink.aclose()
    await sink.aclose()
    assert not path.exists()


async def test_another_rate_ends_the_recording_and_names_both(path: Path) -> None:
    sink = WavSink(path, inline)
    with pytest.raises(RecordError, match=r"s1\.wav: the rate changed from 8000 to 48000 Hz"):
        await sink.write([frame(0), frame(1), frame(2, rate_hz=48_000)])
    await sink.aclose()
    assert sides(path) == [[1, 2], [1, 2]]


async def test_a_full_file_says_so(path: Path) -> None:
    sink = WavSink(path, inline)
    ticks = wav.MAX_DATA_BYTES // (160 * 4)
    await sink.write([frame(0)])
    with pytest.raises(RecordError, match="4 GiB"):
        await sink.write([frame(ticks)])
    await sink.aclose()
    assert sides(path) == [[1, 2]]


async def test_the_worker_thread_writes_the_same(path: Path) -> None:
    sink = WavSink(path, thread_writer())
    for tick in range(0, 100, 25):
        await sink.write([frame(tick + offset) for offset in range(25)])
    await sink.aclose()
    assert sides(path) == [[1, 2]] * 100


async def test_a_disk_that_hangs_does_not_hold_up_the_end(path: Path) -> None:
    """Write and close are cancelled while the disk hangs; both happen, in order, once it is back."""
    disk, hanging, written = threading.Event(), trio.Event(), threading.Semaphore(0)
    in_thread = thread_writer()
    token = trio.lowlevel.current_trio_token()

    async def slow(work: Callable[[], None]) -> None:
        def hang() -> None:
            token.run_sync_soon(hanging.set)
            disk.wait()
            work()
            written.release()

        await in_thread(hang)

    sink = WavSink(path, slow)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sink.write, [frame(0), frame(1)])
        await hanging.wait()
        nursery.cancel_scope.cancel()
    with trio.CancelScope() as scope:
        scope.cancel()
        await sink.aclose()
    assert scope.cancelled_caught
    disk.set()
    await trio.to_thread.run_sync(written.acquire)
    await sink.aclose()
    await sink.write([frame(2)])
    assert sides(path) == [[1, 2], [1, 2]]
