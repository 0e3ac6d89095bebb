"""The extended CONNECT that makes a session, and its answer (draft-15, 3.2 and 3.3; RFC 9220)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import attrs

from clutch.wire.webtransport.codes import ErrorCode
from clutch.wire.webtransport.errors import RemoteProtocolError
from clutch.wire.webtransport.fields import parse_string, parse_strings, serialise_strings

Headers: TypeAlias = Sequence[tuple[bytes, bytes]]

_AVAILABLE = b"wt-available-protocols"
_CHOSEN = b"wt-protocol"
_TOKENS = (b"webtransport", b"webtransport-h3")
"""Of the drafts up to 14, and of 15."""


@attrs.frozen
class Offer:
    """A session that a client asks for."""

    authority: str
    path: str
    origin: str | None
    """Of the web page; None if no browser asks."""
    protocols: tuple[str, ...]
    """What the client would speak, best first."""


@attrs.frozen
class Rejection:
    """An answer that is no session."""

    status: int
    """HTTP status."""
    reason: str = ""
    """For people; sent as the body."""


def read_request(headers: Headers) -> Offer | Rejection:
    """What a request asks for, or what to answer at once if it is not for a session that is possible."""
    fields = _fields(headers)
    if fields.get(b":method") != b"CONNECT" or b":protocol" not in fields:
        return Rejection(404, "only WebTransport is served here")
    if fields[b":protocol"] not in _TOKENS:
        return Rejection(501, "only WebTransport is served here")
    authority, path = fields.get(b":authority", b""), fields.get(b":path", b"")
    if fields.get(b":scheme") != b"https" or not authority or not path.startswith(b"/"):
        return Rejection(400, "a session needs the scheme https, an authority and a path")
    origin = fields.get(b"origin")
    protocols = parse_strings(_text(fields.get(_AVAILABLE, b"")))
    if not protocols:
        return Rejection(400, "WT-Available-Protocols is missing, empty or malformed")
    return Offer(_text(authority), _text(path), None if origin is None else _text(origin), protocols)


def choose(offer: Offer, spoken: Iterable[str]) -> str | Rejection:
    """The first of `spoken`, our protocols from the best on, that the client offers as well; 406 if none."""
    spoken = tuple(spoken)
    for protocol in spoken:
        if protocol in offer.protocols:
            return protocol
    return Rejection(406, "none of the offered protocols is spoken here, but " + ", ".join(spoken))


def response(answer: str | Rejection) -> list[tuple[bytes, bytes]]:
    """The header of the answer: a session with this protocol, or none."""
    if isinstance(answer, str):
        return [(b":status", b"200"), (_CHOSEN, serialise_strings([answer]).encode())]
    return [(b":status", b"%d" % answer.status), (b"content-type", b"text/plain; charset=utf-8")]


def connect_request(
    authority: str, path: str, protocols: Iterable[str], token: str
) -> list[tuple[bytes, bytes]]:
    """The header of a request. `token` is that of `upgrade_token`."""
    return [
        (b":method", b"CONNECT"),
        (b":protocol", token.encode()),
        (b":scheme", b"https"),
        (b":authority", authority.encode()),
        (b":path", path.encode()),
        (b"sec-webtransport-http3-draft02", b"1"),
        (_AVAILABLE, serialise_strings(protocols).encode()),
    ]


def read_response(headers: Headers, offered: Iterable[str]) -> str | Rejection | None:
    """The protocol of the session that is up now, or why there is none; None if the answer is still to come.

    Raises RemoteProtocolError(WT_ALPN_ERROR), which ends the session, if the server chose nothing, or what
    was not offered.
    """
    fields = _fields(headers)
    status = fields.get(b":status", b"")
    if status.startswith(b"1"):
        return None
    if not status.startswith(b"2"):
        return Rejection(int(status) if status.isdigit() else 0)
    chosen = parse_string(_text(fields.get(_CHOSEN, b"")))
    if chosen is None or chosen not in tuple(offered):
        raise RemoteProtocolError(ErrorCode.WT_ALPN_ERROR, f"the server chose the protocol {chosen!r}")
    return chosen


def _fields(headers: Headers) -> dict[bytes, bytes]:
    """Values by name; those of one name are joined as RFC 9110 section 5.3 says."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        found[name] = found[name] + b", " + value if name in found else value
    return found


def _text(value: bytes) -> str:
    return value.decode("latin-1")
