"""The recent past: the newest groups of every track, for FETCH and for those who come late.

Bounded by groups, bytes and age for each track and by bytes for all together. What is over a bound goes,
oldest group first; the newest group of a track (a catalog, say) stays as long as bytes allow. A group that
never ends (a conversation of text) is cut at its front.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import attrs
import trio

from clutch.relay.flow import OBJECT_OVERHEAD_BYTES, Flow
from clutch.relay.limits import CacheLimits
from clutch.wire.moqt.data import Object


@attrs.define(eq=False)
class CachedGroup:
    """One group of one track."""

    number: int
    arrived: float
    flows: dict[tuple[bool, int], Flow] = attrs.field(factory=dict)
    """By whether it is a datagram, and its subgroup; a piece that broke off has a key of its own."""
    cost: int = 0
    final: int | None = None
    """The last object that there is, if that is known."""
    cut: bool = False
    """Objects at its front were thrown away."""

    @property
    def complete(self) -> bool:
        """Every object of it is here: what is missing does not exist."""
        return self.settled and self.final is not None

    @property
    def settled(self) -> bool:
        """All that was begun of it is here."""
        return not self.cut and all(flow.finished for flow in self.flows.values())


@attrs.define(eq=False)
class CacheTotal:
    """What all caches hold together."""

    limits: CacheLimits
    now: Callable[[], float] = trio.current_time
    cost: int = 0
    objects: int = 0
    """How many ever came."""
    _past: OrderedDict[CachedGroup, Cache] = attrs.field(factory=OrderedDict, repr=False)
    _newest: OrderedDict[CachedGroup, Cache] = attrs.field(factory=OrderedDict, repr=False)

    @property
    def groups(self) -> int:
        """How many there are."""
        return len(self._past) + len(self._newest)

    def added(self, group: CachedGroup, before: CachedGroup | None, cache: Cache) -> None:
        """A group is new, and the newest of its track instead of another."""
        self._newest[group] = cache
        if before is not None and self._newest.pop(before, None) is not None:
            self._past[before] = cache

    def removed(self, group: CachedGroup) -> None:
        """A group is gone."""
        if self._past.pop(group, None) is None:
            del self._newest[group]
        self.cost -= group.cost

    def grew(self, cost: int) -> None:
        """Make room for what has just come, at whosever expense."""
        self.cost += cost
        while self.cost > self.limits.total_bytes and self.groups > 1:
            group, cache = next(iter((self._past or self._newest).items()))
            cache.forget(group)

    def expire(self) -> None:
        """Let go of what is too old, also of tracks where nothing happens."""
        oldest = self.now() - self.limits.age_s
        while self._past:
            group, cache = next(iter(self._past.items()))
            if group.arrived > oldest:
                return
            cache.forget(group)


@attrs.define(eq=False)
class Cache:
    """The groups of one track, by number, in order of coming."""

    _total: CacheTotal = attrs.field(repr=False)
    age_s: float
    """At most that of the limits; less if the publisher says so (MAX_CACHE_DURATION)."""
    groups: OrderedDict[int, CachedGroup] = attrs.field(factory=OrderedDict)
    cost: int = 0
    _newest: CachedGroup | None = None

    def begin(self, flow: Flow) -> None:
        """A flow begins."""
        group = self.groups.get(flow.group)
        if group is None:
            group = self.groups[flow.group] = CachedGroup(flow.group, flow.arrived)
            self._total.added(group, self._newest, self)
            self._newest = group
            while len(self.groups) > self._total.limits.groups:
                self.forget(self._oldest())
            self.expire()
        broken = group.flows.pop((flow.datagram, flow.subgroup), None)
        if broken is not None:
            group.flows[False, -id(broken)] = broken
        group.flows[flow.datagram, flow.subgroup] = flow

    def grew(self, flow: Flow, item: Object) -> None:
        """An object was put at the end of a flow."""
        self._total.objects += 1
        group = self.groups.get(flow.group)
        if group is None or group.flows.get((flow.datagram, flow.subgroup)) is not flow:
            del flow.objects[:-1]  # it was forgotten while it went on
            return
        cost = _cost(item)
        group.cost += cost
        self.cost += cost
        self._total.grew(cost)
        limit = self._total.limits.track_bytes
        while self.cost > limit and len(self.groups) > 1:
            self.forget(self._oldest())
        while self.cost > limit and group.number in self.groups and self._cut(group, flow):
            pass

    def forget(self, group: CachedGroup) -> None:
        """Drop a group; its flows live on where they are still under way."""
        del self.groups[group.number]
        self.cost -= group.cost
        self._total.removed(group)
        if group is self._newest:
            self._newest = None

    def expire(self) -> None:
        """Let go of groups that are too old, but for the newest."""
        oldest = self._total.now() - self.age_s
        while len(self.groups) > 1 and self._oldest().arrived <= oldest:
            self.forget(self._oldest())

    def clear(self) -> None:
        """Drop everything."""
        for group in list(self.groups.values()):
            self.forget(group)

    def flow(self, group: int, subgroup: int) -> Flow | None:
        """The subgroup, the newest piece of it if there are several; None if it is not here."""
        cached = self.groups.get(group)
        return None if cached is None else cached.flows.get((False, subgroup))

    def _oldest(self) -> CachedGroup:
        return next(iter(self.groups.values()))

    def _cut(self, group: CachedGroup, newest: Flow) -> bool:
        """Throw away the oldest flow of a group, or the oldest object of its only one, if there is one."""
        key, oldest = next(iter(group.flows.items()))
        if oldest is not newest:
            del group.flows[key]
            cost = sum(map(_cost, oldest.objects))
        elif len(newest.objects) > 1:
            cost = _cost(newest.objects.pop(0))
        else:
            return False
        group.cut = True
        group.cost -= cost
        self.cost -= cost
        self._total.cost -= cost
        return True


def _cost(item: Object) -> int:
    return len(item.payload) + OBJECT_OVERHEAD_BYTES
