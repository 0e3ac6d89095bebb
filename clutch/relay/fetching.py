"""FETCH and TRACK_STATUS of a peer: answered from what the relay has, else by who publishes the namespace."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import attrs

from clutch.auth.grants import Grant
from clutch.net.moqt.outgoing import FetchStream
from clutch.relay.asking import PastQuestion, StatusQuestion
from clutch.relay.errors import RequestRefused
from clutch.relay.flow import DEFAULT_PRIORITY, OBJECT_OVERHEAD_BYTES, rank
from clutch.relay.past import PastRange, fetch_range, is_known, objects_backwards, objects_of
from clutch.relay.timers import Timer
from clutch.wire.moqt.codes import RequestError, ResetCode
from clutch.wire.moqt.errors import LocalProtocolError
from clutch.wire.moqt.fetch import EndOfRange, FetchObject
from clutch.wire.moqt.messages import Fetch, FetchOk, JoiningFetch
from clutch.wire.moqt.names import Location
from clutch.wire.moqt.parameters import GroupOrder, Parameters
from clutch.wire.moqt.session_request import Request, State

if TYPE_CHECKING:
    from clutch.relay.peer import Peer

_WINDOW_BYTES = 64 << 10
"""So much of a fetch waits in the engine, at most: what is live needs the room."""
_PACE_S = 0.02
_HELD_BYTES = 4 << 20
"""So much of what a publisher sends faster than the subscriber reads, in memory."""


@attrs.define(eq=False)
class _Held:
    """What a publisher has sent and the subscriber has not been sent."""

    items: deque[FetchObject | EndOfRange] = attrs.field(factory=deque)
    size: int = 0

    def add(self, items: Sequence[FetchObject | EndOfRange]) -> None:
        self.items.extend(items)
        self.size += sum(map(_cost, items))

    def __iter__(self) -> Iterator[FetchObject | EndOfRange]:
        return self

    def __next__(self) -> FetchObject | EndOfRange:
        if not self.items:
            raise StopIteration
        item = self.items.popleft()
        self.size -= _cost(item)
        return item


def _cost(item: FetchObject | EndOfRange) -> int:
    return OBJECT_OVERHEAD_BYTES + (len(item.payload) if isinstance(item, FetchObject) else 0)


@attrs.define(eq=False)
class FetchAnswer:
    """One FETCH."""

    peer: Peer = attrs.field(repr=False)
    request: Request
    grant: Grant = attrs.field(repr=False)
    _past: PastRange | None = attrs.field(init=False, default=None)
    _stream: FetchStream | None = attrs.field(init=False, default=None, repr=False)
    _items: Iterator[FetchObject | EndOfRange] = attrs.field(init=False, factory=lambda: iter(()), repr=False)
    _next: FetchObject | EndOfRange | None = attrs.field(init=False, default=None, repr=False)
    _complete: bool = attrs.field(init=False, default=True)
    """Nothing is added to `_items` any more."""
    _backwards: bool = attrs.field(init=False, default=False)
    """From the cache, the last group first: see `objects_backwards`."""
    _question: PastQuestion | None = attrs.field(init=False, default=None, repr=False)
    _held: _Held = attrs.field(init=False, factory=_Held, repr=False)
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
        question, self._question = self._question, None
        if question is not None:
            question.cancel()
        if self.request.joined is not None and self.request.joined.context is not None:
            self.request.joined.context.not_after_answer(self._join)
        self._cancel_timer()

    # What the publisher that was asked says

    def granted(self, message: FetchOk) -> None:
        """It has it, and sends it."""
        self._cancel_timer()
        self._items, self._complete = self._held, False
        if self._accept(message):
            self._pump()
        else:
            self.release()

    def refused(self, error: RequestRefused) -> None:
        """It has not: what is here must do."""
        self._question = None
        self._cancel_timer()
        try:
            self._from_cache()
        except RequestRefused:
            self.peer.refuse(self.request, error)

    def more(self, items: Sequence[FetchObject | EndOfRange]) -> None:
        """Some of it has come, maybe before `granted`."""
        self._held.add(items)
        if self._held.size > _HELD_BYTES:
            self._break_off(ResetCode.EXCESSIVE_LOAD)
        elif not self._complete and self._timer is None:
            self._pump()

    def over(self, code: int | None) -> None:
        """All of it has come (None), or no more of it will."""
        self._question = None
        if code is not None:
            self._break_off(ResetCode.UNKNOWN_OBJECT_STATUS)
            return
        self._complete = True
        if self._timer is None:
            self._pump()

    # Inside

    def _join(self) -> None:
        if self.request.state is State.PENDING:
            try:
                self._begin()
            except RequestRefused as error:
                self.peer.refuse(self.request, error)

    def _begin(self) -> None:
        """Raises `RequestRefused`."""
        self._past = past = self._asked()
        track = self.peer.router.tracks.get(past.name)
        known = track is not None and track.live and is_known(track, fetch_range(track, past))
        if known or self.request.parameters.fill_timeout_ms == 0 or not self._ask(past):
            self._from_cache()

    def _asked(self) -> PastRange:
        """Raises `RequestRefused`."""
        message, joined = self.request.message, self.request.joined
        assert isinstance(message, Fetch)
        asked = message.range
        if not isinstance(asked, JoiningFetch):
            if not self.grant.may_subscribe(asked.name.namespace):
                raise RequestRefused(RequestError.UNAUTHORIZED, "not allowed to hear this track")
            return PastRange(asked.name, asked.start, asked.end)
        downlink = joined.context.downlink if joined is not None and joined.context is not None else None
        if downlink is None or downlink.track is None:
            raise RequestRefused(RequestError.INVALID_JOINING_REQUEST_ID, "it is not established")
        largest = downlink.joining
        if largest is None:
            raise RequestRefused(RequestError.INVALID_RANGE, "there was nothing before")
        first = max(0, largest.group - asked.start) if asked.relative else asked.start
        end = Location(largest.group, largest.object + 1)
        return PastRange(downlink.track.name, Location(first, 0), end)

    def _ask(self, past: PastRange) -> bool:
        """Whether somebody could be asked."""
        order = self.request.parameters.group_order
        for announcer in self.peer.router.announcers_of(past.name):
            question = announcer.request_past(self, past, order)
            if question is not None:
                self._question = question
                fill_ms = self.request.parameters.fill_timeout_ms
                longest_s = self.peer.router.limits.upstream_s
                wait_s = longest_s if fill_ms is None else min(fill_ms / 1000, longest_s)
                self._timer = self.peer.router.timers.after(wait_s, self._late)
                return True
        return False

    def _late(self) -> None:
        self._timer = None
        if self._question is not None:
            self._question.cancel()
        self.refused(RequestRefused(RequestError.TIMEOUT, "the publisher did not answer in time"))

    def _from_cache(self) -> None:
        """Raises `RequestRefused`."""
        past = self._past
        track = None if past is None else self.peer.router.tracks.get(past.name)
        if past is None or track is None or not track.live:
            raise RequestRefused(RequestError.DOES_NOT_EXIST, "nobody publishes it")
        wanted = fetch_range(track, past)
        self._backwards = self.request.parameters.group_order is GroupOrder.DESCENDING
        self._items = (objects_backwards if self._backwards else objects_of)(track, wanted)
        if self._accept(FetchOk(wanted.end_of_track, wanted.end, properties=track.properties)):
            self._pump()

    def _accept(self, answer: FetchOk) -> bool:
        return self.peer.accept(
            self.request, end=answer.end, end_of_track=answer.end_of_track, properties=answer.properties
        )

    def _pump(self) -> None:
        """Send as much as may wait, and come again for the rest."""
        self._timer = None
        if self._stream is None:
            given = self.request.parameters.subscriber_priority
            priority = rank(DEFAULT_PRIORITY if given is None else given, DEFAULT_PRIORITY)
            self._stream = self.peer.session.open_fetch(self.request, priority=priority)
        blocked = self._stream is None or not self._send(self._stream)
        if blocked and self.request.state is not State.ENDED:
            self._timer = self.peer.router.timers.after(_PACE_S, self._pump)

    def _send(self, stream: FetchStream) -> bool:
        """Whether all that is here was written."""
        while True:
            if self._next is None:
                self._next = next(self._items, None)
            if self._next is None:
                break
            if self._backwards and isinstance(self._next, EndOfRange):
                self._break_off(ResetCode.UNKNOWN_OBJECT_STATUS)
                return True
            try:
                if stream.unsent > _WINDOW_BYTES or not stream.write(self._next):
                    return False
            except LocalProtocolError:  # the draft of the peer has no room for a number in it
                self._break_off(ResetCode.INTERNAL_ERROR)
                return True
            self._next = None
        if self._complete:
            stream.finish()
            self.release()
        return True

    def _break_off(self, code: ResetCode) -> None:
        if self._stream is not None:
            self._stream.reset(code)
            self.release()
        elif self.request.state is State.PENDING:
            question, self._question = self._question, None
            if question is not None:
                question.cancel()
            self.refused(RequestRefused(RequestError.INTERNAL_ERROR, "the publisher broke off"))
        else:
            self.peer.session.cancel(self.request, code)
            self.release()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def answer_status(peer: Peer, request: Request, grant: Grant) -> None:
    """Answer TRACK_STATUS, or let somebody else do it. Raises `RequestRefused`."""
    if not grant.may_subscribe(request.name.namespace):
        raise RequestRefused(RequestError.UNAUTHORIZED, "not allowed to hear this track")
    track = peer.router.tracks.get(request.name)
    if track is not None and track.live:
        parameters = Parameters(largest=track.largest)
        peer.accept(request, parameters=parameters, properties=track.properties)
        return
    for announcer in peer.router.announcers_of(request.name):
        if announcer.request_status(StatusQuestion(peer, request)):
            return
    raise RequestRefused(RequestError.DOES_NOT_EXIST, "nobody publishes it")
