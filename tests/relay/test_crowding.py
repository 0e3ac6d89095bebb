"""Names without end: who asks for ever new ones takes no room from the others."""

from __future__ import annotations

import pytest
from trio.testing import MockClock

from clutch.relay import Relay, RelayLimits
from clutch.wire.moqt.names import FullTrackName
from clutch.wire.moqt.session_events import SessionLimits
from clutch.wire.moqt.session_request import Kind
from tests.relay.conftest import AUDIO
from tests.relay.world import World


@pytest.fixture
def limits() -> RelayLimits:
    """Of which a session may use less than there is."""
    return RelayLimits(tracks=50, session=SessionLimits(requests=10))


def _names(count: int) -> list[FullTrackName]:
    return [FullTrackName(AUDIO.namespace, b"%d" % number) for number in range(count)]


async def test_what_is_asked_for_is_given_up_with_the_last_who_waits(
    autojump_clock: MockClock, world: World
) -> None:
    publisher, one, two = world.connect(), world.connect(), world.connect()
    publisher.announce(AUDIO, serve=False)
    first, second = one.subscribe(AUDIO), two.subscribe(AUDIO)
    one.session.cancel(first)
    assert publisher.take("cancelled") == []
    assert len(world.relay.router.tracks) == 1
    two.session.cancel(second)
    asked = [request for (request,) in publisher.take("requested") if request.kind is Kind.SUBSCRIBE]
    assert [request for request, _ in publisher.take("cancelled")] == asked
    assert world.relay.router.tracks == {}


@pytest.mark.parametrize("serve", [True, False])
async def test_the_table_cannot_be_filled_by_one(
    autojump_clock: MockClock, relay: Relay, *, serve: bool
) -> None:
    world = World(relay, "moqt-18")
    publisher, subscriber = world.connect(), world.connect()
    publisher.announce(AUDIO, serve=serve)
    for name in _names(60):
        subscriber.session.cancel(subscriber.subscribe(name))
        world.settle()
        assert len(relay.router.tracks) <= 20
    await world.later(5)  # what was answered lingers
    assert relay.router.tracks == {}
    world.close()
