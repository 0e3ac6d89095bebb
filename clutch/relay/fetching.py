"""FETCH and TRACK_STATUS of a peer, answered from what the relay has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import attrs

from clutch.auth.grants import Grant
from clutch.net.moqt.outgoing import FetchStream
from clutch.relay.errors import RequestRefused
from clutch.relay.past import Range, fetch_range, objects_backwards, objects_of
from clutch.relay.timers import Timer
from clutch.relay.track import Track
from clutch.wire.moqt.codes import RequestError, ResetCode
from clutch.wire.moqt.fetch import EndOfRange, FetchObject
from clutch.wire.moqt.messages import Fetch, JoiningFetch
from clutch.wire.moqt.names import Location
from clutch.wire.moqt.parameters import GroupOrder, Parameters
from clutch.wire.moqt.session_request import Request, State

if TYPE_CHECKING:
    from clutch.relay.peer import Peer

_WINDOW_BYTES = 64 << 10
"""So much of a fetch waits in the engine, at most: what is live needs the room."""
_PACE_S = 0.02
_DEFAULT_PRIORITY = 128


@attrs.define(eq=False)
class FetchAnswer:
    """One FETCH."""

    peer: Peer = attrs.field(repr=False)
    request: Request
    grant: Grant = attrs.field(repr=False)
    _stream: FetchStream | None = attrs.field(init=False, default=None, repr=False)
    _backwards: bool = attrs.field(init=False, default=False)
    _items: Iterator[FetchObject | EndOfRange] = attrs.field(init=False, repr=False)
    _next: FetchObject | EndOfRange | None = attrs.field(init=False, default=None, repr=False)
    _timer: Timer | None = attrs.field(init=False, default=None, repr=False)

    def start(self) -> None:
        """Begin to answer, at the latest when the subscription that it joins is. Raises `RequestRefused`."""
        joined = self.request.joined
        if joined is None:
            self._begin()
        elif joined.context is None:
            raise RequestRefused(RequestError.INVALID_JOINING_REQUEST_ID, "there is no such subscription")
        else:
            joined.context.after_answer(self._join)

    def release(self) -> None:
        """The request is over, or the session."""
        self.peer.roles.pop(self.request, None)
        if self._timer is not None:
            self._timer.cancel()
        self._items = iter(())

    def _join(self) -> None:
        if self.request.state is State.PENDING:
            try:
                self._begin()
            except RequestRefused as error:
                self.peer.refuse(self.request, error)

    def _begin(self) -> None:
        track, wanted = self._wanted()
        self.peer.session.accept(
            self.request, end=wanted.end, end_of_track=wanted.end_of_track, properties=track.properties
        )
        self._backwards = self.request.parameters.group_order is GroupOrder.DESCENDING
        self._items = (objects_backwards if self._backwards else objects_of)(track, wanted)
        self._next = next(self._items, None)
        self._pump()

    def _wanted(self) -> tuple[Track, Range]:
        """The track, and the range of it. Raises `RequestRefused`."""
        message, joined = self.request.message, self.request.joined
        assert isinstance(message, Fetch)
        asked = message.range
        if isinstance(asked, JoiningFetch):
            downlink = joined.context.downlink if joined is not None and joined.context is not None else None
            if downlink is None or downlink.track is None:
                raise RequestRefused(RequestError.INVALID_JOINING_REQUEST_ID, "it is not established")
            largest = downlink.joining
            if largest is None:
                raise RequestRefused(RequestError.INVALID_RANGE, "there was nothing before")
            first = max(0, largest.group - asked.start) if asked.relative else asked.start
            end = Location(largest.group, largest.object + 1)
            return downlink.track, fetch_range(downlink.track, Location(first, 0), end)
        if not self.grant.may_subscribe(asked.name.namespace):
            raise RequestRefused(RequestError.UNAUTHORIZED, "not allowed to hear this track")
        track = self.peer.router.tracks.get(asked.name)
        if track is None or not track.live:
            raise RequestRefused(RequestError.DOES_NOT_EXIST, "nobody publishes it")
        return track, fetch_range(track, asked.start, asked.end)

    def _pump(self) -> None:
        """Send as much as may wait, and come again for the rest."""
        self._timer = None
        if self._stream is None:
            priority = self.request.parameters.subscriber_priority
            first = 1 + (_DEFAULT_PRIORITY if priority is None else priority)
            self._stream = self.peer.session.open_fetch(self.request, priority=first << 8 | _DEFAULT_PRIORITY)
        if self._stream is not None and self._send(self._stream):
            self.release()
        elif self.request.state is not State.ENDED:
            self._timer = self.peer.router.timers.after(_PACE_S, self._pump)

    def _send(self, stream: FetchStream) -> bool:
        """Whether the stream is over: all was written, or what comes next cannot be said."""
        while self._next is not None:
            if self._backwards and isinstance(self._next, EndOfRange):
                stream.reset(ResetCode.UNKNOWN_OBJECT_STATUS)
                return True
            if stream.unsent > _WINDOW_BYTES or not stream.write(self._next):
                return False
            self._next = next(self._items, None)
        stream.finish()
        return True


def answer_status(peer: Peer, request: Request, grant: Grant) -> None:
    """Answer TRACK_STATUS. Raises `RequestRefused`."""
    if not grant.may_subscribe(request.name.namespace):
        raise RequestRefused(RequestError.UNAUTHORIZED, "not allowed to hear this track")
    track = peer.router.tracks.get(request.name)
    if track is None or not track.live:
        raise RequestRefused(RequestError.DOES_NOT_EXIST, "nobody publishes it")
    peer.session.accept(request, parameters=Parameters(largest=track.largest), properties=track.properties)
