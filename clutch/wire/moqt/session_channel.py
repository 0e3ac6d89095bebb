"""Streams of control messages: a control stream, or that of one request."""

from __future__ import annotations

from typing import Any, Protocol

import attrs

from clutch.wire.moqt.framing import ControlParser
from clutch.wire.moqt.messages import Message
from clutch.wire.moqt.session_request import Request


class Stream(Protocol):
    """What a session needs of a stream; `clutch.net.quic.engine.QuicStream` says what each does."""

    context: Any
    """The `Channel`, of a stream of control messages."""

    def write(self, data: bytes, *, fin: bool = False) -> bool:
        """Send all of it, or take nothing and return False."""

    def reset(self, code: int) -> None:
        """Give up sending."""

    def stop(self, code: int) -> None:
        """Tell the peer to give up sending."""


class Carrier(Protocol):
    """What a session needs of a connection."""

    @property
    def early(self) -> bool:
        """Whether what comes now may be a replay (0-RTT)."""

    def open_uni(self, data: bytes = b"", *, fin: bool = False) -> Stream | None:
        """Open a stream and write to it; None if too much waits already."""

    def open_bidi(self, data: bytes = b"", *, fin: bool = False) -> Stream | None:
        """The same, both ways."""


@attrs.define(eq=False)
class Channel:
    """One such stream, of which at least one direction carries control messages."""

    stream: Stream | None = attrs.field(repr=False)
    """None while it could not be opened yet."""
    parser: ControlParser = attrs.field(repr=False)
    request: Request | None = None
    held: list[Message] = attrs.field(init=False, factory=list, repr=False)
    """What came before the peer's SETUP."""
    finished: bool = attrs.field(init=False, default=False)
    """The peer has finished its side."""
    closed: bool = attrs.field(init=False, default=False)
    """This side has finished or given up its own."""
    _waiting: bytearray = attrs.field(init=False, factory=bytearray, repr=False)
    _fin: bool = attrs.field(init=False, default=False)

    @property
    def unsent(self) -> int:
        """Bytes that the stream has refused so far."""
        return len(self._waiting)

    @property
    def waits(self) -> bool:
        """Whether `flush` has something to do."""
        return bool(self._waiting) or self._fin

    def send(self, data: bytes, *, fin: bool = False) -> None:
        """Send, or keep until `flush`. Nothing once this side is closed."""
        if self.closed:
            return
        self.closed = fin
        if self._waiting or self.stream is None or not self.stream.write(data, fin=fin):
            self._waiting += data
            self._fin |= fin

    def flush(self) -> bool:
        """Try again what was refused; whether nothing waits any more."""
        if self.waits and self.stream is not None and self.stream.write(bytes(self._waiting), fin=self._fin):
            self._waiting.clear()
            self._fin = False
        return not self.waits

    def opened(self, stream: Stream) -> None:
        """The stream is there at last."""
        self.stream = stream
        stream.context = self

    def abort(self, code: int) -> None:
        """Give up both directions, as far as they are open."""
        if self.stream is not None:
            self._waiting.clear()
            if not self.closed or self._fin:
                self.stream.reset(code)
            if not self.finished:
                self.stream.stop(code)
        self.closed = self.finished = True
        self._fin = False
