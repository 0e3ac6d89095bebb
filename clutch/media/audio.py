"""Sounds in memory: resampling of files, tones, a chime, and the level of a frame.

Nothing here is for live audio: soxr needs whole sounds, its streaming lag would be 70 ms and more.
"""

from __future__ import annotations

import math

import attrs
import numpy as np
from numpy.typing import NDArray

from clutch.media.errors import AudioError
from clutch.media.g711 import Samples

FULL_SCALE = 32_768
"""The amplitude that 0 dBFS refers to."""
SILENCE_DBFS = -127.0
"""The lowest level that `level_dbfs` reports (RFC 6464 section 3)."""

_CHIME_NOTES_HZ = (523.25, 659.26, 783.99, 1046.50)
_CHIME_STEP_S, _CHIME_RING_S = 0.18, 1.4
_CHIME_PARTIALS = (1.0, 0.3, 0.08)


@attrs.frozen(eq=False)
class Sound:
    """A piece of mono audio."""

    samples: Samples
    """int16, shape (n,), native byte order."""
    rate_hz: int

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.samples) / self.rate_hz

    @property
    def pcm(self) -> bytes:
        """The samples as `MediaStream.send` takes them: 2 bytes each, native byte order."""
        return self.samples.tobytes()

    def at(self, rate_hz: int) -> Sound:
        """The same sound at another rate; costs about 0.2 ms per second of sound."""
        if rate_hz == self.rate_hz:
            return self
        import soxr  # here, because only those who resample a file should pay for loading it

        return Sound(soxr.resample(self.samples, self.rate_hz, rate_hz), rate_hz)

    def expect(self, rate_hz: int) -> Sound:
        """This sound, if it has that rate. Raises `AudioError`, naming both rates, if not."""
        if rate_hz != self.rate_hz:
            raise AudioError(f"the sound is sampled at {self.rate_hz} Hz, and {rate_hz} Hz is needed")
        return self


def tone(frequency_hz: float, rate_hz: int, seconds: float = 1.0, level_dbfs: float = -15.0) -> Sound:
    """A sine that starts at zero. Whole seconds of a whole frequency can be repeated without a click.

    Raises ValueError for a frequency that the rate cannot carry.
    """
    if not 0 < frequency_hz < rate_hz / 2:
        raise ValueError(f"{frequency_hz} Hz does not fit into {rate_hz} samples a second")
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    amplitude = math.sqrt(2) * 10 ** (level_dbfs / 20)
    return _sound(amplitude * np.sin(2 * math.pi * frequency_hz * time_s), rate_hz)


def chime(rate_hz: int) -> Sound:
    """Four rising bell notes, two seconds: what `play` plays when it is given no file."""
    ring = np.arange(round(_CHIME_RING_S * rate_hz)) / rate_hz
    envelope = np.minimum(ring / 0.004, 1) * np.exp(-4 * ring) * np.minimum((_CHIME_RING_S - ring) / 0.05, 1)
    step = round(_CHIME_STEP_S * rate_hz)
    mix = np.zeros(step * (len(_CHIME_NOTES_HZ) - 1) + len(ring))
    for index, note_hz in enumerate(_CHIME_NOTES_HZ):
        partials = (
            gain * np.sin(2 * math.pi * note_hz * order * ring)
            for order, gain in enumerate(_CHIME_PARTIALS, start=1)
        )
        mix[index * step :][: len(ring)] += envelope * sum(partials)
    return _sound(0.5 * mix / np.max(np.abs(mix)), rate_hz)


def level_dbfs(pcm: bytes) -> float:
    """The RMS level of int16 PCM: 0 for a full-scale square wave, -3 for a sine, at least -127."""
    samples = np.frombuffer(pcm, np.int16).astype(np.float64)
    if not samples.any():
        return SILENCE_DBFS
    return 10 * math.log10(float(np.mean(samples**2)) / FULL_SCALE**2)


def _sound(wave: NDArray[np.float64], rate_hz: int) -> Sound:
    """From a wave between -1 and 1; louder is clipped."""
    return Sound(np.clip(np.rint(wave * FULL_SCALE), -32_768, 32_767).astype(np.int16), rate_hz)
