"""How well a sound is heard where processes compete for a small machine."""

from __future__ import annotations

from statistics import median

from clutch.media.audio import Sound
from tests.interop.sound import compare


def median_likeness(sent: Sound, heard: Sound) -> float:
    """Half of the sound is heard at least so well, taken in pieces of half a second.

    Each piece is looked for by itself: one of so many processes may stall once, and an echo that has stalled
    comes nearer again, so that nothing after that is where it was before.
    """
    size = sent.rate_hz // 2
    pieces = [Sound(sent.samples[at : at + size], sent.rate_hz) for at in range(0, len(sent.samples), size)]
    return median(compare(piece, heard).correlation for piece in pieces)
