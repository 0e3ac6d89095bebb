"""A network in memory, on Trio time: latency and loss are exact, so whole calls run on a virtual clock."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeAlias, TypeVar

import attrs
import trio

from clutch.net.errors import AddressUnavailable, BrokenStream, ConnectFailed, PortInUse, ResolveFailed
from clutch.net.link import CONNECT_TIMEOUT_S, Address, Datagrams, Listener, Stream

T = TypeVar("T")

Lost: TypeAlias = Callable[[bytes, Address, Address], bool]
"""Decides whether a datagram (data, source, destination) is lost on its way."""

_ANY = frozenset({"0.0.0.0", "::"})


def _never(data: bytes, source: Address, to: Address) -> bool:
    return False


@attrs.define(eq=False)
class _Delayed(Generic[T]):
    """A queue whose items can be taken only after their time on the way, in order; it never fills."""

    _items: deque[tuple[float, T]] = attrs.field(init=False, factory=deque)
    _reader: trio.lowlevel.ParkingLot = attrs.field(init=False, factory=trio.lowlevel.ParkingLot)
    closed: bool = attrs.field(init=False, default=False)

    def put(self, item: T, latency_s: float) -> None:
        self._items.append((trio.current_time() + latency_s, item))
        self._reader.unpark()

    async def get(self) -> T:
        await trio.lowlevel.checkpoint_if_cancelled()
        while not self.closed and not self._items:
            await self._reader.park()
        if not self.closed:
            await trio.sleep_until(self._items[0][0])
        if self.closed:
            raise trio.ClosedResourceError
        return self._items.popleft()[1]

    def ready(self, limit: int) -> list[T]:
        """What can be taken without waiting."""
        now, found = trio.current_time(), list[T]()
        while len(found) < limit and self._items and self._items[0][0] <= now:
            found.append(self._items.popleft()[1])
        return found

    def close(self) -> None:
        self.closed = True
        self._items.clear()
        self._reader.unpark_all()


@attrs.define(eq=False)
class MemoryNetwork:
    """What connects the hosts. Open files, tasks and threads: none, so that `autojump_clock` may jump."""

    latency_s: float = 0.0
    """Time on the way, of every datagram and of stream data. May be changed at any time."""
    lost: Lost = attrs.field(default=_never, repr=False)
    """Which datagrams are lost. May be changed at any time."""
    names: dict[str, str] = attrs.field(factory=dict)
    """Host names and their addresses."""
    _datagrams: dict[Address, MemoryDatagrams] = attrs.field(init=False, factory=dict)
    _listeners: dict[Address, MemoryListener] = attrs.field(init=False, factory=dict)
    _ports: Iterator[int] = attrs.field(init=False, factory=lambda: itertools.count(49_152), repr=False)

    def host(self, ip: str) -> MemoryHost:
        """The network as the host with this IP address sees it: a `Network`."""
        return MemoryHost(self, ip)

    @property
    def open_sockets(self) -> int:
        """Datagram sockets and listeners that are bound: the leak check of tests."""
        return len(self._datagrams) + len(self._listeners)


@attrs.frozen
class MemoryHost:
    """One host of a `MemoryNetwork`. It has one IP address; the unspecified address means it, too."""

    network: MemoryNetwork = attrs.field(repr=False)
    ip: str

    def open_datagrams(self, host: str, port: int) -> Datagrams:
        """See `Network.open_datagrams`."""
        address = self._free(host, port, "UDP", self.network._datagrams)
        datagrams = MemoryDatagrams(self.network, address)
        self.network._datagrams[address] = datagrams
        return datagrams

    def listen_streams(self, host: str, port: int) -> Listener:
        """See `Network.listen_streams`."""
        address = self._free(host, port, "TCP", self.network._listeners)
        listener = MemoryListener(self.network, address)
        self.network._listeners[address] = listener
        return listener

    async def connect_stream(self, host: str, port: int) -> Stream:
        """See `Network.connect_stream`. A host with no listener at that port refuses after one round trip."""
        network = self.network
        await trio.sleep(min(2 * network.latency_s, CONNECT_TIMEOUT_S))
        listener = network._listeners.get((host, port))
        if listener is None:
            raise ConnectFailed(f"cannot connect to {host} port {port}: refused")
        there, back = _Delayed[bytes](), _Delayed[bytes]()
        here = (self.ip, next(network._ports))
        listener._waiting.put(MemoryStream(network, here, there, back), 0)
        return MemoryStream(network, (host, port), back, there)

    async def resolve(self, host: str) -> str:
        """See `Network.resolve`."""
        await trio.lowlevel.checkpoint()
        if host.replace(".", "").isdecimal() or ":" in host:
            return host
        if host not in self.network.names:
            raise ResolveFailed(f"{host} has no address")
        return self.network.names[host]

    def source_for(self, remote: str) -> str:
        """See `Network.source_for`."""
        return self.ip

    def _free(self, host: str, port: int, transport: str, taken: dict[Address, T]) -> Address:
        if host != self.ip and host not in _ANY:
            raise AddressUnavailable(f"{host} is not {self.ip}")
        address = (self.ip, port or next(self.network._ports))
        if address in taken:
            raise PortInUse(transport, host, port, None)
        return address


@attrs.define(eq=False)
class MemoryDatagrams:
    """`Datagrams` in memory."""

    _network: MemoryNetwork = attrs.field(repr=False)
    address: Address
    _queue: _Delayed[tuple[bytes, Address]] = attrs.field(init=False, factory=_Delayed, repr=False)

    async def receive(self) -> tuple[bytes, Address]:
        """See `Datagrams.receive`."""
        return await self._queue.get()

    async def receive_batch(self, limit: int) -> list[tuple[bytes, Address]]:
        """See `Datagrams.receive_batch`."""
        return [await self._queue.get(), *self._queue.ready(limit - 1)]

    def send(self, data: bytes, to: Address) -> None:
        """See `Datagrams.send`."""
        if self._queue.closed:
            raise trio.ClosedResourceError
        receiver = self._network._datagrams.get(to)
        if receiver is not None and not self._network.lost(data, self.address, to):
            receiver._queue.put((data, self.address), self._network.latency_s)

    def close(self) -> None:
        """See `Datagrams.close`."""
        if not self._queue.closed:
            self._queue.close()
            del self._network._datagrams[self.address]


@attrs.define(eq=False)
class MemoryListener:
    """`Listener` in memory."""

    _network: MemoryNetwork = attrs.field(repr=False)
    address: Address
    _waiting: _Delayed[MemoryStream] = attrs.field(init=False, factory=_Delayed, repr=False)

    async def accept(self) -> Stream:
        """See `Listener.accept`."""
        return await self._waiting.get()

    def close(self) -> None:
        """See `Listener.close`."""
        if not self._waiting.closed:
            self._waiting.close()
            del self._network._listeners[self.address]


@attrs.define(eq=False)
class MemoryStream:
    """`Stream` in memory. What was sent before the peer closed can still be read."""

    _network: MemoryNetwork = attrs.field(repr=False)
    remote: Address
    _incoming: _Delayed[bytes] = attrs.field(repr=False)
    _outgoing: _Delayed[bytes] = attrs.field(repr=False)

    async def receive(self) -> bytes:
        """See `Stream.receive`."""
        return await self._incoming.get()

    async def send(self, data: bytes) -> None:
        """See `Stream.send`."""
        await trio.lowlevel.checkpoint()
        if self._incoming.closed:
            raise trio.ClosedResourceError
        if self._outgoing.closed:
            raise BrokenStream("the peer has closed the connection")
        if data:
            self._outgoing.put(data, self._network.latency_s)

    def close(self) -> None:
        """See `Stream.close`."""
        if not self._incoming.closed:
            self._incoming.close()
            if not self._outgoing.closed:
                self._outgoing.put(b"", self._network.latency_s)
