"""The Python twin of the native media core: one RTP stream, sans-IO, on time that the caller gives.

It behaves as the C core does, packet for packet and sample for sample (tests/contract), and serves tests on
a virtual clock and machines without the native build. For traffic there is the native core.
"""

from __future__ import annotations

from typing import NamedTuple

import attrs
import numpy as np

from clutch.media.bridge import Bridge, Relayed, check_bridge
from clutch.media.content import Content
from clutch.media.counters import Counters
from clutch.media.downlink import Downlink, Outgoing
from clutch.media.g711 import Samples
from clutch.media.params import Address, RtpParams
from clutch.media.payload import PayloadFormat, payload_format
from clutch.media.relay import Numbers
from clutch.media.reports import Compound, Heard, Reports
from clutch.media.source import SourceLock
from clutch.media.uplink import ParsedRtp, StreamEvent, Uplink


class DueReport(NamedTuple):
    """An RTCP compound to be sent."""

    compound: Compound
    destination: Address
    muxed: bool
    """Send it from the RTP port, not from the one above it."""


class Played(NamedTuple):
    """The first half of a tick."""

    tick: int
    """Ticks since the stream was opened."""
    uplink: Samples
    """What the peer said: one frame."""
    concealed: bool
    """True if any sample of `uplink` was made up."""
    queued: bytes
    """What was queued for the peer, at most a frame of PCM; of a bridge, what the other peer said."""
    speaks: bool
    """False if what is sent are the bridged stream's packets."""


class Tick(NamedTuple):
    """What happened in one 20 ms tick of a connected stream."""

    tick: int
    """Ticks since the stream was opened."""
    rate_hz: int
    """0, and no PCM, while the stream is bridged and nobody listens."""
    uplink: bytes
    """What the peer said: one frame of 16-bit native-endian PCM."""
    downlink: bytes
    """What was sent to the peer in this tick, same shape; silence if no audio was."""
    concealed: bool
    """True if any sample of `uplink` was made up."""
    packet: Outgoing | None
    """To be sent to `destination`; None if nothing is."""
    destination: Address
    report: DueReport | None


@attrs.define(eq=False)
class _Connection:
    """What exists from the first `connect` on."""

    params: RtpParams
    format: PayloadFormat
    source: SourceLock
    uplink: Uplink
    reports: Reports

    @property
    def destination(self) -> Address:
        """Where RTP goes."""
        return self.source.destination

    @property
    def rtcp(self) -> Address:
        """Where RTCP goes and must come from."""
        here = self.destination
        if self.params.rtcp is None:
            return here
        if here == self.params.remote:
            return self.params.rtcp
        # Signalling did not know the peer's address; assume a pair of ports.
        return here[0], (here[1] + 1) % 0x10000

    def due(self, compound: Compound) -> DueReport:
        """With the way that it goes."""
        return DueReport(compound, self.rtcp, self.params.rtcp is None)


@attrs.define(eq=False)
class TwinStream:
    """One stream. `now_us` is monotonic time in microseconds; `tick` is due every 20 ms."""

    counters: Counters
    """Read them; only the stream, and what unseals its packets, count."""
    _downlink: Downlink
    _cname: bytes
    _bridge: Bridge
    _connection: _Connection | None = None
    _ticks: int = 0

    @classmethod
    def open(cls, ssrc: int, sequence: int, timestamp: int, cname: bytes) -> TwinStream:
        """A stream that will send with this SSRC, from this sequence number and timestamp on.

        `cname` is its name in reports, `CNAME_BYTES` long.
        """
        counters = Counters()
        downlink = Downlink(ssrc, sequence, timestamp, counters)
        return cls(counters, downlink, cname, Bridge(downlink))

    @property
    def ssrc(self) -> int:
        """Ours."""
        return self._downlink.ssrc

    @property
    def rate_hz(self) -> int:
        """PCM rate; 0 before the first `connect`."""
        return self._connection.params.codec.rate_hz if self._connection else 0

    @property
    def queued(self) -> int:
        """Samples accepted by `send` and not yet sent."""
        return self._downlink.queued

    def connect(self, params: RtpParams, now_us: int) -> None:
        """Start, or go on with other parameters (re-INVITE).

        With the same codec and rate all audio is kept; with another, what waits is dropped. Raises
        `UnsupportedCodec`, and then changes nothing.
        """
        codec = payload_format(params.codec.name)
        old = self._connection
        if old is None:
            source = SourceLock(params, now_us)
            uplink = Uplink(params, codec.decode, self.counters, source, now_us)
            clock_hz = params.codec.rtp_clock_hz
            reports = Reports.start(self._downlink, self.counters, self._cname, clock_hz, now_us)
            self._connection = _Connection(params, codec, source, uplink, reports)
            self._bridge.attach(self._connection)
            return
        if not old.params.codec.same_pcm(params.codec):
            self._bridge.cut()
            self._downlink.clear()
            old.reports.set_clock(params.codec.rtp_clock_hz)
        if not old.params.receive:
            old.reports.restart()
        old.uplink.reconnect(params, codec.decode, now_us)
        old.params, old.format = params, codec

    def receive(self, packet: ParsedRtp, source: Address, now_us: int) -> Relayed | None:
        """A packet came. Before the first `connect` it is ignored.

        Returns what the bridged stream is to send of it.
        """
        connection, bridge = self._connection, self._bridge
        if connection is None:
            return None
        known = connection.uplink.ssrc
        content = connection.uplink.receive(packet, source, now_us, keep=bridge.listens)
        if content is None:
            return None
        timestamp = None if content is Content.KEY else packet.timestamp
        connection.reports.count(packet.ssrc, packet.sequence, timestamp, now_us)
        if packet.ssrc != known:
            bridge.new_source()
        came = Numbers(packet.sequence, packet.timestamp)
        return bridge.relay(came, packet.payload, now_us, content, marker=packet.marker)

    def receive_report(self, heard: Heard | None, source: Address, now_us: int, *, muxed: bool) -> None:
        """A report came, on the RTP port if `muxed`, else on the one above; None if it was malformed.

        Only the peer is believed: its RTP address, or on the other port the one that signalling named.
        """
        connection = self._connection
        if connection is None:
            return
        if source != (connection.source.destination if muxed else connection.rtcp):
            self.counters.reports_wrong_source += 1
        elif heard is None:
            self.counters.reports_malformed += 1
        else:
            connection.reports.hear(heard, now_us)

    def count_malformed(self) -> None:
        """Something came that is no RTP packet."""
        self.counters.malformed += 1

    def tick(self, now_us: int) -> Tick | None:
        """Play and send 20 ms. None, and nothing is sent, before the first `connect`."""
        played = self.play(now_us)
        return self.emit(played, played.queued, now_us) if played else None

    def play(self, now_us: int) -> Played | None:
        """The first half of a tick, for who changes what is sent. None before the first `connect`."""
        index, self._ticks = self._ticks, self._ticks + 1
        connection = self._connection
        if connection is None:
            return None
        uplink, concealed = self._play(connection, now_us)
        speaks = self._bridge.tick()
        queued = self._downlink.take(connection.params) if speaks else self._bridge.hear()
        return Played(index, uplink, concealed, queued, speaks)

    def _play(self, connection: _Connection, now_us: int) -> tuple[Samples, bool]:
        """What the peer said; nothing if nobody listens."""
        if not self._bridge.listens:
            return np.zeros(0, np.int16), False
        samples, concealed = connection.uplink.play(now_us)
        self._bridge.keep(samples)
        return samples, concealed

    def emit(self, played: Played, pcm: bytes, now_us: int) -> Tick:
        """The other half: send `pcm`, or what there is of a frame, unless there is a key to be sent, the
        stream may not send, or what it sends is the bridged stream's."""
        connection = self._connection
        assert connection is not None, "what is not connected plays nothing"
        params = connection.params
        timestamp = self._downlink.timestamp
        downlink, packet = pcm.ljust(2 * params.codec.frame_samples, b"\0"), None
        if played.speaks:
            downlink, packet = self._downlink.emit(params, downlink, connection.format.encode)
        report = connection.reports.tick(timestamp, now_us)
        connection.uplink.watch(now_us)
        listens = len(played.uplink) > 0
        return Tick(
            played.tick,
            self.rate_hz if listens else 0,
            played.uplink.tobytes(),
            downlink if listens else b"",
            played.concealed,
            packet,
            connection.destination,
            connection.due(report) if report else None,
        )

    def bridge(self, other: TwinStream, now_us: int) -> tuple[list[Relayed], list[Relayed]]:
        """What either accepts leaves through the other from now on; a bridge before it ends.

        Returns what this one and what the other is to send at once. Raises `CannotBridge`.
        """
        ours, theirs = self._connection, other._connection
        check_bridge(ours.params if ours else None, theirs.params if theirs else None)
        return self._bridge.join(other._bridge, now_us)

    def unbridge(self) -> None:
        """Send for itself again, both of them, as soon as the jitter buffers play."""
        self._bridge.unjoin()

    def tap(self, *, on: bool) -> None:
        """Have PCM in every tick even if bridged, or not."""
        self._bridge.tap(on=on)

    def close(self) -> None:
        """The bridge ends at once."""
        self._bridge.cut()

    def bye(self, now_us: int) -> DueReport | None:
        """The last report of a stream that is about to be closed, if it is to send one."""
        report = self._connection.reports.bye(now_us) if self._connection else None
        return self._connection.due(report) if self._connection and report else None

    def send(self, pcm: bytes) -> int:
        """Queue PCM and return how many bytes were taken; refused samples are counted.

        Before the first `connect` nothing fits.
        """
        return self._downlink.write(pcm) if self._connection else self._downlink.write(pcm, room=0)

    def clear(self) -> None:
        """Forget queued audio."""
        self._downlink.clear()

    def send_dtmf(self, digits: str, tone_ms: int, gap_ms: int) -> int:
        """Queue keys and return how many were taken. Raises ValueError for a character that is no key."""
        return self._downlink.dtmf.queue(digits, tone_ms, gap_ms)

    def take_events(self) -> list[StreamEvent]:
        """What happened since the last call, oldest first."""
        if self._connection is None:
            return []
        events = self._connection.uplink.events
        taken = list(events)
        events.clear()
        return taken
