"""Messages out of a byte stream: TCP and TLS (RFC 3261 sections 7.5 and 18.3, RFC 5626 section 4.4.1)."""

from __future__ import annotations

import attrs

from clutch.wire.sip.errors import SipParseError
from clutch.wire.sip.head import MAX_MESSAGE, Head, read_head
from clutch.wire.sip.message import Message, build_message

_BREAK = b"\r\n"
_BLANK = b"\r\n\r\n"


@attrs.frozen
class KeepAlive:
    """A ping between two messages: a double CRLF, to be answered by a single one."""


def _length(buffer: bytearray) -> str:
    return f"<{len(buffer)} bytes>"


@attrs.define(eq=False)
class StreamFramer:
    """Cuts a byte stream into messages. Holds at most one message and one read.

    A message that is framed but otherwise broken costs that message only. Where the next one begins is lost
    when Content-Length is missing or bad or a message is over the limit: the framer is then `dead`.
    """

    dead: bool = attrs.field(default=False, init=False)
    """True once the stream cannot be read any further: answer, then close it."""
    _buffer: bytearray = attrs.field(factory=bytearray, init=False, repr=_length)
    _searched: int = attrs.field(default=0, init=False)
    """How many bytes of the buffer are known not to begin the blank line."""
    _head: Head | None = attrs.field(default=None, init=False, repr=False)
    """Head whose body has not come in full."""
    _body_length: int = attrs.field(default=0, init=False)

    def receive(self, data: bytes) -> None:
        """Take bytes as they come. Call `next` until it returns None before taking more."""
        if not self.dead:
            self._buffer += data

    def next(self) -> Message | KeepAlive | None:
        """The next message or ping; None until more bytes come, and for ever once `dead`.

        Raises SipParseError for a broken message, once.
        """
        if self._head is None:
            if self._take_ping():
                return KeepAlive()
            self._head = self._take_head()
        if self._head is None or len(self._buffer) < self._body_length:
            return None
        head, self._head = self._head, None
        return build_message(head, self._take(self._body_length))

    def _take(self, length: int) -> bytes:
        taken = bytes(self._buffer[:length])
        del self._buffer[:length]
        self._searched = 0
        return taken

    def _take_ping(self) -> bool:
        """Drop line breaks before a start line, up to the first double one, which is a ping."""
        while self._buffer.startswith(_BREAK):
            after = self._buffer[2:4]
            if after == _BREAK:
                self._take(4)
                return True
            if _BREAK.startswith(after):
                return False
            self._take(2)
        return False

    def _take_head(self) -> Head | None:
        end = self._buffer.find(_BLANK, self._searched)
        self._searched = max(0, len(self._buffer) - 3)
        if end < 0 and len(self._buffer) <= MAX_MESSAGE:
            return None
        fits = 0 <= end < MAX_MESSAGE
        head = read_head(self._take(end + 4)[:-4] if fits else self._take(MAX_MESSAGE))
        try:
            self._body_length = _body_length(head, MAX_MESSAGE - end - 4 if fits else -1)
        except SipParseError as fault:
            self.dead = True
            self._body_length = 0
            self._buffer.clear()
            return attrs.evolve(head, fault=fault)
        return head


def _body_length(head: Head, room: int) -> int:
    length = head.content_length() if room >= 0 else 0
    if length is None:
        raise SipParseError(400, "no Content-Length on a stream")
    if length > room:
        raise SipParseError(513, f"message is over {MAX_MESSAGE} bytes")
    return length
