"""Rooms of the native plane: the mixing is done in C."""

from __future__ import annotations

from collections.abc import Callable

import attrs

import native
from clutch.media.mixer import MixParams
from clutch.net.errors import RoomError
from clutch.net.plane import RtpStream


@attrs.define(eq=False)
class NativeRoomCore:
    """`RoomCore` of a native plane. `find` gives the C side of a stream, or raises `RoomError`."""

    _room: native.Room
    _find: Callable[[RtpStream], native.Stream]

    def join(self, stream: RtpStream, params: MixParams, ear: RtpStream | None) -> None:
        """See `RoomCore.join`."""
        self._do(self._room.join, stream, params, ear)

    def set(self, stream: RtpStream, params: MixParams, ear: RtpStream | None) -> None:
        """See `RoomCore.set`."""
        self._do(self._room.set, stream, params, ear)

    def leave(self, stream: RtpStream) -> None:
        """See `RoomCore.leave`."""
        try:
            self._room.leave(self._find(stream))
        except native.MediaError as error:
            raise RoomError(str(error)) from error

    def close(self) -> None:
        """See `RoomCore.close`."""
        self._room.close()

    def _do(
        self,
        what: Callable[[native.Stream, native.MixParams, native.Stream | None], None],
        stream: RtpStream,
        params: MixParams,
        ear: RtpStream | None,
    ) -> None:
        there = None if ear is None else self._find(ear)
        try:
            what(self._find(stream), native.MixParams(*attrs.astuple(params)), there)
        except native.MediaError as error:
            raise RoomError(str(error)) from error
