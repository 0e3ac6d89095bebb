"""The I/O seam: everything the endpoints ask of a network, and its implementation on real sockets.

Errors of the operating system end here: what comes through the seam is an error of `clutch.net.errors`, or
`trio.ClosedResourceError` when this side closed the object. The other implementation is
`clutch.net.memory.MemoryNetwork`.
"""

from __future__ import annotations

import errno
import socket
from contextlib import suppress
from typing import Protocol, TypeAlias

import attrs
import trio

from clutch.net.errors import (
    AddressUnavailable,
    BrokenStream,
    ConnectFailed,
    NetworkError,
    PortInUse,
    ResolveFailed,
)
from clutch.net.owner import port_owner

Address: TypeAlias = tuple[str, int]
"""IP address in its shortest text form, without brackets, and port."""

MAX_DATAGRAM = 65_535
RECEIVE_BUFFER_BYTES = 1 << 20
"""Asked of the kernel for datagram sockets: its default holds 256 small packets, which one stall fills."""
CONNECT_TIMEOUT_S = 10.0
_READ_BYTES = 65_536
_BACKLOG = 128
_OUT_OF_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Datagrams(Protocol):
    """One bound datagram socket, with one reader at a time."""

    @property
    def address(self) -> Address:
        """Where it is bound; the port is the real one if 0 was asked for."""

    async def receive(self) -> tuple[bytes, Address]:
        """Wait for a datagram and say where it came from. Nothing is lost if cancelled."""

    async def receive_batch(self, limit: int) -> list[tuple[bytes, Address]]:
        """The same, with what else has arrived by then, up to `limit` in all."""

    def send(self, data: bytes, to: Address) -> None:
        """Send now or not at all: what the network does not take at once is lost, as datagrams may be."""

    def close(self) -> None:
        """Give the port back and wake the reader. Idempotent."""


class Stream(Protocol):
    """One connection, with one reader and one writer at a time."""

    @property
    def remote(self) -> Address:
        """The peer."""

    async def receive(self) -> bytes:
        """Wait for bytes; empty when the peer has finished. Raises `BrokenStream`."""

    async def send(self, data: bytes) -> None:
        """Send all of it. Raises `BrokenStream`. After a cancel nobody knows how much was sent: close."""

    def close(self) -> None:
        """Close both directions at once and wake reader and writer. Idempotent."""


class Listener(Protocol):
    """One listening stream socket."""

    @property
    def address(self) -> Address:
        """Where it is bound; the port is the real one if 0 was asked for."""

    async def accept(self) -> Stream:
        """Wait for a connection."""

    def close(self) -> None:
        """Stop listening; accepted streams live on. Idempotent."""


class Network(Protocol):
    """Something to open sockets on."""

    def open_datagrams(self, host: str, port: int) -> Datagrams:
        """Bind a datagram socket. Raises `PortInUse` or `AddressUnavailable`."""

    def listen_streams(self, host: str, port: int) -> Listener:
        """Bind and listen. Raises `PortInUse` or `AddressUnavailable`."""

    async def connect_stream(self, host: str, port: int) -> Stream:
        """Connect to an IP address. Raises `ConnectFailed`, at the latest after `CONNECT_TIMEOUT_S`."""

    async def resolve(self, host: str) -> str:
        """An address of a host name, IPv4 if it has one; an IP address is its own. Raises `ResolveFailed`."""

    def source_for(self, remote: str) -> str:
        """The local IP address that packets to a remote one leave from. Raises `AddressUnavailable`."""


@attrs.define(eq=False)
class TrioDatagrams:
    """`Datagrams` on a real UDP socket."""

    _socket: socket.socket
    address: Address

    async def receive(self) -> tuple[bytes, Address]:
        """See `Datagrams.receive`."""
        await trio.lowlevel.checkpoint_if_cancelled()
        while True:
            try:
                data, source = self._socket.recvfrom(MAX_DATAGRAM)
            except BlockingIOError:
                await trio.lowlevel.wait_readable(self._socket)
            except OSError as error:
                # Linux reports ICMP errors of earlier sends here; they say nothing about what comes next.
                if self._socket.fileno() < 0:
                    raise trio.ClosedResourceError from error
                await trio.lowlevel.checkpoint()
            else:
                await trio.lowlevel.cancel_shielded_checkpoint()
                return data, source[:2]

    async def receive_batch(self, limit: int) -> list[tuple[bytes, Address]]:
        """See `Datagrams.receive_batch`."""
        batch = [await self.receive()]
        with suppress(OSError):
            while len(batch) < limit:
                data, source = self._socket.recvfrom(MAX_DATAGRAM)
                batch.append((data, source[:2]))
        return batch

    def send(self, data: bytes, to: Address) -> None:
        """See `Datagrams.send`."""
        try:
            self._socket.sendto(data, to)
        except OSError as error:  # lost, if it is not closed
            if self._socket.fileno() < 0:
                raise trio.ClosedResourceError from error

    def close(self) -> None:
        """See `Datagrams.close`."""
        if self._socket.fileno() >= 0:
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()


@attrs.define(eq=False)
class TrioStream:
    """`Stream` on a real TCP socket."""

    _stream: trio.SocketStream
    remote: Address

    async def receive(self) -> bytes:
        """See `Stream.receive`."""
        try:
            return bytes(await self._stream.receive_some(_READ_BYTES))
        except trio.BrokenResourceError as error:
            raise BrokenStream(str(error.__cause__ or error)) from error

    async def send(self, data: bytes) -> None:
        """See `Stream.send`."""
        try:
            await self._stream.send_all(data)
        except trio.BrokenResourceError as error:
            raise BrokenStream(str(error.__cause__ or error)) from error

    def close(self) -> None:
        """See `Stream.close`."""
        self._stream.socket.close()


@attrs.define(eq=False)
class TrioListener:
    """`Listener` on a real TCP socket."""

    _listener: trio.SocketListener
    address: Address

    async def accept(self) -> TrioStream:
        """See `Listener.accept`. A connection that breaks before it is taken is skipped."""
        while True:
            try:
                stream = await self._listener.accept()
            except OSError as error:
                if error.errno not in _OUT_OF_DESCRIPTORS:
                    raise
                await trio.sleep(0.1)  # the backlog keeps what comes until there are some again
                continue
            try:
                return TrioStream(stream, stream.socket.getpeername()[:2])
            except OSError:
                stream.socket.close()

    def close(self) -> None:
        """See `Listener.close`."""
        self._listener.socket.close()


@attrs.frozen
class TrioNetwork:
    """The machine's own network."""

    def open_datagrams(self, host: str, port: int) -> TrioDatagrams:
        """See `Network.open_datagrams`."""
        bound = _bind(socket.SOCK_DGRAM, host, port)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        return TrioDatagrams(bound, bound.getsockname()[:2])

    def listen_streams(self, host: str, port: int) -> TrioListener:
        """See `Network.listen_streams`."""
        bound = _bind(socket.SOCK_STREAM, host, port)
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(bound))
        return TrioListener(listener, bound.getsockname()[:2])

    async def connect_stream(self, host: str, port: int) -> TrioStream:
        """See `Network.connect_stream`."""
        try:
            with trio.fail_after(CONNECT_TIMEOUT_S):
                stream = await trio.open_tcp_stream(host, port)
        except (OSError, trio.TooSlowError) as error:
            raise ConnectFailed(f"cannot connect to {host} port {port}: {error or 'no answer'}") from error
        return TrioStream(stream, (host, port))

    async def resolve(self, host: str) -> str:
        """See `Network.resolve`."""
        try:
            found = await trio.socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
        except OSError as error:
            raise ResolveFailed(f"{host} has no address: {error.strerror or error}") from error
        except UnicodeError as error:  # a label that is empty or over 63 characters
            raise ResolveFailed(f"{host[:64]} is not a host name") from error
        return str(min(found, key=lambda item: item[0] is not socket.AF_INET)[4][0])

    def source_for(self, remote: str) -> str:
        """See `Network.source_for`."""
        try:
            with socket.socket(_family(remote), socket.SOCK_DGRAM) as probe:
                probe.connect((remote, 9))  # chooses a route; a datagram socket sends nothing here
                return str(probe.getsockname()[0])
        except OSError as error:
            raise AddressUnavailable(f"no way to {remote}: {error.strerror}") from error


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _bind(kind: socket.SocketKind, host: str, port: int) -> socket.socket:
    """A bound, non-blocking socket; it listens if it is a stream socket."""
    bound = socket.socket(_family(host), kind)
    try:
        bound.setblocking(False)
        if bound.family is socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind is socket.SOCK_STREAM:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        if kind is socket.SOCK_STREAM:
            bound.listen(_BACKLOG)
    except OSError as error:
        bound.close()
        raise _bind_error(kind, host, port, error) from error
    return bound


def _bind_error(kind: socket.SocketKind, host: str, port: int, error: OSError) -> NetworkError:
    transport = "UDP" if kind is socket.SOCK_DGRAM else "TCP"
    if error.errno == errno.EADDRINUSE:
        return PortInUse(transport, host, port, port_owner(transport, port))
    return AddressUnavailable(f"cannot use {transport} {host} port {port}: {error.strerror}")
