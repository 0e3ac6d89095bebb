"""Message parameters from and to bytes, after a table that says which there are (draft 18 section 10.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from clutch.wire.moqt.errors import LocalProtocolError, violation
from clutch.wire.moqt.fields import MAX_VALUE, Reader, Writer, malformed_value
from clutch.wire.moqt.names import Location
from clutch.wire.moqt.parameters import (
    AliasType,
    Filter,
    FilterType,
    GroupOrder,
    Parameters,
    RangeFilter,
    Token,
)


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

    def values(self, parameters: Parameters) -> tuple[Any, ...]:
        """What is to be written of it: usually one value or none."""
        value = getattr(parameters, self.field)
        if self.field not in _REPEATED:
            return () if value is None else (value,)
        return tuple(each for each in value if not isinstance(each, RangeFilter) or each.type == self.type)


_REPEATED = frozenset({"authorization", "range_filters"})


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
            if parameter.field in _REPEATED:
                found.setdefault(parameter.field, []).append(value)
            elif parameter.field in found:
                raise violation(f"{parameter.field} is there twice")
            else:
                found[parameter.field] = value
        return Parameters(**found | {field: tuple(found[field]) for field in _REPEATED & found.keys()})

    def write(self, writer: Writer, parameters: Parameters, messages: frozenset[str]) -> None:
        """A block of parameters; those that this draft does not have are left out."""
        block = Writer(writer.integer)
        count = previous = 0
        for type_, parameter in self.parameters.items():
            values = parameter.values(parameters)
            if values and not parameter.messages & messages:
                raise LocalProtocolError(f"{parameter.field} is no parameter of this message")
            for each in values:
                block.varint(type_ - previous)
                parameter.kind.write(block, each)
                previous = type_
                count += 1
        writer.varint(count)
        writer.parts += block.parts

    def check(self, parameters: Parameters, message: str) -> None:
        """Raises RemoteProtocolError if one may not stand in this message."""
        for parameter in self.parameters.values():
            if parameter.values(parameters) and message not in parameter.messages and self.strict:
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
        if value.type is FilterType.RELATIVE_START or value.end_object is not None:
            raise LocalProtocolError("a filter that only draft 20 has")
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


def _read_location_filter(reader: Reader) -> Filter:
    """The filter of draft 20, whose type is how many numbers it has."""
    numbers = []
    while reader.left:
        numbers.append(reader.varint())
    match numbers:
        case []:
            return Filter(FilterType.ABSOLUTE_START, Location(0, 0))
        case [0]:
            return Filter(FilterType.NEXT_GROUP)
        case [groups]:
            return Filter(FilterType.RELATIVE_START, groups=groups)
        case [0, 0]:
            return Filter(FilterType.LARGEST_OBJECT)
        case [group, object_]:
            return Filter(FilterType.ABSOLUTE_START, Location(group, object_))
        case [group, object_, delta, *rest] if len(rest) < 2 and group + delta <= reader.integer.maximum:
            end = rest[0] if rest else None
            return Filter(FilterType.ABSOLUTE_RANGE, Location(group, object_), group + delta, end)
    raise violation("filter of too many numbers, or behind the last group")


def _write_location_filter(writer: Writer, value: Filter) -> None:
    match value:
        case Filter(type=FilterType.NEXT_GROUP):
            numbers = [0]
        case Filter(type=FilterType.LARGEST_OBJECT):
            numbers = [0, 0]
        case Filter(type=FilterType.RELATIVE_START, groups=int(groups)) if groups > 0:
            numbers = [groups]
        case Filter(type=FilterType.ABSOLUTE_START, start=Location() as start):
            # From the very first object on is no filter at all; two zeros mean the next object.
            numbers = list(start) if any(start) else []
        case Filter(
            type=FilterType.ABSOLUTE_RANGE, start=Location() as start, end_group=int(end), end_object=last
        ) if end >= start.group:
            numbers = [*start, end - start.group, *(() if last is None else (last,))]
        case _:
            raise LocalProtocolError("filter that lacks something, or ends before it starts")
    for number in numbers:
        writer.varint(number)


def range_filter(type_: int) -> Kind:
    """One of the five types of range filters."""
    return Kind(
        lambda reader: RangeFilter(type_, reader.blob(MAX_VALUE, "range filter")),
        lambda writer, value: writer.blob(value.value, MAX_VALUE, "range filter"),
    )


def enclosed(what: str, inner: Kind) -> Kind:
    """A value with its length in front."""

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


def ranged(what: str, lowest: int, highest: int, make: Callable[[int], Any], base: Kind) -> Kind:
    """A number within bounds, and what it stands for."""

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
BLOB = Kind(
    lambda reader: reader.blob(MAX_VALUE, "parameter"),
    lambda writer, value: writer.blob(value, MAX_VALUE, "parameter"),
)
FLAG = ranged("flag", 0, 1, bool, UINT8)
FLAG_VARINT = ranged("flag", 0, 1, bool, VARINT)
ORDER = ranged("group order", 1, 2, GroupOrder, UINT8)
ORDER_VARINT = ranged("group order", 1, 2, GroupOrder, VARINT)
PRIORITY_VARINT = ranged("priority", 0, 255, int, VARINT)
TIMEOUT_16 = ranged("delivery timeout", 1, (1 << 62) - 1, int, VARINT)
TOKEN = enclosed("authorization", Kind(read_token, write_token))
LARGEST_16 = enclosed("largest object", LOCATION)
SUBSCRIPTION_FILTER_16 = enclosed("filter", Kind(_filter_reader(delta=False), _filter_writer(delta=False)))
SUBSCRIPTION_FILTER_18 = enclosed("filter", Kind(_filter_reader(delta=True), _filter_writer(delta=True)))
LOCATION_FILTER = enclosed("filter", Kind(_read_location_filter, _write_location_filter))
