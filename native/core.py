"""The C media stream without sockets, threads or a clock of its own: for tests and offline use."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from native.errors import check
from native.library import load
from native.values import (
    Address,
    Event,
    Params,
    Stats,
    describe,
    read_endpoint,
    read_event,
    read_stats,
    write_cname,
    write_digits,
    write_endpoint,
    write_params,
)

if TYPE_CHECKING:
    from native._native import MediaReport

FRAME_BYTES = 2 * 960
PACKET_BYTES = 2048
TAIL_BYTES = 64
"""Room behind a datagram for what protection adds."""


class Report(NamedTuple):
    """An RTCP compound to be sent."""

    packet: bytes
    destination: Address
    muxed: bool
    """Send it from the RTP port, not from the one above it."""


class Relayed(NamedTuple):
    """A packet that the bridged core is to send."""

    packet: bytes
    destination: Address


class Tick(NamedTuple):
    """The outcome of one 20 ms tick."""

    tick: int
    """Ticks since the core was made."""
    rate_hz: int
    """PCM rate; 0, and no PCM, before `Core.connect` and while it is bridged and nobody listens."""
    uplink: bytes
    downlink: bytes
    concealed: bool
    packet: bytes | None
    """The RTP packet to send, if any."""
    destination: Address | None
    """Where to send it."""
    report: Report | None
    """The RTCP compound to send, if one is due."""


class Core:
    """One media stream: packets in with `now_us`, a tick every 20 ms, packets out. For one thread.

    Raises `MediaError` (ENOTSUP) if there is no native library. `now_us` is a monotonic clock of the caller;
    `cname` is the stream's name in reports, 16 characters.
    """

    def __init__(self, ssrc: int, seq: int, timestamp: int, cname: bytes) -> None:
        self._ffi, self._lib = ffi, lib = load()
        self._stream = ffi.gc(lib.stream_new(ssrc, seq, timestamp, write_cname(cname)), lib.stream_free)
        self._uplink = ffi.new("int16_t[]", FRAME_BYTES // 2)
        self._downlink = ffi.new("int16_t[]", FRAME_BYTES // 2)
        self._packet = ffi.new("uint8_t[]", PACKET_BYTES)
        self._tick = ffi.new("struct media_tick *")
        self._tick.uplink = self._uplink
        self._tick.downlink = self._downlink
        self._tick.packet = self._packet
        self._report = ffi.new("struct media_report *")
        self._relay = ffi.new("struct media_relay *")
        self._bridged: Core | None = None
        self._source = ffi.new("struct endpoint *")
        self._event = ffi.new("struct media_event *")
        self._events: list[Event] = []

    def connect(self, params: Params, now_us: int) -> None:
        """Adopt parameters, again on a re-INVITE. Raises `MediaError` and changes nothing if they are bad."""
        check(
            self._lib.stream_setup(self._stream, write_params(params, self._ffi), now_us),
            describe(params),
        )

    def receive(self, packet: bytes, source: Address, now_us: int) -> Relayed | None:
        """A datagram came. Anything at all may be in it. Returns what the bridged core is to send of it."""
        write_endpoint(self._source, source, self._ffi)
        copy = self._ffi.from_buffer(bytearray(packet + bytes(TAIL_BYTES)))
        self._lib.stream_receive(self._stream, copy, len(packet), self._source, now_us, self._relay)
        self._take_events()
        return self._read_relay()

    def receive_rtcp(self, packet: bytes, source: Address, now_us: int) -> None:
        """A datagram came on the RTCP port. Anything at all may be in it."""
        write_endpoint(self._source, source, self._ffi)
        copy = self._ffi.from_buffer(bytearray(packet))
        self._lib.stream_receive_rtcp(self._stream, copy, len(packet), self._source, now_us)

    def tick(self, now_us: int) -> Tick:
        """20 ms have passed: play a frame, make a packet."""
        tick, ffi = self._tick, self._ffi
        self._lib.stream_tick(self._stream, now_us, tick)
        self._take_events()
        size = 2 * (tick.rate_hz // 50)
        sent = tick.packet_len > 0
        return Tick(
            tick.index,
            tick.rate_hz,
            ffi.buffer(self._uplink)[:size],
            ffi.buffer(self._downlink)[:size],
            tick.concealed,
            ffi.buffer(self._packet)[: tick.packet_len] if sent else None,
            read_endpoint(tick.to, ffi) if sent else None,
            self._read_report(tick.report),
        )

    def bridge(self, other: Core, now_us: int) -> tuple[list[Relayed], list[Relayed]]:
        """What either accepts leaves through the other from now on; a bridge before it ends.

        Returns what this one and what the other is to send at once. Raises `MediaError` (EINVAL) if the
        codecs differ or one is not connected.
        """
        check(self._lib.stream_bridge(self._stream, other._stream), "bridge")
        self._bridged, other._bridged = other, self  # so that neither is freed before the other
        return other._flush(now_us), self._flush(now_us)

    def unbridge(self) -> None:
        """Send for itself again, both of them, as soon as the jitter buffers play."""
        self._lib.stream_unbridge(self._stream)

    def tap(self, on: bool) -> None:
        """Have PCM in every tick even if bridged, or not."""
        self._lib.stream_tap(self._stream, on)

    def bye(self, now_us: int) -> Report | None:
        """The last report, if this stream is to send one."""
        self._lib.stream_bye(self._stream, now_us, self._report)
        return self._read_report(self._report)

    def send(self, pcm: bytes) -> int:
        """Queue PCM for the network; returns how many bytes were taken."""
        return 2 * self._lib.stream_send(self._stream, pcm, len(pcm) // 2)

    def clear(self) -> None:
        """Forget all queued PCM."""
        self._lib.stream_clear(self._stream)

    @property
    def queued_samples(self) -> int:
        """Samples that are queued and not yet sent."""
        return self._lib.stream_queued(self._stream)

    def send_dtmf(self, digits: str, *, tone_ms: int = 100, gap_ms: int = 60) -> int:
        """Queue keys; returns how many were taken, 64 may wait. Raises ValueError for a bad digit."""
        codes = write_digits(digits)
        return self._lib.stream_dial(self._stream, codes, len(codes), tone_ms, gap_ms)

    def events(self) -> list[Event]:
        """The events since the last call, oldest first."""
        events, self._events = self._events, []
        return events

    def stats(self) -> Stats:
        """The counters now."""
        return read_stats(self._stream, self._ffi, self._lib)

    def _flush(self, now_us: int) -> list[Relayed]:
        sent = []
        while self._lib.stream_flush(self._stream, now_us, self._packet, self._relay):
            relayed = self._read_relay()
            assert relayed is not None
            sent.append(relayed)
        return sent

    def _read_relay(self) -> Relayed | None:
        relay = self._relay
        if relay.len == 0:
            return None
        return Relayed(self._ffi.buffer(relay.data, relay.len)[:], read_endpoint(relay.to, self._ffi))

    def _read_report(self, report: MediaReport) -> Report | None:
        if report.len == 0:
            return None
        packet = self._ffi.buffer(report.data, report.len)[:]
        return Report(packet, read_endpoint(report.to, self._ffi), report.muxed)

    def _take_events(self) -> None:
        while self._lib.stream_next_event(self._stream, self._event):
            self._events.append(read_event(self._event, self._lib))
