"""The jitter buffer: packets in any order come out as a steady stream of samples.

A packet waits in the slot of its sequence number until its turn. The buffer starts to play 40 ms after the
first packet and goes back to buffering when the stream pauses, so the delay adapts at pauses only. While
nothing waits, the position does not move: a packet that is late by less than the pause is still played.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import numpy as np

from clutch.media.conceal import Concealer
from clutch.media.counters import Counters
from clutch.media.g711 import Samples

WINDOW = 64
"""Packets this far from the position start the buffer anew: the sender jumped."""
DELAY_US = 40_000
"""Playing starts at the first tick this long after the first packet."""
PAUSE_TICKS = 3
"""After this many ticks without any packet the buffer waits for `DELAY_US` again."""
MAX_DELAY_FRAMES = 10
"""More waiting audio than this is too much delay …"""
CUT_DELAY_FRAMES = 3
"""… and is cut down to this, oldest first."""


def _signed16(value: int) -> int:
    return (value + 0x8000) % 0x10000 - 0x8000


@attrs.define(eq=False)
class JitterBuffer:
    """Buffers and decodes one run of sequence numbers, which are 16 bits and wrap.

    When the run ends (`jumps_to`, another source, another codec) its owner replaces it and counts what still
    waits as discarded. `now_us` never goes back.
    """

    _decode: Callable[[bytes], Samples]
    """Raises ValueError for a payload that it cannot decode."""
    _frame: int
    """Samples per tick."""
    _counters: Counters
    _next: int
    """Sequence number whose turn it is; at first that of the first packet."""
    _slots: dict[int, bytes] = attrs.field(factory=dict)
    _first_arrival_us: int = 0
    _playing: bool = False
    _played: bool = False
    """Whether playing ever started."""
    _idle_ticks: int = 0
    _pcm: Samples = attrs.field(factory=lambda: np.zeros(0, np.int16))
    """Decoded and not yet played: what the last block left over."""
    _tail_concealed: bool = False
    """Whether that block was made up."""
    _concealer: Concealer = attrs.field(init=False)
    _packet_samples: int = attrs.field(init=False)
    """Length of the last decoded packet, the guess for one that is missing."""

    def __attrs_post_init__(self) -> None:
        self._concealer = Concealer.of(self._frame)
        self._packet_samples = self._frame

    @property
    def waiting(self) -> int:
        """Packets that were accepted and not yet played."""
        return len(self._slots)

    def jumps_to(self, sequence: int) -> bool:
        """True if this packet is too far away to belong to the run."""
        return not -WINDOW < _signed16(sequence - self._next) < WINDOW

    def insert(self, sequence: int, payload: bytes, now_us: int) -> None:
        """Take a packet for which `jumps_to` is false, or count it as late or duplicate."""
        if _signed16(sequence - self._next) < 0:
            if self._played or self._span(sequence) > WINDOW:
                self._counters.late += 1
                return
            self._next = sequence
        if sequence in self._slots:
            self._counters.duplicate += 1
            return
        if not self._slots and not self._playing:
            self._next = sequence
            self._first_arrival_us = now_us
        self._slots[sequence] = payload

    def tick(self, now_us: int) -> tuple[Samples, bool]:
        """The next frame, and whether any of it was concealed. Silence while buffering."""
        if not self._playing:
            if not self._slots or now_us - self._first_arrival_us < DELAY_US:
                return np.zeros(self._frame, np.int16), False
            self._playing = self._played = True
        self._cut_delay()
        concealed = self._fill()
        self._counters.concealed += concealed
        frame, self._pcm = self._pcm[: self._frame], self._pcm[self._frame :]
        return frame, concealed

    def _span(self, first: int) -> int:
        """Packets from `first` to the newest that waits, both included, whether they came or not."""
        return max((_signed16(sequence - first) + 1 for sequence in self._slots), default=0)

    def _cut_delay(self) -> None:
        span = self._span(self._next)
        if span * self._packet_samples > MAX_DELAY_FRAMES * self._frame:
            while span * self._packet_samples > CUT_DELAY_FRAMES * self._frame:
                self._counters.discarded += self._take() is not None
                span -= 1

    def _fill(self) -> bool:
        """Bring the decoded samples up to one frame. True if any sample of it is made up."""
        concealed = self._tail_concealed and len(self._pcm) > 0
        while (missing := self._frame - len(self._pcm)) > 0:
            if self._slots:
                block, size = self._decode_next(), self._packet_samples
            else:
                block, size = None, missing
                self._pause()
            self._tail_concealed = block is None
            if block is None:
                block, concealed = self._concealer.block(size), True
            self._pcm = np.concatenate((self._pcm, block))
        return concealed

    def _take(self) -> bytes | None:
        payload = self._slots.pop(self._next, None)
        self._next = (self._next + 1) % 0x10000
        return payload

    def _decode_next(self) -> Samples | None:
        """Samples of the packet whose turn it is; None if it is missing or cannot be decoded."""
        payload = self._take()
        if payload is None:
            return None
        try:
            samples: Samples = self._decode(payload)
        except ValueError:
            self._counters.malformed += 1
            return None
        self._counters.played += 1
        self._idle_ticks = 0
        self._packet_samples = len(samples)
        self._concealer.heard(samples)
        return samples

    def _pause(self) -> None:
        """A tick finds nothing waiting."""
        self._idle_ticks += 1
        if self._idle_ticks == PAUSE_TICKS:
            self._idle_ticks = 0
            self._playing = False
