"""Voice activity: when a speaker starts and stops, by power over a noise floor that adapts.

native/src/vad.h says how, and this comes to the same, frame by frame.
"""

from __future__ import annotations

from typing import TypeAlias

import attrs

from clutch.media.g711 import Samples
from clutch.media.loudness import mean_square

GATE = 67_764
"""Mean square of samples: -42 dBFS."""
OVER_FLOOR = 16
"""12 dB."""
FLOOR_MIN = 16
"""Mean square: -78 dBFS."""
RISE_SHIFT = 7
"""With every frame the floor rises by 1/128 and 1."""
ONSET_FRAMES = 3
HANGOVER_FRAMES = 10
FRAME_MS = 20


@attrs.frozen
class SpeechOn:
    """The far side began to speak, 60 ms ago."""


@attrs.frozen
class SpeechOff:
    """The far side stopped speaking, 200 ms ago."""

    duration_ms: int
    """From the first frame of the speech to its last."""


Activity: TypeAlias = SpeechOn | SpeechOff


@attrs.define(eq=False)
class Vad:
    """Follows one speaker, a frame of 20 ms at a time."""

    speaking: bool = False
    _floor: int = 0
    _run: int = 0
    _frames: int = 0

    def hear(self, samples: Samples) -> Activity | None:
        """A frame was played; what started or ended with it."""
        power = mean_square(samples)
        speaks = power > GATE and power // OVER_FLOOR > self._floor
        self._floor = max(FLOOR_MIN, min(power, self._floor + (self._floor >> RISE_SHIFT) + 1))
        self._frames += 1
        self._run = 0 if speaks == self.speaking else self._run + 1
        if self._run < (HANGOVER_FRAMES if self.speaking else ONSET_FRAMES):
            return None
        change = SpeechOff((self._frames - self._run) * FRAME_MS) if self.speaking else SpeechOn()
        self._frames, self._run = self._run, 0
        self.speaking = not self.speaking
        return change
