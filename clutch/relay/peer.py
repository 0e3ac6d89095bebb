"""One session of the relay: what a peer publishes, subscribes to and asks, against the router.

Every request of the session has a role here (its context), which lets go of everything when the request is
over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, TypeAlias

import attrs
import structlog

from clutch.auth.errors import TokenError
from clutch.auth.grants import Grant
from clutch.net.moqt.handler import UpdateAnswer
from clutch.net.moqt.incoming import IncomingSubgroup
from clutch.net.moqt.session import MoqtSession
from clutch.net.quic.engine import Closed
from clutch.relay.asking import PastQuestion, StatusQuestion
from clutch.relay.errors import MalformedTrack, RequestRefused
from clutch.relay.fetching import FetchAnswer, answer_status
from clutch.relay.gate import Gate, SessionInfo
from clutch.relay.publishing import Announced, Publication
from clutch.relay.router import Router
from clutch.relay.subscribing import Subscription, Watch
from clutch.relay.uplink import Feed, Uplink
from clutch.wire.moqt.codes import RequestError, SessionError
from clutch.wire.moqt.data import Object, ObjectDatagram
from clutch.wire.moqt.errors import LocalProtocolError
from clutch.wire.moqt.fetch import EndOfRange, FetchObject
from clutch.wire.moqt.messages import PublishDone, RequestError_, RequestOk
from clutch.wire.moqt.names import FullTrackName, Namespace
from clutch.wire.moqt.parameters import Parameters, Token
from clutch.wire.moqt.session_request import Answer, Kind, Request

log = structlog.get_logger(__name__)

Role: TypeAlias = Subscription | Watch | Publication | Announced | FetchAnswer | PastQuestion | StatusQuestion

_SESSION_ERRORS = {
    "malformed": SessionError.MALFORMED_AUTH_TOKEN,
    "unauthorized": SessionError.UNAUTHORIZED,
    "expired": SessionError.EXPIRED_AUTH_TOKEN,
}
_REQUEST_ERRORS = {
    "malformed": RequestError.MALFORMED_AUTH_TOKEN,
    "unauthorized": RequestError.UNAUTHORIZED,
    "expired": RequestError.EXPIRED_AUTH_TOKEN,
}


@attrs.define(eq=False)
class Peer:
    """The relay's half of a session: its `MoqtHandler`."""

    router: Router = attrs.field(repr=False)
    gate: Gate = attrs.field(repr=False)
    number: int
    _origin: str | None
    """Of the web page that opened the session."""
    _gone: Callable[[Peer], None] = attrs.field(repr=False)
    session: MoqtSession = attrs.field(init=False, repr=False)
    grant: Grant | None = attrs.field(init=False, default=None)
    """What the token of the session allows; None before it has come."""
    _own_grants: dict[Request, Grant] = attrs.field(init=False, factory=dict, repr=False)
    """What the tokens of single requests allow."""
    roles: dict[Request, Role] = attrs.field(init=False, factory=dict, repr=False)
    subscribed: dict[FullTrackName, Subscription] = attrs.field(init=False, factory=dict, repr=False)
    """What it hears, or waits for."""
    uplinks: set[Uplink] = attrs.field(init=False, factory=set, repr=False)
    """What it sends."""
    afterwards: list[Callable[[], None]] = attrs.field(init=False, factory=list, repr=False)
    """What is to be done at the end of the batch."""
    _fed: deque[tuple[Publication, Feed]] = attrs.field(init=False, factory=deque, repr=False)

    @property
    def info(self) -> SessionInfo:
        """For the gate and the log."""
        quic, session = self.session.quic, self.session
        return SessionInfo(
            self.number, quic.kind, quic.protocol, quic.peer, session.authority, session.path, self._origin
        )

    @property
    def full(self) -> bool:
        """It has to do with so much, asked by it or of it, that it is asked for no track more."""
        return len(self.roles) >= 2 * self.session.limits.requests

    def play(self, request: Request, role: Role) -> None:
        """Give a request its role."""
        request.context = self.roles[request] = role

    def accept(self, request: Request, **answer: Any) -> bool:
        """Say yes, as `MoqtSession.accept`; no if the peer's draft has no room for the numbers in it.

        Draft 16 has 62 bits, draft 18 has 64. Whether it was yes.
        """
        try:
            self.session.accept(request, **answer)
        except LocalProtocolError as error:
            self.refuse(request, RequestRefused(RequestError.NOT_SUPPORTED, str(error)))
            return False
        return True

    def refuse(self, request: Request, error: RequestRefused) -> None:
        """Say no."""
        self.roles.pop(request, None)
        self.router.counters.refused[error.name] += 1
        if error.code == RequestError.UNAUTHORIZED:
            log.info("relay.refused", session=self.number, kind=request.kind.value, reason=str(error))
        self.session.reject(request, error.code, error.reason, error.retry_ms)

    def check(self) -> None:
        """Close the session if its grant, or one that a request lives on, has expired or was revoked."""
        self._own_grants = {
            request: grant for request, grant in self._own_grants.items() if request in self.roles
        }
        try:
            for grant in filter(None, (self.grant, *self._own_grants.values())):
                self.gate.check(grant)
        except TokenError as error:
            self._turn_away(error)

    # What the session calls

    def ready(self, session: MoqtSession) -> None:
        """See `MoqtHandler.ready`."""
        try:
            self.grant = self.gate.admit(_value(session.tokens), self.info)
        except TokenError as error:
            self._turn_away(error)
        else:
            if self.grant.trusted:
                session.relax(self.router.limits.trusted)

    def requested(self, session: MoqtSession, request: Request) -> None:
        """See `MoqtHandler.requested`."""
        try:
            self._start(request, self._granted(request))
        except RequestRefused as error:
            self.refuse(request, error)

    def answered(self, session: MoqtSession, request: Request, message: Answer) -> None:
        """See `MoqtHandler.answered`."""
        role = self.roles.get(request)
        if isinstance(role, Subscription | Publication | PastQuestion | StatusQuestion):
            role.answered(message)

    def updated(self, session: MoqtSession, request: Request, parameters: Parameters) -> UpdateAnswer:
        """See `MoqtHandler.updated`."""
        role = self.roles.get(request)
        return role.updated(parameters) if isinstance(role, Subscription | Watch) else None

    def update_answered(
        self, session: MoqtSession, request: Request, message: RequestOk | RequestError_
    ) -> None:
        """See `MoqtHandler.update_answered`: only new groups are asked for, and come or do not."""

    def cancelled(self, session: MoqtSession, request: Request, code: int) -> None:
        """See `MoqtHandler.cancelled`."""
        role = self.roles.get(request)
        if role is not None:
            role.release()

    def finished(self, session: MoqtSession, request: Request, done: PublishDone) -> None:
        """See `MoqtHandler.finished`."""
        role = self.roles.get(request)
        if isinstance(role, Publication):
            role.finished(done)

    def announced(self, session: MoqtSession, request: Request, suffix: Namespace) -> None:
        """See `MoqtHandler.announced`: the relay subscribes to no namespaces."""

    def withdrawn(self, session: MoqtSession, request: Request, suffix: Namespace) -> None:
        """See `MoqtHandler.withdrawn`: as `announced`."""

    def blocked(self, session: MoqtSession, request: Request, suffix: Namespace, name: bytes) -> None:
        """See `MoqtHandler.blocked`: as `announced`."""

    def subgroup_opened(self, session: MoqtSession, incoming: IncomingSubgroup) -> None:
        """See `MoqtHandler.subgroup_opened`."""
        role = incoming.request.context
        if isinstance(role, Publication) and role.uplink is not None:
            incoming.context = role.uplink.open(incoming.header)
        else:
            incoming.stop()

    def objects(self, session: MoqtSession, incoming: IncomingSubgroup, objects: list[Object]) -> None:
        """See `MoqtHandler.objects`: they go on at the end of the stream, or of the batch."""
        feed: Feed = incoming.context
        if feed.objects(objects):
            self._fed.append((incoming.request.context, feed))

    def subgroup_ended(self, session: MoqtSession, incoming: IncomingSubgroup, code: int | None) -> None:
        """See `MoqtHandler.subgroup_ended`."""
        feed: Feed = incoming.context
        if self._fed and self._fed[-1][1] is feed:
            self._fed.pop()
        self._flush()  # what came before goes on before
        try:
            feed.end(code)
        except MalformedTrack as error:
            incoming.request.context.malformed(str(error))

    def datagram(self, session: MoqtSession, request: Request, datagram: ObjectDatagram) -> None:
        """See `MoqtHandler.datagram`."""
        role = request.context
        if isinstance(role, Publication) and role.uplink is not None:
            try:
                role.uplink.datagram(datagram)
            except MalformedTrack as error:
                role.malformed(str(error))

    def fetched(self, session: MoqtSession, request: Request, items: list[FetchObject | EndOfRange]) -> None:
        """See `MoqtHandler.fetched`."""
        role = self.roles.get(request)
        if isinstance(role, PastQuestion):
            role.fetched(items)

    def fetch_ended(self, session: MoqtSession, request: Request, code: int | None) -> None:
        """See `MoqtHandler.fetch_ended`."""
        role = self.roles.get(request)
        if isinstance(role, PastQuestion):
            role.ended(code)

    def goaway(self, session: MoqtSession, uri: str, timeout_ms: int, request: Request | None) -> None:
        """See `MoqtHandler.goaway`: a client that goes away does so by itself."""

    def writable(self, session: MoqtSession) -> None:
        """See `MoqtHandler.writable`: live objects are not sent again, and a fetch has a pace of its own."""

    def batch_end(self, session: MoqtSession) -> None:
        """See `MoqtHandler.batch_end`."""
        self._flush()
        while self.afterwards:
            self.afterwards.pop(0)()

    def closed(self, session: MoqtSession, closed: Closed) -> None:
        """See `MoqtHandler.closed`."""
        self._fed.clear()
        self.afterwards.clear()
        for role in list(self.roles.values()):
            role.release()
        self._gone(self)

    # Inside

    def _flush(self) -> None:
        while self._fed:
            publication, feed = self._fed.popleft()
            try:
                feed.flush()
            except MalformedTrack as error:
                publication.malformed(str(error))

    def _start(self, request: Request, grant: Grant) -> None:
        """Raises `RequestRefused`."""
        match request.kind:
            case Kind.SUBSCRIBE:
                _allow(grant.may_subscribe(request.namespace), "hear this track")
                subscription = Subscription(self, request, request.name)
                self.play(request, subscription)
                subscription.start((request.parameters.rendezvous_timeout_ms or 0) / 1000)
            case Kind.PUBLISH:
                _allow(grant.may_publish(request.namespace), "publish this track")
                publication = Publication(self, request, request.name, grant)
                self.play(request, publication)
                publication.start()
            case Kind.PUBLISH_NAMESPACE:
                _allow(grant.may_publish_prefix(request.namespace), "publish in this namespace")
                announced = Announced(self, request, grant, request.namespace)
                self.play(request, announced)
                announced.start()
            case Kind.SUBSCRIBE_NAMESPACE | Kind.SUBSCRIBE_TRACKS:
                _allow(grant.may_subscribe_prefix(request.namespace), "hear anything under this prefix")
                watch = Watch(self, request, grant, request.namespace)
                self.play(request, watch)
                watch.start()
            case Kind.FETCH:
                fetch = FetchAnswer(self, request, grant)
                self.play(request, fetch)
                fetch.start()
            case Kind.TRACK_STATUS:
                answer_status(self, request, grant)

    def _granted(self, request: Request) -> Grant:
        """What its own token allows, or that of the session. Raises `RequestRefused`."""
        token = _value(request.tokens)
        if token is None and self.grant is not None:
            return self.grant
        try:
            grant = self._own_grants[request] = self.gate.admit(token, self.info)
        except TokenError as error:
            raise RequestRefused(_REQUEST_ERRORS[error.kind], str(error)) from error
        return grant

    def _turn_away(self, error: TokenError) -> None:
        log.info("relay.turned_away", session=self.number, peer=self.session.quic.peer, reason=str(error))
        self.session.close(_SESSION_ERRORS[error.kind], str(error))


def _value(tokens: tuple[Token, ...]) -> bytes | None:
    return next((token.value for token in tokens if token.value is not None), None)


def _allow(allowed: bool, what: str) -> None:
    if not allowed:
        raise RequestRefused(RequestError.UNAUTHORIZED, f"not allowed to {what}")
