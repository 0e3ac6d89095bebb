"""What is subscribed, on one connection: asked for by name, or found under a prefix."""

from __future__ import annotations

import attrs

from clutch.client.attempts import Attempts
from clutch.client.roster import Roster
from clutch.client.search import Search, has_capability
from clutch.client.subscription import Subscription
from clutch.client.values import Frame
from clutch.net.moqt.incoming import IncomingSubgroup
from clutch.net.moqt.session import MoqtSession
from clutch.wire.errors import MalformedPacket
from clutch.wire.loc import read_frame
from clutch.wire.moqt.codes import DoneStatus, RequestError
from clutch.wire.moqt.data import Object, ObjectDatagram, Status
from clutch.wire.moqt.fetch import EndOfRange, FetchObject
from clutch.wire.moqt.messages import JoiningFetch, PublishDone, RequestError_
from clutch.wire.moqt.names import Namespace
from clutch.wire.moqt.parameters import Filter, FilterType, Parameters
from clutch.wire.moqt.properties import Properties
from clutch.wire.moqt.session_request import Answer, Kind, Request
from clutch.wire.msf import CAPABILITY_PROPERTY

RENDEZVOUS_MS = 20_000
"""How long the relay is asked to wait for a publisher before it says no, and is asked again."""
OFFER_S = 10.0
"""How long a track that a search has found, and that was lost, may take to be offered again."""
ENDED = frozenset({DoneStatus.TRACK_ENDED, DoneStatus.SUBSCRIPTION_ENDED})
FORBIDDEN = frozenset({DoneStatus.UNAUTHORIZED, DoneStatus.MALFORMED_TRACK})
"""Ends of a subscription after which it is not asked for again: for good, and for bad."""


@attrs.define(eq=False)
class Incoming:
    """The subscribing half of a connection."""

    session: MoqtSession = attrs.field(repr=False)
    _roster: Roster = attrs.field(repr=False)
    _attempts: Attempts = attrs.field(repr=False)
    _requests: dict[Subscription | Search, Request] = attrs.field(init=False, factory=dict)
    """What carries them on this connection now."""

    def add(self, subscription: Subscription) -> None:
        """Ask for a track, unless it is over or asked for already; one that was found should be offered."""
        if subscription.over or subscription in self._requests or self.session.going_away:
            return
        if subscription.was_found:
            self._expect(subscription)
            return
        parameters = Parameters(
            rendezvous_timeout_ms=RENDEZVOUS_MS, filter=Filter(FilterType.LARGEST_OBJECT), forward=True
        )
        self._carry(subscription, self.session.subscribe(subscription.name, parameters))

    def search(self, search: Search) -> None:
        """Ask for every track under a prefix."""
        if not search.over and search not in self._requests and not self.session.going_away:
            self._carry(search, self.session.subscribe_tracks(search.prefix, Parameters()))

    def drop(self, item: Subscription | Search) -> None:
        """It is not wanted any more."""
        if (request := self._requests.pop(item, None)) is not None:
            self.session.cancel(request)

    def offered(self, request: Request) -> None:
        """The peer offers a track."""
        subscription = self._roster.subscriptions.get(request.name)
        capability = capability_of(request.properties)
        if subscription is not None and not subscription.over:
            self._offered_again(request, subscription)
            return
        search = self._roster.searching(request.name.namespace)
        if search is not None and not capability:
            self._roster.look_up(search, request.name.namespace)
        if search is None or not has_capability(capability, search.capability):
            self.session.reject(request, RequestError.UNINTERESTED, "not asked for")
        elif search.full:
            self.session.reject(request, RequestError.EXCESSIVE_LOAD, "too many tracks", retry_ms=1000)
        else:
            subscription = self._roster.found(search, request.name, capability, True)
            self._accept(request, subscription)

    def answered(self, request: Request, message: Answer) -> None:
        """The peer has answered."""
        item = request.context
        if request.kind is Kind.FETCH:
            if isinstance(message, RequestError_):
                self.fetch_ended(request)
        elif self._requests.get(item) is not request:
            pass  # another one carries it by now
        elif isinstance(message, RequestError_):
            del self._requests[item]
            self._refused(item, message)
        else:
            self._attempts.succeeded(item)
            if isinstance(item, Subscription):
                self._established(item, request)

    def finished(self, request: Request, done: PublishDone) -> None:
        """The track has ended, or this subscription of it."""
        item = request.context
        if self._requests.get(item) is not request:
            return
        del self._requests[item]
        if done.status in ENDED:
            item.end()
        elif done.status in FORBIDDEN:
            item.refuse(done.status, done.reason)
        else:
            self._lost(item, request)

    def cancelled(self, request: Request) -> None:
        """The peer has given it up, or its stream has died."""
        if request.kind is Kind.FETCH:
            self.fetch_ended(request)
        elif self._requests.get(request.context) is request:
            del self._requests[request.context]
            self._lost(request.context, request)

    def announced(self, request: Request, suffix: Namespace) -> None:
        """There is a namespace under a prefix that is searched."""
        if isinstance(search := request.context, Search):
            self._roster.look_up(search, search.prefix + suffix)

    def objects(self, incoming: IncomingSubgroup, objects: list[Object]) -> None:
        """Objects of a subgroup."""
        request, header = incoming.request, incoming.header
        for item in objects:
            self._arrived(request.context, header.group, item.id, item, header.priority)

    def subgroup_ended(self, incoming: IncomingSubgroup) -> None:
        """Nothing more comes of a subgroup; of voice that is the group."""
        incoming.request.context.group_ended(incoming.header.group)

    def datagram(self, request: Request, item: ObjectDatagram) -> None:
        """An object in a datagram."""
        self._arrived(request.context, item.group, item.id, item, item.priority)
        request.context.group_ended(item.group)

    def fetched(self, request: Request, items: list[FetchObject | EndOfRange]) -> None:
        """Objects of the past."""
        for item in items:
            if isinstance(item, FetchObject):
                self._arrived(request.context, item.group, item.id, item, item.priority)

    def fetch_ended(self, request: Request) -> None:
        """There is no more of the past."""
        request.context.hold(False)

    def closed(self) -> None:
        """The connection is over."""
        for item in self._requests:
            if isinstance(item, Subscription):
                item.hold(False)
                item.rejoin()

    def _carry(self, item: Subscription | Search, request: Request) -> None:
        request.context = item
        self._requests[item] = request

    def _accept(self, request: Request, subscription: Subscription) -> None:
        self._carry(subscription, request)
        self.session.accept(request)
        self._established(subscription, request)

    def _offered_again(self, request: Request, subscription: Subscription) -> None:
        """A track that is subscribed: the publisher was quicker than our request, or is back."""
        carried = self._requests.get(subscription)
        if carried is not None and carried.answer is not None:
            self.session.reject(request, RequestError.DUPLICATE_SUBSCRIPTION, "subscribed already")
        else:
            self._accept(request, subscription)

    def _established(self, subscription: Subscription, request: Request) -> None:
        subscription.establish(capability_of(request.properties))
        past = subscription.past_groups is not None and request.parameters.largest is not None
        if past and request.local and request.open:
            fetch = self.session.fetch(JoiningFetch(request.id, subscription.past_groups or 0), Parameters())
            fetch.context = subscription
            subscription.hold(True)

    def _refused(self, item: Subscription | Search, message: RequestError_) -> None:
        if isinstance(item, Search) and message.code == RequestError.NOT_SUPPORTED:
            request = self.session.subscribe_namespace(item.prefix, Parameters())
            self._carry(item, request)
        elif not self._attempts.again(item, lambda: self._ask(item), message):
            item.refuse(message.code, message.reason)

    def _lost(self, item: Subscription | Search, request: Request) -> None:
        if isinstance(item, Subscription):
            item.rejoin()
            if not request.local:
                self._expect(item)
                return
        self._attempts.again(item, lambda: self._ask(item))

    def _expect(self, subscription: Subscription) -> None:
        """A track that was found is offered again soon, or has ended."""

        def check() -> None:
            if subscription not in self._requests:
                subscription.end()

        self._attempts.after(OFFER_S, check)

    def _ask(self, item: Subscription | Search) -> None:
        if isinstance(item, Subscription):
            self.add(item)
        else:
            self.search(item)

    def _arrived(
        self,
        subscription: Subscription,
        group: int,
        number: int,
        item: Object | ObjectDatagram | FetchObject,
        priority: int | None,
    ) -> None:
        if isinstance(item, FetchObject) or item.status is Status.NORMAL:
            try:
                loc = read_frame(item.properties, item.payload, private=subscription.has_block(item.payload))
            except MalformedPacket:
                subscription.bad += 1
                return
            frame = Frame(loc.payload, loc.timestamp_us or 0, group, None, number == 0, priority)
            subscription.arrived(group, number, frame)
        else:
            subscription.group_ended(group)


def capability_of(properties: Properties) -> str:
    """What the properties of a track say that it can do; empty if they do not."""
    return (properties.data(CAPABILITY_PROPERTY) or b"").decode(errors="replace")
