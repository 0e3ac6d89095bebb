"""Errors of the SIP wire, sorted by blame."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clutch.wire.sip.message import Request


class SipError(Exception):
    """Any error that `clutch.wire.sip` raises on purpose."""


class SipParseError(SipError):
    """The peer sent something that is not well-formed SIP.

    Carries the answer: `status` and `reason` of the response to send. `message` is the request as far as it
    could be read, with everything that `response_to` copies; None means stay silent (RFC 3261 section 18.1.2,
    18.3: a broken response, an ACK, or bytes from which no answer could find its way back).
    """

    def __init__(self, status: int, reason: str, message: Request | None = None) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        return f"{self.status} {self.reason}"


class LocalProtocolError(SipError):
    """Our own code asked for something that the protocol forbids. Nothing was changed or sent."""


class RemoteProtocolError(SipError):
    """A well-formed message broke the protocol's rules. `status` and `reason` are the answer to send."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.status} {self.reason}"


class AuthFailed(SipError):
    """The peer refused our credentials, or asked for a kind of authentication that we do not have."""
