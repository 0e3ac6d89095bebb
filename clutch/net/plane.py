"""What every media plane offers to the legs: the Python twin and the driver of the native one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, Self

import trio

from actors.call.ports import MediaPort, MediaStream, Recording, Side
from clutch.media.params import Address, RtpParams

NO_PORT = "every RTP port is taken, or was a moment ago"
"""Why a plane opens no stream, other than errors of the network."""


class RtpStream(MediaStream, Protocol):
    """A `MediaStream` that signalling can describe and connect."""

    @property
    def local(self) -> Address:
        """Where this stream receives; what our SDP says."""

    def connect(self, params: RtpParams) -> None:
        """Start, or go on with other parameters after a re-INVITE.

        With the same codec and rate all audio is kept; with another, what waits is dropped; with another
        remote the peer's real address is learnt anew. Raises `UnsupportedCodec` or `UnsupportedSuite`, and
        then changes nothing.
        """

    def bridge(self, other: Self) -> None:
        """What either stream accepts leaves through the other at once, undecoded (native/src/bridge.h).

        Both keep their numbers, events, timeout, statistics and reports. A tap hears both sides as ever; what
        is queued by `send` or `send_dtmf` is sent instead of the packets while there is any. A bridge that
        one of them has ends. It ends as well when one is closed, connected with another codec, or joins a
        room. Raises `CannotBridge`, and then changes nothing, unless both are connected with one codec, of
        one plane, and in no room.
        """

    def unbridge(self) -> None:
        """Both streams send for themselves again, within 120 ms: as soon as what they received before
        the end can be played without a gap. Nothing if there is no bridge."""

    def record(self, path: Path, sides: Sequence[Side]) -> Recording | None:
        """Begin a recording that costs Python nothing per frame, one at a time; None if this plane has no
        such thing: tap the stream. Raises `RecordError` if the recording cannot begin."""


class Room(Protocol):
    """Streams that hear one another: each hears all the others, never itself (native/src/mixer.h).

    Whatever their codecs and rates are. What is queued for a stream by `send` is heard by that one alone, on
    top of the others; taps and recordings have what it says as uplink and all that it hears as downlink. A
    stream is in one room at a time, and leaves it when it is closed. Changes are heard from the next tick on.

    Everything raises `RoomError`, and then changes nothing, if the room is closed, the stream is not in it,
    or the plane cannot do it now. Decibels are of amplitude, from -24 to 24; ValueError for others.
    """

    def join(
        self,
        stream: RtpStream,
        *,
        gain_db: float = 0.0,
        muted: bool = False,
        whisper_to: RtpStream | None = None,
    ) -> None:
        """Let an open stream of the plane in, out of the room where it was. It may not be in this one yet."""

    def leave(self, stream: RtpStream) -> None:
        """Let it out: it hears only what is queued for it. What was whispered to it is heard by nobody.

        Nothing if it is not here.
        """

    def set_gain(self, stream: RtpStream, gain_db: float) -> None:
        """How much louder the others hear it."""

    def mute(self, stream: RtpStream, *, on: bool = True) -> None:
        """Nobody hears it; it hears all the others."""

    def whisper_to(self, stream: RtpStream, ear: RtpStream | None) -> None:
        """Only `ear`, in the same room, hears it; None: everybody again. It hears all the others."""

    def duck(self, stream: RtpStream, by_db: float) -> None:
        """How much more quietly it hears the others while something is audible that is for it alone: queued
        by `send`, or whispered."""

    def close(self) -> None:
        """Let everybody out. Idempotent, never raises."""


class MediaPlane(MediaPort[RtpStream], Protocol):
    """A plane: the streams of many calls, paced together."""

    @property
    def codecs(self) -> frozenset[str]:
        """Values of `Codec.name` that streams can be connected with."""

    @property
    def suites(self) -> frozenset[str]:
        """Names of `clutch.wire.srtp.SUITES` that streams can be connected with."""

    @property
    def backend(self) -> str:
        """What carries the packets, and what it got of the machine; for people."""

    @property
    def ports_in_use(self) -> int:
        """Local ports that streams have."""

    @property
    def dropped(self) -> Mapping[str, int]:
        """What this side was too slow for since the plane runs: tapped ``frames``, ``events``, and
        ``packets`` that the kernel did not take."""

    def open_room(self) -> Room:
        """A room for streams of this plane. Raises `RoomError` if there is one for every port already, and
        RuntimeError while the plane does not run."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve streams until cancelled; `open` works from the start report on. Closes what is left open."""
