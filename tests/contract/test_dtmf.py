"""Keys in both directions (RFC 4733)."""

from __future__ import annotations

import attrs
import pytest

from actors.call import Dtmf, MediaStats
from clutch.wire.telephone_event import DIGITS, TelephoneEvent
from tests.contract.trace import (
    EVENTS,
    L16_16000,
    TIMESTAMP,
    Outcome,
    Peer,
    Play,
    Trace,
    arrival,
    noise,
    params,
    received,
)


def connected(ticks: int) -> Trace:
    """A stream that is connected at once."""
    trace = Trace(ticks)
    trace.connect(0, params())
    return trace


def test_a_key_is_reported_once_at_its_end(play: Play) -> None:
    peer = Peer()
    trace = connected(20)
    packets = [peer.event("5", 160 * step) for step in range(1, 5)]
    packets += [peer.event("5", 800, end=True) for _ in range(3)]
    for number, packet in enumerate(packets):
        trace.receive(arrival(number), packet)
    outcome = play(trace)
    assert outcome.events == [(5, Dtmf("5", 100))]
    assert received(outcome.stats) == MediaStats(packets_received=7)


def test_every_key_there_is(play: Play) -> None:
    peer = Peer()
    trace = connected(40)
    for number, digit in enumerate(DIGITS):
        peer.timestamp += 1600
        trace.receive(arrival(number), peer.event(digit, 480, end=True))
    assert [event for _, event in play(trace).events] == [Dtmf(digit, 60) for digit in DIGITS]


def test_a_lost_end_is_noticed_after_100_ms(play: Play) -> None:
    peer = Peer()
    trace = connected(12)
    for number in range(3):
        trace.receive(arrival(number), peer.event("#", 160 * (number + 1)))
    # The last packet came at 45 ms: 95 ms ago at tick 7, 115 ms ago at tick 8.
    assert play(trace).events == [(8, Dtmf("#", 60))]


def test_a_lost_end_is_noticed_when_another_key_begins(play: Play) -> None:
    peer = Peer()
    trace = connected(12)
    trace.receive(arrival(0), peer.event("1", 160))
    peer.timestamp += 800
    trace.receive(arrival(1), peer.event("1", 160, end=True))
    assert play(trace).events == [(2, Dtmf("1", 20)), (2, Dtmf("1", 20))]


def test_a_straggler_is_no_new_key(play: Play) -> None:
    peer = Peer()
    trace = connected(12)
    trace.receive(arrival(0), peer.event("1", 480, end=True))
    straggler = peer.event("1", 480, end=True)
    peer.timestamp += 800
    trace.receive(arrival(1), peer.event("2", 160))
    trace.receive(arrival(1), straggler)
    trace.receive(arrival(2), peer.event("2", 320, end=True))
    assert [event for _, event in play(trace).events] == [Dtmf("1", 60), Dtmf("2", 40)]


def test_reordered_packets_keep_the_longest_duration(play: Play) -> None:
    peer = Peer()
    trace = connected(12)
    for number, duration in enumerate([160, 640, 320]):
        trace.receive(arrival(number), peer.event("9", duration))
    assert [event for _, event in play(trace).events] == [Dtmf("9", 80)]


def test_a_new_source_has_its_own_timestamps(play: Play) -> None:
    old, new = Peer(timestamp=2**31), Peer(ssrc=2, timestamp=5)
    trace = connected(12)
    trace.receive(arrival(0), old.event("1", 160))
    for number in (3, 4):  # the first one only announces it
        trace.receive(arrival(number), new.event("2", 160, end=True))
    assert [event for _, event in play(trace).events] == [Dtmf("1", 20), Dtmf("2", 20)]


def test_other_events_are_ignored_and_short_ones_malformed(play: Play) -> None:
    peer = Peer()
    flash = TelephoneEvent(16, True, 10, 160).to_bytes()
    good = peer.event("1", 160)
    trace = connected(12)
    trace.receive(arrival(0), good[:12] + flash)
    trace.receive(arrival(0), good[:15])
    outcome = play(trace)
    assert outcome.events == []
    assert received(outcome.stats) == MediaStats(packets_received=1, malformed=1)


def test_durations_follow_the_clock(play: Play) -> None:
    peer = Peer(L16_16000)
    trace = Trace(3)
    trace.connect(0, params(L16_16000))
    trace.receive(arrival(0), peer.event("1", 1600, end=True))
    assert play(trace).events == [(1, Dtmf("1", 100))]


def test_events_may_count_in_a_clock_of_their_own(play: Play) -> None:
    peer = Peer(L16_16000)
    trace = Trace(8)
    trace.connect(0, attrs.evolve(params(L16_16000), event_clock_hz=8000))
    trace.receive(arrival(0), peer.event("1", 800, end=True))
    trace.dial(arrival(1), "7", 40, 0)
    outcome = play(trace)
    assert outcome.events == [(1, Dtmf("1", 100))]
    sent = events_sent(outcome)
    assert {timestamp for _, _, timestamp, _ in sent} == {(TIMESTAMP + 320) % 2**32}
    assert [event.duration for *_, event in sent] == [160, 320, 320, 320]


def test_without_agreement_events_are_a_wrong_payload(play: Play) -> None:
    trace = Trace(3)
    trace.connect(0, attrs.evolve(params(), telephone_event=None))
    trace.receive(arrival(0), Peer().event("1", 160, end=True))
    outcome = play(trace)
    assert outcome.events == []
    assert received(outcome.stats) == MediaStats(wrong_payload=1)


def events_sent(outcome: Outcome) -> list[tuple[int, bool, int, TelephoneEvent]]:
    """Tick (from 1), marker, timestamp and content of every event packet."""
    return [
        (at, packet.marker, packet.timestamp, TelephoneEvent.parse(packet.payload))
        for at, packet in enumerate(outcome.sent, 1)
        if packet.payload_type == EVENTS
    ]


def test_a_key_is_sent_step_by_step_and_ended_three_times(play: Play) -> None:
    trace = connected(12)
    trace.dial(arrival(1), "7", 50, 30)
    outcome = play(trace)
    start = (TIMESTAMP + 160) % 2**32
    assert events_sent(outcome) == [
        (2, True, start, TelephoneEvent(7, False, 10, 160)),
        (3, False, start, TelephoneEvent(7, False, 10, 320)),
        (4, False, start, TelephoneEvent(7, True, 10, 480)),
        (5, False, start, TelephoneEvent(7, True, 10, 480)),
        (6, False, start, TelephoneEvent(7, True, 10, 480)),
    ]
    sequences = [packet.sequence for packet in outcome.sent]
    assert sequences == [(65_534 + number) % 0x10000 for number in range(12)]
    assert outcome.sent[6].timestamp == (TIMESTAMP + 6 * 160) % 2**32


@pytest.mark.parametrize(("tone_ms", "steps"), [(0, 1), (20, 1), (21, 2), (100, 5)])
@pytest.mark.parametrize(("gap_ms", "gap"), [(0, 0), (1, 1), (60, 3)])
def test_keys_follow_one_another_after_the_gap(
    play: Play, tone_ms: int, steps: int, gap_ms: int, gap: int
) -> None:
    trace = connected(30)
    trace.dial(1000, "1D", tone_ms, gap_ms)
    sent = events_sent(play(trace))
    ticks = [at for at, *_ in sent]
    each = steps + 2
    assert ticks == [*range(1, 1 + each), *range(1 + each + gap, 1 + each + gap + each)]
    assert [event.event for *_, event in sent] == [1] * each + [15] * each


def test_audio_waits_for_keys(play: Play) -> None:
    trace = connected(8)
    pcm = noise(1, 640)[0]
    trace.send(1000, pcm)
    trace.dial(arrival(1), "0", 20, 0)
    outcome = play(trace)
    silence = bytes(320)
    heard = [frame.downlink for frame in outcome.frames]
    assert heard == [pcm[:320], silence, silence, silence, pcm[320:], silence, silence, silence]


def test_a_very_long_tone_stops_counting(play: Play) -> None:
    trace = Trace(250)
    trace.connect(0, params(L16_16000))
    trace.dial(1000, "1", 4200, 0)
    durations = [event.duration for *_, event in events_sent(play(trace))]
    assert durations[203:206] == [204 * 320, 65_535, 65_535]


def test_64_digits_may_wait(play: Play) -> None:
    trace = connected(1)
    trace.dial(1000, "0" * 60, 20, 20)
    trace.dial(1000, "1" * 10, 20, 20)
    assert play(trace).results[1:] == [60, 4]


def test_keys_wait_while_nothing_is_sent(play: Play) -> None:
    trace = Trace(12)
    trace.connect(0, params(send=False))
    trace.dial(1000, "1", 20, 0)
    trace.connect(arrival(4), attrs.evolve(params(), telephone_event=None))
    trace.connect(arrival(6), params())
    outcome = play(trace)
    assert [(at, event.event) for at, _, _, event in events_sent(outcome)] == [(3, 1), (4, 1), (5, 1)]
    assert len(outcome.sent) == 12 - 4


@pytest.mark.parametrize("digits", ["12x", "a", " ", "é"])
def test_a_character_that_is_no_key_is_refused(play: Play, digits: str) -> None:
    trace = connected(3)
    trace.dial(1000, digits, 20, 20)
    with pytest.raises(ValueError, match=repr(digits[-1])):
        play(trace)
