"""Any engine as a server on real sockets, and an aioquic client."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import attrs
import trio

from clutch.net.link import TrioNetwork
from clutch.net.quic.aioquic_engine import AioquicEngine
from clutch.net.quic.certificates import CertificateFiles, SelfSigned
from clutch.net.quic.engine import Engine, Incoming, Kind, Limits, Refused, SessionHandler, Target, Trust
from clutch.net.quic.picoquic_engine import PicoquicEngine
from tests.net.quic.pem import write
from tests.net.quic.world import Recorder

HOST = "127.0.0.1"
PROTOCOLS = ["moqt-18", "moqt-16"]
HAS_PICOQUIC = find_spec("aiopquic") is not None


def refuse(incoming: Incoming) -> Refused:
    """Want nobody."""
    return Refused(404, 0, "nobody is served here")


@attrs.define(eq=False)
class Loopback:
    """A server of the named engine, and a client."""

    name: str
    folder: Path
    nursery: trio.Nursery
    kind: Kind = "quic"
    limits: Limits = attrs.field(factory=Limits)
    answer: Callable[[Incoming], SessionHandler | Refused] | None = None
    accepted: list[Recorder] = attrs.field(factory=list)
    asked: list[Incoming] = attrs.field(factory=list)
    server: Engine = attrs.field(init=False)
    client: AioquicEngine = attrs.field(init=False)
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    """Of the server."""
    _numbers: itertools.count[int] = attrs.field(factory=itertools.count)
    _news: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot)

    async def start(self) -> None:
        """Run both."""
        chain, key = write(SelfSigned((HOST,)).current(), self.folder)
        network = TrioNetwork()
        if self.name == "picoquic":
            where = ("0.0.0.0", 0)
            self.server = PicoquicEngine(network, where, chain, key, PROTOCOLS, self._accept, self.limits)
        else:
            files = CertificateFiles(chain, key)
            self.server = AioquicEngine(network, (HOST, 0), files, PROTOCOLS, self._accept, self.limits)
        self.client = AioquicEngine(network, limits=self.limits)
        await self.nursery.start(self._serve)
        await self.nursery.start(self.client.run)

    async def _serve(self, task_status: trio.TaskStatus[object]) -> None:
        with self.scope:
            await self.server.run(task_status=task_status)

    def target(self, *protocols: str, path: str = "/") -> Target:
        """The server, as one that the client does not know: picoquic's TLS refuses aioquic's resumption."""
        wanted = (*(protocols or ("moqt-18",)), f"new-{next(self._numbers)}")
        return Target(HOST, self.server.address[1], wanted, self.kind, path, Trust(insecure=True))

    async def pair(self, *protocols: str) -> tuple[Recorder, Recorder]:
        """Connect: the client's handler and the server's."""
        mine, known = Recorder(), len(self.accepted)
        await self.client.connect(self.target(*protocols), mine)
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
