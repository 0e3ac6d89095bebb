"""Packet loss concealment for waveform codecs: repeat the last frame, ever softer."""

from __future__ import annotations

import attrs
import numpy as np

from clutch.media.g711 import Samples

GAINS_Q15 = (26_214, 16_384, 8192, 3277, 0)
"""Gain of the first, second … concealed block in a row, in 1/32768; the last stands for all later ones."""


@attrs.define(eq=False)
class Concealer:
    """Remembers one frame of what was really heard, and makes up what was not."""

    _history: Samples
    _run: int = 0

    @classmethod
    def of(cls, frame_samples: int) -> Concealer:
        """A concealer that has heard silence."""
        return cls(np.zeros(frame_samples, np.int16))

    def heard(self, samples: Samples) -> None:
        """Decoded audio went by."""
        kept = len(self._history)
        self._history = np.concatenate((self._history, samples))[-kept:]
        self._run = 0

    def block(self, count: int) -> Samples:
        """Make up `count` samples, one block of a gap."""
        gain = GAINS_Q15[min(self._run, len(GAINS_Q15) - 1)]
        self._run += 1
        repeated = np.resize(self._history, count).astype(np.int32)
        return (repeated * gain >> 15).astype(np.int16)
