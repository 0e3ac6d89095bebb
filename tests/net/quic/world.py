"""Two engines on a network in memory, and handlers that write down what they are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import trio
import trio.testing

from clutch.net.memory import MemoryNetwork
from clutch.net.quic.aioquic_engine import AioquicEngine
from clutch.net.quic.certificates import Certificates, SelfSigned
from clutch.net.quic.engine import (
    Closed,
    Incoming,
    Kind,
    Limits,
    QuicSession,
    QuicStream,
    Refused,
    SessionHandler,
    Target,
    Trust,
)

SERVER, CLIENT = "192.0.2.1", "192.0.2.2"
PORT = 4443


@attrs.define(eq=False)
class Recorder:
    """A `SessionHandler` that keeps everything."""

    session: QuicSession | None = None
    events: list[tuple[Any, ...]] = attrs.field(factory=list)
    streams: list[QuicStream] = attrs.field(factory=list)
    """Those that the peer opened."""
    data: dict[int, bytes] = attrs.field(factory=dict)
    """By number of the stream."""
    finished: set[int] = attrs.field(factory=set)
    datagrams: list[bytes] = attrs.field(factory=list)
    end: Closed | None = None
    batches: int = 0
    writables: int = 0
    on_data: Callable[[QuicStream, bytes, bool], None] | None = None
    on_opened: Callable[[QuicSession], None] | None = None
    _news: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something that was told makes it true."""
        while not condition():
            await self._news.park()

    @property
    def open(self) -> QuicSession:
        """The session, which must have begun."""
        assert self.session is not None
        return self.session

    def opened(self, session: QuicSession) -> None:
        self.session = session
        self._note("opened")
        if self.on_opened is not None:
            self.on_opened(session)

    def stream_opened(self, stream: QuicStream) -> None:
        self.streams.append(stream)
        self._note("stream_opened", stream.number)

    def received(self, stream: QuicStream, data: bytes, fin: bool) -> None:
        self.data[stream.number] = self.data.get(stream.number, b"") + data
        if fin:
            self.finished.add(stream.number)
        self._note("received", stream.number, data, fin)
        if self.on_data is not None:
            self.on_data(stream, data, fin)

    def was_reset(self, stream: QuicStream, code: int) -> None:
        self._note("was_reset", stream.number, code)

    def was_stopped(self, stream: QuicStream, code: int) -> None:
        self._note("was_stopped", stream.number, code)

    def writable(self) -> None:
        self.writables += 1
        self._news.unpark_all()

    def datagram(self, data: bytes) -> None:
        self.datagrams.append(data)
        self._note("datagram", data)

    def batch_end(self) -> None:
        self.batches += 1

    def closed(self, closed: Closed) -> None:
        assert self.end is None
        self.end = closed
        self._note("closed", closed)

    def _note(self, *event: Any) -> None:
        self.events.append(event)
        self._news.unpark_all()


@attrs.define(eq=False)
class World:
    """A server at `SERVER` and a client at `CLIENT`."""

    network: MemoryNetwork
    nursery: trio.Nursery
    limits: Limits = attrs.field(factory=Limits)
    kind: Kind = "quic"
    """How the client connects."""
    accepted: list[Recorder] = attrs.field(factory=list)
    asked: list[Incoming] = attrs.field(factory=list)
    answer: Callable[[Incoming], SessionHandler | Refused] | None = None
    server: AioquicEngine = attrs.field(init=False)
    client: AioquicEngine = attrs.field(init=False)
    certificates: Certificates = attrs.field(init=False, factory=lambda: SelfSigned((SERVER,)))
    _server_scope: trio.CancelScope = attrs.field(init=False, factory=trio.CancelScope)
    _news: trio.lowlevel.ParkingLot = attrs.field(init=False, factory=trio.lowlevel.ParkingLot)

    async def start(self, **options: Any) -> None:
        """Run both engines; `options` are those of the server."""
        await self.start_server(**options)
        self.client = AioquicEngine(self.network.host(CLIENT), limits=self.limits)
        await self.nursery.start(self.client.run)

    async def start_server(self, **options: Any) -> None:
        """Run a server, or a new one after `stop_server`."""
        self.server = AioquicEngine(
            self.network.host(SERVER),
            (SERVER, PORT),
            self.certificates,
            ["moqt-18", "moqt-16"],
            self._accept,
            self.limits,
            **options,
        )
        self._server_scope = trio.CancelScope()
        await self.nursery.start(self._serve)

    async def stop_server(self) -> None:
        """End the server; it tells its peers, unless the network loses that."""
        self._server_scope.cancel()
        await trio.testing.wait_all_tasks_blocked()

    async def _serve(self, task_status: trio.TaskStatus[Any]) -> None:
        with self._server_scope:
            await self.server.run(task_status=task_status)

    def target(self, *protocols: str, trust: Trust | None = None, path: str = "/") -> Target:
        """The server."""
        trust = trust or Trust(insecure=True)
        return Target(SERVER, PORT, protocols or ("moqt-18",), self.kind, path, trust)

    async def pair(self, handler: Recorder | None = None) -> tuple[Recorder, Recorder]:
        """Connect: the client's handler and the server's."""
        mine, known = handler or Recorder(), len(self.accepted)
        await self.client.connect(self.target(), mine)
        while len(self.accepted) == known:
            await self._news.park()
        theirs = self.accepted[known]
        await theirs.until(lambda: theirs.session is not None)
        return mine, theirs

    def _accept(self, incoming: Incoming) -> SessionHandler | Refused:
        self.asked.append(incoming)
        if self.answer is not None:
            return self.answer(incoming)
        self.accepted.append(Recorder())
        self._news.unpark_all()
        return self.accepted[-1]
