"""DTMF keys heard as tones, for peers that do not send them as telephone events (ITU-T Q.23, Q.24).

native/src/tones.h says how, and this comes to the same, frame by frame.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import numpy as np
from numpy.typing import NDArray

from clutch.media.dtmf import Digit
from clutch.media.g711 import Samples

HALF = 80
"""Samples of 10 ms at 8 kHz."""
WINDOW = 2 * HALF
HERTZ = (697, 770, 852, 941, 1209, 1336, 1477, 1633)
"""The low group, then the high one."""
KEYS = ("123A", "456B", "789C", "*0#D")
"""By low frequency, then by high."""
SHIFT = 10
"""Of a correlation to the right, as in C, where its square must have room."""
SHARE = 20_480
"""Power of a tone in units of a window's energy."""
LEAST = 1_638_400 * 519 * 519
"""Power of a tone of -36 dBFS."""
BEGIN_WINDOWS = 3
"""In a row with a key begin it …"""
END_WINDOWS = 2
"""… and without it end it."""
HALF_MS = 10

_ANGLES = 2 * np.pi * np.array(HERTZ)[:, None] * np.arange(WINDOW) / 8000
_COS = np.rint(np.cos(_ANGLES) * (1 << 14)).astype(np.int64)
_SIN = np.rint(np.sin(_ANGLES) * (1 << 14)).astype(np.int64)


@attrs.define(eq=False)
class Tones:
    """Listens to one speaker, a frame of 20 ms at a time."""

    _window: NDArray[np.int64] = attrs.field(factory=lambda: np.zeros(WINDOW, np.int64))
    _key: str = ""
    """That sounds."""
    _last: str = ""
    """In the last window, for `_run` windows in a row."""
    _run: int = 0
    _windows: int = 0
    _missing: int = 0

    def hear(self, samples: Samples) -> Iterator[Digit]:
        """A frame was played; the keys that ended with it."""
        sums = samples.astype(np.int64).reshape(2, HALF, -1).sum(axis=2)
        per_sample = len(samples) // WINDOW
        for half in np.sign(sums) * (np.abs(sums) // per_sample):
            self._window = np.concatenate([self._window[HALF:], half])
            digit = self._step()
            if digit is not None:
                yield digit

    def _step(self) -> Digit | None:
        """A window more; the key that ended with it."""
        key = _key_in(self._window)
        self._run = self._run + 1 if key == self._last else 1
        self._last = key
        self._windows += 1
        if not self._key:
            self._key = key if self._run >= BEGIN_WINDOWS else ""
            self._windows, self._missing = self._run, 0
            return None
        self._missing = 0 if key == self._key else self._missing + 1
        if self._missing < END_WINDOWS:
            return None
        ended, self._key = self._key, ""
        return Digit(ended, (self._windows - self._missing + 1) * HALF_MS)


def _key_in(window: NDArray[np.int64]) -> str:
    even, odd = (_COS @ window) >> SHIFT, (_SIN @ window) >> SHIFT
    power = [int(value) for value in even * even + odd * odd]
    row, column = _strongest(power[:4]), _strongest(power[4:])
    if row is None or column is None:
        return ""
    low, high, energy = power[row], power[4 + column], int(window @ window)
    loud = low >= LEAST and high >= LEAST
    alone = (low + high) // SHARE >= energy // 20 * 11
    twist_is_right = high // 5 * 2 <= low and low // 19 * 3 <= high
    return KEYS[row][column] if loud and alone and twist_is_right else ""


def _strongest(power: list[int]) -> int | None:
    """The strongest, or None if another one is nearly as strong."""
    best = power.index(max(power))
    rivals = (value for index, value in enumerate(power) if index != best)
    return None if any(value > power[best] // 4 for value in rivals) else best
