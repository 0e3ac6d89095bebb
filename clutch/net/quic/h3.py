"""WebTransport on a connection of the aioquic engine: one session, over HTTP/3.

HTTP/3's own streams (control, QPACK, requests) go through aioquic's HTTP/3. Those of WebTransport do not:
once its first bytes have told whose it is, a stream is the session's like one of raw QUIC.

When the session ends, so does the connection, but only the client closes it, once both sides have closed the
CONNECT stream: a page in Chromium may not hear how its session ended if the connection ends right after it.
A server waits for that for a while.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import attrs
from aioquic.h3.events import DataReceived, H3Event, HeadersReceived
from aioquic.quic.connection import stream_is_unidirectional
from aioquic.quic.events import (
    DatagramFrameReceived,
    QuicEvent,
    StopSendingReceived,
    StreamDataReceived,
    StreamReset,
)

from clutch.net.quic.aioquic_private import Http3
from clutch.net.quic.engine import Closed, Incoming, Refused, SessionHandler, Target
from clutch.net.quic.h3_streams import LINGER_S, StreamEvent, Streams
from clutch.net.quic.layer import Carrier
from clutch.net.quic.session import Framing, Session
from clutch.wire.webtransport import (
    CapsuleReader,
    CloseSession,
    EarlyData,
    ErrorCode,
    Offer,
    Rejection,
    RemoteProtocolError,
    choose,
    connect_request,
    datagram_prefix,
    from_http,
    is_possible,
    read_request,
    read_response,
    response,
    stream_header,
    to_http,
    upgrade_token,
)

MAX_BUFFERED = 64 << 10
"""Bytes of incomplete frames of HTTP/3, on all streams; also of requests before the peer's settings."""
_EVENT_COST = 64
"""Bytes that an event counts for, besides its data."""
_MAX_REASON = 512
"""Bytes of the body of a refusal that are read."""


def _decode(code: int) -> int:
    """The application's code; 0 for one by which the peer's HTTP/3 means something."""
    return from_http(code) or 0


@attrs.define(eq=False)
class H3Layer:
    """`ConnectionLayer` of HTTP/3 with WebTransport."""

    _carrier: Carrier = attrs.field(repr=False)
    _protocols: Sequence[str] = ()
    """What a server speaks inside of WebTransport, best first."""
    _http: Http3 = attrs.field(init=False, repr=False)
    _streams: Streams = attrs.field(init=False, repr=False)
    _capsules: CapsuleReader = attrs.field(init=False, factory=CapsuleReader, repr=False)
    _connect: int | None = attrs.field(init=False, default=None)
    """ID of the CONNECT stream, from the request on; of a server from its acceptance on."""
    _session: Session | None = attrs.field(init=False, default=None)
    _refusal: tuple[Rejection, bytearray] | None = attrs.field(init=False, default=None)
    """The server's answer, and what is here of its body."""
    _waiting: list[StreamEvent] = attrs.field(init=False, factory=list, repr=False)
    """Of requests, until the peer's settings are here: they say which draft it speaks."""
    _held: int = attrs.field(init=False, default=0)
    """What those cost, in bytes."""

    def start(self) -> None:
        """See `ConnectionLayer.start`."""
        early = EarlyData(max_bytes=self._carrier.limits.session_unread)
        self._streams = Streams(self._carrier, self._on_http, early)
        self._http = Http3(self._carrier.quic)
        for number in self._http.critical_streams:
            self._streams.own(number)
        if not self._carrier.client:
            self._carrier.close_in(self._carrier.limits.handshake_s, ErrorCode.H3_NO_ERROR, "no session")
        self._carrier.touch()

    def handle_event(self, event: QuicEvent) -> None:
        """See `ConnectionLayer.handle_event`."""
        if isinstance(event, StreamDataReceived | StreamReset | StopSendingReceived):
            self._streams.handle(event)
        elif isinstance(event, DatagramFrameReceived):
            self._streams.on_datagram(event.data)

    def batch_end(self) -> None:
        """See `ConnectionLayer.batch_end`."""
        if self._session is not None:
            self._session.batch_end()

    def sent(self) -> None:
        """See `ConnectionLayer.sent`."""
        session = self._session
        self._carrier.refused = session is not None and not (session.finish() or session.sent())

    def closed(self, closed: Closed) -> None:
        """See `ConnectionLayer.closed`. A code of the connection is none of the application's."""
        if self._session is not None:
            self._session.finish(attrs.evolve(closed, application=False))

    # HTTP/3

    def _on_http(self, event: StreamEvent) -> None:
        known = self._http.received_settings is not None
        if not known and not self._carrier.client and not stream_is_unidirectional(event.stream_id):
            self._waiting.append(event)
            self._held += _EVENT_COST + (len(event.data) if isinstance(event, StreamDataReceived) else 0)
            held = self._held
        else:
            for found in self._http.handle_event(event):
                self._on_http_event(found)
            if event.stream_id == self._connect and not isinstance(event, StreamDataReceived):
                self._peer_ended(Closed("peer", event.error_code, "CONNECT stream reset", application=False))
            held = self._http.buffered
        if held > MAX_BUFFERED:
            self._carrier.close(ErrorCode.H3_EXCESSIVE_LOAD, "frames are too long")
        if not known and self._http.received_settings is not None:
            self._ready(self._http.received_settings)

    def _ready(self, settings: dict[int, int]) -> None:
        """The peer's settings have come."""
        if self._carrier.client:
            self._request(settings)
        waiting, self._waiting = self._waiting, []
        for event in waiting:
            self._on_http(event)

    def _on_http_event(self, event: H3Event) -> None:
        if not isinstance(event, HeadersReceived | DataReceived):
            return
        if isinstance(event, HeadersReceived):
            if event.stream_id != self._connect and not self._carrier.client:
                self._answer(event)
            elif event.stream_id == self._connect and self._session is None:
                self._on_response(event)
        if event.stream_id == self._connect:
            data = event.data if isinstance(event, DataReceived) else b""
            if self._refusal is not None:
                self._on_refusal(*self._refusal, data, event.stream_ended)
            elif self._session is not None:
                self._on_capsules(data, event.stream_ended)

    # A server

    def _answer(self, request: HeadersReceived) -> None:
        """Accept a request as the session, or refuse it."""
        number = request.stream_id
        if self._connect is not None:
            self._http.forget(number)
            self._streams.refuse(number, ErrorCode.H3_REQUEST_REJECTED)
            self._streams.over(number)
            return
        offer = read_request(request.headers)
        answer = self._decide(offer) if isinstance(offer, Offer) else offer
        if isinstance(answer, Rejection):
            self._http.send_headers(number, response(answer))
            self._http.write(number, answer.reason.encode(), fin=True)
            self._streams.over(number)
            return
        handler, incoming = answer
        self._http.send_headers(number, response(incoming.protocol))
        self._connect = number
        self._begin(handler, incoming.protocol, incoming.authority, incoming.path)

    def _decide(self, offer: Offer) -> tuple[SessionHandler, Incoming] | Rejection:
        carrier = self._carrier
        if carrier.early:
            return Rejection(425, "a session needs a complete handshake")
        if not is_possible(self._http.received_settings or {}):
            return Rejection(400, "a session needs SETTINGS_H3_DATAGRAM")
        protocol = choose(offer, self._protocols)
        if isinstance(protocol, Rejection):
            return protocol
        incoming = Incoming("webtransport", protocol, carrier.peer, offer.authority, offer.path, offer.origin)
        handler = carrier.accept(incoming)
        if isinstance(handler, Refused):
            return Rejection(handler.status, handler.reason)
        return handler, incoming

    # A client

    def _request(self, settings: dict[int, int]) -> None:
        token = upgrade_token(settings)
        if token is None:
            self._fail("the server does not speak WebTransport", ErrorCode.WT_REQUIREMENTS_NOT_MET)
            return
        target = self._carrier.wanted[0]
        self._connect = self._carrier.quic.get_next_available_stream_id()
        headers = connect_request(_authority(target), target.path, target.protocols, token)
        self._http.send_headers(self._connect, headers)
        self._streams.own(self._connect)

    def _on_response(self, event: HeadersReceived) -> None:
        target, handler = self._carrier.wanted
        try:
            answer = read_response(event.headers, target.protocols)
        except RemoteProtocolError as error:
            self._fail(error.text, error.code)
            return
        if isinstance(answer, Rejection):
            self._refusal = (answer, bytearray())
        elif answer is not None:
            self._carrier.connected(self._begin(handler, answer, _authority(target), target.path))

    def _on_refusal(self, answer: Rejection, body: bytearray, data: bytes, ended: bool) -> None:
        body += data[: _MAX_REASON - len(body)]
        if ended:
            text = f": {body.decode(errors='replace')}" if body else ""
            self._fail(f"refused with {answer.status}{text}", ErrorCode.H3_NO_ERROR)

    def _fail(self, reason: str, code: ErrorCode) -> None:
        self._carrier.failed(reason)
        self._carrier.close(code, reason)

    # The session

    def _begin(self, handler: SessionHandler, protocol: str, authority: str, path: str) -> Session:
        """The request was accepted."""
        number = self._connect
        assert number is not None
        framing = Framing(
            self._close,
            "webtransport",
            path,
            authority,
            protocol,
            stream_header(number, bidirectional=False),
            stream_header(number, bidirectional=True),
            datagram_prefix(number),
            to_http,
            _decode,
        )
        self._carrier.close_in(math.inf, ErrorCode.H3_NO_ERROR, "")
        self._session = session = Session(self._carrier, handler, framing)
        session.mute = not self._carrier.client
        session.start()
        if not session.finish():
            self._streams.up(number, session)
        return session

    def _on_capsules(self, data: bytes, ended: bool) -> None:
        """The peer said something on the CONNECT stream, or ended it."""
        try:
            for capsule in self._capsules.receive(data):
                if isinstance(capsule, CloseSession):
                    self._peer_ended(Closed("peer", capsule.code, capsule.reason))
            if ended:
                self._capsules.end()
                self._peer_ended(Closed("peer"))
        except RemoteProtocolError as error:
            assert self._connect is not None
            self._http.forget(self._connect)
            self._streams.refuse(self._connect, error.code)
            self._peer_ended(Closed("engine", error.code, error.text, application=False))

    def _peer_ended(self, closed: Closed) -> None:
        """The session is over for the peer: close the CONNECT stream as well, or if that is done, all."""
        if self._session is None:
            self._fail(closed.reason, ErrorCode.H3_NO_ERROR)
            return
        self._session.finish(closed)
        self._end(b"", fin=True)
        if self._carrier.client:
            self._carrier.close(ErrorCode.H3_NO_ERROR, "")

    def _close(self, code: int, reason: str) -> None:
        """This side closes the session. Its handler is told by `sent`."""
        # Draft-15 wants the FIN at once. The renderer of Chromium 156 crashes if one comes with the capsule.
        self._end(CloseSession(code, reason).to_bytes(), fin=self._carrier.client)
        self._carrier.refused = True

    def _end(self, last: bytes, *, fin: bool) -> None:
        """Say the last on the CONNECT stream, and give up all others."""
        assert self._connect is not None
        self._http.write(self._connect, last, fin=fin)
        self._streams.over(self._connect)
        self._carrier.close_in(LINGER_S, ErrorCode.H3_NO_ERROR, "")


def _authority(target: Target) -> str:
    return f"[{target.host}]:{target.port}" if ":" in target.host else f"{target.host}:{target.port}"
