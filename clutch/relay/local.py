"""Publishers and subscribers of this process: the same tracks, without QUIC in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Self, TypeAlias

import attrs
import trio

from actors.runtime import Batch, LossyReceiver, LossySender, open_lossy
from clutch.relay.claims import Claim
from clutch.relay.errors import RequestRefused
from clutch.relay.flow import EVERYTHING, Flow, News, Window
from clutch.relay.router import Router
from clutch.relay.track import Demand, Track
from clutch.wire.loc import LocProperty, timestamped
from clutch.wire.moqt.codes import DoneStatus, RequestError
from clutch.wire.moqt.data import Object
from clutch.wire.moqt.names import FullTrackName
from clutch.wire.moqt.parameters import Filter
from clutch.wire.moqt.properties import NONE, Properties

TrackKind: TypeAlias = Literal["audio", "video", "frame", "datagram", "text"]

_MICROSECONDS = 1_000_000
_GROUPS_PER_SECOND = 64
"""More than any local publication makes: see `first_group`."""


@attrs.frozen
class TrackObject:
    """One object of a track, as a subscriber of this process gets it."""

    group: int
    object: int
    payload: bytes
    properties: Properties
    timestamp_us: int | None
    """When it was made, by the publisher's clock; None if it does not say."""


@attrs.define(eq=False)
class LocalPublication:
    """A track that this process publishes. Everything is synchronous; nothing waits and nothing is refused.

    How objects are grouped is the kind's: `audio` and `frame`: each a group of its own; `datagram`: the same,
    and lost if it does not fit into a datagram at once; `video`: a group from each keyframe; `text`: one
    group, in order.
    """

    name: FullTrackName
    kind: TrackKind
    _router: Router
    _group: int
    _wanted: Callable[[bool], None] | None
    _released: Callable[[LocalPublication], None]
    _track: Track = attrs.field(init=False)
    _flow: Flow | None = None
    _closed: bool = False
    _heard: bool = False

    def open(self, properties: Properties) -> None:
        """Let the relay know of it. Raises `RequestRefused`, if there are too many tracks."""
        before = self._router.tracks.get(self.name)
        if before is not None and before.largest is not None:
            self._group = max(self._group, before.largest.group + 1)
        self._track = self._router.attach(self.name, self, properties)
        self._router.announce(self.name.namespace)

    @property
    def subscribers(self) -> int:
        """How many hear it now."""
        return len(self._track.sinks)

    def write(
        self, payload: bytes, *, timestamp_us: int, priority: int | None = None, keyframe: bool = False
    ) -> None:
        """Send one object to whoever listens. Nothing after `close`.

        `priority`: 0 (first) to 255, of the subgroup that the object opens; None: the track's.
        """
        if self._closed:
            return
        properties = timestamped(timestamp_us)
        alone = self.kind not in ("video", "text")
        flow = None if alone or (keyframe and self.kind == "video") else self._flow
        number = 0
        if flow is None:
            self._finish_group()
            flow = self._track.begin(
                Flow(
                    self._group,
                    0,
                    trio.current_time(),
                    priority,
                    closes_group=self.kind != "text",
                    datagram=self.kind == "datagram",
                )
            )
            self._group += 1
            self._flow = None if alone else flow
        elif flow.objects:
            number = flow.objects[-1].id + 1
        self._track.append(flow, (Object(number, payload, properties),), finish=alone)

    def close(self) -> None:
        """Publish no more: subscribers are told that the track has ended. Idempotent."""
        if not self._closed:
            self._closed = True
            self._finish_group()
            self._router.withdraw(self.name.namespace)
            self._router.detach(self._track, self, DoneStatus.TRACK_ENDED, "the track has ended")
            self._released(self)

    def _finish_group(self) -> None:
        flow, self._flow = self._flow, None
        if flow is not None:
            self._track.append(flow, (), finish=True)

    def demand(self, demand: Demand) -> None:
        """See `Source.demand`."""
        heard = demand is Demand.HEARD
        if heard is not self._heard:
            self._heard = heard
            if self._wanted is not None:
                self._wanted(heard)

    def new_group(self, after: int) -> None:
        """See `Source.new_group`: groups come by themselves."""

    def claimed(self, claim: Claim) -> None:
        """See `Source.claimed`: owners do not decide about us."""


@attrs.define(eq=False)
class LocalSubscription:
    """A track that this process hears: an async iterator of `TrackObject`, and a context manager.

    If the reader is slow the oldest objects are dropped and counted. It ends (`trio.EndOfChannel`, the end of
    the loop) when no publisher came in time, and, if it had a time to wait at all, when the publisher has
    gone; without one it goes on with the next publisher.
    """

    name: FullTrackName
    _router: Router
    _filter: Filter | None
    stays: bool
    _sender: LossySender[TrackObject]
    _receiver: LossyReceiver[TrackObject]
    _track: Track | None = None
    _window: Window = EVERYTHING
    why: str = ""
    """Why it ended, for the log."""
    forward: bool = True

    @classmethod
    def open(
        cls,
        router: Router,
        name: FullTrackName,
        capacity: int,
        wait_s: float | None,
        wanted: Filter | None = None,
    ) -> LocalSubscription:
        """Subscribe; a refusal is the end of the channel."""
        self = cls(name, router, wanted, wait_s is None, *open_lossy(capacity))
        try:
            track = router.subscribe(name, self, wait_s)
        except RequestRefused as error:
            self._receiver.close()
            raise error from None
        if not self.why:
            self._track = track
        return self

    @property
    def live(self) -> bool:
        """Whether somebody publishes it now."""
        return self._track is not None and self._track.live

    @property
    def capability(self) -> str:
        """What the track carries, as its publisher says; empty if it says nothing or is not there."""
        return self._track.capability if self._track is not None else ""

    @property
    def properties(self) -> Properties:
        """The track's, from its publisher; empty before there is one."""
        return self._track.properties if self._track is not None else NONE

    @property
    def lost_total(self) -> int:
        """Objects that were dropped because the reader was slow."""
        return self._receiver.lost_total

    async def receive(self, at_least: int = 1) -> Batch[TrackObject]:
        """All objects at hand, oldest first; see `LossyReceiver.receive`."""
        return await self._receiver.receive(at_least)

    def receive_nowait(self) -> list[TrackObject]:
        """All objects at hand, maybe none; see `LossyReceiver.receive_nowait`."""
        return self._receiver.receive_nowait()

    async def __anext__(self) -> TrackObject:
        return await self._receiver.__anext__()

    def __aiter__(self) -> LocalSubscription:
        """Iterate over objects one by one."""
        return self

    def close(self) -> None:
        """Hear it no more. Idempotent."""
        self._receiver.close()
        self._leave()

    def __enter__(self) -> Self:
        """Leaving the block closes it."""
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _leave(self) -> None:
        track, self._track = self._track, None
        if track is not None:
            self._router.unsubscribe(track, self)

    def joined(self, track: Track) -> None:
        """See `Sink.joined`."""
        self._track = track
        self._window = Window.of(self._filter, track.largest)

    def refused(self, code: int, reason: str, retry_ms: int | None = None) -> None:
        """See `Sink.refused`."""
        self._over(f"{RequestError(code).name if code in set(RequestError) else code}: {reason}")

    def take(self, news: News) -> None:
        """See `Sink.take`."""
        for item in news.objects:
            if not item.status and self._window.passes(news.flow.group, item.id):
                self._sender.send(
                    TrackObject(
                        news.flow.group, item.id, item.payload, item.properties, timestamp_us(item.properties)
                    )
                )

    def ended(self, status: DoneStatus, reason: str) -> None:
        """See `Sink.ended`."""
        self._over(f"{status.name}: {reason}")

    def failed(self) -> None:
        """See `Sink.failed`."""
        self._over("INTERNAL_ERROR: a bug")

    def _over(self, why: str) -> None:
        self.why = why
        self._track = None
        self._sender.close()


@attrs.define(eq=False)
class CapabilitySubscription:
    """Every track of a capability under a prefix: an async iterator of `LocalSubscription`, one for each.

    Each ends with its track, and is the caller's to close. A context manager, too.
    """

    _close: Callable[[CapabilitySubscription], None]
    _offer: Callable[[CapabilitySubscription, Track], None]
    _found: trio.MemorySendChannel[LocalSubscription]
    _next: trio.MemoryReceiveChannel[LocalSubscription]

    async def __anext__(self) -> LocalSubscription:
        try:
            return await self._next.receive()
        except trio.EndOfChannel:
            raise StopAsyncIteration from None

    def __aiter__(self) -> CapabilitySubscription:
        """Iterate over the tracks as they come."""
        return self

    def offer(self, track: Track) -> None:
        """See `TrackWatcher.offer`."""
        self._offer(self, track)

    def put(self, subscription: LocalSubscription) -> None:
        """One more; if nobody takes them, it is dropped."""
        try:
            self._found.send_nowait(subscription)
        except trio.WouldBlock:
            subscription.close()

    def close(self) -> None:
        """Look no more; what was taken goes on. Idempotent."""
        self._close(self)
        while True:
            try:
                self._next.receive_nowait().close()
            except (trio.WouldBlock, trio.EndOfChannel, trio.ClosedResourceError):
                break
        self._found.close()
        self._next.close()

    def __enter__(self) -> Self:
        """Leaving the block closes it."""
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def timestamp_us(properties: Properties) -> int | None:
    """When an object was made, in microseconds, by its LOC properties; None if they do not say."""
    timestamp = properties.number(LocProperty.TIMESTAMP)
    scale = properties.number(LocProperty.TIMESCALE)
    if timestamp is None or not scale or scale == _MICROSECONDS:
        return timestamp
    return timestamp * _MICROSECONDS // scale


def first_group(age_s: float) -> int:
    """The group that a publication begins with, in a relay of that age.

    A group ID must never mean something else later (section 2.4.1): whoever publishes a track again goes on
    above everything that the one before can have used.
    """
    return int(age_s * _GROUPS_PER_SECOND)
