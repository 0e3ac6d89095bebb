"""Between a connection of the aioquic engine and what is spoken on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from aioquic.quic.events import QuicEvent

from clutch.net.link import Address
from clutch.net.quic.aioquic_private import Quic
from clutch.net.quic.engine import Accept, Closed, Limits, QuicSession, SessionHandler, Stats, Target


class ConnectionLayer(Protocol):
    """What is spoken on one connection: raw QUIC, or HTTP/3 with its sessions.

    Made once the ALPN is known: for 0-RTT before the handshake is complete. What it raises ends the
    connection with `INTERNAL_ERROR`; a handler's exceptions it must keep to the session (`Session` does).
    """

    def start(self) -> None:
        """The connection can be used. The first call."""

    def handle_event(self, event: QuicEvent) -> None:
        """`StreamDataReceived`, `StreamReset`, `StopSendingReceived` or `DatagramFrameReceived`."""

    def batch_end(self) -> None:
        """All that had arrived was handled."""

    def sent(self) -> None:
        """Something was refused, and packets have gone since: see `Session.sent`."""

    def closed(self, closed: Closed) -> None:
        """The connection is over, and all on it. The last call."""


class Carrier(Protocol):
    """The connection, as the layer on it sees it."""

    @property
    def quic(self) -> Quic:
        """aioquic's connection. Who writes to it must `touch` afterwards."""

    @property
    def client(self) -> bool:
        """Whether this side connected."""

    @property
    def protocol(self) -> str:
        """The ALPN."""

    @property
    def peer(self) -> Address:
        """Where the peer is now."""

    @property
    def authority(self) -> str:
        """The name that the client asked for in TLS; empty if none."""

    @property
    def early(self) -> bool:
        """True until the handshake is complete."""

    @property
    def limits(self) -> Limits:
        """Of the engine."""

    @property
    def stats(self) -> Stats:
        """Of this connection."""

    @property
    def accept(self) -> Accept:
        """Whom to ask about a session, on a server."""

    @property
    def wanted(self) -> tuple[Target, SessionHandler]:
        """What to ask for, on a client."""

    refused: bool
    """Set when a write was refused, or a session ends that is not the whole connection:
    `ConnectionLayer.sent` is called after the next packets, until a call leaves it False."""

    def touch(self) -> None:
        """There is something to send, or a session to finish: before the turn of the loop ends."""

    def connected(self, session: QuicSession) -> None:
        """The session that the client wanted is up: after `SessionHandler.opened`."""

    def failed(self, reason: str) -> None:
        """The client does not get its session: `Engine.connect` raises `ConnectFailed`."""

    def close(self, code: int, reason: str, *, by: Closed | None = None) -> None:
        """End the connection with the application's code; `ConnectionLayer.closed` follows, with `by`."""

    def close_in(self, seconds: float, code: int, reason: str) -> None:
        """Close by then, unless called again; infinite: not at all."""


LayerFactory: TypeAlias = Callable[[Carrier], ConnectionLayer]
