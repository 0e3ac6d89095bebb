"""Comfort noise in both directions (RFC 3389)."""

from __future__ import annotations

import attrs
import numpy as np
import pytest

from actors.call import MediaStats
from clutch.media.g711 import Samples
from clutch.media.params import Codec, RtpParams
from clutch.wire.rtp import RtpPacket
from tests.contract.pair import FAR, NEAR, PEERS, PairTrace, PlayPair
from tests.contract.trace import (
    EVENTS,
    L16_8000,
    L16_16000,
    PCMU,
    TIMESTAMP,
    Outcome,
    Peer,
    Play,
    Trace,
    arrival,
    noise,
    params,
    payloads,
    received,
)

STATIC = 13


def level_dbov(samples: Samples) -> float:
    """Power against that of a square wave of full scale."""
    return float(10 * np.log10(np.mean(samples.astype(float) ** 2) / 32_768**2))


def pausing(codec: Codec, level: int, ticks: int, payload_type: int = STATIC) -> Trace:
    """Five packets of audio, the announcement of a pause, and after 40 packet times five more."""
    peer, trace = Peer(codec), Trace(ticks)
    trace.connect(0, attrs.evolve(params(codec), comfort_noise=payload_type))
    parts = payloads(peer, 10)
    for number in range(5):
        trace.receive(arrival(number), peer.audio(parts[number]))
    trace.receive(arrival(5), peer.noise(bytes([level, 1, 2]), payload_type))
    peer.timestamp += 40 * peer.samples
    for number in range(5, 10):
        trace.receive(arrival(number + 40), peer.audio(parts[number]))
    return trace


@pytest.mark.parametrize("codec", [PCMU, L16_8000, L16_16000], ids=str)
@pytest.mark.parametrize("level", [30, 50, 70])
def test_a_pause_sounds_as_loud_as_the_peer_says(play: Play, codec: Codec, level: int) -> None:
    outcome = play(pausing(codec, level, 52, 98 if codec is L16_16000 else STATIC))
    assert outcome.concealed == []
    assert received(outcome.stats) == MediaStats(packets_received=11, played=11)
    pause = outcome.uplink.reshape(52, -1)[8:46]
    assert level_dbov(pause.ravel()) == pytest.approx(-level, abs=0.6)
    assert abs(np.corrcoef(pause[:-1].ravel(), pause[1:].ravel())[0, 1]) < 0.1


def test_what_follows_the_pause_is_played_whole(play: Play) -> None:
    codec, outcome = L16_8000, play(pausing(L16_8000, 90, 54))
    parts = payloads(Peer(codec), 10)
    heard = outcome.uplink.tobytes()
    for part in (b"".join(parts[:5]), b"".join(parts[5:])):
        assert np.frombuffer(part, ">i2").astype(np.int16).tobytes() in heard


def test_after_the_pause_a_loss_is_a_loss(play: Play) -> None:
    peer, trace = Peer(), Trace(20)
    trace.connect(0, params())
    trace.receive(arrival(0), peer.noise(b"\x28", STATIC))
    for number, part in enumerate(payloads(peer, 10), 1):
        packet = peer.audio(part)
        if number != 5:
            trace.receive(arrival(number), packet)
    assert play(trace).concealed == [7, 13, 14, 15]


def test_noise_without_a_level_is_malformed(play: Play) -> None:
    trace = Trace(3)
    trace.connect(0, params())
    trace.receive(arrival(0), Peer().noise(b"", STATIC))
    assert received(play(trace).stats) == MediaStats(malformed=1)


def sent(outcome: Outcome) -> dict[int, RtpPacket]:
    """What was sent, by the number of the tick, from 1."""
    packets = {at: frame.packet for at, frame in enumerate(outcome.frames, 1)}
    return {at: RtpPacket.parse(packet) for at, packet in packets.items() if packet is not None}


def test_a_pause_is_said_once_and_again_and_not_sent(play: Play) -> None:
    trace = Trace(100)
    trace.connect(0, attrs.evolve(params(), dtx=True))
    loud = noise(2, 3 * 320)
    trace.send(1000, loud[0])
    trace.send(arrival(89), loud[1])
    packets = sent(play(trace))
    # Three frames of speech, ten of what may still be speech, and the level every 25 frames.
    assert list(packets) == [*range(1, 14), 14, 39, 64, 89, *range(90, 101)]
    kinds = {at: packet.payload_type for at, packet in packets.items()}
    assert [at for at, kind in kinds.items() if kind == STATIC] == [14, 39, 64, 89]
    assert {packets[at].payload for at in (14, 39, 64, 89)} == {b"\x7f"}
    assert [at for at, packet in packets.items() if packet.marker] == [1, 90]
    assert [packet.sequence for packet in packets.values()] == [
        (65_534 + number) % 0x10000 for number in range(len(packets))
    ]
    assert all(packet.timestamp == (TIMESTAMP + 160 * (at - 1)) % 2**32 for at, packet in packets.items())


@pytest.mark.parametrize(("amplitude", "level"), [(60, 60), (3, 85), (400, None)])
def test_a_soft_sound_is_a_pause_of_that_level(play: Play, amplitude: int, level: int | None) -> None:
    soft = np.random.default_rng(1).integers(-amplitude, amplitude + 1, 160).astype(np.int16)
    trace = Trace(12)
    trace.connect(0, attrs.evolve(params(), dtx=True, comfort_noise=98))
    for tick in range(12):
        trace.send(tick * 20_000 + 1000, soft.tobytes())
    packets = sent(play(trace))
    levels = [packet.payload[0] for packet in packets.values() if packet.payload_type == 98]
    assert levels == ([] if level is None else [level])


def bridged(ticks: int, *, agreed: bool) -> PairTrace:
    """A bridge whose near side knows comfort noise, and whose far side does so if it is `agreed`."""
    trace = PairTrace(ticks)
    for side, dtx, number in ((NEAR, True, STATIC), (FAR, agreed, 98)):
        stated = RtpParams(PEERS[side], PCMU, EVENTS, timeout_ms=0, dtx=dtx, comfort_noise=number)
        trace.connect(0, side, stated)
    trace.bridge(1)
    return trace


def speak_and_pause(trace: PairTrace) -> None:
    """Five packets to the near side, then a pause that is told of every 200 ms."""
    peer = Peer()
    for number, part in enumerate(payloads(peer, 5)):
        trace.receive(arrival(number), NEAR, peer.audio(part))
    for number in range(5, 60, 10):
        trace.receive(arrival(number), NEAR, peer.noise(b"\x30", STATIC))
        peer.timestamp += 9 * 160


def test_a_pause_crosses_a_bridge_to_who_knows_it(play_pair: PlayPair) -> None:
    trace = bridged(60, agreed=True)
    speak_and_pause(trace)
    near, far = play_pair(trace)
    assert [packet.payload_type for packet in far.sent] == [0] * 5 + [98] * 6
    assert [packet.sequence - far.sent[0].sequence for packet in far.sent] == list(range(11))
    assert near.stats.relayed == far.stats.packets_sent == 11


def test_who_does_not_know_pauses_hears_silence_instead(play_pair: PlayPair) -> None:
    trace = bridged(60, agreed=False)
    speak_and_pause(trace)
    near, far = play_pair(trace)
    silence = [packet for packet in far.sent[5:] if packet.payload == b"\xff" * 160]
    assert len(silence) == len(far.sent) - 5 > 25
    assert {packet.payload_type for packet in far.sent} == {0}
    assert near.stats.packets_received == 11
