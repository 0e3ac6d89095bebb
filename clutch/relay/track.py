"""One track: who sends it, who hears it, and what has come of it lately."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import attrs
import structlog

from clutch.relay.cache import Cache
from clutch.relay.claims import Claim
from clutch.relay.errors import MalformedTrack
from clutch.relay.flow import Flow, News
from clutch.relay.timers import Timer
from clutch.wire.moqt.codes import DoneStatus
from clutch.wire.moqt.data import Object, Status
from clutch.wire.moqt.names import FullTrackName, Location
from clutch.wire.moqt.properties import NONE, Properties, PropertyType
from clutch.wire.msf import CAPABILITY_PROPERTY

if TYPE_CHECKING:
    from clutch.relay.router import Announcer

log = structlog.get_logger(__name__)


@attrs.frozen
class Wait:
    """How long a sink waits for a publisher."""

    timer: Timer | None
    """None: as long as it takes."""
    patient: bool
    """It waits even if nobody is known who could publish (RENDEZVOUS_TIMEOUT)."""


FOR_EVER = Wait(None, patient=True)


class Demand(enum.IntEnum):
    """How much a track is asked for."""

    NONE = 0
    PAUSED = 1
    """There are subscribers; none wants objects now."""
    HEARD = 2


class Source(Protocol):
    """Who sends a track to the relay."""

    def demand(self, demand: Demand) -> None:
        """The demand is another one now; NONE at first."""

    def new_group(self, after: int) -> None:
        """A subscriber would like a new group (NEW_GROUP_REQUEST)."""

    def claimed(self, claim: Claim) -> None:
        """The namespace has an owner now, who decides about it as if it had just come."""


class Sink(Protocol):
    """Who hears a track, or waits for it. None of this may raise, and none may wait."""

    @property
    def forward(self) -> bool:
        """Whether it wants objects now."""

    @property
    def stays(self) -> bool:
        """Whether it waits for the next publisher when this one has gone."""

    def joined(self, track: Track) -> None:
        """There is a publisher; what comes from now on is passed on."""

    def refused(self, code: int, reason: str, retry_ms: int | None = None) -> None:
        """There was none, or not in time. It waits no longer."""

    def take(self, news: News) -> None:
        """Something came."""

    def ended(self, status: DoneStatus, reason: str) -> None:
        """The last publisher has gone; it does not hear the track any more."""

    def failed(self) -> None:
        """It has raised after all, and the exception was logged: it does not hear the track any more."""


@attrs.define(eq=False)
class Track:
    """A track that is published, subscribed to or waited for. The router owns who is in it."""

    name: FullTrackName
    number: int
    """The alias that the relay gives it in every session: so that its bytes are the same for all."""
    cache: Cache = attrs.field(repr=False)
    properties: Properties = NONE
    """The publisher's, as they came."""
    largest: Location | None = None
    final: Location | None = None
    """The last object there will ever be, if that is known."""
    sources: dict[Source, None] = attrs.field(factory=dict)
    sinks: dict[Sink, None] = attrs.field(factory=dict)
    waiting: dict[Sink, Wait] = attrs.field(factory=dict)
    asked: dict[Announcer, Timer] = attrs.field(factory=dict)
    """Publishers of the namespace that were asked for it and have not answered."""
    again: Timer | None = None
    """When publishers of the namespace are asked for it again."""
    _demand: Demand = Demand.NONE
    _group_wanted: int = -1
    """The new group that was asked for last (NEW_GROUP_REQUEST)."""
    _wanted_at: int = -1
    """The largest group then: the request is outstanding until there is a larger one."""

    @property
    def live(self) -> bool:
        """Somebody sends it."""
        return bool(self.sources)

    @property
    def idle(self) -> bool:
        """Nobody has to do with it."""
        return not (self.sources or self.sinks or self.waiting or self.asked)

    @property
    def capability(self) -> str:
        """What it carries, as its publisher says; empty if it says nothing."""
        return (self.properties.data(CAPABILITY_PROPERTY) or b"").decode(errors="replace")

    def attach(self, source: Source, properties: Properties, largest: Location | None) -> None:
        """A source more. The first one says what the track is."""
        if not self.sources:
            self.properties, self.largest, self.final = properties, None, None
            self._group_wanted = -1
            self.cache.clear()
        self.sources[source] = None
        if largest is not None and (self.largest is None or largest > self.largest):
            self.largest = largest
        if self._demand:
            source.demand(self._demand)

    def weigh(self) -> None:
        """Tell the sources if the demand is another one now."""
        demand = Demand.PAUSED if self.sinks else Demand.NONE
        if any(sink.forward for sink in self.sinks):
            demand = Demand.HEARD
        if demand is not self._demand:
            self._demand = demand
            for source in tuple(self.sources):
                source.demand(demand)

    def want_group(self, after: int) -> None:
        """A subscriber would like a new group: ask the publishers, unless it is there or asked for already.

        `after`: the largest group that it knows, plus one (NEW_GROUP_REQUEST, section 10.2.13).
        """
        current = self.largest.group if self.largest is not None else -1
        if self.properties.number(PropertyType.DYNAMIC_GROUPS) != 1 or 0 < after <= current:
            return
        wanted = max(after, current + 1)
        if self._wanted_at == current and self._group_wanted >= wanted:
            return
        self._group_wanted, self._wanted_at = wanted, current
        for source in tuple(self.sources):
            source.new_group(after)

    def check(self, group: int, number: int) -> None:
        """Raises `MalformedTrack` for an object behind the last one of its group or of the track."""
        cached = self.cache.groups.get(group)
        if cached is not None and cached.final is not None and number > cached.final:
            raise MalformedTrack(f"object {group}.{number} behind {cached.final}, the last of its group")
        if self.final is not None and (group, number) > self.final:
            raise MalformedTrack(f"object {group}.{number} behind the end of the track")

    def begin(self, flow: Flow) -> Flow:
        """A subgroup, or a datagram, begins."""
        self.cache.begin(flow)
        return flow

    def append(
        self, flow: Flow, objects: Sequence[Object], *, finish: bool = False, broken: int | None = None
    ) -> None:
        """Objects came, in order, or the end of the flow, or both: keep it, and pass it on to all."""
        last = flow.last
        for item in objects:
            flow.objects.append(item)
            self.cache.grew(flow, item)
        flow.finished, flow.broken = finish, broken
        self._note(flow, objects)
        news = News(flow, self.number, objects, None if last is None else last.object)
        for sink in tuple(self.sinks):
            try:
                sink.take(news)
            except Exception:
                log.exception("relay.failed", track=str(self.name))
                self.sinks.pop(sink, None)
                sink.failed()

    def _note(self, flow: Flow, objects: Sequence[Object]) -> None:
        """What is the largest object now, and what is known to be the last."""
        if objects:
            newest = Location(flow.group, objects[-1].id)
            if self.largest is None or newest > self.largest:
                self.largest = newest
            if objects[-1].status is Status.END_OF_TRACK:
                self.final = newest
        last = flow.last
        ends = flow.finished and flow.closes_group
        if last and (ends or (objects and objects[-1].status)):
            group = self.cache.groups.get(flow.group)
            if group is not None:
                group.final = last.object
