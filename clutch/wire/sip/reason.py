"""The Reason header: why a request was sent (RFC 3326)."""

from __future__ import annotations

from contextlib import suppress

import attrs

from clutch.wire.sip.errors import SipParseError
from clutch.wire.sip.grammar import decimal, find_param, is_token, parse_params, quote
from clutch.wire.sip.message import Message

Q850 = "Q.850"
"""The protocol whose causes are those of ITU-T Q.850."""
SIP = "SIP"
"""The protocol whose causes are SIP status codes."""


@attrs.frozen
class ReasonValue:
    """One value of a Reason header."""

    protocol: str
    """``SIP``, ``Q.850`` or another token."""
    cause: int | None = None
    text: str = ""

    @classmethod
    def parse(cls, value: str) -> ReasonValue:
        """Read one value. Raises SipParseError(400)."""
        protocol, semicolon, rest = value.partition(";")
        if not is_token(protocol.strip()):
            raise SipParseError(400, "Reason: no protocol")
        params = parse_params(semicolon + rest)
        cause = find_param(params, "cause")
        number = decimal(cause, 999, "Reason cause") if cause else None
        return cls(protocol.strip(), number, find_param(params, "text") or "")

    def __str__(self) -> str:
        cause = "" if self.cause is None else f";cause={self.cause}"
        text = " ".join(self.text.split())  # a line break would end the header field
        return f"{self.protocol}{cause}" + (f";text={quote(text)}" if text else "")


def reasons_of(message: Message) -> tuple[ReasonValue, ...]:
    """The Reason values of a message up to a bad one: the header is a remark, never an error."""
    values: list[ReasonValue] = []
    with suppress(SipParseError):
        values.extend(ReasonValue.parse(value) for value in message.headers.get_all("Reason"))
    return tuple(values)


def cause_of(reasons: tuple[ReasonValue, ...], protocol: str) -> int | None:
    """The cause that the first value of `protocol` gives, if any."""
    return next((reason.cause for reason in reasons if reason.protocol.upper() == protocol.upper()), None)
