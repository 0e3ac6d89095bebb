"""Networks that hold packets up, and what a listener gets of speech that crosses them.

Packet n leaves at n * 20 ms. It carries its own number, loud where the speaker speaks and quiet where not,
so that every frame that is heard tells which packet it is.
"""

from __future__ import annotations

import itertools
import math
import random
import zlib
from collections.abc import Sequence
from typing import TypeAlias

import attrs
import numpy as np

from actors.call import MediaStats
from clutch.wire.rtp import RtpPacket
from tests.contract.cores import Opener
from tests.contract.trace import PEER, TICK_US, params

Arrivals: TypeAlias = list[int | None]
"""When packet n arrives, in microseconds; None if it is lost."""

BITS = 20
NOTHING = range(0)
LOUD, QUIET = b"\x10\x90", b"\x7e\xfe"
"""PCMU of a negative and a positive sample: about 16,000 and 8."""


def speech(count: int, seed: int = 3) -> list[bool]:
    """Whether somebody speaks: 1 to 3 s of words, 0.3 to 1 s of pause."""
    chance, loud = random.Random(seed), list[bool]()
    while len(loud) < count:
        loud += [True] * chance.randint(50, 150) + [False] * chance.randint(15, 50)
    return loud[:count]


def payload_of(number: int, loud: bool) -> bytes:
    """160 samples, 8 for each bit of the number."""
    codes = LOUD if loud else QUIET
    return b"".join(codes[number >> bit & 1 : (number >> bit & 1) + 1] * 8 for bit in range(BITS))


def number_in(uplink: bytes) -> int | None:
    """The number that a frame carries; None if it is silence."""
    bits = np.frombuffer(uplink, np.int16)[::8]
    return int((bits > 0) @ (1 << np.arange(BITS))) if bits.any() else None


@attrs.frozen
class Heard:
    """What came out, tick by tick, from tick 1."""

    numbers: list[int | None]
    """The packet that a tick played; None if it was made up or silence."""
    digest: int
    """Of all samples."""
    stats: MediaStats

    def delays(self, arrivals: Arrivals, interval_us: float = TICK_US) -> dict[int, float]:
        """Milliseconds from when each packet could have come, were it as fast as the fastest, to its tick."""
        sent = {number: number * interval_us for number in self.numbers if number is not None}
        fastest = min(at - n * interval_us for n, at in enumerate(arrivals) if at is not None)
        return {
            number: (tick * TICK_US - sent[number] - fastest) / 1000
            for tick, number in enumerate(self.numbers, 1)
            if number is not None
        }

    @property
    def made_up(self) -> list[int]:
        """The ticks between the first and the last packet that played none: concealed or silent."""
        played = [tick for tick, number in enumerate(self.numbers, 1) if number is not None]
        return sorted({*range(played[0], played[-1])} - {*played})


def listen(
    opener: Opener,
    arrivals: Arrivals,
    loud: Sequence[bool],
    *,
    copies_after_us: int = 0,
    unsent: range = NOTHING,
) -> Heard:
    """Carry speech over a network into a new stream.

    It may deliver a second copy of every packet. Sequence numbers, unlike timestamps, leave out what the
    sender did not send.
    """
    stream = opener(1, 1, 1)
    stream.connect(params(), 0)
    order = sorted((at, number) for number, at in enumerate(arrivals) if at is not None)
    if copies_after_us:
        order = sorted(order + [(at + copies_after_us, number) for at, number in order])
    coming = iter([*order, (math.inf, 0)])
    at_us, number = next(coming)
    numbers, digest = list[int | None](), 0
    for tick in range(1, int(order[-1][0]) // TICK_US + 12):
        while at_us < tick * TICK_US:
            sequence = number - len(unsent) * (number >= unsent.stop)
            packet = RtpPacket(0, sequence % 2**16, number * 160, 7, payload_of(number, loud[number]))
            stream.receive(packet.to_bytes(), PEER, int(at_us))
            at_us, number = next(coming)
        result = stream.tick(tick * TICK_US)
        assert result is not None
        numbers.append(None if result.concealed else number_in(result.uplink))
        digest = zlib.crc32(result.uplink, digest)
    return Heard(numbers, digest, stream.stats())


def on_time(count: int, *, phase_us: int = 5000, ppm: int = 0) -> Arrivals:
    """No jitter and no loss; the sender's clock is slow by `ppm`."""
    return [number * TICK_US + number * TICK_US * ppm // 1_000_000 + phase_us for number in range(count)]


def stalled(arrivals: Arrivals, at_us: int, length_us: int) -> Arrivals:
    """The network holds everything for a while, then lets it go."""
    end = at_us + length_us
    return [end if at is not None and at_us <= at < end else at for at in arrivals]


def wifi(count: int, seed: int, phase_us: int = 5000) -> Arrivals:
    """Jitter of 3 ms, every 2 to 6 s a burst of 50 to 150 ms, 1 % loss, no reordering."""
    chance = random.Random(seed)
    arrivals = [at + int(chance.expovariate(1 / 3000)) for at in _sent(count, phase_us)]
    at_us = 2_000_000
    for _ in range(count):
        arrivals = _stall(arrivals, at_us, chance.randint(50_000, 150_000))
        at_us += chance.randint(2_000_000, 6_000_000)
        if at_us > arrivals[-1]:
            break
    return _lossy(arrivals, 0.01, chance)


def lte(count: int, seed: int, phase_us: int = 5000) -> Arrivals:
    """Correlated jitter of sigma 15 ms, every 30 s a handover of 150 to 300 ms, 0.5 % loss, no reordering."""
    chance, swing = random.Random(seed), 0.0
    arrivals = []
    for at in _sent(count, phase_us):
        swing = 0.95 * swing + math.sqrt(1 - 0.95**2) * chance.gauss(0, 15_000)
        arrivals.append(at + max(0, 30_000 + int(swing)))
    for at_us in range(15_000_000, count * TICK_US, 30_000_000):
        arrivals = _stall(arrivals, at_us, chance.randint(150_000, 300_000))
    return _lossy(arrivals, 0.005, chance)


def _sent(count: int, phase_us: int) -> range:
    return range(phase_us, phase_us + count * TICK_US, TICK_US)


def _stall(arrivals: list[int], at_us: int, length_us: int) -> list[int]:
    end = at_us + length_us
    return [end if at_us <= at < end else at for at in arrivals]


def _lossy(arrivals: list[int], share: float, chance: random.Random) -> Arrivals:
    """In order, as a queue leaves them; some are gone."""
    queued = itertools.accumulate(arrivals, max)
    return [None if chance.random() < share else at for at in queued]
