"""Streams and datagrams that overtake the session they are for (draft-15, 4.6).

QUIC delivers streams in any order: a client may send its request and all that belongs to it in one flight,
and a server's streams may come before its answer. What is early is kept, up to a limit, until the session
is up.
"""

from __future__ import annotations

from enum import Enum

import attrs


class Fate(Enum):
    """What becomes of something that names a session."""

    UP = "the session is there"
    EARLY = "it may still come"
    OVER = "it is over, or was refused"


def _length(data: bytearray) -> str:
    return f"<{len(data)} bytes>"


@attrs.define(eq=False)
class EarlyStream:
    """A stream of the peer whose session is not up, or not known."""

    number: int
    session: int | None = None
    """Its ID; None until the header of the stream is complete."""
    data: bytearray = attrs.field(factory=bytearray, repr=_length)
    fin: bool = False
    """The peer has finished; `data` is all."""
    reset: int | None = None
    """The code with which the peer gave up, as on the wire."""
    stopped: int | None = None
    """The code with which it refuses to be answered, as on the wire."""


@attrs.define(eq=False)
class EarlyData:
    """Knows which session is up, at most one at a time, and keeps what is early for the next.

    IDs of sessions only grow: what is not above the last one that ended is for none.
    """

    max_streams: int = 64
    max_datagrams: int = 64
    max_bytes: int = 1 << 20
    """Of streams and datagrams together."""
    current: int | None = attrs.field(default=None, init=False)
    """ID of the session that is up."""
    held: int = attrs.field(default=0, init=False)
    """Bytes that are kept."""
    _over: int = attrs.field(default=-1, init=False)
    _streams: dict[int, EarlyStream] = attrs.field(factory=dict, init=False)
    _datagrams: list[tuple[int, bytes]] = attrs.field(factory=list, init=False)

    def fate(self, session: int) -> Fate:
        """What to do with something for this session."""
        if session == self.current:
            return Fate.UP
        return Fate.EARLY if session > self._over else Fate.OVER

    def open(self, stream: EarlyStream) -> bool:
        """Keep a stream; False if it is too much: refuse it with WT_BUFFERED_STREAM_REJECTED."""
        if len(self._streams) >= self.max_streams or self.held + len(stream.data) > self.max_bytes:
            return False
        self._streams[stream.number] = stream
        self.held += len(stream.data)
        return True

    def receive(self, stream: EarlyStream, data: bytes, fin: bool) -> bool:
        """Keep bytes of a stream; False if it is too much: the stream is forgotten, refuse it likewise."""
        if self.held + len(data) > self.max_bytes:
            self._drop(stream)
            return False
        stream.data += data
        stream.fin = fin
        self.held += len(data)
        return True

    def datagram(self, session: int, payload: bytes) -> bool:
        """Keep a datagram; False if it is lost because there are too many."""
        if len(self._datagrams) >= self.max_datagrams or self.held + len(payload) > self.max_bytes:
            return False
        self._datagrams.append((session, payload))
        self.held += len(payload)
        return True

    def up(self, session: int) -> tuple[list[EarlyStream], list[bytes]]:
        """The session is up: the streams and datagrams that waited for it, in order of arrival."""
        self.current = session
        return self._take(session)

    def over(self, session: int) -> list[EarlyStream]:
        """The session has ended or was refused: the streams that waited for it, to be given up."""
        self._over = max(self._over, session)
        if self.current == session:
            self.current = None
        return self._take(session)[0]

    def _take(self, session: int) -> tuple[list[EarlyStream], list[bytes]]:
        streams = [stream for stream in self._streams.values() if stream.session == session]
        datagrams = [payload for other, payload in self._datagrams if other == session]
        for stream in streams:
            self._drop(stream)
        self.held -= sum(map(len, datagrams))
        self._datagrams = [entry for entry in self._datagrams if entry[0] != session]
        return streams, datagrams

    def _drop(self, stream: EarlyStream) -> None:
        del self._streams[stream.number]
        self.held -= len(stream.data)
