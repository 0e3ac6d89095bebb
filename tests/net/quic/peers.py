"""A server and a client of every engine, for the contract that all of them keep."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import trio

from clutch.net.memory import MemoryNetwork
from clutch.net.quic.aioquic_engine import AioquicEngine
from clutch.net.quic.certificates import SelfSigned
from clutch.net.quic.engine import Accept, Engine, Incoming, Kind, Refused, SessionHandler, Target, Trust
from clutch.net.quic.memory import MemoryQuic
from tests.net.quic.world import CLIENT, SERVER, Recorder

PROTOCOLS = ("moqt-18", "moqt-16")


@attrs.define(eq=False)
class Peers:
    """Two engines, and what the server has accepted."""

    client: Engine
    target: Target
    stop_server: Callable[[], Awaitable[None]]
    accepted: list[Recorder] = attrs.field(factory=list)
    refuse: Refused | None = None
    _news: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot)

    async def pair(self) -> tuple[Recorder, Recorder]:
        """Connect: the client's handler and the server's."""
        mine, known = Recorder(), len(self.accepted)
        await self.client.connect(self.target, mine)
        while len(self.accepted) == known:
            await self._news.park()
        theirs = self.accepted[known]
        await theirs.until(lambda: theirs.session is not None)
        return mine, theirs

    def accept(self, incoming: Incoming) -> SessionHandler | Refused:
        """The server's acceptor."""
        if self.refuse is not None:
            return self.refuse
        self.accepted.append(Recorder())
        self._news.unpark_all()
        return self.accepted[-1]


def _aioquic(accept: Accept) -> tuple[Engine, Engine]:
    network = MemoryNetwork()
    server = AioquicEngine(network.host(SERVER), (SERVER, 0), SelfSigned((SERVER,)), PROTOCOLS, accept)
    return server, AioquicEngine(network.host(CLIENT))


def _memory(accept: Accept) -> tuple[Engine, Engine]:
    quic = MemoryQuic()
    server = quic.engine(accept, host=SERVER, protocols=PROTOCOLS)
    return server, quic.engine(host=CLIENT)


ENGINES: dict[str, tuple[Callable[[Accept], tuple[Engine, Engine]], Kind]] = {
    "aioquic": (_aioquic, "quic"),
    "aioquic-webtransport": (_aioquic, "webtransport"),
    "memory": (_memory, "quic"),
    "memory-webtransport": (_memory, "webtransport"),
}
"""How the engines are made, and what kind of session is asked for."""


async def start(name: str, nursery: trio.Nursery) -> Peers:
    """Run a server and a client."""
    make, kind = ENGINES[name]
    peers: list[Peers] = []
    server, client = make(lambda incoming: peers[0].accept(incoming))
    scope, over = trio.CancelScope(), trio.Event()

    async def serve(task_status: trio.TaskStatus[Any]) -> None:
        with scope:
            await server.run(task_status=task_status)
        over.set()

    async def stop() -> None:
        scope.cancel()
        await over.wait()

    host, port = await nursery.start(serve)
    await nursery.start(client.run)
    target = Target(host, port, PROTOCOLS[:1], kind, "/path?query", Trust(insecure=True))
    peers.append(Peers(client, target, stop))
    return peers[0]
