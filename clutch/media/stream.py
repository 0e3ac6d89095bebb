"""The Python twin of the native media core: one RTP stream, sans-IO, on time that the caller gives.

It behaves as the C core does, packet for packet and sample for sample (tests/contract), and serves tests on
a virtual clock and machines without the native build. For traffic there is the native core.
"""

from __future__ import annotations

from typing import NamedTuple

import attrs

from clutch.media.counters import Counters
from clutch.media.downlink import Downlink, Outgoing
from clutch.media.params import Address, RtpParams
from clutch.media.payload import PayloadFormat, payload_format
from clutch.media.source import SourceLock
from clutch.media.uplink import ParsedRtp, StreamEvent, Uplink


class Tick(NamedTuple):
    """What happened in one 20 ms tick of a connected stream."""

    tick: int
    """Ticks since the stream was opened."""
    rate_hz: int
    uplink: bytes
    """What the peer said: one frame of 16-bit native-endian PCM."""
    downlink: bytes
    """What was sent to the peer in this tick, same shape; silence if no audio was."""
    concealed: bool
    """True if any sample of `uplink` was made up."""
    packet: Outgoing | None
    """To be sent to `destination`; None if nothing is."""
    destination: Address


@attrs.define(eq=False)
class _Connection:
    """What exists from the first `connect` on."""

    params: RtpParams
    format: PayloadFormat
    source: SourceLock
    uplink: Uplink


@attrs.define(eq=False)
class TwinStream:
    """One stream. `now_us` is monotonic time in microseconds; `tick` is due every 20 ms."""

    counters: Counters
    """Read them; only the stream and `count_malformed` count."""
    _downlink: Downlink
    _connection: _Connection | None = None
    _ticks: int = 0

    @classmethod
    def open(cls, ssrc: int, sequence: int, timestamp: int) -> TwinStream:
        """A stream that will send with this SSRC, from this sequence number and timestamp on."""
        counters = Counters()
        return cls(counters, Downlink(ssrc, sequence, timestamp, counters))

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
            source = SourceLock(params.remote, params.learn)
            uplink = Uplink(params, codec.decode, self.counters, source, now_us)
            self._connection = _Connection(params, codec, source, uplink)
            return
        if not old.params.codec.same_pcm(params.codec):
            self._downlink.clear()
        old.uplink.reconnect(params, codec.decode, now_us)
        old.params, old.format = params, codec

    def receive(self, packet: ParsedRtp, source: Address, now_us: int) -> None:
        """A packet came. Before the first `connect` it is ignored."""
        if self._connection is not None:
            self._connection.uplink.receive(packet, source, now_us)

    def count_malformed(self) -> None:
        """Something came that is no RTP packet."""
        self.counters.malformed += 1

    def tick(self, now_us: int) -> Tick | None:
        """Play and send 20 ms. None, and nothing is sent, before the first `connect`."""
        index, self._ticks = self._ticks, self._ticks + 1
        connection = self._connection
        if connection is None:
            return None
        samples, concealed = connection.uplink.tick(now_us)
        downlink, packet = self._downlink.tick(connection.params, connection.format.encode)
        destination = connection.source.destination
        return Tick(index, self.rate_hz, samples.tobytes(), downlink, concealed, packet, destination)

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
