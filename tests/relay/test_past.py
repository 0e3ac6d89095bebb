"""FETCH: what of a range is here, and what is not known."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import trio
from trio.testing import MockClock

from clutch.relay import Relay, RequestRefused
from clutch.relay.flow import Flow
from clutch.relay.past import LAST_OBJECT, PastRange, fetch_range, objects_backwards, objects_of
from clutch.relay.track import Track
from clutch.wire.moqt.data import Object, Status
from clutch.wire.moqt.fetch import EndOfRange, FetchObject
from clutch.wire.moqt.names import Location
from clutch.wire.moqt.properties import Properties
from tests.relay.conftest import AUDIO


def _group(track: Track, number: int, *ids: int, finish: bool = True, ends: bool = True) -> Flow:
    flow = track.begin(Flow(number, 0, trio.current_time(), closes_group=ends))
    track.append(flow, [Object(id_, b"%d.%d" % (number, id_)) for id_ in ids], finish=finish)
    return flow


def _text(items: Iterable[FetchObject | EndOfRange]) -> str:
    """``0.1`` is an object, ``?3.4`` unknown until there."""
    words = []
    for item in items:
        match item:
            case FetchObject(payload=payload):
                words.append(payload.decode())
            case EndOfRange(group, number):
                words.append(f"?{group}.{'*' if number == LAST_OBJECT else number}")
    return " ".join(words)


def _ask(track: Track, start: tuple[int, int], end: tuple[int, int]) -> str:
    return _text(objects_of(track, fetch_range(track, PastRange(AUDIO, Location(*start), Location(*end)))))


@pytest.fixture
def track(relay: Relay) -> Iterable[Track]:
    """Two groups of two objects, one that broke, one that is missing, and one under way."""
    publication = relay.publish(AUDIO)
    track = relay.router.tracks[AUDIO]
    _group(track, 5, 0, 1)
    _group(track, 6, 0, 2)
    track.append(_group(track, 7, 0, 3, finish=False), [], broken=1)
    _group(track, 9, 0, 1, finish=False)
    yield track
    publication.close()


@pytest.mark.parametrize(
    ("start", "end", "answer"),
    [
        ((5, 0), (6, 0), "5.0 5.1 6.0 6.2"),
        ((5, 1), (6, 1), "5.1 6.0"),
        ((3, 0), (5, 1), "?4.* 5.0"),
        ((6, 1), (6, 2), ""),  # 6.1 does not exist
        ((7, 0), (7, 0), "7.0 ?7.2 7.3 ?7.*"),
        ((7, 3), (9, 1), "7.3 ?8.* 9.0"),
        ((9, 0), (20, 0), "9.0 9.1"),
        ((8, 0), (8, 0), "?8.*"),
        ((0, 0), (1, 5), "?1.4"),
    ],
)
async def test_ascending(
    autojump_clock: MockClock, track: Track, start: tuple[int, int], end: tuple[int, int], answer: str
) -> None:
    assert _ask(track, start, end) == answer


async def test_descending_stops_at_what_is_not_known(autojump_clock: MockClock, track: Track) -> None:
    wanted = fetch_range(track, PastRange(AUDIO, Location(5, 0), Location(6, 0)))
    assert _text(objects_backwards(track, wanted)) == "6.0 6.2 5.0 5.1"
    wanted = fetch_range(track, PastRange(AUDIO, Location(4, 0), Location(6, 0)))
    assert _text(objects_backwards(track, wanted)) == "6.0 6.2 5.0 5.1 ?4.*"
    wanted = fetch_range(track, PastRange(AUDIO, Location(5, 0), Location(9, 0)))
    assert _text(objects_backwards(track, wanted)) == "9.0 9.1 ?8.*"


@pytest.mark.parametrize(("start", "end"), [((9, 2), (20, 0)), ((6, 0), (5, 1)), ((6, 2), (6, 1))])
async def test_ranges_that_cannot_be(
    autojump_clock: MockClock, track: Track, start: tuple[int, int], end: tuple[int, int]
) -> None:
    with pytest.raises(RequestRefused, match="INVALID_RANGE"):
        fetch_range(track, PastRange(AUDIO, Location(*start), Location(*end)))


async def test_the_end_is_what_was_asked_or_what_there_is(autojump_clock: MockClock, track: Track) -> None:
    assert fetch_range(track, PastRange(AUDIO, Location(5, 0), Location(6, 0))).end == (6, 0)
    assert fetch_range(track, PastRange(AUDIO, Location(5, 0), Location(9, 0))).end == (9, 2)
    assert not fetch_range(track, PastRange(AUDIO, Location(5, 0), Location(9, 0))).end_of_track


async def test_the_end_of_the_track(autojump_clock: MockClock, relay: Relay) -> None:
    publication = relay.publish(AUDIO, properties=Properties.of((0x0E, 7)))
    track = relay.router.tracks[AUDIO]
    flow = _group(track, 0, 0, finish=False)
    with pytest.raises(RequestRefused):
        fetch_range(track, PastRange(AUDIO, Location(1, 0), Location(2, 0)))
    track.append(flow, [Object(1, status=Status.END_OF_TRACK)], finish=True)
    wanted = fetch_range(track, PastRange(AUDIO, Location(0, 0), Location(1, 0)))
    assert (wanted.end, wanted.end_of_track) == ((0, 2), True)
    (only,) = objects_of(track, wanted)
    assert only == FetchObject(0, 0, b"0.0", 0, 7)
    publication.close()


async def test_a_datagram_has_no_subgroup(autojump_clock: MockClock, relay: Relay) -> None:
    publication = relay.publish(AUDIO)
    track = relay.router.tracks[AUDIO]
    flow = track.begin(Flow(0, 0, trio.current_time(), 3, closes_group=True, datagram=True))
    track.append(flow, [Object(0, b"x")], finish=True)
    assert list(objects_of(track, fetch_range(track, PastRange(AUDIO, Location(0, 0), Location(0, 0))))) == [
        FetchObject(0, 0, b"x", None, 3)
    ]
    publication.close()
