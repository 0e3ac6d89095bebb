"""FETCH from the cache: which objects of a range are here, and which are not known (section 10.12)."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from clutch.relay.cache import CachedGroup
from clutch.relay.errors import RequestRefused
from clutch.relay.flow import Flow
from clutch.relay.track import Track
from clutch.wire.moqt.codes import RequestError
from clutch.wire.moqt.data import Object
from clutch.wire.moqt.fetch import EndOfRange, FetchObject
from clutch.wire.moqt.names import Location
from clutch.wire.moqt.properties import PropertyType

LAST_OBJECT = (1 << 62) - 1
"""The largest ID that every draft can write."""
_DEFAULT_PRIORITY = 128


@attrs.frozen
class Range:
    """What a FETCH asks for, cut to what there is."""

    start: Location
    last: Location
    """Inclusive."""
    end: Location
    """As FETCH_OK says it: behind the last object; object 0: the whole group."""
    end_of_track: bool = False


def fetch_range(track: Track, start: Location, end: Location) -> Range:
    """The range that is answered for one that is asked. `end` as in FETCH: exclusive, object 0: all the group.

    Raises `RequestRefused` with INVALID_RANGE.
    """
    largest = track.largest
    if largest is None or start > largest:
        raise RequestRefused(RequestError.INVALID_RANGE, "there is nothing there yet")
    last = Location(end.group, end.object - 1 if end.object else LAST_OBJECT)
    if last < start:
        raise RequestRefused(RequestError.INVALID_RANGE, "the end is before the start")
    ended = track.final is not None and last >= track.final
    if last > largest:
        return Range(start, largest, Location(largest.group, largest.object + 1), ended)
    return Range(start, last, end, ended)


def objects_of(
    track: Track, wanted: Range, *, descending: bool = False
) -> Iterator[FetchObject | EndOfRange]:
    """The objects of a range that are here, group by group, and where something is not known.

    What is not said to be unknown does not exist. In descending order unknown groups cannot be told from those
    that do not exist: they are left out.
    """
    track.cache.expire()
    groups = sorted(
        number for number in track.cache.groups if wanted.start.group <= number <= wanted.last.group
    )
    priority = track.properties.number(PropertyType.DEFAULT_PUBLISHER_PRIORITY)
    default = _DEFAULT_PRIORITY if priority is None else priority
    if descending:
        for number in reversed(groups):
            for flow, item in _objects(track.cache.groups[number], wanted):
                yield _fetched(flow, item, default)
        return
    known = wanted.start  # everything before this location is known
    for number in groups:
        group = track.cache.groups.get(number)
        if group is None:
            continue  # forgotten while the fetch was under way
        whole = group.complete or (number < wanted.last.group and group.settled)
        for flow, item in _objects(group, wanted):
            here = Location(number, item.id)
            if here > known and not (whole and known.group == number):
                before = item.id - 1 if item.id else LAST_OBJECT
                yield EndOfRange(number if item.id else number - 1, before, unknown=True)
            yield _fetched(flow, item, default)
            known = Location(number, item.id + 1)
        if whole:
            known = Location(number + 1, 0)
    if known <= wanted.last:
        yield EndOfRange(*wanted.last, unknown=True)


def _objects(group: CachedGroup, wanted: Range) -> list[tuple[Flow, Object]]:
    found = {
        item.id: (flow, item)
        for flow in group.flows
        for item in flow.objects
        if not item.status and wanted.start <= (group.number, item.id) <= wanted.last
    }
    return [found[number] for number in sorted(found)]


def _fetched(flow: Flow, item: Object, default_priority: int) -> FetchObject:
    return FetchObject(
        flow.group,
        item.id,
        item.payload,
        None if flow.datagram else flow.subgroup,
        default_priority if flow.priority is None else flow.priority,
        item.properties,
    )
