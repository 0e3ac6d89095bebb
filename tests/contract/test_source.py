"""Which packets are believed, where packets go, and when silence is reported."""

from __future__ import annotations

import attrs
import pytest

from actors.call import MediaStats, MediaTimeout
from clutch.media.params import Address, RtpParams
from tests.contract.trace import PEER, Outcome, Peer, Play, Trace, arrival, params, received

NAT: Address = ("203.0.113.5", 61_000)
SPOOFER: Address = ("198.51.100.66", 4000)
AUDIO = bytes(160)


def destinations(outcome: Outcome) -> list[Address | None]:
    """Where each tick sent to."""
    return [frame.destination for frame in outcome.frames]


def connected(ticks: int, first: RtpParams | None = None) -> Trace:
    """A stream that is connected at once."""
    trace = Trace(ticks)
    trace.connect(0, first or params())
    return trace


def test_the_signalled_source_is_believed_at_once(play: Play) -> None:
    peer = Peer()
    trace = connected(4)
    trace.receive(arrival(0), peer.audio(AUDIO))
    trace.receive(arrival(1), peer.audio(AUDIO), SPOOFER)
    outcome = play(trace)
    assert received(outcome.stats) == MediaStats(packets_received=1, played=1, wrong_source=1, concealed=1)
    assert destinations(outcome) == [PEER] * 4


def test_a_peer_behind_nat_is_believed_at_its_fifth_packet(play: Play) -> None:
    peer = Peer()
    trace = connected(12)
    for number in range(10):
        trace.receive(arrival(number), peer.audio(AUDIO), NAT)
    outcome = play(trace)
    assert destinations(outcome) == [PEER] * 4 + [NAT] * 8
    assert received(outcome.stats) == MediaStats(packets_received=6, played=6, wrong_source=4)


def test_who_is_believed_stays_even_against_the_signalled_source(play: Play) -> None:
    peer, other = Peer(), Peer(ssrc=1)
    trace = connected(10)
    for number in range(5):
        trace.receive(arrival(number), peer.audio(AUDIO), NAT)
    for number in range(5, 10):
        trace.receive(arrival(number), other.audio(AUDIO), PEER)
    outcome = play(trace)
    assert outcome.stats.wrong_source == 4 + 5
    assert outcome.stats.ssrc_changes == 0
    assert destinations(outcome)[-1] == NAT


@pytest.mark.parametrize("disturbance", ["ssrc", "address"])
def test_five_in_a_row_must_be_of_one_stream(play: Play, disturbance: str) -> None:
    peer, other = Peer(), Peer(ssrc=1)
    trace = connected(12)
    for number in range(4):
        trace.receive(arrival(number), peer.audio(AUDIO), NAT)
    if disturbance == "ssrc":
        trace.receive(arrival(4), other.audio(AUDIO), NAT)
    else:
        trace.receive(arrival(4), peer.audio(AUDIO), SPOOFER)
    for number in range(5, 10):
        trace.receive(arrival(number), peer.audio(AUDIO), NAT)
    outcome = play(trace)
    assert outcome.stats.wrong_source == 9
    assert destinations(outcome)[8:] == [PEER, NAT, NAT, NAT]


def test_only_valid_packets_convince(play: Play) -> None:
    peer = Peer()
    trace = connected(8)
    for number in range(6):
        trace.receive(arrival(number), peer.audio(b""), NAT)
    outcome = play(trace)
    assert received(outcome.stats) == MediaStats(malformed=6)
    assert destinations(outcome) == [PEER] * 8


def test_telephone_events_convince_as_well(play: Play) -> None:
    peer = Peer()
    trace = connected(6)
    for number in range(5):
        trace.receive(arrival(number), peer.event("1", 160 * number), NAT)
    assert destinations(play(trace)) == [PEER] * 4 + [NAT] * 2


def test_without_learning_only_the_signalled_source_counts(play: Play) -> None:
    peer = Peer()
    trace = connected(12, attrs.evolve(params(), learn=False))
    for number in range(10):
        trace.receive(arrival(number), peer.audio(AUDIO), NAT)
    outcome = play(trace)
    assert received(outcome.stats) == MediaStats(wrong_source=10)
    assert destinations(outcome) == [PEER] * 12


def test_a_reinvite_with_the_same_remote_keeps_the_source(play: Play) -> None:
    peer = Peer()
    trace = connected(12)
    for number in range(10):
        trace.receive(arrival(number), peer.audio(AUDIO), NAT)
    trace.connect(arrival(7) - 1, params())
    outcome = play(trace)
    assert destinations(outcome)[4:] == [NAT] * 8
    assert outcome.stats.wrong_source == 4


def test_a_reinvite_with_another_remote_learns_anew(play: Play) -> None:
    elsewhere: Address = ("192.0.2.99", 5000)
    peer = Peer()
    trace = connected(14)
    for number in range(12):
        trace.receive(arrival(number), peer.audio(AUDIO), NAT if number < 10 else elsewhere)
    trace.connect(arrival(7) - 1, params(remote=elsewhere))
    outcome = play(trace)
    assert destinations(outcome) == [PEER] * 4 + [NAT] * 3 + [elsewhere] * 7
    assert outcome.stats.wrong_source == 4 + 3


def test_ipv6(play: Play) -> None:
    remote: Address = ("2001:db8::7", 4000)
    peer = Peer()
    trace = connected(4, params(remote=remote))
    trace.receive(arrival(0), peer.audio(AUDIO), remote)
    outcome = play(trace)
    assert outcome.stats.packets_received == 1
    assert destinations(outcome) == [remote] * 4


def test_silence_is_reported_once_until_packets_come_again(play: Play) -> None:
    peer = Peer()
    trace = connected(40, attrs.evolve(params(), timeout_ms=200))
    trace.receive(arrival(4), peer.audio(AUDIO))
    trace.receive(arrival(20), peer.audio(b"\0"), SPOOFER)
    trace.receive(arrival(24), peer.audio(AUDIO))
    outcome = play(trace)
    # Packets of 85 ms and 485 ms are 200 ms old at ticks 15 (300 ms) and 35 (700 ms).
    assert outcome.events == [(15, MediaTimeout(215)), (35, MediaTimeout(215))]


def test_the_wait_starts_at_connect_and_anew_at_the_next(play: Play) -> None:
    trace = connected(30, attrs.evolve(params(), timeout_ms=200))
    trace.connect(arrival(5), attrs.evolve(params(), timeout_ms=200))
    assert play(trace).events == [(16, MediaTimeout(215))]


@pytest.mark.parametrize("quiet", [attrs.evolve(params(), timeout_ms=0), params(receive=False)], ids=str)
def test_no_timeout_when_nothing_is_awaited(play: Play, quiet: RtpParams) -> None:
    assert play(connected(1600, quiet)).events == []


def test_who_speaks_too_late_is_not_learnt(play: Play) -> None:
    """Learning is open for 30 s from a connect; the signalled address is believed for ever."""
    stranger, peer = Peer(ssrc=1), Peer()
    trace = connected(1560)
    for number in range(1498, 1502):
        trace.receive(arrival(number), stranger.audio(AUDIO), NAT)
    trace.receive(arrival(1530), peer.audio(AUDIO))
    outcome = play(trace)
    assert received(outcome.stats).packets_received == 1
    assert outcome.stats.wrong_source == 4
    assert set(destinations(outcome)) == {PEER}


def test_another_connect_opens_learning_anew(play: Play) -> None:
    peer = Peer()
    trace = connected(1560)
    trace.connect(arrival(1400), params())
    for number in range(1520, 1530):
        trace.receive(arrival(number), peer.audio(AUDIO), NAT)
    assert play(trace).stats.packets_received == 6


def test_another_ssrc_is_believed_when_the_one_before_is_silent(play: Play) -> None:
    """A peer that starts anew loses two packets."""
    before, after = Peer(), Peer(ssrc=2, sequence=9000)
    trace = connected(20)
    for number in range(14):
        trace.receive(arrival(number), (before if number < 6 else after).audio(AUDIO))
    outcome = play(trace)
    assert (outcome.stats.ssrc_changes, outcome.stats.wrong_source) == (1, 2)
    assert outcome.stats.packets_received == 12


@pytest.mark.parametrize("ssrcs", [[1] * 40, range(1, 41)], ids=["one", "many"])
def test_nobody_is_heard_beside_the_peer_whatever_address_he_forges(play: Play, ssrcs: list[int]) -> None:
    peer = Peer()
    sequences = dict.fromkeys(ssrcs, 500)
    trace = connected(30)
    for number in range(20):
        trace.receive(arrival(number), peer.audio(AUDIO))
        for ssrc in ssrcs:
            forged = Peer(ssrc=ssrc, sequence=sequences[ssrc])
            sequences[ssrc] += 1
            trace.receive(arrival(number) + 400 * len(sequences) // 2, forged.audio(b"\x11" * 160))
    outcome = play(trace)
    assert (outcome.stats.packets_received, outcome.stats.ssrc_changes) == (20, 0)
    assert outcome.stats.wrong_source == 20 * 40
    assert outcome.stats.played == 20


def test_another_ssrc_that_skips_is_not_believed(play: Play) -> None:
    peer = Peer()
    trace = connected(30)
    trace.receive(arrival(0), peer.audio(AUDIO))
    for number in range(5, 25):
        trace.receive(arrival(number), Peer(ssrc=2, sequence=number * 7).audio(AUDIO))
    assert play(trace).stats.packets_received == 1
