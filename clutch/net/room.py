"""Rooms of a media plane: who is where, and how each takes part. The mixing is the plane's own business."""

from __future__ import annotations

import math
from typing import Protocol

import attrs

from clutch.media.mixer import MixParams
from clutch.net.errors import RoomError
from clutch.net.plane import RtpStream

LOUDEST_DB = 24.0
"""Gains beyond this, either way, are mistakes; `mute` is for silence."""


class RoomCore(Protocol):
    """The part of a room that each plane has of its own. `ear` is who hears a stream that whispers.

    Everything raises `RoomError`, and then nothing has happened, for a stream that is not an open one of the
    plane, or if the plane cannot do it now.
    """

    def join(self, stream: RtpStream, params: MixParams, ear: RtpStream | None) -> None:
        """Let a stream in, out of the room where it was."""

    def set(self, stream: RtpStream, params: MixParams, ear: RtpStream | None) -> None:
        """Have it take part in another way."""

    def leave(self, stream: RtpStream) -> None:
        """Let it out."""

    def close(self) -> None:
        """Let everybody out and be gone. Never raises."""


@attrs.frozen
class _Seat:
    room: MixRoom
    params: MixParams
    ear: RtpStream | None = None


@attrs.define(eq=False)
class Rooms:
    """The rooms of one plane."""

    _seats: dict[RtpStream, _Seat] = attrs.field(init=False, factory=dict)
    _open: dict[MixRoom, None] = attrs.field(init=False, factory=dict)

    def open(self, core: RoomCore) -> MixRoom:
        """One more room."""
        room = MixRoom(self, core)
        self._open[room] = None
        return room

    def forget(self, stream: RtpStream) -> None:
        """A stream is out of the room where it was, if it was in any."""
        if self._seats.pop(stream, None) is not None:
            for other, seat in self._seats.items():
                if seat.ear is stream:
                    self._seats[other] = attrs.evolve(seat, ear=None)

    def close(self) -> None:
        """Close every room."""
        for room in list(self._open):
            room.close()


@attrs.define(eq=False)
class MixRoom:
    """`Room` of either plane."""

    _rooms: Rooms = attrs.field(repr=False)
    _core: RoomCore = attrs.field(repr=False)
    _closed: bool = attrs.field(init=False, default=False)

    def join(
        self,
        stream: RtpStream,
        *,
        gain_db: float = 0.0,
        muted: bool = False,
        whisper_to: RtpStream | None = None,
    ) -> None:
        """See `Room.join`."""
        if self._closed:
            raise RoomError("the room is closed")
        if whisper_to is not None:
            self._seat_of(whisper_to)
        params = MixParams(_factor(gain_db), muted=muted, whispers=whisper_to is not None)
        seat = self._rooms._seats.get(stream)
        if seat is not None and seat.room is self:
            raise RoomError("the stream is in this room already")
        self._core.join(stream, params, whisper_to)
        self._rooms.forget(stream)
        self._rooms._seats[stream] = _Seat(self, params, whisper_to)

    def leave(self, stream: RtpStream) -> None:
        """See `Room.leave`."""
        seat = self._rooms._seats.get(stream)
        if seat is not None and seat.room is self:
            self._core.leave(stream)
            self._rooms.forget(stream)

    def set_gain(self, stream: RtpStream, gain_db: float) -> None:
        """See `Room.set_gain`."""
        self._set(stream, attrs.evolve(self._seat_of(stream).params, gain=_factor(gain_db)))

    def mute(self, stream: RtpStream, *, on: bool = True) -> None:
        """See `Room.mute`."""
        self._set(stream, attrs.evolve(self._seat_of(stream).params, muted=on))

    def duck(self, stream: RtpStream, by_db: float) -> None:
        """See `Room.duck`."""
        self._set(stream, attrs.evolve(self._seat_of(stream).params, duck=_factor(-by_db)))

    def whisper_to(self, stream: RtpStream, ear: RtpStream | None) -> None:
        """See `Room.whisper_to`."""
        if ear is stream:
            raise RoomError("nobody whispers to itself")
        if ear is not None:
            self._seat_of(ear)
        params = attrs.evolve(self._seat_of(stream).params, whispers=ear is not None)
        self._core.set(stream, params, ear)
        self._rooms._seats[stream] = _Seat(self, params, ear)

    def close(self) -> None:
        """See `Room.close`."""
        if not self._closed:
            self._closed = True
            del self._rooms._open[self]
            for stream in [stream for stream, seat in self._rooms._seats.items() if seat.room is self]:
                del self._rooms._seats[stream]
            self._core.close()

    def _seat_of(self, stream: RtpStream) -> _Seat:
        seat = self._rooms._seats.get(stream)
        if seat is None or seat.room is not self:
            raise RoomError("the stream is not in this room")
        return seat

    def _set(self, stream: RtpStream, params: MixParams) -> None:
        seat = self._seat_of(stream)
        self._core.set(stream, params, seat.ear)
        self._rooms._seats[stream] = attrs.evolve(seat, params=params)


def _factor(gain_db: float) -> float:
    if not abs(gain_db) <= LOUDEST_DB:
        raise ValueError(f"a gain is from {-LOUDEST_DB} to {LOUDEST_DB} dB, not {gain_db}")
    return math.pow(10, gain_db / 20)
