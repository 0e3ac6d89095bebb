"""Who speaks to the caller: one writer of a call's downlink at a time, or several that are mixed.

A writer has a lease. While it is held a second writer is refused, or, if the call can mix, heard as well.
Nothing else writes to the stream, so no writer can cut off or garble another.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol, Self, TypeAlias

import attrs
import trio

from actors.call.errors import DownlinkTaken
from actors.call.ports import FRAME_MS, MediaStream

AHEAD_MS = 100
"""How far speech may run ahead of the caller's ear: the plane's queue stays short, so a barge-in is quick."""
LEAD_MS = 2 * FRAME_MS
"""How much mixed audio waits in the stream: what is in it already, a second writer cannot join."""
ROOM_MS = 1000
"""How much of a writer's audio waits to be mixed; what is more is not taken."""

Mix: TypeAlias = Callable[[Sequence[bytes]], bytes]
"""Adds frames of PCM, all of one length, sample by sample; clips what is too loud."""


class Speaker(enum.Enum):
    """What a writer of the downlink is. The value is the name in logs, errors and the API."""

    AGENT = "agent"
    APP = "app"
    ANNOUNCEMENT = "announcement"


class _Sink(Protocol):
    """Where a lease leads: the stream itself, or a queue that is mixed into it."""

    @property
    def queued_ms(self) -> int: ...
    def send(self, pcm: bytes) -> int: ...
    def clear(self) -> None: ...


@attrs.define(eq=False)
class Lease:
    """The right to speak, from `Downlink.lease` or `turn` until `release`. After that nothing is taken.

    A context manager: leaving the block releases, and if it is left by an exception clears as well.
    """

    speaker: Speaker
    _stream: MediaStream
    _sink: _Sink | None
    _released: Callable[[Lease], None]

    @property
    def held(self) -> bool:
        """False once released."""
        return self._sink is not None

    @property
    def queued_ms(self) -> int:
        """Audio accepted and not yet sent; 0 once released."""
        return self._sink.queued_ms if self._sink is not None else 0

    def send(self, pcm: bytes) -> int:
        """Queue PCM at the stream's rate. Returns how many bytes were taken; the rest did not fit."""
        return self._sink.send(pcm) if self._sink is not None else 0

    async def say(self, pcm: bytes) -> None:
        """Queue all of it, waiting while more than `AHEAD_MS` is ahead of the caller's ear.

        Returns early when nothing is taken: the lease was released, or the stream closed.
        """
        await trio.lowlevel.checkpoint()
        while pcm:
            if (ahead := self.queued_ms - AHEAD_MS) > 0:
                await trio.sleep(ahead / 1000)
                continue
            # One slice at a time, so that the queue never holds much more than AHEAD_MS.
            slice_ = pcm[: self._stream.rate_hz // 50 * 2]
            if self.send(slice_) < len(slice_):
                return
            pcm = pcm[len(slice_) :]

    def clear(self) -> None:
        """Be silent: forget what waits to be sent.

        Of a stream with one writer at a time that is everything, also what an earlier writer left; of one
        that is mixed it is this writer's own, and at most `LEAD_MS` of it is still heard.
        """
        if self._sink is not None:
            self._sink.clear()

    def release(self) -> None:
        """Let others speak, after what was said and not cleared. Idempotent, never blocks, never raises."""
        if self._sink is not None:
            self._sink = None
            self._released(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.clear()
        self.release()


@attrs.define(eq=False)
class _Turn:
    speaker: Speaker
    come: trio.Event = attrs.field(factory=trio.Event)
    lease: Lease | None = None


@attrs.define(eq=False)
class Downlink:
    """Lends the downlink of one call. Every method may be called from any Trio task."""

    _stream: MediaStream
    _mix: Mix | None = None
    """None: one writer at a time."""
    _holders: list[Lease] = attrs.field(factory=list)
    _waiting: deque[_Turn] = attrs.field(factory=deque)
    _queues: dict[Lease, _Queue] = attrs.field(factory=dict)
    """Of writers that are mixed, also what released ones left."""

    @property
    def speakers(self) -> list[Speaker]:
        """Who holds a lease, longest first."""
        return [lease.speaker for lease in self._holders]

    @property
    def mixes(self) -> bool:
        """Whether several may speak at once; then `run` must run."""
        return self._mix is not None

    def lease(self, speaker: Speaker) -> Lease:
        """Take the downlink now. Raises `DownlinkTaken` if another speaks, and several may not."""
        if self._holders and not self.mixes:
            raise DownlinkTaken(self._holders[0].speaker.value)
        queue = _Queue(self._stream, self._fill)
        lease = Lease(speaker, self._stream, queue if self.mixes else self._stream, self._release)
        self._holders.append(lease)
        if self.mixes:
            self._queues[lease] = queue
        return lease

    async def turn(self, speaker: Speaker) -> Lease:
        """Take the downlink as soon as it is free; those who wait come first, in their order."""
        await trio.lowlevel.checkpoint()
        if not self._holders or self.mixes:
            return self.lease(speaker)
        turn = _Turn(speaker)
        self._waiting.append(turn)
        try:
            await turn.come.wait()
        except BaseException:
            if turn.lease is None:
                self._waiting.remove(turn)
            else:
                turn.lease.release()
            raise
        assert turn.lease is not None
        return turn.lease

    def _release(self, lease: Lease) -> None:
        self._holders.remove(lease)
        if self._waiting and not self._holders:
            turn = self._waiting.popleft()
            turn.lease = self.lease(turn.speaker)
            turn.come.set()

    async def run(self) -> None:
        """Mix, tick by tick, until the stream closes; returns at once if only one may speak at a time."""
        if not self.mixes:
            return
        with self._stream.tap() as ticks:
            while True:
                try:
                    await ticks.receive()
                except trio.EndOfChannel:
                    return
                self._fill()
                for queue in self._queues.values():
                    queue.waited = True

    def _fill(self) -> None:
        """Mix what there is until the stream has its lead."""
        assert self._mix is not None
        while self._stream.queued_ms < LEAD_MS:
            frames = [frame for queue in self._queues.values() if (frame := queue.take())]
            if not frames or not self._stream.send(self._mix(frames)):
                break
        for lease in [lease for lease, queue in self._queues.items() if not lease.held and queue.empty]:
            del self._queues[lease]


@attrs.define(eq=False)
class _Queue:
    """What one of several writers said and is not mixed yet."""

    _stream: MediaStream
    _grown: Callable[[], None]
    waited: bool = False
    """Nothing came for a tick, so that what is less than a frame is the end of something."""
    _pcm: bytearray = attrs.field(factory=bytearray)
    _rate_hz: int = 0

    @property
    def empty(self) -> bool:
        return not self._pcm

    @property
    def queued_ms(self) -> int:
        mixed = self._stream.queued_ms  # it may be ours as well
        return mixed + (0 if self.empty else len(self._pcm) * 1000 // (2 * self._rate_hz))

    def send(self, pcm: bytes) -> int:
        if self._stream.rate_hz != self._rate_hz:  # as the stream does with another codec
            self.clear()
            self._rate_hz = self._stream.rate_hz
        room = self._rate_hz * ROOM_MS // 1000 * 2 - len(self._pcm)
        taken = pcm[:room]
        self._pcm += taken
        self.waited = False
        self._grown()
        return len(taken)

    def take(self) -> bytes:
        """A frame of it, empty if there is none."""
        size = self._stream.rate_hz * FRAME_MS // 1000 * 2
        if self._rate_hz != self._stream.rate_hz:
            self.clear()
        if len(self._pcm) < size and not self.waited:
            return b""
        frame = bytes(self._pcm[:size])
        del self._pcm[:size]
        return frame.ljust(size, b"\0") if frame else b""

    def clear(self) -> None:
        self._pcm.clear()
