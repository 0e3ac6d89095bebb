"""SIP requests and responses: reading, writing, answering, checking (RFC 3261 sections 7, 8 and 18)."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import TypeAlias

import attrs

from clutch.wire.sip.errors import LocalProtocolError, SipParseError
from clutch.wire.sip.fields import NameAddr, Via
from clutch.wire.sip.grammar import MAX_PARAMS, is_token, parse_params
from clutch.wire.sip.head import MAX_MESSAGE, VERSION, Head, RequestLine, read_head
from clutch.wire.sip.headers import Headers
from clutch.wire.sip.status import REASON_PHRASES
from clutch.wire.sip.typed import TypedFields
from clutch.wire.sip.uri import Uri

__all__ = [
    "REASON_PHRASES",
    "Message",
    "Request",
    "Response",
    "build_message",
    "parse_message",
    "response_to",
    "validate",
]

_COPIED = ("via", "from", "to", "call-id", "cseq")
_SINGLE = ("From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Type")
_ROUTABLE = frozenset({"sip", "sips", "tel"})


@attrs.define
class Request(TypedFields):
    """A request. `headers` never holds Content-Length: `body` says it, and `to_bytes` writes it."""

    method: str
    """Case matters: ``INVITE``."""
    uri: Uri
    """Request-URI."""
    headers: Headers
    body: bytes = attrs.field(default=b"", repr=False)
    """Not in the repr: it may hold keys."""

    def to_bytes(self) -> bytes:
        """The message as it goes on the wire. Raises LocalProtocolError if it would not be one message."""
        uri = str(self.uri)
        if not is_token(self.method) or " " in uri:
            raise LocalProtocolError(f"{self.method!r} is not a method or {uri!r} is not a URI")
        return _serialise(f"{self.method} {uri} {VERSION}", self.headers, self.body)


@attrs.define
class Response(TypedFields):
    """A response. `headers` never holds Content-Length: `body` says it, and `to_bytes` writes it."""

    status: int
    """100 to 699."""
    reason: str
    headers: Headers
    body: bytes = attrs.field(default=b"", repr=False)
    """Not in the repr: it may hold keys."""

    def to_bytes(self) -> bytes:
        """The message as it goes on the wire. Raises LocalProtocolError if it would not be one message."""
        if not 100 <= self.status <= 699:
            raise LocalProtocolError(f"{self.status} is not a status code")
        return _serialise(f"{VERSION} {self.status} {self.reason}", self.headers, self.body)


Message: TypeAlias = Request | Response


def _serialise(start: str, headers: Headers, body: bytes) -> bytes:
    lines = [start]
    for name, value in headers.items():
        if not is_token(name):
            raise LocalProtocolError(f"{name!r} is not a header field name")
        if name.lower() != "content-length":
            lines.append(f"{name}: {value}")
    lines.append(f"Content-Length: {len(body)}\r\n\r\n")
    text = "\r\n".join(lines)
    if text.count("\r") != len(lines) + 1 or text.count("\n") != len(lines) + 1:
        raise LocalProtocolError("line break inside a start line or header field")
    try:
        return text.encode("utf-8", "surrogateescape") + body
    except UnicodeEncodeError as error:
        raise LocalProtocolError("text that no bytes stand for") from error


def parse_message(data: bytes) -> Message:
    """Read one datagram or WebSocket message (RFC 3261 section 18.3).

    Without Content-Length all is body; bytes after the body are dropped. Values of fields are parsed when
    they are asked for. Raises SipParseError.
    """
    raw, blank, body = data.lstrip(b"\r\n").partition(b"\r\n\r\n")
    head = read_head(raw)
    length = None
    try:
        length = head.content_length()
        if len(data) > MAX_MESSAGE:
            raise SipParseError(513, f"message is over {MAX_MESSAGE} bytes")
        if not blank:
            raise SipParseError(400, "no blank line after the header fields")
        if length is not None and length > len(body):
            raise SipParseError(400, "Content-Length is more than what came")
    except SipParseError as fault:
        head = attrs.evolve(head, fault=head.fault or fault)
    return build_message(head, body[:length])


def build_message(head: Head, body: bytes) -> Message:
    """The message made of a head and its body. Raises the head's fault, with the request to answer if any."""
    start, fault = head.start, head.fault
    message: Message | None = None
    if isinstance(start, RequestLine):
        message = Request(start.method, start.uri, head.headers, body)
    elif start is not None:
        message = Response(start.status, start.reason, head.headers, body)
    if message is None or fault is not None:
        fault = fault or SipParseError(400, "no start line")
        raise SipParseError(fault.status, fault.reason, _answerable(message))
    return message


def _answerable(message: Message | None) -> Request | None:
    """`message` if it is a request that gets an answer and says which way the answer goes, else None.

    Of a top Via that is broken, what can be read is put in its place.
    """
    if not isinstance(message, Request) or message.method == "ACK":
        return None
    try:
        _mend_via(message)
    except SipParseError:
        return None
    return message


def _mend_via(request: Request) -> None:
    try:
        _ = request.via
    except SipParseError:
        hop, *params = (request.headers.get("Via") or "").partition(",")[0].split(";")
        readable: list[tuple[str, str | None]] = []
        for param in params[:MAX_PARAMS]:
            with suppress(SipParseError):
                readable += parse_params(f";{param}")
        request.headers.set("Via", str(attrs.evolve(Via.parse(hop), params=tuple(readable))))


def response_to(
    request: Request,
    status: int,
    reason: str | None = None,
    *,
    to_tag: str | None = None,
    headers: Iterable[tuple[str, str]] = (),
) -> Response:
    """The response to a request with all that the request dictates (RFC 3261 sections 8.2.6 and 12.1.1).

    Copied as written: Via, From, To, Call-ID, CSeq; Record-Route into 101 to 299; Timestamp into 100.
    `to_tag` is added if To has no tag yet. `headers` follow. Missing or broken fields are no error.
    """
    copied = list(_COPIED)
    if status == 100:
        copied.append("timestamp")
    elif status < 300:
        copied.append("record-route")
    lines = list(request.headers.items())
    fields = [(name, value) for wanted in copied for name, value in lines if name.lower() == wanted]
    answer = Headers([*fields, *headers])
    to = answer.get("To")
    if to_tag is not None and to is not None and not _has_tag(to):
        # With angle brackets or without, a parameter at the end belongs to the field (section 20.10).
        answer.set("To", f"{to};tag={to_tag}")
    return Response(status, REASON_PHRASES.get(status, "") if reason is None else reason, answer)


def _has_tag(to: str) -> bool:
    try:
        return NameAddr.parse(to).tag is not None
    except SipParseError:
        return False


def validate(message: Message) -> None:
    """Check what every element must be able to rely on (RFC 3261 sections 8.1.1, 8.2.2.1 and 16.3).

    The mandatory fields are there, single ones once; addresses, Via, CSeq and Max-Forwards are well-formed;
    CSeq names the method; the Request-URI has a scheme that we route (416) and no headers. Max-Forwards, tags
    and branches may be missing (RFC 2543). Raises SipParseError, its `message` the request to answer.
    """
    try:
        _check_fields(message)
        if isinstance(message, Request):
            _check_request(message)
    except SipParseError as error:
        raise SipParseError(error.status, error.reason, _answerable(message)) from error


def _check_fields(message: Message) -> None:
    for name in _SINGLE:
        if message.headers.count(name) > 1:
            raise SipParseError(400, f"{name} is there more than once")
    # Reading a typed field is its check. Nobody reads the Via values below the top: they are copied.
    _ = (message.via, message.from_, message.to, message.call_id, message.cseq, message.max_forwards)
    _ = (message.contacts, message.routes, message.record_routes)


def _check_request(request: Request) -> None:
    if request.cseq.method != request.method:
        raise SipParseError(400, "CSeq: method is not that of the request")
    if request.uri.scheme not in _ROUTABLE:
        raise SipParseError(416, REASON_PHRASES[416])
    if request.uri.headers:
        raise SipParseError(400, "Request-URI with headers")
