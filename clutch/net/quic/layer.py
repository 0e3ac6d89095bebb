"""Between a connection of the aioquic engine and what is spoken on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

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


class Opened(Protocol):
    """A stream of a `Sender`."""

    stream_id: int
    face: Any
    """As for `Sender.keep`."""


class Sender(Protocol):
    """QUIC below one session, as the session needs it: what is taken is sent, in its time."""

    @property
    def unsent(self) -> int:
        """Bytes that were taken and not sent."""

    @property
    def datagrams_unsent(self) -> int:
        """Of these, in datagrams."""

    @property
    def streams_waiting(self) -> int:
        """How many streams are held back, by the peer's limit or otherwise."""

    @property
    def max_datagram(self) -> int:
        """Longest datagram, with its framing; 0 if the peer takes none."""

    def open_stream(self, data: bytes, *, fin: bool, one_way: bool) -> Opened:
        """Open one and write to it, however much waits already."""

    def send_stream_data(self, stream_id: int, data: bytes, end_stream: bool = False) -> None:
        """Take it, however much waits already."""

    def stream_unsent(self, stream_id: int) -> int:
        """Bytes of one stream that were taken and not sent."""

    def reset_stream(self, stream_id: int, error_code: int) -> None:
        """Give up sending."""

    def stop(self, stream_id: int, error_code: int) -> None:
        """Have no more sent."""

    def prioritise(self, stream_id: int, priority: int) -> None:
        """See `QuicStream.prioritise`."""

    def send_datagram_frame(self, data: bytes) -> None:
        """Send it, or lose it."""

    def keep(self, stream_id: int, face: Any) -> None:
        """Remember something for as long as the stream lives."""

    def face(self, stream_id: int) -> Any:
        """What was remembered; None if nothing was."""


class Base(Protocol):
    """What a session needs of the connection that it is on."""

    @property
    def quic(self) -> Sender:
        """Who writes to it must `touch` afterwards."""

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

    refused: bool
    """Set when a write was refused, or a session ends that is not the whole connection: `Session.sent` or
    `Session.finish` is called after the next packets, until a call leaves it False."""

    def touch(self) -> None:
        """There is something to send, or a session to finish: before the turn of the loop ends."""


class Carrier(Base, Protocol):
    """The connection of the aioquic engine, as the layer on it sees it."""

    @property
    def quic(self) -> Quic:
        """aioquic's connection. Who writes to it must `touch` afterwards."""

    @property
    def accept(self) -> Accept:
        """Whom to ask about a session, on a server."""

    @property
    def wanted(self) -> tuple[Target, SessionHandler]:
        """What to ask for, on a client."""

    def connected(self, session: QuicSession) -> None:
        """The session that the client wanted is up: after `SessionHandler.opened`."""

    def failed(self, reason: str) -> None:
        """The client does not get its session: `Engine.connect` raises `ConnectFailed`."""

    def close(self, code: int, reason: str, *, by: Closed | None = None) -> None:
        """End the connection with the application's code; `ConnectionLayer.closed` follows, with `by`."""

    def close_in(self, seconds: float, code: int, reason: str) -> None:
        """Close by then, unless called again; infinite: not at all."""


LayerFactory: TypeAlias = Callable[[Carrier], ConnectionLayer]
