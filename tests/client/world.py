"""A node in memory, and clients of it, on a virtual clock."""

from __future__ import annotations

import random

import attrs
import trio
import trio.testing

from clutch.client.voice import Voice
from clutch.net.quic.engine import Engine
from clutch.net.quic.memory import MemoryQuic
from tests.client.peer import URL, Peer


@attrs.define(eq=False)
class World:
    """A network with one node, and an engine for clients."""

    quic: MemoryQuic
    peer: Peer
    engine: Engine
    nursery: trio.Nursery

    def voice(self, url: str = URL, **options: object) -> Voice:
        """A client of the node, whose waits are always the same."""
        return Voice(
            url,
            engine=self.engine,
            random=random.Random(1),
            now_us=lambda: round(1e15 + trio.current_time() * 1e6),
            **options,  # type: ignore[arg-type]
        )

    async def restart(self) -> None:
        """Stop the node, and start it again at once."""
        self.peer.stop()
        await trio.testing.wait_all_tasks_blocked()
        await self.start()

    async def start(self, peer: Peer | None = None) -> None:
        """Start a node, or the node again."""
        await self.nursery.start((peer or self.peer).run)
