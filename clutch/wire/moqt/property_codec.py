"""Properties from and to bytes (draft 18 sections 2.5 and 12; Extension Headers in draft 16)."""

from __future__ import annotations

from clutch.wire.moqt.errors import RemoteProtocolError, violation
from clutch.wire.moqt.fields import Reader, Writer, read_pairs
from clutch.wire.moqt.properties import NONE, Properties, Property, PropertyType
from clutch.wire.moqt.varint import QUIC, VI64, Varint

_MANDATORY = range(0x4000, 0x8000)
"""Properties that only a track may have (section 2.5.1)."""
_ONCE = frozenset(
    {PropertyType.IMMUTABLE_PROPERTIES, PropertyType.PRIOR_GROUP_ID_GAP, PropertyType.PRIOR_OBJECT_ID_GAP}
)
_TRACK_RANGES = {
    PropertyType.DEFAULT_PUBLISHER_PRIORITY: range(256),
    PropertyType.DEFAULT_PUBLISHER_GROUP_ORDER: range(1, 3),
    PropertyType.DYNAMIC_GROUPS: range(2),
}


def read_properties(reader: Reader) -> Properties:
    """The properties of a track: all that is left. Raises RemoteProtocolError for a forbidden value."""
    properties = _properties(reader.pairs(), reader.integer)
    for type_, values in _TRACK_RANGES.items():
        value = properties.number(type_)
        if value is not None and value not in values:
            raise violation(f"{type_.name} is {value}")
    if reader.integer is QUIC and properties.number(PropertyType.OBJECT_DELIVERY_TIMEOUT) == 0:
        raise violation("DELIVERY_TIMEOUT is 0")
    return properties


def read_object_properties(data: bytes, integer: Varint) -> Properties:
    """The properties of an object. Raises RemoteProtocolError if they cannot be told apart."""
    if not data:
        return NONE
    try:
        items = read_pairs(data, 0, integer)
    except IndexError as error:
        raise violation("object properties are cut short") from error
    properties = _properties(items, integer)
    if (
        integer is VI64
        and items[-1][0] >= _MANDATORY.start
        and any(type_ in _MANDATORY for type_, _ in items)
    ):
        return Properties(properties.items, properties.immutable, malformed=True)
    return properties


def put_properties(properties: Properties, integer: Varint) -> bytes:
    """Properties with their length in front, as objects have them."""
    if not properties.items:
        return b"\0"
    writer = Writer(integer)
    writer.pairs(properties.items)
    data = writer.done()
    return integer.put(len(data)) + data


def _properties(items: tuple[Property, ...], integer: Varint) -> Properties:
    for type_, _ in items:
        if type_ in _ONCE:
            return _with_immutable(items, integer)
    return Properties(items) if items else NONE


def _with_immutable(items: tuple[Property, ...], integer: Varint) -> Properties:
    types = [type_ for type_, _ in items]
    malformed = any(types.count(type_) > 1 for type_ in _ONCE)
    immutable: tuple[Property, ...] = ()
    for type_, value in items:
        if type_ == PropertyType.IMMUTABLE_PROPERTIES and isinstance(value, bytes):
            try:
                immutable = read_pairs(value, 0, integer)
            except (IndexError, RemoteProtocolError):
                malformed = True
    nested = any(type_ == PropertyType.IMMUTABLE_PROPERTIES for type_, _ in immutable)
    return Properties(items, immutable, malformed or nested)
