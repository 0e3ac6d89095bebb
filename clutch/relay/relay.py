"""The relay as the node and its calls use it."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

import attrs
import trio

from clutch import __version__
from clutch.net.moqt.session import MoqtSession
from clutch.net.quic.engine import Incoming, Refused, SessionHandler
from clutch.relay.claims import Claim, Decide
from clutch.relay.errors import NameTaken
from clutch.relay.gate import Gate
from clutch.relay.limits import RelayLimits
from clutch.relay.local import (
    CapabilitySubscription,
    LocalPublication,
    LocalSubscription,
    TrackKind,
    first_group,
)
from clutch.relay.matching import serves
from clutch.relay.offers import Make, Offer
from clutch.relay.peer import Peer
from clutch.relay.router import Router
from clutch.relay.track import Track
from clutch.wire.moqt.codes import SessionError
from clutch.wire.moqt.names import FullTrackName, Namespace
from clutch.wire.moqt.parameters import Filter
from clutch.wire.moqt.properties import NONE, Properties
from clutch.wire.moqt.setup import Options
from clutch.wire.msf import CAPABILITY_PROPERTY

_SWEEP_S = 1.0
_NAME = f"clutch/{__version__}"
_CAPACITY = 50
"""One second of audio."""


@attrs.define(eq=False)
class Relay:
    """Publishers name a track and write objects; whoever wants to, and may, hears them.

    Make it inside a Trio run. `run` must run for anything to time out: waits for a publisher, old groups.
    """

    gate: Gate
    limits: RelayLimits = attrs.field(factory=RelayLimits)
    router: Router = attrs.field(init=False)
    peers: dict[int, Peer] = attrs.field(init=False, factory=dict, repr=False)
    """Sessions, by number."""
    _numbers: itertools.count[int] = attrs.field(factory=lambda: itertools.count(1), repr=False)
    _nursery: trio.Nursery | None = attrs.field(default=None, repr=False)
    """While it runs."""
    _draining: bool = False
    _left: trio.Event | None = attrs.field(default=None, repr=False)
    """Set when the last session has gone."""
    _published: dict[FullTrackName, LocalPublication] = attrs.field(factory=dict)
    _started: float = attrs.field(factory=trio.current_time)

    def __attrs_post_init__(self) -> None:
        self.router = Router(self.limits)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            nursery.start_soon(self.router.timers.run)
            task_status.started()
            try:
                while True:
                    await trio.sleep(_SWEEP_S)
                    self._sweep()
            finally:
                self._nursery = None
                for peer in list(self.peers.values()):
                    peer.session.close(SessionError.NO_ERROR, "the relay stops")

    def _sweep(self) -> None:
        self.router.cached.expire()
        for peer in list(self.peers.values()):
            peer.check()

    def accept(self, incoming: Incoming) -> SessionHandler | Refused:
        """Take a session of an engine: its `Accept`."""
        if self._nursery is None or self._draining:
            return Refused(503, SessionError.NO_ERROR, "the relay stops")
        peer = Peer(self.router, self.gate, next(self._numbers), incoming.origin, self._gone)
        peer.session = MoqtSession(peer, Options(implementation=_NAME), self.limits.session)
        self.peers[peer.number] = peer
        self._nursery.start_soon(peer.session.run)
        return peer.session

    def _gone(self, peer: Peer) -> None:
        del self.peers[peer.number]
        if self._left is not None and not self.peers:
            self._left.set()

    async def drain(self, within_s: float) -> None:
        """Take nobody new, ask all sessions to go on elsewhere (GOAWAY), and wait until they have gone.

        Those that are still there after `within_s` seconds are closed (GOAWAY_TIMEOUT).
        """
        self._draining = True
        for peer in list(self.peers.values()):
            peer.session.goaway("", round(within_s * 1000))
        if self.peers:
            self._left = trio.Event()
            with trio.move_on_after(within_s):
                await self._left.wait()
        for peer in list(self.peers.values()):
            peer.session.close(SessionError.GOAWAY_TIMEOUT, "it did not go in time")

    def publish(
        self,
        name: FullTrackName,
        *,
        capability: str = "",
        properties: Properties = NONE,
        kind: TrackKind = "audio",
        wanted: Callable[[bool], None] | None = None,
    ) -> LocalPublication:
        """Publish a track from within this process.

        `wanted` is called with True when the first subscriber comes, also from within `publish`, and with
        False when the last has gone. Raises `NameTaken`, and `RequestRefused` if there are too many tracks.
        """
        if name in self._published:
            raise NameTaken(f"{name} is published by this process already")
        if capability:
            properties = Properties.of(*properties, (CAPABILITY_PROPERTY, capability.encode()))
        group = first_group(trio.current_time() - self._started)
        publication = LocalPublication(name, kind, self.router, group, wanted, self._unpublished)
        publication.open(properties)
        self._published[name] = publication
        return publication

    def _unpublished(self, publication: LocalPublication) -> None:
        del self._published[publication.name]

    def subscribe(
        self,
        name: FullTrackName,
        *,
        capacity: int = _CAPACITY,
        rendezvous_s: float | None = None,
        start: Filter | None = None,
    ) -> LocalSubscription:
        """Hear a track from within this process.

        `capacity`: how many objects wait for the reader at most. `rendezvous_s`: how long to wait for a
        publisher, 0: not at all; None: as long as it takes, and for the next one when it has gone. `start`:
        where to begin, by default with whatever comes next. Raises `RequestRefused` if there are too many
        tracks.
        """
        return LocalSubscription.open(self.router, name, capacity, rendezvous_s, start)

    def subscribe_capability(
        self, prefix: Namespace, capability: str, *, capacity: int = _CAPACITY
    ) -> CapabilitySubscription:
        """Hear every track under a prefix that carries the capability, also those to come; see `serves`."""
        found, following = trio.open_memory_channel[LocalSubscription](self.limits.matches)

        def offer(watcher: CapabilitySubscription, track: Track) -> None:
            if serves(track.capability, capability):
                watcher.put(LocalSubscription.open(self.router, track.name, capacity, 0))

        watchers = self.router.track_watchers
        watcher = CapabilitySubscription(functools.partial(watchers.remove, prefix), offer, found, following)
        watchers.add(prefix, watcher)
        for track in self.router.live_under(prefix):
            watcher.offer(track)
        return watcher

    def claim(self, prefix: Namespace, decide: Decide) -> Claim:
        """Own a namespace: `decide` is asked before a peer publishes a track at or under it, until `close`.

        It is asked now about those who do already, whom a refusal throws out; never about tracks of this
        process.
        """
        claim = Claim(prefix, decide, lambda done: self.router.claims.remove(prefix, done))
        self.router.claims.add(prefix, claim)
        for track in self.router.live_under(prefix):
            for source in tuple(track.sources):
                source.claimed(claim)
        return claim

    def offer(self, namespace: Namespace, make: Make) -> Offer:
        """Announce tracks that are published when somebody asks for one: `make` is called with its name, and
        publishes it or not, until `close`."""
        offer = Offer(namespace, self.router, make)
        self.router.announce(namespace, offer)
        return offer

    def snapshot(self) -> dict[str, Any]:
        """What there is, for the status page: plain numbers and texts."""
        router = self.router
        return {
            "sessions": len(self.peers),
            "tracks": len(router.tracks),
            "live": sum(track.live for track in router.tracks.values()),
            "subscribers": sum(len(track.sinks) for track in router.tracks.values()),
            "waiting": sum(len(track.waiting) for track in router.tracks.values()),
            "objects": router.cached.objects,
            **attrs.asdict(router.counters),
            "cached_groups": router.cached.groups,
            "cached_bytes": router.cached.cost,
        }
