"""What a `SipSession` tells the one who holds it."""

from __future__ import annotations

import enum
from collections.abc import Callable

import attrs

from clutch.wire.sip.reason import ReasonValue


class Failure(enum.Enum):
    """Why a session failed without anybody's decision."""

    TIMEOUT = "timeout"
    """The peer did not answer our INVITE."""
    TRANSPORT = "transport"
    """There is no way to the peer, or it was lost."""
    NO_ACK = "no_ack"
    """The peer did not acknowledge our answer. A BYE is on its way."""


@attrs.frozen
class Ringing:
    """UAC: a provisional response above 100."""

    status: int
    body: bytes = attrs.field(repr=False)
    """Early media description, if any."""


@attrs.frozen
class Answered:
    """UAC: the peer answered and has our ACK."""

    body: bytes = attrs.field(repr=False)


@attrs.frozen
class Rejected:
    """UAC: the peer refused. The last event."""

    status: int
    reason: str
    q850: int | None
    """Cause value of a Q.850 Reason header, if there was one."""


@attrs.frozen
class Cancelled:
    """UAS: the caller gave up; its INVITE has been answered with 487. The last event."""


@attrs.frozen
class Acked:
    """UAS: the ACK to our 2xx came."""

    body: bytes = attrs.field(repr=False)
    """The answer, if our 2xx carried the offer."""


@attrs.frozen
class Offer:
    """The peer changes the session, by re-INVITE or UPDATE. Call `accept` or `refuse`, once.

    Both do nothing when the session is over or the peer took its offer back.
    """

    body: bytes = attrs.field(repr=False)
    """Empty if the peer wants our offer: `accept` makes it, and `Acked` brings the answer."""
    accept: Callable[[bytes], None] = attrs.field(repr=False)
    """Agree, with this description."""
    refuse: Callable[[int], None] = attrs.field(repr=False)
    """Refuse with this status; the session goes on unchanged (RFC 3261 section 14.2)."""


@attrs.frozen
class Info:
    """An INFO (RFC 6086); it has been answered with 200."""

    content_type: str
    body: bytes = attrs.field(repr=False)


@attrs.frozen
class Bye:
    """The peer hung up; its BYE has been answered. The last event."""

    reasons: tuple[ReasonValue, ...]


@attrs.frozen
class Failed:
    """The session is over, and nobody decided it. The last event."""

    kind: Failure


SessionEvent = Ringing | Answered | Rejected | Cancelled | Acked | Offer | Info | Bye | Failed
