"""Recordings in the C media plane, as Trio tasks see them: a beginning, an end, and the news in between."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import attrs
import trio

import native
from actors.call.errors import RecordError
from actors.call.ports import Side


@attrs.define(eq=False)
class NativeRecording:
    """`Recording` of a stream in C."""

    _path: Path
    _stream: native.Stream = attrs.field(repr=False)
    _told: trio.Event = attrs.field(init=False, factory=trio.Event, repr=False)
    _error: str = attrs.field(init=False, default="")
    _lost: int = attrs.field(init=False, default=0)

    async def run(self) -> int:
        """See `Recording.run`."""
        await self._told.wait()
        if self._error:
            raise RecordError(f"{self._path}: {self._error}")
        return self._lost

    def finish(self) -> None:
        """See `Recording.finish`."""
        self._stream.stop_recording()

    async def aclose(self) -> None:
        """See `Recording.aclose`. The file is closed as soon as the disk allows."""
        self.finish()
        await trio.lowlevel.checkpoint()

    def _tell(self, error: str, lost: int = 0) -> None:
        if not self._told.is_set():
            self._error, self._lost = error, lost
            self._told.set()


@attrs.define(eq=False)
class Recordings:
    """All recordings of one plane. To be closed after it."""

    _recorder: native.Recorder = attrs.field(init=False, factory=native.Recorder, repr=False)
    _open: dict[int, NativeRecording] = attrs.field(init=False, factory=dict)

    def begin(self, stream: native.Stream, path: Path, sides: Sequence[Side]) -> NativeRecording:
        """See `RtpStream.record`. That of a closed stream is over at once, without a file."""
        made = NativeRecording(path, stream)
        try:
            recording = self._recorder.open(path, sides)
            try:
                stream.record(recording)
            except native.MediaError:
                self._recorder.discard(recording)
                raise
        except native.MediaError as error:
            if error.errno != errno.ENOTCONN:
                raise RecordError(f"{path}: {error.strerror}") from error
            made._tell("")
        else:
            self._open[recording.id] = made
        return made

    async def run(self) -> None:
        """Hand out the news until cancelled."""
        while True:
            await trio.lowlevel.wait_readable(self._recorder.wake_fd)
            for news in self._recorder.news():
                self._open[news.recording]._tell(news.error, news.lost)
                if news.over:
                    del self._open[news.recording]

    def close(self) -> None:
        """Write what is left. A disk that still hangs is not waited for: who recorded has been told so."""
        with suppress(native.MediaError):
            self._recorder.close()
        for recording in self._open.values():
            recording._tell("the media plane has stopped")
