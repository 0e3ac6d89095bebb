"""Rooms of the Python plane."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import attrs
import numpy as np

from clutch.media.mixer import Member, Mixer, MixParams
from clutch.media.stream import Played
from clutch.net.plane import RtpStream


class Seated(Protocol):
    """A stream whose ticks are the room's."""

    in_room: bool
    """Set by the room."""

    def unbridge(self) -> None:
        """See `RtpStream.unbridge`."""

    def play(self, now_us: int) -> Played | None:
        """The first half of a tick; None if it is not connected."""

    def emit(self, played: Played, pcm: bytes, now_us: int) -> None:
        """The other half."""


@attrs.define(eq=False)
class TwinRoomCore:
    """`RoomCore` of a Python plane. `find` gives a stream's own side, or raises `RoomError`."""

    _find: Callable[[RtpStream], Seated]
    _rooms: list[TwinRoomCore]
    """All that the plane ticks."""
    _mixer: Mixer = attrs.field(init=False, factory=Mixer)
    _members: dict[Seated, Member] = attrs.field(init=False, factory=dict)

    def join(self, stream: RtpStream, params: MixParams, ear: RtpStream | None) -> None:
        """See `RoomCore.join`."""
        seated, there = self._find(stream), None if ear is None else self._members[self._find(ear)]
        for room in self._rooms:
            room.forget(seated)
        seated.unbridge()
        seated.in_room = True
        self._members[seated] = member = self._mixer.join(params)
        member.ear = there

    def set(self, stream: RtpStream, params: MixParams, ear: RtpStream | None) -> None:
        """See `RoomCore.set`."""
        member = self._members[self._find(stream)]
        member.params = params
        member.ear = None if ear is None else self._members[self._find(ear)]

    def leave(self, stream: RtpStream) -> None:
        """See `RoomCore.leave`."""
        self.forget(self._find(stream))

    def close(self) -> None:
        """See `RoomCore.close`."""
        for stream in list(self._members):
            self.forget(stream)
        self._rooms.remove(self)

    def forget(self, stream: Seated) -> None:
        """A stream has been closed, or leaves. Nothing if it is not here."""
        member = self._members.pop(stream, None)
        if member is not None:
            self._mixer.leave(member)
            stream.in_room = False

    def tick(self, now_us: int) -> None:
        """20 ms of everybody."""
        played = {stream: stream.play(now_us) for stream in self._members}
        for stream, half in played.items():
            member = self._members[stream]
            member.uplink = None
            if half is not None and len(half.uplink) > 0:  # none while the stream is bridged
                member.uplink = half.uplink
                member.downlink = np.zeros_like(half.uplink)
                queued = np.frombuffer(half.queued, np.int16)
                member.downlink[: len(queued)] = queued
        self._mixer.mix()
        for stream, half in played.items():
            member = self._members[stream]
            if half is not None:
                mixed = half.queued if member.uplink is None else member.downlink.tobytes()
                stream.emit(half, mixed, now_us)
