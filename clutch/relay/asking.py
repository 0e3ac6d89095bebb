"""What the relay asks a publisher for a subscriber: FETCH and TRACK_STATUS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs

from clutch.relay.errors import RequestRefused
from clutch.relay.past import PastRange
from clutch.relay.timers import Timer
from clutch.wire.moqt.codes import RequestError, ResetCode
from clutch.wire.moqt.errors import LocalProtocolError
from clutch.wire.moqt.fetch import EndOfRange, FetchObject
from clutch.wire.moqt.messages import FetchOk, RequestError_, RequestOk, StandaloneFetch
from clutch.wire.moqt.parameters import GroupOrder, Parameters
from clutch.wire.moqt.session_request import Answer, Request

if TYPE_CHECKING:
    from clutch.relay.peer import Peer


class PastAsker(Protocol):
    """Who wants objects of the past."""

    peer: Peer

    def granted(self, message: FetchOk) -> None:
        """The publisher has them, and sends them."""

    def refused(self, error: RequestRefused) -> None:
        """It has not. Nothing more is said."""

    def more(self, items: list[FetchObject | EndOfRange]) -> None:
        """Some have come, maybe before `granted`."""

    def over(self, code: int | None) -> None:
        """All have come (None), or no more will. Nothing more is said."""


@attrs.define(eq=False)
class PastQuestion:
    """Our FETCH to a publisher."""

    peer: Peer = attrs.field(repr=False)
    request: Request
    _asker: PastAsker | None
    _granted: bool = False
    _ended: bool = False
    """All has come, before the answer."""

    @classmethod
    def ask(
        cls, peer: Peer, asker: PastAsker, past: PastRange, order: GroupOrder | None
    ) -> PastQuestion | None:
        """Send it to a peer. None: it cannot be asked."""
        try:
            asked = StandaloneFetch(past.name, past.start, past.end)
            request = peer.session.fetch(asked, Parameters(group_order=order))
        except LocalProtocolError:
            return None
        question = cls(peer, request, asker)
        peer.play(request, question)
        return question

    def answered(self, message: Answer) -> None:
        """The publisher has answered."""
        if isinstance(message, FetchOk) and self._asker is not None:
            self._granted = True
            self._asker.granted(message)
            if self._ended:
                self.ended(None)
        elif isinstance(message, RequestError_) and (asker := self._end()) is not None:
            asker.refused(RequestRefused(message.code, message.reason, message.retry_ms))

    def fetched(self, items: list[FetchObject | EndOfRange]) -> None:
        """Objects have come."""
        if self._asker is not None:
            self._asker.more(items)

    def ended(self, code: int | None) -> None:
        """Their stream has ended; that may be known before the answer."""
        if not self._granted and code is None:
            self._ended = True
        elif (asker := self._end()) is not None:
            asker.over(code)

    def release(self) -> None:
        """The request is over, or the session."""
        self.ended(ResetCode.CANCELLED)

    def cancel(self) -> None:
        """They are not wanted any more."""
        if self._end() is not None:
            self.peer.session.cancel(self.request)

    def _end(self) -> PastAsker | None:
        self.peer.roles.pop(self.request, None)
        asker, self._asker = self._asker, None
        return asker


@attrs.define(eq=False)
class StatusQuestion:
    """Our TRACK_STATUS to a publisher, for that of a subscriber."""

    peer: Peer = attrs.field(repr=False)
    """The subscriber's."""
    request: Request
    """The subscriber's."""
    _via: Peer | None = attrs.field(default=None, repr=False)
    """The publisher's."""
    _ours: Request | None = None
    _timer: Timer | None = attrs.field(default=None, repr=False)

    def asked(self, via: Peer, ours: Request) -> None:
        """It was sent to a publisher."""
        self._via, self._ours = via, ours
        via.play(ours, self)
        router = via.router
        self._timer = router.timers.after(router.limits.upstream_s, self._late)

    def answered(self, message: Answer) -> None:
        """The publisher has answered."""
        self._end()
        if isinstance(message, RequestOk):
            self.peer.accept(self.request, parameters=message.parameters, properties=message.properties)
        elif isinstance(message, RequestError_):
            self.peer.refuse(self.request, RequestRefused(message.code, message.reason, message.retry_ms))

    def release(self) -> None:
        """Our request is over, or the session of the publisher."""
        self._end()
        self.peer.refuse(self.request, RequestRefused(RequestError.DOES_NOT_EXIST, "the publisher has gone"))

    def _late(self) -> None:
        if self._via is not None and self._ours is not None:
            self._via.session.cancel(self._ours)
        self._end()
        error = RequestRefused(RequestError.TIMEOUT, "the publisher did not answer in time")
        self.peer.refuse(self.request, error)

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._via is not None and self._ours is not None:
            self._via.roles.pop(self._ours, None)
