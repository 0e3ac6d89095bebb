"""A track that is read: frames in order, with what is missing between them, through every reconnect."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import TracebackType
from typing import Self

import attrs
import trio

from clutch.client.errors import TrackRefused, VoiceError
from clutch.client.names import track_path
from clutch.client.order import Order
from clutch.client.values import Frame
from clutch.wire.loc import EMPTY_BLOCK
from clutch.wire.moqt.names import FullTrackName


@attrs.define(eq=False)
class Subscription:
    """One track. An async iterator of frames for one reader at a time, and a context manager that closes it.

    The iteration ends when the track has ended, or this side closes it or its `Voice`. It raises
    `TrackRefused` if the node does not let us have the track, and `ConnectionRefused` if it does not let us
    in. A track that nobody publishes yet is waited for. Whoever reads too slowly loses the oldest frames,
    and the next one says how many.
    """

    name: FullTrackName
    order: Order = attrs.field(repr=False)
    """What has come and was not read yet."""
    _leave: Callable[[Subscription], None] = attrs.field(repr=False)
    """Called once, when this side closes it."""
    was_found: bool = False
    """By a search: it is not asked for, but offered."""
    past_groups: int | None = None
    """With how many groups before the present one to begin; None: with what comes next."""
    capability: str = attrs.field(init=False, default="")
    """What the publisher says of the track, once it is there and has said it: ``voice/opus``."""
    established: trio.Event = attrs.field(init=False, factory=trio.Event, repr=False)
    """Set once the track has a publisher, for the first time."""
    bad: int = attrs.field(init=False, default=0)
    """Objects that could not be read."""
    _block: bool | None = attrs.field(init=False, default=None)
    """Payloads begin with a block of private properties; not known before the first."""
    _failure: VoiceError | None = attrs.field(init=False, default=None)
    _over: bool = attrs.field(init=False, default=False)
    _closed: bool = attrs.field(init=False, default=False)
    _reader: trio.lowlevel.ParkingLot = attrs.field(init=False, factory=trio.lowlevel.ParkingLot, repr=False)

    def __aiter__(self) -> Subscription:
        """Iterate over frames."""
        return self

    async def __anext__(self) -> Frame:
        """The next frame. If cancelled, none is lost."""
        await trio.lowlevel.checkpoint()
        while True:
            frame = self.order.take(trio.current_time(), flush=self._over)
            if frame is not None:
                return frame
            if self._over:
                if self._failure is not None:
                    raise self._failure
                raise StopAsyncIteration
            if self._reader:
                raise trio.BusyResourceError("another task is reading this track")
            deadline = self.order.deadline()
            with trio.move_on_at(math.inf if deadline is None else deadline):
                await self._reader.park()

    def __enter__(self) -> Self:
        """Leaving the block closes it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self._over

    def close(self) -> None:
        """Tell the node that we want it no more; what was not read is forgotten. Idempotent."""
        if not self._closed:
            self._closed = True
            self.order.clear()
            self._leave(self)
            self.end()

    def establish(self, capability: str) -> None:
        """For the connection: the track has a publisher."""
        self.capability = capability or self.capability
        self.established.set()

    def rejoin(self) -> None:
        """For the connection: what comes next begins anew, after a gap."""
        self.order.rejoin()

    def hold(self, on: bool) -> None:
        """For the connection: older objects are on their way."""
        self.order.hold(on)
        self._reader.unpark()

    def has_block(self, payload: bytes) -> bool:
        """For the connection: whether payloads begin with a block of private properties, as LOC has it.

        The first one tells, of audio: an Opus packet that begins like an empty block is rare.
        """
        if self._block is None:
            self._block = bool(self.order.frame_ms) and payload.startswith(EMPTY_BLOCK)
        return self._block

    def arrived(self, group: int, number: int, frame: Frame) -> None:
        """For the connection: an object came."""
        if not self._over and self.order.put(group, number, frame, trio.current_time()):
            self._reader.unpark()

    def group_ended(self, group: int) -> None:
        """For the connection: nothing more will come of this group."""
        self.order.end(group)
        self._reader.unpark()

    def end(self, failure: VoiceError | None = None) -> None:
        """For the connection: nothing more will come; the reader still gets what is there. Idempotent."""
        if not self._over:
            self._over, self._failure = True, failure
            self.established.set()
            self._reader.unpark_all()

    def refuse(self, code: int, reason: str) -> None:
        """For the connection: the node said no, for good."""
        self.end(TrackRefused(track_path(self.name), code, reason))
