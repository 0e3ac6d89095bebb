"""A transaction layer on a clock of plain numbers, and messages for it."""

from __future__ import annotations

import attrs

from clutch.wire.sip.events import (
    ClientTransaction,
    Event,
    RequestReceived,
    ServerTransaction,
)
from clutch.wire.sip.flow import Flow
from clutch.wire.sip.headers import Headers
from clutch.wire.sip.layer import TransactionLayer
from clutch.wire.sip.message import Message, Request, Response, parse_message, response_to
from clutch.wire.sip.uri import Uri

US = ("192.0.2.1", 5060)
UDP = Flow("UDP", US, ("192.0.2.9", 5060))
TCP = Flow("TCP", US, ("192.0.2.9", 40_000))
VIA = "192.0.2.9:5060;branch=z9hG4bKone"


def incoming(
    method: str = "INVITE",
    via: str = VIA,
    cseq: int = 1,
    to_tag: str | None = None,
    from_tag: str = "theirs",
    extra: str = "",
    uri: str = "sip:us@192.0.2.1",
    call_id: str = "call-1",
) -> bytes:
    tag = f";tag={to_tag}" if to_tag else ""
    return (
        f"{method} {uri} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP {via}\r\n"
        f"From: <sip:them@192.0.2.9>;tag={from_tag}\r\n"
        f"To: <sip:us@192.0.2.1>{tag}\r\n"
        f"Call-ID: {call_id}\r\n"
        f"CSeq: {cseq} {method}\r\n"
        f"Contact: <sip:them@192.0.2.9>\r\n"
        f"{extra}Content-Length: 0\r\n\r\n"
    ).encode()


def outgoing(method: str = "INVITE") -> Request:
    headers = Headers(
        [
            ("Route", "<sip:proxy.example;lr>"),
            ("From", "<sip:us@192.0.2.1>;tag=ours"),
            ("To", "<sip:them@192.0.2.9>"),
            ("Call-ID", "call-2"),
            ("CSeq", f"7 {method}"),
        ]
    )
    return Request(method, Uri.parse("sip:them@192.0.2.9"), headers)


@attrs.define
class Bench:
    """A layer, its clock, and what came out of it."""

    layer: TransactionLayer
    now: float = 0.0

    def receive(self, data: bytes | Message, source: Flow = UDP) -> None:
        self.layer.receive(data, source, self.now)

    def sent(self) -> list[tuple[Message, Flow]]:
        return [(parse_message(data), flow) for data, flow in self.layer.to_send()]

    def statuses(self) -> list[int]:
        return [message.status for message, _ in self.sent() if isinstance(message, Response)]

    def methods(self) -> list[str]:
        return [message.method for message, _ in self.sent() if isinstance(message, Request)]

    def events(self) -> list[Event]:
        return list(iter(self.layer.next_event, None))

    def serve(self, data: bytes, source: Flow = UDP) -> ServerTransaction:
        self.receive(data, source)
        (event,) = self.events()
        assert isinstance(event, RequestReceived)
        return event.server

    def respond(self, server: ServerTransaction, status: int) -> None:
        self.layer.respond(server, server.response(status), self.now)

    def call(self, method: str = "INVITE", flow: Flow = UDP) -> ClientTransaction:
        client = self.layer.request(outgoing(method), flow, self.now)
        assert self.methods() == [method]
        return client

    def answer(self, client: ClientTransaction, status: int, tag: str = "theirs") -> None:
        self.receive(response_to(client.request, status, to_tag=tag).to_bytes())

    def run_until(self, end: float) -> list[tuple[float, Message]]:
        """Let timers act; say what was sent and when."""
        log = []
        while (due := self.layer.next_timer()) is not None and due <= end:
            self.now = due
            self.layer.on_timer(due)
            log += [(due, message) for message, _ in self.sent()]
        self.now = end
        return log
