"""The C media plane: a reactor thread that owns sockets, jitter buffers, codecs and the 20 ms clock."""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeAlias

from native.errors import MediaError, check
from native.library import features, load
from native.recorder import Recording
from native.room import Room
from native.values import (
    Closed,
    Event,
    Params,
    PlaneOptions,
    Stats,
    describe,
    read_event,
    read_stats,
    write_cname,
    write_digits,
    write_endpoint,
    write_options,
    write_params,
)

if TYPE_CHECKING:
    from native._native import Leg

FrameTuple: TypeAlias = tuple[int, int, int, bytes, bytes, bool]
"""Stream id, tick, rate_hz, uplink PCM, downlink PCM, concealed."""

FRAMES_PER_CROSSING = 256
_DEFAULTS = PlaneOptions()
EVENTS_PER_CROSSING = 64
FRAME_LINE = struct.Struct("=QIIIB3x")
"""`struct frame_line` of src/api.h: tick, stream, rate_hz, offset, concealed."""


class Stream:
    """One leg's media in a `Plane`, made by `Plane.open`. Every method is for the plane's Python thread."""

    def __init__(self, leg: Leg) -> None:
        self._ffi, self._lib = load()
        self._leg: Leg | None = leg
        self._core = self._lib.leg_stream(leg)
        self._stats = Stats._make([0] * len(Stats._fields))
        self._closing = False
        self.id = self._lib.leg_id(leg)
        """Identity in the plane's events and frames; never used again."""
        self.port = self._lib.leg_port(leg)
        """The local UDP port."""

    def __repr__(self) -> str:
        state = "closed" if self._leg is None else "closing" if self._closing else "open"
        return f"<native.Stream {self.id} port {self.port} {state}>"

    def connect(self, params: Params) -> None:
        """Adopt parameters, again on a re-INVITE.

        Raises `MediaError` and changes nothing if they are bad (EINVAL, ENOTSUP) or the command ring is full
        (EAGAIN); on a closed stream it does nothing.
        """
        if not self._closing:
            check(self._lib.leg_connect(self._live, write_params(params, self._ffi)), describe(params))

    def tap(self, on: bool) -> None:
        """Deliver this stream's frames through `Plane.frames`, or stop. Raises `MediaError` (EAGAIN)."""
        if not self._closing:
            check(self._lib.leg_tap(self._live, on), "tap")

    def bridge(self, other: Stream) -> None:
        """What either accepts leaves through the other, undecoded; a bridge before it ends.

        Raises `MediaError`: EINVAL if the codecs differ, one is not connected or closed, or of another plane;
        EAGAIN.
        """
        check(-errno.EINVAL if self._closing or other._closing else 0, "bridge a closed stream")
        check(self._lib.leg_bridge(self._live, other._live), "bridge two streams")

    def unbridge(self) -> None:
        """Both send for themselves again, once their jitter buffers play. Raises `MediaError` (EAGAIN)."""
        if not self._closing:
            check(self._lib.leg_unbridge(self._live), "end a bridge")

    def record(self, recording: Recording) -> None:
        """Record both directions from the next tick on, until `stop_recording` or `close`.

        Raises `MediaError`, and the recording is still the caller's: EBUSY if there is one already, ENOTCONN
        once closed, EAGAIN.
        """
        if self._closing:
            raise MediaError(errno.ENOTCONN, "record: the stream is closed")
        check(self._lib.leg_record(self._live, recording._recording), "record")

    def stop_recording(self) -> None:
        """End the recording, if there is one. Never fails; its last news come when the file is closed."""
        if not self._closing:
            self._lib.leg_record(self._live, self._ffi.NULL)

    def send(self, pcm: bytes) -> int:
        """Queue PCM for the network; returns how many bytes were taken, none once closed."""
        if self._closing:
            return 0
        return 2 * self._lib.stream_send(self._core, pcm, len(pcm) // 2)

    def clear(self) -> None:
        """Forget all queued PCM; a frame that is being sent still goes out."""
        if not self._closing:
            self._lib.stream_clear(self._core)

    @property
    def queued_samples(self) -> int:
        """Samples that are queued and not yet sent; 0 once closed."""
        return 0 if self._closing else self._lib.stream_queued(self._core)

    def send_dtmf(self, digits: str, *, tone_ms: int = 100, gap_ms: int = 60) -> int:
        """Press keys; returns how many were taken. Raises ValueError for a digit outside ``0-9*#A-D``."""
        codes = write_digits(digits)
        if self._closing:
            return 0
        return self._lib.leg_dial(self._live, codes, len(codes), tone_ms, gap_ms)

    def stats(self) -> Stats:
        """The counters now, or when the plane let go of the stream."""
        if self._leg is not None:
            self._stats = read_stats(self._core, self._ffi, self._lib)
        return self._stats

    def close(self) -> None:
        """Stop. Port and memory are free when the `Closed` event comes. Idempotent, never fails."""
        if not self._closing:
            self._closing = True
            self._lib.leg_close(self._live)

    @property
    def _live(self) -> Leg:
        assert self._leg is not None
        return self._leg

    def _forget(self) -> Leg:
        """Take the last counters and the leg, which the caller frees."""
        leg = self._live
        self.stats()
        self._closing = True
        self._leg = None
        return leg


class Plane:
    """Owns the reactor thread. Every method is for one and the same Python thread.

    `local_ip` is where sockets are bound; ports are the even ones of `first_port` to `last_port`. Raises
    `MediaError` if the range is empty (EINVAL), the address or the CPU is none (EINVAL), this build or this
    machine does not have the backend (ENOTSUP, EPERM), or there is no native library (ENOTSUP).
    """

    def __init__(
        self, local_ip: str, first_port: int, last_port: int, options: PlaneOptions = _DEFAULTS
    ) -> None:
        self._ffi, self._lib = ffi, lib = load()
        self._streams: dict[int, Stream] = {}
        self._rooms: set[Room] = set()
        local = ffi.new("struct endpoint *")
        write_endpoint(local, (local_ip, 0), ffi)
        if options.backend not in features():
            why = f"start the media plane: no backend {options.backend!r} in this build"
            raise MediaError(errno.ENOTSUP, why)
        made = ffi.new("struct plane **")
        opened = lib.plane_open(made, local, first_port, last_port, write_options(options, ffi))
        check(opened, f"start the media plane on {options.backend}")
        self._plane = made[0]
        self._closed = False
        self.wake_fd = lib.plane_wake_fd(self._plane)
        """Readable when there is something to drain; belongs to the plane."""
        self.backend = ffi.string(lib.plane_backend(self._plane)).decode()
        """What carries the packets, and what it got of the machine; for people."""
        size = ffi.new("size_t *")
        memory = lib.plane_frame_memory(self._plane, size)
        self._memory = ffi.buffer(memory, size[0])
        self._lines = ffi.new("struct frame_line[]", FRAMES_PER_CROSSING)
        self._line_bytes = ffi.buffer(self._lines)
        self._events = ffi.new("struct media_event[]", EVENTS_PER_CROSSING)

    @property
    def free_ports(self) -> int:
        """How many more streams can be opened."""
        return 0 if self._closed else self._lib.plane_free_ports(self._plane)

    @property
    def open_streams(self) -> int:
        """Streams that hold a port, those that are closing included."""
        return len(self._streams)

    def open(self, ssrc: int, seq: int, timestamp: int, cname: bytes) -> Stream:
        """Bind a port and the one above, for RTCP, and open a stream; the arguments are the caller's
        randomness (RFC 3550 section 5.1), the last as 16 characters (RFC 7022).

        Raises `MediaError`: EADDRNOTAVAIL when no port is free, EMFILE, ENOMEM, EAGAIN.
        """
        made = self._ffi.new("struct leg **")
        check(
            self._lib.leg_open(self._plane, ssrc, seq, timestamp, write_cname(cname), made),
            "open a media stream",
        )
        stream = Stream(made[0])
        self._streams[stream.id] = stream
        return stream

    def open_room(self) -> Room:
        """Raises `MediaError`: EMFILE if there is a room for every port already, ENOMEM."""
        made = self._ffi.new("struct room **")
        check(self._lib.room_open(self._plane, made), "open a room")
        room = Room(made[0], self._rooms.discard)
        self._rooms.add(room)
        return room

    def begin_drain(self) -> None:
        """Do this first when `wake_fd` is readable, then exhaust `events` and `frames`."""
        self._lib.plane_begin_drain(self._plane)

    def events(self) -> Iterator[tuple[int, Event]]:
        """All waiting events with their stream's id, oldest first; `Closed` is a stream's last."""
        while count := self._lib.plane_events(self._plane, self._events, EVENTS_PER_CROSSING):
            for i in range(count):
                event = self._events[i]
                value = read_event(event, self._lib)
                if isinstance(value, Closed):
                    self._lib.leg_release(self._streams.pop(event.leg)._forget())
                yield event.leg, value

    def frames(self) -> Iterator[FrameTuple]:
        """All waiting frames of tapped streams, oldest first; also of streams that were closed meanwhile."""
        memory, size = self._memory, FRAME_LINE.size
        while count := self._lib.plane_frames(self._plane, self._lines, FRAMES_PER_CROSSING):
            lines = self._line_bytes[: count * size]
            for tick, stream, rate_hz, start, concealed in FRAME_LINE.iter_unpack(lines):
                middle = start + rate_hz // 25
                end = middle + rate_hz // 25
                yield stream, tick, rate_hz, memory[start:middle], memory[middle:end], concealed != 0

    def lost(self) -> tuple[int, int, int]:
        """Frames and events dropped because Python was too slow, and packets that the kernel refused."""
        frames, events, sends = (self._ffi.new("uint64_t[]", 1) for _ in range(3))
        if not self._closed:
            self._lib.plane_counters(self._plane, frames, events, sends)
        return frames[0], events[0], sends[0]

    @property
    def dropped(self) -> int:
        """Packets that came and no stream saw, as far as the backend knows: broken ones, or too many."""
        return 0 if self._closed else self._lib.plane_dropped(self._plane)

    @property
    def forwarded(self) -> int:
        """Packets of bridged streams that the kernel carried on by itself; their streams count them, too."""
        return 0 if self._closed else self._lib.plane_forwarded(self._plane)

    def close(self) -> None:
        """Stop the thread, close every stream, free everything. Waits for the thread: a few ms at most.

        Idempotent. Stream counters stay readable.
        """
        if not self._closed:
            self._closed = True
            for stream in self._streams.values():
                stream._forget()
            self._streams.clear()
            for room in list(self._rooms):
                room.close()
            self._lib.plane_close(self._plane)
