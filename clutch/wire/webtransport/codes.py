"""Error codes, and how those of applications are mapped into HTTP/3's (draft-15, 4.4)."""

from __future__ import annotations

from enum import IntEnum


class ErrorCode(IntEnum):
    """What is used of HTTP/3 (RFC 9114 section 8.1, RFC 9297 section 5.2) and WebTransport (draft-15)."""

    H3_DATAGRAM_ERROR = 0x33
    H3_NO_ERROR = 0x100
    H3_EXCESSIVE_LOAD = 0x107
    H3_ID_ERROR = 0x108
    H3_REQUEST_REJECTED = 0x10B
    H3_REQUEST_CANCELLED = 0x10C
    H3_MESSAGE_ERROR = 0x10E
    H3_CONNECT_ERROR = 0x10F
    WT_BUFFERED_STREAM_REJECTED = 0x3994BD84
    WT_SESSION_GONE = 0x170D7B68
    WT_ALPN_ERROR = 0x0817B3DD
    WT_REQUIREMENTS_NOT_MET = 0x212C0D48


_FIRST = 0x52E4A40FA8DB
_LAST = 0x52E5AC983162


def to_http(code: int) -> int:
    """The code on the wire of an application's, 0 to 2^32 - 1 (ValueError if not).

    Every 31st codepoint is skipped: HTTP/3 reserves it for greasing.
    """
    if not 0 <= code < 1 << 32:
        raise ValueError(f"{code} is no WebTransport error code")
    return _FIRST + code + code // 0x1E


def from_http(code: int) -> int | None:
    """The application's code; None if HTTP/3 or WebTransport itself means something by it."""
    if not _FIRST <= code <= _LAST or (code - 0x21) % 0x1F == 0:
        return None
    shifted = code - _FIRST
    return shifted - shifted // 0x1F
