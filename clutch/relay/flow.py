"""What comes of a track: subgroups and datagrams on their way through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs

from clutch.wire.moqt.data import (
    Object,
    ObjectDatagram,
    SubgroupHeader,
    encode_datagram,
    encode_object,
    encode_subgroup_header,
)
from clutch.wire.moqt.drafts import Draft
from clutch.wire.moqt.names import Location
from clutch.wire.moqt.parameters import Filter, FilterType

BEGINNING = Location(0, 0)
OBJECT_OVERHEAD_BYTES: Final = 512
"""What an object costs in memory besides its payload, about."""


DEFAULT_PRIORITY: Final = 128
_ORDERS = 1 << 15


def rank(subscriber: int, publisher: int, group: int = 0, *, newest_first: bool = False) -> int:
    """For `QuicStream.prioritise` (section 7.2): by both priorities, then by the group order.

    Whatever is not objects has smaller numbers. Of equal ones the older stream is first, so ascending groups
    need none of their own.
    """
    order = _ORDERS - 1 - group % _ORDERS if newest_first else 0
    return ((1 + subscriber) << 8 | publisher) * _ORDERS + order


@attrs.define(eq=False)
class Flow:
    """One subgroup, or one datagram: the objects that came, in order, and whether more will."""

    group: int
    subgroup: int
    """Of a datagram, the object."""
    arrived: float
    """When the first object came, in Trio's time."""
    priority: int | None = None
    """The publisher's; None: the track's."""
    first: bool = True
    """It begins with the first object that the subgroup ever had."""
    closes_group: bool = False
    """It has the last object of its group, if it finishes."""
    properties: bool = True
    """Objects may have properties."""
    datagram: bool = False
    objects: list[Object] = attrs.field(factory=list)
    """Without those that were cut off at the front, see `Cache`."""
    feeds: int = 1
    """How many publishers send it now."""
    finished: bool = False
    """Nothing more comes, and nothing is missing at the end."""
    broken: int | None = None
    """A `ResetCode`: nothing more comes, though there may be more."""

    @property
    def over(self) -> bool:
        """Nothing more comes."""
        return self.finished or self.broken is not None

    @property
    def last(self) -> Location | None:
        """The newest object."""
        return Location(self.group, self.objects[-1].id) if self.objects else None


@attrs.define(eq=False)
class News:
    """What a flow has to tell since the last time, for all who listen: written once for each draft."""

    flow: Flow
    alias: int
    objects: Sequence[Object]
    previous: int | None
    """The object before them; None: they are the first ones of the flow."""
    _written: dict[Draft, bytes] = attrs.field(factory=dict)

    def written(self, draft: Draft) -> bytes:
        """For a stream (or datagram) that has had all before: with the header if there was nothing before."""
        data = self._written.get(draft)
        if data is None:
            data = self._written[draft] = self._write(draft)
        return data

    def _write(self, draft: Draft) -> bytes:
        if self.flow.datagram:
            return encode_datagram(draft, _datagram(self.flow, self.alias, self.objects[0]))
        if self.previous is None:
            return opening(draft, self.flow, self.alias, self.objects, first=self.flow.first)
        return _objects(draft, _header(self.flow, self.alias, False), self.objects, self.previous)


def opening(draft: Draft, flow: Flow, alias: int, objects: Sequence[Object], *, first: bool) -> bytes:
    """The bytes that begin a stream of a flow with these objects. `first`: as `Flow.first`."""
    header = _header(flow, alias, first)
    return encode_subgroup_header(draft, header) + _objects(draft, header, objects, None)


def _header(flow: Flow, alias: int, first: bool) -> SubgroupHeader:
    return SubgroupHeader(
        alias, flow.group, flow.subgroup, flow.priority, flow.properties, flow.closes_group, first
    )


def _objects(draft: Draft, header: SubgroupHeader, objects: Sequence[Object], previous: int | None) -> bytes:
    pieces = []
    for item in objects:
        pieces.append(encode_object(draft, header, item, previous))
        previous = item.id
    return b"".join(pieces)


def _datagram(flow: Flow, alias: int, item: Object) -> ObjectDatagram:
    return ObjectDatagram(
        alias,
        flow.group,
        item.id,
        item.payload,
        item.properties,
        item.status,
        flow.priority,
        flow.closes_group,
    )


@attrs.frozen
class Window:
    """Which part of what comes from now on a subscriber gets."""

    start: Location = BEGINNING
    end_group: int | None = None
    """The last one, inclusive."""

    @classmethod
    def of(cls, wanted: Filter | None, largest: Location | None) -> Window:
        """From a filter, now that this is the largest object of the track (section 5.1.2)."""
        match wanted:
            case Filter(FilterType.NEXT_GROUP):
                return cls(Location(largest.group + 1, 0) if largest else BEGINNING)
            case Filter(FilterType.ABSOLUTE_START | FilterType.ABSOLUTE_RANGE, start, end) if start:
                return cls(start, end)
            case Filter(FilterType.LARGEST_OBJECT) if largest:
                return cls(Location(largest.group, largest.object + 1))
        return EVERYTHING

    def passes(self, group: int, number: int) -> bool:
        """Whether the subscriber gets this object."""
        return (group, number) >= self.start and (self.end_group is None or group <= self.end_group)


EVERYTHING = Window()
