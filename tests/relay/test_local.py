"""Publishing and subscribing within the process."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from clutch.relay import LocalSubscription, NameTaken, Relay, RelayLimits, RequestRefused
from clutch.wire.moqt.names import FullTrackName, Location
from clutch.wire.moqt.parameters import Filter, FilterType
from clutch.wire.moqt.properties import Properties
from tests.relay.conftest import AUDIO, OTHER


async def _payloads(subscription: LocalSubscription) -> list[bytes]:
    with trio.move_on_after(0.001):
        return [item.payload for item in (await subscription.receive()).items]
    return []


async def test_what_is_published_is_heard(autojump_clock: MockClock, relay: Relay) -> None:
    with relay.subscribe(AUDIO) as subscription:
        publication = relay.publish(AUDIO, capability="voice/opus")
        assert (subscription.live, subscription.capability, publication.subscribers) == (
            True,
            "voice/opus",
            1,
        )
        publication.write(b"one", timestamp_us=20_000)
        publication.write(b"two", timestamp_us=40_000)
        one, two = (await subscription.receive()).items
        assert (one.payload, one.object, one.timestamp_us) == (b"one", 0, 20_000)
        assert (two.payload, two.object, two.timestamp_us) == (b"two", 0, 40_000)
        assert two.group == one.group + 1
        publication.close()


async def test_a_subscriber_gets_nothing_of_the_past(autojump_clock: MockClock, relay: Relay) -> None:
    publication = relay.publish(AUDIO)
    publication.write(b"before", timestamp_us=0)
    with relay.subscribe(AUDIO) as subscription:
        publication.write(b"after", timestamp_us=0)
        assert await _payloads(subscription) == [b"after"]
    publication.close()


async def test_many_hear_the_same_and_leave_without_a_gap_for_the_others(
    autojump_clock: MockClock, relay: Relay
) -> None:
    publication = relay.publish(AUDIO)
    staying, going = relay.subscribe(AUDIO), relay.subscribe(AUDIO)
    publication.write(b"1", timestamp_us=0)
    going.close()
    publication.write(b"2", timestamp_us=0)
    coming = relay.subscribe(AUDIO)
    publication.write(b"3", timestamp_us=0)
    assert await _payloads(staying) == [b"1", b"2", b"3"]
    assert await _payloads(coming) == [b"3"]
    for end in (staying, coming, publication):
        end.close()


async def test_a_slow_reader_loses_the_oldest_and_is_told(autojump_clock: MockClock, relay: Relay) -> None:
    publication = relay.publish(AUDIO)
    with relay.subscribe(AUDIO, capacity=2) as subscription:
        for number in range(5):
            publication.write(b"%d" % number, timestamp_us=0)
        batch = await subscription.receive()
        assert ([item.payload for item in batch.items], batch.lost) == ([b"3", b"4"], 3)
        assert subscription.lost_total == 3
    publication.close()


async def test_the_publisher_learns_whether_anybody_listens(autojump_clock: MockClock, relay: Relay) -> None:
    heard: list[bool] = []
    waiting = relay.subscribe(AUDIO)
    publication = relay.publish(AUDIO, wanted=heard.append)
    assert heard == [True]
    second = relay.subscribe(AUDIO)
    waiting.close()
    assert heard == [True]
    second.close()
    assert heard == [True, False]
    relay.subscribe(AUDIO).close()
    assert heard == [True, False, True, False]
    publication.close()


async def test_without_a_time_to_wait_a_subscription_outlives_publishers(
    autojump_clock: MockClock, relay: Relay
) -> None:
    with relay.subscribe(AUDIO) as subscription:
        first = relay.publish(AUDIO)
        first.write(b"first", timestamp_us=0)
        first.close()
        assert not subscription.live
        second = relay.publish(AUDIO)
        second.write(b"second", timestamp_us=0)
        one, two = (await subscription.receive()).items
        assert (one.payload, two.payload) == (b"first", b"second")
        assert two.group > one.group  # a group never means something else later
        second.close()


async def test_with_a_time_to_wait_it_ends_with_the_publisher(
    autojump_clock: MockClock, relay: Relay
) -> None:
    publication = relay.publish(AUDIO)
    with relay.subscribe(AUDIO, rendezvous_s=0) as subscription:
        publication.write(b"last", timestamp_us=0)
        publication.close()
        assert [item.payload async for item in subscription] == [b"last"]
        assert subscription.why == "TRACK_ENDED: the track has ended"


async def test_nobody_to_wait_for(autojump_clock: MockClock, relay: Relay) -> None:
    with relay.subscribe(AUDIO, rendezvous_s=0) as subscription:
        assert [item async for item in subscription] == []
        assert subscription.why == "DOES_NOT_EXIST: nobody publishes it"


async def test_a_rendezvous_has_an_end(autojump_clock: MockClock, relay: Relay) -> None:
    start = trio.current_time()
    with relay.subscribe(AUDIO, rendezvous_s=3) as subscription:
        assert [item async for item in subscription] == []
        assert subscription.why == "TIMEOUT: no publisher came in time"
    assert trio.current_time() - start == pytest.approx(3)


async def test_a_rendezvous_in_time(autojump_clock: MockClock, relay: Relay) -> None:
    with relay.subscribe(AUDIO, rendezvous_s=3) as subscription:
        await trio.sleep(2)
        publication = relay.publish(AUDIO)
        await trio.sleep(2)
        publication.write(b"it", timestamp_us=0)
        assert await _payloads(subscription) == [b"it"]
        publication.close()


async def test_a_name_is_published_once(autojump_clock: MockClock, relay: Relay) -> None:
    publication = relay.publish(AUDIO)
    with pytest.raises(NameTaken):
        relay.publish(AUDIO)
    publication.close()
    publication.close()
    relay.publish(AUDIO).close()


async def test_nothing_is_written_after_the_end(autojump_clock: MockClock, relay: Relay) -> None:
    with relay.subscribe(AUDIO) as subscription:
        publication = relay.publish(AUDIO)
        publication.close()
        publication.write(b"late", timestamp_us=0)
        assert await _payloads(subscription) == []


async def test_video_has_a_group_from_each_keyframe(autojump_clock: MockClock, relay: Relay) -> None:
    video = relay.publish(AUDIO, kind="video")
    with relay.subscribe(AUDIO) as subscription:
        for keyframe in (True, False, False, True, False):
            video.write(b"frame", timestamp_us=0, keyframe=keyframe)
        items = (await subscription.receive()).items
        first = items[0].group
        assert [(item.group - first, item.object) for item in items] == [
            (0, 0),
            (0, 1),
            (0, 2),
            (1, 0),
            (1, 1),
        ]
    video.close()


async def test_text_is_one_group(autojump_clock: MockClock, relay: Relay) -> None:
    text = relay.publish(AUDIO, kind="text")
    with relay.subscribe(AUDIO) as subscription:
        for word in (b"a", b"b", b"c"):
            text.write(word, timestamp_us=0)
        items = (await subscription.receive()).items
        assert [(item.object, item.payload) for item in items] == [(0, b"a"), (1, b"b"), (2, b"c")]
        assert len({item.group for item in items}) == 1
    text.close()


@pytest.mark.parametrize(
    ("start", "heard"),
    [
        (None, [b"2", b"3", b"4", b"5"]),
        (Filter(FilterType.LARGEST_OBJECT), [b"2", b"3", b"4", b"5"]),
        (Filter(FilterType.NEXT_GROUP), [b"3", b"4", b"5"]),
        (Filter(FilterType.ABSOLUTE_START, Location(1, 1)), [b"4", b"5"]),
        (Filter(FilterType.ABSOLUTE_RANGE, Location(0, 0), 0), [b"2"]),
    ],
)
async def test_where_a_subscription_begins(
    autojump_clock: MockClock, relay: Relay, start: Filter | None, heard: list[bytes]
) -> None:
    video = relay.publish(AUDIO, kind="video")
    video.write(b"0", timestamp_us=0, keyframe=True)
    video.write(b"1", timestamp_us=0)
    with relay.subscribe(AUDIO, start=start) as subscription:
        video.write(b"2", timestamp_us=0)
        for number in (3, 4, 5):
            video.write(b"%d" % number, timestamp_us=0, keyframe=number == 3)
        assert await _payloads(subscription) == heard
    video.close()


async def test_the_timestamp_in_microseconds(autojump_clock: MockClock, relay: Relay) -> None:
    publication = relay.publish(AUDIO, properties=Properties.of((0x04, 1000)))
    with relay.subscribe(AUDIO) as subscription:
        assert subscription.properties.number(0x04) == 1000
        publication.write(b"", timestamp_us=1_234_567)
        assert (await subscription.__anext__()).timestamp_us == 1_234_567
    publication.close()


async def test_a_capability_is_found_wherever_it_is(autojump_clock: MockClock, relay: Relay) -> None:
    here = relay.publish(AUDIO, capability="voice/opus")
    with relay.subscribe_capability((b"voice",), "voice/opus") as tracks:
        there = relay.publish(OTHER, capability="voice/opus")
        relay.publish(FullTrackName.parse("voice/a3/uplink", "audio"), capability="voice/pcm16").close()
        relay.publish(FullTrackName.parse("video/a1", "audio"), capability="voice/opus").close()
        one, two = await tracks.__anext__(), await tracks.__anext__()
        assert (one.name, two.name) == (AUDIO, OTHER)
        there.write(b"there", timestamp_us=0)
        here.write(b"here", timestamp_us=0)
        assert (await _payloads(one), await _payloads(two)) == ([b"here"], [b"there"])
        here.close()
        assert [item async for item in one] == []
        one.close()
        relay.publish(AUDIO, capability="voice/opus").close()  # taken by nobody
    two.close()
    there.close()


async def test_too_many_tracks_are_refused(
    autojump_clock: MockClock, relay: Relay, limits: RelayLimits
) -> None:
    names = [FullTrackName((b"n",), b"%d" % number) for number in range(limits.tracks + 1)]
    publications = [relay.publish(name) for name in names[:-1]]
    with pytest.raises(RequestRefused, match="EXCESSIVE_LOAD: too many tracks"):
        relay.publish(names[-1])
    with pytest.raises(RequestRefused):
        relay.subscribe(names[-1])
    for publication in publications:
        publication.close()


async def test_the_status(autojump_clock: MockClock, relay: Relay) -> None:
    publication = relay.publish(AUDIO)
    with relay.subscribe(AUDIO), relay.subscribe(OTHER):
        publication.write(b"x", timestamp_us=0)
        snapshot = relay.snapshot()
        assert {key: snapshot[key] for key in ("tracks", "live", "subscribers", "waiting")} == {
            "tracks": 2,
            "live": 1,
            "subscribers": 1,
            "waiting": 1,
        }
        assert snapshot["cached_groups"] == 1
    publication.close()
