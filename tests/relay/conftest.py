"""A relay that runs."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import trio

from actors.runtime import open_lossy_channels
from clutch.relay import CacheLimits, OpenGate, Relay, RelayLimits
from clutch.relay.limits import QueueLimits
from clutch.wire.moqt.names import FullTrackName

AUDIO = FullTrackName.parse("voice/a1/uplink", "audio")
OTHER = FullTrackName.parse("voice/a2/uplink", "audio")


@pytest.fixture
def limits() -> RelayLimits:
    """Small ones, so that tests reach them."""
    return RelayLimits(
        CacheLimits(groups=8, track_bytes=20_000, total_bytes=40_000, age_s=10.0),
        QueueLimits(streams=4, unsent_bytes=10_000, skips=3, patience_s=5.0),
        tracks=50,
        subscriptions=20,
        publications=20,
        namespaces=20,
        prefixes=4,
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
