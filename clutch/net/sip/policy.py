"""What we support, and how a request that asks for more is refused (RFC 3261 sections 8.2.1 to 8.2.3)."""

from __future__ import annotations

from clutch.wire.sip.errors import SipParseError
from clutch.wire.sip.message import Request

METHODS = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "UPDATE", "INFO")
"""Methods that are served."""
SDP = "application/sdp"
"""The one type of session description."""
ALLOW = ("Allow", ", ".join(METHODS))
ACCEPT = ("Accept", SDP)
CAPABILITIES = (ALLOW, ACCEPT, ("Accept-Encoding", "identity"), ("Supported", ""))
"""Header fields of a 200 to OPTIONS (section 11.2)."""

Refusal = tuple[int, tuple[tuple[str, str], ...]]
"""Status code and the header fields that say what would have been right."""


def refusal(request: Request) -> Refusal | None:
    """How this request is to be refused whatever it is about; None if nothing speaks against it."""
    try:
        return _refusal(request, request.content_type)
    except SipParseError as error:
        return error.status, ()


def _refusal(request: Request, content_type: str | None) -> Refusal | None:
    if request.method not in METHODS:
        return 405, (ALLOW,)
    required = request.headers.get_all("Require")
    if required:
        return 420, tuple(("Unsupported", option) for option in required)
    if request.method in {"INVITE", "UPDATE"} and request.body:
        encodings = {encoding.lower() for encoding in request.headers.get_all("Content-Encoding")}
        if encodings - {"identity"}:
            return 415, (ACCEPT, ("Accept-Encoding", "identity"))
        if content_type != SDP:
            return 415, (ACCEPT,)
    return None
