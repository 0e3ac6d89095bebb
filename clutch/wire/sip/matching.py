"""What the transaction layer reads from and writes into messages: keys, Via stamps, ACK and CANCEL."""

from __future__ import annotations

import hashlib
from typing import TypeAlias

from clutch.wire.sip.dialog import MAX_FORWARDS
from clutch.wire.sip.flow import DEFAULT_PORT, Flow
from clutch.wire.sip.headers import Headers
from clutch.wire.sip.message import Request, Response

MAGIC_COOKIE = "z9hG4bK"
"""How every branch of RFC 3261 begins (section 8.1.1.7)."""

Key: TypeAlias = tuple[str, ...]


def client_key(message: Request | Response) -> Key:
    """What matches a response to its client transaction (section 17.1.3)."""
    return (message.via.branch or "", message.cseq.method)


def server_key(request: Request, method: str) -> Key:
    """What matches a request to the server transaction of `method` (section 17.2.3).

    `method` is the request's own to find its repetitions, and INVITE to find what an ACK or CANCEL means.
    Without the magic cookie the comparison is that of RFC 2543; the To tag is left out of it, because the
    ACK carries one that the INVITE did not.
    """
    via = request.via
    if (via.branch or "").startswith(MAGIC_COOKIE):
        return (via.branch or "", via.host.lower(), str(via.port or ""), method)
    number = str(request.cseq.number)
    return ("2543", str(request.uri), request.from_.tag or "", request.call_id, number, str(via), method)


def merge_key(request: Request) -> Key | None:
    """What two copies of one request that came by different ways share (section 8.2.2.2)."""
    if request.to.tag is not None:
        return None
    return (request.from_.tag or "", request.call_id, str(request.cseq.number), request.method)


def ok_key(request: Request, local_tag: str) -> Key:
    """What matches an ACK to the 2xx that it acknowledges: the dialog and the INVITE's CSeq (13.3.1.4)."""
    return (request.call_id, local_tag, request.from_.tag or "", str(request.cseq.number))


def stamp_source(request: Request, source: Flow) -> None:
    """Note in the top Via where the request really came from (section 18.2.1 and RFC 3581 section 4)."""
    via = request.via
    host, port = source.remote
    if via.has_param("rport"):
        via = via.with_param("rport", str(port)).with_param("received", host)
    elif via.host != host or via.has_param("received"):
        via = via.with_param("received", host)
    request.headers.remove_first("Via")
    request.headers.prepend("Via", str(via))


def reply_flow(request: Request, source: Flow) -> Flow:
    """Where the responses to a stamped request go (section 18.2.2 and RFC 3581 section 4)."""
    return source if source.reliable or request.via.rport is not None else sent_by_flow(request, source)


def sent_by_flow(request: Request, source: Flow) -> Flow:
    """The address that the request asks to be answered at, when there is no better way back."""
    return source.to((source.remote[0], request.via.port or DEFAULT_PORT))


def size_of(request: Request) -> int:
    """About how many bytes a request holds."""
    return len(request.body) + sum(len(name) + len(value) for name, value in request.headers.items())


def stateless_tag(request: Request) -> str:
    """A To tag that is the same for each repetition of a request that we keep no state of (section 8.2.7)."""
    seed = f"{request.headers.get('Via')} {request.headers.get('Call-ID')}"
    return hashlib.blake2s(seed.encode(errors="replace"), digest_size=8).hexdigest()


def ack_for(invite: Request, response: Response) -> Request:
    """The ACK that a non-2xx response to our INVITE gets from the layer (section 17.1.1.3)."""
    return _same_hop(invite, "ACK", str(response.to))


def cancel_for(invite: Request) -> Request:
    """The CANCEL of our INVITE (section 9.1)."""
    return _same_hop(invite, "CANCEL", str(invite.to))


def _same_hop(invite: Request, method: str, to: str) -> Request:
    fields = Headers([("Via", str(invite.via))])
    for route in invite.routes:
        fields.add("Route", str(route))
    fields.add("Max-Forwards", MAX_FORWARDS)
    fields.add("From", str(invite.from_))
    fields.add("To", to)
    fields.add("Call-ID", invite.call_id)
    fields.add("CSeq", f"{invite.cseq.number} {method}")
    return Request(method, invite.uri, fields)
