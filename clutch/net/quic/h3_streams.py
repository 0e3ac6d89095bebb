"""Whose a stream or a datagram of an HTTP/3 connection is: HTTP/3's own, the session's, or nobody's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import attrs
from aioquic.quic.connection import stream_is_client_initiated, stream_is_unidirectional
from aioquic.quic.events import StopSendingReceived, StreamDataReceived, StreamReset

from clutch.net.quic.layer import Carrier
from clutch.net.quic.session import Session, Stream
from clutch.wire.webtransport import (
    NOT_WEBTRANSPORT,
    EarlyData,
    EarlyStream,
    ErrorCode,
    Fate,
    RemoteProtocolError,
    read_datagram,
    read_stream_header,
)

StreamEvent: TypeAlias = StreamDataReceived | StreamReset | StopSendingReceived

LINGER_S = 2.0
"""After the end of the session the connection is closed in any case."""
_GONE = (ErrorCode.WT_SESSION_GONE, ErrorCode.H3_CONNECT_ERROR)
"""How streams are given up because their session is over: as the draft says, and by Chromium 156."""


@attrs.frozen
class _Owner:
    """Kept with a stream that is not the session's, as a `Stream` is with one that is."""

    name: str


_HTTP = _Owner("HTTP/3")
_NOBODY = _Owner("nobody")
"""Refused: what still comes on it is dropped."""


@attrs.define(eq=False)
class Streams:
    """Reads the first bytes of every stream of the peer, and takes it to whom it is for.

    A stream of HTTP/3 goes to `on_http` as it came, one of the session to the session without its header.
    What is for a session that is not up is kept or refused (`EarlyData`).
    """

    _carrier: Carrier = attrs.field(repr=False)
    _on_http: Callable[[StreamEvent], None] = attrs.field(repr=False)
    _early: EarlyData = attrs.field(repr=False)
    _number: int | None = attrs.field(init=False, default=None)
    """The session's ID."""
    _session: Session | None = attrs.field(init=False, default=None)

    def handle(self, event: StreamEvent) -> None:
        """Something about a stream."""
        face = self._carrier.quic.face(event.stream_id)
        if isinstance(face, Stream):
            self._on_session(event)
        elif face is _HTTP:
            self._on_http(event)
        elif face is not _NOBODY:
            self._on_early(event, face or EarlyStream(event.stream_id))

    def on_datagram(self, data: bytes) -> None:
        """A datagram."""
        if (found := read_datagram(data)) is None:
            self._carrier.close(ErrorCode.H3_DATAGRAM_ERROR, "a datagram without a session")
            return
        session, payload = found
        fate = self._early.fate(session)
        if fate is Fate.UP and self._session is not None:
            self._session.mute = False
            self._session.on_datagram(payload)
        elif fate is Fate.EARLY:
            self._early.datagram(session, payload)

    def own(self, number: int) -> None:
        """A stream of ours is one of HTTP/3."""
        self._carrier.quic.keep(number, _HTTP)

    def up(self, number: int, session: Session) -> None:
        """The session of this ID has begun: what was early is its now."""
        self._number, self._session = number, session
        streams, datagrams = self._early.up(number)
        for stream in streams:
            self._deliver(session, stream)
        for datagram in datagrams:
            session.on_datagram(datagram)

    def over(self, number: int) -> None:
        """The session of this ID has ended, or was refused: so are its streams."""
        gone = [stream.number for stream in self._early.over(number)]
        if number == self._number:
            gone += [number for number, face in self._carrier.quic.faces() if isinstance(face, Stream)]
        for stream in gone:
            self.refuse(stream, ErrorCode.WT_SESSION_GONE)

    def refuse(self, number: int, code: int) -> None:
        """Give up a stream, both ways."""
        quic = self._carrier.quic
        quic.stop(number, code)
        if not stream_is_unidirectional(number) or stream_is_client_initiated(number) == self._carrier.client:
            quic.reset_stream(number, code)
        quic.keep(number, _NOBODY)
        self._carrier.touch()

    def _on_session(self, event: StreamEvent) -> None:
        session = self._session
        assert session is not None
        session.mute = False
        if isinstance(event, StreamDataReceived):
            session.on_data(event.stream_id, event.data, event.end_stream)
            return
        code: int | None = event.error_code
        if code in _GONE:  # the end of the session itself may come later
            code = None
            self._carrier.close_in(LINGER_S, ErrorCode.H3_NO_ERROR, "")
        if isinstance(event, StreamReset):
            session.on_reset(event.stream_id, code)
        else:
            session.on_stop(event.stream_id, code)

    def _on_early(self, event: StreamEvent, stream: EarlyStream) -> None:
        """Something about a stream whose session is not known, or not up."""
        if isinstance(event, StreamDataReceived):
            if stream.session is not None:
                if not self._early.receive(stream, event.data, event.end_stream):
                    self.refuse(stream.number, ErrorCode.WT_BUFFERED_STREAM_REJECTED)
                return
            stream.data += event.data
            stream.fin = event.end_stream
            self._carrier.quic.keep(stream.number, stream)
            self._recognise(stream)
        elif isinstance(event, StopSendingReceived):
            stream.stopped = event.error_code
            self._carrier.quic.keep(stream.number, stream)
        elif stream.session is not None:
            stream.reset = event.error_code
        elif stream.number % 4 == 0 and not self._carrier.client:  # it may have been a request
            self._on_http(event)
        else:  # nobody will know whose it was
            self.refuse(stream.number, ErrorCode.H3_REQUEST_CANCELLED)

    def _recognise(self, stream: EarlyStream) -> None:
        """Hand a stream over as soon as its header is complete."""
        number = stream.number
        try:
            found = read_stream_header(stream.data, bidirectional=not stream_is_unidirectional(number))
        except RemoteProtocolError as error:
            self._carrier.close(error.code, error.text)
            return
        if found == NOT_WEBTRANSPORT or (found is None and stream.fin):
            self.own(number)
            self._on_http(StreamDataReceived(bytes(stream.data), stream.fin, number))
        elif found is not None:
            stream.session, begin = found
            del stream.data[:begin]
            self._associate(stream, self._early.fate(stream.session))

    def _associate(self, stream: EarlyStream, fate: Fate) -> None:
        if fate is Fate.UP and self._session is not None:
            self._session.mute = False
            self._deliver(self._session, stream)
        elif fate is Fate.OVER:
            self.refuse(stream.number, ErrorCode.WT_SESSION_GONE)
        elif not self._early.open(stream):
            self.refuse(stream.number, ErrorCode.WT_BUFFERED_STREAM_REJECTED)

    def _deliver(self, session: Session, stream: EarlyStream) -> None:
        """Tell the session all that is known of a stream."""
        self._carrier.quic.keep(stream.number, None)
        if stream.reset is None:
            session.on_data(stream.number, bytes(stream.data), stream.fin)
        else:
            session.on_reset(stream.number, stream.reset)
        if stream.stopped is not None:
            session.on_stop(stream.number, stream.stopped)
