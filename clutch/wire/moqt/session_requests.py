"""Requests of both sides: asking, answering, changing, ending; draft 18, and draft 16 in its own words."""

from __future__ import annotations

import attrs

from clutch.wire.moqt import messages as m
from clutch.wire.moqt.codes import DoneStatus, RequestError, ResetCode
from clutch.wire.moqt.errors import LocalProtocolError, NotNow
from clutch.wire.moqt.names import Location, Namespace
from clutch.wire.moqt.parameters import NONE, Parameters
from clutch.wire.moqt.properties import NONE as NO_PROPERTIES
from clutch.wire.moqt.properties import Properties
from clutch.wire.moqt.session_books import Books, Refusal
from clutch.wire.moqt.session_events import Answered, Cancelled, Finished, Updated
from clutch.wire.moqt.session_link import Link
from clutch.wire.moqt.session_request import (
    KINDS,
    PREFIXES,
    SUBSCRIPTIONS,
    Answer,
    Asking,
    Kind,
    Request,
    State,
    merged,
)
from clutch.wire.moqt.session_tokens import TokenCache


@attrs.define(eq=False)
class Requests:
    """The requests of one session: what this side does, and how they end.

    What must not be done raises LocalProtocolError, and then nothing has happened.
    """

    link: Link = attrs.field(repr=False)
    books: Books = attrs.field(init=False)
    tokens: TokenCache = attrs.field(init=False, repr=False)
    updates: dict[int, Request] = attrs.field(init=False, factory=dict, repr=False)
    """Draft 16: this side's updates by their own IDs."""

    def __attrs_post_init__(self) -> None:
        self.books = Books(self.link.limits, one_overlap=not self.link.draft.request_streams)
        self.tokens = TokenCache(self.link.limits.token_bytes)
        self.link.stuck = self._stuck

    def ask(self, message: Asking, now: float) -> Request:
        """Ask for something. The message's request ID is set here; its alias, if negative, too.

        Raises LocalProtocolError: what must not be asked (now).
        """
        if self.link.sent_away:
            raise NotNow("the peer is going away")
        if self.link.out is None:
            raise NotNow("the client has not said SETUP")
        if self.link.full:
            raise NotNow("the peer takes no more requests")
        message, kind = self._numbered(message), KINDS[type(message)]
        request = Request(message.request_id, kind, message, local=True, parameters=message.parameters)
        if isinstance(message, m.Fetch) and isinstance(message.range, m.JoiningFetch):
            joined = request.joined = self.books.requests.get(message.range.request_id)
            if joined is None or joined.kind not in SUBSCRIPTIONS or joined.publisher:
                raise LocalProtocolError("there is no such subscription to join")
        self.books.check(request)
        data = self.link.draft.encode(self.link.of_draft(message))
        self.link.own_ids.take()
        own = self.link.draft.request_streams or kind in PREFIXES
        request.channel = self.link.channel(None) if own else self.link.out
        if own:
            request.channel.request = request
        self.books.add(request)
        wait_ms = (message.parameters.rendezvous_timeout_ms or 0) + (message.parameters.fill_timeout_ms or 0)
        patience = self.link.limits.answer_s + wait_ms / 1000
        self.link.timers.set(request, now + patience, lambda: self.link.slow(f"an answer to {kind.name}"))
        self.link.ask(request.id, request, data)
        return request

    def of(self, request_id: int) -> Request | None:
        """Draft 16: the request that an ID is of, also if the ID is of an update."""
        return self.books.requests.get(request_id) or self.updates.get(request_id)

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
        """Grant the peer's request. Nothing happens if it is over.

        `alias` is for SUBSCRIBE, by default a free one; `end` and `end_of_track` for FETCH (section 10.13);
        `properties` for SUBSCRIBE, FETCH and TRACK_STATUS.
        """
        if not self._answerable(request):
            return
        answer: Answer
        later = self._not_in_publish_ok(request, parameters)
        match request.kind:
            case Kind.SUBSCRIBE:
                alias = self.books.free_alias() if alias is None else alias
                answer = m.SubscribeOk(alias, parameters, properties)
            case Kind.FETCH:
                if end is None:
                    raise LocalProtocolError("FETCH_OK needs an end")
                answer = m.FetchOk(end_of_track, end, parameters, properties)
            case _ if later is not None:
                answer = m.RequestOk(Parameters(expires_ms=parameters.expires_ms))
            case _:
                answer = m.RequestOk(parameters, properties)
        data = self.link.encoded(request, answer)
        if isinstance(answer, m.SubscribeOk):
            self.books.bind(request, answer.track_alias)
        if request.kind is Kind.PUBLISH and (ours := self.books.prefer(request)) is not None:
            self.cancel(ours)
            self.link.events.append(Answered(ours, m.RequestError_(RequestError.DUPLICATE_SUBSCRIPTION)))
        request.answer, request.state = answer, State.ESTABLISHED
        request.parameters = self.agreed(request, parameters)
        if properties:
            request.properties = properties
        self.link.pass_on(request, data, fin=request.kind is Kind.TRACK_STATUS)
        if later is not None:
            self.update(request, later, self.link.now)
        if request.kind is Kind.TRACK_STATUS:
            self.over(request)
        elif request.kind is Kind.FETCH:
            self.settle(request)
        for update in list(request.updating):
            self.ask_for(request, update)

    def reject(
        self,
        request: Request,
        code: int,
        reason: str = "",
        retry_ms: int | None = None,
        redirect: m.Redirect | None = None,
    ) -> None:
        """Refuse the peer's request. Nothing happens if it is over."""
        if not self._answerable(request):
            return
        request.answer = m.RequestError_(code, retry_ms, reason, redirect)
        self.link.say(request, request.answer, fin=True)
        if isinstance(request.message, m.Publish):
            self.books.retire(request.message.track_alias)
        self.over(request)

    def finish(self, request: Request, status: int, reason: str = "", streams: int | None = None) -> None:
        """PUBLISH_DONE: this side has closed every stream of the subscription. Nothing if it is over.

        `streams` is how many there were, by default those counted.
        """
        if request.kind not in SUBSCRIPTIONS or not request.publisher:
            raise LocalProtocolError(f"PUBLISH_DONE for {request!r}")
        if not request.open:
            return
        if not request.local and request.state is State.PENDING:
            raise LocalProtocolError("a SUBSCRIBE is rejected, not done, before it is accepted")
        count = request.streams if streams is None else streams
        self.link.say(request, m.PublishDone(status, count, reason), fin=True)
        self.over(request)

    def update(self, request: Request, parameters: Parameters, now: float) -> None:
        """Ask the peer for other parameters. Raises LocalProtocolError if it is not for this side."""
        subscriber = request.kind is Kind.PUBLISH and request.state is State.ESTABLISHED
        if not request.open or request.kind is Kind.TRACK_STATUS or not (request.local or subscriber):
            raise LocalProtocolError(f"no update of {request!r}")
        if self.link.blocked:  # it could come after the end of its request
            raise LocalProtocolError("the peer takes no updates now")
        existing = None if self.link.draft.request_streams else request.id
        update = m.RequestUpdate(self.link.own_ids.next, parameters, existing)
        data = self.link.draft.encode(update)
        self.link.own_ids.take()
        request.updates.append(update)
        if existing is not None:
            self.updates[update.request_id] = request
        patience = now + self.link.limits.answer_s
        key = ("update", update.request_id)
        self.link.timers.set(key, patience, lambda: self.link.slow("an answer to REQUEST_UPDATE"))
        self.link.ask(update.request_id, request, data)

    def answer_update(
        self, request: Request, refusal: Refusal | None = None, parameters: Parameters = NONE
    ) -> None:
        """Answer the peer's oldest update.

        With a refusal the request is over, as the draft demands; but not if this side is the subscriber.
        """
        if not request.updating:
            raise LocalProtocolError(f"no update of {request!r} waits")
        update = request.updating.popleft()
        request_id = None if self.link.draft.request_streams else update.request_id
        if not request.open:
            return
        if refusal is None:
            request.parameters = merged(merged(request.parameters, update.parameters), parameters)
            if update.parameters.prefix is not None:
                request.prefix = update.parameters.prefix
            self.link.say(request, m.RequestOk(parameters), request_id=request_id)
            return
        error = m.RequestError_(refusal.code, refusal.retry_ms, refusal.reason)
        if request.kind in SUBSCRIPTIONS:
            self.link.say(request, error, request_id=request_id)
            if request.publisher:
                self.finish(request, DoneStatus.UPDATE_FAILED, refusal.reason)
        else:
            self.link.say(request, error, request_id=request_id, fin=True)
            self.over(request)

    def cancel(self, request: Request, code: int = ResetCode.CANCELLED) -> None:
        """Take back a request of this side, or end one of the peer's. Nothing happens if it is over."""
        if request.state is State.ENDED:
            return
        if request.channel is not self.link.out:
            request.channel.abort(self.link.reset_code(code))
        elif request.state is not State.DONE:
            self._cancel_16(request)
        self.over(request)

    def announce(self, request: Request, suffix: Namespace) -> None:
        """NAMESPACE, to the peer's SUBSCRIBE_NAMESPACE; once until it is withdrawn."""
        if self._named(request) and suffix not in request.announced:
            self.link.say(request, m.NamespaceFound(suffix))
            request.announced.add(suffix)

    def withdraw(self, request: Request, suffix: Namespace) -> None:
        """NAMESPACE_DONE, for what was announced."""
        if self._named(request) and suffix in request.announced:
            self.link.say(request, m.NamespaceDone(suffix))
            request.announced.discard(suffix)

    def block(self, request: Request, suffix: Namespace, name: bytes) -> None:
        """PUBLISH_BLOCKED, to the peer's SUBSCRIBE_TRACKS: no PUBLISH of it will come. Not in draft 16."""
        if self.link.draft.request_streams and request.kind is Kind.SUBSCRIBE_TRACKS and request.open:
            self.link.say(request, m.PublishBlocked(suffix, name))

    def settle(self, request: Request) -> None:
        """Its open streams or their number have changed: is a subscription over that is done, or a fetch?"""
        if request.open_streams:
            return
        if request.done is not None and request.state is State.DONE:
            count = request.done.stream_count
            if count is not None and request.streams >= count:
                self.close(request)
        elif request.kind is Kind.FETCH and request.streams and request.state is State.ESTABLISHED:
            self.over(request)

    def ask_for(self, request: Request, update: m.RequestUpdate) -> None:
        """An update of the peer is to be answered: its request has been."""
        prefix, refusal = update.parameters.prefix, None
        if prefix is not None and self.books.overlaps(request, prefix):
            refusal = Refusal(RequestError.PREFIX_OVERLAP, "the prefix overlaps with another")
        self.link.events.append(Updated(request, update.parameters, refusal))

    def gone(self, request: Request, code: int) -> None:
        """The peer has ended a request without an answer or PUBLISH_DONE."""
        if request.channel is not self.link.out:
            request.channel.abort(self.link.reset_code(ResetCode.CANCELLED))
        self.over(request)
        self.link.events.append(Cancelled(request, code))

    def close(self, request: Request) -> None:
        """A subscription that is done gets nothing more."""
        if request.state is State.DONE and request.done is not None:
            self.over(request)
            self.link.events.append(Finished(request, request.done))

    def over(self, request: Request) -> None:
        """Nothing more is said about it."""
        if request.state is State.ENDED:
            return
        request.state = State.ENDED
        self.books.remove(request)
        self.link.timers.clear(request)
        for update in request.updates:
            self.link.timers.clear(("update", update.request_id))
            self.updates.pop(update.request_id, None)
        if request.channel is not self.link.out:
            self.link.send(request.channel, b"", fin=True)
        if not request.local:
            self.link.give_back()

    def _cancel_16(self, request: Request) -> None:
        """Draft 16: say so on the control stream."""
        message: m.Message
        match request.kind, request.local:
            case (Kind.SUBSCRIBE, True) | (Kind.PUBLISH, False):
                message = m.Unsubscribe(request.id)
            case Kind.FETCH, True:
                message = m.FetchCancel(request.id)
            case Kind.PUBLISH_NAMESPACE, True:
                message = m.PublishNamespaceDone(request.id)
            case Kind.PUBLISH_NAMESPACE, False:
                message = m.PublishNamespaceCancel(request.id, RequestError.INTERNAL_ERROR)
            case (Kind.SUBSCRIBE, False) | (Kind.PUBLISH, True) if request.state is State.ESTABLISHED:
                message = m.PublishDone(DoneStatus.INTERNAL_ERROR, request.streams)
            case _, False if request.state is State.PENDING:
                message = m.RequestError_(RequestError.INTERNAL_ERROR)
            case _:
                return  # TRACK_STATUS, and a FETCH of the peer: the end of its data says it
        self.link.say(request, message)

    def _numbered(self, message: Asking) -> Asking:
        if isinstance(message, m.Publish) and message.track_alias < 0:
            message = attrs.evolve(message, track_alias=self.books.free_alias())
        return attrs.evolve(message, request_id=self.link.own_ids.next)

    def agreed(self, request: Request, answer: Parameters) -> Parameters:
        """What holds after a yes. A PUBLISH_OK without FORWARD means 1, whatever PUBLISH has said."""
        agreed = merged(request.parameters, answer)
        if request.kind is Kind.PUBLISH and self.link.draft.number < 20:
            agreed = attrs.evolve(agreed, forward=answer.forward)
        return agreed

    def _not_in_publish_ok(self, request: Request, parameters: Parameters) -> Parameters | None:
        """Draft 20: what PUBLISH_OK cannot say, and an update must."""
        if request.kind is not Kind.PUBLISH or self.link.draft.number < 20:
            return None
        later = attrs.evolve(parameters, expires_ms=None)
        return None if later == NONE else later

    def _answerable(self, request: Request) -> bool:
        """Whether the peer still waits for the answer. Raises LocalProtocolError if it never does."""
        if request.local or request.state is State.ESTABLISHED:
            raise LocalProtocolError(f"{request!r} is not to be answered")
        return request.state is State.PENDING

    def _named(self, request: Request) -> bool:
        if request.local or not request.wants_namespaces:
            raise LocalProtocolError(f"no NAMESPACE for {request!r}")
        return request.state is State.ESTABLISHED

    def _stuck(self, request: Request) -> None:
        self.cancel(request, ResetCode.EXCESSIVE_LOAD)
        self.link.events.append(Cancelled(request, ResetCode.EXCESSIVE_LOAD))
