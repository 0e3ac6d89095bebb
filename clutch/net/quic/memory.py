"""QUIC sessions joined back to back in memory: streams, datagrams and back-pressure, no packets.

For tests of what speaks over sessions. `join` makes one pair, moved by hand with `Pair.deliver`; a
`MemoryEngine` on a `MemoryQuic` is an `Engine` on Trio time. Nothing is lost or reordered between streams by
itself; `credit` holds bytes back, and `vanish` is a peer that is gone without a word.
"""

from __future__ import annotations

import itertools
import logging
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs
import trio

from clutch.net.errors import ConnectFailed
from clutch.net.link import Address
from clutch.net.quic.engine import (
    INTERNAL_ERROR,
    Accept,
    Closed,
    Incoming,
    Kind,
    Limits,
    QuicStream,
    Refused,
    SessionHandler,
    Stats,
    Target,
)

_log = logging.getLogger(__name__)
MAX_DATAGRAM = 1_200


@attrs.define(eq=False)
class MemoryStream:
    """`QuicStream` in memory; `twin` is the peer's end of it."""

    _session: MemorySession = attrs.field(repr=False)
    number: int
    bidirectional: bool
    local: bool
    context: Any = attrs.field(init=False, default=None)
    priority: int = attrs.field(init=False, default=0)
    unsent: int = attrs.field(init=False, default=0)
    twin: MemoryStream = attrs.field(init=False, repr=False)
    _chunks: deque[tuple[bytes, bool]] = attrs.field(init=False, factory=deque, repr=False)
    _written: bool = attrs.field(init=False, default=False)
    """This side sends no more."""
    _read: bool = attrs.field(init=False, default=False)
    """This side hears no more of it."""
    _known: bool = attrs.field(init=False, default=False)
    """The handler has heard of it, or opened it."""

    def write(self, data: bytes, *, fin: bool = False) -> bool:
        """See `QuicStream.write`."""
        if self._written or self._session.over:
            return True
        if not self._session._room(len(data), self.unsent):
            return False
        self._written = fin
        self._chunks.append((data, fin))
        self.unsent += len(data)
        self._session.unsent += len(data)
        self._session._waiting[self] = None
        self._session._drain()
        return True

    def reset(self, code: int) -> None:
        """See `QuicStream.reset`."""
        if self._drop() and not self._session.over:
            self._session.twin._arrive(self._session.twin._reset, self.twin, code)

    def stop(self, code: int) -> None:
        """See `QuicStream.stop`."""
        if not self._read and not self._session.over:
            self._read = True
            self._session.twin._arrive(self._session.twin._stopped, self.twin, code)

    def prioritise(self, priority: int) -> None:
        """See `QuicStream.prioritise`."""
        self.priority = priority

    def _drop(self) -> bool:
        """Forget what was not sent; whether there was an end still to come."""
        if self._written and not self._chunks:
            return False
        self._written = True
        self._session.unsent -= self.unsent
        self.unsent = 0
        self._chunks.clear()
        self._session._waiting.pop(self, None)
        return True


@attrs.define(eq=False)
class MemorySession:
    """`QuicSession` in memory; `twin` is the peer's."""

    handler: SessionHandler = attrs.field(repr=False)
    client: bool
    protocol: str
    kind: Kind = "quic"
    peer: Address = ("127.0.0.1", 1)
    authority: str = ""
    path: str = ""
    limits: Limits = attrs.field(factory=Limits, repr=False)
    clock: Callable[[], float] = attrs.field(default=lambda: 0.0, repr=False)
    latency_s: float = 0.0
    """Of everything that this side sends."""
    wake: Callable[[MemorySession], None] = attrs.field(default=lambda session: None, repr=False)
    """Called when something is on its way to this session."""
    context: Any = attrs.field(init=False, default=None)
    early: bool = attrs.field(init=False, default=False)
    max_datagram: int = attrs.field(init=False, default=MAX_DATAGRAM)
    unsent: int = attrs.field(init=False, default=0)
    over: bool = attrs.field(init=False, default=False)
    """Closed, or vanished: it sends nothing more."""
    twin: MemorySession = attrs.field(init=False, repr=False)
    _credit: float = attrs.field(init=False, default=math.inf)
    _refused: bool = attrs.field(init=False, default=False)
    _sent_bytes: int = attrs.field(init=False, default=0, repr=False)
    _waiting: dict[MemoryStream, None] = attrs.field(init=False, factory=dict, repr=False)
    _mail: deque[tuple[float, Callable[..., None], tuple[Any, ...]]] = attrs.field(
        init=False, factory=deque, repr=False
    )
    _numbers: dict[bool, Iterator[int]] = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        first = 0 if self.client else 1  # RFC 9000, 2.1
        self._numbers = {True: itertools.count(first, 4), False: itertools.count(first + 2, 4)}

    @property
    def credit(self) -> float:
        """Bytes of streams that may still leave; the rest waits. Infinite at first."""
        return self._credit

    @credit.setter
    def credit(self, credit: float) -> None:
        self._credit = credit
        self._drain()
        if self._refused and not self.over and 2 * self.unsent <= self.limits.session_unsent:
            self._refused = False
            self._arrive(self.handler.writable, to=self)

    @property
    def stats(self) -> Stats:
        """See `QuicSession.stats`."""
        return Stats(self._sent_bytes, self.twin._sent_bytes, 0, self.latency_s + self.twin.latency_s)

    @property
    def due(self) -> float | None:
        """When there is something to deliver; None if nothing is on its way."""
        return self._mail[0][0] if self._mail else None

    def open_uni(self, data: bytes = b"", *, fin: bool = False) -> QuicStream | None:
        """See `QuicSession.open_uni`."""
        return self._open(False, data, fin)

    def open_bidi(self, data: bytes = b"", *, fin: bool = False) -> QuicStream | None:
        """See `QuicSession.open_bidi`."""
        return self._open(True, data, fin)

    def send_datagram(self, data: bytes) -> bool:
        """See `QuicSession.send_datagram`. There is no room while no byte of a stream may leave."""
        if self.over or len(data) > self.max_datagram or self._credit <= 0:
            return False
        self.twin._arrive(self.twin.handler.datagram, data)
        return True

    def close(self, code: int = 0, reason: str = "") -> None:
        """See `QuicSession.close`."""
        if not self.over:
            self._end(Closed("local", code, reason))
            self.twin._arrive(self.twin._end, Closed("peer", code, reason))

    def vanish(self) -> None:
        """Be gone without a word, as a process that is killed: the peer finds out by its idle timeout."""
        self.over = True
        self._mail.clear()
        self.wake(self)
        idle = Closed("timeout", 0, "idle", application=False)
        self.twin._arrive(self.twin._end, idle, delay_s=self.limits.idle_s)

    def deliver(self, now: float = math.inf) -> bool:
        """Hand over what has arrived by `now` as one batch; False if there was nothing."""
        batch = sum(1 for due, _, _ in self._mail if due <= now)
        for _ in range(batch):
            if not self._mail:
                break
            _, event, arguments = self._mail.popleft()
            self._guarded(event, *arguments)
        if batch and not self.over:
            self._guarded(self.handler.batch_end)
        return bool(batch)

    def _guarded(self, event: Callable[..., None], *arguments: Any) -> None:
        try:
            event(*arguments)
        except Exception:
            _log.exception("a handler failed; its session is closed")
            self.close(INTERNAL_ERROR, "internal error")

    def _arrive(
        self,
        event: Callable[..., None],
        *arguments: Any,
        delay_s: float = 0.0,
        to: MemorySession | None = None,
    ) -> None:
        """Put something on the way to this session; from itself if `to` says so, then without latency."""
        if not self.over:
            latency_s = 0.0 if to is self else self.twin.latency_s
            due = self.clock() + latency_s + delay_s
            self._mail.append((due, event, arguments))
            self.wake(self)

    def _room(self, size: int, unsent: int) -> bool:
        full = bool(unsent and unsent + size > self.limits.stream_unsent) or bool(
            self.unsent and self.unsent + size > self.limits.session_unsent
        )
        self._refused |= full
        return not full

    def _open(self, bidirectional: bool, data: bytes, fin: bool) -> QuicStream | None:
        if self.over or not self._room(len(data), 0):
            return None
        number = next(self._numbers[bidirectional])
        ours = MemoryStream(self, number, bidirectional, local=True)
        theirs = MemoryStream(self.twin, number, bidirectional, local=False)
        ours.twin, theirs.twin = theirs, ours
        ours._known = True
        ours._read = theirs._written = not bidirectional
        ours.write(data, fin=fin)
        return ours

    def _drain(self) -> None:
        """Send what may leave, the most urgent stream first."""
        while self._waiting and self._credit > 0:
            stream = min(self._waiting, key=lambda stream: stream.priority)
            data, fin = stream._chunks.popleft()
            if len(data) > self._credit:
                part = int(self._credit)
                stream._chunks.appendleft((data[part:], fin))
                data, fin = data[:part], False
            if not stream._chunks:
                del self._waiting[stream]
            self._credit -= len(data)
            self._sent_bytes += len(data)
            stream.unsent -= len(data)
            self.unsent -= len(data)
            self.twin._arrive(self.twin._received, stream.twin, data, fin)

    def _introduce(self, stream: MemoryStream) -> bool:
        """Tell the handler of a new stream; whether it hears this one."""
        if stream._read:
            return False
        if not stream._known:
            stream._known = True
            self.handler.stream_opened(stream)
        return not self.over and not stream._read

    def _received(self, stream: MemoryStream, data: bytes, fin: bool) -> None:
        if self._introduce(stream) and (data or fin):
            stream._read = fin
            self.handler.received(stream, data, fin)

    def _reset(self, stream: MemoryStream, code: int) -> None:
        if self._introduce(stream):
            stream._read = True
            self.handler.was_reset(stream, code)

    def _stopped(self, stream: MemoryStream, code: int) -> None:
        if stream._drop():
            stream._written = True
            self.twin._arrive(self.twin._reset, stream.twin, code)
            self.handler.was_stopped(stream, code)

    def _end(self, closed: Closed) -> None:
        self.over = True
        self._mail.clear()
        self._mail.append((0.0, self.handler.closed, (closed,)))
        self.wake(self)


@attrs.frozen
class Pair:
    """Two sessions joined back to back."""

    client: MemorySession
    server: MemorySession

    def deliver(self, now: float = math.inf) -> None:
        """Hand over everything that arrives by `now`, batch by batch, until both sides are quiet."""
        while self.server.deliver(now) | self.client.deliver(now):
            pass


def join(
    client: SessionHandler, server: SessionHandler, *, protocol: str, open_both: bool = True, **options: Any
) -> Pair:
    """Two sessions whose handlers have been told of them; `options` are those of `MemorySession`, of both."""
    pair = Pair(
        MemorySession(client, True, protocol, **options), MemorySession(server, False, protocol, **options)
    )
    pair.client.twin, pair.server.twin = pair.server, pair.client
    if open_both:
        for session in (pair.server, pair.client):
            session._guarded(session.handler.opened, session)
    return pair


@attrs.define(eq=False)
class MemoryQuic:
    """What connects the engines."""

    latency_s: float = 0.0
    """One way, of everything. May be changed at any time, for sessions to come."""
    _engines: dict[Address, MemoryEngine] = attrs.field(init=False, factory=dict, repr=False)
    _ports: Iterator[int] = attrs.field(init=False, factory=lambda: itertools.count(49_152), repr=False)

    def engine(
        self,
        accept: Accept | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        protocols: Sequence[str] = (),
        limits: Limits | None = None,
    ) -> MemoryEngine:
        """An engine at an address; without `accept` nobody can connect to it."""
        address = (host, port or next(self._ports))
        return MemoryEngine(self, address, accept, tuple(protocols), limits or Limits())


@attrs.define(eq=False)
class MemoryEngine:
    """`Engine` in memory."""

    _quic: MemoryQuic = attrs.field(repr=False)
    address: Address
    _accept: Accept | None = attrs.field(repr=False)
    protocols: Sequence[str]
    limits: Limits = attrs.field(repr=False)
    name: str = attrs.field(init=False, default="memory")
    sessions: list[MemorySession] = attrs.field(init=False, factory=list)
    """Those that are not over."""
    _mailed: dict[MemorySession, None] = attrs.field(init=False, factory=dict, repr=False)
    _woken: trio.Event = attrs.field(init=False, factory=trio.Event, repr=False)

    async def run(self, *, task_status: trio.TaskStatus[Address] = trio.TASK_STATUS_IGNORED) -> None:
        """See `Engine.run`."""
        self._quic._engines[self.address] = self
        try:
            task_status.started(self.address)
            while True:
                self._woken = trio.Event()
                with trio.move_on_at(self._deliver(trio.current_time())):
                    await self._woken.wait()
        finally:
            del self._quic._engines[self.address]
            for session in list(self.sessions):
                session.close()
            self._deliver(math.inf)

    async def connect(self, target: Target, handler: SessionHandler) -> MemorySession:
        """See `Engine.connect`. Takes a round trip."""
        await trio.sleep(2 * self._quic.latency_s)
        where = f"{target.host} port {target.port}"
        other = self._quic._engines.get((target.host, target.port))
        if other is None or other._accept is None:
            raise ConnectFailed(f"cannot connect to {where}: refused")
        protocol = next((name for name in other.protocols if name in target.protocols), None)
        if protocol is None:
            raise ConnectFailed(f"cannot connect to {where}: no common protocol")
        web = target.kind == "webtransport"
        path, authority = (target.path, f"{target.host}:{target.port}") if web else ("", "")
        accepted = other._accept(Incoming(target.kind, protocol, self.address, authority, path))
        if isinstance(accepted, Refused):
            raise ConnectFailed(f"cannot connect to {where}: {accepted.reason}")
        options: dict[str, Any] = {
            "kind": target.kind,
            "authority": authority,
            "path": path,
            "open_both": False,
        }
        pair = join(handler, accepted, protocol=protocol, latency_s=self._quic.latency_s, **options)
        self._add(pair.client, other.address)
        other._add(pair.server, self.address)
        pair.server._arrive(pair.server.handler.opened, pair.server)
        pair.client._guarded(handler.opened, pair.client)
        return pair.client

    def _add(self, session: MemorySession, peer: Address) -> None:
        session.peer, session.limits = peer, self.limits
        session.clock, session.wake = trio.current_time, self._wake
        self.sessions.append(session)

    def _wake(self, session: MemorySession) -> None:
        self._mailed[session] = None
        self._woken.set()

    def _deliver(self, now: float) -> float:
        """Hand over what has arrived; when the next will have."""
        mailed, self._mailed = self._mailed, {}
        for session in mailed:
            session.deliver(now)
            if session.due is not None:
                self._mailed[session] = None
            elif session.over and session in self.sessions:
                self.sessions.remove(session)
        return min((session.due for session in self._mailed if session.due is not None), default=math.inf)
