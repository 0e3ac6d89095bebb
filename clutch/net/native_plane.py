"""The driver of the C media plane: its frames and events, in batches, to taps and queues of Trio tasks.

Packets, jitter buffers, codecs and the 20 ms clock live in C on their own thread. One pump task waits for
the plane's eventfd, crosses into C once per batch, and hands every frame to its taps without a task switch.
A stream that nobody taps costs Python nothing.
"""

from __future__ import annotations

import errno
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import attrs
import trio

import native
from actors.call.errors import MediaUnavailable
from actors.call.ports import (
    Dtmf,
    MediaEvent,
    MediaFrame,
    MediaStats,
    MediaTimeout,
    Side,
    SpeechEnded,
    SpeechStarted,
)
from actors.runtime import LossyReceiver, LossySender, open_lossy
from clutch.media.bridge import check_bridge
from clutch.media.errors import CannotBridge, UnsupportedCodec, UnsupportedSuite
from clutch.media.params import Address, RtpParams
from clutch.net.errors import BackendUnavailable, RoomError
from clutch.net.native_recording import NativeRecording, Recordings
from clutch.net.native_room import NativeRoomCore
from clutch.net.plane import NO_PORT, RtpStream
from clutch.net.reports import new_cname
from clutch.net.room import MixRoom, Rooms

MAX_EVENTS = 64
"""Events that may wait for `next_event`; later ones are lost until there is room."""

_ALWAYS = frozenset({"pcmu", "pcma", "l16", "g722"})


@attrs.define(eq=False)
class NativePlane:
    """`MediaPlane` in C.

    `host` is the IP address to bind; streams use the even ports of `ports` for RTP and those above for RTCP,
    the least recently used first. `options` say which backend carries the packets, and how: the first that
    works on this machine. `randbits` gives n random bits for SSRCs, first numbers and names.
    """

    _host: str
    _ports: range = attrs.field(alias="ports")
    _options: Sequence[native.PlaneOptions] = attrs.field(default=(native.PlaneOptions(),), alias="options")
    _randbits: Callable[[int], int] = secrets.randbits
    _plane: native.Plane | None = attrs.field(init=False, default=None, repr=False)
    _streams: dict[int, NativeRtpStream] = attrs.field(init=False, factory=dict)
    _rooms: Rooms = attrs.field(init=False, factory=Rooms, repr=False)
    _recordings: Recordings = attrs.field(init=False, repr=False)
    backend: str = attrs.field(init=False, default="")
    """See `MediaPlane.backend`; with what was tried before, and why it does not work. Empty before `run`."""

    @property
    def codecs(self) -> frozenset[str]:
        """See `MediaPlane.codecs`: Opus if the build has it."""
        return _ALWAYS | (native.features() & {"opus"})

    @property
    def suites(self) -> frozenset[str]:
        """See `MediaPlane.suites`: what libsrtp2 has, if the build has that."""
        return native.srtp_suites()

    @property
    def ports_in_use(self) -> int:
        """See `MediaPlane.ports_in_use`. A closed stream has its port until the reactor let go: some ms."""
        return self._plane.open_streams if self._plane else 0

    @property
    def dropped(self) -> Mapping[str, int]:
        """See `MediaPlane.dropped`."""
        frames, events, packets = self._plane.lost() if self._plane else (0, 0, 0)
        return {"frames": frames, "events": events, "packets": packets}

    def open(self, sid: str) -> NativeRtpStream:
        """See `MediaPort.open`. Raises RuntimeError while the plane does not run."""
        if self._plane is None:
            raise RuntimeError("open a stream while the plane runs")
        try:
            randbits = self._randbits
            core = self._plane.open(randbits(32), randbits(15), randbits(32), new_cname(randbits))
        except native.MediaError as error:
            is_full = error.errno == errno.EADDRNOTAVAIL
            raise MediaUnavailable(NO_PORT if is_full else str(error)) from error
        stream = NativeRtpStream(sid, (self._host, core.port), core, self._recordings, self._forget)
        self._streams[core.id] = stream
        return stream

    def open_room(self) -> MixRoom:
        """See `MediaPlane.open_room`."""
        if self._plane is None:
            raise RuntimeError("open a room while the plane runs")
        try:
            return self._rooms.open(NativeRoomCore(self._plane.open_room(), self._find))
        except native.MediaError as error:
            raise RoomError(str(error)) from error

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """See `MediaPlane.run`. Raises `BackendUnavailable` if none of `options` works."""
        plane = self._open_plane()
        self._plane, self._recordings = plane, Recordings()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._recordings.run)
                task_status.started()
                while True:
                    await trio.lowlevel.wait_readable(plane.wake_fd)
                    self._drain(plane)
        finally:
            self._plane = None
            for stream in list(self._streams.values()):
                stream.close()
            self._rooms.close()
            plane.close()
            self._recordings.close()

    def _open_plane(self) -> native.Plane:
        """The plane on the first backend that works."""
        refusals: list[str] = []
        for options in self._options:
            try:
                plane = native.Plane(self._host, self._ports[0], self._ports[-1], options)
            except native.MediaError as error:
                refusals.append(f"could not {error.strerror}")
            else:
                self.backend = "; ".join([plane.backend, *refusals])
                return plane
        raise BackendUnavailable("; ".join(refusals))

    def _drain(self, plane: native.Plane) -> None:
        """Deliver everything that waits. Streams that are closed already are passed over."""
        plane.begin_drain()
        streams = self._streams
        for key, event in plane.events():
            if (stream := streams.get(key)) is not None:
                stream._report(event)
        for key, tick, rate_hz, uplink, downlink, concealed in plane.frames():
            if (stream := streams.get(key)) is not None:
                stream._deliver(MediaFrame(tick, rate_hz, uplink, downlink, concealed))

    def _find(self, stream: RtpStream) -> native.Stream:
        if isinstance(stream, NativeRtpStream) and self._streams.get(stream._core.id) is stream:
            return stream._core
        raise RoomError("a room is for open streams of its own plane")

    def _forget(self, key: int) -> None:
        stream = self._streams.pop(key, None)
        if stream is not None:
            self._rooms.forget(stream)


@attrs.define(eq=False)
class NativeRtpStream:
    """`RtpStream` of a `NativePlane`."""

    sid: str
    local: Address
    """See `RtpStream.local`."""
    _core: native.Stream = attrs.field(repr=False)
    _recordings: Recordings = attrs.field(repr=False)
    _on_close: Callable[[int], None] = attrs.field(repr=False)
    _params: RtpParams | None = attrs.field(init=False, default=None, repr=False)
    """As last connected."""
    _taps: list[LossySender[MediaFrame]] = attrs.field(init=False, factory=list, repr=False)
    _closed: bool = attrs.field(init=False, default=False)
    _events: trio.MemorySendChannel[MediaEvent] = attrs.field(init=False, repr=False)
    _incoming: trio.MemoryReceiveChannel[MediaEvent] = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._events, self._incoming = trio.open_memory_channel[MediaEvent](MAX_EVENTS)

    @property
    def rate_hz(self) -> int:
        """See `MediaStream.rate_hz`."""
        return self._params.codec.rate_hz if self._params else 0

    @property
    def queued_ms(self) -> int:
        """See `MediaStream.queued_ms`."""
        return self._core.queued_samples * 1000 // self.rate_hz if self.rate_hz else 0

    def connect(self, params: RtpParams) -> None:
        """See `RtpStream.connect`."""
        if params.keys is not None and params.keys.suite not in native.srtp_suites():
            raise UnsupportedSuite(params.keys.suite)
        try:
            self._core.connect(native_params(params))
        except native.MediaError as error:
            if error.errno == errno.ENOTSUP:
                raise UnsupportedCodec(params.codec.name) from error
            raise
        self._params = params

    def bridge(self, other: NativeRtpStream) -> None:
        """See `RtpStream.bridge`."""
        if self is other or self._closed or other._closed or self._on_close != other._on_close:
            raise CannotBridge("only two open streams of one plane can be bridged")
        check_bridge(self._params, other._params)
        try:
            self._core.bridge(other._core)
        except native.MediaError as error:
            if error.errno == errno.EINVAL:
                raise CannotBridge("a stream that is in a room cannot be bridged") from error
            raise

    def unbridge(self) -> None:
        """See `RtpStream.unbridge`."""
        self._core.unbridge()

    def tap(self, capacity: int = 50) -> LossyReceiver[MediaFrame]:
        """See `MediaStream.tap`. A closed stream gives a reader that is at its end."""
        sender: LossySender[MediaFrame]
        sender, receiver = open_lossy(capacity)
        if self._closed:
            sender.close()
            return receiver
        if not self._taps:
            self._core.tap(True)
        self._taps.append(sender)
        return receiver

    def record(self, path: Path, sides: Sequence[Side]) -> NativeRecording:
        """See `RtpStream.record`. The file is written by a thread of C."""
        return self._recordings.begin(self._core, path, sides)

    async def next_event(self) -> MediaEvent:
        """See `MediaStream.next_event`."""
        return await self._incoming.receive()

    def send(self, pcm: bytes) -> int:
        """See `MediaStream.send`."""
        return self._core.send(pcm)

    def clear(self) -> None:
        """See `MediaStream.clear`."""
        self._core.clear()

    def send_dtmf(self, digits: str, *, tone_ms: int = 100, gap_ms: int = 60) -> None:
        """See `MediaStream.send_dtmf`. Digits beyond the 64 that may wait are dropped."""
        self._core.send_dtmf(digits, tone_ms=tone_ms, gap_ms=gap_ms)

    def stats(self) -> MediaStats:
        """See `MediaStream.stats`."""
        return MediaStats(**self._core.stats()._asdict())

    def close(self) -> None:
        """See `MediaStream.close`."""
        if self._closed:
            return
        self._closed = True
        self._core.close()
        for tap in self._taps:
            tap.close()
        self._incoming.close()
        self._events.close()
        self._on_close(self._core.id)

    def _report(self, event: native.Event) -> None:
        if not isinstance(event, native.Closed):
            with suppress(trio.WouldBlock):
                self._events.send_nowait(public_event(event))

    def _deliver(self, frame: MediaFrame) -> None:
        self._taps = [tap for tap in self._taps if tap.send(frame)]
        if not self._taps:
            # Refused if the plane is flooded with commands: then the next frame asks again.
            with suppress(native.MediaError):
                self._core.tap(False)


def native_params(params: RtpParams) -> native.Params:
    """The same, as the C core takes it."""
    codec, event = params.codec, params.telephone_event
    return native.Params(
        params.remote,
        codec.name,
        codec.rate_hz,
        codec.payload_type,
        -1 if event is None else event,
        send=params.send,
        receive=params.receive,
        timeout_ms=params.timeout_ms,
        learn=params.learn,
        rtcp=params.rtcp,
        clock_hz=codec.rtp_clock_hz,
        event_clock_hz=params.duration_clock_hz,
        keys=native.Keys(*attrs.astuple(params.keys)) if params.keys else None,
        opus=native.OpusOptions(*attrs.astuple(params.opus)),
        dtx=params.dtx,
        comfort_noise=params.comfort_noise,
        detect_speech=params.detect_speech,
        detect_tones=params.detect_tones,
    )


def public_event(
    event: native.Dtmf | native.Timeout | native.SpeechStarted | native.SpeechEnded,
) -> MediaEvent:
    """As a call knows it."""
    if isinstance(event, native.Timeout):
        return MediaTimeout(event.idle_ms)
    if isinstance(event, native.SpeechStarted):
        return SpeechStarted()
    if isinstance(event, native.SpeechEnded):
        return SpeechEnded(event.duration_ms)
    return Dtmf(event.digit, event.duration_ms)
