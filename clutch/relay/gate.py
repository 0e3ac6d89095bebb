"""Who is let in: asked by the relay, answered by the node."""

from __future__ import annotations

from typing import Protocol

import attrs

from clutch.auth.grants import OPEN, Grant
from clutch.net.link import Address
from clutch.net.quic.engine import Kind


@attrs.frozen
class SessionInfo:
    """The session that asks."""

    number: int
    """Unique in this relay; for logs, `Relay.snapshot` and `PublishAttempt`."""
    kind: Kind
    protocol: str
    """As negotiated: ``moqt-18``."""
    peer: Address
    authority: str = ""
    path: str = ""
    origin: str | None = None
    """Of the web page that opened it; None if there is none, or the engine cannot see it."""


class Gate(Protocol):
    """Decides what a peer may do. Neither method may wait."""

    def admit(self, token: bytes | None, session: SessionInfo) -> Grant:
        """What the token of a session, or of one request, allows; None: it has none.

        Raises `TokenError`: the session is closed, or the request refused, with the code that fits its kind.
        """

    def check(self, grant: Grant) -> None:
        """Raises `TokenError` once the grant has expired or was revoked; asked every second."""


class OpenGate:
    """Lets everybody do everything: for tests, and relays within one process."""

    def admit(self, token: bytes | None, session: SessionInfo) -> Grant:
        """See `Gate.admit`."""
        return OPEN

    def check(self, grant: Grant) -> None:
        """See `Gate.check`."""
