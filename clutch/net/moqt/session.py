"""One MoQT session over a session of an engine: the same for relay and client, for drafts 18 and 16.

The control plane is `clutch.wire.moqt.session`; here are data streams, datagrams, deadlines, and the calls of
the application. Nothing blocks: what cannot be sent now either waits, bounded, or is refused.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any

import attrs
import trio

from clutch.net.moqt.handler import MoqtHandler
from clutch.net.moqt.inbox import Inbox
from clutch.net.moqt.outgoing import FetchStream, SubgroupWriter
from clutch.net.quic.engine import Closed, QuicSession, QuicStream
from clutch.wire.moqt import messages as m
from clutch.wire.moqt import session_events as events
from clutch.wire.moqt.codes import ResetCode, SessionError
from clutch.wire.moqt.drafts import DRAFTS, Draft
from clutch.wire.moqt.errors import LocalProtocolError, NotNow, RemoteProtocolError
from clutch.wire.moqt.fetch import FetchWriter
from clutch.wire.moqt.names import FullTrackName, Location, Namespace
from clutch.wire.moqt.parameters import NONE, GroupOrder, Parameters, Token
from clutch.wire.moqt.properties import NONE as NO_PROPERTIES
from clutch.wire.moqt.properties import Properties
from clutch.wire.moqt.session import Session
from clutch.wire.moqt.session_books import Refusal
from clutch.wire.moqt.session_channel import Channel
from clutch.wire.moqt.session_events import SessionLimits
from clutch.wire.moqt.session_link import Link
from clutch.wire.moqt.session_request import Kind, Request, State
from clutch.wire.moqt.session_timers import Timers
from clutch.wire.moqt.setup import Options

_log = logging.getLogger(__name__)
MAX_REASON = 256
"""Characters of the reason for which a session is closed: it must fit into one packet."""


@attrs.define(eq=False)
class MoqtSession:
    """A session, and the `SessionHandler` to give to an engine, which opens it.

    `options` is what this side says in SETUP; path and authority are left out where they must be. `run` must
    run as long as the session lives: it keeps deadlines. Methods that ask or answer raise LocalProtocolError
    for what the draft or the state forbids, and do nothing for a request, or a session, that is over.
    `close` and `goaway` do nothing before it is opened, either.
    """

    handler: MoqtHandler = attrs.field(repr=False)
    options: Options = attrs.field(factory=Options, repr=False)
    limits: SessionLimits = attrs.field(factory=SessionLimits, repr=False)
    clock: Callable[[], float] = attrs.field(default=trio.current_time, repr=False)
    context: Any = attrs.field(init=False, default=None, repr=False)
    """The handler's own."""
    quic: QuicSession = attrs.field(init=False)
    """Once the engine has opened it."""
    draft: Draft = attrs.field(init=False)
    """The same."""
    tokens: tuple[Token, ...] = attrs.field(init=False, default=(), repr=False)
    """The peer's authorization in SETUP, aliases resolved."""
    over: bool = attrs.field(init=False, default=False)
    _core: Session = attrs.field(init=False, repr=False)
    _link: Link = attrs.field(init=False, repr=False)
    _timers: Timers = attrs.field(init=False, factory=Timers, repr=False)
    _inbox: Inbox = attrs.field(init=False, repr=False)
    unfinished: dict[SubgroupWriter | FetchStream, None] = attrs.field(init=False, factory=dict, repr=False)
    """Not for handlers: streams whose FIN waits for room."""
    _telling: bool = attrs.field(init=False, default=False, repr=False)
    _alarm: trio.Event | None = attrs.field(init=False, default=None, repr=False)
    _asleep_until: float = attrs.field(init=False, default=math.inf, repr=False)

    @property
    def peer(self) -> Options | None:
        """The peer's SETUP; None before it has come."""
        return self._core.peer

    @property
    def client(self) -> bool:
        """Whether this side has connected."""
        return self.quic.client

    @property
    def path(self) -> str:
        """Path and query that the client has asked for, over WebTransport or in SETUP; may be empty."""
        return self.quic.path or (self.peer and self.peer.path) or ""

    @property
    def authority(self) -> str:
        """Host and port that the client has asked for; may be empty."""
        return (self.peer and self.peer.authority) or self.quic.authority

    @property
    def going_away(self) -> bool:
        """Whether a side has sent GOAWAY."""
        return self._link.going_away or self._link.sent_away

    @property
    def requests(self) -> list[Request]:
        """All that are not over, of both sides."""
        return list(self._core.requests.books.requests.values())

    # Asking

    def subscribe(self, name: FullTrackName, parameters: Parameters = NONE) -> Request:
        """SUBSCRIBE."""
        return self._ask(m.Subscribe(0, name, parameters))

    def publish(
        self,
        name: FullTrackName,
        parameters: Parameters = NONE,
        properties: Properties = NO_PROPERTIES,
        *,
        alias: int | None = None,
    ) -> Request:
        """PUBLISH; by default with a free track alias."""
        return self._ask(m.Publish(0, name, -1 if alias is None else alias, parameters, properties))

    def fetch(self, what: m.StandaloneFetch | m.JoiningFetch, parameters: Parameters = NONE) -> Request:
        """FETCH."""
        return self._ask(m.Fetch(0, what, parameters))

    def track_status(self, name: FullTrackName, parameters: Parameters = NONE) -> Request:
        """TRACK_STATUS."""
        return self._ask(m.TrackStatus(0, name, parameters))

    def publish_namespace(self, namespace: Namespace, parameters: Parameters = NONE) -> Request:
        """PUBLISH_NAMESPACE."""
        return self._ask(m.PublishNamespace(0, namespace, parameters))

    def subscribe_namespace(self, prefix: Namespace, parameters: Parameters = NONE) -> Request:
        """SUBSCRIBE_NAMESPACE: to hear of namespaces."""
        return self._ask(m.SubscribeNamespace(0, prefix, parameters))

    def subscribe_tracks(self, prefix: Namespace, parameters: Parameters = NONE) -> Request:
        """SUBSCRIBE_TRACKS (draft 16: SUBSCRIBE_NAMESPACE for PUBLISH): to be sent PUBLISH of every track."""
        return self._ask(m.SubscribeTracks(0, prefix, parameters))

    def update(self, request: Request, parameters: Parameters) -> None:
        """REQUEST_UPDATE, of a request of this side or of a PUBLISH that it has accepted."""
        if not self.over:
            self._core.requests.update(request, parameters, self.clock())
            self.tell()

    def cancel(self, request: Request, code: int = ResetCode.CANCELLED) -> None:
        """Take back a request of this side, or end one of the peer's without words, with all streams.

        Nothing is said about it any more.
        """
        if not self.over:
            self._link.forget(request)
            self._abandon(request, code)
            self._core.requests.cancel(request, code)
            self.tell()

    # Answering

    def accept(
        self,
        request: Request,
        *,
        alias: int | None = None,
        parameters: Parameters = NONE,
        properties: Properties = NO_PROPERTIES,
        end: Location | None = None,
        end_of_track: bool = False,
    ) -> None:
        """Grant a request of the peer.

        `alias` is for SUBSCRIBE, by default a free one; `end` and `end_of_track` for FETCH (section 10.13);
        `properties`, of the track, for SUBSCRIBE, FETCH and TRACK_STATUS.
        """
        if self.over:
            return
        self._core.requests.accept(
            request,
            alias=alias,
            parameters=parameters,
            properties=properties,
            end=end,
            end_of_track=end_of_track,
        )
        if request.kind is Kind.PUBLISH:
            self._guarded(self._inbox.release, request)
        self.tell()

    def reject(
        self,
        request: Request,
        code: int,
        reason: str = "",
        retry_ms: int | None = None,
        redirect: m.Redirect | None = None,
    ) -> None:
        """Refuse a request of the peer, with a `RequestError`."""
        if not self.over:
            self._core.requests.reject(request, code, reason, retry_ms, redirect)
            self._abandon(request, ResetCode.CANCELLED)
            self.tell()

    def finish(self, request: Request, status: int, reason: str = "", streams: int | None = None) -> None:
        """End a subscription that this side publishes, with a `DoneStatus`; streams still open are reset.

        `streams` is how many data streams there were, by default as many as were opened here.
        """
        if not self.over:
            self._abandon(request, ResetCode.CANCELLED)
            self._core.requests.finish(request, status, reason, streams)
            self.tell()

    def announce(self, request: Request, suffix: Namespace) -> None:
        """NAMESPACE, to a SUBSCRIBE_NAMESPACE of the peer; nothing if it was announced already."""
        if not self.over:
            self._core.requests.announce(request, suffix)
            self.tell()

    def withdraw(self, request: Request, suffix: Namespace) -> None:
        """NAMESPACE_DONE; nothing if it was not announced."""
        if not self.over:
            self._core.requests.withdraw(request, suffix)
            self.tell()

    def block(self, request: Request, suffix: Namespace, name: bytes) -> None:
        """PUBLISH_BLOCKED, to a SUBSCRIBE_TRACKS of the peer; nothing in draft 16."""
        if not self.over:
            self._core.requests.block(request, suffix, name)
            self.tell()

    def relax(self, limits: SessionLimits) -> None:
        """Let the peer cost more from now on: from `MoqtHandler.ready` on. What SETUP has said stays."""
        self.limits = self._link.limits = self._core.requests.books.limits = limits

    def goaway(self, uri: str = "", timeout_ms: int = 0) -> None:
        """Ask the peer to go, once. If it has not after the timeout (0: none), the session is closed."""
        if not self.over and hasattr(self, "_core"):
            self._core.goaway(uri, timeout_ms, self.clock())
            self.tell()

    def close(self, code: int = SessionError.NO_ERROR, reason: str = "") -> None:
        """End the session, with a `SessionError`. `MoqtHandler.closed` is still called."""
        if not self.over and hasattr(self, "quic"):
            self.quic.close(code, reason[:MAX_REASON])

    # Sending objects

    def open_subgroup(
        self, request: Request, data: bytes, *, priority: int | None = None, fin: bool = False
    ) -> SubgroupWriter | None:
        """Open a subgroup stream of a subscription, with its encoded header and perhaps objects.

        None if too much waits already, or the request or the session is over. `priority`: see
        `QuicStream.prioritise`.
        """
        if request.state is State.ENDED:
            return None
        stream = self.quic.open_uni(data, fin=fin)
        if stream is None:
            return None
        if priority is not None:
            stream.prioritise(priority)
        request.streams += 1
        writer = SubgroupWriter(self, stream, request)
        if fin:
            writer.over = True
        else:
            stream.context = writer
            request.open_streams[writer] = None
        return writer

    def open_fetch(self, request: Request, *, priority: int | None = None) -> FetchStream | None:
        """Open the stream for the objects of a FETCH of the peer; None as in `open_subgroup`."""
        if request.kind is not Kind.FETCH or request.local or request.streams:
            raise LocalProtocolError(f"no stream for {request!r}")
        if request.state is State.ENDED:
            return None
        descending = request.parameters.group_order is GroupOrder.DESCENDING
        writer = FetchWriter(self.draft, descending=descending)
        stream = self.quic.open_uni(writer.header(request.id))
        if stream is None:
            return None
        if priority is not None:
            stream.prioritise(priority)
        request.streams = 1
        fetch = FetchStream(self, stream, request, writer)
        stream.context = fetch
        request.open_streams[fetch] = None
        return fetch

    def send_datagram(self, data: bytes) -> bool:
        """An encoded datagram, now or not at all."""
        return self.quic.send_datagram(data)

    # Deadlines

    def deadline(self) -> float | None:
        """When `on_time` is to be called next, by the session's clock; None: not at all."""
        return None if self.over else self._timers.deadline()

    def on_time(self, now: float) -> None:
        """Do what is due."""
        if not self.over:
            self._timers.run(now)
            self.tell()

    async def run(self) -> None:
        """Keep the deadlines until the session is over. It may start before the engine opens the session."""
        while not self.over:
            self._alarm = trio.Event()
            deadline = self.deadline()
            self._asleep_until = math.inf if deadline is None else deadline
            with trio.move_on_at(self._asleep_until):
                await self._alarm.wait()
            self.on_time(self.clock())

    # What the engine calls

    def opened(self, session: QuicSession) -> None:
        """See `SessionHandler.opened`."""
        self.quic = session
        draft = DRAFTS.get(session.protocol)
        if draft is None:
            session.close(SessionError.VERSION_NEGOTIATION_FAILED, f"no draft {session.protocol[:64]}")
            return
        self.draft = draft
        self._link = Link(draft, session.client, session, self.limits)
        self._timers = self._link.timers
        raw = session.kind == "quic"
        says_where = raw and session.client
        options = self.options if says_where else attrs.evolve(self.options, path=None, authority=None)
        self._core = Session(self._link, raw, options)
        self._inbox = Inbox(self, self._link, self._core.requests)
        self._core.start(self.clock())
        self.tell()

    def stream_opened(self, stream: QuicStream) -> None:
        """See `SessionHandler.stream_opened`."""
        if stream.bidirectional:
            self._core.accepted(stream, self.clock())
            self.watch()

    def received(self, stream: QuicStream, data: bytes, fin: bool) -> None:
        """See `SessionHandler.received`."""
        context = stream.context
        try:
            if context is None:
                context = self._inbox.stream(stream, data)
                if context is None:
                    context = self._core.accepted(stream, self.clock(), control=True)
                stream.context = context
            if isinstance(context, Channel):
                self._core.receive(context, data, fin, self.clock())
                self.tell()
            else:
                context.received(data, fin)
        except RemoteProtocolError as error:
            self.close(error.code, error.text)

    def was_reset(self, stream: QuicStream, code: int) -> None:
        """See `SessionHandler.was_reset`."""
        context = stream.context
        if isinstance(context, Channel):
            self._core.was_reset(context, code)
            self.tell()
        elif context is not None:
            context.was_reset(self.draft.reset_codes.from_wire(code))

    def was_stopped(self, stream: QuicStream, code: int) -> None:
        """See `SessionHandler.was_stopped`."""
        context = stream.context
        if isinstance(context, Channel):
            self._core.was_stopped(context, code)
            self.tell()
        elif isinstance(context, SubgroupWriter):
            self.written(context)
        elif isinstance(context, FetchStream) and not context.over:  # who wants no objects wants no fetch
            self._core.requests.gone(context.request, self.draft.reset_codes.from_wire(code))
            self.tell()

    def writable(self) -> None:
        """See `SessionHandler.writable`."""
        self._link.writable()
        for writer in list(self.unfinished):
            writer.finish()
        self.handler.writable(self)
        self.tell()

    def datagram(self, data: bytes) -> None:
        """See `SessionHandler.datagram`."""
        try:
            self._inbox.datagram(data)
        except RemoteProtocolError as error:
            self.close(error.code, error.text)

    def batch_end(self) -> None:
        """See `SessionHandler.batch_end`."""
        self.handler.batch_end(self)

    def closed(self, closed: Closed) -> None:
        """See `SessionHandler.closed`."""
        self.over = True
        if hasattr(self, "_core"):
            self._link.events.clear()
            for request in self.requests:
                request.state = State.ENDED
                request.open_streams.clear()
        self.unfinished.clear()
        if self._alarm is not None:
            self._alarm.set()
        self.handler.closed(self, closed)

    # Inside

    def _ask(self, message: Any) -> Request:
        if self.over:
            raise NotNow("the session is over")
        request = self._core.requests.ask(message, self.clock())
        self.tell()
        return request

    def tell(self) -> None:
        """Not for handlers: hand them what has happened, in order, and see that `run` wakes in time."""
        if not self._telling:
            self._telling = True
            while self._link.events and not self.over:
                self._guarded(self._tell_one, self._link.events.popleft())
            self._telling = False
        self.watch()

    def _tell_one(self, event: events.Event) -> None:
        handler = self.handler
        match event:
            case events.Ready(tokens=tokens):
                self.tokens = tokens
                handler.ready(self)
            case events.Requested(request):
                handler.requested(self, request)
            case events.Answered(request, message):
                if request.state is State.ENDED:
                    self._abandon(request, ResetCode.CANCELLED)
                handler.answered(self, request, message)
                if request.kind is Kind.SUBSCRIBE:
                    self._inbox.release(request)
            case events.Updated(request, parameters, None):
                self._answer_update(request, handler.updated(self, request, parameters))
            case events.Updated(request, _, refusal):
                self._answer_update(request, refusal)
                handler.cancelled(self, request, 0)
            case events.UpdateAnswered(request, answer):
                handler.update_answered(self, request, answer)
            case events.Cancelled(request, code):
                self._abandon(request, ResetCode.CANCELLED)
                handler.cancelled(self, request, code)
            case events.Finished(request, done):
                self._abandon(request, ResetCode.CANCELLED)
                handler.finished(self, request, done)
            case events.Announced(request, suffix):
                handler.announced(self, request, suffix)
            case events.Withdrawn(request, suffix):
                handler.withdrawn(self, request, suffix)
            case events.Blocked(request, suffix, name):
                handler.blocked(self, request, suffix, name)
            case events.GoingAway(uri, timeout_ms, request):
                handler.goaway(self, uri, timeout_ms, request)
            case events.Failed(code, reason):
                self._link.events.clear()
                self.close(code, reason)

    def _guarded(self, call: Callable[..., None], *arguments: Any) -> None:
        """Call the handler: what it raises is no concern of the caller, which may serve another session."""
        try:
            call(*arguments)
        except Exception:
            _log.exception("a handler failed; its session is closed")
            self.close(SessionError.INTERNAL_ERROR, "internal error")

    def _answer_update(self, request: Request, answer: Parameters | Refusal | None) -> None:
        if not isinstance(answer, Refusal):
            self._core.requests.answer_update(request, parameters=answer or NONE)
            return
        if request.publisher:
            self._abandon(request, ResetCode.CANCELLED)
        self._core.requests.answer_update(request, answer)

    def watch(self) -> None:
        """Not for handlers: a deadline may be new."""
        if self._alarm is not None:
            deadline = self._timers.deadline()
            if deadline is not None and deadline < self._asleep_until:
                self._alarm.set()

    def reset_code(self, code: int) -> int:
        """Not for handlers: how the draft writes a `ResetCode`."""
        return self._link.reset_code(code)

    def written(self, writer: SubgroupWriter | FetchStream) -> None:
        """Not for handlers: a stream of this side is over."""
        writer.over = True
        self.unfinished.pop(writer, None)
        writer.request.open_streams.pop(writer, None)
        if isinstance(writer, FetchStream):
            self._core.requests.settle(writer.request)
            self.tell()

    def _abandon(self, request: Request, code: int) -> None:
        """End all data streams of a request."""
        number = self._link.reset_code(code)
        streams, request.open_streams = request.open_streams, {}
        for stream in streams:
            if isinstance(stream, SubgroupWriter | FetchStream):
                stream.over = True
                self.unfinished.pop(stream, None)
                stream.stream.reset(number)
            else:
                self._timers.clear(stream)
                stream.stream.stop(number)
        if request.alias is not None and not request.publisher:
            self._inbox.drop(request.alias)
