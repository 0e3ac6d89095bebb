"""What an endpoint and its sessions share: the transaction layer at work, on transports and Trio's clock."""

from __future__ import annotations

import ipaddress
import math
import secrets
from collections.abc import Callable, Sequence
from typing import Protocol

import attrs
import structlog
import trio

from clutch.net.errors import ResolveFailed
from clutch.net.link import Network
from clutch.net.sip.transports import Bind, Transports
from clutch.wire.sip.errors import SipParseError
from clutch.wire.sip.events import ClientTransaction, Event, RequestReceived, ServerTransaction, User, user_of
from clutch.wire.sip.flow import DEFAULT_PORT, Flow
from clutch.wire.sip.layer import TransactionLayer
from clutch.wire.sip.message import Message, Request
from clutch.wire.sip.transaction import State
from clutch.wire.sip.uri import Uri

log = structlog.get_logger(__name__)


def token() -> str:
    """64 unguessable bits, for branches, tags and Call-IDs (RFC 3261 section 19.3)."""
    return secrets.token_hex(8)


class Member(Protocol):
    """A session, as far as the core knows it."""

    @property
    def flow(self) -> Flow | None:
        """The way that its dialog took last."""

    def abandon(self) -> None:
        """The endpoint is gone."""


@attrs.define(eq=False)
class Core:
    """Moves messages between transports, transaction layer and users. Only `run` waits."""

    network: Network = attrs.field(repr=False)
    user_agent: str
    fallback: User = attrs.field(repr=False)
    """Whom events are for that belong to no session: new requests."""
    layer: TransactionLayer
    sessions: set[Member] = attrs.field(init=False, factory=set, repr=lambda sessions: str(len(sessions)))
    transports: Transports = attrs.field(init=False, repr=False)
    _nursery: trio.Nursery = attrs.field(init=False, repr=False)
    _sleep: trio.CancelScope = attrs.field(init=False, factory=trio.CancelScope, repr=False)
    _pumping: bool = attrs.field(init=False, default=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self.transports = Transports(self.network, self)

    async def run(self, binds: Sequence[Bind], started: Callable[[], None]) -> None:
        """Bind, call `started`, and serve until cancelled; then every session is abandoned. May run again."""
        self.transports = Transports(self.network, self)
        self.transports.bind(binds)
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                self.transports.serve(nursery)
                started()
                try:
                    await self._run_timers()
                finally:
                    # First the readers, or their closed sockets would hide what went wrong here.
                    nursery.cancel_scope.cancel(reason="the endpoint is ending")
                    self.transports.close()
        finally:
            for session in list(self.sessions):
                session.abandon()

    def received(self, message: bytes | Message, source: Flow) -> None:
        """See `Upper.received`. A fault of our own in reading one message must not end every call."""
        try:
            self.layer.receive(message, source, trio.current_time())
        except Exception:
            log.exception("sip.receive_failed", source=str(source.remote))
        self.pump()

    def malformed(self, error: SipParseError, source: Flow) -> None:
        """See `Upper.malformed`."""
        self.layer.malformed(error, source)
        self.pump()

    def lost(self, flow: Flow) -> None:
        """See `Upper.lost`."""
        self.layer.transport_failed(flow, trio.current_time())
        self.pump()

    def in_use(self, flow: Flow) -> bool:
        """See `Upper.in_use`."""
        return any(session.flow == flow for session in self.sessions)

    def pump(self) -> None:
        """Send what is to be sent and tell every event to whom it is for, until nothing is left."""
        if self._pumping:
            return
        self._pumping = True
        try:
            while True:
                for data, flow in self.layer.to_send():
                    self.transports.send(data, flow)
                event = self.layer.next_event()
                if event is None:
                    break
                self._tell(event)
        finally:
            self._pumping = False
        due = self.layer.next_timer()
        self._sleep.deadline = math.inf if due is None else due

    def respond(
        self,
        server: ServerTransaction,
        status: int,
        reason: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> None:
        """Send a response; ours are signed with a Server header."""
        signed = [*headers, ("Server", self.user_agent)]
        self.layer.respond(server, server.response(status, reason, signed, body), trio.current_time())
        self.pump()

    def request(self, flow: Flow, request: Request, user: User) -> ClientTransaction:
        """Send a request on a flow; what becomes of it is told to `user`."""
        request.headers.add("User-Agent", self.user_agent)
        client = self.layer.request(request, flow, trio.current_time(), user)
        self.pump()
        return client

    def ack(self, client: ClientTransaction, ack: Request, flow: Flow) -> None:
        """Send the ACK to a 2xx."""
        self.layer.ack(client, ack, flow)
        self.pump()

    def cancel(self, client: ClientTransaction) -> None:
        """Cancel an INVITE that has a provisional response and no final one."""
        self.layer.cancel(client, trio.current_time())
        self.pump()

    def with_flow(self, uri: Uri, kept: Flow | None, use: Callable[[Flow | None], None]) -> None:
        """Call `use` with the way to the host of `uri`: at once, or when its name has been resolved.

        `kept` is used instead while it is an open connection (RFC 5923), and if `uri` lies behind a NAT that
        `kept` leads to: such a peer can often be reached no other way. None means that there is no way.
        """
        if kept is not None and (self._is_connection(kept) or _is_behind_nat(uri.host, kept.remote[0])):
            use(kept)
        elif uri.scheme != "sip":
            use(None)
        elif (address := _ip_address(uri.host)) is not None:
            use(self._flow_to(uri, address))
        else:
            self._nursery.start_soon(self._resolve, uri, use)

    def _is_connection(self, flow: Flow) -> bool:
        return flow.reliable and self.transports.is_open(flow)

    async def _resolve(self, uri: Uri, use: Callable[[Flow | None], None]) -> None:
        try:
            host = await self.network.resolve(uri.host)
        except ResolveFailed as error:
            log.info("sip.unresolved", host=uri.host, error=str(error))
            flow = None
        else:
            flow = self._flow_to(uri, host)
        try:
            use(flow)
        except Exception:  # as in `_tell`; here nobody above would keep it from ending the endpoint
            log.exception("sip.send_failed", host=uri.host)

    def _flow_to(self, uri: Uri, host: str) -> Flow | None:
        transport = uri.param("transport")
        return self.transports.flow_to(
            transport.upper() if transport else None, (host, uri.port or DEFAULT_PORT)
        )

    def _tell(self, event: Event) -> None:
        """A user's exception is its own: the endpoint lives on, and the peer gets a 500 (section 21.5.1)."""
        try:
            (user_of(event) or self.fallback)(event)
        except Exception:
            log.exception("sip.handler_failed", event_type=type(event).__name__)
            if isinstance(event, RequestReceived):
                server = event.server
                if server.machine.state in {State.TRYING, State.PROCEEDING}:
                    self.respond(server, 500)

    async def _run_timers(self) -> None:
        while True:
            due = self.layer.next_timer()
            with trio.CancelScope(deadline=math.inf if due is None else due) as self._sleep:
                await trio.sleep_forever()
            self.layer.on_timer(trio.current_time())
            self.pump()


def _is_behind_nat(host: str, source: str) -> bool:
    """True if `host` is an address of some private network, and what it sends comes from the internet."""
    address = _ip_address(host)
    if address is None or ipaddress.ip_address(address).is_global:
        return False
    return ipaddress.ip_address(source).is_global


def _ip_address(host: str) -> str | None:
    """The shortest text of an IP address; None if `host` is a name."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return None
