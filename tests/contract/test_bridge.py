"""Two bridged streams: what goes on, with which numbers, and who speaks when nothing does."""

from __future__ import annotations

from itertools import pairwise

import attrs
import numpy as np
import pytest

import native
from actors.call import Dtmf, MediaTimeout
from clutch.media.errors import CannotBridge
from clutch.media.params import Codec, RtpParams
from clutch.wire.rtp import Extension, RtpPacket
from tests.contract.pair import FAR, FIRST, NEAR, PEERS, End, PairTrace, PlayPair
from tests.contract.trace import (
    EVENTS,
    PCMA,
    PCMU,
    TICK_US,
    Peer,
    arrival,
    noise,
    payloads,
)

SILENCE = b"\xff" * 160
SSRC, SEQUENCE, TIMESTAMP = FIRST[FAR]


def params(side: int, codec: Codec = PCMU, *, send: bool = True, receive: bool = True) -> RtpParams:
    """What the peer of one side agreed on; it never times out."""
    return RtpParams(PEERS[side], codec, EVENTS + side, send=send, receive=receive, timeout_ms=0)


def connected(ticks: int, codec: Codec = PCMU) -> PairTrace:
    """Both connected from the start; the payload types are not the same."""
    trace = PairTrace(ticks)
    trace.connect(0, NEAR, params(NEAR, codec))
    trace.connect(0, FAR, params(FAR, attrs.evolve(codec, payload_type=codec.payload_type + 40)))
    return trace


def bridged(ticks: int, codec: Codec = PCMU) -> PairTrace:
    """And bridged before the first tick."""
    trace = connected(ticks, codec)
    trace.bridge(1)
    return trace


def relayed(end: End) -> list[RtpPacket]:
    """What did not leave in a tick."""
    return [packet.rtp for packet in end.wire if packet.at_us % TICK_US]


def assert_continuous(end: End, step: int = 160) -> None:
    """No number is missing, and no time."""
    for one, two in pairwise(end.sent):
        assert (two.sequence - one.sequence) % 0x10000 == 1
        assert (two.timestamp - one.timestamp) % 2**32 == step
    assert {packet.ssrc for packet in end.sent} <= {FIRST[NEAR][0], FIRST[FAR][0]}


def test_packets_leave_at_once_as_the_other_streams_own(play_pair: PlayPair) -> None:
    peer = Peer()
    trace, parts = bridged(10), payloads(peer, 10)
    for number, part in enumerate(parts):
        trace.receive(arrival(number), NEAR, peer.audio(part))
    near, far = play_pair(trace)
    assert far.wire[0].at_us == arrival(0)
    assert far.payloads == parts
    assert {packet.destination for packet in far.wire} == {PEERS[FAR]}
    assert {(packet.payload_type, packet.ssrc) for packet in far.sent} == {(40, SSRC)}
    assert (far.sent[0].sequence, far.sent[0].timestamp) == (SEQUENCE, TIMESTAMP)
    assert [packet.marker for packet in far.sent] == [True] + [False] * 9
    assert_continuous(far)
    assert (near.stats.packets_received, near.stats.relayed, far.stats.packets_sent) == (10, 10, 10)
    assert near.stats.played == near.stats.concealed == 0
    assert all(tick is not None and not tick.rate_hz for tick in near.ticks)
    # Nothing came from the other side: there the tick sends silence as ever.
    assert near.payloads == [SILENCE] * 10


def test_losses_and_order_are_seen_behind_the_bridge_and_copies_are_not(play_pair: PlayPair) -> None:
    """A number is used once: under SRTP two packets of one number would give their content away."""
    peer = Peer()
    trace, parts = bridged(10), payloads(peer, 10)
    packets = [peer.audio(part) for part in parts]
    for at, number in enumerate([0, 1, 3, 2, 5, 5, 9]):
        trace.receive(arrival(at), NEAR, packets[number])
    near, far = play_pair(trace)
    went_on = [0, 1, 3, 2, 5, 9]
    assert [packet.sequence - SEQUENCE for packet in far.sent] == went_on
    assert [packet.timestamp - TIMESTAMP for packet in far.sent] == [160 * number for number in went_on]
    assert far.payloads == [parts[number] for number in went_on]
    assert (near.stats.lost, near.stats.relayed, far.stats.packets_sent) == (3, 7, 6)


def test_what_is_older_than_the_bridge_stays_behind(play_pair: PlayPair) -> None:
    """Its number would be that of another packet of the stream."""
    peer = Peer()
    trace = bridged(10)
    packets = [peer.audio(part) for part in payloads(peer, 5)]
    for at, number in enumerate([2, 1, 0, 3, 4]):
        trace.receive(arrival(at), NEAR, packets[number])
    _, far = play_pair(trace)
    assert [packet.sequence - SEQUENCE for packet in far.sent] == [0, 1, 2]


def test_only_the_payload_goes_on(play_pair: PlayPair) -> None:
    extension = Extension(0xBEDE, b"\x10\xff\0\0")
    data = RtpPacket(0, 5, 800, 7, b"\x55" * 160, True, (1, 2, 3), extension, padding=9).to_bytes()
    trace = bridged(2)
    trace.receive(arrival(0), NEAR, data)
    _, far = play_pair(trace)
    assert far.sent == [RtpPacket(40, SEQUENCE, TIMESTAMP, SSRC, b"\x55" * 160, True)]


def test_nothing_that_is_not_accepted_goes_on(play_pair: PlayPair) -> None:
    peer, stranger = Peer(), Peer(ssrc=1)
    trace = bridged(10)
    trace.receive(arrival(0), NEAR, peer.audio(SILENCE))
    for number, part in enumerate(noise(6, 160)):
        trace.receive(arrival(number) + 1, NEAR, stranger.audio(part), ("203.0.113.5", 9))
    for junk in (b"", b"garbage", b"\x80\xc8\0\0", peer.audio(b""), peer.audio(bytes(1921))):
        trace.receive(arrival(7), NEAR, junk)
    trace.receive(arrival(7), NEAR, RtpPacket(99, 1, 1, 0xCAFE, SILENCE).to_bytes())
    near, far = play_pair(trace)
    assert len(relayed(far)) == 1
    assert near.stats.wrong_source == 6


def test_keys_go_on_and_are_reported(play_pair: PlayPair) -> None:
    peer = Peer()
    trace = bridged(12)
    trace.receive(arrival(0), NEAR, peer.audio(SILENCE))
    for number in range(1, 6):
        trace.receive(arrival(number), NEAR, peer.event("5", 160 * number, end=number == 5))
    peer.timestamp += 800
    trace.receive(arrival(6), NEAR, peer.audio(SILENCE))
    near, far = play_pair(trace)
    assert near.events == [(6, Dtmf("5", 100))]
    assert [packet.payload_type for packet in far.sent] == [40] + [EVENTS + FAR] * 5 + [40]
    assert [packet.timestamp - TIMESTAMP for packet in far.sent] == [0] + [160] * 5 + [960]
    assert [packet.sequence - SEQUENCE for packet in far.sent] == list(range(7))


@pytest.mark.parametrize("event", [None, EVENTS])
def test_keys_that_the_other_does_not_know_leave_no_hole(play_pair: PlayPair, event: int | None) -> None:
    peer = Peer()
    trace = bridged(12)
    trace.connect(2, FAR, attrs.evolve(params(FAR), telephone_event=event, event_clock_hz=16_000))
    for number in range(10):
        data = peer.event("5", 160 * number) if 3 <= number < 6 else peer.audio(SILENCE)
        trace.receive(arrival(number), NEAR, data)
    _, far = play_pair(trace)
    assert [packet.sequence - SEQUENCE for packet in far.sent] == list(range(7))
    assert {packet.payload_type for packet in far.sent} == {PCMU.payload_type}


def test_a_new_ssrc_or_a_jump_is_no_jump_behind_the_bridge(play_pair: PlayPair) -> None:
    peer = Peer()
    trace = bridged(40)
    for number in range(36):
        if number == 10:
            peer.ssrc, peer.sequence, peer.timestamp = 77, 50_000, 2**31
        if number == 20:
            peer.sequence, peer.timestamp = 20_000, 5
        if number == 30:
            peer.timestamp = 2**30
        trace.receive(arrival(number), NEAR, peer.audio(SILENCE))
    _, far = play_pair(trace)
    assert len(relayed(far)) == 34  # two until the new SSRC was believed
    assert_continuous(far)


def test_a_pause_of_the_peer_is_one_behind_the_bridge(play_pair: PlayPair) -> None:
    """Up to half a second nobody fills it; then the stream speaks for itself, and its numbers go on."""
    peer = Peer()
    trace = bridged(60)
    for number in (0, 1, 20, 21, 58):
        peer.timestamp = 160 * number
        trace.receive(arrival(number), NEAR, peer.audio(b"\x12" * 160))
    _, far = play_pair(trace)
    assert [packet.timestamp - TIMESTAMP for packet in far.sent[:4]] == [0, 160, 3200, 3360]
    assert [packet.sequence - SEQUENCE for packet in far.sent] == list(range(len(far.sent)))
    own = [packet for packet in far.wire if packet.at_us % TICK_US == 0]
    assert own[0].at_us == arrival(21) - 5000 + 25 * TICK_US
    assert {packet.rtp.payload for packet in own} == {SILENCE}
    for one, two in pairwise(far.sent[3:]):
        assert two.timestamp - one.timestamp == 160


@pytest.mark.parametrize(("ptime_ms", "step"), [(10, 80), (20, 160), (40, 320)])
def test_what_follows_begins_where_the_last_packet_ended(
    play_pair: PlayPair, ptime_ms: int, step: int
) -> None:
    peer = Peer(ptime_ms=ptime_ms)
    trace = bridged(60)
    for number, part in enumerate(payloads(peer, 200 // ptime_ms)):
        trace.receive(arrival(0) + number * ptime_ms * 1000, NEAR, peer.audio(part))
    _, far = play_pair(trace)
    last = len(relayed(far)) - 1
    assert far.sent[last + 1].timestamp - far.sent[last].timestamp == step
    assert far.sent[last + 1].payload == SILENCE


def test_own_words_replace_the_packets(play_pair: PlayPair) -> None:
    peer = Peer()
    trace = bridged(40)
    for number in range(38):
        trace.receive(arrival(number), NEAR, peer.audio(b"\x12" * 160))
    trace.send(arrival(9) + 1, FAR, (np.ones(800, np.int16) * 8000).tobytes())
    trace.dial(arrival(19) + 1, FAR, "7", 60, 40)
    _, far = play_pair(trace)
    assert_continuous_but_keys(far)
    kinds = "".join(
        "k" if packet.payload_type == EVENTS + FAR else "r" if packet.payload == b"\x12" * 160 else "o"
        for packet in far.sent
    )
    assert kinds == "r" * 10 + "ooooo" + "r" * 5 + "kkkkkoo" + "r" * 11


def assert_continuous_but_keys(end: End) -> None:
    """Sequence numbers go on; so does time, but for keys, whose packets all have the time of the press."""
    assert [(b.sequence - a.sequence) % 0x10000 for a, b in pairwise(end.sent)] == [1] * (len(end.sent) - 1)
    audio = [packet.timestamp for packet in end.sent if packet.payload_type != EVENTS + FAR]
    steps = {(b - a) % 2**32 for a, b in pairwise(audio)}
    assert steps == {160, 160 * 6}


def test_a_tap_hears_both_and_changes_nothing_on_the_wire(play_pair: PlayPair) -> None:
    plain, tapped = connected(60), connected(60)
    for trace in (plain, tapped):
        trace.bridge(1)
        peers = Peer(), Peer(attrs.evolve(PCMU, payload_type=40))
        for number in range(50):
            for side, level in ((NEAR, b"\x10"), (FAR, b"\x20")):
                trace.receive(arrival(number), side, peers[side].audio(level * 160))
    tapped.tap(arrival(10), NEAR)
    tapped.tap(arrival(40), NEAR, on=False)
    without, ends = play_pair(plain), play_pair(tapped)
    for before, after in zip(without, ends, strict=True):
        assert before.wire == after.wire
        assert before.stats.packets_received == after.stats.played + after.stats.relayed == 50
        assert (before.stats.relayed, after.stats.discarded) == (50, 0)
    near, far = ends
    assert [number for number, *_ in near.frames] == list(range(11, 41))
    heard = {(int(uplink[0]), int(downlink[0])) for _, uplink, downlink in near.frames[5:]}
    assert heard == {(-15996, -7932)}
    assert len(far.frames) == 30


def test_a_bridge_begins_with_what_waits(play_pair: PlayPair) -> None:
    """The packets in the jitter buffers go ahead in one burst; not one is lost, and time goes on."""
    peer = Peer()
    trace, parts = connected(40), payloads(peer, 38)
    for number, part in enumerate(parts):
        trace.receive(arrival(number), NEAR, peer.audio(part))
    trace.bridge(arrival(20) + 1)
    near, far = play_pair(trace)
    burst = [packet.rtp.payload for packet in far.wire if packet.at_us == arrival(20) + 1]
    assert burst == parts[18:21]
    assert far.payloads == [SILENCE] * 20 + parts[18:]
    assert_continuous(far)
    assert near.stats.played + near.stats.relayed == near.stats.packets_received == 38
    assert near.stats.discarded == 0


@pytest.mark.parametrize("tapped", [False, True])
def test_an_end_without_a_gap(play_pair: PlayPair, tapped: bool) -> None:
    """Who takes over hears the peer from the first tick on which the stream speaks for itself."""
    peer = Peer()
    trace, parts = bridged(60), payloads(peer, 58)
    if tapped:
        trace.tap(arrival(2), NEAR)
    for number, part in enumerate(parts):
        trace.receive(arrival(number), NEAR, peer.audio(part))
    trace.unbridge(arrival(20) + 1, FAR)
    near, far = play_pair(trace)
    assert_continuous(far)
    own = [packet for packet in far.wire if packet.at_us % TICK_US == 0]
    taken_over = own[0].at_us // TICK_US
    assert taken_over == (21 if tapped else 24)
    assert [packet.at_us for packet in own] == [tick * TICK_US for tick in range(taken_over, 61)]
    audible = {number: uplink for number, uplink, _ in near.frames if number >= taken_over}
    assert len(audible) == len(own)
    assert not any(tick.concealed for tick in near.ticks[taken_over:-1] if tick is not None)
    assert all(uplink.any() for uplink in audible.values())


def test_an_end_does_not_wait_for_who_says_nothing(play_pair: PlayPair) -> None:
    trace = bridged(40)
    trace.receive(arrival(0), NEAR, Peer().audio(SILENCE))
    trace.unbridge(arrival(10))
    _, far = play_pair(trace)
    own = [packet.at_us for packet in far.wire if packet.at_us % TICK_US == 0]
    assert own[0] == TICK_US * 16


def test_another_codec_ends_the_bridge(play_pair: PlayPair) -> None:
    peer = Peer()
    trace = bridged(20)
    for number in range(18):
        trace.receive(arrival(number), NEAR, peer.audio(SILENCE))
    trace.connect(arrival(10) + 1, FAR, params(FAR, PCMA))
    near, far = play_pair(trace)
    assert len(relayed(far)) == 11
    assert near.frames[-1][0] == 20
    assert_continuous(far)


@pytest.mark.parametrize("held", ["near", "far"])
def test_a_hold_holds(play_pair: PlayPair, held: str) -> None:
    """Who may not send lets packets go; what may not be received does not go on. Both come back."""
    peer = Peer()
    trace = bridged(60)
    for number in range(58):
        trace.receive(arrival(number), NEAR, peer.audio(b"\x12" * 160))
    if held == "far":
        trace.connect(arrival(10) + 1, FAR, params(FAR, send=False))
        trace.connect(arrival(45) + 1, FAR, params(FAR))
    else:
        trace.connect(arrival(10) + 1, NEAR, params(NEAR, receive=False))
        trace.connect(arrival(45) + 1, NEAR, params(NEAR))
    near, far = play_pair(trace)
    assert [packet.sequence - SEQUENCE for packet in far.sent] == list(range(len(far.sent)))
    assert len([part for part in far.payloads if part != SILENCE]) == 11 + 12
    assert near.stats.relayed == (23 if held == "near" else 58)


def test_silence_is_reported_of_a_bridged_peer(play_pair: PlayPair) -> None:
    trace = bridged(30)
    trace.connect(2, NEAR, attrs.evolve(params(NEAR), timeout_ms=200))
    trace.receive(arrival(4), NEAR, Peer().audio(SILENCE))
    near, _ = play_pair(trace)
    assert near.events == [(15, MediaTimeout(215))]


def test_each_side_reports_its_own_way(play_pair: PlayPair) -> None:
    """Sender reports count what was relayed; what the peer lost before us is in ours to the peer."""
    peer = Peer()
    trace = bridged(250)
    for number, part in enumerate(payloads(peer, 240)):
        data = peer.audio(part)
        if number % 10:
            trace.receive(arrival(number), NEAR, data)
    near, far = play_pair(trace)
    assert near.stats.lost == 23
    assert near.stats.jitter_us == 0
    assert len(near.reports) == len(far.reports) == 1
    assert far.stats.reports_sent == 1


def test_only_connected_streams_of_one_codec_are_bridged(play_pair: PlayPair) -> None:
    trace = PairTrace(1)
    trace.connect(0, NEAR, params(NEAR))
    trace.bridge(1)
    with pytest.raises((CannotBridge, native.MediaError)):
        play_pair(trace)
    trace.connect(0, FAR, params(FAR, PCMA))
    with pytest.raises((CannotBridge, native.MediaError)):
        play_pair(trace)
