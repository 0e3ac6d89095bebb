"""Dialogs: the peer-to-peer relationship behind a call (RFC 3261 section 12), for both ends."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping

import attrs

from clutch.wire.sip.errors import LocalProtocolError, RemoteProtocolError, SipParseError
from clutch.wire.sip.fields import NameAddr
from clutch.wire.sip.headers import Headers
from clutch.wire.sip.message import Request, Response
from clutch.wire.sip.uri import Uri

MAX_FORWARDS = "70"
"""What a UAC puts into Max-Forwards (section 8.1.1.6)."""


@attrs.frozen
class DialogId:
    """What a dialog is known by at this end (section 12)."""

    call_id: str
    local_tag: str
    remote_tag: str

    @classmethod
    def of_incoming(cls, request: Request) -> DialogId | None:
        """The dialog that a received request belongs to; None if it has no To tag and so is outside any."""
        local_tag = request.to.tag
        return None if local_tag is None else cls(request.call_id, local_tag, request.from_.tag or "")


class DialogState(enum.Enum):
    """Where a dialog stands."""

    EARLY = "early"
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"


DIALOG_MOVES: Mapping[DialogState, frozenset[DialogState]] = {
    DialogState.EARLY: frozenset({DialogState.CONFIRMED, DialogState.TERMINATED}),
    DialogState.CONFIRMED: frozenset({DialogState.TERMINATED}),
    DialogState.TERMINATED: frozenset(),
}
"""Every legal move of a dialog."""


@attrs.define(eq=False)
class Dialog:
    """One end of a dialog: builds our requests in it and judges theirs."""

    id: DialogId
    local: NameAddr = attrs.field(repr=False)
    """Ours, with our tag: the From of what we send."""
    remote: NameAddr = attrs.field(repr=False)
    """Theirs, with their tag if they gave one: the To of what we send."""
    target: Uri
    """Where the peer wants in-dialog requests: its newest Contact."""
    route_set: tuple[NameAddr, ...] = attrs.field(repr=False)
    """Proxies that record-routed, nearest first."""
    local_cseq: int
    """CSeq of our newest request; 0 if we sent none."""
    remote_cseq: int
    """CSeq of their newest request; 0 if they sent none."""
    state: DialogState = DialogState.EARLY

    @classmethod
    def as_uas(cls, request: Request, local_tag: str) -> Dialog:
        """The dialog that our response with `local_tag` to this INVITE creates (section 12.1.1).

        Raises `SipParseError` if the request lacks a usable Contact.
        """
        target = _contact(request)
        if target is None:
            raise SipParseError(400, "Contact is missing", request)
        return cls(
            id=DialogId(request.call_id, local_tag, request.from_.tag or ""),
            local=request.to.with_tag(local_tag),
            remote=request.from_,
            target=target,
            route_set=tuple(request.record_routes),
            local_cseq=0,
            remote_cseq=request.cseq.number,
        )

    @classmethod
    def as_uac(cls, request: Request, response: Response) -> Dialog:
        """The early dialog that this response to our INVITE creates (section 12.1.2)."""
        return cls(
            id=DialogId(request.call_id, request.from_.tag or "", response.to.tag or ""),
            local=request.from_,
            remote=response.to,
            target=_contact(response) or request.uri,
            route_set=tuple(reversed(response.record_routes)),
            local_cseq=request.cseq.number,
            remote_cseq=0,
        )

    @property
    def next_hop(self) -> Uri:
        """Where our in-dialog requests go first (section 8.1.2)."""
        return self.route_set[0].uri if self.route_set else self.target

    def confirm(self, response: Response | None = None) -> None:
        """A 2xx was sent, or this `response` was received: its route set is what counts (13.2.2.4)."""
        self._move(DialogState.CONFIRMED)
        if response is not None:
            self.route_set = tuple(reversed(response.record_routes))
            self.refresh(response)

    def terminate(self) -> None:
        """The dialog is over. Idempotent."""
        if self.state is not DialogState.TERMINATED:
            self._move(DialogState.TERMINATED)

    def refresh(self, message: Request | Response) -> None:
        """Adopt the Contact of a re-INVITE, an UPDATE or a 2xx to one as the new remote target (12.2)."""
        self.target = _contact(message) or self.target

    def accept(self, request: Request) -> None:
        """Check and take the CSeq of a request in this dialog (section 12.2.2).

        Raises `RemoteProtocolError` with 500 if it is out of order; nothing changes then.
        """
        number = request.cseq.number
        if number < self.remote_cseq:
            raise RemoteProtocolError(500, f"CSeq {number} is lower than {self.remote_cseq}")
        self.remote_cseq = number

    def request(self, method: str, headers: Iterable[tuple[str, str]] = (), body: bytes = b"") -> Request:
        """Build the next request in this dialog (section 12.2.1.1). The layer adds its Via.

        Raises `LocalProtocolError` if the dialog is over.
        """
        if self.state is DialogState.TERMINATED:
            raise LocalProtocolError(f"{method} in a dialog that is over")
        self.local_cseq += 1
        return self._build(method, self.local_cseq, headers, body)

    def ack(self, cseq: int, headers: Iterable[tuple[str, str]] = (), body: bytes = b"") -> Request:
        """Build the ACK to a 2xx; `cseq` is the number of its INVITE (section 13.2.2.4)."""
        return self._build("ACK", cseq, headers, body)

    def _build(self, method: str, cseq: int, headers: Iterable[tuple[str, str]], body: bytes) -> Request:
        uri, routes = self._routing()
        fields = Headers(("Route", str(route)) for route in routes)
        fields.add("Max-Forwards", MAX_FORWARDS)
        fields.add("From", str(self.local))
        fields.add("To", str(self.remote))
        fields.add("Call-ID", self.id.call_id)
        fields.add("CSeq", f"{cseq} {method}")
        for name, value in headers:
            fields.add(name, value)
        return Request(method, uri, fields, body)

    def _routing(self) -> tuple[Uri, tuple[NameAddr, ...]]:
        """Request-URI and Route headers; a first hop without ``lr`` is a strict router (12.2.1.1)."""
        if not self.route_set or self.route_set[0].uri.has_param("lr"):
            return self.target, self.route_set
        first, *rest = self.route_set
        return attrs.evolve(first.uri, headers=()), (*rest, NameAddr(None, self.target, ()))

    def _move(self, state: DialogState) -> None:
        if state not in DIALOG_MOVES[self.state]:
            raise LocalProtocolError(f"dialog cannot become {state.value} when it is {self.state.value}")
        self.state = state


def _contact(message: Request | Response) -> Uri | None:
    contact = message.contact
    return contact.uri if contact is not None else None
