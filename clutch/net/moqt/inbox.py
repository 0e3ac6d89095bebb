"""What the peer publishes: its data streams and datagrams, also those that are too early for their track."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from clutch.net.moqt.incoming import IncomingFetch, IncomingSubgroup, NewStream
from clutch.net.quic.engine import QuicStream
from clutch.wire.moqt.codes import ResetCode, SessionError
from clutch.wire.moqt.data import ObjectDatagram, StreamKind, decode_datagram, stream_kind
from clutch.wire.moqt.errors import RemoteProtocolError, violation
from clutch.wire.moqt.session_books import Books
from clutch.wire.moqt.session_link import Link
from clutch.wire.moqt.session_request import Kind, Request, State
from clutch.wire.moqt.session_requests import Requests
from clutch.wire.moqt.session_timers import Timers

if TYPE_CHECKING:
    from clutch.net.moqt.session import MoqtSession

_COST = 512
"""What a stream or a datagram that waits for its track alias counts besides its bytes."""


@attrs.define(eq=False)
class _Waiting:
    """What waits for one track alias, and how much it counts."""

    items: list[IncomingSubgroup | ObjectDatagram] = attrs.field(factory=list)
    size: int = 0


@attrs.define(eq=False)
class Inbox:
    """Finds the request of what arrives; keeps, bounded, what has none yet."""

    session: MoqtSession = attrs.field(repr=False)
    link: Link = attrs.field(repr=False)
    _requests: Requests = attrs.field(repr=False)
    _early: dict[int, _Waiting] = attrs.field(init=False, factory=dict)
    """What came for a track alias that is not known, or not accepted, yet."""
    _early_bytes: int = attrs.field(init=False, default=0)
    timers: Timers = attrs.field(init=False, repr=False)
    _books: Books = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self.timers, self._books = self.link.timers, self._requests.books

    def stream(self, stream: QuicStream, data: bytes) -> IncomingSubgroup | IncomingFetch | NewStream | None:
        """The reader of a unidirectional stream by its first bytes; None: it is a control stream."""
        match stream_kind(self.link.draft, data):
            case StreamKind.SUBGROUP:
                return IncomingSubgroup(self, stream)
            case StreamKind.FETCH:
                return IncomingFetch(self, stream)
            case StreamKind.CONTROL:
                return None
        return NewStream(self, stream)

    def datagram(self, data: bytes) -> None:
        """A datagram. Raises RemoteProtocolError."""
        datagram = decode_datagram(self.link.draft, data)
        if datagram is None:
            return
        alias = datagram.track_alias
        request = self._books.aliases.get(alias)
        if request is not None and request.state is not State.PENDING:
            self.session.handler.datagram(self.session, request, datagram)
        elif alias not in self._books.retired and self._fits(alias, len(data) + _COST):
            self._early[alias].items.append(datagram)

    def watch(self, stream: IncomingSubgroup | IncomingFetch) -> None:
        """An object or a header has begun: it must not take too long."""
        error = RemoteProtocolError(SessionError.DATA_STREAM_TIMEOUT, "an object took too long")
        when = self.session.clock() + self.session.limits.message_s
        self.timers.set(stream, when, lambda: self.link.fail(error))
        self.session.watch()

    def subgroup_arrived(self, incoming: IncomingSubgroup, size: int) -> None:
        """Its header is known: find its subscription, or let it wait for one."""
        alias = incoming.header.track_alias
        request = self._books.aliases.get(alias)
        if request is not None and request.state is not State.PENDING:
            self._introduce(incoming, request)
        elif alias in self._books.retired:
            self._refuse(incoming, ResetCode.CANCELLED)
        elif self._fits(alias, size + _COST):
            self._early[alias].items.append(incoming)
        else:
            self._refuse(incoming, ResetCode.EXCESSIVE_LOAD)

    def subgroup_continued(self, incoming: IncomingSubgroup, size: int) -> None:
        """More has come of one that waits."""
        alias = incoming.header.track_alias
        if not self._fits(alias, size):
            self._early[alias].items.remove(incoming)
            self._refuse(incoming, ResetCode.EXCESSIVE_LOAD)

    def _introduce(self, incoming: IncomingSubgroup, request: Request) -> None:
        incoming.request, incoming.live = request, True
        held, incoming.held = incoming.held, []
        request.streams += 1
        request.open_streams[incoming] = None
        self.session.handler.subgroup_opened(self.session, incoming)
        if held and incoming in request.open_streams:
            self.session.handler.objects(self.session, incoming, held)
        if incoming.end is not None and incoming in request.open_streams:
            self.subgroup_ended(incoming, incoming.end[0])

    def subgroup_ended(self, incoming: IncomingSubgroup, code: int | None) -> None:
        """FIN (None), or reset."""
        if incoming.request.open_streams.pop(incoming, incoming) is None:
            self.session.handler.subgroup_ended(self.session, incoming, code)
            if incoming.request.state is State.DONE:
                self._requests.settle(incoming.request)
                self.session.tell()

    def fetch(self, request_id: int) -> Request | None:
        """The open request with an ID."""
        return self._books.requests.get(request_id)

    def fetch_arrived(self, incoming: IncomingFetch, request_id: int) -> Request | None:
        """The FETCH of this side that a stream answers; None if that is over."""
        request = self._books.requests.get(request_id)
        if request is None and self.link.ours(request_id) and self.link.own_ids.used(request_id):
            return None
        if request is None or not request.local or request.kind is not Kind.FETCH or request.streams:
            raise violation(f"a fetch stream for request {request_id}")
        request.streams = 1
        request.open_streams[incoming] = None
        return request

    def fetch_ended(self, incoming: IncomingFetch, request: Request, code: int | None) -> None:
        """FIN (None), or reset."""
        self.timers.clear(incoming)
        if request.open_streams.pop(incoming, incoming) is None:
            self.session.handler.fetch_ended(self.session, request, code)
            self._requests.settle(request)
            self.session.tell()

    def forget(self, incoming: IncomingSubgroup) -> None:
        """The handler wants no more of it."""
        self.timers.clear(incoming)
        incoming.live, incoming.end = False, None
        if incoming.request.open_streams.pop(incoming, incoming) is None:
            self._requests.settle(incoming.request)

    def _fits(self, alias: int, size: int) -> bool:
        """Whether so much more may wait for an alias; then it counts, and does not wait for ever."""
        if self._early_bytes + size > self.session.limits.early_bytes:
            return False
        waiting = self._early.get(alias)
        if waiting is None:
            waiting = self._early[alias] = _Waiting()
            when = self.session.clock() + self.session.limits.early_s
            self.timers.set(("alias", alias), when, lambda: self.drop(alias))
            self.session.watch()
        waiting.size += size
        self._early_bytes += size
        return True

    def _refuse(self, incoming: IncomingSubgroup, code: int) -> None:
        self.timers.clear(incoming)
        incoming.stream.stop(self.link.reset_code(code))

    def _take(self, alias: int) -> list[IncomingSubgroup | ObjectDatagram]:
        """What has waited for an alias."""
        waiting = self._early.pop(alias, None)
        if waiting is None:
            return []
        self._early_bytes -= waiting.size
        self.timers.clear(("alias", alias))
        return waiting.items

    def release(self, request: Request) -> None:
        """A subscription is established: hand over what came before."""
        if request.alias is None or request.state is State.ENDED:
            return
        for item in self._take(request.alias):
            over = request.id not in self._books.requests  # the handler has ended it meanwhile
            if isinstance(item, IncomingSubgroup):
                if over:
                    self._refuse(item, ResetCode.CANCELLED)
                else:
                    self._introduce(item, request)
            elif not over:
                self.session.handler.datagram(self.session, request, item)

    def drop(self, alias: int) -> None:
        """Nobody wants what came for an alias."""
        for item in self._take(alias):
            if isinstance(item, IncomingSubgroup):
                self._refuse(item, ResetCode.CANCELLED)
