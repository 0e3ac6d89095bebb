"""When the connections of an engine want to be called, and the task that sleeps until then."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterator

import attrs
import trio

from clutch.net.quic.connection import Connection


@attrs.define(eq=False)
class Timers:
    """The earliest first. A timer that moves later costs nothing: its old entry is put off when it is due."""

    _alarms: list[tuple[float, int, Connection]] = attrs.field(init=False, factory=list)
    _count: Iterator[int] = attrs.field(init=False, factory=itertools.count, repr=False)
    _bell: trio.lowlevel.ParkingLot = attrs.field(init=False, factory=trio.lowlevel.ParkingLot, repr=False)
    _nap: trio.CancelScope = attrs.field(init=False, factory=trio.CancelScope, repr=False)

    def set(self, connection: Connection) -> None:
        """Take over the connection's `timer`."""
        if connection.timer < connection.alarm:
            connection.alarm = connection.timer
            heapq.heappush(self._alarms, (connection.timer, next(self._count), connection))
            if connection.timer < self._nap.deadline:
                self._nap.deadline = connection.timer

    def due(self, now: float) -> list[Connection]:
        """Those whose time has come, each once."""
        found = []
        while self._alarms and self._alarms[0][0] <= now:
            at, _, connection = heapq.heappop(self._alarms)
            if at != connection.alarm or connection.gone:
                continue  # an earlier entry took its place
            connection.alarm = math.inf
            if connection.timer <= now:
                found.append(connection)
            else:
                self.set(connection)
        return found

    def wake(self) -> None:
        """End the sleep."""
        self._bell.unpark()

    async def sleep(self) -> None:
        """Wait for the next timer, or for `wake`."""
        with trio.CancelScope(deadline=self._alarms[0][0] if self._alarms else math.inf) as self._nap:
            await self._bell.park()
