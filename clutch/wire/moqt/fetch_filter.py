"""FETCH as draft 20 has it: a track, and what part of it as a location filter."""

from __future__ import annotations

from typing import Any

import attrs

from clutch.wire.moqt.errors import LocalProtocolError
from clutch.wire.moqt.messages import Fetch, JoiningFetch, StandaloneFetch
from clutch.wire.moqt.names import FullTrackName, Location
from clutch.wire.moqt.parameters import Filter, FilterType, Parameters
from clutch.wire.moqt.varint import VI64

FIRST = Location(0, 0)
WHATEVER_IS_LAST = Location(VI64.maximum, 0)
"""The end of a FETCH that names none; the publisher's largest object comes before it."""


def join_fetch(request_id: int, name: FullTrackName, parameters: Parameters) -> Fetch:
    """The message, whose range is the filter among these parameters."""
    end = WHATEVER_IS_LAST
    match parameters.filter:
        case None:
            chosen = StandaloneFetch(name, FIRST, end)
        case Filter(type=FilterType.ABSOLUTE_START, start=Location() as start):
            chosen = StandaloneFetch(name, start, end)
        case Filter(start=Location() as start, end_group=int(group), end_object=last):
            behind = 0 if last is None or last == VI64.maximum else last + 1
            chosen = StandaloneFetch(name, start, Location(group, behind))
        case Filter(groups=groups):
            # From the next group or object on: nothing, but that is for the publisher to say.
            chosen = StandaloneFetch(name, FIRST, end, groups or 0)
    return Fetch(request_id, chosen, attrs.evolve(parameters, filter=None))


def split_fetch(message: Fetch) -> dict[str, Any]:
    """The fields to write. Raises LocalProtocolError for a joining fetch."""
    chosen = message.range
    if isinstance(chosen, JoiningFetch):
        raise LocalProtocolError("draft 20 has no joining fetch")
    start, end = chosen.start, chosen.end
    filter_: Filter | None
    if chosen.groups == 0:
        filter_ = Filter(FilterType.NEXT_GROUP)
    elif chosen.groups is not None:
        filter_ = Filter(FilterType.RELATIVE_START, groups=chosen.groups)
    elif end != WHATEVER_IS_LAST:
        filter_ = Filter(FilterType.ABSOLUTE_RANGE, start, end.group, end.object - 1 if end.object else None)
    else:
        filter_ = None if start == FIRST else Filter(FilterType.ABSOLUTE_START, start)
    return {
        "request_id": message.request_id,
        "name": chosen.name,
        "parameters": attrs.evolve(message.parameters, filter=filter_),
    }
