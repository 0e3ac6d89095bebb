"""RTCP of one stream (RFC 3550 section 6): when to report, what to say, and what the peer's reports tell.

A report is due every 5 s, the first after half of that, each time spread over half to one and a half of it
and divided by e - 3/2 (section 6.3.1); two participants never need more of the bandwidth than this. The
spread comes from a generator that is seeded with the stream's random SSRC: it needs no other randomness.

NTP time here is the caller's monotonic clock: elapsed time, as section 6.4.1 allows. It never jumps, and it
is the same for all streams of a node.
"""

from __future__ import annotations

import attrs

from clutch.media.counters import Counters
from clutch.media.downlink import Downlink
from clutch.media.reception import Received, Reception

INTERVAL_US = 5_000_000
"""Mean time between two reports, before it is spread."""
CNAME_BYTES = 16
"""Length of a CNAME: 96 random bits in base64 (RFC 7022 section 4.2)."""

_ROUND_TRIP_MAX, _ROUND_TRIP_MIN = 64 << 16, -64
"""In 1/65536 s. A round trip beyond these is not believed; a little less than none is rounding."""


@attrs.frozen
class Block:
    """A report block: reception of one source."""

    ssrc: int
    received: Received
    last_sr: int
    """Middle 32 bits of the NTP time of that source's last sender report, or 0."""
    delay: int
    """Since then, in 1/65536 s."""


@attrs.frozen
class Sender:
    """What a sender report says of its sender."""

    ntp: int
    """64 bits."""
    timestamp: int
    """RTP time at that moment."""
    packets: int
    octets: int


@attrs.frozen
class Compound:
    """A report of ours: SR or RR, then SDES with the CNAME, then perhaps BYE."""

    ssrc: int
    cname: bytes
    sender: Sender | None
    """None makes it an RR."""
    block: Block | None
    bye: bool = False


@attrs.frozen
class Heard:
    """A report of the peer's, as far as it matters to us; of several parts the last counts."""

    sender: tuple[int, int] | None
    """SSRC and middle 32 bits of the NTP time of a sender report."""
    block: Block | None
    """The block about us."""


@attrs.define(eq=False)
class Reports:
    """The reports of one stream, both ways. `clock_hz` is that of the RTP timestamps."""

    _downlink: Downlink
    _counters: Counters
    _cname: bytes
    clock_hz: int
    _random: int
    _due_us: int = 0
    _reception: Reception = attrs.field(factory=Reception)
    _peer: int | None = None
    """The SSRC that is counted."""
    _sent: tuple[int, int] = (0, 0)
    """Packets sent at the report before the last, and at the last."""
    _sr: tuple[int, int, int] | None = None
    """SSRC and NTP time of the peer's last sender report, and when it came."""

    @classmethod
    def start(
        cls, downlink: Downlink, counters: Counters, cname: bytes, clock_hz: int, now_us: int
    ) -> Reports:
        """The stream was connected for the first time."""
        reports = cls(downlink, counters, cname, clock_hz, downlink.ssrc)
        reports._schedule(INTERVAL_US // 2, now_us)
        return reports

    def restart(self) -> None:
        """What the peer sent meanwhile was not listened to."""
        self._reception.restart()

    def set_clock(self, clock_hz: int) -> None:
        """Another codec was agreed on."""
        self.clock_hz = clock_hz
        self._reception.set_clock()

    def count(self, ssrc: int, sequence: int, timestamp: int | None, now_us: int) -> None:
        """A packet was accepted. A key has no timestamp: all its packets carry the same."""
        if self._peer not in (None, ssrc):
            self._reception.restart()
        self._peer = ssrc
        self._reception.count(sequence)
        self._counters.lost = self._reception.lost
        if timestamp is not None:
            self._reception.time(timestamp, self.clock_hz, now_us)
            self._counters.jitter_us = self._reception.jitter * 1_000_000 // self.clock_hz

    def hear(self, heard: Heard, now_us: int) -> None:
        """A report of the peer came."""
        self._counters.reports_received += 1
        if heard.sender is not None:
            self._sr = (*heard.sender, now_us)
        if heard.block is not None:
            self._hear_block(heard.block, now_us)

    def tick(self, timestamp: int, now_us: int) -> Compound | None:
        """The report that is due, if one is. `timestamp` is the RTP time."""
        if now_us < self._due_us:
            return None
        report = self._write(timestamp, now_us)
        self._schedule(INTERVAL_US, now_us)
        return report

    def bye(self, now_us: int) -> Compound | None:
        """The last report; None from who was never heard of (RFC 3550 section 6.3.7)."""
        if not (self._counters.packets_sent or self._counters.reports_sent):
            return None
        return attrs.evolve(self._write(self._downlink.timestamp, now_us), bye=True)

    def _schedule(self, interval_us: int, now_us: int) -> None:
        self._random = (self._random * 1_664_525 + 1_013_904_223) % 2**32
        spread = 0x8000 + (self._random >> 16)  # 1/2 to 3/2, in 1/65536
        self._due_us = now_us + interval_us * spread // 0x10000 * 100_000 // 121_828

    def _write(self, timestamp: int, now_us: int) -> Compound:
        self._counters.reports_sent += 1
        packets, (before, last) = self._counters.packets_sent, self._sent
        self._sent = last, packets
        sender = None
        if packets != before:
            octets = self._downlink.octets % 2**32
            sender = Sender(_ntp(now_us), timestamp, packets % 2**32, octets)
        return Compound(self._downlink.ssrc, self._cname, sender, self._block(now_us))

    def _block(self, now_us: int) -> Block | None:
        received = self._reception.report()
        if received is None or self._peer is None:
            return None
        if self._sr is None or self._sr[0] != self._peer:
            return Block(self._peer, received, 0, 0)
        _, ntp, came_us = self._sr
        return Block(self._peer, received, ntp, (now_us - came_us) * 0x10000 // 1_000_000 % 2**32)

    def _hear_block(self, block: Block, now_us: int) -> None:
        counters = self._counters
        round_trip_us = _round_trip_us(block, now_us)
        if round_trip_us is not None:
            counters.round_trips += 1
            counters.round_trip_us = round_trip_us
        since = (self._downlink.sequence - 1 - block.received.highest) % 0x10000
        if since >= self._downlink.numbers_used:
            return  # it speaks of what we never sent
        counters.remote_expected = self._downlink.numbers_used - since
        counters.remote_lost = min(max(block.received.lost, 0), counters.remote_expected)
        counters.remote_jitter_us = block.received.jitter * 1_000_000 // self.clock_hz


def _ntp(now_us: int) -> int:
    seconds, rest = divmod(now_us, 1_000_000)
    return seconds << 32 | (rest << 32) // 1_000_000


def _round_trip_us(block: Block, now_us: int) -> int | None:
    if block.last_sr == 0:
        return None
    trip = ((_ntp(now_us) >> 16) - block.last_sr - block.delay + 2**31) % 2**32 - 2**31
    if not _ROUND_TRIP_MIN <= trip <= _ROUND_TRIP_MAX:
        return None
    return max(trip, 0) * 1_000_000 // 0x10000
