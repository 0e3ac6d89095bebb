"""What every media plane offers to the legs: the Python twin and the driver of the native one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import trio

from actors.call.ports import MediaPort, MediaStream, Recording, Side
from clutch.media.params import Address, RtpParams


class RtpStream(MediaStream, Protocol):
    """A `MediaStream` that signalling can describe and connect."""

    @property
    def local(self) -> Address:
        """Where this stream receives; what our SDP says."""

    def connect(self, params: RtpParams) -> None:
        """Start, or go on with other parameters after a re-INVITE.

        With the same codec and rate all audio is kept; with another, what waits is dropped; with another
        remote the peer's real address is learnt anew. Raises `UnsupportedCodec`, and then changes nothing.
        """

    def record(self, path: Path, sides: Sequence[Side]) -> Recording | None:
        """Begin a recording that costs Python nothing per frame, one at a time; None if this plane has no
        such thing: tap the stream. Raises `RecordError` if the recording cannot begin."""


class MediaPlane(MediaPort[RtpStream], Protocol):
    """A plane: the streams of many calls, paced together."""

    @property
    def codecs(self) -> frozenset[str]:
        """Values of `Codec.name` that streams can be connected with."""

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

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve streams until cancelled; `open` works from the start report on. Closes what is left open."""
