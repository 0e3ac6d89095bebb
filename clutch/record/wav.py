"""One WAV file per call, stereo by default: left is what the caller said, right is what the caller heard."""

from __future__ import annotations

import itertools
import os
import tempfile
import threading
from collections.abc import Awaitable, Callable, Sequence
from io import FileIO
from pathlib import Path

import attrs
import numpy as np
import trio

from actors.call.errors import RecordError
from actors.call.ports import FRAME_MS, MediaFrame, Recording, Side
from actors.call.recorder import TapRecording
from clutch.media.wav import HEADER_BYTES, MAX_DATA_BYTES, wav_header
from clutch.net.plane import RtpStream

Writer = Callable[[Callable[[], None]], Awaitable[None]]
"""Runs blocking work away from the event loop and raises what it raises."""

BOTH: Sequence[Side] = ("uplink", "downlink")
"""A stereo file: left is what the caller said, right is what the caller heard."""


def thread_writer(threads: int = 8) -> Writer:
    """Work in worker threads, `threads` at a time; one writer serves all recordings of a node.

    A cancelled caller does not wait: the work it started goes on alone, what was not started is dropped.
    So a disk that hangs costs those threads and the recordings, and no call is late in ending.
    """
    limiter = trio.CapacityLimiter(threads)

    async def run(work: Callable[[], None]) -> None:
        await trio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=limiter)

    return run


def prove_writable(folder: Path) -> None:
    """Make a file in the folder and remove it. Raises OSError: better before a call than in it."""
    with tempfile.TemporaryFile(dir=folder):
        pass


def record_wav(stream: RtpStream, path: Path, writer: Writer, sides: Sequence[Side] = BOTH) -> Recording:
    """Record a stream into a file, in its plane if that can do it, else by `writer`; the file is the same.

    It is readable by its owner only, made with the first frame, and valid at any moment. The recording raises
    `RecordError` if the file exists, if the disk does not take it, or if the sampling rate changes.
    """
    return stream.record(path, sides) or TapRecording(stream, WavSink(path, writer, sides))


@attrs.define(eq=False)
class WavSink:
    """A RecordSink that makes one file, readable by its owner only, with the first frame written.

    The file is valid after every `write`, also if the process dies. `write` raises `RecordError` if the file
    exists, if the disk does not take it, or if the sampling rate changes in mid-call.
    """

    path: Path
    _writer: Writer
    sides: Sequence[Side] = BOTH
    """What is kept, one channel each."""
    _file: _File = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._file = _File(self.path, self.sides)

    async def write(self, frames: Sequence[MediaFrame]) -> None:
        """Append a batch in one go of the writer. See `RecordSink.write`."""
        await self._writer(lambda: self._file.append(frames))

    async def aclose(self) -> None:
        """Close the file, once a write that was cancelled is through. Idempotent."""
        await self._writer(self._file.close)


@attrs.define(eq=False)
class _File:
    """The blocking half. Its lock is for a write that outlives its cancelled caller."""

    path: Path
    sides: Sequence[Side]
    _lock: threading.Lock = attrs.field(factory=threading.Lock)
    _file: FileIO | None = None
    _closed: bool = False
    _rate_hz: int = 0
    _first_tick: int = 0

    def append(self, frames: Sequence[MediaFrame]) -> None:
        with self._lock:
            try:
                for run in _runs(frames):
                    self._append_run(run)
            except OSError as error:
                raise RecordError(f"{self.path}: {error.strerror}") from error

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if self._file is not None:
                self._file.close()

    def _append_run(self, run: Sequence[MediaFrame]) -> None:
        if self._closed:
            return
        if self._file is None:
            self._file = open(self.path, "xb", buffering=0, opener=_private)  # noqa: SIM115 - close() does
            self._rate_hz, self._first_tick = run[0].rate_hz, run[0].tick
        if run[0].rate_hz != self._rate_hz:
            raise RecordError(f"{self.path}: the rate changed from {self._rate_hz} to {run[0].rate_hz} Hz")
        # The place of a frame follows from its tick: missing ones leave a hole, which reads as silence.
        channels = len(self.sides)
        start = (run[0].tick - self._first_tick) * (self._rate_hz * FRAME_MS // 1000) * 2 * channels
        data = _interleave(run, self.sides)
        if start + len(data) > MAX_DATA_BYTES:
            raise RecordError(f"{self.path}: a WAV file holds 4 GiB, and it is full")
        _write_at(self._file, HEADER_BYTES + start, data)
        _write_at(self._file, 0, wav_header(self._rate_hz, channels, start + len(data)))


def _runs(frames: Sequence[MediaFrame]) -> list[list[MediaFrame]]:
    """Split where a tick is missing or the rate changes."""
    runs = itertools.groupby(enumerate(frames), lambda pair: (pair[1].tick - pair[0], pair[1].rate_hz))
    return [[frame for _, frame in run] for _, run in runs]


def _interleave(frames: Sequence[MediaFrame], sides: Sequence[Side]) -> bytes:
    channels = [np.frombuffer(b"".join(getattr(frame, side) for frame in frames), np.int16) for side in sides]
    return np.stack(channels, axis=1).astype("<i2").tobytes()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _write_at(file: FileIO, offset: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        written = os.pwrite(file.fileno(), rest, offset)
        rest, offset = rest[written:], offset + written
