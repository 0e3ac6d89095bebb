"""The aioquic engine: QUIC in Python on our I/O seam, so that it runs on a virtual clock as well.

One task per socket reads a batch of datagrams and lets every connection of the batch answer once; one task
does what timers and the application ask for in between.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import attrs
import structlog
import trio

from clutch.net.errors import ConnectFailed, NetworkError
from clutch.net.link import Address, Datagrams, Network
from clutch.net.quic.aioquic_private import CID_BYTES, VERSIONS, Quic
from clutch.net.quic.certificates import Certificates, derived_secret
from clutch.net.quic.configuration import H3, Configurations
from clutch.net.quic.congestion import NAME as MEDIA_CONGESTION
from clutch.net.quic.connection import Attempt, Connection
from clutch.net.quic.engine import (
    Accept,
    Closed,
    Incoming,
    Limits,
    QuicSession,
    Refused,
    SessionHandler,
    Target,
)
from clutch.net.quic.front import Counters, Front, Welcome
from clutch.net.quic.h3 import H3Layer
from clutch.net.quic.layer import LayerFactory
from clutch.net.quic.raw import RawLayer
from clutch.net.quic.tickets import ClientTickets, Resumption, ServerTickets
from clutch.net.quic.timers import Timers

log = structlog.get_logger(__name__)

BATCH = 64
"""Datagrams that are read before anything is answered."""
NOWHERE: Address = ("", 0)
_LONG_HEADER = 0x80


def _nobody(incoming: Incoming) -> Refused:
    return Refused(404, 0, "nobody is served here")


@attrs.define(eq=False)
class AioquicEngine:
    """`Engine` on aioquic. Serves if it is told where, with what certificates, protocols and acceptor."""

    _network: Network = attrs.field(repr=False)
    _listen: Address | None = None
    _certificates: Certificates | None = attrs.field(default=None, repr=False)
    _protocols: Sequence[str] = ()
    """What a server speaks, best first: on QUIC as the ALPN, or inside of WebTransport."""
    accept: Accept = attrs.field(default=_nobody, repr=False)
    limits: Limits = attrs.field(factory=Limits)
    _congestion: str = MEDIA_CONGESTION
    """A name that is registered with `aioquic.quic.congestion.base`."""
    _shard: int = 0
    """First byte of every connection ID that this engine gives: 0 to 255."""
    _keylog: Path | None = None
    """A file for the secrets of all connections, as Wireshark reads them: for debugging only."""
    _qlog: Path | None = None
    """A folder for a trace of every connection."""
    address: Address = attrs.field(init=False, default=NOWHERE)
    """See `Engine.address`; empty and 0 if it does not listen."""
    _front: Front = attrs.field(init=False, repr=False)
    _configurations: Configurations = attrs.field(init=False, repr=False)
    _routes: dict[bytes, Connection] = attrs.field(init=False, factory=dict, repr=False)
    _connections: set[Connection] = attrs.field(init=False, factory=set, repr=False)
    _issued: ServerTickets = attrs.field(init=False, factory=ServerTickets, repr=False)
    _tickets: ClientTickets = attrs.field(init=False, factory=ClientTickets, repr=False)
    _reset_key: bytes = attrs.field(init=False, repr=False)
    _handshakes: set[Connection] = attrs.field(init=False, factory=set, repr=False)
    """Connections to this server that are not established."""
    _client_sockets: dict[bool, Datagrams] = attrs.field(init=False, factory=dict, repr=False)
    """By whether they are IPv6."""
    _nursery: trio.Nursery | None = attrs.field(init=False, default=None, repr=False)
    _touched: dict[Connection, None] = attrs.field(init=False, factory=dict, repr=False)
    """Who has something to send or to finish."""
    _busy: bool = attrs.field(init=False, default=False)
    """A batch is being handled: what is touched is sent at its end."""
    _timers: Timers = attrs.field(init=False, factory=Timers, repr=False)

    def __attrs_post_init__(self) -> None:
        self._configurations = Configurations(self._protocols, self.limits, self._congestion)
        # The next process with the same certificate can tell the peers of this one that it is gone.
        key = None if self._certificates is None else self._certificates.current().key
        self._reset_key = os.urandom(32) if key is None else derived_secret(key, b"stateless reset")
        self._front = Front(VERSIONS, self._shard, self._reset_key)

    @property
    def name(self) -> str:
        """See `Engine.name`."""
        return "aioquic"

    @property
    def connections(self) -> int:
        """Connections of both kinds, also those that begin or end."""
        return len(self._connections)

    @property
    def counters(self) -> Counters:
        """What became of packets of no connection."""
        return self._front.counters

    async def run(self, *, task_status: trio.TaskStatus[Address] = trio.TASK_STATUS_IGNORED) -> None:
        """See `Engine.run`. Raises `PortInUse` or `AddressUnavailable`."""
        listening = None if self._listen is None else self._network.open_datagrams(*self._listen)
        try:
            self._configurations.open_logs(self._keylog, self._qlog)
            async with trio.open_nursery() as self._nursery:
                self._nursery.start_soon(self._work)
                if listening is not None:
                    self.address = listening.address
                    self._nursery.start_soon(self._read, listening)
                task_status.started(self.address)
        finally:
            self._nursery = None
            for connection in list(self._connections):
                self._end(connection)
            for datagrams in (*filter(None, [listening]), *self._client_sockets.values()):
                datagrams.close()
            self._client_sockets.clear()
            self._configurations.close_logs()

    async def connect(self, target: Target, handler: SessionHandler) -> QuicSession:
        """See `Engine.connect`."""
        try:
            host = await self._network.resolve(target.host)
            datagrams = self._client_socket(host)
        except NetworkError as error:
            raise ConnectFailed(f"cannot connect to {target.host} port {target.port}: {error}") from error
        attempt, peer, now = Attempt(target, handler), (host, target.port), trio.current_time()
        server = (target.host, target.port, tuple(target.protocols), target.trust)
        resumption = self._tickets.take(server) if target.kind == "quic" else None
        quic = Quic(
            self._configurations.client(target, resumption),
            self.limits,
            self._shard,
            self._reset_key,
            ticket_handler=lambda ticket: self._tickets.add(server, Resumption(ticket, quic.alpn)),
        )
        connection = Connection(quic, self, datagrams, peer, now + self.limits.handshake_s, attempt)
        self._connections.add(connection)
        self.route(quic.host_cid, connection)
        quic.connect(peer, now)
        connection.start_early()
        self.touch(connection)
        try:
            with trio.fail_after(self.limits.handshake_s):
                return await attempt.outcome()
        except BaseException as error:
            self._end(connection)
            if isinstance(error, trio.TooSlowError):
                raise ConnectFailed(f"{target.host} port {target.port}: no answer") from error
            raise

    # Driver

    def layer_for(self, protocol: str, target: Target | None) -> LayerFactory:
        """See `Driver.layer_for`."""
        web = protocol == H3 if target is None else target.kind == "webtransport"
        return partial(H3Layer, protocols=self._protocols) if web else RawLayer

    def touch(self, connection: Connection) -> None:
        """See `Driver.touch`."""
        if not self._touched and not self._busy:
            self._timers.wake()
        self._touched[connection] = None

    def route(self, cid: bytes, connection: Connection) -> None:
        """See `Driver.route`."""
        self._routes[cid] = connection
        connection.cids.add(cid)

    def unroute(self, cid: bytes, connection: Connection) -> None:
        """See `Driver.unroute`."""
        self._routes.pop(cid, None)
        connection.cids.discard(cid)

    def established(self, connection: Connection) -> None:
        """See `Driver.established`."""
        self._handshakes.discard(connection)

    # Tasks

    async def _read(self, datagrams: Datagrams) -> None:
        while True:
            batch = await datagrams.receive_batch(BATCH)
            now = trio.current_time()
            self._busy = True
            fed: dict[Connection, None] = {}
            for data, source in batch:
                connection = self._find(data, source, datagrams, now)
                if connection is not None:
                    connection.receive(data, source, now)
                    fed[connection] = None
            for connection in fed:
                connection.dispatch()
            for connection in fed:
                connection.batch_end()
            self._touched |= fed
            self._send(now)

    async def _work(self) -> None:
        while True:
            if self._touched:
                await trio.lowlevel.checkpoint()
            else:
                await self._timers.sleep()
            now = trio.current_time()
            self._busy = True
            for connection in self._timers.due(now):
                connection.on_timer(now)
                self._touched[connection] = None
            self._send(now)

    def _send(self, now: float) -> None:
        """Let those that were touched send; what they touch by that is sent at the next turn."""
        touched, self._touched = self._touched, {}
        for connection in touched:
            connection.transmit(now)
            if connection.gone:
                self._forget(connection)
            else:
                self._timers.set(connection)
        self._busy = False
        if self._touched:
            self._timers.wake()

    # Connections

    def _find(self, data: bytes, source: Address, datagrams: Datagrams, now: float) -> Connection | None:
        """Whom a datagram is for; a new connection, if it begins one."""
        if not data:
            return None
        short = not data[0] & _LONG_HEADER
        cid = data[1 : 1 + CID_BYTES] if short else data[6 : 6 + data[5]] if len(data) > 5 else b""
        connection = self._routes.get(cid)
        if connection is not None:
            return connection
        serves = self._certificates is not None and datagrams.address == self.address
        if short and serves:
            reset = self._front.reset(data)
            if reset is not None:
                datagrams.send(reset, source)
        elif short:
            self._on_reset(data, source)
        return self._meet(data, source, datagrams, now) if serves and not short else None

    def _on_reset(self, data: bytes, source: Address) -> None:
        """A client socket got a packet of no connection: one of its servers may have lost it."""
        for connection in list(self._connections):
            if connection.client and connection.peer == source and connection.quic.reset_by(data):
                connection.abandon(Closed("peer", 0, "stateless reset", application=False))
                self._forget(connection)

    def _meet(self, data: bytes, source: Address, datagrams: Datagrams, now: float) -> Connection | None:
        """A packet that may begin a connection. Whatever it makes fail, no other is touched."""
        try:
            return self._begin_or_answer(data, source, datagrams, now)
        except Exception:
            log.exception("a connection could not begin", peer=source)
            return None

    def _begin_or_answer(
        self, data: bytes, source: Address, datagrams: Datagrams, now: float
    ) -> Connection | None:
        limits = self.limits
        answer = self._front.meet(
            data,
            source,
            now,
            full=len(self._connections) >= limits.sessions or len(self._handshakes) >= limits.handshakes,
            prove=len(self._handshakes) >= limits.handshakes // 2,
        )
        if isinstance(answer, Welcome):
            return self._begin(answer, source, datagrams, now)
        if answer is not None:
            datagrams.send(answer, source)
        return None

    def _begin(self, welcome: Welcome, source: Address, datagrams: Datagrams, now: float) -> Connection:
        assert self._certificates is not None
        quic = Quic(
            self._configurations.server(self._certificates.current()),
            self.limits,
            self._shard,
            self._reset_key,
            ticket_fetcher=self._issued.take,
            ticket_handler=self._issued.add,
            original_destination=welcome.original_destination,
            retry_source=welcome.retry_source,
        )
        connection = Connection(quic, self, datagrams, source, now + self.limits.handshake_s)
        self._connections.add(connection)
        self._handshakes.add(connection)
        self.route(welcome.destination, connection)
        self.route(quic.host_cid, connection)
        return connection

    def _client_socket(self, host: str) -> Datagrams:
        """The socket for connections to this address. Raises `NetworkError`."""
        six = ":" in host
        if six not in self._client_sockets:
            if self._nursery is None:
                raise NetworkError("the engine does not run")
            self._client_sockets[six] = self._network.open_datagrams("::" if six else "0.0.0.0", 0)
            self._nursery.start_soon(self._read, self._client_sockets[six])
        return self._client_sockets[six]

    def _end(self, connection: Connection) -> None:
        """Close a connection now: the peer is told, and nothing is left here."""
        connection.close(0, "")
        connection.transmit(trio.current_time())
        connection.abandon(Closed("local"))
        self._forget(connection)

    def _forget(self, connection: Connection) -> None:
        for cid in connection.cids:
            self._routes.pop(cid, None)
        self._connections.discard(connection)
        self._handshakes.discard(connection)
        self._touched.pop(connection, None)
