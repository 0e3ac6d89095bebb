"""How loud sound is, and where a speaker is quiet: there a frame more or less is not heard."""

from __future__ import annotations

import math

import attrs
import numpy as np

from clutch.media.g711 import Samples

SILENCE = 64
"""Mean magnitude of samples, about -54 dBFS, that is silence on any line."""
QUIET_SHIFT = 4
"""So are 24 dB less than the loudest packet …"""
DECAY_SHIFT = 8
"""… which fades by 1/256 with every packet."""
QUIET_PACKETS = 3
"""In a row make a pause of the speaker, not a gap within a word."""


def mean_square(samples: Samples) -> int:
    """The power of at least one sample, rounded down; 1 << 30 is a square wave of full scale."""
    wide = samples.astype(np.int64)
    return int(wide @ wide) // len(samples)


def level_dbfs(samples: Samples) -> float:
    """The power of at least one sample in dBFS; minus infinity for silence."""
    power = mean_square(samples)
    return 10 * math.log10(power / (1 << 30)) if power else -math.inf


@attrs.define(eq=False)
class Loudness:
    """Follows the loudness of decoded packets."""

    quiet_packets: int = 0
    """In a row until now; set to 0 to wait for as many again."""
    _loudest: int = 0

    @property
    def is_quiet(self) -> bool:
        """True in a pause of the speaker."""
        return self.quiet_packets >= QUIET_PACKETS

    def heard(self, samples: Samples) -> None:
        """A packet of at least one sample was decoded."""
        mean = int(np.abs(samples.astype(np.int32)).sum()) // len(samples)
        self._loudest = max(mean, self._loudest - (self._loudest >> DECAY_SHIFT))
        quiet = mean <= max(SILENCE, self._loudest >> QUIET_SHIFT)
        self.quiet_packets = self.quiet_packets + 1 if quiet else 0
