"""Setup options from and to bytes (draft 18 section 10.3.1)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from clutch.wire.moqt.codes import SessionError
from clutch.wire.moqt.errors import RemoteProtocolError, violation
from clutch.wire.moqt.fields import Reader, Writer
from clutch.wire.moqt.parameter_tables import read_token, write_token
from clutch.wire.moqt.properties import Property
from clutch.wire.moqt.setup import Options
from clutch.wire.moqt.varint import Varint

PATH = 0x01
MAX_REQUEST_ID = 0x02
AUTHORIZATION_TOKEN = 0x03
MAX_AUTH_TOKEN_CACHE_SIZE = 0x04
AUTHORITY = 0x05
IMPLEMENTATION = 0x07

_FIELDS = {
    PATH: "path",
    MAX_REQUEST_ID: "max_request_id",
    AUTHORIZATION_TOKEN: "authorization",
    MAX_AUTH_TOKEN_CACHE_SIZE: "max_auth_token_cache_size",
    AUTHORITY: "authority",
    IMPLEMENTATION: "implementation",
}

# RFC 3986: path-abempty [ "?" query ], and authority, by their characters.
_PCHAR = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})"
_PATH = re.compile(rf"(?:/{_PCHAR}*)*(?:\?(?:{_PCHAR}|[/?])*)?".encode())
_AUTHORITY = re.compile(rb"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@\[\]]|%[0-9A-Fa-f]{2})+")


def read_options(pairs: Iterable[Property], integer: Varint, *, request_ids: bool) -> Options:
    """The options. Raises RemoteProtocolError; `request_ids`: MAX_REQUEST_ID is one of them (draft 16)."""
    found: dict[str, Any] = {}
    for type_, value in pairs:
        field = _FIELDS.get(type_)
        if field is None or (type_ == MAX_REQUEST_ID and not request_ids):
            found["unknown"] = (*found.get("unknown", ()), (type_, value))
        elif type_ == AUTHORIZATION_TOKEN and isinstance(value, bytes):
            token = read_token(Reader(value, integer))
            found[field] = (*found.get(field, ()), token)
        elif field in found:
            raise violation(f"setup option {field} is there twice")
        else:
            found[field] = _READERS.get(type_, _same)(value)
    return Options(**found)


def options_pairs(options: Options, integer: Varint, *, request_ids: bool) -> tuple[Property, ...]:
    """The options as key-value pairs. Raises LocalProtocolError for a token that lacks something."""
    pairs: list[Property] = list(options.unknown)
    for type_, text in (
        (PATH, options.path),
        (AUTHORITY, options.authority),
        (IMPLEMENTATION, options.implementation),
    ):
        if text is not None:
            pairs.append((type_, text.encode()))
    if options.max_auth_token_cache_size:
        pairs.append((MAX_AUTH_TOKEN_CACHE_SIZE, options.max_auth_token_cache_size))
    if options.max_request_id and request_ids:
        pairs.append((MAX_REQUEST_ID, options.max_request_id))
    for token in options.authorization:
        writer = Writer(integer)
        write_token(writer, token)
        pairs.append((AUTHORIZATION_TOKEN, writer.done()))
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
