"""What the transaction layer hands to its user: transactions as handles, and the events about them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

import attrs

from clutch.wire.sip.flow import Flow
from clutch.wire.sip.matching import Key
from clutch.wire.sip.message import Request, Response, response_to
from clutch.wire.sip.transaction import Transaction

User: TypeAlias = Callable[["Event"], None]
"""Whom an event is for. The layer carries it for its user and never calls it."""


@attrs.define(eq=False)
class ClientTransaction:
    """A request of ours and what becomes of it."""

    request: Request = attrs.field(repr=False)
    """As sent, our Via on top."""
    flow: Flow
    """Where it went."""
    key: Key
    machine: Transaction
    last: bytes = attrs.field(repr=False)
    """What a retransmission repeats."""
    user: User | None = attrs.field(default=None, repr=False)
    """Whom the events of this transaction are for."""
    acks: dict[str, tuple[bytes, Flow] | None] = attrs.field(init=False, factory=dict, repr=False)
    """INVITE only: by To tag, the ACK that a repeated 2xx gets; None until the TU gave it."""
    scheduled: float | None = attrs.field(init=False, default=None, repr=False)
    """When the layer looks at the timers of `machine` next."""


@attrs.define(eq=False)
class ServerTransaction:
    """A request of theirs and what became of it."""

    request: Request = attrs.field(repr=False)
    """As received, its top Via stamped with where it came from."""
    source: Flow
    reply_to: Flow = attrs.field(repr=False)
    """Where responses go."""
    fallback: Flow | None = attrs.field(repr=False)
    """Where they go if the connection of `reply_to` is lost (section 18.2.2)."""
    local_tag: str
    """The To tag of our responses: theirs in a dialog, else a new one."""
    key: Key
    merge_key: Key | None = attrs.field(repr=False)
    machine: Transaction
    weight: int = attrs.field(repr=False)
    """For how many requests of ordinary size this one counts."""
    user: User | None = attrs.field(init=False, default=None, repr=False)
    """Whom the events of this transaction are for; to be set by whoever takes the request."""
    last: bytes | None = attrs.field(init=False, default=None, repr=False)
    """What a retransmission repeats; None until there was a response."""
    scheduled: float | None = attrs.field(init=False, default=None, repr=False)
    """When the layer looks at the timers of `machine` next."""

    def response(
        self,
        status: int,
        reason: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> Response:
        """Build a response to this request, tagged with `local_tag` unless it is a 100."""
        tag = None if status == 100 else self.local_tag
        response = response_to(self.request, status, reason, to_tag=tag, headers=headers)
        response.body = body
        return response


@attrs.frozen
class RequestReceived:
    """A new request, neither ACK nor CANCEL; it wants a response."""

    server: ServerTransaction
    user: User | None = attrs.field(repr=False)
    """Whom it is for: the user of its dialog; None outside dialogs."""


@attrs.frozen
class CancelReceived:
    """The peer cancelled an INVITE that has no final response yet. The CANCEL has been answered;
    the INVITE wants a 487."""

    server: ServerTransaction


@attrs.frozen
class AckReceived:
    """The ACK to our 2xx came."""

    server: ServerTransaction
    ack: Request


@attrs.frozen
class AckTimeout:
    """No ACK to our 2xx came in 64*T1: the session should be ended (section 13.3.1.4)."""

    server: ServerTransaction


@attrs.frozen
class ServerFailed:
    """A response could not be sent."""

    server: ServerTransaction


@attrs.frozen
class ResponseReceived:
    """A response to our request. Final non-2xx responses have been acknowledged; a 2xx to an INVITE wants
    `TransactionLayer.ack`."""

    client: ClientTransaction
    response: Response


@attrs.frozen
class TimedOut:
    """No final response to our request came in time: treat it as a 408 (section 8.1.3.1)."""

    client: ClientTransaction


@attrs.frozen
class ClientFailed:
    """Our request could not be sent, or its connection was lost: treat it as a 503 (section 8.1.3.1)."""

    client: ClientTransaction


ServerEvent = RequestReceived | CancelReceived | AckReceived | AckTimeout | ServerFailed
ClientEvent = ResponseReceived | TimedOut | ClientFailed
Event = ServerEvent | ClientEvent


def user_of(event: Event) -> User | None:
    """Whom an event is for; None if nobody took its transaction."""
    if isinstance(event, RequestReceived):
        return event.user
    return event.client.user if isinstance(event, ClientEvent) else event.server.user


@attrs.define
class Counters:
    """What the layer saw since it was made."""

    malformed: int = 0
    """Messages that could not be read, answered or not."""
    stray: int = 0
    """Responses and ACKs that belong to nothing we know."""
    repeated: int = 0
    """Messages that the peer retransmitted."""
    retransmitted: int = 0
    """Messages that we retransmitted."""
    refused: int = 0
    """Requests refused for want of room."""
