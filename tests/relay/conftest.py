"""A relay that runs."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import trio

from actors.runtime import open_lossy_channels
from clutch.relay import CacheLimits, OpenGate, Relay, RelayLimits
from clutch.relay.limits import QueueLimits
from clutch.wire.moqt.names import FullTrackName

sys.path.insert(0, str(Path(__file__).parents[2]))  # importlib mode finds no helper modules by itself

from tests.relay.world import World

AUDIO = FullTrackName.parse("voice/a1/uplink", "audio")
OTHER = FullTrackName.parse("voice/a2/uplink", "audio")

joining = pytest.mark.parametrize("world", ["moqt-18", "moqt-16"], indirect=True)
"""For tests of joining FETCH, which draft 20 has not."""


@pytest.fixture
def limits() -> RelayLimits:
    """Small ones, so that tests reach them."""
    return RelayLimits(
        CacheLimits(groups=8, track_bytes=20_000, total_bytes=40_000, age_s=10.0),
        QueueLimits(streams=4, unsent_bytes=10_000, skips=3, patience_s=5.0),
        tracks=50,
        subscriptions=20,
    )


@pytest.fixture
async def relay(limits: RelayLimits) -> AsyncIterator[Relay]:
    """It runs; what a test took of it must have been given back at the end.

    A test must itself ask for `autojump_clock`.
    """
    relay = Relay(OpenGate(), limits)
    async with trio.open_nursery() as nursery:
        await nursery.start(relay.run)
        yield relay
        nursery.cancel_scope.cancel()
    assert relay.router.tracks == {}
    assert (relay.router.cached.groups, relay.router.cached.cost) == (0, 0)
    assert (len(relay.router.track_watchers), len(relay.router.namespace_watchers)) == (0, 0)
    assert relay.router.namespaces_under(()) == []
    assert relay.router.timers.waiting == 0
    assert open_lossy_channels() == 0


@pytest.fixture(params=["moqt-20", "moqt-18", "moqt-16"])
def world(request: pytest.FixtureRequest, relay: Relay) -> Iterator[World]:
    """The relay, and peers that speak each draft unless they are told otherwise; they leave at the end."""
    world = World(relay, request.param)
    yield world
    world.close()
