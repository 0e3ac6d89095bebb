"""Keys of a telephone in RTP (RFC 4733): press them, and notice when the peer does."""

from __future__ import annotations

import struct
from collections import deque
from typing import NamedTuple

import attrs

from clutch.media.params import FRAMES_PER_SECOND

DIGITS = "0123456789*#ABCD"
"""The digit of each event code (RFC 4733 section 3.2)."""
MAX_WAITING = 64
"""Digits that may wait to be sent; more are refused."""
END_PACKETS = 3
"""How often the end of an event is sent (RFC 4733 section 2.5.1.4)."""
LOST_END_US = 100_000
"""An event is over when nothing was heard of it for so long."""

_PAYLOAD = struct.Struct("!BBH")
_END, _VOLUME = 0x80, 10
_MAX_DURATION = 0xFFFF
_TICK_MS = 1000 // FRAMES_PER_SECOND


class EventPacket(NamedTuple):
    """What is sent instead of audio in one tick."""

    marker: bool
    timestamp: int
    payload: bytes


@attrs.frozen
class Digit:
    """A key that the peer pressed."""

    digit: str
    duration_ms: int


@attrs.frozen
class _Press:
    code: int
    steps: int
    """Ticks that the tone lasts."""
    gap: int
    """Ticks of audio after it."""


@attrs.define(eq=False)
class DtmfSender:
    """Turns digits into one packet per tick; gaps and silence in between are left to the audio."""

    _waiting: deque[_Press] = attrs.field(factory=deque)
    _press: _Press | None = None
    _step: int = 0
    """Ticks since the press began."""
    _timestamp: int = 0
    """RTP time at which the press began."""

    def queue(self, digits: str, tone_ms: int, gap_ms: int) -> int:
        """Add digits and return how many were taken.

        Durations are rounded up to whole ticks, a tone to at least one. Raises ValueError, and takes
        nothing, if any digit is not one of `DIGITS`.
        """
        codes = [DIGITS.find(digit) for digit in digits]
        if -1 in codes:
            raise ValueError(f"not a telephone key: {digits[codes.index(-1)]!r}")
        steps, gap = max(1, -(-tone_ms // _TICK_MS)), -(-gap_ms // _TICK_MS)
        taken = codes[: MAX_WAITING - len(self._waiting)]
        self._waiting.extend(_Press(code, steps, gap) for code in taken)
        return len(taken)

    @property
    def is_sending(self) -> bool:
        """True while keys wait or one is pressed, the gap after it included."""
        return bool(self._press or self._waiting)

    def tick(self, timestamp: int, frame_ticks: int) -> EventPacket | None:
        """The packet of this tick, or None if it is free for audio.

        `timestamp` is the RTP time now, `frame_ticks` how far the clock of the durations moves per tick.
        """
        if self._press is None:
            if not self._waiting:
                return None
            self._press, self._step, self._timestamp = self._waiting.popleft(), 0, timestamp
        press, self._step = self._press, self._step + 1
        last = press.steps + END_PACKETS - 1
        if self._step >= last + press.gap:
            self._press = None
        if self._step > last:
            return None
        duration = min(min(self._step, press.steps) * frame_ticks, _MAX_DURATION)
        flags = (_END if self._step >= press.steps else 0) | _VOLUME
        return EventPacket(self._step == 1, self._timestamp, _PAYLOAD.pack(press.code, flags, duration))


@attrs.define(eq=False)
class DtmfReceiver:
    """Reports each key once: at its end, or when the end must be lost.

    Two packets belong to the same press if they have the same RTP timestamp.
    """

    _digit: str | None = None
    """The key being pressed; None when it has been reported."""
    _timestamp: int | None = None
    _duration_ms: int = 0
    _last_us: int = 0

    def receive(self, payload: bytes, timestamp: int, clock_hz: int, now_us: int) -> list[Digit]:
        """Take a payload of at least four bytes; codes that are not keys are ignored."""
        code, flags, duration = _PAYLOAD.unpack_from(payload)
        if code >= len(DIGITS):
            return []
        done = []
        if timestamp != self._timestamp:
            if self._is_old(timestamp):
                return []
            done = self.finish()
            self._digit, self._timestamp, self._duration_ms = DIGITS[code], timestamp, 0
        self._last_us = now_us
        self._duration_ms = max(self._duration_ms, duration * 1000 // clock_hz)
        return done + self.finish() if flags & _END else done

    def tick(self, now_us: int) -> list[Digit]:
        """Report a key whose end was lost."""
        return self.finish() if now_us - self._last_us >= LOST_END_US else []

    def finish(self) -> list[Digit]:
        """Report the key being pressed, if there is one."""
        if self._digit is None:
            return []
        done = [Digit(self._digit, self._duration_ms)]
        self._digit = None
        return done

    def forget(self) -> list[Digit]:
        """The timestamps start anew: report the key being pressed and forget when it was."""
        self._timestamp = None
        return self.finish()

    def _is_old(self, timestamp: int) -> bool:
        """A straggler of an earlier key."""
        return self._timestamp is not None and (timestamp - self._timestamp) % 2**32 >= 2**31
