"""Lives that nobody thought of: both cores must agree on every one of them."""

from __future__ import annotations

import random

import attrs
import pytest

from actors.call import MediaStats
from clutch.media.params import RtpParams, SrtpKeys
from clutch.wire.rtcp import (
    CNAME,
    Bye,
    Chunk,
    ReceiverReport,
    ReportBlock,
    RtcpPacket,
    SenderReport,
    SourceDescription,
    serialise_compound,
)
from clutch.wire.srtp import SUITES, SrtpContext
from tests.contract.trace import (
    L16_8000,
    L16_16000,
    L16_48000,
    PCMA,
    PCMU,
    PEER,
    SEQUENCE,
    SSRC,
    TICK_US,
    Peer,
    Play,
    Trace,
    params,
)

TICKS = 300
SOURCES = [PEER, PEER, PEER, ("192.0.2.7", 4002), ("203.0.113.5", 61_000)]


def damaged(data: bytes, chance: random.Random) -> bytes:
    """A datagram with a few bytes changed, or cut short."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        changed[chance.randrange(min(len(changed), 20))] = chance.randrange(256)
    return bytes(changed[: chance.randint(0, len(changed))] if chance.random() < 0.3 else changed)


def some_keys(suite: str | None, chance: random.Random) -> SrtpKeys | None:
    """Mostly those of the peer, which is `peer_context`; now and then another, or none."""
    if suite is None or chance.random() < 0.1:
        return None
    size = SUITES[suite].material_bytes
    ours, theirs = (bytes([key if chance.random() < 0.8 else 9]) * size for key in (1, 2))
    return SrtpKeys(suite, ours, theirs)


def peer_context(suite: str | None) -> SrtpContext | None:
    """What the peer protects its packets with."""
    return SrtpContext.open(suite, b"\2" * SUITES[suite].material_bytes) if suite else None


def some_params(chance: random.Random, suite: str | None) -> RtpParams:
    """Mostly what the peer sends; now and then another codec, address, direction or key."""
    codec = PCMU if chance.random() < 0.7 else chance.choice([PCMA, L16_8000, L16_16000, L16_48000])
    stated = params(codec, chance.choice(SOURCES), send=chance.random() < 0.9, receive=chance.random() < 0.9)
    rtcp = chance.choice([None, ("192.0.2.7", 4002)])
    return attrs.evolve(
        stated,
        timeout_ms=chance.choice([0, 100, 400]),
        learn=chance.random() < 0.8,
        rtcp=rtcp,
        event_clock_hz=chance.choice([None, 8000, 48_000]),
        keys=some_keys(suite, chance),
        dtx=chance.random() < 0.2,
    )


def act(trace: Trace, at_us: int, chance: random.Random, suite: str | None) -> None:
    """Something that our side does."""
    match chance.randrange(7):
        case 0:
            trace.connect(at_us, some_params(chance, suite))
        case 1:
            trace.clear(at_us)
        case 2:
            digits = "".join(chance.choices("0123456789*#ABCD", k=chance.randint(1, 4)))
            trace.dial(at_us, digits, chance.randint(0, 120), chance.randint(0, 80))
        case 3:
            trace.bye(at_us)
        case _:
            trace.send(at_us, chance.randbytes(chance.randint(0, 9000)))


def packet(peer: Peer, chance: random.Random) -> bytes:
    """Audio of a random size, or a piece of a key."""
    if chance.random() < 0.1:
        started = peer.timestamp - chance.choice([0, 0, 160, 480])
        return peer.event(
            chance.choice("19*D"), chance.randint(1, 3000), end=chance.random() < 0.3, timestamp=started
        )
    if chance.random() < 0.05:
        return peer.noise(chance.randbytes(chance.randint(0, 3)), 13)
    return peer.audio(chance.randbytes(chance.choice([80, 160, 160, 160, 240, 320, 641])))


def report(peer: Peer, at_us: int, chance: random.Random) -> bytes:
    """A report of the peer's, now and then about a sender report of ours that may have been."""
    echo = chance.choice([0, (at_us - chance.randint(0, 400_000)) * 0x10000 // 1_000_000 % 2**32])
    highest, lost = SEQUENCE + chance.randrange(300), chance.choice([0, 3, -2, 2**20])
    about = ReportBlock(chance.choice([SSRC, SSRC, 7]), 0, lost, highest, chance.randrange(2**10), echo, 0)
    if chance.random() < 0.5:
        first: RtcpPacket = SenderReport(peer.ssrc, chance.randrange(2**64), 0, 0, 0, (about,))
    else:
        first = ReceiverReport(peer.ssrc, (about,))
    name = SourceDescription((Chunk(peer.ssrc, ((CNAME, chance.randbytes(chance.randrange(20))),)),))
    return serialise_compound([first, name, Bye((peer.ssrc,), b"x" * chance.randrange(9))])


def report_comes(
    trace: Trace, peer: Peer, at_us: int, chance: random.Random, context: SrtpContext | None
) -> None:
    """On either port, whole or damaged."""
    data = report(peer, at_us, chance)
    if context is not None:
        data = context.protect_report(data)
    if chance.random() < 0.3:
        data = damaged(data, chance)
    comes = chance.choice([trace.receive, trace.receive_rtcp])
    comes(at_us, data, chance.choice(SOURCES))


def hostile(seed: int, suite: str | None = None) -> Trace:
    """Loss, reordering, bursts, pauses, jumps, strangers, damage and re-INVITEs, all at once."""
    chance, context = random.Random(seed), peer_context(suite)
    trace, peer = Trace(TICKS), Peer(sequence=chance.randrange(0x10000))
    timeout_ms = chance.choice([0, 100, 400])
    trace.connect(0, attrs.evolve(params(), timeout_ms=timeout_ms, keys=some_keys(suite, chance)))
    at_us = 0
    trouble = chance.choice([0.02, 0.2])
    while at_us < TICKS * TICK_US:
        data = packet(peer, chance)
        if context is not None:
            data = context.protect(data)
        delay = 0 if chance.random() > trouble else chance.randint(0, 150_000)
        source = PEER if chance.random() > trouble else chance.choice(SOURCES)
        if chance.random() < trouble / 4:
            data = damaged(data, chance)
        if chance.random() > trouble:
            trace.receive(at_us + delay, data, source)
        if chance.random() < trouble:
            trace.receive(at_us + chance.randint(0, 150_000), data, source)
        if chance.random() < trouble / 4:
            peer.sequence = (peer.sequence + chance.choice([5, 40, 63, 64, 1000, -30, -64])) % 0x10000
        if chance.random() < trouble / 10:
            peer.ssrc = chance.randrange(2**32)
        if chance.random() < 0.1:
            report_comes(trace, peer, at_us, chance, context)
        if chance.random() < 0.1:
            act(trace, at_us, chance, suite)
        at_us += (
            20_000 if chance.random() > trouble / 5 else chance.choice([0, 0, 0, 10_000, 90_000, 400_000])
        )
    return trace


@pytest.mark.parametrize("seed", range(60))
def test_any_life(play: Play, seed: int) -> None:
    stats = play(hostile(seed)).stats
    assert stats.packets_received >= stats.played + stats.late + stats.duplicate + stats.discarded > 0


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("suite", SUITES)
def test_any_life_under_keys(play: Play, suite: str, seed: int) -> None:
    stats = play(hostile(seed, suite)).stats
    assert stats.packets_received >= stats.played + stats.late + stats.duplicate + stats.discarded > 0


UNSEEN = ("relayed", "recovered")
"""A bridge and Opus are for tests of their own."""


def test_the_lives_are_eventful(play: Play) -> None:
    total = dict.fromkeys(attrs.asdict(MediaStats(), filter=lambda field, _: field.name not in UNSEEN), 0)
    for seed in range(20):
        suite = None if seed % 4 else "AES_CM_128_HMAC_SHA1_32"
        stats = play(hostile(seed, suite)).stats
        for name in total:
            total[name] += getattr(stats, name)
    assert all(total.values()), total
