"""Scanners shared by the field parsers (RFC 3261 section 25.1).

All are linear in the length of their input: they jump from one special character to the next, and no regular
expression here has more than one repetition. Text is str with surrogate escapes for bytes that are not UTF-8.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias, TypeVar

from clutch.wire.sip.errors import SipParseError

T = TypeVar("T")

Params: TypeAlias = tuple[tuple[str, str | None], ...]
"""Parameters in wire order: name and value, as written (values keep their quotes); None without ``=``."""

LWS = " \t"
"""Linear white space that is left after unfolding."""

MAX_PARAMS = 64
"""Parameters of one value; a value of 60 KB would otherwise hold 30,000."""

_TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")
_HOST = re.compile(r"[A-Za-z0-9\-._]+")
_GAP = re.compile(r"[ \t]+")
_IN_QUOTES = re.compile(r'["\\]')
_SPECIAL = {separator: re.compile(f'["<{separator}]') for separator in ",;"}


def remembering(parse: Callable[[str], T]) -> Callable[[str], T]:
    """A function like `parse`, whose results are frozen, that knows those of the last short texts."""
    remembered = lru_cache(maxsize=4_096)(parse)

    def parse_text(text: str) -> T:
        return remembered(text) if len(text) <= 256 else parse(text)

    return parse_text


def is_token(text: str) -> bool:
    """True if `text` is a `token`."""
    return _TOKEN.fullmatch(text) is not None


def split_word(text: str) -> tuple[str, str]:
    """The first word and what follows the white space after it; "" for what is not there."""
    word, *rest = _GAP.split(text.strip(LWS), maxsplit=1)
    return word, rest[0] if rest else ""


def decimal(text: str, limit: int, what: str) -> int:
    """Read ASCII digits as a number from 0 to `limit`. Raises SipParseError(400) naming `what`."""
    if not (text.isascii() and text.isdigit()):
        raise SipParseError(400, f"{what} is not a number")
    # int() refuses thousands of digits; no number here needs a hundred.
    number = int(text) if len(text) < 100 else limit + 1
    if number > limit:
        raise SipParseError(400, f"{what} is over {limit}")
    return number


def end_of_quoted(text: str, start: int) -> int:
    """Index after the quoted string that opens at `start`. Raises SipParseError(400) if it never ends."""
    position = start + 1
    while found := _IN_QUOTES.search(text, position):
        if found[0] == '"':
            return found.end()
        position = found.end() + 1
    raise SipParseError(400, "unterminated quoted string")


def split_list(text: str, separator: str) -> list[str]:
    """Split at each `separator` (``,`` or ``;``) outside quotes and angle brackets; parts are stripped.

    Raises SipParseError(400) for a quote or bracket that is never closed.
    """
    if '"' not in text and "<" not in text:
        return [part.strip(LWS) for part in text.split(separator)]
    parts: list[str] = []
    start = position = 0
    special = _SPECIAL[separator]
    while found := special.search(text, position):
        position = found.end()
        if found[0] == '"':
            position = end_of_quoted(text, position - 1)
        elif found[0] == "<":
            position = text.find(">", position) + 1
            if not position:
                raise SipParseError(400, "unterminated <")
        else:
            parts.append(text[start : position - 1].strip(LWS))
            start = position
    parts.append(text[start:].strip(LWS))
    return parts


def quote(text: str) -> str:
    """Write `text` as a quoted string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def unquote(text: str) -> str:
    """The value of a quoted string; any other text is returned as it is."""
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return text
    inner = text[1:-1]
    if "\\" not in inner:
        return inner
    # A pair is an escaped backslash; any other backslash, between pairs, only escapes what follows it.
    return "\\".join(half.replace("\\", "") for half in inner.split("\\\\"))


def parse_params(text: str) -> Params:
    """Read ``*( SEMI generic-param )``: `text` is empty or starts with a semicolon. SipParseError(400)."""
    if not text:
        return ()
    if text[0] != ";":
        raise SipParseError(400, "text between address and parameters")
    parts = split_list(text[1:], ";")
    if len(parts) > MAX_PARAMS:
        raise SipParseError(400, f"more than {MAX_PARAMS} parameters")
    return tuple(map(_parse_param, parts))


def _parse_param(text: str) -> tuple[str, str | None]:
    name, equals, value = text.partition("=")
    name = name.rstrip(LWS)
    if not is_token(name):
        raise SipParseError(400, "parameter name is not a token")
    if not equals:
        return name, None
    value = value.lstrip(LWS)
    if value.startswith('"'):
        if end_of_quoted(value, 0) != len(value):
            raise SipParseError(400, "text after a quoted parameter value")
    elif not value or " " in value or "\t" in value or '"' in value or "<" in value:
        raise SipParseError(400, "parameter value is not a token, host or quoted string")
    return name, value


def format_params(params: Params) -> str:
    """Write parameters with their leading semicolons."""
    return "".join(f";{name}" if value is None else f";{name}={value}" for name, value in params)


def find_param(params: Params, name: str) -> str | None:
    """The unquoted value of the first parameter of this name (any case); "" without ``=``, None if absent."""
    wanted = name.lower()
    for key, value in params:
        if key.lower() == wanted:
            return unquote(value) if value else ""
    return None


def replace_param(params: Params, name: str, value: str | None) -> Params:
    """`params` with `name` set to `value` in its place, or appended."""
    wanted = name.lower()
    kept = tuple((key, value if key.lower() == wanted else old) for key, old in params)
    return kept if any(key.lower() == wanted for key, _ in params) else (*params, (name, value))


def parse_host_port(text: str) -> tuple[str, int | None]:
    """Read ``host [ COLON port ]`` (RFC 3261 section 25.1). An IPv6 reference loses its brackets.

    Raises SipParseError(400).
    """
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or not is_ipv6(host):
            raise SipParseError(400, "bad IPv6 reference")
        rest = rest.lstrip(LWS)
        if rest and rest[0] != ":":
            raise SipParseError(400, "text after an IPv6 reference")
        colon, port = rest[:1], rest[1:]
    else:
        host, colon, port = text.partition(":")
        host = host.rstrip(LWS)
        if _HOST.fullmatch(host) is None:
            raise SipParseError(400, "bad host name")
    return host, decimal(port.lstrip(LWS), 65535, "port") if colon else None


def is_ipv6(text: str) -> bool:
    """True if `text` is an IPv6 address without brackets and without a zone."""
    if "%" in text:
        return False
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def format_host_port(host: str, port: int | None) -> str:
    """Write host and port, with brackets around IPv6."""
    shown = f"[{host}]" if ":" in host else host
    return shown if port is None else f"{shown}:{port}"
