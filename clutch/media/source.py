"""Whose packets a stream believes: native/src/source.h describes it in full."""

from __future__ import annotations

import attrs

from clutch.media.params import Address, RtpParams

CONVINCED_BY = 5
"""Packets in a row from an address other than the signalled one that make it the peer's, …"""
LEARN_US = 30_000_000
"""… for so long after a connect."""
SEQUENTIAL = 2
"""Packets in sequence that make another SSRC the peer's, …"""
SILENT_US = 60_000
"""… if nothing came of the one before for so long."""


@attrs.define(eq=False)
class SourceLock:
    """Starts open, locks to one address, and stays with it until the signalled address changes."""

    _params: RtpParams
    _since_us: int
    """When learning began."""
    _locked: Address | None = None
    _ssrc: int = 0
    """The one that is believed of `_locked`."""
    _heard_us: int = 0
    """When its last packet came."""
    _candidate: tuple[Address, int] | int | None = None
    """Whose packets are counted: address and SSRC, or once locked an SSRC."""
    _next: int = 0
    """Sequence number that an SSRC must go on with to be believed."""
    _seen: int = 0

    @property
    def destination(self) -> Address:
        """Where to send: the locked address, else the signalled one."""
        return self._locked or self._params.remote

    def signal(self, params: RtpParams, now_us: int) -> None:
        """Signalling named the peer's address, again or anew. Only a new one opens the lock."""
        if params.remote != self._params.remote:
            self._locked = self._candidate = None
        if self._locked is None:
            self._since_us = now_us
        self._params = params

    def accepts(self, source: Address, ssrc: int, sequence: int, now_us: int) -> bool:
        """Judge a valid packet. The packet that convinces is the first one accepted."""
        if self._locked is None:
            accepted = self._convinces(source, ssrc, now_us)
        elif source != self._locked:
            accepted = False
        else:
            accepted = ssrc == self._ssrc or self._succeeds(ssrc, sequence, now_us)
        if accepted:
            self._locked, self._ssrc, self._heard_us = source, ssrc, now_us
            self._candidate = None
        return accepted

    def _convinces(self, source: Address, ssrc: int, now_us: int) -> bool:
        if source == self._params.remote:
            return True
        if not self._params.learn or now_us - self._since_us > LEARN_US:
            return False
        self._count((source, ssrc), goes_on=True)
        return self._seen == CONVINCED_BY

    def _succeeds(self, ssrc: int, sequence: int, now_us: int) -> bool:
        """True if another SSRC takes the place of the one before."""
        if self._params.keys is not None:
            return True  # nobody else has them
        self._count(ssrc, goes_on=sequence == self._next)
        self._next = (sequence + 1) % 0x10000
        return self._seen >= SEQUENTIAL and now_us - self._heard_us >= SILENT_US

    def _count(self, candidate: tuple[Address, int] | int, *, goes_on: bool) -> None:
        if self._candidate != candidate or not goes_on:
            self._candidate, self._seen = candidate, 0
        self._seen += 1
