"""Where the objects of a publication go: one request of one connection."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import attrs
import trio

from clutch.net.moqt.outgoing import SubgroupWriter
from clutch.net.moqt.session import MoqtSession
from clutch.net.quic.engine import QuicStream
from clutch.wire.moqt.codes import ResetCode
from clutch.wire.moqt.data import (
    Object,
    ObjectDatagram,
    SubgroupHeader,
    encode_datagram,
    encode_object,
    encode_subgroup_header,
)
from clutch.wire.moqt.session_request import Request, State

LATE_S = 0.5
"""An object of its own that could not be sent for this long is given up: nobody would play it."""


@attrs.define(eq=False)
class Output:
    """One subscriber of a publication, as a rule the relay.

    Every method says whether the object was taken: what does not fit now is dropped.
    """

    session: MoqtSession = attrs.field(repr=False)
    request: Request
    live: bool = attrs.field(init=False, default=False)
    """Objects go there."""
    stalled: bool = attrs.field(init=False, default=False)
    """Something that must arrive was refused; `write` of the publication waits."""
    _header: SubgroupHeader | None = attrs.field(init=False, default=None, repr=False)
    _writer: SubgroupWriter | None = attrs.field(init=False, default=None, repr=False)
    """The group that goes on."""
    _previous: int | None = attrs.field(init=False, default=None)
    _going: deque[tuple[float, QuicStream]] = attrs.field(init=False, factory=deque, repr=False)
    """Objects of their own that may not have been sent yet, and when they were written."""

    @property
    def wanted(self) -> bool:
        """Whether objects are to be sent (draft-ietf-moq-transport-18, 5.1)."""
        return self.request.open and self.request.forward and self.request.alias is not None

    @property
    def agreed(self) -> bool:
        """Whether both sides have said yes."""
        return self.request.state is State.ESTABLISHED

    def single(self, group: int, item: Object, priority: int) -> bool:
        """An object that is a group and a stream of its own."""
        header = self._head(group, priority, last=True)
        draft, now = self.session.draft, trio.current_time()
        self._give_up(now)
        data = encode_subgroup_header(draft, header) + encode_object(draft, header, item)
        writer = self.session.open_subgroup(self.request, data, priority=priority, fin=True)
        if writer is None:
            return False
        self._going.append((now + LATE_S, writer.stream))
        return True

    def datagram(self, group: int, item: Object, priority: int) -> bool:
        """An object that is sent once, or not at all."""
        alias = self._alias()
        datagram = ObjectDatagram(alias, group, item.id, item.payload, item.properties, priority=priority)
        return self.session.send_datagram(encode_datagram(self.session.draft, datagram))

    def begin(self, group: int, priority: int) -> bool:
        """A new group: its objects follow by `add`."""
        self.end()
        self._header = self._head(group, priority)
        data = encode_subgroup_header(self.session.draft, self._header)
        self._writer = self.session.open_subgroup(self.request, data, priority=priority)
        return self._writer is not None

    def add(self, item: Object) -> bool:
        """The next object of the group. If it does not fit the group is given up: what follows needs it."""
        if self._writer is None or self._header is None:
            return False
        if self._writer.write(encode_object(self.session.draft, self._header, item, self._previous)):
            self._previous = item.id
            return True
        self._writer.reset(ResetCode.DELIVERY_TIMEOUT)
        self._writer = None
        return False

    def end(self) -> None:
        """The group is complete."""
        if self._writer is not None:
            self._writer.finish()
        self._writer = self._previous = None

    def replay(self, groups: Sequence[tuple[int, Sequence[Object]]], priority: int) -> None:
        """Send groups again, the last of which goes on; what has arrived already is known by its number."""
        if self._writer is not None:
            self._writer.reset(ResetCode.CANCELLED)
            self._writer = None
        fits = all(self.begin(group, priority) and all(map(self.add, objects)) for group, objects in groups)
        self.stalled = not fits

    def _head(self, group: int, priority: int, *, last: bool = False) -> SubgroupHeader:
        return SubgroupHeader(
            self._alias(), group, 0, priority, properties=True, end_of_group=last, first_object=True
        )

    def _alias(self) -> int:
        assert self.request.alias is not None
        return self.request.alias

    def _give_up(self, now: float) -> None:
        while self._going and (not self._going[0][1].unsent or self._going[0][0] < now):
            _, stream = self._going.popleft()
            if stream.unsent:
                stream.reset(ResetCode.DELIVERY_TIMEOUT)
