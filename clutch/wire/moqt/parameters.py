"""Message parameters (draft 18 section 10.2): what one hop asks of the next, typed. None means left out."""

from __future__ import annotations

from enum import IntEnum

import attrs

from clutch.wire.moqt.names import Location, Namespace


class AliasType(IntEnum):
    """What a token says about its alias (section 10.2.2)."""

    DELETE = 0x0
    REGISTER = 0x1
    USE_ALIAS = 0x2
    USE_VALUE = 0x3


@attrs.frozen(repr=False)
class Token:
    """An authorization token, or a reference to one. Its repr keeps the value to itself."""

    alias_type: AliasType = AliasType.USE_VALUE
    alias: int | None = None
    """Of DELETE, REGISTER and USE_ALIAS."""
    type: int | None = None
    """Of REGISTER and USE_VALUE; 0: agreed on out of band."""
    value: bytes | None = None
    """Of REGISTER and USE_VALUE."""

    @classmethod
    def of(cls, value: bytes, *, type: int = 0) -> Token:  # noqa: A002
        """A token by value."""
        return cls(AliasType.USE_VALUE, None, type, value)

    def __repr__(self) -> str:
        size = "" if self.value is None else f", {len(self.value)} bytes"
        return f"Token({self.alias_type.name}, alias={self.alias}, type={self.type}{size})"


class FilterType(IntEnum):
    """Where a subscription starts (section 5.1.2)."""

    NEXT_GROUP = 0x1
    LARGEST_OBJECT = 0x2
    ABSOLUTE_START = 0x3
    ABSOLUTE_RANGE = 0x4
    RELATIVE_START = -1
    """Draft 20 only, which numbers no types: so many groups before the next one."""


@attrs.frozen
class Filter:
    """Which objects a subscriber wants, by location."""

    type: FilterType
    start: Location | None = None
    """Of the absolute types."""
    end_group: int | None = None
    """Last group, inclusive, of ABSOLUTE_RANGE; at or after the start's."""
    end_object: int | None = None
    """Draft 20 only: last object, inclusive, of the last group; None: all of it."""
    groups: int | None = None
    """Of RELATIVE_START; 1: from the current group on."""


@attrs.frozen
class RangeFilter:
    """One of draft 20's filters by subgroup, object ID, priority or property.

    The value is not read: nothing here filters by ranges, and no MAX_FILTER_RANGES says otherwise.
    """

    type: int
    value: bytes


class GroupOrder(IntEnum):
    """Which group is sent first when several wait."""

    ASCENDING = 0x1
    DESCENDING = 0x2


@attrs.frozen
class Parameters:
    """All message parameters. Which message may carry which, and in which draft, the codec knows."""

    delivery_timeout_ms: int | None = None
    """OBJECT_DELIVERY_TIMEOUT (DELIVERY_TIMEOUT in draft 16)."""
    authorization: tuple[Token, ...] = ()
    rendezvous_timeout_ms: int | None = None
    subgroup_delivery_timeout_ms: int | None = None
    expires_ms: int | None = None
    """0, like None: no known expiry."""
    largest: Location | None = None
    """LARGEST_OBJECT: None if nothing was published yet."""
    fill_timeout_ms: int | None = None
    forward: bool | None = None
    """None means True, and in REQUEST_UPDATE unchanged."""
    subscriber_priority: int | None = None
    """0 (first) to 255; None means 128."""
    filter: Filter | None = None
    """None: everything."""
    group_order: GroupOrder | None = None
    new_group_request: int | None = None
    """Largest known group + 1, or 0 if none is known."""
    prefix: Namespace | None = None
    """TRACK_NAMESPACE_PREFIX, in the update of a namespace subscription."""
    fill: bytes | None = None
    """FILL_PARAMETERS of draft 20, unread: a subscriber wants the past on a fetch stream of its own."""
    range_filters: tuple[RangeFilter, ...] = ()
    """Of draft 20."""
    include_properties: bool | None = None
    """Of draft 20; None means True: answers carry the track's properties."""


NONE = Parameters()
"""No parameter at all."""
