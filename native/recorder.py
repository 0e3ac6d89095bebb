"""Recordings in C: from the reactor to WAV files by a writer thread, without a line of Python per frame."""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, NamedTuple

from native.errors import MediaError, check
from native.library import load

if TYPE_CHECKING:
    from native import _native


class RecordingNews(NamedTuple):
    """What became of a recording."""

    recording: int
    """Its id."""
    error: str
    """Why it cannot go on; empty if it did not fail. What was written until then is a valid file."""
    lost: int
    """With the last news: frames that are silence, because the disk was too slow."""
    over: bool
    """The last news: the file is closed."""


class Recording:
    """One file on its way, made by `Recorder.open`.

    Give it to `Stream.record`, or be its producer yourself: `put` and `end` are for what has no plane.
    """

    def __init__(self, recording: _native.Recording) -> None:
        self._ffi, self._lib = load()
        self._recording = recording
        self.id = self._lib.recording_id(recording)
        """Identity in the news."""

    def put(self, tick: int, rate_hz: int, uplink: bytes, downlink: bytes) -> bool:
        """Append 20 ms of both sides; ticks may be missing, never come back. False if there is no room.

        Raises ValueError for a rate above 48 kHz or sides of another length.
        """
        if not 0 < rate_hz <= 48_000 or not len(uplink) == len(downlink) == rate_hz // 50 * 2:
            raise ValueError(f"{len(uplink)} and {len(downlink)} bytes are not 20 ms at {rate_hz} Hz")
        return self._lib.recording_put(self._recording, tick, rate_hz, uplink, downlink)

    def end(self, tick: int) -> None:
        """Nothing more comes. `tick` is the first that is not in the recording. To be called once."""
        self._lib.recording_end(self._recording, tick)


class Recorder:
    """The writer thread of all recordings of one `Plane`. Every method is for that plane's Python thread.

    Raises `MediaError` if there is no native library, memory or thread. Close it after the plane.
    """

    def __init__(self) -> None:
        self._ffi, self._lib = load()
        made = self._ffi.new("struct recorder **")
        check(self._lib.recorder_open(made), "start the writer of recordings")
        self._recorder = made[0]
        self._closed = False
        self.wake_fd = self._lib.recorder_wake_fd(self._recorder)
        """Readable when there is news; belongs to the recorder."""

    def open(self, path: str | os.PathLike[str], sides: Collection[str]) -> Recording:
        """Prepare a recording of ``uplink`` (left, or alone), ``downlink``, or both.

        The file is made with the first frame, readable by its owner only; it is valid at any moment. Raises
        `MediaError`: EAGAIN if there are too many, EINVAL without a side, EBADF once closed, ENOMEM.
        """
        self._check_open()
        lib = self._lib
        bits = lib.RECORD_UPLINK * ("uplink" in sides) | lib.RECORD_DOWNLINK * ("downlink" in sides)
        made = self._ffi.new("struct recording **")
        check(lib.recording_open(self._recorder, os.fsencode(path), bits, made), f"record to {path}")
        return Recording(made[0])

    def discard(self, recording: Recording) -> None:
        """Forget a recording that no producer was ever given."""
        self._lib.recording_discard(recording._recording)

    def news(self) -> Iterator[RecordingNews]:
        """All that waits, oldest first. A recording fails at most once, and is over once it was ended.

        Raises `MediaError` (EBADF) once closed.
        """
        self._check_open()
        news = self._ffi.new("struct recording_news *")
        while self._lib.recorder_next(self._recorder, news):
            yield RecordingNews(news.recording, _reason(news), news.lost, news.over)

    def _check_open(self) -> None:
        if self._closed:
            raise MediaError(errno.EBADF, "the recorder is closed")

    def close(self) -> None:
        """Write what is left, close every file, free everything. Idempotent.

        Waits for the disk, a second at most. Raises `MediaError` (ETIMEDOUT) if it hangs for longer: what it
        has not taken is written when it is back, if the process still lives then.
        """
        if not self._closed:
            self._closed = True
            error = self._lib.recorder_close(self._recorder)
            check(error, "write the end of the recordings")


def _reason(news: _native.RecordingNews) -> str:
    if news.new_hz:
        return f"the rate changed from {news.rate_hz} to {news.new_hz} Hz"
    if news.error == errno.EOVERFLOW:
        return "a WAV file holds 4 GiB, and it is full"
    return os.strerror(news.error) if news.error else ""
