"""Properties of tracks and objects (draft 18 sections 2.5 and 12): end to end, kept whether known or not."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import TypeAlias

import attrs

Property: TypeAlias = tuple[int, int | bytes]
"""Type and value: an int if the type is even, bytes if it is odd."""


class PropertyType(IntEnum):
    """Properties that MoQT itself defines."""

    OBJECT_DELIVERY_TIMEOUT = 0x02
    MAX_CACHE_DURATION = 0x04
    SUBGROUP_DELIVERY_TIMEOUT = 0x06
    IMMUTABLE_PROPERTIES = 0x0B
    DEFAULT_PUBLISHER_PRIORITY = 0x0E
    DEFAULT_PUBLISHER_GROUP_ORDER = 0x22
    DYNAMIC_GROUPS = 0x30
    PRIOR_GROUP_ID_GAP = 0x3C
    PRIOR_OBJECT_ID_GAP = 0x3E


@attrs.frozen
class Properties:
    """A sequence of properties in ascending order of their types."""

    items: tuple[Property, ...] = ()
    immutable: tuple[Property, ...] = ()
    """What is inside IMMUTABLE_PROPERTIES, already read; the bytes to pass on are in `items`."""
    malformed: bool = False
    """IMMUTABLE_PROPERTIES cannot be read, is there twice, or holds itself: a malformed track (2.4.2)."""

    @classmethod
    def of(cls, *items: Property) -> Properties:
        """From properties in any order."""
        return cls(tuple(sorted(items, key=lambda item: item[0])))

    def __bool__(self) -> bool:
        return bool(self.items)

    def __iter__(self) -> Iterator[Property]:
        return iter(self.items)

    def number(self, type: int) -> int | None:  # noqa: A002
        """The value of an even type, wherever it stands; None if it is not there."""
        value = self._find(type)
        return value if isinstance(value, int) else None

    def data(self, type: int) -> bytes | None:  # noqa: A002
        """The value of an odd type, wherever it stands; None if it is not there."""
        value = self._find(type)
        return value if isinstance(value, bytes) else None

    def _find(self, wanted: int) -> int | bytes | None:
        for items in (self.items, self.immutable):
            for type_, value in items:
                if type_ == wanted:
                    return value
        return None


NONE = Properties()
"""No property at all."""
