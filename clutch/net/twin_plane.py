"""The media plane in Python, on Trio time: for virtual clocks, and for machines without the native build."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from math import inf
from pathlib import Path

import attrs
import trio

from actors.call.errors import MediaUnavailable
from actors.call.ports import (
    FRAME_MS,
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
from clutch.media.downlink import Outgoing
from clutch.media.dtmf import Digit
from clutch.media.errors import CannotBridge
from clutch.media.params import Address, RtpParams
from clutch.media.payload import FORMATS
from clutch.media.stream import DueReport, Played, Tick, TwinStream
from clutch.media.uplink import Idle, StreamEvent
from clutch.media.vad import SpeechOff, SpeechOn
from clutch.net.errors import NetworkError, RoomError
from clutch.net.link import Datagrams, Network
from clutch.net.plane import NO_PORT, RtpStream
from clutch.net.protection import Protection
from clutch.net.reports import new_cname, read_report, write_report
from clutch.net.room import MixRoom, Rooms
from clutch.net.twin_room import TwinRoomCore
from clutch.wire.errors import MalformedPacket
from clutch.wire.rtp import RtpPacket, is_rtcp
from clutch.wire.srtp.suites import SUITES

MAX_EVENTS = 64
"""Events that may wait for `next_event`; later ones are lost until there is room."""
MAX_LAG_S = 0.2
"""Ticks missed by less are made up for at once; those of a longer stall are left out."""

_TICK_S = FRAME_MS / 1000


def _now_us() -> int:
    return round(trio.current_time() * 1_000_000)


def _even(ports: Iterable[int]) -> deque[tuple[int, float]]:
    return deque((port, -inf) for port in ports if port % 2 == 0)


@attrs.define(eq=False)
class TwinPlane:
    """`MediaPlane` in Python. Every packet costs Python time: for tests and a handful of calls.

    `host` is the address to bind; streams use the even ports of `ports` for RTP and those above for RTCP,
    the least recently used first, each `quarantine_s` after its last use at the earliest. `randbits` gives n
    random bits for SSRCs and first numbers.
    """

    _network: Network
    _host: str
    _free: deque[tuple[int, float]] = attrs.field(alias="ports", converter=_even)
    """Ports, and when they may be used."""
    _randbits: Callable[[int], int] = secrets.randbits
    _quarantine_s: float = 0.0
    _streams: dict[TwinRtpStream, None] = attrs.field(init=False, factory=dict)
    _rooms: Rooms = attrs.field(init=False, factory=Rooms, repr=False)
    _mixing: list[TwinRoomCore] = attrs.field(init=False, factory=list, repr=False)
    _nursery: trio.Nursery | None = attrs.field(init=False, default=None)
    _opened: trio.Event = attrs.field(init=False, factory=trio.Event)

    @property
    def codecs(self) -> frozenset[str]:
        """See `MediaPlane.codecs`: no Opus here."""
        return frozenset(FORMATS)

    @property
    def suites(self) -> frozenset[str]:
        """See `MediaPlane.suites`."""
        return frozenset(SUITES)

    @property
    def backend(self) -> str:
        """See `MediaPlane.backend`."""
        return "twin: sockets in Python"

    @property
    def ports_in_use(self) -> int:
        """See `MediaPlane.ports_in_use`."""
        return len(self._streams)

    @property
    def dropped(self) -> Mapping[str, int]:
        """See `MediaPlane.dropped`: nothing stands between the twin and its readers."""
        return {"frames": 0, "events": 0, "packets": 0}

    def open(self, sid: str) -> TwinRtpStream:
        """See `MediaPort.open`. Raises RuntimeError while the plane does not run."""
        if self._nursery is None:
            raise RuntimeError("open a stream while the plane runs")
        rtp, rtcp = self._bind()
        randbits = self._randbits
        core = TwinStream.open(randbits(32), randbits(15), randbits(32), new_cname(randbits))
        stream = TwinRtpStream(sid, rtp, rtcp, core, self._forget)
        self._streams[stream] = None
        self._nursery.start_soon(stream._read, name=f"rtp {sid}")
        self._nursery.start_soon(stream._read_reports, name=f"rtcp {sid}")
        self._opened.set()
        return stream

    def open_room(self) -> MixRoom:
        """See `MediaPlane.open_room`."""
        if self._nursery is None:
            raise RuntimeError("open a room while the plane runs")
        core = TwinRoomCore(self._find, self._mixing)
        self._mixing.append(core)
        return self._rooms.open(core)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """See `MediaPlane.run`."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                task_status.started()
                while True:
                    await self._opened.wait()
                    await self._pump()
                    self._opened = trio.Event()
        finally:
            self._nursery = None
            for stream in list(self._streams):
                stream.close()
            self._rooms.close()

    async def _pump(self) -> None:
        """Tick all streams as long as there are any."""
        due = trio.current_time()
        while self._streams:
            due = max(due + _TICK_S, trio.current_time() - MAX_LAG_S)
            await trio.sleep_until(due)
            now_us = _now_us()
            for stream in list(self._streams):
                if not stream.in_room:
                    stream._tick(now_us)
            for room in self._mixing:
                room.tick(now_us)

    def _bind(self) -> tuple[Datagrams, Datagrams]:
        """Sockets for RTP and RTCP on the first pair of ports that is really free."""
        refusal: NetworkError | None = None
        now = trio.current_time()
        for _ in range(len(self._free)):
            port, ready = self._free[0]
            if ready > now:
                break
            self._free.popleft()
            try:
                return self._bind_pair(port)
            except NetworkError as error:
                self._free.append((port, now))
                refusal = error
        raise MediaUnavailable(str(refusal or NO_PORT)) from refusal

    def _bind_pair(self, port: int) -> tuple[Datagrams, Datagrams]:
        rtp = self._network.open_datagrams(self._host, port)
        try:
            return rtp, self._network.open_datagrams(self._host, port + 1)
        except NetworkError:
            rtp.close()
            raise

    def _find(self, stream: RtpStream) -> TwinRtpStream:
        if isinstance(stream, TwinRtpStream) and stream in self._streams:
            return stream
        raise RoomError("a room is for open streams of its own plane")

    def _forget(self, stream: TwinRtpStream) -> None:
        self._streams.pop(stream, None)
        self._rooms.forget(stream)
        for room in self._mixing:
            room.forget(stream)
        self._free.append((stream.local[1], trio.current_time() + self._quarantine_s))


@attrs.define(eq=False)
class TwinRtpStream:
    """`RtpStream` of a `TwinPlane`."""

    sid: str
    _rtp: Datagrams = attrs.field(repr=False)
    _rtcp: Datagrams = attrs.field(repr=False)
    _core: TwinStream = attrs.field(repr=False)
    _on_close: Callable[[TwinRtpStream], None] = attrs.field(repr=False)
    in_room: bool = attrs.field(init=False, default=False)
    """See `Seated.in_room`."""
    _bridged: TwinRtpStream | None = attrs.field(init=False, default=None, repr=False)
    """With whom the core was last bridged."""
    _taps: list[LossySender[MediaFrame]] = attrs.field(init=False, factory=list, repr=False)
    _closed: bool = attrs.field(init=False, default=False)
    _protection: Protection = attrs.field(init=False, repr=False)
    _events: trio.MemorySendChannel[MediaEvent] = attrs.field(init=False, repr=False)
    _incoming: trio.MemoryReceiveChannel[MediaEvent] = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._protection = Protection(self._core.counters)
        self._events, self._incoming = trio.open_memory_channel[MediaEvent](MAX_EVENTS)

    @property
    def local(self) -> Address:
        """See `RtpStream.local`."""
        return self._rtp.address

    @property
    def rate_hz(self) -> int:
        """See `MediaStream.rate_hz`."""
        return self._core.rate_hz

    @property
    def queued_ms(self) -> int:
        """See `MediaStream.queued_ms`."""
        return self._core.queued * 1000 // self.rate_hz if self.rate_hz else 0

    def connect(self, params: RtpParams) -> None:
        """See `RtpStream.connect`."""
        self._core.connect(params, _now_us())
        self._protection.adopt(params.keys)

    def bridge(self, other: TwinRtpStream) -> None:
        """See `RtpStream.bridge`."""
        if self is other or self._closed or other._closed or self._on_close != other._on_close:
            raise CannotBridge("only two open streams of one plane can be bridged")
        if self.in_room or other.in_room:
            raise CannotBridge("a stream that is in a room cannot be bridged")
        ours, theirs = self._core.bridge(other._core, _now_us())
        self._bridged, other._bridged = other, self
        for stream, packets in ((self, ours), (other, theirs)):
            for relayed in packets:
                stream._send(*relayed)

    def unbridge(self) -> None:
        """See `RtpStream.unbridge`."""
        self._core.unbridge()

    def tap(self, capacity: int = 50) -> LossyReceiver[MediaFrame]:
        """See `MediaStream.tap`. A closed stream gives a reader that is at its end."""
        sender: LossySender[MediaFrame]
        sender, receiver = open_lossy(capacity)
        if self._closed:
            sender.close()
        else:
            self._taps.append(sender)
            self._core.tap(on=True)
        return receiver

    def record(self, path: Path, sides: Sequence[Side]) -> None:
        """See `RtpStream.record`: none here."""

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
        self._core.send_dtmf(digits, tone_ms, gap_ms)

    def stats(self) -> MediaStats:
        """See `MediaStream.stats`."""
        return MediaStats(**attrs.asdict(self._core.counters))

    def close(self) -> None:
        """See `MediaStream.close`."""
        if self._closed:
            return
        self._closed = True
        self._report(self._core.bye(_now_us()))
        self._core.close()
        self._rtp.close()
        self._rtcp.close()
        for tap in self._taps:
            tap.close()
        self._incoming.close()  # first: its readers are to see a closed stream, not an end
        self._events.close()
        self._on_close(self)

    async def _read(self) -> None:
        """Feed what arrives to the core until the stream is closed."""
        with suppress(trio.ClosedResourceError):
            while True:
                self._receive(*await self._rtp.receive())

    async def _read_reports(self) -> None:
        """The same for the RTCP port."""
        with suppress(trio.ClosedResourceError):
            while True:
                self._hear(*await self._rtcp.receive(), muxed=False)

    def _hear(self, data: bytes, source: Address, *, muxed: bool) -> None:
        report = self._protection.unseal_report(data)
        if report is not None:
            heard = read_report(report, self._core.ssrc)
            self._core.receive_report(heard, source, _now_us(), muxed=muxed)

    def _receive(self, data: bytes, source: Address) -> None:
        if is_rtcp(data):
            self._hear(data, source, muxed=True)
            return
        plain = self._protection.unseal(data)
        if plain is None:
            return
        try:
            packet = RtpPacket.parse(plain)
        except MalformedPacket:
            self._core.count_malformed()
        else:
            relayed = self._core.receive(packet, source, _now_us())
            if relayed is not None and self._bridged is not None:
                self._bridged._send(*relayed)

    def _send(self, packet: Outgoing, destination: Address) -> None:
        self._rtp.send(self._protection.seal(RtpPacket(*packet).to_bytes()), destination)

    def play(self, now_us: int) -> Played | None:
        """See `Seated.play`."""
        return self._core.play(now_us)

    def emit(self, played: Played, pcm: bytes, now_us: int) -> None:
        """See `Seated.emit`."""
        self._deliver(self._core.emit(played, pcm, now_us))
        self._tell()

    def _tick(self, now_us: int) -> None:
        tick = self._core.tick(now_us)
        if tick is not None:
            self._deliver(tick)
        self._tell()

    def _tell(self) -> None:
        for event in self._core.take_events():
            with suppress(trio.WouldBlock):
                self._events.send_nowait(public_event(event))

    def _report(self, due: DueReport | None) -> None:
        if due is not None:
            way = self._rtp if due.muxed else self._rtcp
            way.send(self._protection.seal_report(write_report(due.compound)), due.destination)

    def _deliver(self, tick: Tick) -> None:
        if tick.packet is not None:
            self._send(tick.packet, tick.destination)
        self._report(tick.report)
        if self._taps:
            frame = MediaFrame(tick.tick, tick.rate_hz, tick.uplink, tick.downlink, tick.concealed)
            self._taps = [tap for tap in self._taps if tap.send(frame)]
            self._core.tap(on=bool(self._taps))


def public_event(event: StreamEvent) -> MediaEvent:
    """As a call knows it."""
    match event:
        case Digit():
            return Dtmf(event.digit, event.duration_ms)
        case Idle():
            return MediaTimeout(event.idle_ms)
        case SpeechOn():
            return SpeechStarted()
        case SpeechOff():
            return SpeechEnded(event.duration_ms)
