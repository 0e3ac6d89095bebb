"""Objects on FETCH streams (draft 18 section 11.4.4), which say only what differs from the object before."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from clutch.wire.moqt.assemble import Assembler
from clutch.wire.moqt.data import FETCH_HEADER, MAX_OBJECT, bounded, put_byte
from clutch.wire.moqt.drafts import Draft
from clutch.wire.moqt.errors import LocalProtocolError, violation
from clutch.wire.moqt.properties import NONE, Properties
from clutch.wire.moqt.property_codec import put_properties, read_object_properties

END_OF_NONEXISTENT = 0x8C
END_OF_UNKNOWN = 0x10C
END_OF_TIMED_OUT = 0x20C
"""Draft 20's; to whoever fetches it is as good as unknown."""

# Serialization flags.
_SUBGROUP = 0x03
_PRIOR_SUBGROUP = 0x01
_NEXT_SUBGROUP = 0x02
_OBJECT = 0x04
_GROUP = 0x08
_PRIORITY = 0x10
_PROPERTIES = 0x20
_DATAGRAM = 0x40


class FetchObject(NamedTuple):
    """An object on a FETCH stream; never one with a status."""

    group: int
    id: int
    payload: bytes
    subgroup: int | None = 0
    """None: it was published as a datagram."""
    priority: int = 128
    """Publisher priority, 0 (first) to 255."""
    properties: Properties = NONE


class EndOfRange(NamedTuple):
    """There is nothing between the item before and this location, inclusive."""

    group: int
    object: int
    unknown: bool
    """Nothing is known about these objects; False: they do not exist."""


class _Prior(NamedTuple):
    group: int
    id: int
    subgroup: int | None
    """None: none to refer to."""
    priority: int | None


_NOTHING = _Prior(0, 0, None, None)


class FetchParser:
    """Reads a FETCH stream; holds at most one object that is not complete, of at most `limit` bytes."""

    __slots__ = ("_descending", "_draft", "_limit", "_order", "_prior", "_tail", "request_id")

    request_id: int | None
    """Of the FETCH; None until it was read."""

    def __init__(self, draft: Draft, descending: Callable[[int], bool], limit: int = MAX_OBJECT) -> None:
        """`descending`: whether the FETCH of this request ID asked for the last group first."""
        self.request_id = None
        self._draft = draft
        self._order = descending
        self._descending = False
        self._limit = limit
        self._prior: _Prior | None = None
        self._tail = Assembler()

    @property
    def partial(self) -> bool:
        """An object (or the header) has begun and not ended: a FIN now is an error."""
        return bool(self._tail) or self.request_id is None

    def feed(self, data: bytes) -> list[FetchObject | EndOfRange]:
        """What is complete now. After a RemoteProtocolError the parser is done for."""
        data = self._tail.join(data)
        if not data:
            return []
        items: list[FetchObject | EndOfRange] = []
        offset = 0
        try:
            if self.request_id is None:
                offset = self._read_header(data)
            while offset < len(data):
                offset = self._read_item(data, offset, items)
        except IndexError as error:
            self._tail.keep(data, offset, error)
        return items

    def _read_header(self, data: bytes) -> int:
        get = self._draft.integer.get
        type_, offset = get(data, 0)
        if type_ != FETCH_HEADER:
            raise violation(f"fetch header of type {type_:#x}")
        request_id, offset = get(data, offset)
        self._descending = self._order(request_id)
        self.request_id = request_id
        return offset

    def _read_item(self, data: bytes, offset: int, items: list[FetchObject | EndOfRange]) -> int:
        get = self._draft.integer.get
        flags, offset = get(data, offset)
        if flags in (END_OF_NONEXISTENT, END_OF_UNKNOWN) or (
            flags == END_OF_TIMED_OUT and self._draft.number >= 20
        ):
            # "The Group ID and Object ID fields are present": not their deltas, which could not name the
            # group of the object before.
            group, offset = get(data, offset)
            id_, offset = get(data, offset)
            before = self._prior or _NOTHING
            self._prior = before._replace(group=group, id=id_)
            items.append(EndOfRange(group, id_, flags != END_OF_NONEXISTENT))
            return offset
        if flags >= 0x80:
            raise violation(f"serialization flags {flags:#x} are unknown")
        fields = [0, 0, 0]  # group, subgroup, object
        for index, there in enumerate((flags & _GROUP, flags & _SUBGROUP == _SUBGROUP, flags & _OBJECT)):
            if there and not (index == 1 and flags & _DATAGRAM):
                fields[index], offset = get(data, offset)
        group, id_ = self._location(flags, fields[0], fields[2])
        subgroup = self._subgroup(flags, fields[1])
        if flags & _PRIORITY:
            priority = data[offset]
            offset += 1
        elif self._prior is None or self._prior.priority is None:
            raise violation("first object of a fetch without a priority")
        else:
            priority = self._prior.priority
        properties = NONE
        start = end = offset
        if flags & _PROPERTIES:
            size, start = get(data, offset)
            end = bounded(start, size, self._limit, "properties")
            if end > len(data):
                raise IndexError(end)
        length, offset = get(data, end)
        stop = bounded(offset, length, self._limit, "payload")
        if stop > len(data):
            raise IndexError(stop)
        properties = read_object_properties(data[start:end], self._draft.integer)
        self._prior = _Prior(group, id_, subgroup, priority)
        items.append(FetchObject(group, id_, data[offset:stop], subgroup, priority, properties))
        return stop

    def _location(self, flags: int, group: int, object_: int) -> tuple[int, int]:
        prior = self._prior
        if prior is None:
            if not flags & _GROUP or not flags & _OBJECT:
                raise violation("first object of a fetch without group or object ID")
            return group, object_
        deltas = self._draft.request_streams
        if not flags & _GROUP:
            group = prior.group
        elif deltas:
            group = prior.group - group - 1 if self._descending else prior.group + group + 1
        if not flags & _OBJECT:
            object_ = prior.id + 1
        elif deltas and not flags & _GROUP:
            object_ += prior.id
        if not 0 <= group <= self._draft.integer.maximum or object_ > self._draft.integer.maximum:
            raise violation("location of a fetched object overflows")
        return group, object_

    def _subgroup(self, flags: int, subgroup: int) -> int | None:
        if flags & _DATAGRAM:
            return None
        mode = flags & _SUBGROUP
        if mode in (_PRIOR_SUBGROUP, _NEXT_SUBGROUP):
            if self._prior is None or self._prior.subgroup is None:
                raise violation("subgroup of an object before that has none")
            subgroup = self._prior.subgroup + (mode == _NEXT_SUBGROUP)
            if subgroup > self._draft.integer.maximum:
                raise violation("subgroup ID overflows")
        return subgroup


class FetchWriter:
    """Writes a FETCH stream; what it returns must go out in order."""

    __slots__ = ("_descending", "_draft", "_prior")

    def __init__(self, draft: Draft, *, descending: bool = False) -> None:
        """`descending`: the group order that FETCH asked for."""
        self._draft = draft
        self._descending = descending
        self._prior: _Prior | None = None

    def header(self, request_id: int) -> bytes:
        """The first bytes of the stream."""
        return bytes((FETCH_HEADER,)) + self._draft.integer.put(request_id)

    def encode(self, item: FetchObject) -> bytes:
        """An object. Raises LocalProtocolError for one that is out of order."""
        put = self._draft.integer.put
        prior = self._prior
        flags, where = self._where(item)
        subgroup = b""
        if item.subgroup is None:
            flags |= _DATAGRAM
        elif prior is not None and item.subgroup == prior.subgroup:
            flags |= _PRIOR_SUBGROUP
        elif item.subgroup:
            flags |= _SUBGROUP
            subgroup = put(item.subgroup)
        priority = b""
        if prior is None or prior.priority != item.priority:
            flags |= _PRIORITY
            priority = put_byte(item.priority)
        properties = b""
        if item.properties:
            flags |= _PROPERTIES
            properties = put_properties(item.properties, self._draft.integer)
        group, object_ = where
        self._prior = _Prior(item.group, item.id, item.subgroup, item.priority)
        size = put(len(item.payload))
        return b"".join((put(flags), group, subgroup, object_, priority, properties, size, item.payload))

    def end_of_range(self, item: EndOfRange) -> bytes:
        """The end of a range without objects."""
        put = self._draft.integer.put
        self._prior = (self._prior or _NOTHING)._replace(group=item.group, id=item.object)
        flags = END_OF_UNKNOWN if item.unknown else END_OF_NONEXISTENT
        return b"".join((put(flags), put(item.group), put(item.object)))

    def _where(self, item: FetchObject) -> tuple[int, tuple[bytes, bytes]]:
        put = self._draft.integer.put
        prior = self._prior
        if prior is None or (prior.group != item.group and not self._draft.request_streams):
            return _GROUP | _OBJECT, (put(item.group), put(item.id))
        if prior.group != item.group:
            step = prior.group - item.group if self._descending else item.group - prior.group
            if step < 1:
                raise LocalProtocolError(f"group {item.group} behind {prior.group}")
            return _GROUP | _OBJECT, (put(step - 1), put(item.id))
        if item.id <= prior.id:
            raise LocalProtocolError(f"object {item.id} behind {prior.id}")
        if item.id == prior.id + 1:
            return 0, (b"", b"")
        return _OBJECT, (b"", put(item.id - prior.id if self._draft.request_streams else item.id))
