"""Fixtures of the network tests. A test on virtual time must itself ask for `autojump_clock`."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from clutch.net.memory import MemoryNetwork

sys.path.insert(0, str(Path(__file__).parents[2]))  # importlib mode finds no helper modules by itself

from tests.net.sip_world import ALICE, BOB, Peer, World


@pytest.fixture
async def world(nursery: trio.Nursery) -> World:
    """Alice and Bob on UDP and TCP."""
    network = MemoryNetwork(latency_s=0.01)
    world = World(network, nursery)
    network.lost = world._see
    world.alice = await world.phone(ALICE, "UDP", "TCP")
    world.bob = await world.phone(BOB, "UDP", "TCP")
    return world


@pytest.fixture
async def peer(nursery: trio.Nursery) -> AsyncIterator[Peer]:
    """Alice's endpoint, and a scripted peer in Bob's place."""
    world = World(MemoryNetwork(latency_s=0.01), nursery)
    datagrams = world.network.host(BOB).open_datagrams(BOB, 5060)
    alice = await world.phone(ALICE, "UDP")
    yield Peer(datagrams, alice)
    datagrams.close()
