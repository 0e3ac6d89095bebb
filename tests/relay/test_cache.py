"""What is kept of the past, and that it does not grow."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from clutch.relay import LocalPublication, Relay
from clutch.relay.cache import Cache
from clutch.relay.flow import OBJECT_OVERHEAD_BYTES, Flow
from clutch.wire.moqt.data import Object
from clutch.wire.moqt.names import FullTrackName
from tests.relay.conftest import AUDIO, OTHER


def _cache(relay: Relay) -> Cache:
    return relay.router.tracks[AUDIO].cache


def _check(relay: Relay) -> None:
    """The books agree with what is there."""
    caches = [track.cache for track in relay.router.tracks.values()]
    for cache in caches:
        groups = cache.groups.values()
        for group in groups:
            items = [item for flow in group.flows.values() for item in flow.objects]
            assert group.cost == sum(len(item.payload) + OBJECT_OVERHEAD_BYTES for item in items)
        assert cache.cost == sum(group.cost for group in groups)
    assert relay.router.cached.cost == sum(cache.cost for cache in caches)
    assert relay.router.cached.groups == sum(len(cache.groups) for cache in caches)


def _write(publication: LocalPublication, count: int, size: int = 80) -> None:
    for _ in range(count):
        publication.write(bytes(size), timestamp_us=0)


async def test_so_many_groups_of_a_track(autojump_clock: MockClock, relay: Relay) -> None:
    publication = relay.publish(AUDIO)
    _write(publication, 20)
    assert len(_cache(relay).groups) == 8
    _check(relay)
    publication.close()


async def test_so_many_bytes_of_a_track(autojump_clock: MockClock, relay: Relay) -> None:
    publication = relay.publish(AUDIO)
    _write(publication, 6, size=5_000)
    assert len(_cache(relay).groups) == 3
    _check(relay)
    publication.close()


async def test_so_many_bytes_in_all_and_the_newest_of_each_go_last(
    autojump_clock: MockClock, relay: Relay
) -> None:
    catalog = relay.publish(OTHER, kind="text")
    _write(catalog, 1, size=1_000)
    publications = [relay.publish(name) for name in _names(4)]
    for _ in range(3):
        for publication in publications:
            _write(publication, 1, size=5_000)
    _check(relay)
    assert relay.router.cached.cost <= 40_000
    assert len(relay.router.tracks[OTHER].cache.groups) == 1
    for publication in (catalog, *publications):
        publication.close()


def _names(count: int) -> list[FullTrackName]:
    return [FullTrackName((b"n",), b"%d" % number) for number in range(count)]


async def test_so_long_but_for_the_newest(autojump_clock: MockClock, relay: Relay) -> None:
    publication = relay.publish(AUDIO)
    _write(publication, 5)
    await trio.sleep(9)
    assert len(_cache(relay).groups) == 5
    await trio.sleep(3)
    assert len(_cache(relay).groups) == 1
    _check(relay)
    publication.close()


async def test_a_conversation_is_cut_at_its_front(autojump_clock: MockClock, relay: Relay) -> None:
    text = relay.publish(AUDIO, kind="text")
    _write(text, 1_000)
    (group,) = _cache(relay).groups.values()
    assert group.cut
    assert _cache(relay).cost <= 20_000
    assert next(iter(group.flows.values())).objects[-1].id == 999
    _check(relay)
    text.close()


async def test_a_group_of_many_flows_is_cut_at_its_front(autojump_clock: MockClock, relay: Relay) -> None:
    publication = relay.publish(AUDIO)
    track = relay.router.tracks[AUDIO]
    for datagram in (False, True):
        for number in range(500):
            flow = track.begin(Flow(7, number, trio.current_time(), datagram=datagram))
            track.append(flow, (Object(number, bytes(80)),), finish=True)
        (group,) = [group for group in _cache(relay).groups.values() if group.number == 7]
        assert group.cut
        assert len(group.flows) < 40
        assert _cache(relay).cost <= 20_000
        _check(relay)
    publication.close()


async def test_it_stays_the_same_for_hours(autojump_clock: MockClock, relay: Relay) -> None:
    publication = relay.publish(AUDIO)
    with relay.subscribe(AUDIO):
        sizes = set()
        for _ in range(100):
            _write(publication, 50)
            sizes.add((relay.router.cached.groups, relay.router.cached.cost, relay.router.timers.waiting))
    assert len(sizes) == 1
    publication.close()
