"""Setup options from and to bytes (draft 18 section 10.3.1)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from clutch.wire.moqt.codes import SessionError
from clutch.wire.moqt.errors import RemoteProtocolError, violation
from clutch.wire.moqt.fields import Reader, Writer
from clutch.wire.moqt.parameter_codec import read_token, write_token
from clutch.wire.moqt.parameters import Token
from clutch.wire.moqt.properties import Property
from clutch.wire.moqt.setup import Options
from clutch.wire.moqt.varint import Varint

PATH = 0x01
AUTHORIZATION_TOKEN = 0x03
AUTHORITY = 0x05
IMPLEMENTATION = 0x07

_NAMES = {
    PATH: "path",
    AUTHORIZATION_TOKEN: "authorization",
    0x04: "max_auth_token_cache_size",
    AUTHORITY: "authority",
    IMPLEMENTATION: "implementation",
}
NAMES_16 = _NAMES | {0x02: "max_request_id"}
"""The options of a draft: by type, the field of `Options`."""
NAMES_18 = _NAMES
NAMES_20 = _NAMES | {0x06: "max_filter_ranges", 0x08: "max_request_updates"}

# RFC 3986: path-abempty [ "?" query ], and authority, by their characters.
_PCHAR = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})"
_PATH = re.compile(rf"(?:/{_PCHAR}*)*(?:\?(?:{_PCHAR}|[/?])*)?".encode())
_AUTHORITY = re.compile(rb"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@\[\]]|%[0-9A-Fa-f]{2})+")


def read_options(pairs: Iterable[Property], integer: Varint, names: Mapping[int, str]) -> Options:
    """The options that a draft calls by these names. Raises RemoteProtocolError."""
    found: dict[str, Any] = {}
    tokens: list[Token] = []
    unknown: list[Property] = []
    for type_, value in pairs:
        field = names.get(type_)
        if field is None:
            unknown.append((type_, value))
        elif type_ == AUTHORIZATION_TOKEN and isinstance(value, bytes):
            tokens.append(read_token(Reader(value, integer)))
        elif field in found:
            raise violation(f"setup option {field} is there twice")
        else:
            found[field] = _READERS.get(type_, _same)(value)
    return Options(**found, authorization=tuple(tokens), unknown=tuple(unknown))


def options_pairs(options: Options, integer: Varint, names: Mapping[int, str]) -> tuple[Property, ...]:
    """The options as key-value pairs. Raises LocalProtocolError for a token that lacks something."""
    pairs: list[Property] = list(options.unknown)
    for type_, field in names.items():
        value = getattr(options, field)
        if type_ == AUTHORIZATION_TOKEN:
            for token in value:
                writer = Writer(integer)
                write_token(writer, token)
                pairs.append((type_, writer.done()))
        elif isinstance(value, str):
            pairs.append((type_, value.encode()))
        elif value:
            pairs.append((type_, value))
    return tuple(sorted(pairs, key=lambda pair: pair[0]))


def _checked(pattern: re.Pattern[bytes], code: SessionError, what: str) -> Callable[[Any], str]:
    def read(value: bytes) -> str:
        if not pattern.fullmatch(value):
            raise RemoteProtocolError(code, f"{what} breaks RFC 3986")
        return value.decode("ascii")

    return read


def _same(value: Any) -> Any:
    return value


_READERS: dict[int, Callable[[Any], Any]] = {
    PATH: _checked(_PATH, SessionError.MALFORMED_PATH, "PATH"),
    AUTHORITY: _checked(_AUTHORITY, SessionError.MALFORMED_AUTHORITY, "AUTHORITY"),
    IMPLEMENTATION: lambda value: value.decode("utf-8", "replace"),
}
