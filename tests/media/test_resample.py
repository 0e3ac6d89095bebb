"""How good the resampler is: its frequency response and delay, measured on what it puts out."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from clutch.media.g711 import Samples
from clutch.media.resample import RATES_HZ, Resampler, to_samples, to_wave

PAIRS = list(itertools.permutations(RATES_HZ, 2))


def run(wave: NDArray[np.float32], from_hz: int, to_hz: int) -> NDArray[np.float32]:
    """Resample whole frames."""
    resampler = Resampler.open(from_hz, to_hz)
    return np.hstack([resampler.run(frame) for frame in wave.reshape(-1, from_hz // 50)])


def impulse_response(from_hz: int, to_hz: int) -> NDArray[np.float64]:
    """Of the filter, on the grid that both rates divide.

    Impulses at each input phase give the outputs between which the filter's taps lie.
    """
    up, down = np.lcm(from_hz, to_hz) // from_hz, np.lcm(from_hz, to_hz) // to_hz
    responses = np.zeros(3 * np.lcm(from_hz, to_hz) // 50 + down * up)
    for phase in range(down):
        wave = np.zeros(2 * from_hz // 50, np.float32)
        wave[phase] = 1
        out = run(wave, from_hz, to_hz).astype(np.float64)
        where = np.arange(len(out)) * down - phase * up
        responses[where[where >= 0]] += out[where >= 0]
    return responses


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
def test_what_passes_and_what_is_stopped(from_hz: int, to_hz: int) -> None:
    grid_hz, low_hz = np.lcm(from_hz, to_hz), min(from_hz, to_hz)
    response = impulse_response(from_hz, to_hz)
    gain_db = 20 * np.log10(np.abs(np.fft.rfft(response, 1 << 17)) * from_hz / grid_hz + 1e-12)
    share = np.linspace(0, grid_hz / low_hz, len(gain_db))
    assert np.ptp(gain_db[share <= 0.85]) < 0.003
    assert abs(gain_db[0]) < 0.001
    assert np.max(gain_db[share >= 1]) < -75


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
def test_the_delay_is_32_samples_of_the_lower_rate(from_hz: int, to_hz: int) -> None:
    response = impulse_response(from_hz, to_hz)
    where = np.flatnonzero(response)
    taps = response[where[0] : where[-1] + 1]
    np.testing.assert_array_equal(taps, taps[::-1])
    middle_s = (where[0] + where[-1]) / 2 / np.lcm(from_hz, to_hz)
    assert middle_s * min(from_hz, to_hz) == pytest.approx(32, abs=0.3)


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
def test_there_and_back_a_tone_is_the_same(from_hz: int, to_hz: int) -> None:
    time_s = np.arange(from_hz // 5) / from_hz
    there = run((10_000 * np.sin(2 * np.pi * 1000 * time_s)).astype(np.float32), from_hz, to_hz)
    back = run(there, to_hz, from_hz).astype(np.float64)[len(time_s) // 2 :]
    basis = np.exp(2j * np.pi * 1000 * time_s[len(time_s) // 2 :])
    part = 2 * np.mean(back * basis.conj()) * basis
    noise = back - part.real
    assert 10 * np.log10(np.sum(part.real**2) / np.sum(noise**2)) > 70


def test_samples_are_rounded_and_clipped() -> None:
    wave = np.array([0.5, 1.5, -0.5, -1.5, 32_767.5, 1e9, -1e9, 7], np.float32)
    samples: Samples = to_samples(wave)
    assert samples.tolist() == [0, 2, 0, -2, 32_767, 32_767, -32_768, 7]
    assert to_wave(samples).dtype == np.float32


@pytest.mark.parametrize(("from_hz", "to_hz"), [(8000, 8000), (8000, 44_100), (0, 8000)])
def test_a_rate_that_is_not_known(from_hz: int, to_hz: int) -> None:
    with pytest.raises(ValueError, match=f"from {from_hz} to {to_hz} Hz"):
        Resampler.open(from_hz, to_hz)


def test_a_frame_of_another_length() -> None:
    with pytest.raises(ValueError, match="reshape"):
        Resampler.open(8000, 16_000).run(np.zeros(159, np.float32))
