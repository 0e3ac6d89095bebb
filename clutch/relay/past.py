"""FETCH from the cache: which objects of a range are here, and which are not known (section 10.12)."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from clutch.relay.cache import CachedGroup
from clutch.relay.errors import RequestRefused
from clutch.relay.flow import DEFAULT_PRIORITY, Flow
from clutch.relay.track import Track
from clutch.wire.moqt.codes import RequestError
from clutch.wire.moqt.data import Object
from clutch.wire.moqt.fetch import EndOfRange, FetchObject
from clutch.wire.moqt.names import FullTrackName, Location
from clutch.wire.moqt.properties import PropertyType

LAST_OBJECT = (1 << 62) - 1
"""The largest ID that every draft can write."""


@attrs.frozen
class Range:
    """What is answered to a FETCH: what it asks for, cut to what there is."""

    start: Location
    last: Location
    """Inclusive."""
    end: Location
    """As FETCH_OK says it: behind the last object; object 0: the whole group."""
    end_of_track: bool = False


@attrs.frozen
class PastRange:
    """What a FETCH asks for."""

    name: FullTrackName
    start: Location
    end: Location
    """Behind the last object; object 0: the whole group."""


def fetch_range(track: Track, asked: PastRange) -> Range:
    """The range that is answered for one that is asked. Raises `RequestRefused` with INVALID_RANGE."""
    start, end, largest = asked.start, asked.end, track.largest
    if largest is None or start > largest:
        raise RequestRefused(RequestError.INVALID_RANGE, "there is nothing there yet")
    last = Location(end.group, end.object - 1 if end.object else LAST_OBJECT)
    if last < start:
        raise RequestRefused(RequestError.INVALID_RANGE, "the end is before the start")
    ended = track.final is not None and last >= track.final
    if last > largest:
        return Range(start, largest, Location(largest.group, largest.object + 1), ended)
    return Range(start, last, end, ended)


def objects_of(track: Track, wanted: Range) -> Iterator[FetchObject | EndOfRange]:
    """The objects of a range that are here, group by group, and where something is not known.

    What is not said to be unknown does not exist.
    """
    track.cache.expire()
    last = wanted.last.group
    known = wanted.start  # nothing is to be said about what is before this
    for number in sorted(number for number in track.cache.groups if wanted.start.group <= number <= last):
        group = track.cache.groups.get(number)
        if group is None:
            continue  # forgotten since the fetch began
        if known < (number, 0):
            known = Location(number, 0)
            yield EndOfRange(number - 1, LAST_OBJECT, unknown=True)
        whole = _whole(track, group)
        for flow, item in _objects(group, wanted):
            if item.id > known.object and not whole:
                yield EndOfRange(number, item.id - 1, unknown=True)
            known = Location(number, item.id + 1)
            yield _fetched(track, flow, item)
        if whole:
            known = Location(number + 1, 0)
    if known <= wanted.last:
        yield EndOfRange(*wanted.last, unknown=True)


def is_known(track: Track, wanted: Range) -> bool:
    """Whether all of a range is here, or does not exist."""
    return not any(isinstance(item, EndOfRange) for item in objects_of(track, wanted))


def objects_backwards(track: Track, wanted: Range) -> Iterator[FetchObject | EndOfRange]:
    """The same with the last group first (GROUP_ORDER descending), up to the first that is not known.

    In this order nothing can be said to be unknown on the stream: the `EndOfRange` is not to be sent.
    """
    track.cache.expire()
    for number in range(wanted.last.group, wanted.start.group - 1, -1):
        group = track.cache.groups.get(number)
        if group is None or not (_whole(track, group) or number == wanted.last.group):
            yield EndOfRange(number, LAST_OBJECT, unknown=True)
            return
        for flow, item in _objects(group, wanted):
            yield _fetched(track, flow, item)


def _whole(track: Track, group: CachedGroup) -> bool:
    """What is missing in it does not exist; of groups that are over nothing more is expected."""
    largest = track.largest
    return group.complete or (group.settled and largest is not None and group.number < largest.group)


def _objects(group: CachedGroup, wanted: Range) -> list[tuple[Flow, Object]]:
    found = {
        item.id: (flow, item)
        for flow in group.flows.values()
        for item in flow.objects
        if not item.status and wanted.start <= (group.number, item.id) <= wanted.last
    }
    return [found[number] for number in sorted(found)]


def _fetched(track: Track, flow: Flow, item: Object) -> FetchObject:
    priority = flow.priority
    if priority is None:
        priority = track.properties.number(PropertyType.DEFAULT_PUBLISHER_PRIORITY)
    return FetchObject(
        flow.group,
        item.id,
        item.payload,
        None if flow.datagram else flow.subgroup,
        DEFAULT_PRIORITY if priority is None else priority,
        item.properties,
    )
