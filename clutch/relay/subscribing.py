"""What a peer hears: its SUBSCRIBE, the PUBLISH that it is sent, and the namespaces and tracks it watches."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs
import structlog

from clutch.auth.grants import Grant
from clutch.net.moqt.handler import UpdateAnswer
from clutch.relay.downlink import Downlink
from clutch.relay.errors import RequestRefused
from clutch.relay.flow import DEFAULT_PRIORITY, Window
from clutch.relay.track import Track
from clutch.wire.moqt.codes import DoneStatus, RequestError, SessionError
from clutch.wire.moqt.errors import LocalProtocolError
from clutch.wire.moqt.messages import RequestError_
from clutch.wire.moqt.names import FullTrackName, Location, Namespace
from clutch.wire.moqt.parameters import GroupOrder, Parameters
from clutch.wire.moqt.properties import PropertyType
from clutch.wire.moqt.session_books import Refusal
from clutch.wire.moqt.session_request import Answer, Request, State, merged

if TYPE_CHECKING:
    from clutch.relay.peer import Peer

log = structlog.get_logger(__name__)


@attrs.define(eq=False)
class Subscription:
    """A track that a peer hears, or waits for: by its own SUBSCRIBE, or by the PUBLISH that it was sent."""

    peer: Peer = attrs.field(repr=False)
    request: Request
    name: FullTrackName
    downlink: Downlink = attrs.field(init=False)
    track: Track | None = attrs.field(init=False, default=None, repr=False)
    _then: dict[Callable[[], None], None] = attrs.field(init=False, factory=dict, repr=False)
    """What waits until it is answered."""

    def __attrs_post_init__(self) -> None:
        peer = self.peer
        limits = peer.router.limits.queue
        self.downlink = Downlink(self, peer.session.quic, peer.session.draft, limits, peer.router.timers)
        peer.subscribed[self.name] = self

    def start(self, wait_s: float) -> None:
        """Look for the track. Raises `RequestRefused` if no track more is possible."""
        try:
            track = self.peer.router.subscribe(self.name, self.downlink, wait_s)
        except RequestRefused:
            self._forget()
            raise
        if self.peer.subscribed.get(self.name) is self:
            self.track = track

    def after_answer(self, call: Callable[[], None]) -> None:
        """Call it once the subscription is established or refused: now, or later."""
        if self.request.state is State.PENDING:
            self._then[call] = None
        else:
            call()

    def not_after_answer(self, call: Callable[[], None]) -> None:
        """Do not call it any more."""
        self._then.pop(call, None)

    def answered(self, message: Answer) -> None:
        """The peer has answered our PUBLISH."""
        track = self.peer.router.tracks.get(self.name)
        if isinstance(message, RequestError_):
            self._forget()
        elif track is None or not track.live or track.number != self.request.alias:
            self._refuse(RequestError.DOES_NOT_EXIST, "the track has ended")
        else:
            self.start(0)

    def joined(self, track: Track) -> None:
        """See `Subscriber.joined`."""
        self.track = track
        parameters, largest = self.request.parameters, track.largest
        window = Window.of(parameters.filter, largest)
        if largest is not None and window.end_group is not None and window.end_group < largest.group:
            self._leave()
            self._refuse(RequestError.INVALID_RANGE, "all of that was sent before")
            return
        self._set(parameters, track)
        self.downlink.window = window
        if not self.request.local and not self.peer.accept(
            self.request,
            alias=track.number,
            parameters=Parameters(largest=self._largest(track)),
            properties=track.properties,
        ):
            self._leave()
            self._forget()
            self._answered()
            return
        if parameters.new_group_request is not None:
            track.want_group(parameters.new_group_request)
        self._answered()

    def refused(self, code: int, reason: str, retry_ms: int | None) -> None:
        """See `Subscriber.refused`."""
        self._refuse(code, reason, retry_ms)

    def ended(self, status: DoneStatus, reason: str) -> None:
        """See `Subscriber.ended`."""
        self._leave()
        self._forget()
        if status is DoneStatus.TOO_FAR_BEHIND:
            self.peer.router.counters.too_far_behind += 1
            log.info("relay.too_slow", session=self.peer.number, track=str(self.name))
        self.peer.session.finish(self.request, status, reason, self.downlink.streams)

    def skipped(self) -> None:
        """See `Subscriber.skipped`."""
        self.peer.router.counters.skips += 1

    def failed(self) -> None:
        """See `Subscriber.failed`."""
        self.peer.session.close(SessionError.INTERNAL_ERROR, "internal error")

    def updated(self, parameters: Parameters) -> UpdateAnswer:
        """The peer wants it otherwise."""
        downlink = self.downlink
        track = downlink.track
        if track is None:
            return None  # it holds from when the request is answered
        paused = not downlink.forward
        self._set(merged(self.request.parameters, parameters), track)
        if parameters.filter is not None:
            downlink.narrow(Window.of(parameters.filter, track.largest))
        if paused and downlink.forward:
            downlink.joining = track.largest
        track.weigh()
        if parameters.new_group_request is not None:
            track.want_group(parameters.new_group_request)
        return Parameters(largest=self._largest(track))

    def release(self) -> None:
        """The request is over, or the session."""
        self.downlink.cancel()
        self._leave()
        self._forget()
        self._answered()

    def _set(self, parameters: Parameters, track: Track) -> None:
        downlink, properties = self.downlink, track.properties
        downlink.forward = parameters.forward is not False
        priority = parameters.subscriber_priority
        default = properties.number(PropertyType.DEFAULT_PUBLISHER_PRIORITY)
        order = parameters.group_order or properties.number(PropertyType.DEFAULT_PUBLISHER_GROUP_ORDER)
        downlink.priority = DEFAULT_PRIORITY if priority is None else priority
        downlink.publisher_priority = DEFAULT_PRIORITY if default is None else default
        downlink.newest_first = order == GroupOrder.DESCENDING
        timeouts_ms = (
            parameters.delivery_timeout_ms,
            parameters.subgroup_delivery_timeout_ms,
            properties.number(PropertyType.OBJECT_DELIVERY_TIMEOUT),
            properties.number(PropertyType.SUBGROUP_DELIVERY_TIMEOUT),
        )
        given = [timeout for timeout in timeouts_ms if timeout]
        downlink.timeout_s = min(given) / 1000 if given else None

    def _refuse(self, code: int, reason: str, retry_ms: int | None = None) -> None:
        self._forget()
        if self.request.local:
            self.peer.session.finish(self.request, DoneStatus.TRACK_ENDED, reason, 0)
        else:
            self.peer.refuse(self.request, RequestRefused(code, reason, retry_ms))
        self._answered()

    def _answered(self) -> None:
        then, self._then = self._then, {}
        for call in then:
            call()

    def _largest(self, track: Track) -> Location | None:
        """The largest object, if the peer's draft can say it: then it can get what follows, too."""
        most = self.peer.session.draft.integer.maximum
        return track.largest if track.largest is None or max(track.largest) <= most else None

    def _leave(self) -> None:
        track, self.track = self.track, None
        if track is not None:
            self.peer.router.unsubscribe(track, self.downlink)

    def _forget(self) -> None:
        if self.peer.subscribed.get(self.name) is self:
            del self.peer.subscribed[self.name]
        self.peer.roles.pop(self.request, None)


@attrs.define(eq=False)
class Watch:
    """SUBSCRIBE_NAMESPACE, SUBSCRIBE_TRACKS, and both at once in draft 16."""

    peer: Peer = attrs.field(repr=False)
    request: Request
    grant: Grant = attrs.field(repr=False)
    prefix: Namespace

    def start(self) -> None:
        """Say yes, tell what there is, and what comes. Raises `RequestRefused` if there is too much."""
        router, request = self.peer.router, self.request
        namespaces = router.namespaces_under(self.prefix) if request.wants_namespaces else []
        tracks = router.live_under(self.prefix) if request.wants_tracks else []
        if max(len(namespaces), len(tracks)) > router.limits.matches:
            raise RequestRefused(RequestError.NAMESPACE_TOO_LARGE, "too much matches the prefix")
        self.peer.session.accept(request)
        self._watch()
        for namespace in namespaces:
            self.found(namespace)
        for track in tracks:
            self.offer(track)

    def found(self, namespace: Namespace) -> None:
        """See `NamespaceWatcher.found`."""
        if self.grant.may_subscribe_prefix(namespace):
            self.peer.session.announce(self.request, namespace[len(self.prefix) :])

    def gone(self, namespace: Namespace) -> None:
        """See `NamespaceWatcher.gone`."""
        self.peer.session.withdraw(self.request, namespace[len(self.prefix) :])

    def offer(self, track: Track) -> None:
        """See `TrackWatcher.offer`: PUBLISH the track to the peer, if it may and does not hear it yet."""
        peer, name = self.peer, track.name
        own = all(source in peer.uplinks for source in track.sources)
        if own or name in peer.subscribed or not self.grant.may_subscribe(name.namespace):
            return
        forward = self.request.parameters.forward is not False
        parameters = Parameters(forward=forward, largest=track.largest)
        suffix = name.namespace[len(self.prefix) :]
        if len(peer.subscribed) >= peer.router.limits.subscriptions:
            peer.session.block(self.request, suffix, name.name)
            return
        try:
            request = peer.session.publish(name, parameters, track.properties, alias=track.number)
        except LocalProtocolError:
            peer.session.block(self.request, suffix, name.name)
            return
        peer.play(request, Subscription(peer, request, name))

    def updated(self, parameters: Parameters) -> UpdateAnswer:
        """The peer may want another prefix; what is there is said after the answer."""
        prefix = parameters.prefix
        if prefix is None or prefix == self.prefix:
            return None
        if not self.grant.may_subscribe_prefix(prefix):
            self.release()
            return Refusal(RequestError.UNAUTHORIZED, "not allowed under this prefix")
        self._unwatch()
        self.prefix = prefix
        self.peer.afterwards.append(self._again)
        return None

    def release(self) -> None:
        """The request is over, or the session. Subscriptions stay."""
        self._unwatch()
        self.peer.roles.pop(self.request, None)

    def _again(self) -> None:
        if self.request.state is not State.ESTABLISHED or self.request not in self.peer.roles:
            return
        self.request.announced.clear()  # they were relative to the old prefix
        self._watch()
        if self.request.wants_namespaces:
            for namespace in self.peer.router.namespaces_under(self.prefix):
                self.found(namespace)
        if self.request.wants_tracks:
            for track in self.peer.router.live_under(self.prefix):
                self.offer(track)

    def _watch(self) -> None:
        router = self.peer.router
        if self.request.wants_namespaces:
            router.namespace_watchers.add(self.prefix, self)
        if self.request.wants_tracks:
            router.track_watchers.add(self.prefix, self)

    def _unwatch(self) -> None:
        self.peer.router.namespace_watchers.remove(self.prefix, self)
        self.peer.router.track_watchers.remove(self.prefix, self)
