"""Tracks that are made when somebody asks for them."""

from __future__ import annotations

import pytest
from trio.testing import MockClock

from clutch.relay import LocalPublication, Relay
from clutch.wire.moqt.names import FullTrackName
from tests.relay.conftest import AUDIO, OTHER


async def test_a_track_is_made_for_its_first_subscriber(autojump_clock: MockClock, relay: Relay) -> None:
    made: list[LocalPublication] = []

    def make(name: FullTrackName) -> None:
        made.append(relay.publish(name))

    offer = relay.offer(AUDIO.namespace, make)
    assert made == []
    with relay.subscribe(AUDIO, rendezvous_s=0) as one, relay.subscribe(AUDIO) as two:
        assert len(made) == 1
        made[0].write(b"it", timestamp_us=0)
        assert [(await hears.receive()).items[0].payload for hears in (one, two)] == [b"it"] * 2
        assert relay.router.timers.waiting == 0
    made[0].close()
    offer.close()
    offer.close()
    relay.subscribe(AUDIO, rendezvous_s=0).close()
    assert len(made) == 1


async def test_who_waits_already_is_served(autojump_clock: MockClock, relay: Relay) -> None:
    with relay.subscribe(AUDIO, rendezvous_s=10) as subscription:
        made: list[LocalPublication] = []
        offer = relay.offer(AUDIO.namespace[:2], lambda name: made.append(relay.publish(name)))
        assert subscription.live
        made[0].close()
        offer.close()


async def test_what_is_published_is_not_made_again(autojump_clock: MockClock, relay: Relay) -> None:
    publication = relay.publish(AUDIO)
    with relay.subscribe(AUDIO):
        offer = relay.offer(AUDIO.namespace, lambda name: pytest.fail("it is there"))
        offer.close()
    publication.close()


async def test_what_is_not_made_does_not_exist(autojump_clock: MockClock, relay: Relay) -> None:
    offer = relay.offer(OTHER.namespace, lambda name: None)
    with relay.subscribe(OTHER, rendezvous_s=0) as subscription:
        assert [item async for item in subscription] == []
        assert subscription.why == "DOES_NOT_EXIST: nobody publishes it"
    offer.close()
