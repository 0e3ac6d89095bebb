"""A control message as a list of fields, and the fields that messages are made of (draft 18 section 10)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from clutch.wire.moqt.codes import CodeTable, RequestError
from clutch.wire.moqt.errors import LocalProtocolError, violation
from clutch.wire.moqt.fields import Reader, Writer
from clutch.wire.moqt.messages import JoiningFetch, Message, Redirect, StandaloneFetch
from clutch.wire.moqt.names import MAX_NAME, FullTrackName, Location
from clutch.wire.moqt.parameter_codec import ParameterTable
from clutch.wire.moqt.properties import Properties, PropertyType
from clutch.wire.moqt.property_codec import read_properties
from clutch.wire.moqt.varint import Varint

MAX_PAYLOAD = 0xFFFF
"""Most bytes of a control message behind its length."""
MAX_URI = 8192
"""Most bytes of the URI in GOAWAY."""
UNKNOWN_STREAM_COUNT = (1 << 62) - 1


@attrs.frozen
class Field:
    """One field, or a few that belong together, of a message."""

    name: str
    """Of the message's class."""
    read: Callable[[Reader], Any]
    write: Callable[[Writer, Any], None]
    present: Callable[[Mapping[str, Any]], bool] = lambda before: True
    """Whether it is there, by the fields before it; absent, it is None."""


@attrs.frozen
class Layout:
    """How one draft writes one message."""

    type: int
    name: str
    """As the draft calls it."""
    message: Callable[..., Message]
    fields: tuple[Field, ...]
    fixed: Mapping[str, Any] = attrs.field(factory=dict)
    """Fields that the type itself says."""
    join: Callable[..., Message] | None = None
    """Makes the message of its fields, if they are others than the class's."""
    split: Callable[[Any], Mapping[str, Any]] | None = None
    """The other way."""

    def read(self, payload: bytes, integer: Varint) -> Message:
        """The message. Raises RemoteProtocolError."""
        reader = Reader(payload, integer)
        values: dict[str, Any] = dict(self.fixed)
        for field in self.fields:
            if field.present(values):
                try:
                    values[field.name] = field.read(reader)
                except IndexError as error:
                    raise violation(f"{self.name} ends within its {field.name}") from error
        reader.end(self.name)
        return (self.join or self.message)(**values)

    def write(self, message: Message, integer: Varint) -> bytes:
        """The frame with type and length. Raises LocalProtocolError."""
        writer = Writer(integer)
        parts = self.split(message) if self.split else None
        values: dict[str, Any] = {}
        for field in self.fields:
            value = parts[field.name] if parts else getattr(message, field.name)
            if field.present(values):
                field.write(writer, value)
            values[field.name] = value
        payload = writer.done()
        if len(payload) > MAX_PAYLOAD:
            raise LocalProtocolError(f"{self.name} of {len(payload)} bytes")
        return integer.put(self.type) + len(payload).to_bytes(2, "big") + payload


def number(name: str) -> Field:
    """A variable-length integer."""
    return Field(name, Reader.varint, _write_number)


def optional_number(name: str) -> Field:
    """A variable-length integer that may be missing at the end of the message."""

    def read(reader: Reader) -> int | None:
        return reader.varint() if reader.left else None

    def write(writer: Writer, value: int | None) -> None:
        if value is not None:
            writer.varint(value)

    return Field(name, read, write)


def code(name: str, table: CodeTable) -> Field:
    """An error or status code."""
    return Field(
        name,
        lambda reader: table.from_wire(reader.varint()),
        lambda writer, value: writer.varint(table.to_wire(value)),
    )


def track(name: str, fewest: int) -> Field:
    """A full track name whose namespace has at least so many fields."""
    return Field(name, lambda reader: reader.name(fewest), lambda writer, value: writer.name(value, fewest))


def namespace(name: str, fewest: int = 0) -> Field:
    """A namespace, prefix or suffix of at least so many fields."""
    return Field(
        name, lambda reader: reader.namespace(fewest), lambda writer, value: writer.namespace(value, fewest)
    )


def parameters(table: ParameterTable, *messages: str) -> Field:
    """The parameters of a message that goes by any of these names."""
    allowed = frozenset(messages)
    return Field(
        "parameters",
        lambda reader: table.read(reader, allowed),
        lambda writer, value: table.write(writer, value, allowed),
    )


def range_(fewest: int) -> Field:
    """What a FETCH asks for."""

    def read(reader: Reader) -> StandaloneFetch | JoiningFetch:
        match reader.varint():
            case 1:
                return StandaloneFetch(reader.name(fewest), reader.location(), reader.location())
            case 2:
                return JoiningFetch(reader.varint(), reader.varint(), relative=True)
            case 3:
                return JoiningFetch(reader.varint(), reader.varint(), relative=False)
            case other:
                raise violation(f"fetch type {other:#x} is unknown")

    def write(writer: Writer, value: StandaloneFetch | JoiningFetch) -> None:
        if isinstance(value, StandaloneFetch):
            writer.varint(1)
            writer.name(value.name, fewest)
            writer.location(value.start)
            writer.location(value.end)
        else:
            writer.varint(2 if value.relative else 3)
            writer.varint(value.request_id)
            writer.varint(value.start)

    return Field("range", read, write)


def _write_number(writer: Writer, value: int | None) -> None:
    if value is None:
        raise LocalProtocolError("a number that this draft must have is None")
    writer.varint(value)


def _read_flag(reader: Reader) -> bool:
    value = reader.byte()
    if value > 1:
        raise violation(f"end of track is {value}, not 0 or 1")
    return bool(value)


def _read_retry(reader: Reader) -> int | None:
    interval = reader.varint()
    return interval - 1 if interval else None


def _read_count(reader: Reader) -> int | None:
    count = reader.varint()
    return None if count == UNKNOWN_STREAM_COUNT else count


def _read_redirect(reader: Reader) -> Redirect:
    uri = _text(reader.blob(MAX_PAYLOAD, "URI"), "URI")
    name = reader.name()
    return Redirect(uri, None if name == FullTrackName((), b"") else name)


def _write_redirect(writer: Writer, value: Redirect | None) -> None:
    if value is None:
        raise LocalProtocolError("REDIRECT without where to")
    _put_text(writer, value.uri, MAX_PAYLOAD)
    writer.name(value.name or FullTrackName((), b""))


def _text(data: bytes, what: str) -> str:
    try:
        return data.decode("ascii")
    except UnicodeDecodeError as error:
        raise violation(f"{what} is not ASCII") from error


def _put_text(writer: Writer, value: str, limit: int) -> None:
    if not value.isascii():
        raise LocalProtocolError("a URI that is not ASCII")
    writer.blob(value.encode(), limit, "URI")


def _read_last(reader: Reader) -> Location:
    group, last = reader.location()
    return Location(group, 0 if last == reader.integer.maximum else last + 1)


def _write_last(writer: Writer, value: Location) -> None:
    writer.location(Location(value.group, (value.object or writer.integer.maximum + 1) - 1))


def _write_properties_16(writer: Writer, value: Properties) -> None:
    # 0, which is "no timeout" elsewhere, would be an error.
    writer.pairs(tuple(each for each in value if each != (PropertyType.OBJECT_DELIVERY_TIMEOUT, 0)))


NAME = Field(
    "name",
    lambda reader: reader.blob(MAX_NAME, "track name"),
    lambda writer, value: writer.blob(value, MAX_NAME, "track name"),
)
REASON = Field("reason", Reader.reason, Writer.reason)
END = Field("end", Reader.location, Writer.location)
END_INCLUSIVE = Field("end", _read_last, _write_last)
END_OF_TRACK = Field("end_of_track", _read_flag, lambda writer, value: writer.byte(value))
RETRY = Field("retry_ms", _read_retry, lambda writer, value: writer.varint(0 if value is None else value + 1))
STREAM_COUNT = Field(
    "stream_count",
    _read_count,
    lambda writer, value: writer.varint(UNKNOWN_STREAM_COUNT if value is None else value),
)
URI = Field(
    "uri",
    lambda reader: _text(reader.blob(MAX_URI, "URI"), "URI"),
    lambda writer, value: _put_text(writer, value, MAX_URI),
)
REDIRECT = Field(
    "redirect", _read_redirect, _write_redirect, lambda before: before["code"] == RequestError.REDIRECT
)
PROPERTIES = Field("properties", read_properties, lambda writer, value: writer.pairs(value.items))
PROPERTIES_16 = Field("properties", read_properties, _write_properties_16)
