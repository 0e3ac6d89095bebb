"""Reading and writing the fields of control messages, with their limits (draft 18 sections 1.4 and 2.4.1)."""

from __future__ import annotations

import attrs

from clutch.wire.moqt.codes import SessionError
from clutch.wire.moqt.errors import LocalProtocolError, RemoteProtocolError, violation
from clutch.wire.moqt.names import MAX_FIELDS, MAX_NAME, FullTrackName, Location, Namespace
from clutch.wire.moqt.properties import Property
from clutch.wire.moqt.varint import Varint

MAX_VALUE = 0xFFFF
"""Most bytes of a key-value pair's value."""
MAX_REASON = 1024
"""Most bytes of a reason phrase."""


@attrs.define(eq=False)
class Reader:
    """Takes fields from a payload, one after the other.

    Raises IndexError where the payload ends too soon: who knows the field's name turns it into an error.
    """

    data: bytes
    integer: Varint
    offset: int = 0

    @property
    def left(self) -> int:
        """Bytes not yet read."""
        return len(self.data) - self.offset

    def varint(self) -> int:
        """A variable-length integer."""
        value, self.offset = self.integer.get(self.data, self.offset)
        return value

    def byte(self) -> int:
        """One byte."""
        value = self.data[self.offset]
        self.offset += 1
        return value

    def take(self, size: int) -> bytes:
        """So many bytes."""
        end = self.offset + size
        if end > len(self.data):
            raise IndexError(end)
        value = self.data[self.offset : end]
        self.offset = end
        return value

    def blob(self, limit: int, what: str) -> bytes:
        """Bytes with their length in front."""
        size = self.varint()
        if size > limit:
            raise violation(f"{what} of {size} bytes, above {limit}")
        return self.take(size)

    def part(self, limit: int, what: str) -> Reader:
        """A reader of bytes with their length in front."""
        return Reader(self.blob(limit, what), self.integer)

    def location(self) -> Location:
        """A location."""
        return Location(self.varint(), self.varint())

    def namespace(self, fewest: int = 0) -> Namespace:
        """A namespace of at least so many fields."""
        count = self.varint()
        if not fewest <= count <= MAX_FIELDS:
            raise violation(f"namespace of {count} fields, not of {fewest} to {MAX_FIELDS}")
        fields = tuple(self.blob(MAX_NAME, "namespace field") for _ in range(count))
        if b"" in fields:
            raise violation("namespace with an empty field")
        if sum(map(len, fields)) > MAX_NAME:
            raise violation(f"namespace above {MAX_NAME} bytes")
        return fields

    def name(self, fewest: int = 0) -> FullTrackName:
        """A namespace of at least so many fields, and a track name."""
        name = FullTrackName(self.namespace(fewest), self.blob(MAX_NAME, "track name"))
        if sum(map(len, name.namespace)) + len(name.name) > MAX_NAME:
            raise violation(f"full track name above {MAX_NAME} bytes")
        return name

    def reason(self) -> str:
        """A reason phrase; what is not UTF-8 in it is replaced."""
        return self.blob(MAX_REASON, "reason phrase").decode("utf-8", "replace")

    def pairs(self) -> tuple[Property, ...]:
        """Key-value pairs up to the end of the data."""
        found = read_pairs(self.data, self.offset, self.integer)
        self.offset = len(self.data)
        return found

    def end(self, what: str) -> None:
        """Raises RemoteProtocolError(PROTOCOL_VIOLATION) unless everything was read."""
        if self.left:
            raise violation(f"{what}: {self.left} bytes too many")


@attrs.define(eq=False)
class Writer:
    """Collects fields. Raises LocalProtocolError for what would be an error to read."""

    integer: Varint
    parts: list[bytes] = attrs.field(factory=list)

    def varint(self, value: int) -> None:
        """A variable-length integer."""
        self.parts.append(self.integer.put(value))

    def byte(self, value: int) -> None:
        """One byte."""
        if not 0 <= value <= 0xFF:
            raise LocalProtocolError(f"{value} does not fit into a byte")
        self.parts.append(bytes([value]))

    def blob(self, value: bytes, limit: int, what: str) -> None:
        """Bytes with their length in front."""
        if len(value) > limit:
            raise LocalProtocolError(f"{what} of {len(value)} bytes, above {limit}")
        self.varint(len(value))
        self.parts.append(value)

    def location(self, value: Location) -> None:
        """A location."""
        self.varint(value.group)
        self.varint(value.object)

    def namespace(self, value: Namespace, fewest: int = 0) -> None:
        """A namespace of at least so many fields."""
        if not fewest <= len(value) <= MAX_FIELDS or b"" in value or sum(map(len, value)) > MAX_NAME:
            raise LocalProtocolError("namespace out of bounds")
        self.varint(len(value))
        for field in value:
            self.blob(field, MAX_NAME, "namespace field")

    def name(self, value: FullTrackName, fewest: int = 0) -> None:
        """A namespace of at least so many fields, and a track name."""
        if sum(map(len, value.namespace)) + len(value.name) > MAX_NAME:
            raise LocalProtocolError(f"full track name above {MAX_NAME} bytes")
        self.namespace(value.namespace, fewest)
        self.blob(value.name, MAX_NAME, "track name")

    def reason(self, value: str) -> None:
        """A reason phrase, cut to what is allowed."""
        cut = value.encode("utf-8", "replace")[:MAX_REASON].decode("utf-8", "ignore")
        self.blob(cut.encode(), MAX_REASON, "reason phrase")

    def pairs(self, pairs: tuple[Property, ...]) -> None:
        """Key-value pairs in ascending order of their types."""
        previous = 0
        for type_, value in pairs:
            if type_ < previous:
                raise LocalProtocolError(f"property {type_:#x} behind {previous:#x}")
            self.varint(type_ - previous)
            previous = type_
            if isinstance(value, int):
                if type_ % 2:
                    raise LocalProtocolError(f"property {type_:#x} must have bytes")
                self.varint(value)
            elif type_ % 2:
                self.blob(value, MAX_VALUE, f"property {type_:#x}")
            else:
                raise LocalProtocolError(f"property {type_:#x} must have a number")

    def done(self) -> bytes:
        """All of it."""
        return b"".join(self.parts)


def read_pairs(data: bytes, offset: int, integer: Varint) -> tuple[Property, ...]:
    """Key-value pairs up to the end of the data. Raises IndexError where the data ends too soon.

    In one loop, because objects have them too.
    """
    get = integer.get
    size = len(data)
    found: list[Property] = []
    type_ = 0
    while offset < size:
        delta, offset = get(data, offset)
        type_ += delta
        if type_ > integer.maximum:
            raise violation("type of a key-value pair overflows")
        value, offset = get(data, offset)
        if type_ % 2 == 0:
            found.append((type_, value))
            continue
        if value > MAX_VALUE:
            raise violation(f"value of type {type_:#x} of {value} bytes, above {MAX_VALUE}")
        end = offset + value
        if end > size:
            raise IndexError(end)
        found.append((type_, data[offset:end]))
        offset = end
    return tuple(found)


def malformed_value(text: str) -> RemoteProtocolError:
    """The error for the value of a known type that is not what its type says (section 1.4.3)."""
    return RemoteProtocolError(SessionError.KEY_VALUE_FORMATTING_ERROR, text)
