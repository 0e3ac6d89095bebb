"""Which session a stream or a datagram is for: its first bytes (draft-15, 4.2 to 4.5)."""

from __future__ import annotations

from typing import Literal, TypeAlias

from clutch.wire.varint import encode_varint, read_varint
from clutch.wire.webtransport.codes import ErrorCode
from clutch.wire.webtransport.errors import RemoteProtocolError

_UNI = 0x54
_BIDI = 0x41

NOT_WEBTRANSPORT: Literal["http"] = "http"
"""Said of a stream that is one of HTTP/3's own."""
_Http: TypeAlias = Literal["http"]


def stream_header(session: int, *, bidirectional: bool) -> bytes:
    """What a stream of the session with this ID begins with."""
    return encode_varint(_BIDI if bidirectional else _UNI) + encode_varint(session)


def read_stream_header(data: bytes | bytearray, *, bidirectional: bool) -> tuple[int, int] | _Http | None:
    """The session's ID and where the header ends; `NOT_WEBTRANSPORT`; or None until more bytes come.

    At most 16 bytes are needed. Raises RemoteProtocolError(H3_ID_ERROR), which closes the connection.
    """
    if (kind := read_varint(data)) is None:
        return None
    if kind[0] != (_BIDI if bidirectional else _UNI):
        return NOT_WEBTRANSPORT
    if (session := read_varint(data, kind[1])) is None:
        return None
    if session[0] % 4:
        raise RemoteProtocolError(ErrorCode.H3_ID_ERROR, f"{session[0]} is no ID of a session")
    return session


def datagram_prefix(session: int) -> bytes:
    """What a datagram of the session with this ID begins with (RFC 9297 section 2.1)."""
    return encode_varint(session // 4)


def read_datagram(data: bytes) -> tuple[int, bytes] | None:
    """The session's ID and the payload; None if it is too short to tell."""
    if (quarter := read_varint(data)) is None:
        return None
    return quarter[0] * 4, data[quarter[1] :]
