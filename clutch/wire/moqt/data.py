"""Objects on subgroup streams and in datagrams (draft 18 section 11): the bytes that a relay lives on.

Everything that exists once per object is a plain tuple, and is written by one join. FETCH streams: `fetch`.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from clutch.wire.moqt.assemble import Assembler
from clutch.wire.moqt.codes import SessionError
from clutch.wire.moqt.control import SETUP
from clutch.wire.moqt.drafts import Draft
from clutch.wire.moqt.errors import LocalProtocolError, RemoteProtocolError, violation
from clutch.wire.moqt.properties import NONE, Properties
from clutch.wire.moqt.property_codec import put_properties, read_object_properties

MAX_OBJECT = 1 << 20
"""Most bytes of an object's payload, and of its properties, unless the parser is told otherwise."""

PADDING_STREAM = 0x132B3E28
PADDING_DATAGRAM = 0x132B3E29
FETCH_HEADER = 0x5


class StreamKind(IntEnum):
    """What a unidirectional stream is for (section 3.4)."""

    CONTROL = 1
    SUBGROUP = 2
    FETCH = 3
    PADDING = 4


class Status(IntEnum):
    """Object status (section 11.2.1.1)."""

    NORMAL = 0x0
    END_OF_GROUP = 0x3
    END_OF_TRACK = 0x4


class SubgroupHeader(NamedTuple):
    """What a subgroup stream begins with."""

    track_alias: int
    group: int
    subgroup: int | None = 0
    """None: the ID of the first object on the stream."""
    priority: int | None = None
    """Publisher priority, 0 (first) to 255; None: the track's default."""
    properties: bool = False
    """Objects on this stream may have properties."""
    end_of_group: bool = False
    """If the stream ends with FIN, its last object is the last of the group."""
    first_object: bool = False
    """The stream begins with the first object that was ever published in the subgroup. Not in draft 16."""


class Object(NamedTuple):
    """An object on a subgroup stream; its header says the rest."""

    id: int
    payload: bytes = b""
    properties: Properties = NONE
    status: Status = Status.NORMAL
    """If not NORMAL there are neither payload nor properties."""


class ObjectDatagram(NamedTuple):
    """An object in a datagram."""

    track_alias: int
    group: int
    id: int
    payload: bytes = b""
    properties: Properties = NONE
    status: Status = Status.NORMAL
    priority: int | None = None
    """Publisher priority; None: the track's default."""
    end_of_group: bool = False
    """This is the last object of the group; only with NORMAL."""


def stream_kind(draft: Draft, data: bytes) -> StreamKind | None:
    """What the stream that begins with `data` is for; None if that cannot be said yet.

    Raises RemoteProtocolError for an unknown type. Whoever reads the stream gets the type again.
    """
    try:
        type_, _ = draft.integer.get(data, 0)
    except IndexError:
        return None
    if type_ == FETCH_HEADER:
        return StreamKind.FETCH
    if draft.request_streams:
        if type_ < 0x80 and type_ & 0x10:
            return StreamKind.SUBGROUP
        if type_ == SETUP:
            return StreamKind.CONTROL
        if type_ == PADDING_STREAM:
            return StreamKind.PADDING
    elif type_ < 0x40 and type_ & 0x10:
        return StreamKind.SUBGROUP
    raise violation(f"stream type {type_:#x} is unknown")


def encode_subgroup_header(draft: Draft, header: SubgroupHeader) -> bytes:
    """The first bytes of a subgroup stream."""
    alias, group, subgroup, priority, properties, end_of_group, first_object = header
    put = draft.integer.put
    type_ = 0x10
    if properties:
        type_ |= 0x01
    if subgroup is None:
        type_ |= 0x02
    elif subgroup:
        type_ |= 0x04
    if end_of_group:
        type_ |= 0x08
    if priority is None:
        type_ |= 0x20
    if first_object and draft.request_streams:
        type_ |= 0x40
    return b"".join(
        (
            put(type_),
            put(alias),
            put(group),
            put(subgroup) if subgroup else b"",
            b"" if priority is None else put_byte(priority),
        )
    )


def encode_object(draft: Draft, header: SubgroupHeader, object: Object, previous: int | None = None) -> bytes:  # noqa: A002
    """An object on the stream of `header`, behind the one with the ID `previous`."""
    id_, payload, properties, status = object
    put = draft.integer.put
    delta = put(id_ if previous is None else id_ - previous - 1)
    if header.properties:
        delta += put_properties(properties, draft.integer)
    elif properties:
        raise LocalProtocolError("properties on a stream whose header says that there are none")
    if payload and not status:
        return b"".join((delta, put(len(payload)), payload))
    if payload or (status and properties):
        raise LocalProtocolError(f"{status.name} with payload or properties")
    return delta + b"\0" + put(status)


def encode_datagram(draft: Draft, datagram: ObjectDatagram) -> bytes:
    """A datagram with one object. Whether the path takes so many bytes is not known here."""
    alias, group, id_, payload, properties, status, priority, end_of_group = datagram
    if status and (payload or properties or end_of_group):
        raise LocalProtocolError(f"{status.name} with payload, properties or end of group")
    put = draft.integer.put
    # An empty payload says its status; one that ends a group cannot, and goes as a payload of no bytes.
    says_status = not payload and not end_of_group
    type_ = (
        (0x01 if properties else 0)
        | (0x02 if end_of_group else 0)
        | (0 if id_ else 0x04)
        | (0x08 if priority is None else 0)
        | (0x20 if says_status else 0)
    )
    return b"".join(
        (
            put(type_),
            put(alias),
            put(group),
            put(id_) if id_ else b"",
            b"" if priority is None else put_byte(priority),
            put_properties(properties, draft.integer) if properties else b"",
            put(status) if says_status else payload,
        )
    )


def decode_datagram(draft: Draft, data: bytes) -> ObjectDatagram | None:
    """The object in a datagram; None for padding. Raises RemoteProtocolError."""
    try:
        return _decode_datagram(draft, data)
    except IndexError as error:
        raise violation("datagram is cut short") from error


def _decode_datagram(draft: Draft, data: bytes) -> ObjectDatagram | None:
    get = draft.integer.get
    type_, offset = get(data, 0)
    if type_ & ~0x2F or type_ & 0x22 == 0x22:
        if type_ == PADDING_DATAGRAM and draft.request_streams:
            return None
        raise violation(f"datagram type {type_:#x} is unknown")
    alias, offset = get(data, offset)
    group, offset = get(data, offset)
    id_ = 0
    if not type_ & 0x04:
        id_, offset = get(data, offset)
    priority = None
    if not type_ & 0x08:
        priority = data[offset]
        offset += 1
    properties = NONE
    if type_ & 0x01:
        size, offset = get(data, offset)
        if size == 0:
            raise violation("datagram with properties of no bytes")
        end = offset + size
        if end > len(data):
            raise IndexError(end)
        properties = read_object_properties(data[offset:end], draft.integer)
        offset = end
    if not type_ & 0x20:
        return ObjectDatagram(
            alias, group, id_, data[offset:], properties, Status.NORMAL, priority, bool(type_ & 0x02)
        )
    number, offset = get(data, offset)
    if offset != len(data):
        raise violation("datagram with bytes behind its status")
    status = _status(number, properties)
    return ObjectDatagram(alias, group, id_, b"", properties, status, priority)


class SubgroupParser:
    """Reads a subgroup stream; holds at most one object that is not complete, of at most `limit` bytes.

    A plain class with slots, as there is one per stream, and for voice one per object.
    """

    __slots__ = ("_draft", "_limit", "_previous", "_tail", "header")

    header: SubgroupHeader | None
    """None until it was read; as on the wire: its subgroup may be None."""

    def __init__(self, draft: Draft, limit: int = MAX_OBJECT) -> None:
        self.header = None
        self._draft = draft
        self._limit = limit
        self._previous = -1
        self._tail = Assembler()

    @property
    def partial(self) -> bool:
        """An object (or the header) has begun and not ended: a FIN now is an error."""
        return bool(self._tail) or self.header is None

    def feed(self, data: bytes) -> list[Object]:
        """The objects that are complete now. After a RemoteProtocolError the parser is done for."""
        data = self._tail.join(data)
        if not data:
            return []
        objects: list[Object] = []
        offset = 0
        try:
            if self.header is None:
                offset = self._read_header(data)
            while offset < len(data):
                offset = self._read_object(data, offset, objects)
        except IndexError as error:
            self._tail.keep(data, offset, error)
        return objects

    def _read_header(self, data: bytes) -> int:
        get = self._draft.integer.get
        type_, offset = get(data, 0)
        if (
            not type_ & 0x10
            or type_ & 0x06 == 0x06
            or type_ >= (0x80 if self._draft.request_streams else 0x40)
        ):
            raise violation(f"subgroup header of type {type_:#x}")
        alias, offset = get(data, offset)
        group, offset = get(data, offset)
        subgroup: int | None = 0
        if type_ & 0x04:
            subgroup, offset = get(data, offset)
        elif type_ & 0x02:
            subgroup = None
        priority = None
        if not type_ & 0x20:
            priority = data[offset]
            offset += 1
        self.header = SubgroupHeader(
            alias,
            group,
            subgroup,
            priority,
            bool(type_ & 0x01),
            bool(type_ & 0x08),
            bool(type_ & 0x40),
        )
        return offset

    def _read_object(self, data: bytes, offset: int, objects: list[Object]) -> int:
        integer = self._draft.integer
        get = integer.get
        delta, offset = get(data, offset)
        id_ = self._previous + 1 + delta
        if id_ > integer.maximum:
            raise violation("object ID overflows")
        header = self.header
        start = end = offset
        if header is not None and header.properties:
            size, start = get(data, offset)
            end = bounded(start, size, self._limit, "properties")
            if end > len(data):
                raise IndexError(end)
        length, offset = get(data, end)
        if length:
            stop = bounded(offset, length, self._limit, "payload")
            if stop > len(data):
                raise IndexError(stop)
            properties = read_object_properties(data[start:end], integer) if end > start else NONE
            objects.append(Object(id_, data[offset:stop], properties))
        else:
            number, stop = get(data, offset)
            properties = read_object_properties(data[start:end], integer) if end > start else NONE
            objects.append(Object(id_, b"", properties, _status(number, properties)))
        self._previous = id_
        return stop


def bounded(start: int, size: int, limit: int, what: str) -> int:
    """Where so many bytes end. Raises RemoteProtocolError above the limit.

    The draft has no such limit, so the code is the one for what is an implementation's own.
    """
    if size > limit:
        raise RemoteProtocolError(
            SessionError.INTERNAL_ERROR, f"object {what} of {size} bytes, above {limit}"
        )
    return start + size


def _status(number: int, properties: Properties) -> Status:
    try:
        status = Status(number)
    except ValueError:
        raise violation(f"object status {number:#x} is unknown") from None
    if status and properties:
        raise violation(f"properties on an object of status {status.name}")
    return status


def put_byte(priority: int) -> bytes:
    """A priority."""
    if not 0 <= priority <= 0xFF:
        raise LocalProtocolError(f"priority {priority}, not 0 to 255")
    return bytes((priority,))
