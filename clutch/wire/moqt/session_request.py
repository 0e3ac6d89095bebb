"""Requests: what they are, and which message may follow which (draft 18 sections 5 and 10)."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeAlias

import attrs

from clutch.wire.moqt import messages as m
from clutch.wire.moqt.names import FullTrackName, Namespace
from clutch.wire.moqt.parameters import NONE, Parameters, Token
from clutch.wire.moqt.properties import Properties

Asking: TypeAlias = (
    m.Subscribe
    | m.Publish
    | m.Fetch
    | m.TrackStatus
    | m.PublishNamespace
    | m.SubscribeNamespace
    | m.SubscribeTracks
)
"""The messages that begin a request."""
Answer: TypeAlias = m.SubscribeOk | m.FetchOk | m.RequestOk | m.RequestError_
"""The messages that answer one; draft 16's PUBLISH_OK is a `RequestOk`, as in draft 18."""


class Kind(Enum):
    """What is asked for."""

    SUBSCRIBE = "subscribe"
    PUBLISH = "publish"
    FETCH = "fetch"
    TRACK_STATUS = "track_status"
    PUBLISH_NAMESPACE = "publish_namespace"
    SUBSCRIBE_NAMESPACE = "subscribe_namespace"
    SUBSCRIBE_TRACKS = "subscribe_tracks"


class State(Enum):
    """How far a request is."""

    PENDING = "pending"
    """Asked, not answered."""
    ESTABLISHED = "established"
    """Answered with yes."""
    DONE = "done"
    """PUBLISH_DONE has come; what was sent before it may still arrive."""
    ENDED = "ended"
    """Refused, cancelled or over: nothing more is said about it."""


class From(Enum):
    """Who says something about a request."""

    ASKER = "asker"
    ANSWERER = "answerer"


KINDS: Mapping[type, Kind] = {
    m.Subscribe: Kind.SUBSCRIBE,
    m.Publish: Kind.PUBLISH,
    m.Fetch: Kind.FETCH,
    m.TrackStatus: Kind.TRACK_STATUS,
    m.PublishNamespace: Kind.PUBLISH_NAMESPACE,
    m.SubscribeNamespace: Kind.SUBSCRIBE_NAMESPACE,
    m.SubscribeTracks: Kind.SUBSCRIBE_TRACKS,
}
YES: Mapping[Kind, type] = {
    **dict.fromkeys(Kind, m.RequestOk),
    Kind.SUBSCRIBE: m.SubscribeOk,
    Kind.FETCH: m.FetchOk,
}
"""The message that grants each kind."""

SUBSCRIPTIONS = (Kind.SUBSCRIBE, Kind.PUBLISH)
PREFIXES = (Kind.SUBSCRIBE_NAMESPACE, Kind.SUBSCRIBE_TRACKS)
NAMESPACES = (*PREFIXES, Kind.PUBLISH_NAMESPACE)
ENDED_BY_FIN = (*PREFIXES, Kind.PUBLISH)
"""What an asker ends by finishing its side of the stream (sections 5.1 and 6.1); others go on."""
TAKES_BACK: Mapping[type, frozenset[tuple[Kind, bool]]] = {
    m.Unsubscribe: frozenset({(Kind.SUBSCRIBE, False), (Kind.PUBLISH, True)}),
    m.FetchCancel: frozenset({(Kind.FETCH, False)}),
    m.PublishNamespaceDone: frozenset({(Kind.PUBLISH_NAMESPACE, False)}),
    m.PublishNamespaceCancel: frozenset({(Kind.PUBLISH_NAMESPACE, True)}),
}
"""Draft 16: what each of these messages of the peer may end: the kind, and whether this side has asked."""

_UPDATE = {m.RequestUpdate, m.Goaway}
_UPDATED = {m.RequestOk, m.RequestError_, m.Goaway}
"""The answers to an update: legal if one waits for its answer."""


def _legal(kind: Kind) -> dict[tuple[Kind, State, From], frozenset[type]]:
    asker: set[type] = set() if kind is Kind.TRACK_STATUS else set(_UPDATE)
    answerer: set[type] = set() if kind is Kind.TRACK_STATUS else set(_UPDATED)
    first: set[type] = {YES[kind], m.RequestError_, m.Goaway}
    match kind:
        case Kind.PUBLISH:
            answerer |= _UPDATE
            asker |= {m.PublishDone, m.PublishStateNotify}
        case Kind.SUBSCRIBE:
            answerer |= {m.PublishDone, m.PublishStateNotify}
        case Kind.SUBSCRIBE_NAMESPACE:
            answerer |= {m.NamespaceFound, m.NamespaceDone}
        case Kind.SUBSCRIBE_TRACKS:
            answerer |= {m.PublishBlocked}
    established = asker | (_UPDATED if kind is Kind.PUBLISH else set())
    return {
        (kind, State.PENDING, From.ASKER): frozenset(asker),
        (kind, State.PENDING, From.ANSWERER): frozenset(first),
        (kind, State.ESTABLISHED, From.ASKER): frozenset(established),
        (kind, State.ESTABLISHED, From.ANSWERER): frozenset(answerer),
    }


LEGAL: Mapping[tuple[Kind, State, From], frozenset[type]] = {
    key: legal for kind in Kind for key, legal in _legal(kind).items()
}
"""Which messages may come, besides the one that asks; nothing where there is no entry."""


@attrs.define(eq=False)
class Request:
    """One request of a session, ours or the peer's, from asking to its end."""

    id: int
    kind: Kind
    message: Asking = attrs.field(repr=False)
    local: bool
    """This side asked."""
    tokens: tuple[Token, ...] = attrs.field(default=(), repr=False)
    """The peer's authorization for it, aliases resolved."""
    early: bool = False
    """It came in 0-RTT data: it may be a replay."""
    parameters: Parameters = attrs.field(default=NONE, repr=False)
    """What holds now: those asked for, and what answers and updates have changed."""
    properties: Properties = attrs.field(factory=Properties, repr=False)
    """Of the track, once they are known."""
    alias: int | None = None
    """Track alias, once there is one."""
    joined: Request | None = attrs.field(default=None, repr=False)
    """The subscription that a joining FETCH joins."""
    state: State = attrs.field(init=False, default=State.PENDING)
    answer: Answer | None = attrs.field(init=False, default=None, repr=False)
    streams: int = attrs.field(init=False, default=0)
    """Data streams: opened for it if this side publishes, else seen of it."""
    open_streams: dict[Any, None] = attrs.field(init=False, factory=dict, repr=False)
    """The session's own: those of them that are not over."""
    context: Any = attrs.field(init=False, default=None, repr=False)
    """The application's own."""
    channel: Any = attrs.field(init=False, default=None, repr=False)
    """The session's own: the stream on which it is talked about."""
    updates: deque[m.RequestUpdate] = attrs.field(init=False, factory=deque, repr=False)
    """The session's own: updates sent from here that wait for their answer."""
    updating: deque[m.RequestUpdate] = attrs.field(init=False, factory=deque, repr=False)
    """The session's own: the peer's updates that wait for ours."""
    announced: set[Namespace] = attrs.field(init=False, factory=set, repr=False)
    """Suffixes of a namespace subscription for which NAMESPACE was sent, and not yet NAMESPACE_DONE."""
    done: m.PublishDone | None = attrs.field(init=False, default=None, repr=False)
    """How the publisher ended it, once it has."""
    redirected: bool = attrs.field(init=False, default=False, repr=False)
    """The session's own: the peer has sent GOAWAY for it."""
    prefix: Namespace = attrs.field(init=False, default=(), repr=False)
    """Of a namespace subscription, as it is now."""

    def __attrs_post_init__(self) -> None:
        if isinstance(self.message, m.SubscribeNamespace | m.SubscribeTracks):
            self.prefix = self.message.prefix
        if isinstance(self.message, m.Publish):
            self.properties = self.message.properties

    @property
    def name(self) -> FullTrackName:
        """The track that it is about; for a joining FETCH, that of the subscription."""
        match self.message:
            case m.Subscribe(name=name) | m.Publish(name=name) | m.TrackStatus(name=name):
                return name
            case m.Fetch(range=m.StandaloneFetch(name=name)):
                return name
        if self.joined is None:
            raise AttributeError(f"{self.kind.value} is not about a track")
        return self.joined.name

    @property
    def namespace(self) -> Namespace:
        """The namespace that it is about: of the track, published, or the prefix subscribed to."""
        match self.message:
            case m.PublishNamespace(namespace=namespace):
                return namespace
            case m.SubscribeNamespace() | m.SubscribeTracks():
                return self.prefix
        return self.name.namespace

    @property
    def wants_namespaces(self) -> bool:
        """Whether NAMESPACE messages are asked for."""
        return isinstance(self.message, m.SubscribeNamespace) and self.message.options != 0

    @property
    def wants_tracks(self) -> bool:
        """Whether a PUBLISH of every track under the prefix is asked for; in draft 16 both may be."""
        return isinstance(self.message, m.SubscribeTracks) or (
            isinstance(self.message, m.SubscribeNamespace) and self.message.options in (0, 2)
        )

    @property
    def publisher(self) -> bool:
        """Whether this side sends the objects of it."""
        return self.local == (self.kind in (Kind.PUBLISH, Kind.PUBLISH_NAMESPACE))

    @property
    def open(self) -> bool:
        """Whether it is asked or established, and not over."""
        return self.state is State.PENDING or self.state is State.ESTABLISHED

    @property
    def forward(self) -> bool:
        """The forward state (section 5.1): whether objects are to be sent."""
        return self.parameters.forward is not False


def merged(old: Parameters, new: Parameters) -> Parameters:
    """What holds after an update: what it does not mention stays."""
    return attrs.evolve(
        old,
        **{
            name: value
            for name, value in attrs.asdict(new, recurse=False).items()
            if value is not None and (value or name != "authorization")
        },
    )
