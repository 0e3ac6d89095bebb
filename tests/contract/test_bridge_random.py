"""Bridged lives that nobody thought of: both cores must agree on every one of them."""

from __future__ import annotations

import random

import attrs
import pytest

from clutch.media.params import RtpParams
from tests.contract.pair import FAR, NEAR, PEERS, PairTrace, PlayPair
from tests.contract.test_random import damaged, packet
from tests.contract.trace import PCMA, PCMU, TICK_US, Peer, params

TICKS = 300
NAT = ("203.0.113.5", 61_000)


def some_params(side: int, chance: random.Random) -> RtpParams:
    """Mostly what can be bridged and what the peer sends."""
    codec = PCMU if chance.random() < 0.9 else PCMA
    stated = params(codec, PEERS[side], send=chance.random() < 0.9, receive=chance.random() < 0.9)
    event = None if chance.random() < 0.1 else stated.telephone_event
    clock = chance.choice([None, None, 16_000])
    timeout_ms, dtx = chance.choice([0, 100, 400]), chance.random() < 0.3
    return attrs.evolve(stated, telephone_event=event, event_clock_hz=clock, timeout_ms=timeout_ms, dtx=dtx)


def peer_sends(trace: PairTrace, side: int, chance: random.Random) -> None:
    """Loss, reordering, copies, pauses, jumps, strangers and damage."""
    peer = Peer(sequence=chance.randrange(0x10000), timestamp=chance.randrange(2**32), ssrc=side)
    trouble = chance.choice([0.02, 0.2])
    at_us = chance.randrange(TICK_US)
    while at_us < TICKS * TICK_US:
        data = packet(peer, chance)
        if chance.random() < trouble / 4:
            data = damaged(data, chance)
        for _ in range(chance.choice([0, 1, 2]) if chance.random() < trouble else 1):
            delay = chance.randint(0, 150_000) if chance.random() < trouble else 0
            source = NAT if chance.random() < trouble / 4 else PEERS[side]
            trace.receive(at_us + delay, side, data, source)
        if chance.random() < trouble / 4:
            peer.sequence = (peer.sequence + chance.choice([5, 64, 1000, 3500, -30, -200])) % 0x10000
        if chance.random() < trouble / 4:
            peer.timestamp = (peer.timestamp + chance.choice([800, 9000, -9000, 2**31])) % 2**32
        if chance.random() < trouble / 10:
            peer.ssrc = chance.randrange(2**32)
        pause = chance.random() < trouble / 5
        at_us += chance.choice([0, 0, 10_000, 90_000, 700_000, 1_400_000]) if pause else TICK_US


def we_act(trace: PairTrace, at_us: int, chance: random.Random) -> None:
    """Something that our side does."""
    side = chance.choice([NEAR, FAR])
    match chance.randrange(8):
        case 0 | 1:
            trace.bridge(at_us)
        case 2:
            trace.unbridge(at_us, side)
        case 3:
            trace.tap(at_us, side, on=chance.random() < 0.5)
        case 4:
            trace.dial(at_us, side, "1#", chance.randint(0, 120), chance.randint(0, 80))
        case 5:
            trace.connect(at_us, side, some_params(side, chance))
        case _:
            trace.send(at_us, side, chance.randbytes(chance.randint(0, 4000)))


def hostile_pair(seed: int) -> PairTrace:
    """Two peers that misbehave, and a node that cannot make up its mind."""
    chance = random.Random(seed)
    trace = PairTrace(TICKS, bridges_what_it_can=True)
    for side in (NEAR, FAR):
        trace.connect(0, side, params(remote=PEERS[side]))
        peer_sends(trace, side, chance)
    trace.bridge(chance.randrange(TICKS * TICK_US // 2))
    for _ in range(chance.choice([5, 30])):
        we_act(trace, chance.randrange(TICKS * TICK_US), chance)
    return trace


@pytest.mark.parametrize("seed", range(60))
def test_any_bridged_life(play_pair: PlayPair, seed: int) -> None:
    for end in play_pair(hostile_pair(seed)):
        stats = end.stats
        judged = stats.played + stats.late + stats.duplicate + stats.discarded + stats.relayed
        assert stats.packets_received >= judged > 0
        assert stats.packets_sent == len(end.wire)


def test_the_lives_are_eventful(play_pair: PlayPair) -> None:
    ends = [end for seed in range(20) for end in play_pair(hostile_pair(seed))]
    assert sum(end.stats.relayed > 50 for end in ends) > 10
    assert sum(end.stats.played > 50 for end in ends) > 10
