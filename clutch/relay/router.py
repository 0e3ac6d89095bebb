"""The tables of the relay: who publishes, who subscribes, and how they find each other."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from typing import Protocol

import attrs
import structlog

from clutch.relay.asking import PastAsker, PastQuestion, StatusQuestion
from clutch.relay.cache import Cache, CacheTotal
from clutch.relay.claims import ACCEPTED, Claim, Decision, PublishAttempt
from clutch.relay.errors import RequestRefused
from clutch.relay.limits import RelayLimits
from clutch.relay.matching import PrefixTree
from clutch.relay.past import PastRange
from clutch.relay.timers import Timers
from clutch.relay.track import FOR_EVER, Sink, Source, Track, Wait
from clutch.wire.moqt.codes import DoneStatus, RequestError
from clutch.wire.moqt.names import FullTrackName, Location, Namespace
from clutch.wire.moqt.parameters import GroupOrder
from clutch.wire.moqt.properties import NONE, Properties, PropertyType

log = structlog.get_logger(__name__)


class Announcer(Protocol):
    """Who announced namespaces, and is asked for tracks in them."""

    def request_track(self, track: Track) -> bool:
        """Ask for a track. The answer is `Router.attach` or `Router.declined`; False: it cannot be asked."""

    def abandon(self, track: Track) -> None:
        """The answer is not waited for any more."""

    def request_past(
        self, asker: PastAsker, past: PastRange, order: GroupOrder | None
    ) -> PastQuestion | None:
        """Ask for objects of the past. None: it cannot be asked."""

    def request_status(self, question: StatusQuestion) -> bool:
        """Ask for the status of a track. False: it cannot be asked."""


class TrackWatcher(Protocol):
    """Who wants to know of every track under a prefix."""

    def offer(self, track: Track) -> None:
        """The track has a publisher."""


class NamespaceWatcher(Protocol):
    """Who wants to know of every namespace under a prefix."""

    def found(self, namespace: Namespace) -> None:
        """Somebody publishes in it."""

    def gone(self, namespace: Namespace) -> None:
        """Nobody does any more."""


@attrs.define
class Counters:
    """What became of requests and subscriptions, since the start."""

    refused: Counter[str] = attrs.field(factory=Counter)
    """Requests, by the name of the code."""
    skips: int = 0
    """That often a subscriber lost what waited for it."""
    too_far_behind: int = 0
    """Subscriptions that ended so."""
    malformed: int = 0
    """Publishers who broke the rules of a track."""


@attrs.define(eq=False)
class Router:
    """All tracks, and everybody who has to do with them. Synchronous; one Trio task at a time."""

    limits: RelayLimits
    timers: Timers = attrs.field(factory=Timers)
    cached: CacheTotal = attrs.field(init=False)
    counters: Counters = attrs.field(factory=Counters)
    tracks: dict[FullTrackName, Track] = attrs.field(factory=dict)
    claims: PrefixTree[Claim] = attrs.field(factory=PrefixTree)
    track_watchers: PrefixTree[TrackWatcher] = attrs.field(factory=PrefixTree)
    namespace_watchers: PrefixTree[NamespaceWatcher] = attrs.field(factory=PrefixTree)
    _by_namespace: PrefixTree[Track] = attrs.field(factory=PrefixTree)
    _announcers: PrefixTree[Announcer] = attrs.field(factory=PrefixTree)
    _namespaces: dict[Namespace, int] = attrs.field(factory=dict)
    _names: PrefixTree[Namespace] = attrs.field(factory=PrefixTree)
    _numbers: itertools.count[int] = attrs.field(factory=lambda: itertools.count(1))

    def __attrs_post_init__(self) -> None:
        self.cached = CacheTotal(self.limits.cache)

    # Subscribers

    def subscribe(self, name: FullTrackName, sink: Sink, wait_s: float | None) -> Track:
        """Let a sink hear a track: now, or when a publisher comes within `wait_s` seconds (None: ever).

        The sink is told what became of it, maybe before this returns. Raises `RequestRefused`, if no track
        more is possible.
        """
        track = self._track(name)
        if track.live:
            self._join(track, sink)
            return track
        track.waiting[sink] = FOR_EVER
        if not track.asked:
            for announcer in self.announcers_of(name):
                self._ask(track, announcer)
        if wait_s is not None and sink in track.waiting:
            self._wait(track, sink, wait_s)
        return track

    def unsubscribe(self, track: Track, sink: Sink) -> None:
        """The sink hears the track no more, and waits for it no more. Idempotent."""
        _end(track.waiting.pop(sink, None))
        if sink in track.sinks:
            del track.sinks[sink]
            track.weigh()
        self._drop_if_idle(track)

    def _wait(self, track: Track, sink: Sink, wait_s: float) -> None:
        if wait_s <= 0 and not track.asked:
            self._refuse(track, sink, RequestError.DOES_NOT_EXIST, "nobody publishes it")
            return
        seconds = min(wait_s, self.limits.rendezvous_s) if wait_s > 0 else self.limits.upstream_s
        reason = "no publisher came in time" if wait_s > 0 else "the publisher did not answer in time"
        timer = self.timers.after(seconds, lambda: self._refuse(track, sink, RequestError.TIMEOUT, reason))
        track.waiting[sink] = Wait(timer, patient=wait_s > 0)

    def _refuse(self, track: Track, sink: Sink, code: int, reason: str, retry_ms: int | None = None) -> None:
        _end(track.waiting.pop(sink))
        sink.refused(code, reason, retry_ms)
        self._drop_if_idle(track)

    def _join(self, track: Track, sink: Sink) -> None:
        track.sinks[sink] = None
        try:
            sink.joined(track)
        except Exception:
            log.exception("relay.failed", track=str(track.name))
            track.sinks.pop(sink, None)
            sink.failed()
        track.weigh()

    # Publishers of a track

    def decide(self, attempt: PublishAttempt) -> list[Decision]:
        """Ask the owners of the namespace. Raises `RequestRefused` if one says no."""
        accepted: list[Decision] = []
        for claim in self.claims.over(attempt.name.namespace):
            decision = claim.decide(attempt)
            if decision.refused is not None:
                release(accepted)
                raise RequestRefused(decision.refused, decision.reason, decision.retry_ms)
            if decision is not ACCEPTED:
                accepted.append(decision)
        return accepted

    def attach(
        self,
        name: FullTrackName,
        source: Source,
        properties: Properties = NONE,
        largest: Location | None = None,
    ) -> Track:
        """Somebody sends the track from now on. Raises `RequestRefused`, if no track more is possible."""
        track = self._track(name)
        fresh = not track.live
        track.attach(source, properties, largest)
        if not fresh:
            return track
        age_ms = properties.number(PropertyType.MAX_CACHE_DURATION)
        track.cache.age_s = min(self.limits.cache.age_s, age_ms / 1000 if age_ms is not None else 1e9)
        for sink in list(track.waiting):
            _end(track.waiting.pop(sink, None))
            self._join(track, sink)
        for watcher in self.track_watchers.over(name.namespace):
            watcher.offer(track)
        return track

    def detach(
        self,
        track: Track,
        source: Source,
        status: DoneStatus = DoneStatus.TRACK_ENDED,
        reason: str = "the publisher has gone",
    ) -> None:
        """It sends the track no more; if nobody does, the subscribers are told. Idempotent."""
        if source not in track.sources:
            return
        del track.sources[source]
        if not track.sources:
            for sink in list(track.sinks):
                del track.sinks[sink]
                if sink.stays:
                    track.waiting[sink] = FOR_EVER
                else:
                    sink.ended(status, reason)
            track.weigh()
            self._ask_again(track, self.limits.linger_s)
        self._drop_if_idle(track)

    def live_under(self, prefix: Namespace) -> list[Track]:
        """Every track with a publisher under a prefix."""
        return [track for track in self._by_namespace.under(prefix) if track.live]

    # Publishers of a namespace

    def announce(self, namespace: Namespace, announcer: Announcer | None = None) -> None:
        """Tracks of the namespace are to be had, from the announcer if one is given."""
        count = self._namespaces.get(namespace, 0)
        self._namespaces[namespace] = count + 1
        if not count:
            self._names.add(namespace, namespace)
            for watcher in self.namespace_watchers.over(namespace):
                watcher.found(namespace)
        if announcer is not None:
            self._announcers.add(namespace, announcer)
            for track in self._by_namespace.under(namespace):
                if track.waiting or track.sinks:
                    self._ask(track, announcer)

    def withdraw(self, namespace: Namespace, announcer: Announcer | None = None) -> None:
        """The opposite; what was asked of the announcer goes on."""
        if announcer is not None:
            self._announcers.remove(namespace, announcer)
        self._namespaces[namespace] -= 1
        if not self._namespaces[namespace]:
            del self._namespaces[namespace]
            self._names.remove(namespace, namespace)
            for watcher in self.namespace_watchers.over(namespace):
                watcher.gone(namespace)

    def namespaces_under(self, prefix: Namespace) -> list[Namespace]:
        """Every namespace that is announced, at the prefix or below."""
        return self._names.under(prefix)

    def announcers_of(self, name: FullTrackName) -> list[Announcer]:
        """Who may have the track."""
        return self._announcers.over(name.namespace)

    def declined(
        self, track: Track, announcer: Announcer, code: int, reason: str, retry_ms: int | None = None
    ) -> None:
        """An announcer does not have the track, or has gone. Idempotent."""
        timer = track.asked.pop(announcer, None)
        if timer is None:
            return
        timer.cancel()
        if not track.asked and not track.live:
            for sink, waits in tuple(track.waiting.items()):
                if not waits.patient:
                    self._refuse(track, sink, code, reason, retry_ms)
            if retry_ms is not None:
                self._ask_again(track, retry_ms / 1000)
        self._drop_if_idle(track)

    def answered(self, track: Track, announcer: Announcer) -> None:
        """An announcer has the track; `attach` follows."""
        timer = track.asked.pop(announcer, None)
        if timer is not None:
            timer.cancel()

    def _ask_again(self, track: Track, after_s: float) -> None:
        """For those who still wait then."""

        def again() -> None:
            track.again = None
            if track.waiting and not track.live:
                for announcer in self.announcers_of(track.name):
                    self._ask(track, announcer)

        if track.waiting and track.again is None:
            track.again = self.timers.after(max(after_s, self.limits.linger_s), again)

    def _ask(self, track: Track, announcer: Announcer) -> None:
        def late() -> None:
            announcer.abandon(track)
            self.declined(track, announcer, RequestError.TIMEOUT, "the publisher did not answer in time")

        if announcer not in track.asked and (track.waiting or track.sinks):
            timer = track.asked[announcer] = self.timers.after(self.limits.upstream_s, late)
            if not announcer.request_track(track):
                timer.cancel()
                track.asked.pop(announcer, None)

    # A relay that this one belongs to

    def add_upstream(self, upstream: Announcer) -> None:
        """Ask it for every track that is not here; no namespace is announced by that."""
        self._announcers.add((), upstream)

    def remove_upstream(self, upstream: Announcer) -> None:
        """The opposite; what was asked of it goes on."""
        self._announcers.remove((), upstream)

    def ask_again(self, upstream: Announcer) -> None:
        """Ask it for every track that somebody waits for."""
        for track in tuple(self.tracks.values()):
            if track.waiting and not track.live and not track.asked:
                self._ask(track, upstream)

    # Tracks

    def _track(self, name: FullTrackName) -> Track:
        track = self.tracks.get(name)
        if track is None:
            if len(self.tracks) >= self.limits.tracks:
                raise RequestRefused(RequestError.EXCESSIVE_LOAD, "too many tracks", 1000)
            track = Track(name, next(self._numbers), Cache(self.cached, self.limits.cache.age_s))
            self.tracks[name] = track
            self._by_namespace.add(name.namespace, track)
        return track

    def _drop_if_idle(self, track: Track) -> None:
        if not (track.waiting or track.sinks):
            asked, track.asked = track.asked, {}
            for announcer, timer in asked.items():
                timer.cancel()
                announcer.abandon(track)
        if track.idle and self.tracks.get(track.name) is track:
            del self.tracks[track.name]
            self._by_namespace.remove(track.name.namespace, track)
            track.cache.clear()
            if track.again is not None:
                track.again.cancel()


def _end(wait: Wait | None) -> None:
    if wait is not None and wait.timer is not None:
        wait.timer.cancel()


def release(decisions: list[Decision]) -> None:
    """Tell the owners of a namespace that a publisher whom they accepted has gone."""
    while decisions:
        ended: Callable[[], None] | None = decisions.pop().ended
        if ended is not None:
            ended()
