"""Namespaces, full track names and locations (section 1.4.2 and 2.4.1): bytes, compared byte by byte."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import attrs

Namespace: TypeAlias = tuple[bytes, ...]
"""Fields of a track namespace, none of them empty; also a prefix or a suffix of one."""

MAX_FIELDS = 32
"""Most fields of a namespace."""
MAX_NAME = 4096
"""Most bytes of a full track name: the fields and the name added up."""

_LITERAL = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")


class Location(NamedTuple):
    """An object in a track; compares as the draft says: group first, then object."""

    group: int
    object: int


@attrs.frozen(str=False)
class FullTrackName:
    """What identifies a track within a scope. No limit is checked here: the codec does, both ways."""

    namespace: Namespace
    name: bytes

    @classmethod
    def parse(cls, namespace: str, name: str) -> FullTrackName:
        """From text: `parse("voice/ab12/uplink", "audio")`."""
        return cls(parse_namespace(namespace), name.encode())

    def __str__(self) -> str:
        """The draft's form for logs and file names (section 1.5): `voice-ab12-uplink--audio`."""
        return f"{namespace_text(self.namespace)}--{_safe(self.name)}"


def parse_namespace(text: str) -> Namespace:
    """From text with `/` between the fields, UTF-8. The empty text is the empty namespace.

    Raises ValueError for an empty field.
    """
    fields = tuple(field.encode() for field in text.split("/")) if text else ()
    if b"" in fields:
        raise ValueError(f"namespace with an empty field: {text!r}")
    return fields


def namespace_text(namespace: Namespace) -> str:
    """The draft's form for logs and file names: `example.2enet-team2`."""
    return "-".join(map(_safe, namespace))


def _safe(data: bytes) -> str:
    return "".join(chr(byte) if byte in _LITERAL else f".{byte:02x}" for byte in data)
