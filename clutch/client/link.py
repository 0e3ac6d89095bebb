"""One connection to the node: it carries everything of the roster, until it ends or is sent elsewhere."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from typing import TypeAlias

import attrs
import trio

from clutch.client.attempts import Attempts
from clutch.client.backoff import Backoff
from clutch.client.incoming import Incoming
from clutch.client.outgoing import Outgoing
from clutch.client.publication import Publication
from clutch.client.roster import Roster
from clutch.client.search import Search
from clutch.client.subscription import Subscription
from clutch.net.moqt.incoming import IncomingSubgroup
from clutch.net.moqt.session import MoqtSession
from clutch.net.quic.engine import Closed, QuicSession, SessionHandler, Target
from clutch.wire.moqt.codes import RequestError, SessionError
from clutch.wire.moqt.data import Object, ObjectDatagram
from clutch.wire.moqt.errors import LocalProtocolError
from clutch.wire.moqt.fetch import EndOfRange, FetchObject
from clutch.wire.moqt.messages import PublishDone, RequestError_, RequestOk
from clutch.wire.moqt.names import Namespace
from clutch.wire.moqt.parameters import Parameters
from clutch.wire.moqt.session_request import Answer, Kind, Request
from clutch.wire.moqt.setup import Options

Connect: TypeAlias = Callable[[Target, SessionHandler], Awaitable[QuicSession]]
"""As `Engine.connect`."""

ASKED_OF_PUBLISHERS = frozenset(
    {Kind.SUBSCRIBE, Kind.TRACK_STATUS, Kind.FETCH, Kind.SUBSCRIBE_NAMESPACE, Kind.SUBSCRIBE_TRACKS}
)


@attrs.define(eq=False)
class Link:
    """A `MoqtHandler` that sorts what comes into its two halves, and knows how it ended."""

    _roster: Roster = attrs.field(repr=False)
    _options: Options = attrs.field(repr=False)
    _new_backoff: Callable[[], Backoff] = attrs.field(repr=False)
    _lost: Callable[[Link], None] = attrs.field(repr=False)
    """Called when it has ended."""
    session: MoqtSession = attrs.field(init=False, repr=False)
    up: trio.Event = attrs.field(init=False, factory=trio.Event, repr=False)
    """The node has said SETUP, or it is over."""
    left: trio.Event = attrs.field(init=False, factory=trio.Event, repr=False)
    """Nothing new should be asked on it, or it is over."""
    over: trio.Event = attrs.field(init=False, factory=trio.Event, repr=False)
    why: Closed | None = attrs.field(init=False, default=None)
    """How it ended; None while it has not."""
    away: str | None = attrs.field(init=False, default=None)
    """The address that the node has sent us to, empty for the same; None if it has not."""
    granted: bool = attrs.field(init=False, default=False)
    """The node has said yes to something: it does have us."""
    _outgoing: Outgoing = attrs.field(init=False, repr=False)
    _incoming: Incoming = attrs.field(init=False, repr=False)

    _attempts: Attempts = attrs.field(init=False, repr=False)
    _nursery: trio.Nursery = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self.session = MoqtSession(self, self._options)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Runs until it is over, or was not connected. Started, it may be connected."""
        async with trio.open_nursery() as self._nursery:
            self._attempts = Attempts(self._nursery, self._new_backoff, _refuse)
            self._outgoing = Outgoing(self.session, self._roster, self._attempts)
            self._incoming = Incoming(self.session, self._roster, self._attempts)
            task_status.started()
            await self.over.wait()
            self._nursery.cancel_scope.cancel()

    async def connect(self, connect: Connect, target: Target) -> None:
        """Connect, and wait for SETUP. Raises `NetworkError`; if it ended at once, there is `why`."""
        try:
            await connect(target, self.session)
            if self.why is None:
                self._nursery.start_soon(self.session.run)
            await self.up.wait()
        except BaseException:
            self.over.set()
            raise

    @property
    def unsent(self) -> int:
        """Bytes that were written and not sent."""
        return self.session.quic.unsent

    def close(self) -> None:
        """End it; the node is told. What was not sent is lost."""
        self.session.close(SessionError.NO_ERROR, "")

    def add(self, item: Publication | Subscription | Search) -> None:
        """Publish, subscribe or search it, unless that is done already."""
        if self.why is None:
            self._attempts.now(item, lambda: self._ask(item))

    def _ask(self, item: Publication | Subscription | Search) -> None:
        match item:
            case Publication():
                self._outgoing.add(item)
            case Subscription():
                self._incoming.add(item)
            case Search():
                self._incoming.search(item)

    def drop(self, item: Publication | Subscription | Search) -> None:
        """Something is not in the roster any more."""
        if isinstance(item, Publication):
            self._outgoing.drop(item)
        else:
            self._incoming.drop(item)

    # MoqtHandler, see there

    def ready(self, session: MoqtSession) -> None:
        """SETUP has come."""
        self.up.set()

    def requested(self, session: MoqtSession, request: Request) -> None:
        """The peer asks."""
        if request.kind in ASKED_OF_PUBLISHERS:
            self._outgoing.asked(request)
        elif request.kind is Kind.PUBLISH:
            self._incoming.offered(request)
        else:
            session.reject(request, RequestError.UNINTERESTED, "not asked for")

    def answered(self, session: MoqtSession, request: Request, message: Answer) -> None:
        """The peer has answered."""
        self.granted |= not isinstance(message, RequestError_)
        if request.kind in (Kind.PUBLISH, Kind.PUBLISH_NAMESPACE):
            self._outgoing.answered(request, message)
        else:
            self._incoming.answered(request, message)

    def updated(self, session: MoqtSession, request: Request, parameters: Parameters) -> None:
        """The peer wants other parameters."""
        self._outgoing.updated(request)

    def update_answered(
        self, session: MoqtSession, request: Request, message: RequestOk | RequestError_
    ) -> None:
        """Never: this side asks for no update."""

    def cancelled(self, session: MoqtSession, request: Request, code: int) -> None:
        """A request is over, and nobody said why."""
        if (request.kind in ASKED_OF_PUBLISHERS and not request.local) or request.publisher:
            self._outgoing.cancelled(request)
        else:
            self._incoming.cancelled(request)

    def finished(self, session: MoqtSession, request: Request, done: PublishDone) -> None:
        """A track is over, or our subscription of it."""
        self._incoming.finished(request, done)

    def announced(self, session: MoqtSession, request: Request, suffix: Namespace) -> None:
        """There is a namespace under a prefix."""
        self._incoming.announced(request, suffix)

    def withdrawn(self, session: MoqtSession, request: Request, suffix: Namespace) -> None:
        """It is gone. Its tracks end by themselves."""

    def blocked(self, session: MoqtSession, request: Request, suffix: Namespace, name: bytes) -> None:
        """A track that cannot be offered now. Its catalog may tell what it is."""
        self._incoming.announced(request, suffix)

    def subgroup_opened(self, session: MoqtSession, incoming: IncomingSubgroup) -> None:
        """A subgroup begins."""

    def objects(self, session: MoqtSession, incoming: IncomingSubgroup, objects: list[Object]) -> None:
        """Objects of a subgroup."""
        self._incoming.objects(incoming, objects)

    def subgroup_ended(self, session: MoqtSession, incoming: IncomingSubgroup, code: int | None) -> None:
        """No more of it comes."""
        self._incoming.subgroup_ended(incoming)

    def datagram(self, session: MoqtSession, request: Request, datagram: ObjectDatagram) -> None:
        """An object in a datagram."""
        self._incoming.datagram(request, datagram)

    def fetched(self, session: MoqtSession, request: Request, items: list[FetchObject | EndOfRange]) -> None:
        """Objects of the past."""
        self._incoming.fetched(request, items)

    def fetch_ended(self, session: MoqtSession, request: Request, code: int | None) -> None:
        """No more of them come."""
        self._incoming.fetch_ended(request)

    def goaway(self, session: MoqtSession, uri: str, timeout_ms: int, request: Request | None) -> None:
        """The node wants us elsewhere. A single request that is to move is asked again, where it was."""
        if request is None:
            self.away = uri
            self.left.set()
        else:
            session.cancel(request)
            self.cancelled(session, request, 0)

    def writable(self, session: MoqtSession) -> None:
        """There is room again."""
        self._outgoing.writable()

    def batch_end(self, session: MoqtSession) -> None:
        """All that had arrived was handed over."""
        self._outgoing.batch_end()

    def closed(self, session: MoqtSession, closed: Closed) -> None:
        """It is over."""
        self.why = closed
        self._outgoing.closed()
        self._incoming.closed()
        self._lost(self)
        for event in (self.up, self.left, self.over):
            event.set()


def _refuse(item: Hashable, error: LocalProtocolError) -> None:
    """What the draft forbids to ask for never comes."""
    if isinstance(item, Publication | Subscription | Search):
        item.refuse(RequestError.NOT_SUPPORTED, str(error))
