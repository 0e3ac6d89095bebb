"""What a peer sends: its PUBLISH, its answers to our SUBSCRIBE, and the namespaces that it announces."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import attrs
import structlog

from clutch.auth.grants import Grant
from clutch.relay.asking import PastAsker, PastQuestion, StatusQuestion
from clutch.relay.claims import PublishAttempt
from clutch.relay.errors import RequestRefused
from clutch.relay.past import PastRange
from clutch.relay.router import Announcer
from clutch.relay.timers import Timer
from clutch.relay.track import Demand, Track
from clutch.relay.uplink import Uplink
from clutch.wire.moqt.codes import DoneStatus, RequestError, ResetCode
from clutch.wire.moqt.errors import LocalProtocolError
from clutch.wire.moqt.messages import PublishDone, RequestError_
from clutch.wire.moqt.names import FullTrackName, Location, Namespace
from clutch.wire.moqt.parameters import GroupOrder, Parameters
from clutch.wire.moqt.properties import Properties
from clutch.wire.moqt.session_request import Answer, Request

if TYPE_CHECKING:
    from clutch.relay.peer import Peer

log = structlog.get_logger(__name__)

_PASSED_ON = frozenset({DoneStatus.TRACK_ENDED, DoneStatus.GOING_AWAY, DoneStatus.MALFORMED_TRACK})
"""Why a publisher ended that its subscribers are told as it is; the rest is between it and the relay."""


@attrs.define(eq=False)
class Publication:
    """A track that a peer sends: by its own PUBLISH, or because it was asked."""

    peer: Peer = attrs.field(repr=False)
    request: Request
    name: FullTrackName
    grant: Grant = attrs.field(repr=False)
    announced: Announcer | None = None
    """Because of whom it was asked for it: a namespace, mostly; None for PUBLISH."""
    asked: Track | None = None
    """For whom, until it is answered."""
    uplink: Uplink | None = attrs.field(init=False, default=None)
    track: Track | None = attrs.field(init=False, default=None, repr=False)
    _linger: Timer | None = attrs.field(init=False, default=None, repr=False)

    def attach(self, properties: Properties, largest: Location | None) -> None:
        """It sends the track from now on. Raises `RequestRefused`."""
        peer = self.peer
        attempt = PublishAttempt(
            self.name, peer.number, self.grant.tenant, self.grant.subject, self.end, properties
        )
        decisions = peer.router.decide(attempt)
        self.uplink = Uplink(self._weigh, self._new_group, attempt, decisions)
        peer.uplinks.add(self.uplink)
        try:
            self.track = self.uplink.track = peer.router.attach(self.name, self.uplink, properties, largest)
        except RequestRefused:
            self._detach(DoneStatus.INTERNAL_ERROR, "")
            raise

    def start(self) -> None:
        """The peer's PUBLISH is allowed. Raises `RequestRefused`."""
        parameters = self.request.parameters
        self.attach(self.request.properties, parameters.largest)
        self.peer.session.accept(self.request, parameters=Parameters(forward=True))

    def answered(self, message: Answer) -> None:
        """The peer has answered our SUBSCRIBE."""
        track, self.asked = self.asked, None
        if track is None or self.announced is None:
            return
        router = self.peer.router
        if isinstance(message, RequestError_):
            self.peer.roles.pop(self.request, None)
            router.declined(track, self.announced, message.code, message.reason, message.retry_ms)
            return
        try:
            self.attach(self.request.properties, message.parameters.largest)
        except RequestRefused as error:
            self._cancel(ResetCode.CANCELLED)
            router.declined(track, self.announced, error.code, error.reason, error.retry_ms)
            return
        router.answered(track, self.announced)
        if not track.sinks:
            self._weigh(Demand.NONE)

    def finished(self, done: PublishDone) -> None:
        """The peer sends no more, and all that it sent is here."""
        self.peer.roles.pop(self.request, None)
        status = DoneStatus(done.status) if done.status in _PASSED_ON else DoneStatus.INTERNAL_ERROR
        self._detach(status, done.reason or "the publisher has ended it")

    def release(self) -> None:
        """The request is over, or the session."""
        self.peer.roles.pop(self.request, None)
        track, self.asked = self.asked, None
        if track is not None and self.announced is not None:
            reason = "the publisher has gone"
            self.peer.router.declined(track, self.announced, RequestError.DOES_NOT_EXIST, reason)
        self._detach(DoneStatus.TRACK_ENDED, "the publisher has gone")

    def abandon(self) -> None:
        """Its answer is not waited for any more."""
        self.asked = None
        self._cancel(ResetCode.CANCELLED)

    def end(self, reason: str) -> None:
        """The owner of the namespace throws it out."""
        self._throw_out(DoneStatus.TRACK_ENDED, reason)

    def malformed(self, reason: str) -> None:
        """It broke the rules of a track: nothing of it is taken any more."""
        self.peer.router.counters.malformed += 1
        log.info("relay.malformed", session=self.peer.number, track=str(self.name), reason=reason)
        self._cancel(ResetCode.MALFORMED_TRACK)
        self._detach(DoneStatus.MALFORMED_TRACK, reason)

    def _throw_out(self, status: DoneStatus, reason: str) -> None:
        if self.uplink is not None:
            self._cancel(ResetCode.CANCELLED)
            self._detach(status, reason)

    def _weigh(self, demand: Demand) -> None:
        if self.announced is None:
            return  # who publishes by itself goes on: the next one to come will want the past
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        if demand is Demand.NONE:
            limits = self.peer.router.limits
            self._linger = self.peer.router.timers.after(limits.linger_s, self._unwanted)

    def _unwanted(self) -> None:
        self._throw_out(DoneStatus.SUBSCRIPTION_ENDED, "nobody listens")

    def _new_group(self, after: int) -> None:
        # It may take no updates now, or be about to end: not the fault of the subscriber who asks.
        with contextlib.suppress(LocalProtocolError):
            self.peer.session.update(self.request, Parameters(new_group_request=after))

    def _cancel(self, code: ResetCode) -> None:
        self.peer.roles.pop(self.request, None)
        self.peer.session.cancel(self.request, code)

    def _detach(self, status: DoneStatus, reason: str) -> None:
        if self._linger is not None:
            self._linger.cancel()
        uplink, self.uplink = self.uplink, None
        if uplink is None:
            return
        uplink.close()
        self.peer.uplinks.discard(uplink)
        if self.track is not None:
            self.peer.router.detach(self.track, uplink, status, reason)


@attrs.define(eq=False)
class Announced:
    """A namespace that a peer publishes: it is asked for the tracks in it. `Announcer` of the router."""

    peer: Peer = attrs.field(repr=False)
    request: Request
    grant: Grant = attrs.field(repr=False)
    namespace: Namespace

    def start(self) -> None:
        """Say yes, and tell who wants to know."""
        self.peer.session.accept(self.request)
        self.peer.router.announce(self.namespace, self)

    def request_track(self, track: Track) -> bool:
        """See `Announcer.request_track`."""
        peer = self.peer
        if peer.full or not self.grant.may_publish(track.name.namespace):
            return False
        try:
            request = peer.session.subscribe(track.name, Parameters(forward=True))
        except LocalProtocolError:
            return False  # it is asked already, or goes away
        peer.play(request, Publication(peer, request, track.name, self.grant, self, track))
        return True

    def abandon(self, track: Track) -> None:
        """See `Announcer.abandon`."""
        for role in tuple(self.peer.roles.values()):
            if isinstance(role, Publication) and role.asked is track and role.announced is self:
                role.abandon()

    def request_past(
        self, asker: PastAsker, past: PastRange, order: GroupOrder | None
    ) -> PastQuestion | None:
        """See `Announcer.request_past`."""
        peer = self.peer
        if asker.peer is peer or not self.grant.may_publish(past.name.namespace):
            return None
        return PastQuestion.ask(peer, asker, past, order)

    def request_status(self, question: StatusQuestion) -> bool:
        """See `Announcer.request_status`."""
        peer, name = self.peer, question.request.name
        if question.peer is peer or not self.grant.may_publish(name.namespace):
            return False
        try:
            request = peer.session.track_status(name)
        except LocalProtocolError:
            return False
        question.asked(peer, request)
        return True

    def release(self) -> None:
        """The request is over, or the session; tracks that it sends stay until they end."""
        self.peer.roles.pop(self.request, None)
        self.peer.router.withdraw(self.namespace, self)
