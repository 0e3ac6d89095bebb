"""Rooms of the C media plane: streams that hear one another."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from native.errors import MediaError, check
from native.library import load
from native.mixer import MixParams, write_mix

if TYPE_CHECKING:
    from native._native import Leg
    from native._native import MixParams as CMixParams
    from native._native import Room as CRoom
    from native.plane import Stream

    Seat: TypeAlias = Callable[[CRoom, Leg, CMixParams, Leg], int]


class Room:
    """Made by `Plane.open_room`, and closed with it. Every method is for the plane's Python thread.

    A stream takes part until it leaves, joins another room, or is closed. Raises `MediaError`, and then
    nothing has happened: EINVAL for what is closed, a stream in the wrong room for what is asked, or an ear
    that is not here; EAGAIN; ENOMEM.
    """

    def __init__(self, room: CRoom, on_close: Callable[[Room], None]) -> None:
        self._ffi, self._lib = load()
        self._room = room
        self._on_close = on_close
        self._closed = False

    def join(self, stream: Stream, params: MixParams, ear: Stream | None = None) -> None:
        """Let a stream in, at its gain at once; if it whispers, into that ear."""
        self._seat(self._lib.room_join, stream, params, ear)

    def set(self, stream: Stream, params: MixParams, ear: Stream | None = None) -> None:
        """Have it take part in another way."""
        self._seat(self._lib.room_set, stream, params, ear)

    def leave(self, stream: Stream) -> None:
        """Let it out. Nothing if it is not here."""
        if stream._leg is not None and not self._closed:
            check(self._lib.room_leave(self._room, stream._leg), "leave a room")

    def close(self) -> None:
        """Let everybody out and be gone. Idempotent, never fails."""
        if not self._closed:
            self._closed = True
            self._lib.room_close(self._room)
            self._on_close(self)

    def _seat(self, do: Seat, stream: Stream, params: MixParams, ear: Stream | None) -> None:
        there = self._ffi.NULL if ear is None else ear._leg
        if self._closed or stream._leg is None or there is None:
            raise MediaError(errno.EINVAL, "take part in a room: the room or a stream is closed")
        result = do(self._room, stream._leg, write_mix(params, self._ffi), there)
        check(result, "take part in a room")
