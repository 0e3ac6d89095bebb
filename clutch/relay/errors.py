"""Errors of the relay."""

from __future__ import annotations

from clutch.wire.moqt.codes import RequestError


class RelayError(Exception):
    """Something that the relay refused."""


class RequestRefused(RelayError):
    """A request that gets no; `code` is what a peer is told. Nothing has happened."""

    def __init__(self, code: int, reason: str, retry_ms: int | None = None) -> None:
        super().__init__(code, reason)
        self.code = code
        """A `RequestError`, or a number that a publisher upstream answered."""
        self.reason = reason
        self.retry_ms = retry_ms
        """When it may be asked again, at the earliest; None: never."""

    @property
    def name(self) -> str:
        """Of the code; ``UNKNOWN`` if nobody knows it."""
        return self.code.name if isinstance(self.code, RequestError) else "UNKNOWN"

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


class MalformedTrack(RelayError):
    """A publisher broke the rules of a track (draft 18, section 2.4.2)."""


class NameTaken(RelayError):
    """This process publishes that track already."""
