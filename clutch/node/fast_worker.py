"""The process of the fast port: a relay on picoquic that belongs to the node's relay.

Run by `clutch.node.fast` as ``python -m clutch.node.fast_worker``. Its input is one line of JSON, a `Task`,
and then nothing: it ends when the input does, which also happens when the node dies. Its output is a line of
JSON when it listens, and then one for the status page every now and then.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import structlog
import trio

from clutch.net.errors import ConnectFailed, NetworkError
from clutch.net.link import TrioNetwork
from clutch.net.quic.aioquic_engine import AioquicEngine
from clutch.net.quic.engine import Incoming, Limits, QuicSession, Refused, SessionHandler, Target, Trust
from clutch.net.quic.picoquic_engine import PicoquicEngine
from clutch.node.config import AuthConfig, Config, LogConfig, NodeConfig
from clutch.node.errors import NodeError
from clutch.node.gate import TokenGate
from clutch.node.keys import make_verifier
from clutch.node.log import set_up_logging
from clutch.relay import Relay
from clutch.relay.upstream import join
from clutch.wire.moqt.drafts import OFFERED

log = structlog.get_logger(__name__)

REPORT_S = 2.0
RETRY_S = 0.5
_OPAQUE = "null"
"""An origin that is nobody's (RFC 6454, 6.1)."""


@attrs.frozen
class Task:
    """What the node tells its worker; plain values, for JSON. Files are PEM or as in ``[auth]``."""

    host: str
    port: int
    certificate: str
    key: str
    node: tuple[str, int]
    """Where the node's relay listens."""
    fingerprint: str
    """Of its certificate, in hex."""
    secret: str = attrs.field(repr=False)
    data: str
    auth: dict[str, str | None]
    open_loopback: bool
    max_sessions: int
    idle_timeout_s: float
    log: dict[str, str]


@attrs.define(eq=False)
class Worker:
    """Its parts."""

    task: Task
    relay: Relay
    engine: PicoquicEngine
    joined: bool = False

    def snapshot(self) -> dict[str, Any]:
        """For the status page."""
        return {
            "joined": self.joined,
            "connections": self.engine.connections,
            "closed_for_load": self.engine.closed_for_load,
            **self.relay.snapshot(),
        }

    async def stay_joined(self, client: AioquicEngine) -> None:
        """Belong to the node's relay, again and again: without it there is only what is published here."""
        task = self.task
        trust = Trust(fingerprint=bytes.fromhex(task.fingerprint))
        target = Target(*task.node, ["moqt-18"], trust=trust)

        async def connect(handler: SessionHandler) -> QuicSession:
            session = await client.connect(target, handler)
            self.joined = True
            return session

        while True:
            try:
                await join(self.relay, connect, bytes.fromhex(task.secret))
                log.warning("fast.parted", node=task.node)
            except* ConnectFailed as group:
                log.warning("fast.not_joined", error=str(group.exceptions[0]))
            self.joined = False
            await trio.sleep(RETRY_S)


def make_worker(task: Task) -> Worker:
    """Wire it, inside a Trio run. Raises `NodeError` or `NetworkError`."""
    auth = AuthConfig(
        keys=_path(task.auth["keys"]),
        revoked=_path(task.auth["revoked"]),
        issuer=task.auth["issuer"],
        audience=task.auth["audience"],
    )
    config = Config(node=NodeConfig(data=Path(task.data)), auth=auth)
    relay = Relay(TokenGate(make_verifier(config), task.open_loopback))

    def accept(incoming: Incoming) -> SessionHandler | Refused:
        # Which page a browser shows cannot be seen here, so none is taken for one of this machine.
        hidden = incoming.kind == "webtransport"
        return relay.accept(attrs.evolve(incoming, origin=_OPAQUE) if hidden else incoming)

    engine = PicoquicEngine(
        TrioNetwork(),
        (task.host, task.port),
        Path(task.certificate),
        Path(task.key),
        list(OFFERED),
        accept,
        Limits(sessions=task.max_sessions, idle_s=task.idle_timeout_s),
    )
    return Worker(task, relay, engine)


async def work(line: str) -> None:
    """Do what the line says, until the input ends."""
    task = Task(**json.loads(line))
    set_up_logging(LogConfig(**task.log))  # type: ignore[arg-type]
    worker, client = make_worker(task), AioquicEngine(TrioNetwork())
    async with trio.open_nursery() as nursery:
        await nursery.start(worker.relay.run)
        await nursery.start(client.run)
        address = await nursery.start(worker.engine.run)
        nursery.start_soon(worker.stay_joined, client)
        nursery.start_soon(_report, worker)
        _say({"address": address})
        await trio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)
        nursery.cancel_scope.cancel()


async def _report(worker: Worker) -> None:
    while True:
        await trio.sleep(REPORT_S)
        _say(worker.snapshot())


def _say(what: dict[str, Any]) -> None:
    print(json.dumps(what), flush=True)


def _path(name: str | None) -> Path | None:
    return None if name is None else Path(name)


def main() -> None:
    """The program."""
    try:
        trio.run(partial(work, sys.stdin.readline()))
    except* (NodeError, NetworkError) as group:
        found: BaseException = group
        while isinstance(found, BaseExceptionGroup):
            found = found.exceptions[0]
        _say({"error": str(found)})
        sys.exit(1)


if __name__ == "__main__":
    main()
