"""The jitter buffer: packets in any order come out as a steady stream of samples.

A packet waits in the slot of its sequence number until its turn, as long as `DelayEstimate` says. While
nothing waits the position does not move, so the delay grows at once by as much as a packet is late. Where
the speaker is quiet a frame is dropped or added, until the delay is what is needed. After a pause of the
stream the buffer fills anew. native/src/jitter.h describes it in full.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import numpy as np

from clutch.media.comfort import ComfortNoise
from clutch.media.conceal import Concealer
from clutch.media.counters import Counters
from clutch.media.delay import DelayEstimate, signed32
from clutch.media.g711 import Samples
from clutch.media.loudness import Loudness

WINDOW = 64
"""Packets this far from the position start the buffer anew: the sender jumped."""
PAUSE_TICKS = 3
"""After this many ticks without any packet the buffer fills anew."""
MAX_DELAY_FRAMES = 10
"""More waiting audio than this is too much delay and is cut, oldest first."""

_TICKS_PER_SECOND = 50


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
    _frame_ticks: int
    """The same time on the RTP clock."""
    _counters: Counters
    _next: int
    """Sequence number whose turn it is; at first that of the first packet."""
    _slots: dict[int, tuple[int, bytes, bool]] = attrs.field(factory=dict)
    """Timestamp, payload, and whether that is comfort noise."""
    _start: int = 0
    """When playing starts, on the RTP clock."""
    _playing: bool = False
    _played: bool = False
    """Whether playing ever started."""
    _idle_ticks: int = 0
    """That found nothing waiting, since the last decoded packet."""
    _starved: bool = False
    """Whether the last tick was such a one, and no packet came since."""
    _missed: int = 0
    """Bit n: the packet `_next` - 1 - n was not there when its turn came."""
    _grow: bool = False
    """A packet was late: add delay without waiting for a quiet moment."""
    _loudness: Loudness = attrs.field(factory=Loudness)
    _comfort: ComfortNoise = attrs.field(factory=ComfortNoise)
    _delay: DelayEstimate = attrs.field(init=False)
    _pcm: Samples = attrs.field(factory=lambda: np.zeros(0, np.int16))
    """Decoded and not yet played: what the last block left over."""
    _tail_concealed: bool = False
    """Whether that block was made up."""
    _concealer: Concealer = attrs.field(init=False)
    _packet_samples: int = attrs.field(init=False)
    """Length of the last decoded packet, the guess for one that is missing."""

    def __attrs_post_init__(self) -> None:
        self._delay = DelayEstimate(self._frame_ticks)
        self._concealer = Concealer.of(self._frame)
        self._packet_samples = self._frame

    @property
    def waiting(self) -> int:
        """Packets that were accepted and not yet played."""
        return len(self._slots)

    @property
    def packets(self) -> list[tuple[int, int, bytes, bool]]:
        """Those that wait, in their order: sequence number, timestamp, payload, and whether it is noise."""
        order = sorted(self._slots, key=lambda sequence: _signed16(sequence - self._next))
        return [(sequence, *self._slots[sequence]) for sequence in order]

    @property
    def is_playing(self) -> bool:
        """True from the moment at which the first packet is played until a pause."""
        return self._playing

    def jumps_to(self, sequence: int) -> bool:
        """True if this packet is too far away to belong to the run."""
        return not -WINDOW < _signed16(sequence - self._next) < WINDOW

    def insert(
        self, sequence: int, timestamp: int, payload: bytes, now_us: int, *, noise: bool = False
    ) -> None:
        """Take a packet for which `jumps_to` is false, or count it as late or duplicate."""
        now = self._clock(now_us)
        ahead = _signed16(sequence - self._next)
        if ahead < 0:
            if self._played or self._span(sequence) > WINDOW:
                self._counters.late += 1
                self._learn_from_late(-1 - ahead, timestamp, now)
                return
            self._next = sequence
        if sequence in self._slots:
            self._counters.duplicate += 1
            return
        held_up = self._delay.arrived(timestamp, now, late=self._starved)
        self._starved = False
        if not self._slots and not self._playing:
            self._next, self._missed = sequence, 0
            self._start = now + max(0, self._delay.needed - held_up)
        self._slots[sequence] = timestamp, payload, noise

    def tick(self, now_us: int) -> tuple[Samples, bool]:
        """The next frame, and whether any of it was concealed. Silence, or its noise, while buffering."""
        now = self._clock(now_us)
        if not self._playing:
            if not self._slots or signed32(now - self._start) < 0:
                silence = self._comfort.on
                return self._comfort.block(self._frame) if silence else np.zeros(self._frame, np.int16), False
            self._playing = self._played = True
        self._cut_delay()
        concealed = self._fill(now)
        self._counters.concealed += concealed
        frame, self._pcm = self._pcm[: self._frame], self._pcm[self._frame :]
        return frame, concealed

    def _clock(self, now_us: int) -> int:
        """A moment on the RTP clock."""
        return now_us * self._frame_ticks * _TICKS_PER_SECOND // 1_000_000

    def _ticks_of(self, samples: int) -> int:
        """How long samples last on the RTP clock."""
        return samples * self._frame_ticks // self._frame

    def _span(self, first: int) -> int:
        """Packets from `first` to the newest that waits, both included, whether they came or not."""
        return max((_signed16(sequence - first) + 1 for sequence in self._slots), default=0)

    def _learn_from_late(self, age: int, timestamp: int, now: int) -> None:
        """What was played or learnt from before is only a copy and says nothing."""
        if self._missed >> age & 1:
            self._missed ^= 1 << age
            self._grow = True
            self._delay.arrived(timestamp, now, late=True)

    def _cut_delay(self) -> None:
        span = self._span(self._next)
        if span * self._packet_samples > MAX_DELAY_FRAMES * self._frame:
            kept = (self._delay.needed + self._frame_ticks) * self._frame // self._frame_ticks
            while span * self._packet_samples > kept:
                self._counters.discarded += self._take() is not None
                span -= 1

    def _fill(self, now: int) -> bool:
        """Bring the decoded samples up to one frame. True if any sample of it is made up."""
        concealed = self._tail_concealed and len(self._pcm) > 0
        while (missing := self._frame - len(self._pcm)) > 0:
            if not self._slots:
                block, made_up = self._make_up(missing), not self._comfort.on
                self._pause()
            elif self._should_add(now):
                block, made_up = self._make_up(self._frame), not self._comfort.on
                self._loudness.quiet_packets = 0
            else:
                block, made_up = self._next_block(now)
            if len(block):
                self._tail_concealed = made_up
            concealed |= made_up
            self._pcm = np.concatenate((self._pcm, block))
        return concealed

    def _make_up(self, size: int) -> Samples:
        """Comfort noise in a pause that the peer told us of, else the last of what was heard."""
        return self._comfort.block(size) if self._comfort.on else self._concealer.block(size)

    def _next_block(self, now: int) -> tuple[Samples, bool]:
        """Of the next packet, none of one that takes no time; True if it had to be made up."""
        block = self._decode_next(now)
        return (self._make_up(self._packet_samples), True) if block is None else (block, False)

    def _waited(self, timestamp: int, now: int) -> int:
        """The delay of a packet that is played next, in the tick at `now`."""
        return self._delay.waited(timestamp, now + self._ticks_of(len(self._pcm)))

    def _should_add(self, now: int) -> bool:
        """True if the delay is to grow by a frame before the next packet is played."""
        waiting = self._slots.get(self._next)
        if waiting is None:
            return False
        too_little = self._waited(waiting[0], now) < self._delay.needed - self._frame_ticks // 2
        self._grow &= too_little
        return too_little and (self._grow or self._comfort.on or self._loudness.is_quiet)

    def _should_drop(self, timestamp: int, size: int, now: int) -> bool:
        """True if there is delay to spare for the quiet packet that was just taken, and others follow it."""
        spare = self._waited(timestamp, now) - self._ticks_of(size) - self._delay.needed
        return self._loudness.is_quiet and spare >= 0 and self._span(self._next) * size > self._frame

    def _take(self) -> tuple[int, bytes, bool] | None:
        taken = self._slots.pop(self._next, None)
        self._missed = (self._missed << 1 | (taken is None)) % 2**WINDOW
        self._next = (self._next + 1) % 0x10000
        return taken

    def _decode_next(self, now: int) -> Samples | None:
        """Samples of the next packet, none of one that is dropped; None if it is missing or no audio."""
        taken = self._take()
        if taken is None:
            return None
        timestamp, payload, noise = taken
        self._comfort.on = noise
        if noise:
            self._comfort.hear(payload)
            self._counters.played += 1
            return np.zeros(0, np.int16)
        try:
            samples: Samples = self._decode(payload)
        except ValueError:
            self._counters.malformed += 1
            return None
        self._idle_ticks = 0
        self._packet_samples = len(samples)
        self._concealer.heard(samples)
        self._loudness.heard(samples)
        if self._should_drop(timestamp, len(samples), now):
            self._counters.discarded += 1
            self._loudness.quiet_packets = 0
            return samples[:0]
        self._counters.played += 1
        return samples

    def _pause(self) -> None:
        """A tick finds nothing waiting."""
        self._starved = True
        self._idle_ticks += 1
        if self._idle_ticks == PAUSE_TICKS:
            self._idle_ticks = 0
            self._playing = False
