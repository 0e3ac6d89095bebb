"""A scripted life of one stream: what happens when, and what came of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeAlias

import attrs
import numpy as np

from actors.call import MediaEvent, MediaStats
from clutch.media.g711 import Samples
from clutch.media.params import Address, Codec, RtpParams
from clutch.media.payload import payload_format
from clutch.wire.rtp import RtpPacket
from clutch.wire.telephone_event import DIGITS, TelephoneEvent
from tests.contract.cores import Opener, ReportSent, StreamUnderTest, TickResult

TICK_US = 20_000
PEER: Address = ("192.0.2.7", 4000)
"""Where the peer's SDP says it is."""
SSRC, SEQUENCE, TIMESTAMP = 0x1234_5678, 65_534, 2**32 - 320
"""First numbers of the stream under test; sequence and timestamp soon wrap."""

PCMU = Codec("pcmu", 0, 8000, 8000)
PCMA = Codec("pcma", 8, 8000, 8000)
L16_8000 = Codec("l16", 98, 8000, 8000)
L16_16000 = Codec("l16", 97, 16_000, 16_000)
L16_48000 = Codec("l16", 99, 48_000, 48_000)
EVENTS = 101
"""Payload type of telephone events."""


def params(
    codec: Codec = PCMU, remote: Address = PEER, *, send: bool = True, receive: bool = True
) -> RtpParams:
    """Parameters with telephone events and the usual timeout."""
    return RtpParams(remote, codec, EVENTS, send=send, receive=receive)


@attrs.define(eq=False)
class Trace:
    """Steps with their times, each applied before the next tick. Tick k, from 1, is due at k * 20 ms."""

    ticks: int
    steps: list[tuple[int, Callable[[StreamUnderTest], object]]] = attrs.field(factory=list)

    def connect(self, at_us: int, params: RtpParams) -> None:
        """Connect, or connect again."""
        self.steps.append((at_us, lambda stream: stream.connect(params, at_us)))

    def receive(self, at_us: int, data: bytes, source: Address = PEER) -> None:
        """A datagram arrives."""
        self.steps.append((at_us, lambda stream: stream.receive(data, source, at_us)))

    def receive_rtcp(self, at_us: int, data: bytes, source: Address = PEER) -> None:
        """A datagram arrives on the RTCP port."""
        self.steps.append((at_us, lambda stream: stream.receive_rtcp(data, source, at_us)))

    def bye(self, at_us: int) -> None:
        """The stream is about to be closed."""
        self.steps.append((at_us, lambda stream: stream.bye(at_us)))

    def send(self, at_us: int, pcm: bytes) -> None:
        """Audio is queued."""
        self.steps.append((at_us, lambda stream: stream.send(pcm)))

    def clear(self, at_us: int) -> None:
        """Queued audio is dropped."""
        self.steps.append((at_us, lambda stream: stream.clear()))

    def dial(self, at_us: int, digits: str, tone_ms: int, gap_ms: int) -> None:
        """Digits are queued."""
        self.steps.append((at_us, lambda stream: stream.send_dtmf(digits, tone_ms, gap_ms)))


@attrs.frozen
class Outcome:
    """What a trace led to. Equal outcomes are equal to the byte."""

    ticks: list[TickResult | None]
    events: list[tuple[int, MediaEvent]]
    """With the number of the tick that was due when they were seen, from 1."""
    results: list[object]
    """What each step returned."""
    stats: MediaStats
    queued: int

    @property
    def frames(self) -> list[TickResult]:
        """Ticks of a stream that was connected from the start."""
        return [tick for tick in self.ticks if tick is not None]

    @property
    def uplink(self) -> Samples:
        """Everything that was heard."""
        return np.frombuffer(b"".join(frame.uplink for frame in self.frames), np.int16)

    @property
    def sent(self) -> list[RtpPacket]:
        """Everything that was sent."""
        return [RtpPacket.parse(frame.packet) for frame in self.frames if frame.packet is not None]

    @property
    def reports(self) -> list[tuple[int, ReportSent]]:
        """Everything that was reported, with the number of the tick, from 1."""
        found = [(at, tick.report) for at, tick in enumerate(self.ticks, 1) if tick is not None]
        return [(at, report) for at, report in found if report is not None]

    @property
    def concealed(self) -> list[int]:
        """Numbers of the ticks with made-up audio, from 1."""
        return [at for at, tick in enumerate(self.ticks, 1) if tick is not None and tick.concealed]


Play: TypeAlias = Callable[[Trace], Outcome]
"""The fixture `play`."""


def run(opener: Opener, trace: Trace) -> Outcome:
    """Play a trace through a new stream."""
    stream = opener(SSRC, SEQUENCE, TIMESTAMP)
    steps = sorted(trace.steps, key=lambda step: step[0])
    ticks, events, results, at = [], [], [], 0
    for number in range(1, trace.ticks + 1):
        while at < len(steps) and steps[at][0] < number * TICK_US:
            results.append(steps[at][1](stream))
            at += 1
        ticks.append(stream.tick(number * TICK_US))
        events += [(number, event) for event in stream.events()]
    return Outcome(ticks, events, results, stream.stats(), stream.queued())


@attrs.define
class Peer:
    """The other end: makes packets with running numbers."""

    codec: Codec = PCMU
    ptime_ms: int = 20
    ssrc: int = 0xCAFE
    sequence: int = 100
    timestamp: int = 5000

    @property
    def samples(self) -> int:
        """Samples per packet."""
        return self.codec.rate_hz * self.ptime_ms // 1000

    def audio(self, payload: bytes) -> bytes:
        """The next audio packet."""
        packet = self._packet(self.codec.payload_type, self.timestamp, payload)
        self.timestamp = (self.timestamp + self.samples) % 2**32
        return packet

    def noise(self, payload: bytes, payload_type: int) -> bytes:
        """Comfort noise, in the place of an audio packet."""
        packet = self._packet(payload_type, self.timestamp, payload)
        self.timestamp = (self.timestamp + self.samples) % 2**32
        return packet

    def event(self, digit: str, duration: int, *, end: bool = False, timestamp: int | None = None) -> bytes:
        """The next packet of a key that went down at `timestamp`, by default now."""
        payload = TelephoneEvent(DIGITS.index(digit), end, 10, duration).to_bytes()
        return self._packet(EVENTS, self.timestamp if timestamp is None else timestamp, payload)

    def _packet(self, payload_type: int, timestamp: int, payload: bytes) -> bytes:
        packet = RtpPacket(payload_type, self.sequence, timestamp, self.ssrc, payload)
        self.sequence = (self.sequence + 1) % 0x10000
        return packet.to_bytes()


def noise(count: int, size: int, seed: int = 1) -> list[bytes]:
    """`count` different payloads of `size` bytes."""
    source = random.Random(seed)
    return [source.randbytes(size) for _ in range(count)]


def payloads(peer: Peer, count: int, seed: int = 1) -> list[bytes]:
    """`count` payloads of the peer's packet duration."""
    return noise(count, peer.samples * (2 if peer.codec.name == "l16" else 1), seed)


def decoded(codec: Codec, parts: list[bytes]) -> Samples:
    """What payloads sound like; tests/media holds the tables to the standard."""
    return payload_format(codec.name).decode(b"".join(parts))


def arrival(number: int) -> int:
    """When packet `number` arrives, if it is on time: 5 ms after a tick."""
    return number * TICK_US + 5000


def received(stats: MediaStats) -> MediaStats:
    """Only what the receiving side judged: nothing of the sending one, nothing of the network (RTCP)."""
    network = ("lost", "jitter_us", "reports_sent", "reports_malformed")
    return attrs.evolve(stats, packets_sent=0, downlink_dropped=0, **dict.fromkeys(network, 0))
