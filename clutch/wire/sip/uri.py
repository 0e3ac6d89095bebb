"""SIP, SIPS and tel URIs (RFC 3261 section 19.1, RFC 3966); any other scheme is kept as opaque text."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import quote, unquote_to_bytes

import attrs

from clutch.wire.sip.errors import SipParseError
from clutch.wire.sip.grammar import (
    Params,
    format_host_port,
    format_params,
    parse_host_port,
)

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+\-.]*")
_FORBIDDEN = re.compile(r'[\x00-\x20\x7f<>"\\^`{|}]')
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_RESERVED = ";/?:@&=+$,%"
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
_NO_SEPARATORS = str.maketrans("", "", "-.()")
_MUST_MATCH = ("user", "ttl", "method", "maddr", "transport")
"""Parameters that never match their own absence (section 19.1.4; transport by its example)."""


@attrs.frozen
class Uri:
    """One URI, every part as it was written, so that ``str(Uri.parse(text))`` can go back to the peer who
    coined it. Only the scheme is put in lower case, and IPv6 loses its brackets.

    ``==`` compares the text part by part; `equivalent` compares as RFC 3261 section 19.1.4 demands.
    """

    scheme: str
    """Lower case: ``sip``, ``sips``, ``tel`` or anything else."""
    user: str | None = None
    """User part, still escaped (`username` is unescaped). The number of a tel URI."""
    password: str | None = attrs.field(default=None, repr=False)
    host: str = ""
    """Name or address, IPv6 without brackets. Empty unless the scheme is sip or sips."""
    port: int | None = None
    params: Params = ()
    headers: tuple[tuple[str, str], ...] = ()
    opaque: str = ""
    """All after the colon, if the scheme is none of sip, sips and tel."""

    @classmethod
    def parse(cls, text: str) -> Uri:
        """Read a URI. Raises SipParseError(400)."""
        scheme, colon, rest = text.partition(":")
        if not colon or not rest or _SCHEME.fullmatch(scheme) is None:
            raise SipParseError(400, "URI without a scheme")
        if _FORBIDDEN.search(rest):
            raise SipParseError(400, "character that a URI must escape")
        scheme = scheme.lower()
        if scheme in {"sip", "sips"}:
            _check_escapes(rest)
            return _parse_sip(scheme, rest)
        if scheme == "tel":
            _check_escapes(rest)
            number, semicolon, params = rest.partition(";")
            if not number:
                raise SipParseError(400, "tel URI without a number")
            return cls(scheme, number, params=_parse_params(params) if semicolon else ())
        return cls(scheme, opaque=rest)

    def __str__(self) -> str:
        if self.opaque:
            return f"{self.scheme}:{self.opaque}"
        user = self.user or ""
        if self.password is not None:
            user += ":" + self.password
        if self.host and self.user is not None:
            user += "@"
        query = "&".join(f"{name}={value}" for name, value in self.headers)
        host = format_host_port(self.host, self.port)
        return f"{self.scheme}:{user}{host}{format_params(self.params)}{'?' if query else ''}{query}"

    @property
    def username(self) -> str | None:
        """The user part with its escapes undone; bytes that are not UTF-8 become surrogate escapes."""
        return None if self.user is None else unescape(self.user)

    def param(self, name: str) -> str | None:
        """Value of a parameter with its escapes undone; "" if it has none, None if it is absent."""
        wanted = name.lower()
        for key, value in self.params:
            if unescape(key).lower() == wanted:
                return unescape(value or "")
        return None

    def has_param(self, name: str) -> bool:
        """True if the parameter is there, with or without a value."""
        return self.param(name) is not None

    def equivalent(self, other: Uri) -> bool:
        """True if both name the same resource (RFC 3261 section 19.1.4; IPv6: RFC 5954; tel: RFC 3966)."""
        if self.scheme != other.scheme or self.opaque != other.opaque:
            return False
        if self.scheme == "tel":
            return _tel_key(self) == _tel_key(other)
        return (
            _normal(self.user) == _normal(other.user)
            and _normal(self.password) == _normal(other.password)
            and _host_key(self.host) == _host_key(other.host)
            and self.port == other.port
            and _same_params(self, other)
            and _headers_key(self) == _headers_key(other)
        )


def unescape(text: str) -> str:
    """Undo percent escapes; bytes that are not UTF-8 become surrogate escapes."""
    if "%" not in text:
        return text
    return unquote_to_bytes(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


def escape_user(text: str) -> str:
    """Escape plain text so that it can stand as the user part of a URI (the inverse of `unescape`)."""
    return quote(text, safe="-_.!~*'()&=+$,;?/", errors="surrogateescape")


def _check_escapes(text: str) -> None:
    if "%" in text and _BAD_ESCAPE.search(text):
        raise SipParseError(400, "bad percent escape in a URI")


def _parse_sip(scheme: str, rest: str) -> Uri:
    userinfo, at, where = rest.rpartition("@")
    user, colon, password = userinfo.partition(":")
    if at and (not user or "@" in userinfo):
        raise SipParseError(400, "bad user part in a URI")
    where, mark, query = where.partition("?")
    where, semicolon, params = where.partition(";")
    host, port = parse_host_port(where)
    return Uri(
        scheme,
        user if at else None,
        password if colon else None,
        host,
        port,
        _parse_params(params) if semicolon else (),
        _parse_headers(query) if mark else (),
    )


def _parse_params(text: str) -> Params:
    return tuple(_parse_pair(part) for part in text.split(";"))


def _parse_pair(text: str) -> tuple[str, str | None]:
    name, equals, value = text.partition("=")
    if not name:
        raise SipParseError(400, "URI parameter without a name")
    return name, value if equals else None


def _parse_headers(text: str) -> tuple[tuple[str, str], ...]:
    pairs = tuple(part.partition("=") for part in text.split("&"))
    if not all(name and equals for name, equals, _ in pairs):
        raise SipParseError(400, "URI header without a name or a value")
    return tuple((name, value) for name, _, value in pairs)


def _normal(text: str | None) -> str | None:
    """One spelling for all equivalent ones: only reserved characters stay apart from their escapes."""
    if text is None or (text.isascii() and "%" not in text):
        return text
    return _ESCAPE.sub(_settle, quote(text, safe=_PRINTABLE, errors="surrogateescape"))


def _settle(escape: re.Match[str]) -> str:
    char = chr(int(escape[1], 16))
    return char if char in _PRINTABLE and char not in _RESERVED else escape[0].upper()


def _host_key(host: str) -> str:
    return ipaddress.IPv6Address(host).compressed if ":" in host else host.lower()


def _same_params(one: Uri, other: Uri) -> bool:
    left, right = _params_key(one), _params_key(other)
    return all(left[name] == right[name] for name in left.keys() & right.keys()) and not any(
        name in _MUST_MATCH for name in left.keys() ^ right.keys()
    )


def _params_key(uri: Uri) -> dict[str, str | None]:
    return {(_normal(name) or "").lower(): (_normal(value) or "").lower() for name, value in uri.params}


def _headers_key(uri: Uri) -> list[tuple[str, str]]:
    return sorted(((_normal(name) or "").lower(), _normal(value) or "") for name, value in uri.headers)


def _tel_key(uri: Uri) -> tuple[str, dict[str, str | None]]:
    return (uri.user or "").lower().translate(_NO_SEPARATORS), _params_key(uri)
