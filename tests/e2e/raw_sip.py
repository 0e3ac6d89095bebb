"""A SIP peer without a stack: it sends what it is told to, right or wrong, and cleans up what came of it."""

from __future__ import annotations

import itertools
import re
import socket
from collections.abc import Callable
from types import TracebackType
from typing import Self

from clutch.wire.sip.message import Request, Response, parse_message, response_to

PATIENCE_S = 20.0
"""How long a peer waits before the test fails; no assertion depends on it."""
OFFER = """v=0
o=- 1 1 IN IP4 127.0.0.1
s=-
c=IN IP4 127.0.0.1
t=0 0
m=audio 40000 RTP/AVP 0 8 101
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=sendrecv
"""

_numbers = itertools.count(1)


def crlf(text: str) -> bytes:
    """Text as it goes on the wire; a lone surrogate is a raw byte."""
    return text.replace("\n", "\r\n").encode("utf-8", "surrogateescape")


def draft(method: str, user: str = "echo", body: str | bytes = b"", **fields: str | None) -> bytes:
    """A request that is right in all but the fields that are given: ``Call_ID=None`` leaves one out.

    Further names are fields that it would not have. Whatever follows `uri` stands as the Request-URI.
    """
    number = next(_numbers)
    content = crlf(body) if isinstance(body, str) else body
    uri = fields.pop("uri", None) or f"sip:{user}@127.0.0.1"
    usual = {
        "Via": f"SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK{number};rport",
        "Max_Forwards": "70",
        "From": f"<sip:tester@127.0.0.1>;tag=f{number}",
        "To": f"<sip:{user}@127.0.0.1>",
        "Call_ID": f"call{number}",
        "CSeq": f"1 {method}",
        "Contact": "<sip:tester@127.0.0.1:9>",
        "Content_Type": "application/sdp" if content else None,
        "Content_Length": str(len(content)),
    }
    lines = [
        f"{name.replace('_', '-')}: {value}" for name, value in (usual | fields).items() if value is not None
    ]
    return crlf("\n".join([f"{method} {uri} SIP/2.0", *lines, "", ""])) + content


def invite(user: str = "echo", body: str | bytes = OFFER, **fields: str | None) -> bytes:
    """An INVITE; see `draft`."""
    return draft("INVITE", user, body, **fields)


def follow(response: Response, method: str, body: str = "", *, step: int = 0) -> bytes:
    """The ACK to a response, or with a `step` a later request of its dialog. Fields are copied unread."""
    copied = {name: response.headers.get(name) or "" for name in ("Via", "From", "To", "Call-ID")}
    digits = re.match(r"\d{1,10}", response.headers.get("CSeq") or "")
    number = int(digits[0]) if digits else 0
    if step:
        copied["Via"] = copied["Via"].replace("z9hG4bK", f"z9hG4bK{next(_numbers)}-")
    contact = response.headers.get("Contact") or "<sip:gone@127.0.0.1>"
    return draft(
        method,
        uri=contact.strip("<>"),
        body=body,
        Via=copied["Via"],
        From=copied["From"],
        To=copied["To"],
        Call_ID=copied["Call-ID"],
        CSeq=f"{number + step} {method}",
    )


def is_to_invite(response: Response) -> bool:
    """True if this answers an INVITE, however broken."""
    return (response.headers.get("CSeq") or "").endswith("INVITE")


class Peer:
    """A UDP socket that talks to a node."""

    def __init__(self, node_port: int, host: str = "127.0.0.1", port: int = 0) -> None:
        self.socket = socket.socket(type=socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.bind((host, port))
        self.socket.connect(("127.0.0.1", node_port))
        self.socket.settimeout(PATIENCE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    @property
    def contact(self) -> str:
        """For requests of the node: the other Contact of ours is an address where nobody is."""
        return f"<sip:tester@127.0.0.1:{self.socket.getsockname()[1]}>"

    def send(self, data: bytes) -> None:
        """Send a datagram."""
        self.socket.send(data)

    def receive(self) -> Request | Response:
        """The next message of the node."""
        return parse_message(self.socket.recv(65_535))

    def ask(self, data: bytes) -> Response:
        """Send a request and return its final response; one that refuses an INVITE is acknowledged."""
        self.send(data)
        found = re.search(rb"Call-ID: (\S*)", data)
        call_id = found[1].decode() if found else None
        while True:
            message = self.receive()
            if (
                isinstance(message, Response)
                and message.status >= 200
                and message.headers.get("Call-ID") == call_id
            ):
                if message.status >= 300 and is_to_invite(message):
                    self.send(follow(message, "ACK"))
                return message

    def hang_up(self, answer: Response) -> None:
        """Acknowledge a 2xx and end its dialog."""
        self.send(follow(answer, "ACK"))
        self.send(follow(answer, "BYE", step=1))

    def catch_up(self, seen: Callable[[Response], None] = lambda response: None) -> None:
        """Wait until the node has read all that was sent, and clean up after every INVITE that was answered.

        `seen` gets every response but the one that tells us so.
        """
        mark = draft("OPTIONS")
        call_id = parse_message(mark).call_id
        self.send(mark)
        while True:
            message = self.receive()
            if message.headers.get("Call-ID") == call_id:
                return
            if isinstance(message, Response):
                seen(message)
                self._clean_up(message)

    def _clean_up(self, response: Response) -> None:
        if response.status >= 200 and is_to_invite(response):
            if response.status < 300:
                self.hang_up(response)
            else:
                self.send(follow(response, "ACK"))


class Callee:
    """A UDP socket that is called, and answers as it is told."""

    def __init__(self) -> None:
        self.socket = socket.socket(type=socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(PATIENCE_S)
        self.heard: list[bytes] = []
        """Every datagram that came."""
        self._caller = ("", 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    @property
    def uri(self) -> str:
        """How to call it."""
        return f"sip:bob@127.0.0.1:{self.socket.getsockname()[1]}"

    def expect(self, method: str) -> Request:
        """Wait for a request, passing over others."""
        while True:
            data, self._caller = self.socket.recvfrom(65_535)
            self.heard.append(data)
            message = parse_message(data)
            if isinstance(message, Request) and message.method == method:
                return message

    def answer(
        self, request: Request, status: int, body: bytes = b"", reason: str | None = None, **fields: str
    ) -> None:
        """Respond; `fields` as in `draft`."""
        headers = [("Contact", f"<{self.uri}>"), ("Content-Type", "application/sdp")]
        headers += [(name.replace("_", "-"), value) for name, value in fields.items()]
        response = response_to(request, status, reason, to_tag="bob", headers=headers)
        response.body = body
        self.socket.sendto(response.to_bytes(), self._caller)

    def refuse(self, status: int, challenge: str = "") -> None:
        """Refuse the next INVITE, for want of credentials perhaps, and wait until that is acknowledged."""
        self.answer(self.expect("INVITE"), status, WWW_Authenticate=challenge or 'Digest realm=""')
        self.expect("ACK")
