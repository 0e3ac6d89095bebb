"""Comfort noise (RFC 3389): a pause is told by its loudness, and heard as white noise.

Levels count dB below overload, 0 to 127. native/src/comfort.h says the same, and more.
"""

from __future__ import annotations

import attrs
import numpy as np

from clutch.media.g711 import Samples
from clutch.media.loudness import mean_square

LEVEL_MAX = 127
QUIET = 55
"""A frame as soft as this, or softer, is no speech."""
HANGOVER = 10
"""Frames of it in a row: the end of a word is soft as well."""
REFRESH = 25
"""Frames from one statement of the level to the next."""

_OVERLOAD_POWER = 1 << 46
"""Of a square wave, in 1/65536 so that little is lost on the way down."""
_OVERLOAD_AMPLITUDE = 56_756 << 16
"""Of evenly spread samples with that power."""
_POWER_STEP, _AMPLITUDE_STEP = 52_057, 58_409
"""1 dB less, in 1/65536."""


def level_of(samples: Samples) -> int:
    """The level of at least one sample, rounded up: towards the softer."""
    power = mean_square(samples)
    if not power:
        return LEVEL_MAX
    level, level_power = 0, _OVERLOAD_POWER
    while power << 16 < level_power:
        level, level_power = level + 1, level_power * _POWER_STEP >> 16
    return level


@attrs.define(eq=False)
class ComfortNoise:
    """The receiver's side: what silence sounds like."""

    on: bool = False
    """Whether the peer is in a pause that it told us of."""
    _amplitude: int = 0
    _random: int = 0

    def hear(self, payload: bytes) -> None:
        """The peer says how loud its silence is, in at least one byte."""
        amplitude = _OVERLOAD_AMPLITUDE
        for _ in range(payload[0] & LEVEL_MAX):
            amplitude = amplitude * _AMPLITUDE_STEP >> 16
        self.on, self._amplitude = True, min(amplitude + 0x8000 >> 16, 32_767)

    def block(self, count: int) -> Samples:
        """The next samples of it."""
        made = np.empty(count, np.int32)
        for at in range(count):
            self._random = (self._random * 1_664_525 + 1_013_904_223) % 2**32
            made[at] = (self._random >> 16) - 32_768
        return (made * self._amplitude + 0x4000 >> 15).astype(np.int16)


@attrs.define(eq=False)
class PauseSender:
    """The sender's side: which frames need not be sent."""

    _quiet: int = 0
    """Soft frames in a row."""

    def frame(self, samples: Samples) -> bytes | None:
        """What to send as comfort noise instead of this frame, perhaps nothing; None: send it as audio."""
        level = level_of(samples)
        self._quiet = self._quiet + 1 if level >= QUIET else 0
        pause = self._quiet - HANGOVER
        if pause <= 0:
            return None
        return bytes([level]) if pause % REFRESH == 1 else b""
