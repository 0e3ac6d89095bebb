"""The open requests of a session, and what no two of them may share (draft 18 sections 5, 10 and 11.1)."""

from __future__ import annotations

import attrs

from clutch.wire.moqt import messages as m
from clutch.wire.moqt.codes import RequestError, SessionError
from clutch.wire.moqt.errors import LocalProtocolError, NotNow, RemoteProtocolError
from clutch.wire.moqt.names import FullTrackName, Namespace
from clutch.wire.moqt.properties import Properties
from clutch.wire.moqt.session_events import SessionLimits
from clutch.wire.moqt.session_request import NAMESPACES, PREFIXES, SUBSCRIPTIONS, Kind, Request, State

RETIRED_ALIASES = 1024
"""Aliases of ended subscriptions that are remembered, to drop what still comes for them at once."""
_MANDATORY = range(0x4000, 0x8000)


@attrs.frozen
class Refusal:
    """Why a request, or an update, is not granted."""

    code: int
    reason: str
    retry_ms: int | None = None
    """When it may be tried again; None: never."""
    redirect: m.Redirect | None = None
    """With code REDIRECT."""


@attrs.define(eq=False)
class Books:
    """Open requests by their IDs, tracks and aliases."""

    limits: SessionLimits
    one_overlap: bool
    """Draft 16: the prefixes of all namespace subscriptions must differ, whatever they ask for."""
    requests: dict[int, Request] = attrs.field(init=False, factory=dict)
    """Of both sides: their IDs differ."""
    aliases: dict[int, Request] = attrs.field(init=False, factory=dict)
    """Subscriptions of this side, by the alias that the peer gave."""
    retired: dict[int, None] = attrs.field(init=False, factory=dict, repr=False)
    """Aliases that were of subscriptions of this side, the oldest first."""
    _own_aliases: dict[int, Request] = attrs.field(init=False, factory=dict)
    _subscribed: dict[FullTrackName, Request] = attrs.field(init=False, factory=dict)
    _published: dict[FullTrackName, Request] = attrs.field(init=False, factory=dict)
    _spaces: dict[Request, None] = attrs.field(init=False, factory=dict)
    """Those about namespaces."""
    _peers: int = attrs.field(init=False, default=0)
    """How many are the peer's."""
    _next_alias: int = attrs.field(init=False, default=0)

    def refusal(self, request: Request) -> Refusal | None:
        """Why the peer's request cannot be granted, whatever the application thinks of it."""
        if request.tokens and len(set(request.tokens)) < len(request.tokens):
            return Refusal(RequestError.MALFORMED_AUTH_TOKEN, "a token is there twice")
        if refusal := self._too_many(request):
            return refusal
        if isinstance(request.message, m.Fetch) and isinstance(request.message.range, m.JoiningFetch):
            return self._joins(request, request.message.range.request_id)
        if _reserved(request):
            return Refusal(RequestError.DOES_NOT_EXIST, "this namespace is reserved")
        if request.kind in PREFIXES and self.overlaps(request, request.prefix):
            return Refusal(RequestError.PREFIX_OVERLAP, "the prefix overlaps with another")
        if request.kind is Kind.PUBLISH and unknown_mandatory(request.properties):
            return Refusal(RequestError.UNSUPPORTED_EXTENSION, "a mandatory track property is unknown")
        other = self._same(request)
        # A PUBLISH that meets a SUBSCRIBE of ours may be accepted in its place (section 5.1).
        if other is not None and not (request.kind is Kind.PUBLISH and _asked(other)):
            return Refusal(RequestError.DUPLICATE_SUBSCRIPTION, "there is a subscription to this track")
        return None

    def check(self, request: Request) -> None:
        """Raises LocalProtocolError if this side must not ask for it."""
        if _reserved(request):
            raise LocalProtocolError("this namespace is reserved")
        if request.kind in PREFIXES and self.overlaps(request, request.prefix):
            raise NotNow("the prefix overlaps with another")
        if request.kind in SUBSCRIPTIONS and self._same(request) is not None:
            raise NotNow(f"there is a subscription to {request.name}")

    def add(self, request: Request) -> None:
        """Open it."""
        self.requests[request.id] = request
        self._peers += not request.local
        if request.kind in NAMESPACES:
            self._spaces[request] = None
        if request.kind in SUBSCRIPTIONS:
            self._tracks(request).setdefault(request.name, request)
        if isinstance(request.message, m.Publish):
            self.bind(request, request.message.track_alias)

    def bind(self, request: Request, alias: int) -> Request | None:
        """Give it its track alias; another subscription that had it and was done. Raises if it is taken.

        RemoteProtocolError(DUPLICATE_TRACK_ALIAS) or LocalProtocolError: by whom the alias was chosen.
        """
        table = self._own_aliases if request.publisher else self.aliases
        other = table.get(alias)
        if other is not None and other is not request and other.open and other.name != request.name:
            if request.publisher:
                raise LocalProtocolError(f"track alias {alias} is in use")
            raise RemoteProtocolError(
                SessionError.DUPLICATE_TRACK_ALIAS, f"track alias {alias} of {request.name} is in use"
            )
        table[alias] = request
        request.alias = alias
        self.retired.pop(alias, None)
        return None if other is request else other

    def free_alias(self) -> int:
        """An alias for a track of this side.

        None is used twice: the end of one subscription may reach the peer after the beginning of the next.
        """
        alias = self._next_alias
        while alias in self._own_aliases:
            alias += 1
        self._next_alias = alias + 1
        return alias

    def prefer(self, request: Request) -> Request | None:
        """A PUBLISH of the peer is granted; the pending SUBSCRIBE of this side that it replaces, if any."""
        other = self._subscribed.get(request.name)
        self._subscribed[request.name] = request
        return None if other is request else other

    def done(self, request: Request) -> None:
        """A subscription of this side gets no more, and may be asked for again."""
        tracks = self._tracks(request)
        if request.kind in SUBSCRIPTIONS and tracks.get(request.name) is request:
            del tracks[request.name]

    def remove(self, request: Request) -> None:
        """It is over."""
        if self.requests.pop(request.id, None) is None:
            return
        self._peers -= not request.local
        self._spaces.pop(request, None)
        self.done(request)
        if request.alias is None:
            return
        table = self._own_aliases if request.publisher else self.aliases
        if table.get(request.alias) is request:
            del table[request.alias]
            if not request.publisher:
                self.retire(request.alias)

    def retire(self, alias: int) -> None:
        """Remember an alias of the peer of which nothing more is wanted."""
        self.retired[alias] = None
        if len(self.retired) > RETIRED_ALIASES:
            del self.retired[next(iter(self.retired))]

    def overlaps(self, request: Request, prefix: Namespace) -> bool:
        """Whether another namespace subscription of the same side begins as this prefix, or this as it."""
        return any(
            other is not request
            and other.local == request.local
            and (self.one_overlap or other.kind is request.kind)
            and (prefix[: len(other.prefix)] == other.prefix or other.prefix[: len(prefix)] == prefix)
            for other in self._spaces
            if other.kind in PREFIXES
        )

    def _too_many(self, request: Request) -> Refusal | None:
        if self._peers >= self.limits.requests:
            return Refusal(RequestError.EXCESSIVE_LOAD, "too many requests", retry_ms=1_000)
        if request.kind in NAMESPACES:
            peers = sum(not other.local for other in self._spaces)
            if peers >= self.limits.namespaces:
                return Refusal(RequestError.EXCESSIVE_LOAD, "too many namespaces", retry_ms=1_000)
        return None

    def _joins(self, request: Request, wanted: int) -> Refusal | None:
        joined = self.requests.get(wanted)
        if joined is None or joined.kind not in SUBSCRIPTIONS or not joined.publisher or not joined.open:
            return Refusal(RequestError.INVALID_JOINING_REQUEST_ID, f"request {wanted} is no subscription")
        if joined.local and joined.state is State.PENDING:
            return Refusal(RequestError.INVALID_JOINING_REQUEST_ID, f"request {wanted} is not established")
        if not joined.forward:
            return Refusal(RequestError.INVALID_RANGE, f"subscription {wanted} forwards nothing")
        request.joined = joined
        return None

    def _same(self, request: Request) -> Request | None:
        return self._tracks(request).get(request.name) if request.kind in SUBSCRIPTIONS else None

    def _tracks(self, request: Request) -> dict[FullTrackName, Request]:
        return self._published if request.publisher else self._subscribed


def unknown_mandatory(properties: Properties) -> bool:
    """Whether the track must be refused by who does not know all of it (section 2.5.1); nobody knows any."""
    return any(type_ in _MANDATORY for type_, _ in properties)


def _reserved(request: Request) -> bool:
    namespace = request.namespace
    return bool(namespace) and namespace[0] in (b".", b".session")


def _asked(request: Request) -> bool:
    """Whether this side has asked and got no answer."""
    return request.local and request.state is State.PENDING
