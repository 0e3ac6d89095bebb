"""Sounds in memory."""

from __future__ import annotations

import numpy as np
import pytest

from clutch.media.audio import SILENCE_DBFS, Sound, chime, level_dbfs, tone
from clutch.media.errors import AudioError


def _peak_hz(sound: Sound) -> float:
    spectrum = np.abs(np.fft.rfft(sound.samples))
    return float(np.argmax(spectrum)) / sound.seconds


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 48_000])
def test_tone_has_its_frequency_and_level(rate_hz: int) -> None:
    sound = tone(440, rate_hz, seconds=0.5, level_dbfs=-20)
    assert sound.samples.dtype == np.int16
    assert sound.seconds == 0.5
    assert _peak_hz(sound) == pytest.approx(440, abs=2)
    assert level_dbfs(sound.pcm) == pytest.approx(-20, abs=0.05)


def test_a_second_of_tone_joins_the_next() -> None:
    samples = tone(440, 8000).samples.astype(int)
    steps = np.abs(np.diff(samples))
    assert abs(samples[0] - samples[-1]) <= steps.max()


def test_tone_clips_instead_of_wrapping() -> None:
    samples = tone(1000, 8000, level_dbfs=6).samples
    assert samples.max() == 32_767
    assert samples.min() == -32_768
    assert np.all(np.sign(samples) == np.sign(np.rint(tone(1000, 8000).samples)))


@pytest.mark.parametrize("frequency_hz", [0, -440, 4000, 9000])
def test_tone_must_fit_into_the_rate(frequency_hz: int) -> None:
    with pytest.raises(ValueError, match=rf"{frequency_hz} Hz does not fit into 8000"):
        tone(frequency_hz, 8000)


@pytest.mark.parametrize(("wanted", "rate_hz"), [(8000, 48_000), (48_000, 8000), (16_000, 44_100)])
def test_resampling_keeps_the_sound(wanted: int, rate_hz: int) -> None:
    sound = tone(440, rate_hz, level_dbfs=-15).at(wanted)
    assert sound.rate_hz == wanted
    assert sound.samples.dtype == np.int16
    assert sound.seconds == pytest.approx(1, abs=0.001)
    assert _peak_hz(sound) == pytest.approx(440, abs=1)
    assert level_dbfs(sound.pcm) == pytest.approx(-15, abs=0.1)


def test_its_own_rate_is_no_resampling() -> None:
    sound = tone(440, 8000)
    assert sound.at(8000) is sound
    assert sound.expect(8000) is sound


def test_refusing_names_both_rates() -> None:
    with pytest.raises(AudioError, match=r"44100 Hz.*8000 Hz"):
        tone(440, 44_100).expect(8000)


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 48_000])
def test_chime_starts_and_ends_in_silence_and_is_not_clipped(rate_hz: int) -> None:
    sound = chime(rate_hz)
    assert 1.5 < sound.seconds < 2.5
    assert abs(int(sound.samples[0])) < 100
    assert abs(int(sound.samples[-1])) < 100
    assert 0.45 < np.abs(sound.samples).max() / 32_768 < 0.55


def test_level_of_known_signals() -> None:
    square = np.tile(np.array([-32_768, 32_767], np.int16), 80)
    assert level_dbfs(square.tobytes()) == pytest.approx(0, abs=0.001)
    assert level_dbfs(bytes(320)) == SILENCE_DBFS
    assert level_dbfs(b"") == SILENCE_DBFS
    assert SILENCE_DBFS < level_dbfs(np.ones(160, np.int16).tobytes()) < -90
