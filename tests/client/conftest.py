"""A node in memory. A test on virtual time must itself ask for `autojump_clock`."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import trio

from clutch.net.quic.memory import MemoryQuic
from tests.client.peer import Peer
from tests.client.world import World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A node that serves, 10 ms away."""
    quic = MemoryQuic(0.01)
    async with trio.open_nursery() as nursery:
        engine = quic.engine()
        await nursery.start(engine.run)
        world = World(quic, Peer(quic), engine, nursery)
        await world.start()
        yield world
        nursery.cancel_scope.cancel()
