"""The lossy channel: media never waits.

A bounded channel whose sender never blocks: when it is full, the oldest item goes, is counted, and the
reader is told how many it lost. Trio refused overwriting channels (python-trio/trio#1744), so it is ours;
built on public API only. Control messages do not belong here: they go through mailboxes, which wait.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

import attrs
import trio

T = TypeVar("T")

_open_channels: trio.lowlevel.RunVar[set[object]] = trio.lowlevel.RunVar("open lossy channels")


def open_lossy_channels() -> int:
    """How many lossy channels of this Trio run still have an open receiver: the leak check of tests."""
    return len(_open_channels.get(set()))


@attrs.frozen
class Batch(Generic[T]):
    """What one `LossyReceiver.receive` returns."""

    items: list[T]
    """At least one item, oldest first."""
    lost: int
    """Items dropped since the previous batch; all of them were older than `items`."""


@attrs.define(eq=False)
class _State(Generic[T]):
    queue: deque[T]
    lost: int = 0
    lost_total: int = 0
    wanted: int = 1
    sender_closed: bool = False
    finished: bool = False
    """No more items will come in, whichever end decided that."""
    receiver_closed: bool = False
    reader: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot)


@attrs.define(eq=False)
class LossySender(Generic[T]):
    """The sending end. Every method is synchronous and may be called from any Trio task."""

    _state: _State[T]

    def send(self, item: T) -> bool:
        """Add an item, dropping the oldest if the channel is full.

        Returns False, and forgets the item, if the receiver takes no more. Raises
        `trio.ClosedResourceError` if this end is closed.
        """
        state = self._state
        if state.sender_closed:
            raise trio.ClosedResourceError
        if state.finished:
            return False
        if len(state.queue) == state.queue.maxlen:
            state.lost += 1
            state.lost_total += 1
        state.queue.append(item)
        if len(state.queue) >= state.wanted and state.reader:  # waking nobody is most of the cost
            state.reader.unpark_all()
        return True

    def close(self) -> None:
        """End the channel: the reader gets what is left, then `trio.EndOfChannel`. Idempotent."""
        self._state.sender_closed = self._state.finished = True
        self._state.reader.unpark_all()


@attrs.define(eq=False)
class LossyReceiver(Generic[T]):
    """The receiving end, for one reader at a time; an async iterator of items and a context manager."""

    _state: _State[T]

    @property
    def lost_total(self) -> int:
        """All items that were ever dropped for want of room."""
        return self._state.lost_total

    async def receive(self, at_least: int = 1) -> Batch[T]:
        """Wait for items and take all there are.

        `at_least` trades latency for fewer wake-ups: wait until that many are there (at most the
        capacity) or the sender closes. Raises `trio.EndOfChannel` when the sender closed and nothing is
        left, `trio.ClosedResourceError` when this end is closed, also while waiting, and
        `trio.BusyResourceError` if another task is waiting here. If cancelled, nothing is taken.
        """
        state = self._state
        await self._until(max(1, min(at_least, state.queue.maxlen or 1)))
        batch = Batch(list(state.queue), state.lost)
        state.queue.clear()
        state.lost = 0
        return batch

    def receive_nowait(self) -> list[T]:
        """Take all items there are, maybe none; how many were lost is told no more.

        Raises `trio.ClosedResourceError` when this end is closed.
        """
        state = self._state
        if state.receiver_closed:
            raise trio.ClosedResourceError
        items = list(state.queue)
        state.queue.clear()
        state.lost = 0
        return items

    async def __anext__(self) -> T:
        """The next single item; see `receive` for the errors."""
        try:
            await self._until(1)
        except trio.EndOfChannel:
            raise StopAsyncIteration from None
        return self._state.queue.popleft()

    async def _until(self, wanted: int) -> None:
        """Wait for that many items, or for the end; return with at least one item there, or raise."""
        state = self._state
        # The checkpoint comes before anything is taken: whatever is raised there, nothing is lost.
        if state.finished or len(state.queue) >= wanted:
            await trio.lowlevel.checkpoint()
        while not state.finished and len(state.queue) < wanted:
            if state.reader:
                raise trio.BusyResourceError("another task is reading this lossy channel")
            state.wanted = wanted
            await state.reader.park()
        if state.receiver_closed:
            raise trio.ClosedResourceError
        if not state.queue:
            raise trio.EndOfChannel

    def __aiter__(self) -> LossyReceiver[T]:
        """Iterate over items one by one until the sender closes."""
        return self

    def finish(self) -> None:
        """Take nothing new; what is there can still be read, then comes `trio.EndOfChannel`. Idempotent."""
        self._state.finished = True
        self._state.reader.unpark_all()

    def close(self) -> None:
        """Stop reading: waiting items are forgotten and senders are told. Idempotent."""
        self._state.receiver_closed = self._state.finished = True
        self._state.queue.clear()
        self._state.reader.unpark_all()
        _open_channels.get(set()).discard(self._state)

    def __enter__(self) -> LossyReceiver[T]:
        """Leaving the block closes the receiver."""
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_lossy(capacity: int) -> tuple[LossySender[T], LossyReceiver[T]]:
    """Make a lossy channel that holds at most `capacity` items. Call it inside a Trio run.

    Raises ValueError if `capacity` is below 1.
    """
    if capacity < 1:
        raise ValueError(f"capacity must be at least 1, not {capacity}")
    state: _State[T] = _State(deque(maxlen=capacity))
    try:
        _open_channels.get().add(state)
    except LookupError:
        _open_channels.set({state})
    return LossySender(state), LossyReceiver(state)
