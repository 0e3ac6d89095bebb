"""Sampling rates of live audio, a frame at a time: the Python twin of native/src/resample.c, to the bit.

A linear-phase FIR low-pass of 64 taps per sample of the lower rate. Relative to half the lower rate it is
flat within 0.003 dB up to 0.85, and 75 dB down from 1 on; its delay is 32 samples of the lower rate. For
whole sounds there is `clutch.media.audio.Sound.at`.
"""

from __future__ import annotations

import functools
import math
from typing import TypeAlias

import attrs
import numpy as np
from numpy.typing import NDArray

from clutch.media.g711 import Samples
from clutch.media.params import FRAMES_PER_SECOND

RATES_HZ = (8000, 16_000, 24_000, 48_000)
"""Every pair of these can be resampled."""

Wave: TypeAlias = NDArray[np.float32]
"""Shape (n,); one 16-bit step is 1."""

_TAPS = 64
_CUTOFF = 0.925
_WINDOW = 7.4165
_COEFFICIENT_SCALE = 2**22


def to_wave(samples: Samples) -> Wave:
    """16-bit samples as floats."""
    return samples.astype(np.float32)


def to_samples(wave: Wave) -> Samples:
    """Round to the nearest, ties to even; what is too loud is clipped."""
    return np.rint(np.clip(wave, -32_768, 32_767)).astype(np.int16)


@attrs.frozen(eq=False)
class _Filter:
    """For one pair of rates; native/src/resample.c explains the phases."""

    up: int
    """Outputs of a block, one of each output phase."""
    down: int
    """Inputs of a block, one of each input phase."""
    blocks: int
    """In a frame."""
    pairs: NDArray[np.float32]
    """Shape (up, down, taps): for each pair of output and input phase the newest first."""


@attrs.define(eq=False)
class Resampler:
    """From one rate to another, 20 ms at a time. Starts with silence behind it."""

    _filter: _Filter
    _history: NDArray[np.float32]
    """The last samples of each input phase, shape (down, taps)."""

    @classmethod
    def open(cls, from_hz: int, to_hz: int) -> Resampler:
        """Raises ValueError for a rate that is not one of `RATES_HZ`, or two that are the same."""
        made = _filter(from_hz, to_hz)
        _, down, taps = made.pairs.shape
        return cls(made, np.zeros((down, taps), np.float32))

    def run(self, wave: Wave) -> Wave:
        """A frame at the other rate. Raises ValueError if `wave` is no frame."""
        up, down, blocks = self._filter.up, self._filter.down, self._filter.blocks
        line = np.hstack([self._history, wave.reshape(blocks, down).T])
        taps = self._history.shape[1]
        self._history = line[:, blocks:]
        sums = np.zeros((up, blocks), np.float32)
        for phase in range(down):
            for output in range(up):
                # The newest input of this phase that an output may need comes with it or one block earlier.
                start = taps - (phase > output * down // up)
                for k in range(taps):
                    coefficient = self._filter.pairs[output, phase, k]
                    sums[output] += coefficient * line[phase, start - k : start - k + blocks]
        return sums.T.reshape(up * blocks)


def _bessel(x: float) -> float:
    """The modified Bessel function of order 0, by its series."""
    total, term, k = 1.0, 1.0, 1
    while term > total * 1e-17:
        term *= x * x / (4 * k * k)
        total += term
        k += 1
    return total


def _low_pass(taps: int, cutoff: float) -> NDArray[np.float64]:
    """A Kaiser-windowed low-pass with a gain of 1; `cutoff` is a share of half the rate."""
    half = (taps - 1) / 2
    x = math.pi * (np.arange(taps) - half) * cutoff
    edge = (np.arange(taps) - half) / half
    window = np.array([_bessel(_WINDOW * math.sqrt(1 - e * e)) for e in edge])
    wave: NDArray[np.float64] = np.sin(x) / x * window
    return wave / float(wave.sum())


@functools.cache
def _filter(from_hz: int, to_hz: int) -> _Filter:
    if from_hz == to_hz or not {from_hz, to_hz} <= {*RATES_HZ}:
        raise ValueError(f"cannot resample from {from_hz} to {to_hz} Hz")
    grid_hz, low_hz = math.lcm(from_hz, to_hz), min(from_hz, to_hz)
    up, down = grid_hz // from_hz, grid_hz // to_hz
    taps = _TAPS * grid_hz // low_hz
    low_pass = np.rint(up * _low_pass(taps, _CUTOFF * low_hz / grid_hz) * _COEFFICIENT_SCALE)
    pairs = np.empty((up, down, taps // (up * down)), np.float32)
    for output, phase, k in np.ndindex(pairs.shape):
        newest, remainder = divmod(output * down, up)
        age = newest - phase + down * (k + (phase > newest))
        pairs[output, phase, k] = low_pass[remainder + up * age] / _COEFFICIENT_SCALE
    return _Filter(up, down, from_hz // FRAMES_PER_SECOND // down, pairs)
