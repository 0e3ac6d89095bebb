"""WebTransport over HTTP/3 (draft-ietf-webtrans-http3, drafts 02 to 15), as far as it is not HTTP/3 itself.

Sans-IO: header fields, capsules, stream headers and the rules between them; HTTP/3 and QUIC are others'.
There is one session per connection at a time, so flow control is not negotiated (draft-15, 5.1).
"""

from clutch.wire.webtransport.capsules import CapsuleReader, CloseSession, DrainSession
from clutch.wire.webtransport.codes import ErrorCode, from_http, to_http
from clutch.wire.webtransport.early import EarlyData, EarlyStream, Fate
from clutch.wire.webtransport.errors import RemoteProtocolError
from clutch.wire.webtransport.fields import parse_string, parse_strings, serialise_strings
from clutch.wire.webtransport.handshake import (
    Offer,
    Rejection,
    choose,
    connect_request,
    read_request,
    read_response,
    response,
)
from clutch.wire.webtransport.settings import SETTINGS, is_possible, upgrade_token
from clutch.wire.webtransport.streams import (
    NOT_WEBTRANSPORT,
    datagram_prefix,
    read_datagram,
    read_stream_header,
    stream_header,
)

__all__ = [
    "NOT_WEBTRANSPORT",
    "SETTINGS",
    "CapsuleReader",
    "CloseSession",
    "DrainSession",
    "EarlyData",
    "EarlyStream",
    "ErrorCode",
    "Fate",
    "Offer",
    "Rejection",
    "RemoteProtocolError",
    "choose",
    "connect_request",
    "datagram_prefix",
    "from_http",
    "is_possible",
    "parse_string",
    "parse_strings",
    "read_datagram",
    "read_request",
    "read_response",
    "read_stream_header",
    "response",
    "serialise_strings",
    "stream_header",
    "to_http",
    "upgrade_token",
]
