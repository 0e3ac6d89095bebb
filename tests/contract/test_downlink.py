"""From queued audio to packets."""

from __future__ import annotations

import numpy as np
import pytest

from actors.call import MediaStats
from clutch.media.params import Codec
from clutch.media.payload import payload_format
from tests.contract.trace import (
    L16_8000,
    L16_16000,
    L16_48000,
    PCMA,
    PCMU,
    PEER,
    SEQUENCE,
    SSRC,
    TIMESTAMP,
    Play,
    Trace,
    arrival,
    noise,
    params,
)


@pytest.mark.parametrize("codec", [PCMU, PCMA, L16_8000, L16_16000, L16_48000], ids=str)
def test_one_packet_per_tick(play: Play, codec: Codec) -> None:
    samples = codec.rate_hz // 50
    pcm = noise(1, 2 * 5 * samples)[0]
    trace = Trace(8)
    trace.connect(0, params(codec))
    trace.send(1000, pcm)
    outcome = play(trace)
    assert outcome.results == [None, len(pcm)]
    encode = payload_format(codec.name).encode
    expected = np.frombuffer(pcm + bytes(2 * 3 * samples), np.int16).reshape(8, samples)
    assert [packet.payload for packet in outcome.sent] == [encode(frame) for frame in expected]
    assert b"".join(frame.downlink for frame in outcome.frames) == expected.tobytes()
    assert [packet.marker for packet in outcome.sent] == [True] + [False] * 7
    assert {(packet.ssrc, packet.payload_type) for packet in outcome.sent} == {(SSRC, codec.payload_type)}
    assert [packet.sequence for packet in outcome.sent] == [(SEQUENCE + n) % 0x10000 for n in range(8)]
    assert [packet.timestamp for packet in outcome.sent] == [
        (TIMESTAMP + n * samples) % 2**32 for n in range(8)
    ]
    assert {frame.destination for frame in outcome.frames} == {PEER}
    assert outcome.stats == MediaStats(packets_sent=8)


def test_a_part_of_a_frame_is_padded(play: Play) -> None:
    pcm = noise(1, 200)[0]
    trace = Trace(2)
    trace.connect(0, params())
    trace.send(1000, pcm)
    outcome = play(trace)
    assert [frame.downlink for frame in outcome.frames] == [pcm + bytes(120), bytes(320)]


def test_a_full_queue_refuses_and_counts(play: Play) -> None:
    trace = Trace(1)
    trace.connect(0, params())
    trace.send(1000, bytes(2 * 8000 + 1))
    trace.send(2000, bytes(2 * 300))
    outcome = play(trace)
    assert outcome.results[1:] == [2 * 8000, 2 * 192]
    assert outcome.stats.downlink_dropped == 108
    assert outcome.queued == 8192 - 160


def test_clear_forgets_what_was_queued(play: Play) -> None:
    pcm = noise(1, 3200)[0]
    trace = Trace(4)
    trace.connect(0, params())
    trace.send(1000, pcm)
    trace.clear(arrival(2))
    trace.send(arrival(2), pcm[:10])
    outcome = play(trace)
    assert [frame.downlink for frame in outcome.frames] == [
        pcm[:320],
        pcm[320:640],
        pcm[:10] + bytes(310),
        bytes(320),
    ]


def test_while_held_audio_goes_by_unsent_and_time_goes_on(play: Play) -> None:
    pcm = noise(1, 6 * 320)[0]
    trace = Trace(6)
    trace.connect(0, params())
    trace.send(1000, pcm)
    trace.connect(arrival(2), params(send=False))
    trace.connect(arrival(4), params())
    outcome = play(trace)
    silence = bytes(320)
    assert [frame.downlink for frame in outcome.frames] == [
        pcm[:320],
        pcm[320:640],
        silence,
        silence,
        pcm[1280:1600],
        pcm[1600:],
    ]
    assert [frame.packet is None for frame in outcome.frames] == [False, False, True, True, False, False]
    assert [packet.sequence for packet in outcome.sent] == [(SEQUENCE + n) % 0x10000 for n in range(4)]
    assert outcome.sent[2].timestamp == (TIMESTAMP + 4 * 160) % 2**32
    assert [packet.marker for packet in outcome.sent] == [True, False, False, False]


def test_another_codec_drops_what_was_queued_and_goes_on_counting(play: Play) -> None:
    trace = Trace(4)
    trace.connect(0, params())
    trace.send(1000, noise(1, 3200)[0])
    trace.connect(arrival(2), params(L16_16000))
    outcome = play(trace)
    assert [frame.downlink for frame in outcome.frames[2:]] == [bytes(640)] * 2
    assert [packet.timestamp for packet in outcome.sent] == [
        (TIMESTAMP + offset) % 2**32 for offset in (0, 160, 320, 640)
    ]
    assert [packet.payload_type for packet in outcome.sent] == [0, 0, 97, 97]
    assert outcome.stats.downlink_dropped == 0


def test_the_same_codec_keeps_what_was_queued(play: Play) -> None:
    pcm = noise(1, 1280)[0]
    trace = Trace(4)
    trace.connect(0, params())
    trace.send(1000, pcm)
    trace.connect(arrival(2), params())
    assert b"".join(frame.downlink for frame in play(trace).frames) == pcm


def test_numbers_start_at_connect(play: Play) -> None:
    trace = Trace(5)
    trace.connect(arrival(3), params())
    outcome = play(trace)
    assert outcome.ticks[:3] == [None] * 3
    assert [frame.tick for frame in outcome.frames] == [3, 4]
    assert (outcome.sent[0].sequence, outcome.sent[0].timestamp) == (SEQUENCE, TIMESTAMP)
