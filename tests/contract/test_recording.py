"""Recordings: the C writer and the Python one make the same file of the same frames, and fail alike."""

from __future__ import annotations

import math
import select
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import pytest
import trio

import native
from actors.call.errors import RecordError
from actors.call.ports import MediaFrame, Side
from clutch.media import wav
from clutch.record.wav import WavSink

BOTH: Sequence[Side] = ("uplink", "downlink")


class Made(NamedTuple):
    """What became of a recording."""

    data: bytes | None
    """The file; None if there is none."""
    error: str
    """Without the path."""


class Record(Protocol):
    """Record frames both ways, see that it is the same, and return it."""

    def __call__(self, path: Path, frames: Sequence[MediaFrame], sides: Sequence[Side] = BOTH) -> Made: ...


def by_python(path: Path, frames: Sequence[MediaFrame], sides: Sequence[Side] = BOTH) -> Made:
    """Write the frames with `WavSink`, a few at a time."""

    async def inline(work: Callable[[], None]) -> None:
        await trio.lowlevel.checkpoint()
        work()

    async def write() -> str:
        sink = WavSink(path, inline, sides)
        try:
            for start in range(0, len(frames), 7):
                await sink.write(frames[start : start + 7])
        except RecordError as error:
            return str(error)
        finally:
            await sink.aclose()
        return ""

    error = trio.run(write)
    return Made(path.read_bytes() if path.exists() else None, error.removeprefix(f"{path}: "))


def by_c(path: Path, frames: Sequence[MediaFrame], sides: Sequence[Side] = BOTH) -> Made:
    """Write the frames with the recorder of the native plane."""
    recorder = native.Recorder()
    recording = recorder.open(path, sides)
    for tick, rate_hz, uplink, downlink, _ in frames:
        assert recording.put(tick, rate_hz, uplink, downlink)
    recording.end(frames[-1].tick + 1 if frames else 0)
    news: list[native.RecordingNews] = []
    while not news or not news[-1].over:
        select.select([recorder.wake_fd], [], [])
        news += recorder.news()
    recorder.close()
    return Made(path.read_bytes() if path.exists() else None, news[0].error)


@pytest.fixture
def record(native_library: None, tmp_path: Path) -> Record:
    """See `Record`."""

    def both_ways(path: Path, frames: Sequence[MediaFrame], sides: Sequence[Side] = BOTH) -> Made:
        other = path.with_suffix(".c.wav")
        if path.exists():
            other.write_bytes(path.read_bytes())
        made = by_python(path, frames, sides)
        assert by_c(other, frames, sides) == made
        return made

    return both_ways


def noise(ticks: Sequence[int], rate_hz: int = 8000, seed: int = 1) -> list[MediaFrame]:
    """Frames of random samples."""
    random = np.random.default_rng(seed)

    def pcm() -> bytes:
        return random.integers(-32_768, 32_768, rate_hz // 50, np.int16).tobytes()

    return [MediaFrame(tick, rate_hz, pcm(), pcm(), False) for tick in ticks]


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 24_000, 48_000])
@pytest.mark.parametrize("sides", [BOTH, ("uplink",), ("downlink",)], ids="+".join)
def test_the_same_frames_make_the_same_file(
    record: Record, tmp_path: Path, rate_hz: int, sides: Sequence[Side]
) -> None:
    frames = noise(range(40, 120), rate_hz)
    made = record(tmp_path / "s.wav", frames, sides)
    assert made.error == ""
    assert made.data is not None
    assert len(made.data) == wav.HEADER_BYTES + 80 * rate_hz // 50 * 2 * len(sides)
    heard = np.frombuffer(made.data[wav.HEADER_BYTES :], "<i2").reshape(-1, len(sides))
    for column, side in enumerate(sides):
        said = np.frombuffer(b"".join(getattr(frame, side) for frame in frames), np.int16)
        assert (heard[:, column] == said).all()


def test_missing_ticks_are_silence(record: Record, tmp_path: Path) -> None:
    ticks = [tick for tick in range(200) if tick % 17 not in (3, 4) and not 60 < tick < 90]
    made = record(tmp_path / "s.wav", noise(ticks))
    assert made.data is not None
    blocks = np.frombuffer(made.data[wav.HEADER_BYTES :], "<i2").reshape(200, -1)
    assert [tick for tick in range(200) if blocks[tick].any()] == ticks


def test_without_frames_there_is_no_file(record: Record, tmp_path: Path) -> None:
    assert record(tmp_path / "s.wav", []) == Made(None, "")


def test_another_rate_ends_it(record: Record, tmp_path: Path) -> None:
    made = record(tmp_path / "s.wav", [*noise(range(30)), *noise(range(30, 40), 48_000)])
    assert made.error == "the rate changed from 8000 to 48000 Hz"
    assert made.data is not None
    assert len(made.data) == wav.HEADER_BYTES + 30 * 640


def test_four_gigabytes_are_the_end(record: Record, tmp_path: Path) -> None:
    most = math.floor(wav.MAX_DATA_BYTES / 640)
    made = record(tmp_path / "s.wav", noise([0, 1, most]))
    assert made.error == "a WAV file holds 4 GiB, and it is full"
    assert made.data is not None
    assert len(made.data) == wav.HEADER_BYTES + 2 * 640


def test_an_existing_file_is_left_alone(record: Record, tmp_path: Path) -> None:
    path = tmp_path / "s.wav"
    path.write_text("precious")
    assert record(path, noise(range(3))) == Made(b"precious", "File exists")


def test_a_folder_that_is_not_there_is_an_error(record: Record, tmp_path: Path) -> None:
    made = record(tmp_path / "no" / "such" / "s.wav", noise(range(3)))
    assert made == Made(None, "No such file or directory")
