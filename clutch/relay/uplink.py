"""One track that a peer sends: by its PUBLISH, or in answer to our SUBSCRIBE."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs
import trio

from clutch.relay.claims import ACCEPTED, Claim, Decision, PublishAttempt
from clutch.relay.flow import Flow
from clutch.relay.router import release
from clutch.relay.track import Demand, Track
from clutch.wire.moqt.codes import ResetCode
from clutch.wire.moqt.data import Object, ObjectDatagram, SubgroupHeader


@attrs.define(eq=False)
class Uplink:
    """The `Source` of a peer in a track."""

    demand: Callable[[Demand], None]
    """See `Source.demand`."""
    new_group: Callable[[int], None]
    """See `Source.new_group`."""
    _attempt: PublishAttempt = attrs.field(repr=False)
    _decisions: list[Decision]
    """Of the owners of the namespace."""
    track: Track = attrs.field(init=False)
    feeds: dict[Feed, None] = attrs.field(factory=dict, repr=False)
    """What is under way."""

    def claimed(self, claim: Claim) -> None:
        """See `Source.claimed`."""
        decision = claim.decide(self._attempt)
        if decision.refused is not None:
            self._attempt.end(decision.reason)
        elif decision is not ACCEPTED:
            self._decisions.append(decision)

    def open(self, header: SubgroupHeader) -> Feed:
        """A subgroup stream begins."""
        feed = Feed(self, header)
        self.feeds[feed] = None
        return feed

    def datagram(self, datagram: ObjectDatagram) -> None:
        """An object in a datagram. Raises `MalformedTrack`."""
        track, item = self.track, datagram
        track.check(item.group, item.id)
        group = track.cache.groups.get(item.group)
        if group is not None and (True, item.id) in group.flows:
            return  # of another publisher
        flow = track.begin(
            Flow(
                item.group,
                item.id,
                trio.current_time(),
                item.priority,
                closes_group=item.end_of_group,
                datagram=True,
            )
        )
        track.append(flow, (Object(item.id, item.payload, item.properties, item.status),), finish=True)

    def close(self) -> None:
        """It sends no more: what was under way breaks off, the owners of the namespace are told."""
        for feed in tuple(self.feeds):
            feed.drop()
        release(self._decisions)


@attrs.define(eq=False)
class Feed:
    """One incoming subgroup stream.

    What comes of it in one batch of packets goes on at once, together with its end: so a stream of one object
    is one write for each subscriber.
    """

    _uplink: Uplink = attrs.field(repr=False)
    _header: SubgroupHeader
    _pending: list[Object] = attrs.field(factory=list, repr=False)
    _flow: Flow | None = None
    _shared: bool = False
    """Another publisher sends the same subgroup, or has."""
    _last: int = -1
    """The last object of this stream."""
    _heard: int = -1
    """The last object that came before a break."""

    def objects(self, objects: Sequence[Object]) -> bool:
        """Objects have come; they wait for `flush` or `end`. Whether they are the first that wait."""
        first = not self._pending
        self._pending += objects
        return first

    def flush(self) -> None:
        """Pass on what has come. Raises `MalformedTrack`."""
        if self._pending:
            self._pass_on(finish=False, broken=None)

    def end(self, code: int | None) -> None:
        """Nothing more comes: it is complete (None), or was reset. Raises `MalformedTrack`.

        Nothing if it was dropped: its flow may go on, from another publisher.
        """
        if self not in self._uplink.feeds:
            return
        if self._flow is not None or self._pending:
            self._pass_on(finish=code is None, broken=code)
        self._uplink.feeds.pop(self, None)

    def drop(self) -> None:
        """Nothing more is taken of it."""
        self._pending.clear()
        self.end(ResetCode.CANCELLED)

    def _pass_on(self, *, finish: bool, broken: int | None) -> None:
        objects, self._pending = self._pending, []
        track = self._uplink.track
        if objects:
            self._last = objects[-1].id
            track.check(self._header.group, self._last)
        flow = self._flow
        if flow is None:
            flow = self._begin(objects[0].id)
        if self._shared:
            objects = self._unheard(flow, objects)
        if flow.over:
            return
        if finish and flow.last is not None and flow.last.object < self._last and not objects:
            finish, broken = False, ResetCode.CANCELLED  # it has left a gap
        if broken is not None:
            flow.feeds -= 1
            if flow.feeds:
                broken = None  # another publisher goes on
        if objects or finish or broken is not None:
            track.append(flow, objects, finish=finish, broken=broken)

    def _begin(self, first: int) -> Flow:
        header, track = self._header, self._uplink.track
        subgroup = first if header.subgroup is None else header.subgroup
        known = track.cache.flow(header.group, subgroup)
        if known is not None and known.broken is None:
            self._shared = True
            known.feeds += 1
            self._flow = known
            return known
        if known is not None and known.last is not None:  # it broke off: the rest goes on a new stream
            self._shared, self._heard = True, known.last.object
        self._flow = track.begin(
            Flow(
                header.group,
                subgroup,
                trio.current_time(),
                header.priority,
                first=header.first_object and known is None,
                closes_group=header.end_of_group,
                properties=header.properties,
            )
        )
        return self._flow

    def _unheard(self, flow: Flow, objects: list[Object]) -> list[Object]:
        """Without what was sent before; nothing if that leaves a gap on the stream (section 11.4.3)."""
        last = flow.last
        heard = self._heard if last is None else last.object
        new = [item for item in objects if item.id > heard]
        return new if last is None or (new and new[0].id == heard + 1) else []
