"""What a session calls: the application's half of MoQT."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

from clutch.net.quic.engine import Closed
from clutch.wire.moqt.data import Object, ObjectDatagram
from clutch.wire.moqt.fetch import EndOfRange, FetchObject
from clutch.wire.moqt.messages import PublishDone, RequestError_, RequestOk
from clutch.wire.moqt.names import Namespace
from clutch.wire.moqt.parameters import Parameters
from clutch.wire.moqt.session_books import Refusal
from clutch.wire.moqt.session_request import Answer, Request

if TYPE_CHECKING:
    from clutch.net.moqt.incoming import IncomingSubgroup
    from clutch.net.moqt.session import MoqtSession

UpdateAnswer: TypeAlias = Parameters | Refusal | None
"""Yes, with parameters of the answer; no; plain yes."""


class MoqtHandler(Protocol):
    """Who uses a session. Everything is synchronous, on the Trio thread, and may call the session.

    An exception closes the session it was called for, with INTERNAL_ERROR, and no other.
    """

    def ready(self, session: MoqtSession) -> None:
        """The peer's SETUP has come: `session.peer`, `session.tokens`, `session.path`. Called once."""

    def requested(self, session: MoqtSession, request: Request) -> None:
        """The peer asks: `accept` or `reject` it, now or later, but once.

        What breaks the draft's rules, or a limit, was refused before. If `request.early`, it may be a replay.
        """

    def answered(self, session: MoqtSession, request: Request, message: Answer) -> None:
        """The peer has answered a request of this side; after a `RequestError_` it is over."""

    def updated(self, session: MoqtSession, request: Request, parameters: Parameters) -> UpdateAnswer:
        """The peer wants other parameters; not called before its request is accepted.

        After a `Refusal` the request is over, as the draft demands, unless this side is the subscriber.
        """

    def update_answered(
        self, session: MoqtSession, request: Request, message: RequestOk | RequestError_
    ) -> None:
        """The peer has answered an update of this side."""

    def cancelled(self, session: MoqtSession, request: Request, code: int) -> None:
        """The request is over without answer or PUBLISH_DONE: taken back by the peer, or its stream died.

        `code` is a `ResetCode`, or a number nobody knows. All data streams of the request are over, too;
        nothing is said about them.
        """

    def finished(self, session: MoqtSession, request: Request, done: PublishDone) -> None:
        """A subscription of this side is over, and all its objects have been handed over."""

    def announced(self, session: MoqtSession, request: Request, suffix: Namespace) -> None:
        """There is a namespace under the prefix of a SUBSCRIBE_NAMESPACE of this side."""

    def withdrawn(self, session: MoqtSession, request: Request, suffix: Namespace) -> None:
        """It is gone. If the request itself ends, so are all: that is not said for each."""

    def blocked(self, session: MoqtSession, request: Request, suffix: Namespace, name: bytes) -> None:
        """The peer cannot PUBLISH a track that SUBSCRIBE_TRACKS asked for: subscribe to it instead."""

    def subgroup_opened(self, session: MoqtSession, incoming: IncomingSubgroup) -> None:
        """A subgroup begins, of a subscription of this side that is established."""

    def objects(self, session: MoqtSession, incoming: IncomingSubgroup, objects: list[Object]) -> None:
        """Objects of a subgroup, in order; as many as have come together."""

    def subgroup_ended(self, session: MoqtSession, incoming: IncomingSubgroup, code: int | None) -> None:
        """No more of it comes: it is complete from its first object here on (None), or was reset."""

    def datagram(self, session: MoqtSession, request: Request, datagram: ObjectDatagram) -> None:
        """An object in a datagram, of a subscription of this side that is established."""

    def fetched(self, session: MoqtSession, request: Request, items: list[FetchObject | EndOfRange]) -> None:
        """Objects of a FETCH of this side, in order; they may come before its answer."""

    def fetch_ended(self, session: MoqtSession, request: Request, code: int | None) -> None:
        """No more of them come: all have come (None), or the stream was reset."""

    def goaway(self, session: MoqtSession, uri: str, timeout_ms: int, request: Request | None) -> None:
        """The peer wants the session, or one request, to go on at a URI; empty: the one it has."""

    def writable(self, session: MoqtSession) -> None:
        """Something was refused for want of room, and half of what waited has gone since."""

    def batch_end(self, session: MoqtSession) -> None:
        """All that had arrived was handed over; what was written meanwhile goes out now."""

    def closed(self, session: MoqtSession, closed: Closed) -> None:
        """The session is over, with all requests and streams of it. The last call, once, in any case."""
