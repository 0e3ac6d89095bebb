"""Fixtures of the tests of QUIC engines."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import trio

from clutch.net.memory import MemoryNetwork

sys.path.insert(0, str(Path(__file__).parents[3]))  # importlib mode finds no helper modules by itself

from tests.net.quic.world import World


@pytest.fixture
async def world(nursery: trio.Nursery) -> World:
    """A server and a client engine, 10 ms apart."""
    world = World(MemoryNetwork(latency_s=0.01), nursery)
    await world.start()
    return world
