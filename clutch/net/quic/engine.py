"""The engine port: QUIC as sessions, streams and events, above packets.

No packet, connection ID, timer or clock crosses it, so that an engine that is fed datagrams (aioquic) and
one that owns its sockets and thread (picoquic) both fit. A session is one raw QUIC connection, or one
WebTransport session over HTTP/3; who uses it need not know which.

Rules for both sides:

- Everything is synchronous and on the Trio thread. Writes go out when the batch of events at hand is done, or
  at the next turn of the loop if there is none; nobody flushes.
- Everything that waits is bounded. A write is taken whole or not at all.
- An exception of a handler ends its own session (with `INTERNAL_ERROR`) and is logged; no other is touched.
- After `SessionHandler.closed` nothing of that session is called any more, and its methods do nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import attrs
import trio

from clutch.net.link import Address

Kind: TypeAlias = Literal["quic", "webtransport"]

INTERNAL_ERROR = 0x1
"""What a session is closed with when its handler raises; the same number in QUIC, HTTP/3 and MoQT."""


@attrs.frozen
class Stats:
    """What the connection of a session has done so far, and how the way to the peer is."""

    sent_bytes: int = 0
    """In UDP datagrams, without their headers."""
    received_bytes: int = 0
    lost_packets: int = 0
    rtt_s: float = 0.0
    """Smoothed (RFC 9002, 5.3); 0 before the first measurement."""


@attrs.frozen
class Closed:
    """How a session ended."""

    by: Literal["local", "peer", "timeout", "engine"]
    """`timeout`: the peer was not heard for the idle timeout; `engine`: a limit, or an error of QUIC."""
    code: int = 0
    """The application's error code if `application`, else QUIC's (RFC 9000, 20.1)."""
    reason: str = ""
    application: bool = True


class QuicStream(Protocol):
    """One stream of a session. The same object in every event about it."""

    context: Any
    """The handler's own; None at first."""

    @property
    def number(self) -> int:
        """Unique in its session, in order of opening within each kind; for logs."""

    @property
    def bidirectional(self) -> bool:
        """Whether both sides write."""

    @property
    def local(self) -> bool:
        """Whether this side opened it."""

    @property
    def unsent(self) -> int:
        """Bytes taken by `write` which flow or congestion control still holds back."""

    def write(self, data: bytes, *, fin: bool = False) -> bool:
        """Send all of it, or take nothing and return False if too much waits already.

        An engine may let the end of a one-way stream, if that and a few bytes are all, wait some
        milliseconds for company.
        After a False `SessionHandler.writable` says when to try again. Ignored, and True, once this side was
        reset, was told to stop, or has finished: the event says so.
        """

    def reset(self, code: int) -> None:
        """Give up sending: what was not sent never is. Idempotent; nothing after the end."""

    def stop(self, code: int) -> None:
        """Tell the peer to stop sending (STOP_SENDING), and drop what still comes. Idempotent."""

    def prioritise(self, priority: int) -> None:
        """Send this stream before those of a higher number; 0 to 2^32, of equal ones the older first.

        An engine that cannot do so ignores it.
        """


class QuicSession(Protocol):
    """One connection, or one WebTransport session."""

    context: Any
    """The handler's own; None at first."""

    @property
    def kind(self) -> Kind:
        """What carries it."""

    @property
    def client(self) -> bool:
        """Whether this side connected."""

    @property
    def protocol(self) -> str:
        """What was negotiated: the ALPN, or the protocol of WebTransport."""

    @property
    def peer(self) -> Address:
        """Where the peer is now."""

    @property
    def authority(self) -> str:
        """Host and port that the client asked for (SNI, or `:authority`); empty if it did not say."""

    @property
    def path(self) -> str:
        """Path and query of a WebTransport session; empty for raw QUIC, where the application has its own."""

    @property
    def early(self) -> bool:
        """True while what comes may be a replay (0-RTT): the handshake is not complete yet."""

    @property
    def unsent(self) -> int:
        """Bytes of all streams and datagrams that were taken and not sent, also of streams that the peer's
        stream limit holds back."""

    @property
    def max_datagram(self) -> int:
        """Longest datagram in bytes that fits now; 0 if the peer takes none."""

    @property
    def stats(self) -> Stats:
        """A snapshot. Sessions that share a connection share its figures."""

    def open_uni(self, data: bytes = b"", *, fin: bool = False) -> QuicStream | None:
        """Open a stream to the peer and write to it; None if too much waits already, see `write`."""

    def open_bidi(self, data: bytes = b"", *, fin: bool = False) -> QuicStream | None:
        """The same, both ways."""

    def send_datagram(self, data: bytes) -> bool:
        """Send at once or not at all. False if it is longer than `max_datagram` or too much waits."""

    def close(self, code: int = 0, reason: str = "") -> None:
        """End the session; the peer is told. `closed` is called, by "local", before the next event.

        Idempotent. What was written and not sent is lost.
        """


class SessionHandler(Protocol):
    """Who uses a session. Called by the engine; may call anything of the session."""

    def opened(self, session: QuicSession) -> None:
        """The session is up. The first call, once."""

    def stream_opened(self, stream: QuicStream) -> None:
        """The peer opened a stream; its first bytes follow."""

    def received(self, stream: QuicStream, data: bytes, fin: bool) -> None:
        """Bytes in order; `fin` with the last, which may be empty."""

    def was_reset(self, stream: QuicStream, code: int) -> None:
        """The peer gave up sending on it."""

    def was_stopped(self, stream: QuicStream, code: int) -> None:
        """The peer reads it no more; the engine has reset our side with the same code."""

    def writable(self) -> None:
        """Something was refused, and half of what waited has gone since: try again."""

    def datagram(self, data: bytes) -> None:
        """A datagram came."""

    def batch_end(self) -> None:
        """All that had arrived was delivered; what was written meanwhile goes out now."""

    def closed(self, closed: Closed) -> None:
        """The session is over, and so is every stream of it. The last call, once, even without `opened`."""


@attrs.frozen
class Incoming:
    """A session that a client asks for, before it is accepted."""

    kind: Kind
    protocol: str
    peer: Address
    authority: str = ""
    path: str = ""
    origin: str | None = None
    """The `Origin` of the web page; None if there is none, or the engine cannot see it."""


@attrs.frozen
class Refused:
    """The answer to a session that is not wanted."""

    status: int
    """An HTTP status for WebTransport; a raw connection is closed with `code`."""
    code: int
    reason: str


Accept: TypeAlias = Callable[[Incoming], SessionHandler | Refused]
"""Asked for every session; the engine takes care of the protocol, the acceptor of all else."""


@attrs.frozen
class Limits:
    """What one peer, and all together, may cost. Bytes, counts and seconds."""

    sessions: int = 10_000
    handshakes: int = 1_000
    """Connections of an engine that are not established; beyond half of it clients must prove their address
    first (Retry)."""
    streams: int = 1_024
    """Streams of each kind that a peer may have open in a session."""
    stream_unsent: int = 1 << 20
    session_unsent: int = 4 << 20
    session_unread: int = 4 << 20
    """Received and not deliverable yet: out of order, or early for their session."""
    datagrams_unsent: int = 64 << 10
    backlog: int = 8_192
    """Events of all sessions that wait to be handled, of an engine that cannot leave them to the kernel;
    beyond it who sent most is closed."""
    idle_s: float = 30.0
    handshake_s: float = 10.0


@attrs.frozen
class Trust:
    """How a client decides that a server is who it should be."""

    ca_file: Path | None = None
    """Instead of the system's certificate authorities."""
    fingerprint: bytes | None = None
    """SHA-256 of the one certificate that is right, as in `serverCertificateHashes`; nothing else counts."""
    insecure: bool = False
    """Anything goes: for tests only."""


@attrs.frozen
class Target:
    """Where a client connects to."""

    host: str
    port: int
    protocols: Sequence[str]
    """What may be spoken, best first."""
    kind: Kind = "quic"
    path: str = "/"
    """Of a WebTransport session; may have a query."""
    trust: Trust = Trust()


class Engine(Protocol):
    """Makes sessions: accepts them on one UDP port, connects others."""

    @property
    def name(self) -> str:
        """``aioquic`` or ``picoquic``."""

    @property
    def address(self) -> Address:
        """Where it listens; the port is the real one if 0 was asked for."""

    async def run(self, *, task_status: trio.TaskStatus[Address] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled; started once the port is really bound. Then every session is closed, and
        each peer is told."""

    async def connect(self, target: Target, handler: SessionHandler) -> QuicSession:
        """Connect while `run` runs; `handler.opened` was called when it returns. Raises `ConnectFailed`,
        `CertificateRejected` for what the server shows, `CertificateUnusable` for a bad `Trust.ca_file`.

        With a server that was connected to before, `opened` may come at once, and what is written goes out
        with the first packet (0-RTT); then `closed` follows even if this raises.

        If cancelled, nothing remains of the connection.
        """
