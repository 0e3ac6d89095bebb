"""The jitter buffer fits its delay to the network: grown at once, shrunk where nobody speaks."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import pytest

import native
from tests.contract.cores import CORES
from tests.contract.network import Arrivals, Heard, listen, lte, on_time, speech, stalled, wifi
from tests.contract.trace import TICK_US

SECOND = 50
"""Packets or ticks."""
MINUTE = 60 * SECOND

Listen: TypeAlias = Callable[..., Heard]
"""The fixture `hear`; keywords are those of `listen`."""


@pytest.fixture
def hear() -> Listen:
    """Carries speech over a network to both cores, which must hear the same, and gives what that is."""

    def hear_on_both(arrivals: Arrivals, loud: Sequence[bool], **listening: Any) -> Heard:
        heard = listen(CORES["twin"], arrivals, loud, **listening)
        if native.available:
            assert listen(CORES["native"], arrivals, loud, **listening) == heard
        stats = heard.stats
        assert stats.packets_received == stats.played + stats.late + stats.duplicate + stats.discarded
        return heard

    return hear_on_both


def frames_of_delay(heard: Heard, arrivals: Arrivals) -> dict[int, int]:
    """Ticks from when each packet could have come to the one that played it."""
    return {number: math.ceil(delay / 20) for number, delay in heard.delays(arrivals).items()}


def left_out(heard: Heard) -> list[int]:
    """Packets that were not heard, though earlier and later ones were."""
    played = [number for number in heard.numbers if number is not None]
    return sorted({*range(played[0], played[-1])} - {*played})


def assert_quiet(numbers: Sequence[int], loud: Sequence[bool]) -> None:
    """These packets lie in pauses: quiet, and the two before as well."""
    assert not any(loud[number - back] for number in numbers for back in range(3))


@pytest.mark.parametrize("phase_ms", [0, 1, 6, 13, 19])
def test_a_clean_stream_settles_at_two_frames(hear: Listen, phase_ms: int) -> None:
    arrivals, loud = on_time(MINUTE, phase_us=phase_ms * 1000), speech(MINUTE)
    heard = hear(arrivals, loud)
    frames = frames_of_delay(heard, arrivals)
    assert frames[0] == (3 if phase_ms else 2)
    assert {frames[number] for number in range(10 * SECOND, MINUTE)} == {2}
    assert heard.made_up == []
    assert len(left_out(heard)) == heard.stats.discarded <= 1
    assert_quiet(left_out(heard), loud)


def test_who_never_pauses_keeps_the_delay(hear: Listen) -> None:
    arrivals = on_time(MINUTE)
    heard = hear(arrivals, [True] * MINUTE)
    frames = frames_of_delay(heard, arrivals)
    assert frames[MINUTE - 1] == 3
    assert left_out(heard) == heard.made_up == []


def test_a_burst_grows_at_once_and_shrinks_in_pauses(hear: Listen) -> None:
    """All of it is heard: what came 100 ms late is played 100 ms late."""
    start, loud = 20 * SECOND, speech(2 * MINUTE)
    arrivals = stalled(on_time(2 * MINUTE), start * TICK_US - 4000, 100_000)
    heard = hear(arrivals, loud)
    frames = frames_of_delay(heard, arrivals)
    assert frames[start - 1] == 2
    assert frames[start] == 5
    assert heard.made_up == [start + 2, start + 3, start + 4]
    drops = [number for number in left_out(heard) if number > start]
    assert len(drops) == 3
    assert_quiet(drops, loud)
    # A network that did it once may do it again: the delay stays for about 5 s or more.
    assert drops[-1] > start + 5 * SECOND
    assert frames[start + 20 * SECOND] == 2


def test_a_straggler_makes_the_delay_grow_at_once(hear: Listen) -> None:
    """Packet 1000 comes 70 ms late, after others: it is lost, and speech slows until it would not be."""
    arrivals: Arrivals = on_time(MINUTE)
    arrivals[1000] = 1000 * TICK_US + 75_000
    heard = hear(arrivals, speech(MINUTE)[:500] + [True] * (MINUTE - 500))
    frames = frames_of_delay(heard, arrivals)
    assert heard.stats.late == 1
    assert frames[999] == 2
    assert heard.made_up == [1002, 1004, 1005]
    assert frames[1003] == 4


def test_late_copies_do_not_make_it_grow(hear: Listen) -> None:
    arrivals, loud = on_time(20 * SECOND), speech(20 * SECOND)
    once, twice = hear(arrivals, loud), hear(arrivals, loud, copies_after_us=90_000)
    assert twice.numbers[: len(once.numbers)] == once.numbers
    assert twice.stats.late == len(arrivals)


def test_neighbours_that_change_places_are_both_heard(hear: Listen) -> None:
    arrivals = on_time(MINUTE)
    for number in range(10, MINUTE - 1, 37):
        arrivals[number], arrivals[number + 1] = arrivals[number + 1], arrivals[number]
    heard = hear(arrivals, speech(MINUTE))
    assert heard.stats.late == 0
    assert heard.made_up == []


def test_a_pause_of_the_sender_is_no_lateness(hear: Listen) -> None:
    """Discontinuous transmission: after a pause packets wait as long as before, and not longer."""
    loud, pause = speech(MINUTE), range(15 * SECOND, 17 * SECOND)
    arrivals = [None if number in pause else at for number, at in enumerate(on_time(MINUTE))]
    heard = hear(arrivals, loud, unsent=pause)
    frames = frames_of_delay(heard, arrivals)
    assert left_out(heard) == [*left_out(hear(on_time(MINUTE), loud)), *pause]
    after = range(pause.stop, MINUTE)
    assert {frames[number] for number in after} == {2}


def test_after_a_jump_everything_starts_anew(hear: Listen) -> None:
    """A hold of 4 s, whose packets never come, after a delay that had grown: 3 frames at once."""
    loud, hold = speech(MINUTE), range(21 * SECOND, 25 * SECOND)
    arrivals = stalled(on_time(MINUTE), 20 * SECOND * TICK_US - 4000, 100_000)
    arrivals = [None if number in hold else at for number, at in enumerate(arrivals)]
    heard = hear(arrivals, loud)
    frames = frames_of_delay(heard, arrivals)
    assert frames[hold.start - 1] == 5
    assert frames[hold.stop] == 3
    assert {frames[hold.stop + 10 * SECOND + n] for n in range(SECOND)} == {2}


@pytest.mark.parametrize("ppm", [-100, 100])
def test_an_hour_with_a_clock_that_is_off(hear: Listen, ppm: int) -> None:
    """The clocks part by 360 ms, 18 frames: each is dropped or added in a pause, and the delay stays."""
    count = 60 * MINUTE
    arrivals, loud = on_time(count, ppm=ppm), speech(count)
    heard = hear(arrivals, loud)
    assert_quiet(left_out(heard), loud)
    played = dict(zip(range(1, count), heard.numbers, strict=False))
    assert_quiet([number for tick in heard.made_up if (number := played[tick + 1]) is not None], loud)
    assert 17 <= (len(heard.made_up) if ppm > 0 else len(left_out(heard))) <= 19
    assert len(heard.made_up) + len(left_out(heard)) <= 20
    ticks = enumerate(heard.numbers, 1)
    delays = [tick * TICK_US - (arrivals[number] or 0) for tick, number in ticks if number is not None]
    # 10 to 40 ms, and what passes until the clock's drift is seen and somebody pauses.
    assert min(delays[10 * SECOND :]) >= 8000
    assert max(delays[10 * SECOND :]) <= 42_000


@pytest.mark.parametrize("network", [wifi, lte])
@pytest.mark.parametrize(("seed", "phase_us"), [(1, 1000), (2, 7000), (3, 13_000), (4, 18_000)])
def test_a_bad_network_costs_little(
    hear: Listen, network: Callable[[int, int, int], Arrivals], seed: int, phase_us: int
) -> None:
    """Five minutes. Made up counts whatever is not a packet's own audio: concealed frames and silence."""
    arrivals = network(5 * MINUTE, seed, phase_us)
    heard = hear(arrivals, speech(5 * MINUTE))
    lost = 100 * arrivals.count(None) / len(arrivals)
    made_up = 100 * len(heard.made_up) / len(heard.numbers)
    assert made_up <= lost + 0.8
    assert statistics.fmean(heard.delays(arrivals).values()) <= 100
