"""Two endpoints, or an endpoint and a scripted peer, on a network in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import attrs
import trio

from clutch.net.link import Address, Datagrams
from clutch.net.memory import MemoryNetwork
from clutch.net.sip import Bind, SessionEvent, SipEndpoint, SipSession
from clutch.wire.sip.digest import DigestClient
from clutch.wire.sip.fields import NameAddr
from clutch.wire.sip.headers import Headers
from clutch.wire.sip.message import Message, Request, Response, parse_message, response_to
from clutch.wire.sip.uri import Uri

ALICE, BOB = "192.0.2.1", "192.0.2.9"
OFFER, ANSWER = b"offer", b"answer"


@attrs.define(eq=False)
class Phone:
    """An endpoint and the calls that come in."""

    endpoint: SipEndpoint
    calls: trio.MemoryReceiveChannel[SipSession]

    async def next_call(self) -> SipSession:
        with trio.fail_after(100):
            return await self.calls.receive()


@attrs.define(eq=False)
class World:
    """The network with Alice and Bob on it, and everything that was sent."""

    network: MemoryNetwork
    nursery: trio.Nursery
    alice: Phone = attrs.field(init=False)
    bob: Phone = attrs.field(init=False)
    log: list[tuple[float, str, str]] = attrs.field(factory=list)
    """Time, sender and start of every datagram: ``(0.0, "alice", "INVITE")``."""
    lost: Callable[[str, str], bool] = lambda sender, what: False

    async def phone(self, ip: str, *transports: str) -> Phone:
        send, receive = trio.open_memory_channel[SipSession](2_000)
        binds = [Bind(transport, ip, 5060) for transport in transports]
        endpoint = SipEndpoint(self.network.host(ip), binds, send.send_nowait)
        await self.nursery.start(endpoint.run)
        return Phone(endpoint, receive)

    def call(
        self, body: bytes = OFFER, auth: DigestClient | None = None, uri: str = f"sip:bob@{BOB}"
    ) -> SipSession:
        me = NameAddr("Alice", Uri.parse(f"sip:alice@{ALICE}"))
        return self.alice.endpoint.invite(Uri.parse(uri), from_uri=me, body=body, auth=auth)

    async def connected(self, uri: str = f"sip:bob@{BOB}") -> tuple[SipSession, SipSession]:
        """A call that is up, from Alice to Bob, with the events of its beginning read."""
        caller = self.call(uri=uri)
        callee = await self.bob.next_call()
        callee.answer(ANSWER)
        await soon(caller)
        await soon(callee)
        return caller, callee

    def count(self, sender: str, what: str) -> int:
        return sum(entry[1:] == (sender, what) for entry in self.log)

    def times(self, sender: str, what: str) -> list[float]:
        return [round(time, 3) for time, *entry in self.log if entry == [sender, what]]

    async def assert_nothing_left(self) -> None:
        """After the last timer of a transaction, no endpoint holds anything."""
        await trio.sleep(70)
        for endpoint in (self.alice.endpoint, self.bob.endpoint):
            assert (endpoint.sessions, endpoint.transactions) == (0, 0)
            assert endpoint._core.layer._dialogs == {}
            assert endpoint._core.layer._timers == []
            assert endpoint._core.layer._riders == {}

    def _see(self, data: bytes, source: Address, to: Address) -> bool:
        message = parse_message(data)
        what = str(message.status) if isinstance(message, Response) else message.method
        sender = "alice" if source[0] == ALICE else "bob"
        self.log.append((trio.current_time(), sender, what))
        return self.lost(sender, what)


async def soon(session: SipSession) -> SessionEvent:
    """The next event, or a failure if there is none for a long time."""
    with trio.fail_after(100):
        return await session.next_event()


@attrs.define(eq=False)
class Peer:
    """A scripted peer of Alice's on UDP, who does only what the test says."""

    datagrams: Datagrams
    alice: Phone
    branches: int = 0

    async def receive(self) -> Message:
        with trio.fail_after(100):
            data, _ = await self.datagrams.receive()
        return parse_message(data)

    async def request(self) -> Request:
        """The next request; responses are skipped."""
        while not isinstance(message := await self.receive(), Request):
            pass
        return message

    async def response(self) -> Response:
        """The next response but 100; requests are skipped."""
        while not isinstance(message := await self.receive(), Response) or message.status == 100:
            pass
        return message

    def send(self, message: Message | bytes) -> None:
        data = message if isinstance(message, bytes) else message.to_bytes()
        self.datagrams.send(data, (ALICE, 5060))

    def answer(self, request: Request, status: int, *, tag: str = "peer", body: bytes = b"") -> None:
        response = response_to(request, status, to_tag=tag, headers=[("Contact", f"<sip:peer@{BOB}>")])
        response.body = body
        self.send(response)

    def ask(
        self,
        method: str,
        body: bytes = b"",
        *,
        cseq: int = 1,
        tag: str | None = None,
        kind: str = "application/sdp",
        headers: Iterable[tuple[str, str]] = (),
        uri: str = f"sip:alice@{ALICE}",
        contact: str = f"<sip:peer@{BOB}>",
    ) -> Request:
        """Send a request of ours; `tag` is Alice's, when it is in the dialog."""
        self.branches += method not in {"ACK", "CANCEL"}
        branch = f"z9hG4bKpeer{self.branches}" + ("ack" if method == "ACK" else "")
        to = f"<sip:alice@{ALICE}>" + (f";tag={tag}" if tag else "")
        fields = [
            ("Via", f"SIP/2.0/UDP {BOB}:5060;branch={branch}"),
            ("From", f"<sip:peer@{BOB}>;tag=peer"),
            ("To", to),
            ("Call-ID", "scripted"),
            ("CSeq", f"{cseq} {method}"),
            ("Contact", contact),
            *([("Content-Type", kind)] if body else []),
            *headers,
        ]
        request = Request(method, Uri.parse(uri), Headers(fields), body)
        self.send(request)
        return request

    async def call(self, body: bytes = OFFER) -> tuple[SipSession, str]:
        """Call Alice, let her answer, acknowledge; her session and her tag."""
        self.ask("INVITE", body)
        session = await self.alice.next_call()
        session.answer(ANSWER)
        tag = (await self.response()).to.tag or ""
        self.ask("ACK", tag=tag)
        await soon(session)
        return session, tag

    def place(
        self, offer: bytes = OFFER, uri: str = f"sip:peer@{BOB}", auth: DigestClient | None = None
    ) -> SipSession:
        """Alice calls us."""
        me = NameAddr("Alice", Uri.parse(f"sip:alice@{ALICE}"))
        return self.alice.endpoint.invite(Uri.parse(uri), from_uri=me, body=offer, auth=auth)
