"""From packets to frames.

Packets of 20 ms arrive 5 ms after a tick was due, the first one after tick 0. It is 35 ms old at tick 2 and
55 ms old at tick 3, which plays it: packet n, counted from 0, is played at tick n + 3.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

import attrs
import numpy as np
import pytest

from actors.call import MediaStats
from clutch.media.params import Codec
from tests.contract.trace import (
    L16_8000,
    L16_16000,
    PCMA,
    PCMU,
    Outcome,
    Peer,
    Play,
    Trace,
    arrival,
    decoded,
    noise,
    params,
    payloads,
    received,
)

FIRST = 3
"""The tick that plays packet 0."""


def trace_of(packets: Iterable[bytes], ticks: int, codec: Codec = PCMU) -> Trace:
    """All packets on time, on a stream that is connected at once."""
    trace = Trace(ticks)
    trace.connect(0, params(codec))
    for number, packet in enumerate(packets):
        trace.receive(arrival(number), packet)
    return trace


def frame(outcome: Outcome, tick: int) -> bytes:
    """The uplink of a tick, counted from 1."""
    return outcome.frames[tick - 1].uplink


@pytest.mark.parametrize("codec", [PCMU, PCMA, L16_8000, L16_16000], ids=str)
@pytest.mark.parametrize("ptime_ms", [10, 20, 30])
def test_clean_stream_comes_out_to_the_sample(play: Play, codec: Codec, ptime_ms: int) -> None:
    peer = Peer(codec, ptime_ms)
    parts = payloads(peer, 60)
    trace = Trace(20)
    trace.connect(0, params(codec))
    for number, part in enumerate(parts):
        trace.receive(number * ptime_ms * 1000 + 5000, peer.audio(part))
    outcome = play(trace)
    frame_samples = codec.rate_hz // 50
    assert not outcome.uplink[: 2 * frame_samples].any()
    heard = outcome.uplink[2 * frame_samples :]
    np.testing.assert_array_equal(heard, decoded(codec, parts)[: len(heard)])
    shapes = {(tick.rate_hz, len(tick.uplink), len(tick.downlink)) for tick in outcome.frames}
    assert shapes == {(codec.rate_hz, 2 * frame_samples, 2 * frame_samples)}
    assert [tick.tick for tick in outcome.frames] == list(range(20))
    arrived = sum(number * ptime_ms < 395 for number in range(60))
    assert received(outcome.stats) == MediaStats(packets_received=arrived, played=-(-18 * 20 // ptime_ms))


def test_sequence_and_timestamp_wrap(play: Play) -> None:
    peer = Peer(sequence=65_530, timestamp=2**32 - 800)
    parts = payloads(peer, 30)
    outcome = play(trace_of(map(peer.audio, parts), 32))
    np.testing.assert_array_equal(outcome.uplink[320:], decoded(PCMU, parts))
    assert received(outcome.stats) == MediaStats(packets_received=30, played=30)


def test_lost_packets_are_concealed_one_by_one(play: Play) -> None:
    peer, lottery = Peer(), random.Random(5)
    parts = payloads(peer, 200)
    packets = [peer.audio(part) for part in parts]
    lost = [number for number in range(1, 199) if lottery.random() < 0.05]
    trace = Trace(202)
    trace.connect(0, params())
    for number, packet in enumerate(packets):
        if number not in lost:
            trace.receive(arrival(number), packet)
    outcome = play(trace)
    assert len(lost) > 5
    assert outcome.concealed == [number + FIRST for number in lost]
    for number, part in enumerate(parts):
        expected = decoded(PCMU, [part])
        if number in lost and number - 1 not in lost:
            expected = (decoded(PCMU, [parts[number - 1]]).astype(np.int32) * 26_214 >> 15).astype(np.int16)
        if number not in lost or number - 1 not in lost:
            assert frame(outcome, number + FIRST) == expected.tobytes()
    assert received(outcome.stats) == MediaStats(
        packets_received=200 - len(lost), played=200 - len(lost), concealed=len(lost)
    )


def test_concealment_repeats_the_last_frame_ever_softer(play: Play) -> None:
    peer = Peer()
    parts = payloads(peer, 13)
    packets = [peer.audio(part) for part in parts]
    trace = trace_of(packets[:5], 15)
    # These are there in time to tell that 5 to 10 are lost.
    trace.receive(arrival(5), packets[11])
    trace.receive(arrival(5), packets[12])
    outcome = play(trace)
    last = decoded(PCMU, [parts[4]]).astype(np.int32)
    for block, gain in enumerate([26_214, 16_384, 8192, 3277, 0, 0]):
        expected = (last * gain >> 15).astype(np.int16).tobytes()
        assert frame(outcome, 5 + block + FIRST) == expected
    assert frame(outcome, 11 + FIRST) == decoded(PCMU, [parts[11]]).tobytes()
    assert outcome.concealed == [8, 9, 10, 11, 12, 13]


def test_a_lost_packet_of_30_ms_spoils_two_frames(play: Play) -> None:
    peer = Peer(ptime_ms=30)
    packets = [peer.audio(part) for part in payloads(peer, 6)]
    del packets[2]
    trace = trace_of([], 8)
    for packet in packets:
        trace.receive(5000, packet)
    outcome = play(trace)
    # Packet 2 would have filled 60 ms to 90 ms after tick 2: the fourth frame and half of the fifth.
    assert outcome.concealed == [6, 7]
    assert outcome.stats.concealed == 2


def test_reordered_packets_are_put_right(play: Play) -> None:
    peer = Peer()
    parts = payloads(peer, 40)
    packets = [peer.audio(part) for part in parts]
    for number in range(0, 40, 3):
        packets[number : number + 2] = reversed(packets[number : number + 2])
    outcome = play(trace_of(packets, 42))
    np.testing.assert_array_equal(outcome.uplink[320:], decoded(PCMU, parts))
    assert received(outcome.stats) == MediaStats(packets_received=40, played=40)


def test_a_packet_older_than_the_first_starts_earlier_unless_played(play: Play) -> None:
    peer = Peer()
    parts = payloads(peer, 6)
    packets = [peer.audio(part) for part in parts]
    trace = trace_of([], 8)
    for at_us, number in [(5000, 2), (10_000, 1), (50_000, 3), (70_000, 0), (75_000, 4)]:
        trace.receive(at_us, packets[number])
    outcome = play(trace)
    assert [frame(outcome, tick) for tick in range(3, 7)] == [
        decoded(PCMU, [parts[number]]).tobytes() for number in (1, 2, 3, 4)
    ]
    assert outcome.stats.late == 1


def test_a_packet_too_old_for_the_window_is_late(play: Play) -> None:
    peer = Peer()
    packets = [peer.audio(part) for part in payloads(peer, 100)]
    trace = trace_of([], 2)
    for number in (60, 80, 17, 16):
        trace.receive(5000, packets[number])
    # 17 to 80 are 64 packets: they fit. 16 does not.
    assert play(trace).stats.late == 1


def test_duplicates_are_dropped_and_late_ones_are_late(play: Play) -> None:
    peer = Peer()
    parts = payloads(peer, 40)
    packets = [peer.audio(part) for part in parts]
    trace = trace_of(packets, 42)
    for number, packet in enumerate(packets):
        trace.receive(arrival(number), packet)
    for number in range(30):
        trace.receive(arrival(number + 5), packets[number])
    outcome = play(trace)
    np.testing.assert_array_equal(outcome.uplink[320:], decoded(PCMU, parts))
    assert received(outcome.stats) == MediaStats(packets_received=110, played=40, duplicate=40, late=30)


def test_a_short_stall_is_absorbed(play: Play) -> None:
    peer = Peer()
    parts = payloads(peer, 40)
    trace = trace_of([], 42)
    for number, part in enumerate(parts):
        trace.receive(arrival(max(number, 12) if 10 <= number <= 12 else number), peer.audio(part))
    outcome = play(trace)
    np.testing.assert_array_equal(outcome.uplink[320:], decoded(PCMU, parts))
    assert received(outcome.stats) == MediaStats(packets_received=40, played=40)


def test_a_stall_of_300_ms_is_cut_to_what_is_needed(play: Play) -> None:
    """Packets 10 to 24 come at once: three ticks are made up, silence follows, then there is no more wait."""
    peer = Peer()
    parts = payloads(peer, 60)
    trace = trace_of([], 60)
    for number, part in enumerate(parts):
        trace.receive(arrival(24 if 10 <= number <= 24 else number), peer.audio(part))
    outcome = play(trace)
    assert outcome.concealed == [13, 14, 15]
    assert not any(frame(outcome, tick).strip(b"\0") for tick in range(16, 25))
    # At tick 25 packets 10 to 24 wait. 85 ms are needed now, so all but the last five go.
    np.testing.assert_array_equal(outcome.uplink[24 * 160 :], decoded(PCMU, parts[20:56]))
    assert received(outcome.stats) == MediaStats(
        packets_received=60, played=10 + 36, discarded=10, concealed=3
    )


@pytest.mark.parametrize(("waiting", "discarded"), [(10, 0), (11, 8)])
def test_200_ms_may_wait(play: Play, waiting: int, discarded: int) -> None:
    peer = Peer()
    trace = trace_of([], 16)
    for part in payloads(peer, waiting):
        trace.receive(5000, peer.audio(part))
    stats = play(trace).stats
    assert (stats.discarded, stats.played) == (discarded, waiting - discarded)


def test_only_three_empty_ticks_in_a_row_are_a_pause(play: Play) -> None:
    peer = Peer()
    parts = payloads(peer, 5)
    trace = trace_of([], 16)
    for number, part in enumerate(parts):
        trace.receive(arrival([0, 1, 5, 7, 9][number]), peer.audio(part))
    outcome = play(trace)
    assert outcome.concealed == [5, 7, 9, 11, 12, 13]
    assert [frame(outcome, tick) for tick in (3, 4, 6, 8, 10)] == [
        decoded(PCMU, [part]).tobytes() for part in parts
    ]


def test_a_pause_of_the_sender_is_silent_after_three_frames(play: Play) -> None:
    """Discontinuous transmission: sequence numbers go on, time has passed."""
    peer = Peer()
    parts = payloads(peer, 20)
    trace = trace_of([], 70)
    for number, part in enumerate(parts):
        if number == 10:
            peer.timestamp += 30 * 160
        trace.receive(arrival(number if number < 10 else number + 30), peer.audio(part))
    outcome = play(trace)
    assert outcome.concealed == [13, 14, 15, 53, 54, 55]
    assert not any(frame(outcome, tick).strip(b"\0") for tick in range(16, 43))
    np.testing.assert_array_equal(outcome.uplink[42 * 160 : 52 * 160], decoded(PCMU, parts[10:]))
    assert received(outcome.stats) == MediaStats(packets_received=20, played=20, concealed=6)


def test_after_a_pause_the_first_packet_sets_the_place(play: Play) -> None:
    peer = Peer()
    parts = payloads(peer, 10)
    packets = [peer.audio(part) for part in parts]
    trace = trace_of(packets[:3], 20)
    trace.receive(arrival(10), packets[6])
    trace.receive(arrival(10), packets[5])
    outcome = play(trace)
    # It comes 80 ms late, so it has waited long enough.
    assert frame(outcome, 11) == decoded(PCMU, [parts[6]]).tobytes()
    assert outcome.stats.late == 1
    assert outcome.concealed == [6, 7, 8, 12, 13, 14]


@pytest.mark.parametrize("jump", [64, 1000, -64, -1000])
def test_a_jump_in_sequence_starts_anew(play: Play, jump: int) -> None:
    peer = Peer(sequence=5000)
    parts = payloads(peer, 40)
    packets = [peer.audio(part) for part in parts[:20]]
    # The jump comes after tick 20, which played packet 17: it is seen from 18.
    peer.sequence = 5000 + 18 + jump
    outcome = play(trace_of(packets + [peer.audio(part) for part in parts[20:]], 42))
    assert received(outcome.stats) == MediaStats(packets_received=40, played=38, discarded=2)
    assert not outcome.uplink[20 * 160 : 22 * 160].any()
    np.testing.assert_array_equal(outcome.uplink[22 * 160 :], decoded(PCMU, parts[20:]))


def test_a_distance_within_the_window_is_no_jump(play: Play) -> None:
    peer = Peer(sequence=5000)
    packets = [peer.audio(part) for part in payloads(peer, 20)]
    peer.sequence = 5000 + 18 - 63
    outcome = play(trace_of([*packets, peer.audio(noise(1, 160)[0])], 21))
    assert (outcome.stats.late, outcome.stats.discarded) == (1, 0)


def test_a_new_ssrc_starts_anew(play: Play) -> None:
    first, second = Peer(), Peer(ssrc=0xBEEF, sequence=130, timestamp=77)
    old, new = payloads(first, 20), payloads(second, 20, seed=2)
    packets = [first.audio(part) for part in old] + [second.audio(part) for part in new]
    outcome = play(trace_of(packets, 42))
    # Two packets are lost until it is believed; meanwhile what waited is played.
    assert received(outcome.stats) == MediaStats(
        packets_received=38, played=38, wrong_source=2, ssrc_changes=1
    )
    np.testing.assert_array_equal(outcome.uplink[24 * 160 :], decoded(PCMU, new[2:]))


def test_a_flood_between_two_ticks_is_cut(play: Play) -> None:
    peer = Peer(L16_16000)
    parts = payloads(peer, 60)
    trace = trace_of([], 6, L16_16000)
    for part in parts:
        trace.receive(5000, peer.audio(part))
    outcome = play(trace)
    np.testing.assert_array_equal(outcome.uplink[2 * 320 : 5 * 320], decoded(L16_16000, parts[57:]))
    assert received(outcome.stats) == MediaStats(packets_received=60, played=3, discarded=57, concealed=1)


def test_half_a_sample_is_malformed_and_concealed(play: Play) -> None:
    peer = Peer(L16_8000)
    parts = payloads(peer, 10)
    packets = [peer.audio(part if number != 4 else part[:-1]) for number, part in enumerate(parts)]
    outcome = play(trace_of(packets, 12, L16_8000))
    assert outcome.concealed == [4 + FIRST]
    assert received(outcome.stats) == MediaStats(packets_received=10, played=9, malformed=1, concealed=1)


def test_before_connect_nothing_happens(play: Play) -> None:
    peer = Peer()
    trace = Trace(3)
    trace.receive(5000, peer.audio(bytes(160)))
    trace.receive(5000, b"\x80")
    trace.send(5000, bytes(320))
    outcome = play(trace)
    assert outcome.ticks == [None, None, None]
    assert outcome.stats == MediaStats(malformed=1, downlink_dropped=160)


def test_while_not_receiving_packets_are_ignored(play: Play) -> None:
    peer = Peer()
    trace = Trace(4)
    trace.connect(0, params(receive=False))
    for number in range(3):
        trace.receive(arrival(number), peer.audio(bytes(160)))
    outcome = play(trace)
    assert received(outcome.stats) == MediaStats()
    assert outcome.concealed == []


def test_hold_and_resume(play: Play) -> None:
    """During the hold the peer's numbers go on; what came before it was played."""
    peer = Peer()
    parts = payloads(peer, 100)
    trace = trace_of(map(peer.audio, parts), 102)
    trace.connect(arrival(10) - 1000, params(receive=False))
    trace.connect(arrival(90) - 1000, params())
    outcome = play(trace)
    np.testing.assert_array_equal(outcome.uplink[320 : 12 * 160], decoded(PCMU, parts[:10]))
    assert outcome.concealed == [13, 14, 15]
    np.testing.assert_array_equal(outcome.uplink[92 * 160 :], decoded(PCMU, parts[90:]))
    assert received(outcome.stats) == MediaStats(packets_received=20, played=20, concealed=3)


def test_the_same_codec_again_keeps_the_audio(play: Play) -> None:
    peer = Peer()
    parts = payloads(peer, 20)
    trace = trace_of([], 22)
    for number, part in enumerate(parts):
        if number == 10:
            trace.connect(arrival(10) - 1000, params(attrs.evolve(PCMU, payload_type=77)))
            peer.codec = attrs.evolve(PCMU, payload_type=77)
        trace.receive(arrival(number), peer.audio(part))
    outcome = play(trace)
    np.testing.assert_array_equal(outcome.uplink[320:], decoded(PCMU, parts))


def test_another_codec_starts_anew(play: Play) -> None:
    first, second = Peer(), Peer(L16_16000, sequence=110)
    old, new = payloads(first, 10), payloads(second, 10)
    trace = trace_of(map(first.audio, old), 22)
    trace.connect(arrival(10) - 1000, params(L16_16000))
    trace.send(arrival(3), bytes(2000))
    for number, part in enumerate(new):
        trace.receive(arrival(10 + number), second.audio(part))
    outcome = play(trace)
    heard = b"".join(tick.uplink for tick in outcome.frames[12:])
    assert heard == decoded(L16_16000, new).tobytes()
    assert received(outcome.stats) == MediaStats(packets_received=20, played=18, discarded=2)
    assert {tick.rate_hz for tick in outcome.frames[10:]} == {16_000}


def test_what_is_no_audio_of_ours(play: Play) -> None:
    peer = Peer()
    good = peer.audio(bytes(160))
    malformed = [
        b"",
        good[:11],
        b"\x40" + good[1:],
        b"\x8f" + good[1:30],
        b"\x90" + good[1:14],
        b"\x90" + good[1:12] + b"\0\0\xff\xff" + bytes(20),
        b"\xa0" + good[1:-1] + b"\0",
        b"\xa0" + good[1:-1] + b"\xa1",
        good[:12],
        good[:12] + bytes(1921),
    ]
    ignored = [b"\x80\xc8", b"\x80\xc9" + bytes(6), b"\x80\xcc" + bytes(30)]
    trace = trace_of([], 4)
    for data in malformed + ignored + [good[:1] + b"\x63" + good[2:]]:
        trace.receive(5000, data)
    outcome = play(trace)
    assert received(outcome.stats) == MediaStats(malformed=len(malformed), wrong_payload=1)


def test_the_longest_payload(play: Play) -> None:
    peer = Peer(L16_8000)
    part = noise(1, 1920)[0]
    outcome = play(trace_of([peer.audio(part)], 10, L16_8000))
    np.testing.assert_array_equal(outcome.uplink[320 : 320 + 960], decoded(L16_8000, [part]))
    assert outcome.concealed == [9, 10]


def test_csrcs_extension_and_padding_are_skipped(play: Play) -> None:
    peer = Peer()
    parts = payloads(peer, 3)
    plain = [peer.audio(part) for part in parts]
    csrc = b"\x82" + plain[0][1:12] + bytes(8) + plain[0][12:]
    extension = b"\x91" + plain[1][1:12] + bytes(4) + b"\xbe\xde\0\x01abcd" + plain[1][12:]
    padding = b"\xa0" + plain[2][1:] + b"\0\0\x03"
    outcome = play(trace_of([csrc, extension, padding], 5))
    np.testing.assert_array_equal(outcome.uplink[320:], decoded(PCMU, parts))
