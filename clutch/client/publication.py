"""A track that is written, through every reconnect: which objects make a group, and what is kept of them."""

from __future__ import annotations

import enum
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

import attrs
import trio

from clutch.client.errors import PublicationClosed, TrackRefused, VoiceError
from clutch.client.names import track_path
from clutch.client.output import Output
from clutch.client.pace import Pacer
from clutch.client.values import Frame
from clutch.wire.loc import timestamped
from clutch.wire.moqt.data import Object
from clutch.wire.moqt.names import FullTrackName, Location
from clutch.wire.moqt.properties import NONE, Properties
from clutch.wire.msf import CAPABILITY_PROPERTY

LEAD_S = 0.1
"""How far ahead of real time `Publication.send` lets audio be: so little that an interruption is heard."""
MAX_RELIABLE_BYTES = 64 << 10
"""The longest object of a reliable track."""


class Lane(enum.Enum):
    """How objects travel."""

    ALONE = "alone"
    """Each is a group and a stream: what is lost delays nothing else."""
    DATAGRAM = "datagram"
    """Each is a group, and is sent once."""
    GROUP = "group"
    """In order, on one stream for each group."""


@attrs.frozen
class Kind:
    """What is right for a kind of track."""

    name: str
    lane: Lane
    priority: int
    """Of its objects, unless each says its own: 0 is sent first, 255 last."""
    group_objects: int = 0
    """A new group begins after so many; 0: with a keyframe."""
    kept_groups: int = 0
    """So many are sent again to whoever comes, or comes back."""
    reliable: bool = False
    """Nothing is dropped: `Publication.send` waits."""


AUDIO = Kind("audio", Lane.ALONE, 64)
FRAME = Kind("frame", Lane.ALONE, 128)
FRAME_DATAGRAM = Kind("frame", Lane.DATAGRAM, 128)
VIDEO = Kind("video", Lane.GROUP, 160)
TEXT = Kind("text", Lane.GROUP, 96, group_objects=64, kept_groups=2, reliable=True)
CATALOG = Kind("catalog", Lane.GROUP, 32, group_objects=1, kept_groups=1)


def unix_us() -> int:
    """Microseconds since the Unix epoch."""
    return time.time_ns() // 1000


@attrs.define(eq=False)
class Publication:
    """One track; a context manager that ends it.

    Groups are numbered on from the milliseconds since the Unix epoch, so that whoever publishes the track
    after us has higher numbers.
    """

    name: FullTrackName
    kind: Kind
    capability: str
    """What it is, as ``voice/opus``; may be empty."""
    _connected: Callable[[], bool] = attrs.field(repr=False)
    """Whether there is a connection."""
    frame_ms: int = 0
    """How long an object lasts, of audio."""
    _leave: Callable[[Publication], None] = attrs.field(default=lambda publication: None, repr=False)
    """Called once, when this side closes it."""
    _now_us: Callable[[], int] = attrs.field(default=unix_us, repr=False)
    dropped: int = attrs.field(init=False, default=0)
    """Objects that were lost here: there was no connection, or it did not take them in time."""
    established: trio.Event = attrs.field(init=False, factory=trio.Event, repr=False)
    """Set once the node has agreed to it, for the first time."""
    outputs: list[Output] = attrs.field(init=False, factory=list)
    """For the connection: who has asked for it, or was offered it."""
    _failure: VoiceError | None = attrs.field(init=False, default=None)
    _group: int = attrs.field(init=False)
    _number: int = attrs.field(init=False, default=-1)
    """Of the last object in its group; -1 before the first."""
    _kept: deque[tuple[int, list[Object]]] = attrs.field(init=False, repr=False)
    _pacer: Pacer = attrs.field(init=False, factory=lambda: Pacer(LEAD_S), repr=False)
    refusal: str = attrs.field(init=False, default="")
    """Why the node does not take it for now, as while another speaks to the caller; empty if it does. What a
    node takes by SUBSCRIBE only has one until somebody asks for it."""
    _changed: trio.lowlevel.ParkingLot = attrs.field(init=False, factory=trio.lowlevel.ParkingLot, repr=False)

    def __attrs_post_init__(self) -> None:
        self._group = self._now_us() // 1000
        self._kept = deque(maxlen=self.kind.kept_groups)

    def __enter__(self) -> Self:
        """Leaving the block closes it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def wanted(self) -> bool:
        """Whether anybody wants it now, as far as the peer tells."""
        return any(output.wanted for output in self.outputs)

    @property
    def properties(self) -> Properties:
        """Of the track."""
        return Properties.of((CAPABILITY_PROPERTY, self.capability.encode())) if self.capability else NONE

    @property
    def over(self) -> bool:
        """Whether nothing more can be written."""
        return self._failure is not None

    @property
    def largest(self) -> Location | None:
        """Of the last object; None before the first."""
        return Location(self._group, self._number) if self._number >= 0 else None

    def write(
        self,
        payload: bytes,
        timestamp_us: int | None = None,
        *,
        keyframe: bool = False,
        priority: int | None = None,
    ) -> bool:
        """Send an object now, or not at all: False if nobody took it. Nothing waits here.

        The timestamp is in microseconds since the Unix epoch; now, if it is not given. Video begins with a
        keyframe, and each begins a group. Raises `TrackRefused` if the node does not let us publish, and
        `PublicationClosed` if this side has closed it.
        """
        if self._failure is not None:
            raise self._failure
        if self.kind.reliable and not (self._room() and self._fits(payload)):
            return False
        stamp = self._now_us() if timestamp_us is None else timestamp_us
        begins = self._begins(keyframe)
        self._number = 0 if begins else self._number + 1
        self._group += begins
        item = Object(self._number, payload, timestamped(stamp))
        urgency = self.kind.priority if priority is None else priority
        if self.kind.kept_groups:
            self._keep(item, begins)
        taken = [self._put(output, item, urgency, begins) for output in self.outputs if output.wanted]
        self.dropped += not (all(taken) if taken else self._connected())
        return any(taken)

    async def send(self, item: Frame | bytes | str) -> None:
        """Send in good time. Audio waits until it is at most 100 ms ahead of real time; reliable tracks until
        there is a connection, and room. Of a `Frame`, payload, timestamp, priority and keyframe are sent.

        Raises what `write` raises, and ValueError for a message over 64 KiB. If cancelled, it was not sent.
        """
        ahead_s = 0.0
        if self.frame_ms:
            ahead_s = await self._pacer.wait(self.frame_ms / 1000)
        else:
            await trio.lowlevel.checkpoint()
        if isinstance(item, str):
            item = item.encode()
        if isinstance(item, bytes):
            item = Frame(item)
        if self.kind.reliable and not self._fits(item.payload):
            raise ValueError(f"a message has at most {MAX_RELIABLE_BYTES} bytes, not {len(item.payload)}")
        while self._failure is None and self.kind.reliable and not self._room():
            await self._changed.park()
        stamp = item.timestamp_us or self._now_us() + round(ahead_s * 1e6)
        self.write(item.payload, stamp, keyframe=item.keyframe, priority=item.priority)

    def close(self) -> None:
        """The track has ended: subscribers are told. Idempotent."""
        if not isinstance(self._failure, PublicationClosed):
            self.fail(PublicationClosed(f"{track_path(self.name)} was closed"))
            self._leave(self)

    def fail(self, failure: VoiceError) -> None:
        """For the connection: nothing more can be written."""
        self._failure = failure
        self.wake()

    def refuse(self, code: int, reason: str) -> None:
        """For the connection: the node said no, for good."""
        self.fail(TrackRefused(track_path(self.name), code, reason))

    def wake(self) -> None:
        """For the connection: something has changed."""
        self._changed.unpark_all()

    def join(self, output: Output) -> None:
        """For the connection: somebody begins or ceases to want it, or can take more again."""
        begins = output.wanted and not output.live
        output.live = output.wanted
        if output.agreed:
            self.refusal = ""
            self.established.set()
        if self._kept and (begins or output.stalled):
            output.replay(self._kept, self.kind.priority)
        self.wake()

    def _room(self) -> bool:
        return self._connected() and not any(output.stalled for output in self.outputs)

    def _fits(self, payload: bytes) -> bool:
        return len(payload) <= MAX_RELIABLE_BYTES

    def _begins(self, keyframe: bool) -> bool:
        if self._number < 0 or self.kind.lane is not Lane.GROUP:
            return True
        return self._number + 1 >= self.kind.group_objects if self.kind.group_objects else keyframe

    def _keep(self, item: Object, begins: bool) -> None:
        if begins:
            self._kept.append((self._group, []))
        self._kept[-1][1].append(item)

    def _put(self, output: Output, item: Object, priority: int, begins: bool) -> bool:
        if self.kind.lane is Lane.ALONE:
            return output.single(self._group, item, priority)
        if self.kind.lane is Lane.DATAGRAM:
            return output.datagram(self._group, item, priority)
        taken = (not begins or output.begin(self._group, priority)) and output.add(item)
        output.stalled = not taken and bool(self.kind.kept_groups)
        return taken
