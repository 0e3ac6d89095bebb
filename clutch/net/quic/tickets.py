"""TLS session tickets: what makes the next handshake shorter, and lets data come with its first packet."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

import attrs
from aioquic.tls import SessionTicket

KEPT = 4_096
"""Tickets of each kind; the oldest go first."""


@attrs.define(eq=False)
class ServerTickets:
    """Every ticket is good for one use, so that early data cannot be replayed (RFC 8446, 8.1).

    They live in this process: after a restart clients make whole handshakes again.
    """

    _kept: OrderedDict[bytes, SessionTicket] = attrs.field(init=False, factory=OrderedDict, repr=False)

    def add(self, ticket: SessionTicket) -> None:
        """One was issued."""
        self._kept[ticket.ticket] = ticket
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)

    def take(self, label: bytes) -> SessionTicket | None:
        """One was shown: it is good now, and never again."""
        return self._kept.pop(label, None)


@attrs.frozen
class Resumption:
    """What a client knows of its last session with a server."""

    ticket: SessionTicket
    protocol: str
    """The ALPN, which early data must be for (RFC 8446, 4.2.10)."""


@attrs.define(eq=False)
class ClientTickets:
    """The last ticket of each server, for one use: showing it twice would let others link the connections."""

    _kept: OrderedDict[Hashable, Resumption] = attrs.field(init=False, factory=OrderedDict, repr=False)

    def add(self, server: Hashable, resumption: Resumption) -> None:
        """A server gave one."""
        self._kept[server] = resumption
        self._kept.move_to_end(server)
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)

    def take(self, server: Hashable) -> Resumption | None:
        """For a new connection to a server."""
        return self._kept.pop(server, None)
