"""A scripted life of two streams that may be bridged: what happens when, and what is on the wire of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import attrs
import numpy as np

import native
from actors.call import MediaEvent, MediaStats
from clutch.media.errors import CannotBridge
from clutch.media.g711 import Samples
from clutch.media.params import Address, RtpParams
from clutch.wire.rtp import RtpPacket
from tests.contract.cores import Opener, RelayedPacket, ReportSent, StreamUnderTest, TickResult
from tests.contract.trace import TICK_US

NEAR, FAR = 0, 1
"""The two streams of a pair."""
PEERS: tuple[Address, Address] = (("192.0.2.7", 4000), ("198.51.100.9", 6000))
"""Where the peers' SDP says they are."""
FIRST = ((0x1234_5678, 65_534, 2**32 - 320), (0x9ABC_DEF0, 100, 7000))
"""SSRC, sequence number and timestamp that each stream starts with."""


class Wire(NamedTuple):
    """One packet that a stream sent."""

    at_us: int
    data: bytes
    destination: Address

    @property
    def rtp(self) -> RtpPacket:
        """It."""
        return RtpPacket.parse(self.data)


@attrs.define(eq=True)
class End:
    """What came of one of the two."""

    wire: list[Wire] = attrs.field(factory=list)
    """RTP, ticked or relayed, as it left."""
    ticks: list[TickResult | None] = attrs.field(factory=list)
    events: list[tuple[int, MediaEvent]] = attrs.field(factory=list)
    """With the number of the tick that was due when they were seen, from 1."""
    stats: MediaStats = attrs.field(factory=MediaStats)
    queued: int = 0

    @property
    def sent(self) -> list[RtpPacket]:
        """Its packets."""
        return [packet.rtp for packet in self.wire]

    @property
    def payloads(self) -> list[bytes]:
        """What is in them."""
        return [packet.payload for packet in self.sent]

    @property
    def frames(self) -> list[tuple[int, Samples, Samples]]:
        """Number of the tick, from 1, and uplink and downlink of those that had PCM."""
        return [
            (number, np.frombuffer(tick.uplink, np.int16), np.frombuffer(tick.downlink, np.int16))
            for number, tick in enumerate(self.ticks, 1)
            if tick is not None and tick.rate_hz
        ]

    @property
    def reports(self) -> list[tuple[int, ReportSent]]:
        """Everything that was reported, with the number of the tick, from 1."""
        found = [(at, tick.report) for at, tick in enumerate(self.ticks, 1) if tick is not None]
        return [(at, report) for at, report in found if report is not None]


Ends: TypeAlias = tuple[End, End]
Streams: TypeAlias = tuple[StreamUnderTest, StreamUnderTest]


@attrs.define(eq=False)
class PairTrace:
    """Steps with their times, each applied before the next tick. Tick k, from 1, is due at k * 20 ms."""

    ticks: int
    bridges_what_it_can: bool = False
    """Pass over `bridge` when the two cannot be bridged, instead of failing."""
    steps: list[tuple[int, Callable[[Streams, Ends], object]]] = attrs.field(factory=list)

    def connect(self, at_us: int, side: int, params: RtpParams) -> None:
        """Connect one of them, or connect it again."""
        self.steps.append((at_us, lambda streams, ends: streams[side].connect(params, at_us)))

    def receive(self, at_us: int, side: int, data: bytes, source: Address | None = None) -> None:
        """A datagram comes to one, by default from its peer."""

        def step(streams: Streams, ends: Ends) -> None:
            relayed = streams[side].receive(data, source or PEERS[side], at_us)
            _record(ends[1 - side], at_us, [relayed] if relayed else [])

        self.steps.append((at_us, step))

    def receive_rtcp(self, at_us: int, side: int, data: bytes, source: Address | None = None) -> None:
        """The same on the RTCP port."""
        origin = source or PEERS[side]
        self.steps.append((at_us, lambda streams, ends: streams[side].receive_rtcp(data, origin, at_us)))

    def bridge(self, at_us: int) -> None:
        """Bridge the two."""

        def step(streams: Streams, ends: Ends) -> None:
            try:
                both = streams[NEAR].bridge(streams[FAR], at_us)
            except (CannotBridge, native.MediaError):
                if not self.bridges_what_it_can:
                    raise
                return
            for end, packets in zip(ends, both, strict=True):
                _record(end, at_us, packets)

        self.steps.append((at_us, step))

    def unbridge(self, at_us: int, side: int = NEAR) -> None:
        """End the bridge."""
        self.steps.append((at_us, lambda streams, ends: streams[side].unbridge()))

    def tap(self, at_us: int, side: int, *, on: bool = True) -> None:
        """Listen to one, or not."""
        self.steps.append((at_us, lambda streams, ends: streams[side].tap(on=on)))

    def send(self, at_us: int, side: int, pcm: bytes) -> None:
        """Audio is queued."""
        self.steps.append((at_us, lambda streams, ends: streams[side].send(pcm)))

    def dial(self, at_us: int, side: int, digits: str, tone_ms: int, gap_ms: int) -> None:
        """Digits are queued."""
        self.steps.append((at_us, lambda streams, ends: streams[side].send_dtmf(digits, tone_ms, gap_ms)))


PlayPair: TypeAlias = Callable[[PairTrace], Ends]
"""The fixture `play_pair`."""


def run_pair(opener: Opener, trace: PairTrace) -> Ends:
    """Play a trace through two new streams."""
    streams = opener(*FIRST[NEAR]), opener(*FIRST[FAR])
    ends = End(), End()
    steps = sorted(trace.steps, key=lambda step: step[0])
    at = 0
    for number in range(1, trace.ticks + 1):
        while at < len(steps) and steps[at][0] < number * TICK_US:
            steps[at][1](streams, ends)
            at += 1
        for stream, end in zip(streams, ends, strict=True):
            _tick(stream, end, number)
    for stream, end in zip(streams, ends, strict=True):
        end.stats, end.queued = stream.stats(), stream.queued()
    return ends


def _tick(stream: StreamUnderTest, end: End, number: int) -> None:
    tick = stream.tick(number * TICK_US)
    end.ticks.append(tick)
    if tick is not None and tick.packet is not None and tick.destination is not None:
        end.wire.append(Wire(number * TICK_US, tick.packet, tick.destination))
    end.events += [(number, event) for event in stream.events()]


def _record(end: End, at_us: int, packets: list[RelayedPacket]) -> None:
    end.wire += [Wire(at_us, *packet) for packet in packets]
