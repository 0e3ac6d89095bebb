"""The SIP endpoint: owns the sockets, serves what comes, places calls, and outlives every call.

Its transactions go on whatever becomes of a session's holder: a BYE is repeated for 32 s for a call that is
long gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import attrs
import structlog
import trio

from clutch.net.link import Network
from clutch.net.sip.core import Core, token
from clutch.net.sip.policy import CAPABILITIES, refusal
from clutch.net.sip.session import SipSession
from clutch.net.sip.transports import Bind
from clutch.wire.sip.dialog import MAX_FORWARDS
from clutch.wire.sip.digest import DigestClient
from clutch.wire.sip.errors import SipParseError
from clutch.wire.sip.events import Counters, Event, RequestReceived, ServerTransaction
from clutch.wire.sip.fields import NameAddr
from clutch.wire.sip.headers import Headers
from clutch.wire.sip.layer import TransactionLayer
from clutch.wire.sip.message import Request
from clutch.wire.sip.uri import Uri

log = structlog.get_logger(__name__)

EVENTS = 16
"""How many events a session keeps for a holder that does not read; what the peer sends beyond is refused."""
RETRY_AFTER_S = 30
"""What callers are asked to wait while the endpoint is draining."""


@attrs.define(eq=False)
class SipEndpoint:
    """One SIP user agent for any number of calls, on any number of addresses."""

    _network: Network = attrs.field(repr=False)
    _listen: Sequence[Bind]
    on_invite: Callable[[SipSession], None] = attrs.field(repr=False)
    """Called for every new call; it may reject at once, or hand the session to a task. If it raises, the
    caller gets a 500."""
    user_agent: str = "clutch"
    draining: bool = False
    """While true, new calls, and OPTIONS as they do, get 503."""
    events_capacity: int = EVENTS
    _core: Core = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._core = Core(self._network, self.user_agent, self._on_event, TransactionLayer(token))

    async def run(self, *, task_status: trio.TaskStatus[tuple[Bind, ...]] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled. Reports the bound addresses as started.

        Raises `PortInUse` or `AddressUnavailable`. When it ends, ports are given back and sessions are over.
        """
        await self._core.run(self._listen, lambda: task_status.started(self.addresses))

    @property
    def addresses(self) -> tuple[Bind, ...]:
        """What is listened on, with real ports."""
        return self._core.transports.binds

    @property
    def sessions(self) -> int:
        """Sessions that are not over."""
        return len(self._core.sessions)

    @property
    def transactions(self) -> int:
        """Transactions that the layer holds; some stay for up to 32 s after their session."""
        return self._core.layer.transactions

    @property
    def connections(self) -> int:
        """Open streams."""
        return self._core.transports.connections

    @property
    def counters(self) -> Counters:
        """What was malformed, stray, repeated, retransmitted and refused."""
        return self._core.layer.counters

    def invite(
        self,
        target_uri: Uri,
        *,
        from_uri: NameAddr,
        to_uri: NameAddr | None = None,
        body: bytes,
        auth: DigestClient | None = None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> SipSession:
        """Place a call, while `run` is running. Sends at once; what becomes of it are the session's events.
        Raises `LocalProtocolError` if an argument does not fit into a message.

        `body` is the SDP offer. A ``Route`` in `headers` is followed. 401 and 407 are answered with `auth`.
        A call that rings goes on ringing until its holder cancels it.
        """
        fields = Headers([("Max-Forwards", MAX_FORWARDS), ("From", str(from_uri.with_tag(token())))])
        fields.add("To", str(to_uri or NameAddr(None, target_uri)))
        fields.add("Call-ID", token())
        fields.add("CSeq", "1 INVITE")
        for name, value in headers:
            fields.add(name, value)
        invite = Request("INVITE", target_uri, fields, body)
        invite.to_bytes()
        return SipSession.outgoing(self._core, invite, auth, self.events_capacity)

    def _on_event(self, event: Event) -> None:
        """Events outside dialogs and of no session; but for new requests they need nothing done."""
        if isinstance(event, RequestReceived):
            self._on_request(event.server)

    def _on_request(self, server: ServerTransaction) -> None:
        request = server.request
        refused = refusal(request)
        if refused is not None:
            self._core.respond(server, refused[0], headers=refused[1])
        elif request.method not in {"INVITE", "OPTIONS"}:
            self._core.respond(server, 481)  # BYE, INFO and UPDATE mean nothing outside a dialog
        elif self.draining:
            self._core.respond(server, 503, headers=[("Retry-After", str(RETRY_AFTER_S))])
        elif request.method == "OPTIONS":
            self._core.respond(server, 200, headers=CAPABILITIES)
        else:
            self._on_invite(server)

    def _on_invite(self, server: ServerTransaction) -> None:
        try:
            session = SipSession.incoming(self._core, server, self.events_capacity)
        except SipParseError as error:
            self._core.respond(server, error.status, error.reason)
            return
        try:
            self.on_invite(session)
        except Exception:
            log.exception("sip.on_invite_failed", call_id=session.invite.call_id)
            if not session.over:
                session.reject(500)
