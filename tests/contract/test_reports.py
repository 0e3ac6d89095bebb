"""RTCP: what is reported of the peer's packets, when, and what the peer's reports tell us."""

from __future__ import annotations

import random
from itertools import pairwise

import attrs
import pytest

from actors.call import MediaTimeout
from clutch.wire.rtcp import (
    CNAME,
    Bye,
    Chunk,
    ReceiverReport,
    ReportBlock,
    RtcpPacket,
    SenderReport,
    SourceDescription,
    parse_compound,
    serialise_compound,
)
from tests.contract import cores
from tests.contract.trace import (
    EVENTS,
    PEER,
    SEQUENCE,
    SSRC,
    TICK_US,
    TIMESTAMP,
    Outcome,
    Peer,
    Play,
    Trace,
    arrival,
    params,
)

FIRST, SECOND = 99, 367
"""The ticks in which a stream with this SSRC reports; one that lives for eight seconds does so twice."""
EIGHT_SECONDS = 400
RTCP = ("192.0.2.7", 4001)
"""The port above that of the peer."""
STRANGER = ("203.0.113.5", 4000)
SILENCE = b"\xff" * 160
NAME = SourceDescription((Chunk(SSRC, ((CNAME, cores.CNAME),)),))


def connected(ticks: int = EIGHT_SECONDS, *, send: bool = True, receive: bool = True) -> Trace:
    """A trace that is connected from its start; RTCP shares the port."""
    trace = Trace(ticks)
    trace.connect(0, attrs.evolve(params(send=send, receive=receive), timeout_ms=0))
    return trace


def reported(outcome: Outcome) -> list[list[RtcpPacket]]:
    """What the stream reported."""
    return [parse_compound(report.data) for _, report in outcome.reports]


def block(outcome: Outcome, number: int) -> ReportBlock:
    """The one block of a report."""
    first = reported(outcome)[number][0]
    assert isinstance(first, SenderReport | ReceiverReport)
    (found,) = first.reports
    return found


def about_us(highest: int = SEQUENCE, lost: int = 0, jitter: int = 0, echo: int = 0, delay: int = 0) -> bytes:
    """A receiver report of the peer's."""
    about = ReportBlock(SSRC, 0, lost, highest, jitter, echo, delay)
    return serialise_compound([ReceiverReport(0xCAFE, (about,))])


def middle(ntp: int) -> int:
    """The middle 32 bits."""
    return ntp >> 16 & 0xFFFF_FFFF


# ---- when, and in which form ----


def test_reports_are_spread(play: Play) -> None:
    outcome = play(connected(3000))
    ticks = [at for at, _ in outcome.reports]
    assert ticks[:2] == [FIRST, SECOND]
    assert 2.5 * 0.5 / 1.21828 <= FIRST * 0.02 <= 2.5 * 1.5 / 1.21828 + 0.02
    gaps = [(after - before) * 0.02 for before, after in pairwise(ticks)]
    assert all(5 * 0.5 / 1.21828 <= gap <= 5 * 1.5 / 1.21828 + 0.02 for gap in gaps)
    assert outcome.stats.reports_sent == len(ticks)
    assert all((report.destination, report.muxed) == (PEER, True) for _, report in outcome.reports)


def test_who_sends_says_what_was_sent(play: Play) -> None:
    (first, second) = reported(play(connected()))
    seconds, rest = divmod(FIRST * TICK_US, 1_000_000)
    ntp = seconds << 32 | (rest << 32) // 1_000_000
    timestamp = (TIMESTAMP + 160 * (FIRST - 1)) % 2**32
    assert first == [SenderReport(SSRC, ntp, timestamp, FIRST, 160 * FIRST), NAME]
    assert isinstance(second[0], SenderReport)
    assert (second[0].packet_count, second[0].octet_count) == (SECOND, 160 * SECOND)


def test_who_may_not_send_is_a_receiver_after_two_intervals(play: Play) -> None:
    trace = connected(1200)
    trace.connect(FIRST * TICK_US + 1, params(send=False))
    kinds = [type(packets[0]) for packets in reported(play(trace))]
    assert kinds[:4] == [SenderReport, SenderReport, ReceiverReport, ReceiverReport]


def test_a_stream_that_only_listens_reports_as_a_receiver(play: Play) -> None:
    assert reported(play(connected(send=False)))[0] == [ReceiverReport(SSRC), NAME]


def test_a_hold_keeps_its_way_open(play: Play) -> None:
    assert play(connected(send=False, receive=False)).stats.reports_sent == 2


def test_goodbye(play: Play) -> None:
    trace = connected(3)
    trace.bye(45_000)
    result = play(trace).results[-1]
    assert isinstance(result, cores.ReportSent)
    assert parse_compound(result.data)[1:] == [NAME, Bye((SSRC,))]
    assert (result.destination, result.muxed) == (PEER, True)


def test_who_was_never_heard_of_leaves_in_silence(play: Play) -> None:
    trace = connected(3, send=False)
    trace.bye(45_000)
    assert play(trace).results[-1] is None
    trace = Trace(3)
    trace.bye(45_000)
    assert play(trace).results == [None]


# ---- what is reported of the peer ----


def test_five_percent_loss(play: Play) -> None:
    trace, peer = connected(), Peer()
    for number in range(SECOND - 1):
        data = peer.audio(SILENCE)
        if number % 20 != 10:
            trace.receive(arrival(number), data)
    outcome = play(trace)
    first, second = block(outcome, 0), block(outcome, 1)
    # 99 packets were due by then, of which numbers 10, 30, 50, 70 and 90 were lost; then 267, and 13 of them.
    assert (first.cumulative_lost, first.fraction_lost) == (5, 5 * 256 // 99)
    assert (second.cumulative_lost, second.fraction_lost) == (18, 13 * 256 // 267)
    assert (first.ssrc, first.highest_sequence, second.highest_sequence) == (0xCAFE, 198, 465)
    assert outcome.stats.lost == 18
    assert outcome.stats.loss_percent == pytest.approx(100 * 18 / 366)


def test_reordered_packets_are_not_lost_and_numbers_wrap(play: Play) -> None:
    trace, peer = connected(), Peer(sequence=65_500)
    for number in range(200):
        late = 50_000 if number % 10 == 3 else 0
        trace.receive(arrival(number) + late, peer.audio(SILENCE))
    outcome = play(trace)
    assert (block(outcome, 1).cumulative_lost, block(outcome, 1).fraction_lost) == (0, 0)
    assert block(outcome, 1).highest_sequence == 65_500 + 199
    assert outcome.stats.lost == 0


def test_duplicates_count_as_received(play: Play) -> None:
    trace, peer = connected(), Peer()
    for number in range(40):
        data = peer.audio(SILENCE)
        for _ in range(2 if number < 5 else 1):
            trace.receive(arrival(number), data)
    assert block(play(trace), 0).cumulative_lost == -5


def test_jitter(play: Play) -> None:
    """Every second packet is 8 ms late: the transit time changes by 64 units each time."""
    trace, peer = connected(), Peer()
    for number in range(280):
        trace.receive(arrival(number) + number % 2 * 8000, peer.audio(SILENCE))
    outcome = play(trace)
    assert block(outcome, 1).jitter in (63, 64)
    assert outcome.stats.jitter_ms == pytest.approx(8, abs=0.13)


def test_a_steady_stream_has_no_jitter_nor_has_a_clock_that_is_set(play: Play) -> None:
    trace, peer = connected(), Peer()
    for number in range(280):
        if number == 100:
            peer.timestamp = 3_000_000_000
        trace.receive(arrival(number), peer.audio(SILENCE))
    assert play(trace).stats.jitter_us == 0


def test_keys_tell_no_time(play: Play) -> None:
    trace, peer = connected(), Peer()
    pressed = peer.timestamp
    for number in range(50):
        trace.receive(arrival(number), peer.event("5", 160 * (number + 1), timestamp=pressed))
    stats = play(trace).stats
    assert (stats.jitter_us, stats.packets_received) == (0, 50)


def test_a_new_source_is_counted_anew(play: Play) -> None:
    trace, peer = connected(), Peer()
    for number in range(280):
        if number == 100:
            peer.ssrc, peer.sequence = 0xBEEF, 9000
        data = peer.audio(SILENCE)
        if number not in (40, 50, 150):
            trace.receive(arrival(number), data)
    outcome = play(trace)
    assert (block(outcome, 0).ssrc, block(outcome, 0).cumulative_lost) == (0xCAFE, 2)
    assert (block(outcome, 1).ssrc, block(outcome, 1).cumulative_lost) == (0xBEEF, 1)
    assert block(outcome, 1).highest_sequence == 9179
    assert outcome.stats.lost == 3


def test_a_peer_that_starts_anew_has_lost_nothing(play: Play) -> None:
    trace, peer = connected(), Peer()
    for number in range(280):
        if number == 100:
            peer.sequence = 30_000
        trace.receive(arrival(number), peer.audio(SILENCE))
    outcome = play(trace)
    assert outcome.stats.lost == 0
    assert block(outcome, 1).highest_sequence == 30_179


def test_what_came_during_a_hold_is_not_lost(play: Play) -> None:
    trace, peer = connected(), Peer()
    trace.connect(arrival(100) - 1, params(receive=False))
    trace.connect(arrival(200) - 1, params())
    for number in range(280):
        trace.receive(arrival(number), peer.audio(SILENCE))
    assert play(trace).stats.lost == 0


def test_a_peer_that_went_silent_is_not_reported_again(play: Play) -> None:
    trace, peer = connected(), Peer()
    trace.receive(5000, peer.audio(SILENCE))
    assert [len(packets[0].reports) for packets in reported(play(trace))] == [1, 0]  # type: ignore[union-attr]


def test_the_peers_report_is_echoed(play: Play) -> None:
    trace, peer = connected(), Peer()
    for number in range(280):
        trace.receive(arrival(number), peer.audio(SILENCE))
    came = SenderReport(0xCAFE, 0x1122_3344_5566_7788, 0, 0, 0)
    trace.receive((FIRST - 25) * TICK_US, serialise_compound([came]))
    outcome = play(trace)
    assert block(outcome, 0).last_sr == 0x3344_5566
    assert block(outcome, 0).delay_since_last_sr == 0x8000  # half a second
    other = attrs.evolve(came, ssrc=0xBEEF)
    trace.receive((FIRST + 25) * TICK_US, serialise_compound([other]))
    assert block(play(trace), 1).last_sr == 0


# ---- what the peer reports ----


def test_round_trip(play: Play) -> None:
    """The peer keeps our report for a second, and the way there and back takes 70 ms."""
    trace = connected()
    report = parse_compound(play(trace).reports[0][1].data)[0]
    assert isinstance(report, SenderReport)
    answer = about_us(echo=middle(report.ntp), delay=0x10000)
    trace.receive(FIRST * TICK_US + 1_070_000, answer)
    stats = play(trace).stats
    assert (stats.reports_received, stats.round_trips) == (1, 1)
    assert stats.round_trip_ms == pytest.approx(70, abs=0.02)


@pytest.mark.parametrize("delay", [0, 0x10000 * 3600, 2**32 - 1 - 0x10000 * 70])
def test_a_round_trip_that_cannot_be_is_not_believed(play: Play, delay: int) -> None:
    trace = connected(100)
    trace.receive(1_500_000, about_us(echo=0 if delay == 0 else 1, delay=delay))
    stats = play(trace).stats
    assert (stats.reports_received, stats.round_trips, stats.round_trip_ms) == (1, 0, None)


def test_rounding_makes_no_negative_round_trip(play: Play) -> None:
    trace = connected(100)
    trace.receive(1_500_000, about_us(echo=0x18000, delay=3))
    assert play(trace).stats.round_trip_ms == 0


def test_the_peers_view_of_us(play: Play) -> None:
    trace = connected(150)
    trace.receive(arrival(100), about_us(SEQUENCE + 79, lost=4, jitter=24))
    stats = play(trace).stats
    assert (stats.remote_expected, stats.remote_lost, stats.remote_jitter_us) == (80, 4, 3000)
    assert stats.remote_loss_percent == 5
    trace.receive(arrival(120), about_us(SEQUENCE + 99, lost=-3))
    stats = play(trace).stats
    assert (stats.remote_expected, stats.remote_lost, stats.remote_loss_percent) == (100, 0, 0)


def test_a_view_of_what_was_never_sent_is_passed_over(play: Play) -> None:
    trace = connected(10)
    trace.receive(45_000, about_us(SEQUENCE + 500, lost=400))
    stats = play(trace).stats
    assert (stats.reports_received, stats.remote_expected, stats.remote_loss_percent) == (1, 0, None)


def test_reports_are_no_sign_of_life(play: Play) -> None:
    trace = Trace(100)
    trace.connect(0, attrs.evolve(params(), timeout_ms=1000))
    for number in range(100):
        trace.receive(arrival(number), about_us())
    assert play(trace).events == [(50, MediaTimeout(1000))]


# ---- from where ----


@pytest.mark.parametrize("source", [STRANGER, ("192.0.2.7", 4002), ("192.0.2.8", 4000), RTCP])
def test_a_stranger_is_not_believed(play: Play, source: tuple[str, int]) -> None:
    trace, peer = connected(100), Peer()
    trace.receive(5000, peer.audio(SILENCE))
    trace.receive(arrival(50), about_us(SEQUENCE + 9, lost=5), source)
    trace.receive_rtcp(arrival(50), about_us(SEQUENCE + 9, lost=5), source)
    stats = play(trace).stats
    assert (stats.reports_wrong_source, stats.reports_received, stats.remote_expected) == (2, 0, 0)
    assert stats.reports_malformed == 0


def test_rtcp_on_its_own_port(play: Play) -> None:
    trace = connected(100)
    trace.connect(1, attrs.evolve(params(), rtcp=RTCP))
    trace.receive_rtcp(arrival(50), about_us(), RTCP)
    trace.receive_rtcp(arrival(50), about_us(), PEER)
    trace.bye(arrival(60))
    outcome = play(trace)
    assert (outcome.stats.reports_received, outcome.stats.reports_wrong_source) == (1, 1)
    (_, report), goodbye = outcome.reports[0], outcome.results[-1]
    assert isinstance(goodbye, cores.ReportSent)
    assert report[1:] == goodbye[1:] == (RTCP, False)


@pytest.mark.parametrize(("rtcp", "port"), [(None, 4000), (RTCP, 4001)])
def test_rtcp_follows_the_source_that_was_learnt(play: Play, rtcp: tuple[str, int] | None, port: int) -> None:
    trace, peer = connected(100), Peer()
    trace.connect(1, attrs.evolve(params(), rtcp=rtcp))
    for number in range(10):
        trace.receive(arrival(number), peer.audio(SILENCE), STRANGER)
    trace.receive_rtcp(arrival(20), about_us(), (STRANGER[0], port))
    trace.receive_rtcp(arrival(20), about_us(), RTCP)
    outcome = play(trace)
    assert outcome.reports[0][1][1:] == ((STRANGER[0], port), rtcp is None)
    assert (outcome.stats.reports_received, outcome.stats.reports_wrong_source) == (1, 1)


def test_before_connect_nothing_is_counted(play: Play) -> None:
    trace = Trace(5)
    trace.receive(5000, about_us())
    trace.receive_rtcp(5000, b"nonsense")
    stats = play(trace).stats
    assert (stats.reports_received, stats.reports_malformed, stats.reports_wrong_source) == (0, 0, 0)


# ---- malformed ----

REPORT = about_us()
BYE = serialise_compound([Bye((7,), b"late")])
MALFORMED = {
    "nothing but a type": b"\x80\xc9",
    "no report first": BYE,
    "version 1": b"\x41" + REPORT[1:],
    "cut": REPORT[:-1],
    "a block short": REPORT[:3] + b"\x01" + REPORT[4:8],
    "a length beyond": REPORT[:3] + b"\x09" + REPORT[4:],
    "a second header cut": REPORT + b"\x81\xcb",
    "a second version": REPORT + b"\x01\xcb\0\0",
    "padding within": b"\xa1" + REPORT[1:-1] + b"\x04" + BYE,
    "padding of 0": b"\xa1" + REPORT[1:],
    "padding of 3": b"\xa1" + REPORT[1:-1] + b"\x03",
    "padding of more": b"\xa1" + REPORT[1:-1] + b"\xfc",
    "padding of no body": REPORT + b"\xa0\xcc\0\0",
    "a source too few in bye": REPORT + b"\x82\xcb\0\x01\0\0\0\x07",
    "a reason too long": REPORT + b"\x81\xcb\0\x02\0\0\0\x07\x04abc",
    "a chunk too few": REPORT + b"\x81\xca\0\0",
    "an item without end": REPORT + b"\x81\xca\0\x02\0\0\0\x07\x01\x02ab",
    "an item without length": REPORT + b"\x81\xca\0\x02\0\0\0\x07\x01\x01a\x01",
    "an item too long": REPORT + b"\x81\xca\0\x02\0\0\0\x07\x01\x03ab",
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_compound_is_counted(play: Play, data: bytes) -> None:
    trace = connected(5)
    trace.receive_rtcp(5000, data)
    stats = play(trace).stats
    assert (stats.reports_malformed, stats.reports_received, stats.remote_expected) == (1, 0, 0)


WELL_FORMED = {
    "with padding": serialise_compound([ReceiverReport(7)]) + b"\xa1\xcb\0\x02\0\0\0\x07\0\0\0\x04",
    "a feedback packet behind": REPORT + b"\x81\xcd\0\x02" + bytes(8),
    "a profile's extension": b"\x80\xc9\0\x03" + bytes(12),
    "thirty-one sources": serialise_compound([ReceiverReport(7, (ReportBlock(9, 0, 0, 0, 0, 0, 0),) * 31)]),
    "chunks": REPORT + serialise_compound([SourceDescription((Chunk(1, ()), Chunk(2, ((1, b"abc"),))))]),
}


@pytest.mark.parametrize("data", WELL_FORMED.values(), ids=WELL_FORMED)
def test_a_well_formed_compound_is_taken(play: Play, data: bytes) -> None:
    trace = connected(5)
    trace.receive(5000, data)
    stats = play(trace).stats
    assert (stats.reports_malformed, stats.reports_received) == (0, 1)


def test_both_cores_judge_damage_alike(play: Play) -> None:
    chance = random.Random(5)
    whole = serialise_compound(
        [SenderReport(7, 1, 2, 3, 4, (ReportBlock(SSRC, 0, 1, SEQUENCE, 0, 0, 0),)), NAME, Bye((7,), b"why")]
    )
    trace = connected(200)
    for number in range(2000):
        data = bytearray(whole[: chance.choice([len(whole), chance.randrange(len(whole))])])
        for _ in range(chance.randrange(4)):
            if data:
                data[chance.randrange(len(data))] = chance.choice([0, 1, 2, 4, 0x81, 0xA1, 0xFF])
        trace.receive_rtcp(number * 2000, bytes(data))
    stats = play(trace).stats
    assert min(stats.reports_malformed, stats.reports_received) > 200
    assert stats.reports_malformed + stats.reports_received == 2000


def test_our_keys_are_in_the_count(play: Play) -> None:
    trace = connected(FIRST)
    trace.dial(0, "1", 100, 0)
    report = reported(play(trace))[0][0]
    assert isinstance(report, SenderReport)
    keys = sum(packet.payload_type == EVENTS for packet in play(trace).sent)
    assert (keys, report.packet_count) == (7, FIRST)
    assert report.octet_count == 160 * (FIRST - keys) + 4 * keys
