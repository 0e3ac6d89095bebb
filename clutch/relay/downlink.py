"""One subscription of a peer: what it is sent, and what becomes of it when it does not keep up.

Objects are written as they come; there is no queue here but the engine's, and this bounds what is in it. A
subscriber that is too far behind loses all that waits, and goes on at the next group; if that happens again
and again, the subscription ends (TOO_FAR_BEHIND). Nobody else notices.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Protocol

import attrs
import trio

from clutch.net.quic.engine import QuicSession, QuicStream
from clutch.relay.flow import DEFAULT_PRIORITY, EVERYTHING, Flow, News, Window, opening, rank
from clutch.relay.limits import QueueLimits
from clutch.relay.timers import Timer, Timers
from clutch.relay.track import Track
from clutch.wire.moqt.codes import DoneStatus, ResetCode
from clutch.wire.moqt.drafts import Draft
from clutch.wire.moqt.errors import LocalProtocolError
from clutch.wire.moqt.names import Location


class Subscriber(Protocol):
    """The peer's side of it: the request."""

    def joined(self, track: Track) -> None:
        """There is a publisher: answer, and set window, priority and timeouts."""

    def refused(self, code: int, reason: str, retry_ms: int | None) -> None:
        """There is none."""

    def ended(self, status: DoneStatus, reason: str) -> None:
        """It is over; all its streams are."""

    def skipped(self) -> None:
        """It has lost what waited."""

    def failed(self) -> None:
        """We have: end the session."""


@attrs.frozen
class Written:
    """A stream that was written to its end and may not be sent yet."""

    stream: QuicStream
    size: int
    flow: Flow


@attrs.define(eq=False)
class Lane:
    """A stream that goes on."""

    stream: QuicStream | None
    """None: this subscriber gets no more of the flow."""
    since: float
    """When the oldest of what waits was written."""

    @property
    def unsent(self) -> int:
        """Bytes that wait."""
        return self.stream.unsent if self.stream is not None else 0


@attrs.define(eq=False)
class Downlink:
    """See above. The `Sink` of a peer in a track."""

    subscriber: Subscriber = attrs.field(repr=False)
    quic: QuicSession = attrs.field(repr=False)
    draft: Draft
    limits: QueueLimits = attrs.field(repr=False)
    timers: Timers = attrs.field(repr=False)
    forward: bool = True
    window: Window = EVERYTHING
    priority: int = DEFAULT_PRIORITY
    """The subscriber's, 0 (first) to 255."""
    publisher_priority: int = DEFAULT_PRIORITY
    """The track's, for subgroups that have none of their own."""
    newest_first: bool = False
    """Of groups that wait (GROUP_ORDER)."""
    timeout_s: float | None = None
    """What waits longer than this is given up (DELIVERY_TIMEOUT)."""
    track: Track | None = None
    joining: Location | None = None
    """The largest object when forwarding began: where a joining FETCH ends."""
    streams: int = 0
    """Data streams that were opened."""
    skips: int = 0
    """Since it last kept up for a while."""
    _from_group: int = 0
    """Nothing of earlier groups is begun."""
    _skipped_at: float = 0.0
    _written: deque[Written] = attrs.field(factory=deque, repr=False)
    _bytes: int = 0
    """Of `_written`."""
    _lanes: dict[Flow, Lane] = attrs.field(factory=dict, repr=False)
    _timer: Timer | None = attrs.field(default=None, repr=False)

    @property
    def stays(self) -> bool:
        """See `Sink.stays`."""
        return False

    def joined(self, track: Track) -> None:
        """See `Sink.joined`."""
        self.track = track
        self.joining = track.largest
        self.subscriber.joined(track)

    def refused(self, code: int, reason: str, retry_ms: int | None = None) -> None:
        """See `Sink.refused`."""
        self.subscriber.refused(code, reason, retry_ms)

    def ended(self, status: DoneStatus, reason: str) -> None:
        """See `Sink.ended`."""
        for lane in self._lanes.values():
            self._reset(lane, ResetCode.CANCELLED)
        self._stop()
        self.subscriber.ended(status, reason)

    def failed(self) -> None:
        """See `Sink.failed`."""
        self._stop()
        self.subscriber.failed()

    def cancel(self) -> None:
        """The peer wants no more."""
        self._give_up(ResetCode.CANCELLED)
        self._stop()

    def take(self, news: News) -> None:
        """See `Sink.take`: the hot path."""
        try:
            self._take(news)
        except LocalProtocolError:  # the draft of the peer has no room for a number in it
            self._drop(news.flow)

    def _drop(self, flow: Flow) -> None:
        """The subscriber gets no more of it."""
        lane = self._lanes.pop(flow, None) or Lane(None, flow.arrived)
        self._reset(lane, ResetCode.INTERNAL_ERROR)
        if not flow.over:
            self._lanes[flow] = lane

    def _take(self, news: News) -> None:
        flow = news.flow
        lane = self._lanes.get(flow)
        if lane is not None:
            self._go_on(lane, news)
        elif not self.forward or not news.objects or flow.broken is not None:
            pass
        elif flow.group < self._from_group:
            self._skipping()
        elif flow.datagram:
            if self.window.passes(flow.group, news.objects[0].id):
                self.quic.send_datagram(news.written(self.draft))
        elif self._room_for(news):
            self._open(news)

    def narrow(self, window: Window) -> None:
        """The subscriber wants another part of the track from now on."""
        self.window = window
        for flow, lane in self._lanes.items():
            if flow.last is not None and not window.passes(*flow.last):
                self._reset(lane, ResetCode.CANCELLED)

    def _open(self, news: News) -> None:
        flow = news.flow
        data = self._beginning(news)
        if not data:
            return
        stream = self.quic.open_uni(data, fin=flow.finished)
        if stream is None:
            self._skip(flow.group + 1)
            return
        self.streams += 1
        priority = self.publisher_priority if flow.priority is None else flow.priority
        stream.prioritise(rank(self.priority, priority, flow.group, newest_first=self.newest_first))
        if flow.finished:
            self._written.append(Written(stream, len(data), flow))
            self._bytes += len(data)
        else:
            self._lanes[flow] = Lane(stream, flow.arrived)
        if self.timeout_s is not None and self._timer is None:
            self._timer = self.timers.after(self.timeout_s, self._expire)

    def _beginning(self, news: News) -> bytes:
        """What a new stream begins with; nothing if the subscriber wants nothing of it."""
        if self.window is EVERYTHING and news.previous is None:
            return news.written(self.draft)
        flow = news.flow
        objects = [item for item in news.objects if self.window.passes(flow.group, item.id)]
        if len(objects) == len(news.objects) and news.previous is None:
            return news.written(self.draft)
        return opening(self.draft, flow, news.alias, objects, first=False) if objects else b""

    def _go_on(self, lane: Lane, news: News) -> None:
        flow = news.flow
        if lane.stream is None:
            self._skipping()
        elif flow.broken is not None:
            self._reset(lane, flow.broken)
        elif news.objects and not self.forward:
            self._reset(lane, ResetCode.CANCELLED)
            del self._lanes[flow]
        else:
            self._write(lane.stream, lane, news)
        if flow.over:
            self._lanes.pop(flow, None)

    def _write(self, stream: QuicStream, lane: Lane, news: News) -> None:
        flow, unsent = news.flow, stream.unsent
        data = news.written(self.draft)
        if not unsent:
            lane.since = trio.current_time()
        elif not self._fits(len(data)):
            self._skip(flow.group + 1)
            return
        if not stream.write(data, fin=flow.finished):
            self._skip(flow.group + 1)
        elif flow.finished:
            self._written.append(Written(stream, unsent + len(data), flow))
            self._bytes += unsent + len(data)

    # Falling behind

    def _room_for(self, news: News) -> bool:
        """Forget what was sent; if what is left is too much, give it up. False: do not begin this flow."""
        written = self._written
        while written and not written[0].stream.unsent:
            self._bytes -= written.popleft().size
        unsent = self._unsent() if written or self._lanes else 0
        if not unsent:
            if self.skips and news.flow.arrived - self._skipped_at > self.limits.patience_s:
                self.skips = 0
            return True
        size = sum(len(item.payload) for item in news.objects)
        if len(written) >= self.limits.streams:
            self._forget_sent()
        if len(self._written) < self.limits.streams and self._fits(size):
            return True
        group = news.flow.group
        torn = any(flow.group == group for flow in self._lanes) or any(
            item.flow.group == group for item in self._written
        )
        return self._skip(group + 1 if torn else group) and not torn

    def _fits(self, size: int) -> bool:
        """Whether so many bytes more may wait."""
        if self._unsent() + size > self.limits.unsent_bytes:
            self._forget_sent()
        return self._unsent() + size <= self.limits.unsent_bytes

    def _forget_sent(self) -> None:
        """Also what overtook older streams (GROUP_ORDER, priorities)."""
        self._written = deque(item for item in self._written if item.stream.unsent)
        self._bytes = sum(item.size for item in self._written)

    def _unsent(self) -> int:
        return self._bytes + sum(lane.unsent for lane in self._lanes.values())

    def _skip(self, group: int) -> bool:
        """Give up all that waits, and go on with this group. False: that was once too often."""
        self._give_up(ResetCode.TOO_FAR_BEHIND)
        self._from_group = max(self._from_group, group)
        self._skipped_at = trio.current_time()
        self.skips += 1
        self.subscriber.skipped()
        if self.skips > self.limits.skips:
            self._too_far_behind()
        return self.skips <= self.limits.skips

    def _skipping(self) -> None:
        """Another object that the subscriber does not get: how long has it waited for a new group?"""
        if self.skips and trio.current_time() - self._skipped_at > self.limits.patience_s:
            self._too_far_behind()

    def _too_far_behind(self) -> None:
        self._stop()
        self.subscriber.ended(DoneStatus.TOO_FAR_BEHIND, "too much waits to be sent")

    def _expire(self) -> None:
        """Give up what waits for longer than the timeout."""
        self._timer = None
        timeout_s = self.timeout_s or math.inf
        now = trio.current_time()
        while self._written and (
            not self._written[0].stream.unsent or self._written[0].flow.arrived + timeout_s <= now
        ):
            item = self._written.popleft()
            self._bytes -= item.size
            if item.stream.unsent:
                self._reset_stream(item.stream, ResetCode.DELIVERY_TIMEOUT)
        for lane in self._lanes.values():
            if lane.unsent and lane.since + timeout_s <= now:
                self._reset(lane, ResetCode.DELIVERY_TIMEOUT)
        waiting = [item.flow.arrived for item in self._written]
        waiting += [lane.since if lane.unsent else now for lane in self._lanes.values()]
        if waiting and self.timeout_s is not None:
            self._timer = self.timers.after(min(waiting) + timeout_s - now, self._expire)

    def _give_up(self, code: ResetCode) -> None:
        for item in self._written:
            if item.stream.unsent:
                self._reset_stream(item.stream, code)
        self._written.clear()
        self._bytes = 0
        for lane in self._lanes.values():
            self._reset(lane, code)

    def _reset(self, lane: Lane, code: int) -> None:
        if lane.stream is not None:
            self._reset_stream(lane.stream, code)
            lane.stream = None

    def _reset_stream(self, stream: QuicStream, code: int) -> None:
        stream.reset(self.draft.reset_codes.to_wire(code))

    def _stop(self) -> None:
        self._written.clear()
        self._lanes.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
