"""Data streams that the peer opens: subgroups and fetches. Runs per object, so it is plain and short."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from clutch.net.quic.engine import QuicStream
from clutch.wire.moqt.codes import ResetCode
from clutch.wire.moqt.data import Object, StreamKind, SubgroupHeader, SubgroupParser, stream_kind
from clutch.wire.moqt.errors import violation
from clutch.wire.moqt.fetch import FetchParser
from clutch.wire.moqt.parameters import GroupOrder
from clutch.wire.moqt.session_request import Request

if TYPE_CHECKING:
    from clutch.net.moqt.inbox import Inbox

_HELD_COST = 128
"""What an object that waits for its track alias counts besides its bytes: on the wire it may have three."""


@attrs.define(eq=False)
class IncomingSubgroup:
    """A subgroup stream of the peer."""

    _inbox: Inbox = attrs.field(repr=False)
    stream: QuicStream = attrs.field(repr=False)
    header: SubgroupHeader = attrs.field(init=False)
    request: Request = attrs.field(init=False)
    """The subscription that it is of."""
    context: Any = attrs.field(init=False, default=None)
    """The handler's own."""
    live: bool = attrs.field(init=False, default=False)
    """The handler knows it."""
    held: list[Object] = attrs.field(init=False, factory=list, repr=False)
    """What came before its track alias was known."""
    end: tuple[int | None] | None = attrs.field(init=False, default=None, repr=False)
    """How it ended before that: with FIN (None) or reset."""
    _parser: SubgroupParser = attrs.field(init=False, repr=False)
    _timed: bool = attrs.field(init=False, default=False)
    _waits: bool = attrs.field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        self._parser = SubgroupParser(self._inbox.link.draft, self._inbox.link.limits.object_bytes)

    def stop(self, code: int = ResetCode.CANCELLED) -> None:
        """Take no more of it. `subgroup_ended` is not called for it any more."""
        self._inbox.forget(self)
        self.stream.stop(self._inbox.link.reset_code(code))

    def received(self, data: bytes, fin: bool) -> None:
        """Bytes of the stream. Raises RemoteProtocolError."""
        parser, inbox = self._parser, self._inbox
        objects = parser.feed(data)
        if parser.partial:
            if fin:
                raise violation("a subgroup stream that ends within an object")
            if objects or not self._timed:
                self._timed = True
                inbox.watch(self)
        elif self._timed:
            self._timed = False
            inbox.timers.clear(self)
        if self.live:
            if objects:
                inbox.session.handler.objects(inbox.session, self, objects)
            if fin:
                inbox.subgroup_ended(self, None)
        elif parser.header is not None:
            self.held += objects
            if fin:
                self.end = (None,)
            size = len(data) + _HELD_COST * len(objects)
            if self._waits:
                inbox.subgroup_continued(self, size)
            else:
                self.header, self._waits = parser.header, True
                inbox.subgroup_arrived(self, size)

    def was_reset(self, code: int) -> None:
        """The peer gives it up."""
        self._inbox.timers.clear(self)
        if self.live:
            self._inbox.subgroup_ended(self, code)
        else:
            self.end = (code,)


@attrs.define(eq=False)
class IncomingFetch:
    """The stream with the objects of a FETCH of this side."""

    _inbox: Inbox = attrs.field(repr=False)
    stream: QuicStream = attrs.field(repr=False)
    request: Request | None = attrs.field(init=False, default=None)
    _parser: FetchParser = attrs.field(init=False, repr=False)
    _timed: bool = attrs.field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        limit = self._inbox.link.limits.object_bytes
        self._parser = FetchParser(self._inbox.link.draft, self._descending, limit)

    def received(self, data: bytes, fin: bool) -> None:
        """Bytes of the stream. Raises RemoteProtocolError."""
        parser, inbox = self._parser, self._inbox
        items = parser.feed(data)
        if parser.partial:
            if fin:
                raise violation("a fetch stream that ends within an object")
            if items or not self._timed:
                self._timed = True
                inbox.watch(self)
        elif self._timed:
            self._timed = False
            inbox.timers.clear(self)
        if self.request is None:
            if parser.request_id is None:
                return
            self.request = inbox.fetch_arrived(self, parser.request_id)
            if self.request is None:  # of a FETCH that is over
                inbox.timers.clear(self)
                self.stream.stop(inbox.link.reset_code(ResetCode.CANCELLED))
                return
        if items:
            inbox.session.handler.fetched(inbox.session, self.request, items)
        if fin:
            inbox.fetch_ended(self, self.request, None)

    def was_reset(self, code: int) -> None:
        """The peer gives it up."""
        self._inbox.timers.clear(self)
        if self.request is not None:
            self._inbox.fetch_ended(self, self.request, code)

    def _descending(self, request_id: int) -> bool:
        request = self._inbox.fetch(request_id)
        return request is not None and request.parameters.group_order is GroupOrder.DESCENDING


@attrs.define(eq=False)
class NewStream:
    """A unidirectional stream whose type is not complete yet, or that is padding."""

    _inbox: Inbox = attrs.field(repr=False)
    stream: QuicStream = attrs.field(repr=False)
    _data: bytes = attrs.field(init=False, default=b"", repr=False)
    _padding: bool = attrs.field(init=False, default=False)

    def received(self, data: bytes, fin: bool) -> None:
        """Bytes of the stream: found to be of one kind, they go on to it. Raises RemoteProtocolError."""
        if self._padding:
            return
        data = self._data + data
        kind = stream_kind(self._inbox.link.draft, data)
        if kind is StreamKind.PADDING:
            self._padding = True
        elif kind is not None:
            self.stream.context = None
            self._inbox.session.received(self.stream, data, fin)
        elif fin:
            raise violation("a stream that ends within its type")
        else:
            self._data = data

    def was_reset(self, code: int) -> None:
        """Nothing was known of it."""
