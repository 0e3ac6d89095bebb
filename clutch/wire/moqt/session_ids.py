"""Request IDs (draft 18 section 10.1): even from the client, odd from the server, each used once."""

from __future__ import annotations

import attrs

from clutch.wire.moqt.codes import SessionError
from clutch.wire.moqt.errors import RemoteProtocolError

MAX_MISSING = 4096
"""IDs that may have come before those below them: requests travel on streams of their own, and some of
these are reset before they are read."""


@attrs.define(eq=False)
class PeerIds:
    """Which request IDs the peer has used, and may use."""

    client: bool
    """Whether the peer is the client."""
    maximum: int | None = None
    """Draft 16: what they must stay below. None: no such rule."""
    _expected: int = attrs.field(init=False)
    _beyond: set[int] = attrs.field(init=False, factory=set, repr=False)

    def __attrs_post_init__(self) -> None:
        self._expected = 0 if self.client else 1

    @property
    def next(self) -> int:
        """The smallest ID that was not used."""
        return self._expected

    def used(self, request_id: int) -> bool:
        """Whether the peer has used an ID."""
        return request_id < self._expected or request_id in self._beyond

    def use(self, request_id: int) -> None:
        """Take an ID. Raises RemoteProtocolError if the peer may not use it."""
        if request_id % 2 != self._expected % 2:
            raise _invalid(f"request ID {request_id} is one of this side's")
        if self.used(request_id):
            raise _invalid(f"request ID {request_id} was used before")
        if self.maximum is not None and request_id >= self.maximum:
            raise RemoteProtocolError(
                SessionError.TOO_MANY_REQUESTS, f"request ID {request_id} is not below {self.maximum}"
            )
        self._beyond.add(request_id)
        self._skip()
        if len(self._beyond) > MAX_MISSING:
            self._expected = min(self._beyond)
            self._skip()

    def _skip(self) -> None:
        while self._expected in self._beyond:
            self._beyond.remove(self._expected)
            self._expected += 2


@attrs.define(eq=False)
class OwnIds:
    """The request IDs of this side."""

    client: bool
    maximum: int | None = None
    """Draft 16: the peer's limit. None: there is none."""
    next: int = attrs.field(init=False)
    """The ID of the next request."""

    def __attrs_post_init__(self) -> None:
        self.next = 0 if self.client else 1

    def used(self, request_id: int) -> bool:
        """Whether this side has used an ID."""
        return request_id < self.next

    def take(self) -> None:
        """Use the next ID."""
        self.next += 2


def _invalid(text: str) -> RemoteProtocolError:
    return RemoteProtocolError(SessionError.INVALID_REQUEST_ID, text)
