"""How each draft writes message parameters, and in which messages they may stand (draft 18 section 10.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from clutch.wire.moqt.errors import LocalProtocolError, violation
from clutch.wire.moqt.fields import MAX_VALUE, Reader, Writer, malformed_value
from clutch.wire.moqt.parameters import AliasType, Filter, FilterType, GroupOrder, Parameters, Token

SUBSCRIPTION = ("SUBSCRIBE", "PUBLISH_OK", "REQUEST_UPDATE")
"""Messages in which a subscriber says how it wants a subscription."""


@attrs.frozen
class Kind:
    """How the value of a parameter is written."""

    read: Callable[[Reader], Any]
    write: Callable[[Writer, Any], None]


@attrs.frozen
class Parameter:
    """One message parameter of one draft."""

    type: int
    field: str
    """Of `Parameters`."""
    kind: Kind
    messages: frozenset[str]
    """Where it may stand; answers to X are called X_OK."""


@attrs.frozen
class ParameterTable:
    """All message parameters of one draft."""

    parameters: Mapping[int, Parameter]
    """By type, ascending."""
    strict: bool
    """A parameter in the wrong message is an error, not to be ignored (draft 16: ignored)."""

    @classmethod
    def of(cls, *parameters: Parameter, strict: bool) -> ParameterTable:
        """From parameters in any order."""
        ordered = sorted(parameters, key=lambda parameter: parameter.type)
        return cls({parameter.type: parameter for parameter in ordered}, strict)

    def read(self, reader: Reader, messages: frozenset[str]) -> Parameters:
        """A block of parameters in a message that may go by any of these names."""
        found: dict[str, Any] = {}
        type_ = 0
        for _ in range(reader.varint()):
            type_ += reader.varint()
            parameter = self.parameters.get(type_)
            if parameter is None:
                raise violation(f"parameter {type_:#x} is unknown")
            if not parameter.messages & messages:
                if self.strict:
                    raise violation(f"{parameter.field} is no parameter of this message")
                reader.blob(MAX_VALUE, parameter.field) if type_ % 2 else reader.varint()
                continue
            value = parameter.kind.read(reader)
            if parameter.field == "authorization":
                value = (*found.get("authorization", ()), value)
            elif parameter.field in found:
                raise violation(f"{parameter.field} is there twice")
            found[parameter.field] = value
        return Parameters(**found)

    def write(self, writer: Writer, parameters: Parameters, messages: frozenset[str]) -> None:
        """A block of parameters; those that this draft does not have are left out."""
        block = Writer(writer.integer)
        count = previous = 0
        for type_, parameter in self.parameters.items():
            value = getattr(parameters, parameter.field)
            if value is None or value == ():
                continue
            if not parameter.messages & messages:
                raise LocalProtocolError(f"{parameter.field} is no parameter of this message")
            for each in value if parameter.field == "authorization" else (value,):
                block.varint(type_ - previous)
                parameter.kind.write(block, each)
                previous = type_
                count += 1
        writer.varint(count)
        writer.parts += block.parts

    def check(self, parameters: Parameters, message: str) -> None:
        """Raises RemoteProtocolError if one may not stand in this message."""
        for parameter in self.parameters.values():
            value = getattr(parameters, parameter.field)
            if value is not None and value != () and message not in parameter.messages and self.strict:
                raise violation(f"{parameter.field} is no parameter of {message}")


def read_token(reader: Reader) -> Token:
    """A token structure up to the end of the data (section 10.2.2)."""
    try:
        alias_type = AliasType(reader.varint())
        alias = None if alias_type is AliasType.USE_VALUE else reader.varint()
        if alias_type in (AliasType.DELETE, AliasType.USE_ALIAS):
            if reader.left:
                raise malformed_value("token with bytes behind its alias")
            return Token(alias_type, alias)
        return Token(alias_type, alias, reader.varint(), reader.take(reader.left))
    except (IndexError, ValueError) as error:
        raise malformed_value("token cannot be decoded") from error


def write_token(writer: Writer, token: Token) -> None:
    """A token structure; the fields that its alias type asks for must be there."""
    writer.varint(token.alias_type)
    if token.alias_type is not AliasType.USE_VALUE:
        if token.alias is None:
            raise LocalProtocolError(f"token {token.alias_type.name} without an alias")
        writer.varint(token.alias)
    if token.alias_type in (AliasType.REGISTER, AliasType.USE_VALUE):
        if token.type is None or token.value is None:
            raise LocalProtocolError(f"token {token.alias_type.name} without type or value")
        writer.varint(token.type)
        writer.parts.append(token.value)


def _filter_reader(delta: bool) -> Callable[[Reader], Filter]:
    def read(reader: Reader) -> Filter:
        try:
            type_ = FilterType(reader.varint())
        except ValueError as error:
            raise violation("filter of an unknown type") from error
        if type_ in (FilterType.NEXT_GROUP, FilterType.LARGEST_OBJECT):
            return Filter(type_)
        start = reader.location()
        if type_ is FilterType.ABSOLUTE_START:
            return Filter(type_, start)
        end = reader.varint() + (start.group if delta else 0)
        if not start.group <= end <= reader.integer.maximum:
            raise violation("filter that ends before it starts, or behind the last group")
        return Filter(type_, start, end)

    return read


def _filter_writer(delta: bool) -> Callable[[Writer, Filter], None]:
    def write(writer: Writer, value: Filter) -> None:
        writer.varint(value.type)
        if value.type in (FilterType.NEXT_GROUP, FilterType.LARGEST_OBJECT):
            return
        if value.start is None:
            raise LocalProtocolError("filter without a start")
        writer.location(value.start)
        if value.type is FilterType.ABSOLUTE_RANGE:
            if value.end_group is None or value.end_group < value.start.group:
                raise LocalProtocolError("filter without an end, or with one before its start")
            writer.varint(value.end_group - (value.start.group if delta else 0))

    return write


def _enclosed(what: str, inner: Kind) -> Kind:
    def read(reader: Reader) -> Any:
        part = reader.part(MAX_VALUE, what)
        value = inner.read(part)
        part.end(what)
        return value

    def write(writer: Writer, value: Any) -> None:
        part = Writer(writer.integer)
        inner.write(part, value)
        writer.blob(part.done(), MAX_VALUE, what)

    return Kind(read, write)


def _ranged(what: str, lowest: int, highest: int, make: Callable[[int], Any], base: Kind) -> Kind:
    def read(reader: Reader) -> Any:
        value = base.read(reader)
        if not lowest <= value <= highest:
            raise violation(f"{what} is {value}, not {lowest} to {highest}")
        return make(value)

    def write(writer: Writer, value: Any) -> None:
        if not lowest <= value <= highest:
            raise LocalProtocolError(f"{what} is {value}, not {lowest} to {highest}")
        base.write(writer, int(value))

    return Kind(read, write)


VARINT = Kind(Reader.varint, Writer.varint)
UINT8 = Kind(Reader.byte, Writer.byte)
LOCATION = Kind(Reader.location, Writer.location)
NAMESPACE = Kind(Reader.namespace, Writer.namespace)
TOKEN = _enclosed("authorization", Kind(read_token, write_token))


def _at(type_: int, field: str, kind: Kind, *messages: str) -> Parameter:
    return Parameter(type_, field, kind, frozenset(messages))


_AUTHORIZED = (
    "PUBLISH",
    "SUBSCRIBE",
    "REQUEST_UPDATE",
    "SUBSCRIBE_NAMESPACE",
    "PUBLISH_NAMESPACE",
    "TRACK_STATUS",
    "FETCH",
)

DRAFT_16 = ParameterTable.of(
    _at(
        0x02, "delivery_timeout_ms", _ranged("delivery timeout", 1, (1 << 62) - 1, int, VARINT), *SUBSCRIPTION
    ),
    _at(0x03, "authorization", TOKEN, *_AUTHORIZED),
    _at(0x08, "expires_ms", VARINT, "SUBSCRIBE_OK", "PUBLISH", "PUBLISH_OK", "REQUEST_UPDATE_OK"),
    _at(
        0x09,
        "largest",
        _enclosed("largest object", LOCATION),
        "SUBSCRIBE_OK",
        "PUBLISH",
        "REQUEST_UPDATE_OK",
        "TRACK_STATUS_OK",
    ),
    _at(
        0x10,
        "forward",
        _ranged("forward", 0, 1, bool, VARINT),
        *SUBSCRIPTION,
        "PUBLISH",
        "SUBSCRIBE_NAMESPACE",
    ),
    _at(0x20, "subscriber_priority", _ranged("priority", 0, 255, int, VARINT), *SUBSCRIPTION, "FETCH"),
    _at(
        0x21,
        "filter",
        _enclosed("filter", Kind(_filter_reader(delta=False), _filter_writer(delta=False))),
        *SUBSCRIPTION,
    ),
    _at(
        0x22,
        "group_order",
        _ranged("group order", 1, 2, GroupOrder, VARINT),
        "SUBSCRIBE",
        "PUBLISH_OK",
        "FETCH",
    ),
    _at(0x32, "new_group_request", VARINT, *SUBSCRIPTION),
    strict=False,
)

DRAFT_18 = ParameterTable.of(
    _at(0x02, "delivery_timeout_ms", VARINT, *SUBSCRIPTION),
    _at(0x03, "authorization", TOKEN, *_AUTHORIZED, "SUBSCRIBE_TRACKS"),
    _at(0x04, "rendezvous_timeout_ms", VARINT, "SUBSCRIBE"),
    _at(0x06, "subgroup_delivery_timeout_ms", VARINT, *SUBSCRIPTION),
    # TRACK_STATUS_OK carries what SUBSCRIBE_OK would (section 10.14), though EXPIRES does not list it.
    _at(
        0x08,
        "expires_ms",
        VARINT,
        "SUBSCRIBE_OK",
        "PUBLISH",
        "PUBLISH_OK",
        "REQUEST_UPDATE_OK",
        "TRACK_STATUS_OK",
    ),
    _at(0x09, "largest", LOCATION, "SUBSCRIBE_OK", "PUBLISH", "REQUEST_UPDATE_OK", "TRACK_STATUS_OK"),
    _at(0x0A, "fill_timeout_ms", VARINT, "FETCH"),
    _at(0x10, "forward", _ranged("forward", 0, 1, bool, UINT8), *SUBSCRIPTION, "PUBLISH", "SUBSCRIBE_TRACKS"),
    _at(0x20, "subscriber_priority", UINT8, *SUBSCRIPTION, "FETCH"),
    _at(
        0x21,
        "filter",
        _enclosed("filter", Kind(_filter_reader(delta=True), _filter_writer(delta=True))),
        *SUBSCRIPTION,
    ),
    _at(
        0x22,
        "group_order",
        _ranged("group order", 1, 2, GroupOrder, UINT8),
        "SUBSCRIBE",
        "PUBLISH_OK",
        "FETCH",
    ),
    _at(0x32, "new_group_request", VARINT, *SUBSCRIPTION),
    _at(0x34, "prefix", NAMESPACE, "REQUEST_UPDATE"),
    strict=True,
)
