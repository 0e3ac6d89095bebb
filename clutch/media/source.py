"""Symmetric RTP: which address to believe, and where to send (RFC 4961; strict after the first choice)."""

from __future__ import annotations

import attrs

from clutch.media.params import Address

CONVINCED_BY = 5
"""Packets in a row from an address other than the signalled one that make it the peer's."""


@attrs.define(eq=False)
class SourceLock:
    """Starts open, locks to one address, and stays with it until the signalled address changes."""

    _remote: Address
    _learn: bool
    _locked: Address | None = None
    _candidate: tuple[Address, int] | None = None
    _seen: int = 0

    @property
    def destination(self) -> Address:
        """Where to send: the locked address, else the signalled one."""
        return self._locked or self._remote

    def signal(self, remote: Address, *, learn: bool) -> None:
        """Signalling named the peer's address, again or anew. Only a new one opens the lock."""
        self._learn = learn
        if remote != self._remote:
            self._remote = remote
            self._locked = self._candidate = None

    def accepts(self, source: Address, ssrc: int) -> bool:
        """Judge a valid packet. The packet that convinces is the first one accepted."""
        if self._locked is None and self._convinces(source, ssrc):
            self._locked = source
        return source == self._locked

    def _convinces(self, source: Address, ssrc: int) -> bool:
        if source == self._remote:
            return True
        if not self._learn:
            return False
        if self._candidate != (source, ssrc):
            self._candidate = (source, ssrc)
            self._seen = 0
        self._seen += 1
        return self._seen == CONVINCED_BY
