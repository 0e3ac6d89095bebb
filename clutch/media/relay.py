"""The numbers of a stream whose packets are another sender's: native/src/relay.h describes them in full.

Sequence numbers and timestamps go on from where the stream was, by offsets, so that what was lost or late
before us is so behind us, too. No number is used twice.
"""

from __future__ import annotations

from typing import NamedTuple

import attrs

from clutch.media.params import FRAMES_PER_SECOND
from clutch.media.reception import DROPOUT, MISORDER

_WINDOW = 64
"""A packet that is so late ends here."""
_STEP_MAX_FRAMES = 6
"""120 ms: no packet is longer."""


class Numbers(NamedTuple):
    """Of one packet, or those that a stream will use next."""

    sequence: int
    timestamp: int


_NONE = Numbers(0, 0)


def _signed32(value: int) -> int:
    return (value + 2**31) % 2**32 - 2**31


@attrs.define(eq=False)
class Relay:
    """Offsets, taken at the first packet and anew when the sender began anew."""

    _frame: int
    """20 ms on the RTP clock."""
    _anchored: bool = False
    _newest: Numbers = _NONE
    """Sequence number of the newest packet and timestamp of the newest audio, as they came."""
    _offset: Numbers = _NONE
    _at_us: int = 0
    """When the newest audio came."""
    _step: int = 0
    """How long a packet lasts, on the RTP clock."""
    _taken: int = 0
    """Bit n: the stream's number n + 1 before its next one is some packet's already."""

    def interrupt(self) -> None:
        """Something else is sent, or the sender is another one: take new offsets."""
        self._anchored = False

    def place(
        self, came: Numbers, following: Numbers, now_us: int, *, audio: bool
    ) -> tuple[Numbers, Numbers] | None:
        """The numbers that a packet goes on with, and what then follows instead of `following`.

        None if its number is another packet's already. Packets of keys are no audio: their timestamp is
        that of the press.
        """
        if not self._anchored or not self._goes_on(came, now_us, audio=audio):
            self._anchor(came, following, now_us)
        sent = Numbers(
            (came.sequence + self._offset.sequence) % 0x10000,
            (came.timestamp + self._offset.timestamp) % 2**32,
        )
        ahead = self._ahead(came.sequence)
        if ahead <= 0:
            return (sent, following) if self._take(following.sequence - 1 - sent.sequence) else None
        step = (came.timestamp - self._newest.timestamp) % 2**32
        if audio and ahead == 1 and 0 < step <= _STEP_MAX_FRAMES * self._frame:
            self._step = step
        used = (sent.sequence + 1 - following.sequence) % 0x10000
        self._taken = (self._taken << used | 1) % 2**_WINDOW
        self._newest = self._newest._replace(sequence=came.sequence)
        following = following._replace(sequence=(sent.sequence + 1) % 0x10000)
        if audio:
            self._newest, self._at_us = came, now_us
            following = following._replace(timestamp=(sent.timestamp + self._step) % 2**32)
        return sent, following

    def skip(self, sequence: int) -> None:
        """A packet came that does not go on, which nobody is to take for a loss."""
        if self._anchored and self._ahead(sequence) > 0:
            self._newest = self._newest._replace(sequence=sequence)
            self._offset = self._offset._replace(sequence=self._offset.sequence - 1)

    def _ahead(self, sequence: int) -> int:
        return (sequence - self._newest.sequence + 0x8000) % 0x10000 - 0x8000

    def _goes_on(self, came: Numbers, now_us: int, *, audio: bool) -> bool:
        """True if the packet is of the run that the offsets were taken for."""
        if DROPOUT <= (came.sequence - self._newest.sequence) % 0x10000 < 0x10000 - MISORDER:
            return False
        if not audio or self._ahead(came.sequence) <= 0:
            return True
        second = self._frame * FRAMES_PER_SECOND
        moved = _signed32(came.timestamp - self._newest.timestamp)
        return abs(moved - (now_us - self._at_us) * second // 1_000_000) <= second

    def _anchor(self, came: Numbers, following: Numbers, now_us: int) -> None:
        self._newest = Numbers((came.sequence - 1) % 0x10000, came.timestamp)
        self._offset = Numbers(following.sequence - came.sequence, following.timestamp - came.timestamp)
        self._at_us, self._step, self._taken = now_us, self._frame, 2**_WINDOW - 1
        self._anchored = True

    def _take(self, behind: int) -> bool:
        """A number so far before the newest becomes this packet's; False if it is another's."""
        bit = 1 << behind % 0x10000
        is_free = bit < 2**_WINDOW and not self._taken & bit
        self._taken |= bit if is_free else 0
        return is_free
