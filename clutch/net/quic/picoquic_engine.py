"""The picoquic engine: QUIC in C, on a thread of its own (`clutch[fast]`). It serves, and does not connect.

What is different from the aioquic engine, because picoquic or its binding is so:

- It binds the wildcard address, whatever one would like; so nothing else is taken.
- Certificates are files, read once.
- `Incoming` has no `origin` and no `authority`. A session of WebTransport that is refused is accepted first,
  and closed then.
- The reason of the end of a raw connection is neither sent nor received.
- A peer can send faster than this process handles what it sent, and picoquic keeps it all: see `_watch`.
- An error in C is the end of the process. Run it in one that may die.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import attrs
import structlog
import trio

from actors import last_words
from clutch.net.errors import AddressUnavailable, BackendUnavailable, ConnectFailed, PortInUse
from clutch.net.link import Address, Network
from clutch.net.quic.engine import Accept, Closed, Limits, QuicSession, SessionHandler, Target
from clutch.net.quic.picoquic_connection import PicoquicConnection
from clutch.net.quic.picoquic_private import Event, Kind, Picoquic, RawChannel, WebChannel
from clutch.net.quic.picoquic_streams import Streams

log = structlog.get_logger(__name__)

WILDCARDS = ("0.0.0.0", "::")
BATCH = 256
"""Events that are handled before anything else gets a turn."""
_READY_S = 2.0
_STOP_S = 0.5
_POLL_S = 0.005
_FAREWELL_S = 0.05
"""How long sessions of WebTransport have at the end: nothing tells when the peer was told."""
_LINGER_S = 2.0
"""How long the connection of a session of WebTransport that this side closed may last: the client ends it."""
_HTTP_NO_ERROR = 0x100
_EXCESSIVE_LOAD = Closed("engine", 0, "it sends faster than this node can handle", application=False)
_LAST_RESORT = 16
"""Times the limit of the backlog at which the engine gives up."""


def _is_wildcard(_: object, __: attrs.Attribute[Address], listen: Address) -> None:
    if listen[0] not in WILDCARDS:
        raise AddressUnavailable(
            f"picoquic listens on all addresses of this machine, and cannot only on {listen[0]}; "
            "say so with the host 0.0.0.0, or ::"
        )


@attrs.define(eq=False)
class PicoquicEngine:
    """`Engine` on picoquic. `network` is only asked whether the port is free."""

    _network: Network = attrs.field(repr=False)
    _listen: Address = attrs.field(validator=_is_wildcard)
    """The host is one of `WILDCARDS`: "0.0.0.0" for IPv4 only, "::" for both. Raises `AddressUnavailable`."""
    _chain: Path
    """PEM: the certificate and what leads from it to an authority."""
    _key: Path = attrs.field(repr=False)
    _protocols: Sequence[str]
    accept: Accept = attrs.field(repr=False)
    limits: Limits = attrs.field(factory=Limits)
    address: Address = attrs.field(init=False, default=("", 0))
    closed_for_load: int = attrs.field(init=False, default=0)
    """Sessions that sent too much at once."""
    _picoquic: Picoquic = attrs.field(init=False, repr=False)
    _raw: dict[int, PicoquicConnection] = attrs.field(init=False, factory=dict, repr=False)
    """By picoquic's connection."""
    _web: dict[int, PicoquicConnection] = attrs.field(init=False, factory=dict, repr=False)
    """By picoquic's session."""
    _leaving: dict[PicoquicConnection, float] = attrs.field(init=False, factory=dict, repr=False)
    """Sessions of WebTransport that are closed, and until when their connection may stay."""
    _touched: dict[PicoquicConnection, None] = attrs.field(init=False, factory=dict, repr=False)
    _refused: dict[PicoquicConnection, None] = attrs.field(init=False, factory=dict, repr=False)
    """Those who wait until they may write: picoquic does not tell of all that it sends."""
    _kick: trio.Event = attrs.field(init=False, factory=trio.Event, repr=False)
    _bound: bool = attrs.field(init=False, default=False)
    _busy: bool = attrs.field(init=False, default=False)
    _period: int = attrs.field(init=False, default=1)
    _spared: int = attrs.field(init=False, default=0)
    """How many more events are handled before anybody else is closed for the load."""

    @property
    def name(self) -> str:
        """See `Engine.name`."""
        return "picoquic"

    @property
    def connections(self) -> int:
        """Sessions, also those that end."""
        return len(self._raw) + len(self._web)

    async def run(self, *, task_status: trio.TaskStatus[Address] = trio.TASK_STATUS_IGNORED) -> None:
        """See `Engine.run`. Raises `PortInUse`, `AddressUnavailable` or `BackendUnavailable`."""
        picoquic = self._picoquic = Picoquic()
        probe = self._network.open_datagrams(*self._listen)  # picoquic does not say that a port is taken
        self.address = probe.address
        probe.close()
        host, port = self.address
        picoquic.start(
            port,
            six=host == "::",
            chain=self._chain,
            key=self._key,
            protocols=self._protocols,
            limits=self.limits,
        )
        try:
            with trio.move_on_after(_READY_S):
                while not self._bound:
                    await self._next()
            if not self._bound:
                raise PortInUse("UDP", host, port, None)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._work)
                nursery.start_soon(self._linger)
                task_status.started(self.address)
                while True:
                    self._watch(await self._next())
        finally:
            await self._stop()

    async def connect(self, target: Target, handler: SessionHandler) -> QuicSession:
        """See `Engine.connect`: always raises."""
        raise ConnectFailed("the picoquic engine only listens")

    # Tasks

    async def _next(self) -> int:
        """Wait for events, and handle a batch of them; how many they were."""
        await trio.lowlevel.wait_readable(self._picoquic.fd)
        self._busy = True
        fed: dict[PicoquicConnection, None] = {}
        events = self._picoquic.drain(BATCH)
        for event in events:
            connection = self._route(event)
            if connection is not None:
                fed[connection] = None
        for connection in fed:
            connection.batch_end()
        self._settle()
        self._picoquic.release()
        self._busy = False
        return len(events)

    async def _work(self) -> None:
        """Do what the application asks for between batches, and look after those that may not write."""
        while True:
            with trio.move_on_after(_POLL_S if self._refused else math.inf):
                await self._kick.wait()
                self._kick = trio.Event()
            self._touched |= self._refused
            self._settle()

    async def _linger(self) -> None:
        while True:
            await trio.sleep(_LINGER_S / 2)
            now = trio.current_time()
            for connection in [leaver for leaver, until in self._leaving.items() if until <= now]:
                self._drop_web(connection)

    def _touch(self, connection: PicoquicConnection) -> None:
        self._touched[connection] = None
        if not self._busy:
            self._kick.set()

    def _settle(self) -> None:
        touched, self._touched = self._touched, {}
        for connection in touched:
            if connection.settle():
                self._refused.pop(connection, None)
            else:
                self._refused[connection] = None
            if connection.over and isinstance(connection.quic.channel, WebChannel):
                self._leaving.setdefault(connection, trio.current_time() + _LINGER_S)
        self._picoquic.flush()

    async def _stop(self) -> None:
        """Close everything, give picoquic the time to say so, and end its thread."""
        everybody = [*self._raw.values(), *self._web.values()]
        for connection in everybody:
            connection.close(0, "")
            if connection.session is not None:
                connection.session.finish(Closed("local"))
        self._picoquic.flush()
        with last_words(_STOP_S):
            while self._raw:
                await self._next()
        if self._web:
            with last_words(_FAREWELL_S):
                await trio.sleep_forever()
        self._picoquic.stop()
        for connection in everybody:
            connection.end(Closed("local"))
        self._raw.clear()
        self._web.clear()

    # Events

    def _route(self, event: Event) -> PicoquicConnection | None:
        """Bring an event to whom it concerns."""
        kind, _, data, flag, code, key, context, _ = event
        if kind == Kind.READY and not key:
            self._bound = True
            return None
        if kind == Kind.STACK:
            if not flag:
                self._raw[key] = self._make(RawChannel(self._picoquic, key))
            return None
        if kind == Kind.WEB_SESSION:
            path = b"" if data is None else bytes(data)
            connection = self._make(WebChannel(self._picoquic, key, context), path.decode(errors="replace"))
            self._web[context] = connection
            connection.early = False
            connection.open()
            return None
        of_web = kind >= Kind.WEB_READY or kind == Kind.WEB_DESTROYED
        found = self._web.get(context) if of_web else self._raw.get(key) or self._web.get(context)
        if found is None:
            return None
        self._count(found, data)
        if kind == Kind.READY:
            found.early = False
            found.open()
        elif kind in (Kind.CLOSED, Kind.APPLICATION_CLOSED):
            self._end_raw(key, found, kind, code)
        elif kind == Kind.WEB_CLOSED:
            self._end_web(found, code, b"" if data is None else bytes(data))
        elif kind != Kind.BEGINNING:
            found.handle(event)
        return found

    def _make(self, channel: RawChannel | WebChannel, path: str = "") -> PicoquicConnection:
        streams = Streams(self._picoquic, channel, self.limits.datagrams_unsent)
        return PicoquicConnection(streams, self._picoquic, self.accept, self.limits, self._touch, path)

    def _end_raw(self, key: int, connection: PicoquicConnection, kind: int, code: int) -> None:
        del self._raw[key]
        if kind == Kind.APPLICATION_CLOSED:
            closed = Closed("peer", code)
        else:
            closed = Closed("peer" if code else "timeout", code, application=False)
        connection.end(closed)

    def _end_web(self, connection: PicoquicConnection, code: int, reason: bytes) -> None:
        channel = connection.quic.channel
        if isinstance(channel, WebChannel):
            channel.confirm()
        connection.end(Closed("peer", code, reason.decode(errors="replace")))
        self._touch(connection)

    def _drop_web(self, connection: PicoquicConnection) -> None:
        del self._leaving[connection]
        channel = connection.quic.channel
        if isinstance(channel, WebChannel) and self._web.pop(channel.session, None) is not None:
            self._picoquic.close(channel.connection, _HTTP_NO_ERROR)
            self._picoquic.flush()

    # The load

    def _count(self, connection: PicoquicConnection, data: memoryview | None) -> None:
        if connection.period != self._period:
            connection.period, connection.cost = self._period, 0
        connection.cost += 1 if data is None else 1 + (len(data) >> 10)

    def _watch(self, handled: int) -> None:
        """If too many events wait, close whoever sent most since none did; if that does not help, give up."""
        backlog = self._picoquic.backlog
        self._spared -= handled
        if not backlog:
            self._period += 1
        if backlog < self.limits.backlog:
            return
        if self._spared > 0:
            if backlog > _LAST_RESORT * self.limits.backlog:
                raise BackendUnavailable(f"{backlog} events of QUIC wait to be handled")
            return
        self._spared = backlog
        least = self.limits.backlog // 4
        suspects = [
            connection
            for connection in (*self._raw.values(), *self._web.values())
            if connection.period == self._period and connection.cost >= least and not connection.over
        ]
        if suspects:
            worst = max(suspects, key=lambda connection: connection.cost)
            log.warning("quic.flooded", peer=worst.peer, backlog=backlog, cost=worst.cost)
            self.closed_for_load += 1
            worst.close(0, _EXCESSIVE_LOAD.reason)
            self._picoquic.close(worst.quic.channel.connection, 0)
            if worst.session is not None:
                worst.session.finish(_EXCESSIVE_LOAD)
