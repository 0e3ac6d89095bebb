"""What the peer says about requests: its own, and its answers to those of this side."""

from __future__ import annotations

import attrs

from clutch.wire.moqt import messages as m
from clutch.wire.moqt.codes import RequestError, ResetCode
from clutch.wire.moqt.errors import violation
from clutch.wire.moqt.names import MAX_FIELDS, Location, Namespace
from clutch.wire.moqt.session_books import Refusal, unknown_mandatory
from clutch.wire.moqt.session_channel import Channel
from clutch.wire.moqt.session_events import (
    Announced,
    Answered,
    Blocked,
    Cancelled,
    GoingAway,
    Requested,
    UpdateAnswered,
    Withdrawn,
)
from clutch.wire.moqt.session_link import Link
from clutch.wire.moqt.session_request import (
    KINDS,
    LEGAL,
    NAMESPACES,
    PREFIXES,
    Answer,
    Asking,
    From,
    Kind,
    Request,
    State,
    merged,
)
from clutch.wire.moqt.session_requests import Requests

MAX_UPDATES = 64
"""Updates of the peer that may wait for the answer to their request."""
_AWAY = Refusal(RequestError.GOING_AWAY, "this side is going away")


@attrs.define(eq=False)
class Heard:
    """Brings what the peer says to the requests. Raises RemoteProtocolError for what it must not say."""

    link: Link = attrs.field(repr=False)
    requests: Requests = attrs.field(repr=False)

    def asked(self, channel: Channel, message: m.Message, *, on_stream: bool) -> None:
        """The peer asks, on a stream of its own or on the control stream."""
        kind = KINDS.get(type(message))
        if kind is None or (
            on_stream and not self.link.draft.request_streams and kind is not Kind.SUBSCRIBE_NAMESPACE
        ):
            raise violation(f"a stream that begins with {type(message).__name__}")
        asking: Asking = message  # type: ignore[assignment]  # KINDS has no other
        if isinstance(asking, m.SubscribeNamespace) and asking.options is not None:  # draft 16
            if asking.options > 2:
                raise violation(f"subscribe options {asking.options} are unknown")
            kind = kind if asking.options else Kind.SUBSCRIBE_TRACKS
        self.link.peer_ids.use(asking.request_id)
        tokens = self.requests.tokens.resolve(asking.parameters.authorization)
        request = Request(
            asking.request_id,
            kind,
            asking,
            local=False,
            tokens=tokens,
            early=self.link.carrier.early,
            parameters=asking.parameters,
        )
        request.channel = channel
        if on_stream:
            channel.request = request
        refusal = _AWAY if self.link.going_away else self.requests.books.refusal(request)
        if refusal is not None:
            self.requests.reject(request, refusal.code, refusal.reason, refusal.retry_ms)
            return
        self.requests.books.add(request)
        self.link.events.append(Requested(request))

    def about(self, request: Request, message: m.Message) -> None:
        """A message about a request that was asked before."""
        if request.state is State.ENDED:
            return  # it has crossed the end of the request
        who = From.ANSWERER if request.local else From.ASKER
        if type(message) not in LEGAL.get((request.kind, request.state, who), ()):
            raise violation(f"{type(message).__name__} for {request.kind.name}, {request.state.value}")
        match message:
            case m.RequestOk() | m.RequestError_() if self._answers_update(request, message):
                self._update_answered(request, message)
            case m.SubscribeOk() | m.FetchOk() | m.RequestOk() | m.RequestError_():
                if request.state is not State.PENDING or not request.local:
                    raise violation(f"{type(message).__name__} without a question")
                self._answered(request, message)
            case m.RequestUpdate():
                self._updated(request, message)
            case m.PublishDone():
                self._done(request, message)
            case m.NamespaceFound(suffix=suffix):
                self._found(request, suffix)
            case m.NamespaceDone(suffix=suffix):
                if suffix not in request.announced:
                    raise violation("NAMESPACE_DONE without NAMESPACE")
                request.announced.remove(suffix)
                self.link.events.append(Withdrawn(request, suffix))
            case m.PublishStateNotify(parameters=parameters):
                request.parameters = merged(request.parameters, parameters)
            case m.PublishBlocked(suffix=suffix, name=name):
                self.link.events.append(Blocked(request, suffix, name))
            case m.Goaway(uri=uri, timeout_ms=timeout_ms):
                if uri and not self.link.client:
                    raise violation("a server is sent to another URI")
                if request.redirected:
                    raise violation("a second GOAWAY for a request")
                request.redirected = True
                self.link.events.append(GoingAway(uri, timeout_ms, request))

    def _answers_update(self, request: Request, message: m.RequestOk | m.RequestError_) -> bool:
        if message.request_id is not None:
            return self.requests.updates.pop(message.request_id, None) is not None
        return bool(request.updates) and (request.state is State.ESTABLISHED or not request.local)

    def _answered(self, request: Request, message: Answer) -> None:
        request.answer = message
        if isinstance(message, m.RequestError_):
            self._redirected(request, message.redirect)
            self.requests.over(request)
        else:
            if isinstance(message, m.RequestOk):
                self.link.draft.check_answer(request.kind.name, message)
            if self.link.draft.request_streams and unknown_mandatory(message.properties):
                message = m.RequestError_(
                    RequestError.UNSUPPORTED_EXTENSION, None, "a mandatory track property is unknown"
                )
                request.answer = message
                self.requests.cancel(request)
            else:
                self._granted_to_us(request, message)
        self.link.events.append(Answered(request, message))

    def _granted_to_us(self, request: Request, message: m.SubscribeOk | m.FetchOk | m.RequestOk) -> None:
        if isinstance(message, m.SubscribeOk):
            if (old := self.requests.books.bind(request, message.track_alias)) is not None:
                self.requests.close(old)
        elif isinstance(message, m.FetchOk) and isinstance(request.message, m.Fetch):
            asked = request.message.range
            if isinstance(asked, m.StandaloneFetch) and _before(message.end, asked.start):
                raise violation("FETCH_OK ends before the fetch starts")
        request.state = State.ESTABLISHED
        request.parameters = self.requests.agreed(request, message.parameters)
        if request.kind is not Kind.PUBLISH:
            request.properties = message.properties
        self.link.timers.clear(request)
        if request.kind is Kind.TRACK_STATUS:
            self.requests.over(request)
        else:
            self.requests.settle(request)

    def _update_answered(self, request: Request, message: m.RequestOk | m.RequestError_) -> None:
        update = request.updates.popleft()
        self.link.timers.clear(("update", update.request_id))
        if isinstance(message, m.RequestOk):
            self.link.draft.check_answer("REQUEST_UPDATE", message)
            request.parameters = merged(merged(request.parameters, update.parameters), message.parameters)
            if update.parameters.prefix is not None:
                request.prefix = update.parameters.prefix
        self.link.events.append(UpdateAnswered(request, message))

    def _updated(self, request: Request, message: m.RequestUpdate) -> None:
        if self.link.draft.request_streams:
            self.link.peer_ids.use(message.request_id)
        request.tokens = self.requests.tokens.resolve(message.parameters.authorization) or request.tokens
        if message.parameters.prefix is not None and request.kind not in PREFIXES:
            raise violation(f"a prefix for {request.kind.name}")
        request.updating.append(message)
        if request.state is State.ESTABLISHED:
            self.requests.ask_for(request, message)
        elif len(request.updating) > MAX_UPDATES:
            self.requests.reject(request, RequestError.EXCESSIVE_LOAD, "too many updates")
            self.link.events.append(Cancelled(request, 0))

    def _done(self, request: Request, message: m.PublishDone) -> None:
        request.done, request.state = message, State.DONE
        self.requests.books.done(request)
        wait_ms = max(
            request.parameters.delivery_timeout_ms or 0, request.parameters.subgroup_delivery_timeout_ms or 0
        )
        self.link.timers.clear(request)
        self.requests.settle(request)
        if request.state is State.DONE:
            patience = max(self.link.limits.linger_s, wait_ms / 1000)
            self.link.timers.set(request, self.link.now + patience, lambda: self.requests.close(request))

    def _found(self, request: Request, suffix: Namespace) -> None:
        if len(request.prefix) + len(suffix) > MAX_FIELDS:
            raise violation(f"a namespace of more than {MAX_FIELDS} fields")
        if len(request.announced) >= self.link.limits.announced:
            self.requests.cancel(request, ResetCode.EXCESSIVE_LOAD)
            self.link.events.append(Cancelled(request, 0))
        elif suffix not in request.announced:
            request.announced.add(suffix)
            self.link.events.append(Announced(request, suffix))

    def _redirected(self, request: Request, redirect: m.Redirect | None) -> None:
        if redirect is None:
            return
        if redirect.uri and not self.link.client:
            raise violation("a server is redirected to another URI")
        if redirect.name is not None and redirect.name.name and request.kind in NAMESPACES:
            raise violation("a namespace is redirected to a track")


def _before(end: Location, start: Location) -> bool:
    """Whether a range ends before it starts; an end with object 0 means its whole group."""
    return end.group < start.group or (end.group == start.group and 0 < end.object <= start.object)
