"""What is heard in the audio: keys as tones (ITU-T Q.23, Q.24), and when somebody speaks."""

from __future__ import annotations

import attrs
import numpy as np
import pytest

from actors.call import Dtmf, SpeechEnded, SpeechStarted
from clutch.media.g711 import Samples
from clutch.media.params import Codec
from clutch.media.tones import HERTZ, KEYS
from tests.contract.trace import L16_8000, L16_16000, L16_48000, Outcome, Peer, Play, Trace, arrival, params

RATES = [L16_8000, L16_16000, L16_48000]
KEY_CODES = {
    key: (HERTZ[row], HERTZ[4 + column]) for row, keys in enumerate(KEYS) for column, key in enumerate(keys)
}
STARTS_MS = 200
"""Silence in front of everything: two frames more than the jitter buffer's first guess."""


def silence(codec: Codec, ms: float) -> Samples:
    return np.zeros(round(codec.rate_hz * ms / 1000), np.int16)


def sine(codec: Codec, ms: float, hertz: float, dbfs: float) -> Samples:
    """One tone; the level is that of its peak."""
    time = np.arange(round(codec.rate_hz * ms / 1000)) / codec.rate_hz
    return np.rint(32767 * 10 ** (dbfs / 20) * np.sin(2 * np.pi * hertz * time)).astype(np.int16)


def tone(
    codec: Codec, key: str, ms: float, *, low_db: float = -12.0, high_db: float = -12.0, off: float = 1.0
) -> Samples:
    """A key for so long, its frequencies off by a factor."""
    low, high = KEY_CODES[key]
    return sine(codec, ms, low * off, low_db) + sine(codec, ms, high * off, high_db)


def hiss(codec: Codec, ms: float, dbfs: float, seed: int = 1) -> Samples:
    """White noise with that mean square."""
    level = 32768 * 10 ** (dbfs / 20)
    source = np.random.default_rng(seed)
    return source.normal(0, level, round(codec.rate_hz * ms / 1000)).clip(-32768, 32767).astype(np.int16)


def hear(play: Play, codec: Codec, *parts: Samples, events: int | None = None) -> Outcome:
    """Send the sound, then 400 ms of silence, to a stream that listens."""
    sound = np.concatenate([silence(codec, STARTS_MS), *parts, silence(codec, 400)])
    peer, size = Peer(codec), codec.frame_samples
    count = len(sound) // size
    trace = Trace(count + 8)
    trace.connect(
        0, attrs.evolve(params(codec), telephone_event=events, detect_speech=True, detect_tones=True)
    )
    for number in range(count):
        piece = sound[number * size : (number + 1) * size]
        trace.receive(arrival(number), peer.audio(piece.astype(">i2").tobytes()))
    return play(trace)


def keys(outcome: Outcome) -> str:
    return "".join(event.digit for _, event in outcome.events if isinstance(event, Dtmf))


@pytest.mark.parametrize("codec", RATES)
def test_every_key_is_heard_at_every_rate(play: Play, codec: Codec) -> None:
    order = "".join(KEYS)
    parts = [part for key in order for part in (tone(codec, key, 60), silence(codec, 60))]
    outcome = hear(play, codec, *parts)
    assert keys(outcome) == order
    assert {event.duration_ms for _, event in outcome.events if isinstance(event, Dtmf)} <= {50, 60, 70}


@pytest.mark.parametrize("shift_ms", range(0, 20, 3))
@pytest.mark.parametrize(("ms", "heard"), [(20, ""), (40, "55"), (500, "55")])
def test_short_tones_are_no_keys(play: Play, ms: int, heard: str, shift_ms: int) -> None:
    """Wherever they begin within a frame."""
    pause, key = silence(L16_8000, 60), tone(L16_8000, "5", ms)
    assert keys(hear(play, L16_8000, silence(L16_8000, shift_ms), key, pause, key)) == heard


@pytest.mark.parametrize("key", "1A*D5")
@pytest.mark.parametrize(("off", "is_key"), [(0.985, True), (1.015, True), (0.965, False), (1.035, False)])
def test_frequencies_may_be_off_by_one_and_a_half_percent(
    play: Play, key: str, off: float, is_key: bool
) -> None:
    assert keys(hear(play, L16_8000, tone(L16_8000, key, 100, off=off))) == (key if is_key else "")


@pytest.mark.parametrize(
    ("low_db", "high_db", "is_key"),
    [
        (-10, -6.5, True),
        (-6.5, -14, True),
        (-12, -6, False),
        (-6, -16, False),
        (-34, -34, True),
        (-40, -40, False),
    ],
)
def test_levels(play: Play, low_db: float, high_db: float, is_key: bool) -> None:
    assert (
        keys(hear(play, L16_8000, tone(L16_8000, "8", 100, low_db=low_db, high_db=high_db))) == "8" * is_key
    )


def test_a_key_in_noise_is_heard_and_noise_is_no_key(play: Play) -> None:
    noise = hiss(L16_8000, 3000, -30)
    noise[8000:8800] += tone(L16_8000, "3", 100)
    assert keys(hear(play, L16_8000, noise)) == "3"


def test_one_tone_or_three_are_no_key(play: Play) -> None:
    low, _ = KEY_CODES["4"]
    single, third = sine(L16_8000, 100, low, -10), sine(L16_8000, 100, 941, -10)
    assert keys(hear(play, L16_8000, single, silence(L16_8000, 60), tone(L16_8000, "4", 100) + third)) == ""


def test_who_sends_telephone_events_is_not_heard_twice(play: Play) -> None:
    assert keys(hear(play, L16_8000, tone(L16_8000, "4", 100), events=101)) == ""


@pytest.mark.parametrize("codec", RATES)
def test_speech_starts_after_60_ms_and_ends_after_200(play: Play, codec: Codec) -> None:
    outcome = hear(play, codec, hiss(codec, 1000, -20), silence(codec, 200))
    (started, first), (ended, second) = outcome.events
    assert (first, second) == (SpeechStarted(), SpeechEnded(1000))
    assert ended - started == (1000 - 60 + 200) // 20


def test_clicks_are_no_speech_and_pauses_between_words_no_end(play: Play) -> None:
    click, word, pause = hiss(L16_8000, 40, -20), hiss(L16_8000, 300, -20), silence(L16_8000, 160)
    outcome = hear(play, L16_8000, click, silence(L16_8000, 300), word, pause, word)
    assert [event for _, event in outcome.events] == [SpeechStarted(), SpeechEnded(760)]


def test_steady_noise_is_no_speech_for_long_and_speech_over_it_is(play: Play) -> None:
    noise = hiss(L16_8000, 30_000, -36)
    noise[25 * 8000 : 26 * 8000] += hiss(L16_8000, 1000, -18, seed=2)
    events = [event for _, event in hear(play, L16_8000, noise).events]
    started, ended, again, over = events
    assert (started, again) == (SpeechStarted(), SpeechStarted())
    assert isinstance(ended, SpeechEnded)
    assert ended.duration_ms < 20_000
    assert over == SpeechEnded(1000)


def test_what_is_quiet_is_no_speech(play: Play) -> None:
    assert hear(play, L16_8000, hiss(L16_8000, 1000, -44)).events == []
