"""How well the peer's packets arrive: highest sequence number, loss and jitter (RFC 3550 A.1, A.3, A.8).

Counting is by runs. A run begins with a packet of a source that is new, that started anew (its sequence
numbers jumped, and went on from there), or that was not listened to meanwhile; what the runs before it lost
stays lost. There is no probation: a packet that comes here has passed the source check.
"""

from __future__ import annotations

from typing import NamedTuple

import attrs

DROPOUT = 3000
"""A larger step ahead is a jump …"""
MISORDER = 100
"""… and a step back of less than this is a late packet."""

_LOST_MAX, _LOST_MIN = 0x7F_FFFF, -0x80_0000


class Received(NamedTuple):
    """What a report block says of reception."""

    fraction_lost: int
    """Share lost since the previous report, in 1/256."""
    lost: int
    """In all, signed 24 bits."""
    highest: int
    """Extended highest sequence number."""
    jitter: int
    """In units of the RTP clock."""


@attrs.define(eq=False)
class _Run:
    """One run of sequence numbers."""

    base: int
    """The first."""
    highest: int
    """The highest, extended by its cycles since then."""
    received: int = 1
    expected_prior: int = 0
    """At the previous report; so is the next."""
    received_prior: int = 0
    resume: int | None = None
    """The sequence number that would confirm a jump."""

    @property
    def expected(self) -> int:
        """How many packets the peer has sent."""
        return self.highest - self.base + 1


@attrs.define(eq=False)
class Reception:
    """Counts the packets that are accepted from the peer."""

    _lost_before: int = 0
    """In the runs before this one."""
    _run: _Run | None = None
    _jitter: int = 0
    """In 1/16 of the RTP clock's unit."""
    _transit: int | None = None
    """Of the last packet: arrival less timestamp."""

    @property
    def lost(self) -> int:
        """Packets lost so far, in all runs; duplicates make up for losses, as the RFC has it."""
        return self._lost_before + (max(0, self._run.expected - self._run.received) if self._run else 0)

    @property
    def jitter(self) -> int:
        """In units of the RTP clock."""
        return self._jitter >> 4

    def restart(self) -> None:
        """End the run."""
        self._lost_before, self._run = self.lost, None
        self.set_clock()

    def set_clock(self) -> None:
        """The RTP clock is another one from now on."""
        self._jitter, self._transit = 0, None

    def count(self, sequence: int) -> None:
        """A packet was accepted."""
        run = self._run
        if run is None or sequence == run.resume:
            self.restart()
            self._run = _Run(sequence, sequence)
            return
        ahead = (sequence - run.highest) % 0x10000
        if ahead < DROPOUT:
            run.highest += ahead
            run.received += 1
        elif ahead >= 0x10000 - MISORDER:
            run.received += 1
        else:
            run.resume = (sequence + 1) % 0x10000

    def time(self, timestamp: int, clock_hz: int, now_us: int) -> None:
        """It was audio: its timestamp tells the time at which it was sent."""
        transit = (now_us * clock_hz // 1_000_000 - timestamp) % 2**32
        if self._transit is not None:
            step = (transit - self._transit) % 2**32
            distance = min(step, 2**32 - step)
            if distance <= clock_hz:  # more than a second is no jitter: the peer's clock was set anew
                self._jitter += distance - ((self._jitter + 8) >> 4)
        self._transit = transit

    def report(self) -> Received | None:
        """What to report now; None if no packet came since the last call."""
        run = self._run
        if run is None or run.received == run.received_prior:
            return None
        expected, received = run.expected - run.expected_prior, run.received - run.received_prior
        run.expected_prior, run.received_prior = run.expected, run.received
        fraction = max(0, expected - received) * 256 // expected if expected else 0
        lost = min(max(run.expected - run.received, _LOST_MIN), _LOST_MAX)
        return Received(fraction, lost, run.highest % 2**32, self.jitter)
