"""The two media cores behind one interface, so that one suite can hold both to the same behaviour."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol, Self, TypeAlias

import attrs

import native
from actors.call import Dtmf, MediaEvent, MediaStats, MediaTimeout
from clutch.media.bridge import Relayed
from clutch.media.params import Address, RtpParams
from clutch.media.stream import DueReport, TwinStream
from clutch.media.uplink import Idle
from clutch.net.native_plane import native_params
from clutch.net.protection import Protection
from clutch.net.reports import read_report, write_report
from clutch.wire.errors import MalformedPacket
from clutch.wire.rtp import RtpPacket, is_rtcp

CNAME = b"0123456789abcdef"


class ReportSent(NamedTuple):
    """An RTCP compound."""

    data: bytes
    destination: Address
    muxed: bool


class TickResult(NamedTuple):
    """What one tick of a connected core gives."""

    tick: int
    rate_hz: int
    uplink: bytes
    downlink: bytes
    concealed: bool
    packet: bytes | None
    destination: Address | None
    """None without a packet."""
    report: ReportSent | None


class RelayedPacket(NamedTuple):
    """What leaves through the bridged stream."""

    data: bytes
    destination: Address


class StreamUnderTest(Protocol):
    """One stream of either core, sans-IO: datagrams as bytes."""

    def connect(self, params: RtpParams, now_us: int) -> None:
        """Start, or go on with other parameters."""

    def receive(self, data: bytes, source: Address, now_us: int) -> RelayedPacket | None:
        """A datagram came; what the bridged stream sends of it."""

    def receive_rtcp(self, data: bytes, source: Address, now_us: int) -> None:
        """A datagram came on the RTCP port."""

    def tick(self, now_us: int) -> TickResult | None:
        """20 ms passed; None before `connect`."""

    def bridge(self, other: Self, now_us: int) -> tuple[list[RelayedPacket], list[RelayedPacket]]:
        """Bridge with another; what this one and what the other one sends at once."""

    def unbridge(self) -> None:
        """End the bridge."""

    def tap(self, *, on: bool) -> None:
        """Listen, or not."""

    def bye(self, now_us: int) -> ReportSent | None:
        """The last report."""

    def send(self, pcm: bytes) -> int:
        """Queue audio; bytes taken."""

    def clear(self) -> None:
        """Forget queued audio."""

    def queued(self) -> int:
        """Samples queued."""

    def send_dtmf(self, digits: str, tone_ms: int, gap_ms: int) -> int:
        """Queue digits; digits taken."""

    def events(self) -> list[MediaEvent]:
        """Events since the last call."""

    def stats(self) -> MediaStats:
        """The counters."""


@attrs.define(eq=False)
class TwinUnderTest:
    """`clutch.media.TwinStream` with the parsing that its driver does."""

    _core: TwinStream
    _protection: Protection
    _bridged: TwinUnderTest | None = None

    @classmethod
    def open(cls, ssrc: int, sequence: int, timestamp: int) -> TwinUnderTest:
        """A stream that starts with these numbers."""
        core = TwinStream.open(ssrc, sequence, timestamp, CNAME)
        return cls(core, Protection(core.counters))

    def connect(self, params: RtpParams, now_us: int) -> None:
        """See `StreamUnderTest`."""
        self._core.connect(params, now_us)
        self._protection.adopt(params.keys)

    def receive(self, data: bytes, source: Address, now_us: int) -> RelayedPacket | None:
        """See `StreamUnderTest`."""
        if is_rtcp(data):
            self._hear(data, source, now_us, muxed=True)
            return None
        plain = self._protection.unseal(data)
        if plain is None:
            return None
        try:
            packet = RtpPacket.parse(plain)
        except MalformedPacket:
            self._core.count_malformed()
            return None
        relayed = self._core.receive(packet, source, now_us)
        return self._bridged.pack(relayed) if relayed and self._bridged else None

    def tick(self, now_us: int) -> TickResult | None:
        """See `StreamUnderTest`."""
        tick = self._core.tick(now_us)
        if tick is None:
            return None
        report = self._written(tick.report)
        if tick.packet is None:
            return TickResult(*tick[:5], None, None, report)
        packet = self._protection.seal(RtpPacket(*tick.packet).to_bytes())
        return TickResult(*tick[:5], packet, tick.destination, report)

    def receive_rtcp(self, data: bytes, source: Address, now_us: int) -> None:
        """See `StreamUnderTest`."""
        self._hear(data, source, now_us, muxed=False)

    def bridge(self, other: Self, now_us: int) -> tuple[list[RelayedPacket], list[RelayedPacket]]:
        """See `StreamUnderTest`."""
        ours, theirs = self._core.bridge(other._core, now_us)
        self._bridged, other._bridged = other, self
        return [self.pack(item) for item in ours], [other.pack(item) for item in theirs]

    def pack(self, relayed: Relayed) -> RelayedPacket:
        """A packet as it leaves."""
        data = RtpPacket(*relayed.packet).to_bytes()
        return RelayedPacket(self._protection.seal(data), relayed.destination)

    def unbridge(self) -> None:
        """See `StreamUnderTest`."""
        self._core.unbridge()

    def tap(self, *, on: bool) -> None:
        """See `StreamUnderTest`."""
        self._core.tap(on=on)

    def bye(self, now_us: int) -> ReportSent | None:
        """See `StreamUnderTest`."""
        return self._written(self._core.bye(now_us))

    def send(self, pcm: bytes) -> int:
        """See `StreamUnderTest`."""
        return self._core.send(pcm)

    def clear(self) -> None:
        """See `StreamUnderTest`."""
        self._core.clear()

    def queued(self) -> int:
        """See `StreamUnderTest`."""
        return self._core.queued

    def send_dtmf(self, digits: str, tone_ms: int, gap_ms: int) -> int:
        """See `StreamUnderTest`."""
        return self._core.send_dtmf(digits, tone_ms, gap_ms)

    def events(self) -> list[MediaEvent]:
        """See `StreamUnderTest`."""
        return [
            MediaTimeout(event.idle_ms) if isinstance(event, Idle) else Dtmf(event.digit, event.duration_ms)
            for event in self._core.take_events()
        ]

    def stats(self) -> MediaStats:
        """See `StreamUnderTest`."""
        return MediaStats(**attrs.asdict(self._core.counters))

    def _hear(self, data: bytes, source: Address, now_us: int, *, muxed: bool) -> None:
        report = self._protection.unseal_report(data)
        if report is not None:
            self._core.receive_report(read_report(report, self._core.ssrc), source, now_us, muxed=muxed)

    def _written(self, due: DueReport | None) -> ReportSent | None:
        if due is None:
            return None
        report = self._protection.seal_report(write_report(due.compound))
        return ReportSent(report, due.destination, due.muxed)


@attrs.define(eq=False)
class NativeUnderTest:
    """`native.Core`."""

    _core: native.Core
    _connected: bool = False

    @classmethod
    def open(cls, ssrc: int, sequence: int, timestamp: int) -> NativeUnderTest:
        """A stream that starts with these numbers."""
        return cls(native.Core(ssrc, sequence, timestamp, CNAME))

    def connect(self, params: RtpParams, now_us: int) -> None:
        """See `StreamUnderTest`."""
        self._core.connect(native_params(params), now_us)
        self._connected = True

    def receive(self, data: bytes, source: Address, now_us: int) -> RelayedPacket | None:
        """See `StreamUnderTest`."""
        relayed = self._core.receive(data, source, now_us)
        return RelayedPacket(*relayed) if relayed else None

    def tick(self, now_us: int) -> TickResult | None:
        """See `StreamUnderTest`."""
        tick = self._core.tick(now_us)
        return TickResult(*tick[:7], _sent(tick.report)) if self._connected else None

    def receive_rtcp(self, data: bytes, source: Address, now_us: int) -> None:
        """See `StreamUnderTest`."""
        self._core.receive_rtcp(data, source, now_us)

    def bridge(self, other: Self, now_us: int) -> tuple[list[RelayedPacket], list[RelayedPacket]]:
        """See `StreamUnderTest`."""
        ours, theirs = self._core.bridge(other._core, now_us)
        return [RelayedPacket(*item) for item in ours], [RelayedPacket(*item) for item in theirs]

    def unbridge(self) -> None:
        """See `StreamUnderTest`."""
        self._core.unbridge()

    def tap(self, *, on: bool) -> None:
        """See `StreamUnderTest`."""
        self._core.tap(on)

    def bye(self, now_us: int) -> ReportSent | None:
        """See `StreamUnderTest`."""
        return _sent(self._core.bye(now_us))

    def send(self, pcm: bytes) -> int:
        """See `StreamUnderTest`."""
        return self._core.send(pcm)

    def clear(self) -> None:
        """See `StreamUnderTest`."""
        self._core.clear()

    def queued(self) -> int:
        """See `StreamUnderTest`."""
        return self._core.queued_samples

    def send_dtmf(self, digits: str, tone_ms: int, gap_ms: int) -> int:
        """See `StreamUnderTest`."""
        return self._core.send_dtmf(digits, tone_ms=tone_ms, gap_ms=gap_ms)

    def events(self) -> list[MediaEvent]:
        """See `StreamUnderTest`."""
        return [_public(event) for event in self._core.events()]

    def stats(self) -> MediaStats:
        """See `StreamUnderTest`."""
        return MediaStats(**self._core.stats()._asdict())


def _sent(report: native.Report | None) -> ReportSent | None:
    return ReportSent(*report) if report else None


def _public(event: native.Event) -> MediaEvent:
    match event:
        case native.Dtmf():
            return Dtmf(event.digit, event.duration_ms)
        case native.Timeout():
            return MediaTimeout(event.idle_ms)
        case native.Closed():
            raise AssertionError("only a plane closes streams")


Opener: TypeAlias = Callable[[int, int, int], StreamUnderTest]
"""Opens a stream with an SSRC, a first sequence number and a first timestamp."""

CORES: Mapping[str, Opener] = {"twin": TwinUnderTest.open, "native": NativeUnderTest.open}
