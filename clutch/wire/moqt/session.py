"""The control plane of a MoQT session, without I/O: SETUP, the streams of control messages, GOAWAY.

Draft 18 has a control stream of each side and one stream per request; draft 16 has one control stream for all
but SUBSCRIBE_NAMESPACE, and numbers instead of streams. Both are the same `Requests` here. Bytes of control
messages come in by `Channel`, events go out by `link.events`; time is an argument; objects do not pass here.
"""

from __future__ import annotations

import attrs

from clutch.wire.moqt import messages as m
from clutch.wire.moqt.codes import ResetCode, SessionError
from clutch.wire.moqt.errors import LocalProtocolError, RemoteProtocolError, violation
from clutch.wire.moqt.session_channel import Channel, Stream
from clutch.wire.moqt.session_events import GoingAway, Ready
from clutch.wire.moqt.session_heard import Heard
from clutch.wire.moqt.session_link import Link
from clutch.wire.moqt.session_request import ENDED_BY_FIN, KINDS, TAKES_BACK, Kind, Request, State
from clutch.wire.moqt.session_requests import Requests
from clutch.wire.moqt.setup import Options

_HELD_COST = 128
"""What a message that waits for SETUP counts besides its bytes: on the wire it may have five."""


@attrs.define(eq=False)
class Session:
    """One side of a session. What it is told adds to `link.events`; who drives it takes them out."""

    link: Link
    raw: bool
    """Raw QUIC, not WebTransport."""
    options: Options = attrs.field(repr=False)
    """What this side says in SETUP, besides what follows from the limits."""
    requests: Requests = attrs.field(init=False, repr=False)
    _heard: Heard = attrs.field(init=False, repr=False)
    peer: Options | None = attrs.field(init=False, default=None)
    """The peer's SETUP, once it has come."""
    _in: Channel | None = attrs.field(init=False, default=None, repr=False)
    """The peer's control stream."""
    _held: dict[Channel, int] = attrs.field(init=False, factory=dict, repr=False)
    """Streams that came before SETUP, and how much they count."""

    def __attrs_post_init__(self) -> None:
        self.requests = Requests(self.link)
        self._heard = Heard(self.link, self.requests)

    def start(self, now: float) -> None:
        """Say SETUP, or wait for the client's (draft 16). The first call."""
        self.link.timers.set("setup", now + self.link.limits.setup_s, lambda: self.link.slow("SETUP"))
        if self.link.draft.request_streams:
            self.link.out = self.link.channel(self.link.carrier.open_uni(self._setup_message()))
        elif self.link.client:
            self.link.out = self._in = self.link.channel(self.link.carrier.open_bidi(self._setup_message()))

    def accepted(self, stream: Stream, now: float, *, control: bool = False) -> Channel:
        """The peer has opened a bidirectional stream, or a unidirectional one that begins with SETUP."""
        channel = self.link.channel(stream)
        self.link.timers.set(channel, now + self.link.limits.message_s, lambda: self.link.slow("a request"))
        if control and self._in is not None:
            self.link.fail(violation("a second control stream"))
        elif control:
            self._in = channel
            channel.closed = True  # there is no other direction
        return channel

    def receive(self, channel: Channel, data: bytes, fin: bool, now: float) -> None:
        """Bytes of a stream of control messages, in order."""
        if channel.finished:
            return
        self.link.now = now
        try:
            messages = channel.parser.feed(data)
            if self._early(channel, len(data), messages):
                channel.held += messages
                channel.finished = channel.finished or fin
                return
            self._handle(channel, messages)
            channel.finished = channel.finished or fin
            if fin:
                self._fin(channel)
        except RemoteProtocolError as error:
            self.link.fail(error)

    def was_reset(self, channel: Channel, code: int) -> None:
        """The peer has given up its side of such a stream."""
        channel.finished = True
        self._broken(channel, code)

    def was_stopped(self, channel: Channel, code: int) -> None:
        """The peer reads it no more; this side of the stream is reset already."""
        channel.closed = True
        self._broken(channel, code)

    def goaway(self, uri: str, timeout_ms: int, now: float) -> None:
        """Ask the peer to go; what it still asks is refused. Once, later calls do nothing.

        After the timeout, if any, the session ends: with GOAWAY_TIMEOUT if a request is still open.
        """
        if self.link.client and uri:
            raise LocalProtocolError("a client has no URI to send a server to")
        if self.link.going_away or self.link.out is None:
            return
        self.link.going_away = True
        next_id = self.link.peer_ids.next if self.link.draft.request_streams else None
        self.link.send(self.link.out, self.link.draft.encode(m.Goaway(uri, timeout_ms, next_id)))
        if timeout_ms:
            self.link.timers.set("goaway", now + timeout_ms / 1000, self._not_gone)

    def _not_gone(self) -> None:
        code = SessionError.GOAWAY_TIMEOUT if self.requests.books.requests else SessionError.NO_ERROR
        self.link.fail(RemoteProtocolError(code, "the timeout of GOAWAY is over"))

    def _handle(self, channel: Channel, messages: list[m.Message]) -> None:
        for message in messages:
            if isinstance(message, m.Setup):
                self._setup(channel, message)
            elif channel is self._in:
                self._control(channel, message)
            elif channel.request is None:
                self._heard.asked(channel, message, on_stream=True)
            elif self.link.draft.request_streams or not hasattr(message, "request_id"):
                self._heard.about(channel.request, message)
            else:
                self._routed(message)
        if channel.parser.partial:
            if messages or channel not in self.link.timers:
                when = self.link.now + self.link.limits.message_s
                self.link.timers.set(channel, when, lambda: self.link.slow("a message"))
        elif channel.request is not None or channel is self._in:
            self.link.timers.clear(channel)

    def _early(self, channel: Channel, size: int, messages: list[m.Message]) -> bool:
        """Whether this must wait for the peer's SETUP."""
        if self.peer is not None:
            return False
        if messages and isinstance(messages[0], m.Setup):
            return False
        if channel is self._in:
            if messages:
                raise violation(f"{type(messages[0]).__name__} before SETUP")
            return False
        self._held[channel] = self._held.get(channel, 0) + size + _HELD_COST * len(messages)
        if sum(self._held.values()) > self.link.limits.early_bytes:
            channel.abort(self.link.reset_code(ResetCode.EXCESSIVE_LOAD))
            del self._held[channel]
            channel.held.clear()
            messages.clear()
        return True

    def _setup(self, channel: Channel, message: m.Setup) -> None:
        if not self.link.draft.request_streams and not self.link.client and self._in is None:
            self._in = self.link.out = channel
        if channel is not self._in or self.peer is not None:
            raise violation("SETUP where none may come")
        if message.client is not None and message.client == self.link.client:
            raise violation("SETUP of the wrong side")
        options = message.options
        misplaced = self.link.client or not self.raw
        if options.path is not None and misplaced:
            raise RemoteProtocolError(SessionError.INVALID_PATH, "PATH is for clients on raw QUIC")
        if options.authority is not None and misplaced:
            raise RemoteProtocolError(SessionError.INVALID_AUTHORITY, "AUTHORITY is for clients on raw QUIC")
        tokens = self.requests.tokens.resolve(options.authorization, setup=True)
        self.peer, self.link.ready = options, True
        self.link.timers.clear("setup")
        if not self.link.draft.request_streams:
            self.link.own_ids.maximum = options.max_request_id
            if not self.link.client:
                self.link.send(channel, self._setup_message())
        self.link.events.append(Ready(options, tokens))
        held, self._held = self._held, {}
        for early in held:
            messages, early.held = early.held, []
            self._handle(early, messages)
            if early.finished:
                self._fin(early)
        self.link.pump()

    def _control(self, channel: Channel, message: m.Message) -> None:
        match message:
            case m.Goaway():
                self._goaway(message)
            case _ if self.link.draft.request_streams:
                raise violation(f"{type(message).__name__} on the control stream")
            case m.MaxRequestId(request_id=maximum):
                if maximum <= (self.link.own_ids.maximum or 0):
                    raise violation(f"MAX_REQUEST_ID {maximum} does not grow")
                self.link.own_ids.maximum = maximum
                self.link.pump()
            case m.RequestsBlocked():
                pass  # how many requests there may be does not depend on how many are wanted
            case m.SubscribeNamespace():
                raise violation("SUBSCRIBE_NAMESPACE on the control stream")
            case _ if type(message) in KINDS:
                self._heard.asked(channel, message, on_stream=False)
            case _:
                self._routed(message)

    def _routed(self, message: m.Message) -> None:
        """Draft 16: a message about the request whose ID it has."""
        if isinstance(message, m.RequestUpdate):
            self.link.peer_ids.use(message.request_id)
            self.link.give_back()
            request_id = message.existing_request_id
        else:
            request_id = getattr(message, "request_id", None)
        if request_id is None:
            raise violation(f"{type(message).__name__} on the control stream")
        if isinstance(message, m.PublishOk):
            message = m.RequestOk(message.parameters, request_id=request_id)
        request = self.requests.of(request_id)
        if request is None:
            ids = self.link.own_ids if self.link.ours(request_id) else self.link.peer_ids
            if not ids.used(request_id):
                raise violation(f"{type(message).__name__} for request {request_id}, which never was")
            return  # it has crossed the end of the request
        taken_back = TAKES_BACK.get(type(message))
        if taken_back is None:
            self._heard.about(request, message)
        elif (request.kind, request.local) in taken_back:
            self.requests.gone(request, getattr(message, "code", 0))
        else:
            raise violation(f"{type(message).__name__} for {request.kind.name}")

    def _goaway(self, message: m.Goaway) -> None:
        if message.uri and not self.link.client:
            raise violation("a server is sent to another URI")
        if self.link.sent_away:
            raise violation("a second GOAWAY")
        if message.request_id is not None and not self.link.ours(message.request_id):
            text = f"GOAWAY with request ID {message.request_id} of its sender"
            raise RemoteProtocolError(SessionError.INVALID_REQUEST_ID, text)
        self.link.sent_away = True
        self.link.events.append(GoingAway(message.uri, message.timeout_ms, None))

    def _fin(self, channel: Channel) -> None:
        """The peer has finished its side, and all before it was handled."""
        request = channel.request
        if channel.parser.partial:
            raise violation("a stream that ends within a message")
        if channel is self._in:
            raise violation("the control stream was closed")
        if request is None:
            channel.send(b"", fin=True)
            self.link.timers.clear(channel)
        elif request.open and (request.kind in ENDED_BY_FIN if not request.local else not _served(request)):
            self.requests.gone(request, 0)

    def _broken(self, channel: Channel, code: int) -> None:
        """One direction of a stream of control messages has died."""
        self._held.pop(channel, None)
        self.link.timers.clear(channel)
        if channel in (self._in, self.link.out):
            self.link.fail(violation("the control stream was closed"))
            return
        channel.abort(self.link.reset_code(ResetCode.CANCELLED))
        if channel.request is not None and channel.request.open:
            self.requests.gone(channel.request, self.link.draft.reset_codes.from_wire(code))

    def _setup_message(self) -> bytes:
        options = attrs.evolve(
            self.options,
            max_auth_token_cache_size=self.link.limits.token_bytes,
            max_request_id=self.link.peer_ids.maximum or 0,
        )
        return self.link.draft.encode(
            m.Setup(options, None if self.link.draft.request_streams else self.link.client)
        )


def _served(request: Request) -> bool:
    """Whether the answerer may finish its side of the stream: its objects come on another one."""
    return request.kind is Kind.FETCH and request.state is State.ESTABLISHED
