"""Capsules on the CONNECT stream (RFC 9297 section 3.2): how a session is drained and closed."""

from __future__ import annotations

from typing import TypeAlias

import attrs

from clutch.wire.varint import encode_varint, read_varint
from clutch.wire.webtransport.codes import ErrorCode
from clutch.wire.webtransport.errors import RemoteProtocolError

_CLOSE = 0x2843
_DRAIN = 0x78AE
_MAX_REASON = 1024
_MAX_HEADER = 16
"""Two varints."""


@attrs.frozen
class CloseSession:
    """The session is over; nothing follows but the end of the stream."""

    code: int = 0
    """The application's, 32 bits; not mapped."""
    reason: str = ""

    def to_bytes(self) -> bytes:
        """The capsule. A reason over 1024 bytes is cut between two characters."""
        reason = self.reason.encode()[:_MAX_REASON].decode(errors="ignore").encode()
        return _capsule(_CLOSE, self.code.to_bytes(4, "big") + reason)


@attrs.frozen
class DrainSession:
    """The peer asks to end the session soon."""

    def to_bytes(self) -> bytes:
        """The capsule."""
        return _capsule(_DRAIN, b"")


Capsule: TypeAlias = CloseSession | DrainSession


def _capsule(kind: int, value: bytes) -> bytes:
    return encode_varint(kind) + encode_varint(len(value)) + value


@attrs.define(eq=False)
class CapsuleReader:
    """Capsules out of the data of a CONNECT stream. Keeps at most one capsule that it knows; skips others.

    Raises RemoteProtocolError(H3_MESSAGE_ERROR), with which to reset the stream; it must not be used after.
    """

    closed: bool = attrs.field(default=False, init=False)
    """True once a CloseSession was read."""
    _buffer: bytearray = attrs.field(factory=bytearray, init=False, repr=False)
    _skip: int = attrs.field(default=0, init=False)
    """How many bytes of an unknown capsule are still to come."""

    def receive(self, data: bytes) -> list[Capsule]:
        """Take bytes as they come; the capsules that they complete."""
        self._buffer += data
        found: list[Capsule] = []
        while self._buffer:
            if self.closed:
                raise RemoteProtocolError(ErrorCode.H3_MESSAGE_ERROR, "data after the closing capsule")
            if self._skip:
                skipped = min(self._skip, len(self._buffer))
                self._skip -= skipped
                del self._buffer[:skipped]
            elif not self._take(found):
                break
        return found

    def end(self) -> None:
        """The stream has ended. An end within a capsule is an error (RFC 9297 section 3.3)."""
        if self._buffer or self._skip:
            raise RemoteProtocolError(ErrorCode.H3_MESSAGE_ERROR, "the stream ends within a capsule")

    def _take(self, found: list[Capsule]) -> bool:
        """Read one capsule, or its header if it is unknown; False if more bytes are needed."""
        head = bytes(self._buffer[:_MAX_HEADER])
        if (kind := read_varint(head)) is None or (length := read_varint(head, kind[1])) is None:
            return False
        size, begin = length
        if kind[0] not in (_CLOSE, _DRAIN):
            self._skip = size
            del self._buffer[:begin]
            return True
        if size > 4 + _MAX_REASON:
            raise RemoteProtocolError(ErrorCode.H3_MESSAGE_ERROR, f"capsule {kind[0]:#x} of {size} bytes")
        if len(self._buffer) < begin + size:
            return False
        value = bytes(self._buffer[begin : begin + size])
        del self._buffer[: begin + size]
        found.append(DrainSession() if kind[0] == _DRAIN else self._close(value))
        return True

    def _close(self, value: bytes) -> CloseSession:
        self.closed = True
        try:
            reason = value[4:].decode()
        except UnicodeDecodeError as error:
            raise RemoteProtocolError(ErrorCode.H3_MESSAGE_ERROR, "the reason is not UTF-8") from error
        if len(value) < 4:
            raise RemoteProtocolError(ErrorCode.H3_MESSAGE_ERROR, "a closing capsule without a code")
        return CloseSession(int.from_bytes(value[:4], "big"), reason)
