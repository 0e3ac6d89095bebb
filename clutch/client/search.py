"""Every track under a prefix that has a capability: ``voice/opus`` under ``voice``."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

import attrs
import trio

from clutch.client.errors import TrackRefused, VoiceError
from clutch.client.subscription import Subscription
from clutch.wire.moqt.names import Namespace

MAX_FOUND = 1_024
"""Tracks of one search that wait to be taken; more are refused."""


def has_capability(offered: str, wanted: str) -> bool:
    """Whether a track that offers one capability is one of another.

    Parameters that are wanted must be offered alike; others do not matter: ``voice/pcm16;rate=8000`` is a
    ``voice/pcm16``, not the other way round.
    """
    kind, *parameters = (word.strip() for word in wanted.split(";"))
    found, *given = (word.strip() for word in offered.split(";"))
    return kind == found and set(parameters) <= set(given)


@attrs.define(eq=False)
class Search:
    """An async iterator of subscriptions, one for each track that is found, and a context manager.

    It goes on until it is closed; what was found goes on after that. The iteration raises
    `ConnectionRefused` if the node does not let us in, and `TrackRefused` if it does not let us search.
    """

    prefix: Namespace
    capability: str
    _leave: Callable[[Search], None] = attrs.field(repr=False)
    """Called once, when this side closes it."""
    _found: deque[Subscription] = attrs.field(init=False, factory=deque)
    _over: bool = attrs.field(init=False, default=False)
    _closed: bool = attrs.field(init=False, default=False)
    _failure: VoiceError | None = attrs.field(init=False, default=None)
    _reader: trio.lowlevel.ParkingLot = attrs.field(init=False, factory=trio.lowlevel.ParkingLot, repr=False)

    def __aiter__(self) -> Search:
        """Iterate over what is found."""
        return self

    async def __anext__(self) -> Subscription:
        """The next track that is found. If cancelled, none is lost."""
        await trio.lowlevel.checkpoint()
        while not self._found:
            if self._over:
                raise self._failure or StopAsyncIteration
            await self._reader.park()
        return self._found.popleft()

    def __enter__(self) -> Self:
        """Leaving the block closes it."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Search no more. Idempotent."""
        if not self._closed:
            self._closed = True
            self.end()
            self._leave(self)

    @property
    def over(self) -> bool:
        """Whether nothing more will be found."""
        return self._over

    @property
    def full(self) -> bool:
        """For the connection: too many wait to be taken."""
        return len(self._found) >= MAX_FOUND

    def found(self, subscription: Subscription) -> None:
        """For the connection: here is one."""
        self._found.append(subscription)
        self._reader.unpark()

    def refuse(self, code: int, reason: str) -> None:
        """For the connection: the node said no, for good."""
        prefix = "/".join(field.decode(errors="replace") for field in self.prefix)
        self.end(TrackRefused(f"{prefix}/*", code, reason))

    def end(self, failure: VoiceError | None = None) -> None:
        """For the connection: nothing more will be found. Idempotent."""
        if not self._over:
            self._over, self._failure = True, failure
            self._reader.unpark_all()
