"""Where a message came from and where it goes: a transport, our address and the peer's."""

from __future__ import annotations

from typing import TypeAlias

import attrs

from clutch.wire.sip.grammar import format_host_port

Address: TypeAlias = tuple[str, int]
"""IP address in its shortest text form, without brackets, and port."""

DEFAULT_PORT = 5060
"""The port of UDP and TCP when a Via or URI names none (RFC 3261 section 19.1.2)."""


@attrs.frozen
class Flow:
    """A way to a peer. For TCP it is one connection if there is one, and otherwise a wish for it."""

    transport: str
    """``UDP``, ``TCP`` or ``TLS``, as in a Via header."""
    local: Address
    """The address at which peers reach us; it also names the listener to use."""
    remote: Address

    @property
    def reliable(self) -> bool:
        """True if the transport itself retransmits (section 17.1.1.1)."""
        return self.transport != "UDP"

    @property
    def sent_by(self) -> str:
        """Our address as it stands in a Via header or a SIP URI."""
        return format_host_port(*self.local)

    def to(self, remote: Address) -> Flow:
        """The same transport and local address, towards another peer."""
        return attrs.evolve(self, remote=remote)
