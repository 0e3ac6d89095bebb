"""A relay on loopback in a thread of its own, for programs that bring their own event loop."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Queue

import attrs
import trio

from clutch.auth.grants import OPEN, Grant
from clutch.client import Trust
from clutch.client.connector import PROTOCOLS
from clutch.net.link import TrioNetwork
from clutch.net.quic.aioquic_engine import AioquicEngine
from clutch.net.quic.certificates import SelfSigned
from clutch.relay import Relay
from clutch.relay.gate import SessionInfo


@attrs.frozen
class OpenGate:
    """Everybody may do everything."""

    def admit(self, token: bytes | None, session: SessionInfo) -> Grant:
        """Yes."""
        return OPEN

    def check(self, grant: Grant) -> None:
        """Still."""


@attrs.frozen
class Loopback:
    """Where it is."""

    port: int
    trust: Trust

    @property
    def url(self) -> str:
        """For raw QUIC."""
        return f"moqt://127.0.0.1:{self.port}"


@contextmanager
def loopback_node() -> Iterator[Loopback]:
    """A relay with a certificate of its own."""
    answers: Queue[tuple[trio.lowlevel.TrioToken, trio.CancelScope, int]] = Queue()
    certificates = SelfSigned()

    async def main() -> None:
        relay = Relay(OpenGate())
        engine = AioquicEngine(TrioNetwork(), ("127.0.0.1", 0), certificates, PROTOCOLS, relay.accept)
        async with trio.open_nursery() as nursery:
            await nursery.start(relay.run)
            _, port = await nursery.start(engine.run)
            answers.put((trio.lowlevel.current_trio_token(), nursery.cancel_scope, port))

    thread = threading.Thread(target=trio.run, args=(main,))
    thread.start()
    token, scope, port = answers.get(timeout=30)
    try:
        yield Loopback(port, Trust(fingerprint=certificates.current().fingerprint))
    finally:
        token.run_sync_soon(scope.cancel)
        thread.join()
