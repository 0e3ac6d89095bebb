"""The resamplers of both cores give the same samples."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import native
from clutch.media.resample import RATES_HZ, Resampler, to_samples, to_wave

pytestmark = pytest.mark.usefixtures("native_library")


@pytest.mark.parametrize(("from_hz", "to_hz"), list(itertools.permutations(RATES_HZ, 2)))
def test_noise_is_the_same_to_the_bit(from_hz: int, to_hz: int) -> None:
    random = np.random.default_rng(7)
    core, twin = native.Resampler(from_hz, to_hz), Resampler.open(from_hz, to_hz)
    for _ in range(4):
        frame = random.integers(-32_768, 32_768, from_hz // 50, np.int16)
        assert core.run(frame.tobytes()) == to_samples(twin.run(to_wave(frame))).tobytes()


def test_bad_rates_and_lengths_are_refused() -> None:
    with pytest.raises(native.MediaError, match="from 8000 to 44100 Hz"):
        native.Resampler(8000, 44_100)
    with pytest.raises(ValueError, match="320 bytes, not 318"):
        native.Resampler(8000, 16_000).run(bytes(318))
