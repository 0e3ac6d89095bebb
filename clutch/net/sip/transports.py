"""Sockets of the SIP endpoint: UDP and TCP listeners, and connections that are made, reused and let go."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

import attrs
import trio

from clutch.net.errors import AddressUnavailable, BrokenStream, ConnectFailed, NetworkError
from clutch.net.link import Address, Datagrams, Listener, Network, Stream
from clutch.wire.sip.errors import SipParseError
from clutch.wire.sip.flow import Flow
from clutch.wire.sip.framing import KeepAlive, StreamFramer
from clutch.wire.sip.message import Message

FIRST_S = 32.0
"""How long a connection that a peer made may take to bring its first message."""
IDLE_S = 180.0
"""How long a connection may bring no whole message, unless a session lives on it."""
MAX_CONNECTIONS = 1_000
"""Connections that peers may hold open, and as many may be ours; one more is closed, or not made."""
MAX_PER_HOST = 250
"""How many of them may be with one host."""
OUTBOX_BYTES = 1 << 20
"""What may wait for a peer who does not read; with more, its connection is closed."""
LINGER_S = 2.0
"""How long answers may still be written after the peer has finished."""
_PONG = b"\r\n"
_UNSPECIFIED = frozenset({"0.0.0.0", "::"})


@attrs.frozen
class Bind:
    """An address to listen on."""

    transport: str
    """``UDP`` or ``TCP``."""
    host: str
    port: int
    """0: any free one."""
    advertise: str | None = None
    """The IP address at which peers reach this one, if it is another: Via and Contact say it (NAT).
    No two binds of one transport and port may have the same."""

    def __str__(self) -> str:
        return f"{self.transport.lower()}:{self.host}:{self.port}"


class Upper(Protocol):
    """Who gets what the sockets bring."""

    def received(self, message: bytes | Message, source: Flow) -> None:
        """A datagram or a message came."""

    def malformed(self, error: SipParseError, source: Flow) -> None:
        """A message came on a stream that could not be read."""

    def lost(self, flow: Flow) -> None:
        """A connection could not be made, or has ended."""

    def in_use(self, flow: Flow) -> bool:
        """Whether a session lives on this connection."""


@attrs.define(eq=False)
class _Connection:
    """One stream and its outbox. The stream comes later if we are the ones who connect."""

    flow: Flow
    accepted: bool
    """True if the peer made it."""
    scope: trio.CancelScope = attrs.field(init=False, factory=trio.CancelScope)
    outbox: trio.MemorySendChannel[bytes] = attrs.field(init=False)
    waiting: trio.MemoryReceiveChannel[bytes] = attrs.field(init=False)
    unsent_bytes: int = attrs.field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        self.outbox, self.waiting = trio.open_memory_channel(math.inf)  # `send` bounds it

    def send(self, data: bytes) -> None:
        self.unsent_bytes += len(data)
        if self.unsent_bytes > OUTBOX_BYTES:
            self.scope.cancel(reason="the peer does not read")
        else:
            self.outbox.send_nowait(data)


@attrs.define(eq=False)
class Transports:
    """All sockets of one endpoint."""

    _network: Network = attrs.field(repr=False)
    _upper: Upper = attrs.field(repr=False)
    _nursery: trio.Nursery = attrs.field(init=False, repr=False)
    _datagrams: dict[Bind, Datagrams] = attrs.field(init=False, factory=dict)
    _listeners: dict[Bind, Listener] = attrs.field(init=False, factory=dict)
    _connections: dict[Flow, _Connection] = attrs.field(init=False, factory=dict, repr=False)
    _accepted: int = attrs.field(init=False, default=0)
    _made: int = attrs.field(init=False, default=0)
    _per_host: Counter[str] = attrs.field(init=False, factory=Counter, repr=False)
    _closed: bool = attrs.field(init=False, default=False)

    @property
    def binds(self) -> tuple[Bind, ...]:
        """What is listened on, with real ports."""
        return (*self._datagrams, *self._listeners)

    @property
    def connections(self) -> int:
        """How many streams are open or being opened."""
        return len(self._connections)

    def bind(self, binds: Sequence[Bind]) -> None:
        """Take all addresses, or none. Raises `PortInUse` or `AddressUnavailable`."""
        try:
            for bind in binds:
                if bind.transport == "UDP":
                    datagrams = self._network.open_datagrams(bind.host, bind.port)
                    self._datagrams[attrs.evolve(bind, port=datagrams.address[1])] = datagrams
                else:
                    listener = self._network.listen_streams(bind.host, bind.port)
                    self._listeners[attrs.evolve(bind, port=listener.address[1])] = listener
        except NetworkError:
            self.close()
            raise

    def serve(self, nursery: trio.Nursery) -> None:
        """Start to receive, in tasks of this nursery."""
        self._nursery = nursery
        for bind, datagrams in self._datagrams.items():
            nursery.start_soon(self._receive_datagrams, bind, datagrams)
        for bind, listener in self._listeners.items():
            nursery.start_soon(self._accept, bind, listener)

    def close(self) -> None:
        """Give all ports back; nothing is sent any more. Idempotent. Connections end with the nursery."""
        self._closed = True
        for datagrams in self._datagrams.values():
            datagrams.close()
        for listener in self._listeners.values():
            listener.close()

    def flow_to(self, transport: str | None, remote: Address) -> Flow | None:
        """The way to a peer, by UDP if `transport` is None and we have it; None if we have no such socket."""
        family = ":" in remote[0]
        for bind in self.binds:
            if transport in {None, bind.transport} and family == (":" in bind.host):
                with suppress(AddressUnavailable):
                    return self._flow(bind, remote)
        return None

    def is_open(self, flow: Flow) -> bool:
        """True if messages on this flow need no new connection."""
        return not flow.reliable or flow in self._connections

    def send(self, data: bytes, flow: Flow) -> None:
        """Send a message, connecting first if need be. What cannot be sent is told to `Upper.lost`."""
        if self._closed:
            return
        if not flow.reliable:
            self._send_datagram(data, flow)
            return
        connection = self._connections.get(flow)
        if connection is None:
            if not self._has_room(self._made, flow):
                self._upper.lost(flow)
                return
            connection = self._start(flow, None)
        connection.send(data)

    def _send_datagram(self, data: bytes, flow: Flow) -> None:
        for bind, datagrams in self._datagrams.items():
            shown = bind.advertise or bind.host
            if bind.port == flow.local[1] and shown in {flow.local[0], *_UNSPECIFIED}:
                datagrams.send(data, flow.remote)
                return

    def _flow(self, bind: Bind, remote: Address) -> Flow:
        host = bind.advertise or bind.host
        if host in _UNSPECIFIED:
            host = self._network.source_for(remote[0])
        return Flow(bind.transport, (host, bind.port), remote)

    async def _receive_datagrams(self, bind: Bind, datagrams: Datagrams) -> None:
        while True:
            data, remote = await datagrams.receive()
            with suppress(AddressUnavailable):
                self._upper.received(data, self._flow(bind, remote))

    async def _accept(self, bind: Bind, listener: Listener) -> None:
        while True:
            stream = await listener.accept()
            try:
                flow = self._flow(bind, stream.remote)
            except AddressUnavailable:
                stream.close()
                continue
            if self._has_room(self._accepted, flow):
                self._start(flow, stream)
            else:
                stream.close()

    def _has_room(self, held: int, flow: Flow) -> bool:
        return held < MAX_CONNECTIONS and self._per_host[flow.remote[0]] < MAX_PER_HOST

    def _start(self, flow: Flow, stream: Stream | None) -> _Connection:
        connection = self._connections[flow] = _Connection(flow, accepted=stream is not None)
        self._count(connection, 1)
        self._nursery.start_soon(self._run, connection, stream)
        return connection

    def _count(self, connection: _Connection, change: int) -> None:
        host = connection.flow.remote[0]
        self._per_host[host] += change
        if not self._per_host[host]:
            del self._per_host[host]
        if connection.accepted:
            self._accepted += change
        else:
            self._made += change

    async def _run(self, connection: _Connection, stream: Stream | None) -> None:
        try:
            with connection.scope:
                if stream is None:
                    stream = await self._network.connect_stream(*connection.flow.remote)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write, connection, stream)
                    await self._read(connection, stream)
                    self._forget(connection)
                    nursery.cancel_scope.deadline = trio.current_time() + LINGER_S
        except ConnectFailed:
            pass
        finally:
            if stream is not None:
                stream.close()
            self._count(connection, -1)
            self._forget(connection)

    def _forget(self, connection: _Connection) -> None:
        """Nothing more is put into this connection; what waits in it may still be sent."""
        if self._connections.get(connection.flow) is connection:
            del self._connections[connection.flow]
            connection.outbox.close()
            self._upper.lost(connection.flow)

    async def _write(self, connection: _Connection, stream: Stream) -> None:
        try:
            async for data in connection.waiting:
                together = [data]
                with suppress(trio.WouldBlock, trio.EndOfChannel):
                    while True:
                        together.append(connection.waiting.receive_nowait())
                data = b"".join(together)
                await stream.send(data)
                connection.unsent_bytes -= len(data)
        except BrokenStream:
            connection.scope.cancel(reason="the connection broke")

    async def _read(self, connection: _Connection, stream: Stream) -> None:
        framer = StreamFramer()
        deadline = trio.current_time() + (FIRST_S if connection.accepted else IDLE_S)
        while True:
            data = b""
            with trio.move_on_at(deadline) as idle:
                try:
                    data = await stream.receive()
                except BrokenStream:
                    return
            if idle.cancelled_caught and self._upper.in_use(connection.flow):
                deadline = trio.current_time() + IDLE_S
            elif not data:
                return
            framer.receive(data)
            if await self._deliver(framer, connection):
                deadline = trio.current_time() + IDLE_S
            if framer.dead:
                return

    async def _deliver(self, framer: StreamFramer, connection: _Connection) -> bool:
        """Pass on every whole message; say whether there was one, or a ping."""
        delivered = False
        while True:
            await trio.lowlevel.checkpoint()  # one read may hold a hundred messages: let the answers out
            try:
                message = framer.next()
            except SipParseError as error:
                self._upper.malformed(error, connection.flow)
                continue
            if message is None:
                return delivered
            delivered = True
            if isinstance(message, KeepAlive):
                connection.send(_PONG)
            else:
                self._upper.received(message, connection.flow)
