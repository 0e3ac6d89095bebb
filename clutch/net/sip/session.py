"""One call's signalling: an INVITE, the dialog it makes, and their end; the answering or the calling side."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import attrs
import trio

from clutch.net.sip.core import Core
from clutch.net.sip.events import (
    Acked,
    Answered,
    Bye,
    Cancelled,
    Failed,
    Failure,
    Info,
    Offer,
    Rejected,
    Ringing,
    SessionEvent,
)
from clutch.net.sip.policy import ALLOW, CAPABILITIES, SDP, refusal
from clutch.net.sip.state import GONE, SESSION_MOVES
from clutch.net.sip.state import SessionState as S
from clutch.wire.sip.dialog import Dialog
from clutch.wire.sip.digest import DigestClient
from clutch.wire.sip.errors import AuthFailed, LocalProtocolError, RemoteProtocolError
from clutch.wire.sip.events import (
    AckReceived,
    AckTimeout,
    CancelReceived,
    ClientFailed,
    ClientTransaction,
    Event,
    RequestReceived,
    ResponseReceived,
    ServerFailed,
    ServerTransaction,
    TimedOut,
)
from clutch.wire.sip.flow import Flow
from clutch.wire.sip.layer import MAX_FORKS
from clutch.wire.sip.message import Request, Response
from clutch.wire.sip.reason import Q850, ReasonValue, cause_of, reasons_of
from clutch.wire.sip.transaction import State

MAX_CHALLENGES = 8
"""Challenges that a session answers: a proxy's and the peer's, to INVITE and BYE, each with a stale nonce."""


@attrs.define(eq=False)
class SipSession:
    """One call's signalling. Made by `SipEndpoint`, which goes on with it whatever becomes of its holder.

    All methods that send are synchronous. They do nothing once the far side has ended the session, because
    that can always happen first; what makes no sense in a living session raises `LocalProtocolError`.
    """

    _core: Core = attrs.field(repr=False)
    invite: Request = attrs.field(repr=False)
    """UAS: the INVITE as received. UAC: as first sent, but for Via and Contact."""
    state: S
    flow: Flow | None
    """The way to the peer that was used last; for a new call the one that its INVITE came by."""
    dialog: Dialog | None = attrs.field(default=None, repr=False)
    """UAC: None until the peer answered."""
    _auth: DigestClient | None = attrs.field(default=None, repr=False)
    _server: ServerTransaction | None = attrs.field(default=None, repr=False)
    _capacity: int = attrs.field(default=16, repr=False)
    _client: ClientTransaction | None = attrs.field(init=False, default=None, repr=False)
    _credentials: Sequence[tuple[str, str]] = attrs.field(init=False, default=(), repr=False)
    _challenges: int = attrs.field(init=False, default=0, repr=False)
    _early: dict[str, Dialog] = attrs.field(init=False, factory=dict, repr=False)
    """UAC: the dialogs of provisional responses, by the peers' tags, until there is an answer."""
    _change: ServerTransaction | None = attrs.field(init=False, default=None, repr=False)
    """The re-INVITE or UPDATE with an offer that has no answer yet."""
    _offered: ServerTransaction | None = attrs.field(init=False, default=None, repr=False)
    """The INVITE whose 2xx carried our offer, until the answer comes in its ACK."""
    _reasons: Sequence[ReasonValue] = attrs.field(init=False, default=(), repr=False)
    _told: trio.MemorySendChannel[SessionEvent] = attrs.field(init=False, repr=False)
    _events: trio.MemoryReceiveChannel[SessionEvent] = attrs.field(init=False, repr=False)
    _over: trio.Event = attrs.field(init=False, factory=trio.Event, repr=False)

    def __attrs_post_init__(self) -> None:
        # What the peer can repeat at will is bounded by `_post`; the rest is one event per answer of ours.
        self._told, self._events = trio.open_memory_channel(math.inf)
        self._core.sessions.add(self)

    @classmethod
    def incoming(cls, core: Core, server: ServerTransaction, capacity: int) -> SipSession:
        """The session of a new INVITE. Raises `SipParseError` if it cannot make a dialog."""
        dialog = Dialog.as_uas(server.request, server.local_tag)
        session = cls(
            core, server.request, S.INCOMING, server.source, dialog, server=server, capacity=capacity
        )
        server.user = session._on_event
        core.layer.open_dialog(dialog.id, session._on_event)
        return session

    @classmethod
    def outgoing(cls, core: Core, invite: Request, auth: DigestClient | None, capacity: int) -> SipSession:
        """The session of an INVITE of ours, which is sent now."""
        session = cls(core, invite, S.CALLING, None, auth=auth, capacity=capacity)
        routes = invite.routes
        core.with_flow(routes[0].uri if routes else invite.uri, None, session._call)
        return session

    @property
    def over(self) -> bool:
        """True once nothing more can happen."""
        return self.state is S.OVER

    async def next_event(self) -> SessionEvent:
        """Wait for what happens next. Raises `trio.EndOfChannel` after the last event or when we ended it."""
        return await self._events.receive()

    async def wait_terminated(self) -> None:
        """Wait until the session is over and the peer knows, or has not answered for 32 s."""
        await self._over.wait()

    def ring(self, status: int = 180, body: bytes = b"") -> None:
        """UAS: send a provisional response; a body is early media."""
        if not 101 <= status <= 199:
            raise LocalProtocolError(f"{status} is not a provisional status above 100")
        if self._may(S.INCOMING):
            self._core.respond(self._caller, status, headers=self._headers(body), body=body)

    def answer(self, body: bytes) -> None:
        """UAS: accept the call. `body` answers the INVITE's offer, or is the offer if it had none."""
        if self._may(S.INCOMING):
            self._offered = None if self.invite.body else self._caller
            self._peer.confirm()
            self._move(S.ANSWERED)
            self._core.respond(self._caller, 200, headers=self._headers(body), body=body)

    def reject(self, status: int, reason: str | None = None, headers: Iterable[tuple[str, str]] = ()) -> None:
        """UAS: refuse the call with a status from 300 to 699."""
        if not 300 <= status <= 699:
            raise LocalProtocolError(f"{status} does not refuse a call")
        if self._may(S.INCOMING):
            self._core.respond(self._caller, status, reason, tuple(headers))
            self._finish()

    def cancel(self) -> None:
        """UAC: give up a call that was not answered. If the answer comes first, it gets a BYE."""
        if not self._may(S.CALLING):
            return
        self._move(S.CANCELLING)
        self._told.close()
        if self._client is None:
            self._finish()  # not even sent: its way is still being looked for
        elif self._client.machine.state is State.PROCEEDING:
            self._core.cancel(self._client)

    def bye(self, reasons: Sequence[ReasonValue] = ()) -> None:
        """End an answered call and say why (RFC 3326). On the answering side it leaves after the ACK came."""
        if not self._may(S.ANSWERED, S.UP):
            return
        self._reasons = reasons
        self._told.close()
        if self.state is S.ANSWERED:
            self._move(S.LEAVING)
        else:
            self._send_bye()

    def abandon(self) -> None:
        """The endpoint is gone."""
        self._finish(Failed(Failure.TRANSPORT))

    @property
    def _caller(self) -> ServerTransaction:
        """Of the answering side."""
        assert self._server is not None
        return self._server

    @property
    def _peer(self) -> Dialog:
        """Of every session but one that is being placed."""
        assert self.dialog is not None
        return self.dialog

    def _may(self, *states: S) -> bool:
        if self.state in states:
            return True
        if self.state in GONE:
            return False
        raise LocalProtocolError(f"not in a session that is {self.state.value}")

    def _move(self, state: S) -> None:
        if state not in SESSION_MOVES[self.state]:
            raise LocalProtocolError(f"session cannot become {state.value} when it is {self.state.value}")
        self.state = state

    def _post(self, event: SessionEvent, *, bounded: bool = True) -> bool:
        if self.state in GONE or (
            bounded and self._events.statistics().current_buffer_used >= self._capacity
        ):
            return False
        self._told.send_nowait(event)
        return True

    def _finish(self, last: SessionEvent | None = None) -> None:
        """Over, for whatever reason. Idempotent."""
        if self.state is S.OVER:
            return
        if last is not None:
            self._post(last, bounded=False)
        self._told.close()
        self._move(S.OVER)
        self._refuse_change(self._change, 487)
        self._close_early()
        if self.dialog is not None:
            self._core.layer.close_dialog(self.dialog.id)
            self.dialog.terminate()
        self._core.sessions.discard(self)
        self._over.set()

    def _headers(self, body: bytes = b"") -> list[tuple[str, str]]:
        """Header fields of our requests and responses that make or refresh a dialog."""
        contact = self._contact(self.flow) if self.flow else []
        return [*contact, ALLOW, *([("Content-Type", SDP)] if body else [])]

    def _contact(self, flow: Flow) -> list[tuple[str, str]]:
        uri = self.invite.uri if self._server else self.invite.from_.uri
        user = f"{uri.user}@" if uri.user else ""
        transport = f";transport={flow.transport.lower()}" if flow.reliable else ""
        return [("Contact", f"<sip:{user}{flow.sent_by}{transport}>")]

    def _on_event(self, event: Event) -> None:
        match event:
            case RequestReceived(server=server):
                self._on_request(self._peer, server)
            case CancelReceived(server=server):
                self._on_cancel(server)
            case AckReceived(server=server, ack=ack):
                self._on_ack(server, ack)
            case AckTimeout():
                self._on_ack_timeout()
            case ServerFailed(server=server):
                self._on_server_failed(server)
            case ResponseReceived(client=client, response=response):
                self._on_response(client, response)
            case TimedOut():
                self._finish(Failed(Failure.TIMEOUT))
            case ClientFailed():
                self._finish(Failed(Failure.TRANSPORT))

    # The answering side.

    def _on_server_failed(self, server: ServerTransaction) -> None:
        if server is self._change:
            self._change = None
        elif server is self._server and self.state is S.INCOMING:
            self._finish(Failed(Failure.TRANSPORT))

    def _on_cancel(self, server: ServerTransaction) -> None:
        if server is not self._server:
            self._refuse_change(server, 487)
        elif self.state is S.INCOMING:
            self._core.respond(server, 487)
            self._finish(Cancelled())

    def _on_ack(self, server: ServerTransaction, ack: Request) -> None:
        if server is self._offered:
            self._offered = None
        self._post(Acked(ack.body), bounded=False)
        if server is self._server:
            self._settle()

    def _settle(self) -> None:
        """The ACK to our answer came, or never will."""
        if self.state is S.ANSWERED:
            self._move(S.UP)
        elif self.state is S.LEAVING:
            self._send_bye()

    def _on_ack_timeout(self) -> None:
        self._post(Failed(Failure.NO_ACK), bounded=False)
        if self.state in {S.ANSWERED, S.UP, S.LEAVING}:
            self._told.close()
            self._send_bye()

    # The calling side.

    def _call(self, flow: Flow | None) -> None:
        if self.state is not S.CALLING:
            return
        self.flow = flow
        if flow is None:
            self._finish(Failed(Failure.TRANSPORT))
        else:
            self._send_invite(flow, self.invite.cseq.number)

    def _send_invite(self, flow: Flow, cseq: int) -> None:
        headers = self.invite.headers.copy()
        headers.set("CSeq", f"{cseq} INVITE")
        for name, value in (*self._headers(self.invite.body), *self._credentials):
            headers.add(name, value)
        invite = Request("INVITE", self.invite.uri, headers, self.invite.body)
        self._client = self._core.request(flow, invite, self._on_event)

    def _on_response(self, client: ClientTransaction, response: Response) -> None:
        if response.status < 200:
            self._open_early(client, response)
            if self.state is S.CALLING and response.status > 100:
                self._post(Ringing(response.status, response.body))
            elif self.state is S.CANCELLING and client.machine.state is State.PROCEEDING:
                self._core.cancel(client)
        elif response.status < 300:
            self._on_answer(client, response)
        elif self.state is S.CALLING and (credentials := self._credentials_for(client, response)):
            self._credentials = credentials
            self._send_invite(client.flow, client.request.cseq.number + 1)
        else:
            q850 = cause_of(reasons_of(response), Q850)
            self._finish(Rejected(response.status, response.reason, q850))

    def _credentials_for(self, client: ClientTransaction, response: Response) -> Sequence[tuple[str, str]]:
        """The answer to a challenge (RFC 3261 section 22.2); none if our credentials were refused."""
        if self._auth is None or response.status not in {401, 407} or self._challenges >= MAX_CHALLENGES:
            return ()
        self._challenges += 1
        try:
            return self._auth.answer(response, client.request)
        except AuthFailed:
            return ()

    def _renewed(self, client: ClientTransaction, request: Request) -> Request:
        """A later request of the call, with credentials of its own if the INVITE needed some."""
        for name, value in self._auth.renew(client.request, request) if self._auth else ():
            request.headers.add(name, value)
        return request

    def _open_early(self, client: ClientTransaction, response: Response) -> None:
        """A provisional response with a tag makes a dialog (section 12.1); the peer may use it."""
        tag = response.to.tag if response.status > 100 else None
        if tag is not None and tag not in self._early and len(self._early) < MAX_FORKS:
            dialog = self._early[tag] = Dialog.as_uac(client.request, response)
            self._core.layer.open_dialog(dialog.id, partial(self._on_early_event, dialog))

    def _close_early(self) -> None:
        for dialog in self._early.values():
            self._core.layer.close_dialog(dialog.id)
        self._early.clear()

    def _on_early_event(self, dialog: Dialog, event: Event) -> None:
        if isinstance(event, RequestReceived):
            self._on_request(dialog, event.server)

    def _on_answer(self, client: ClientTransaction, response: Response) -> None:
        """A 2xx: of the call, of one that we no longer want, or of one more branch of a fork (13.2.2.4)."""
        early = self._early.get(response.to.tag or "")
        self._close_early()
        dialog = early or Dialog.as_uac(client.request, response)
        dialog.confirm(response)
        ack = dialog.ack(client.request.cseq.number, self._credentials)
        if self.state not in {S.CALLING, S.CANCELLING}:
            self._send(dialog, client.flow, lambda flow: self._core.ack(client, ack, flow))
            bye = self._renewed(client, dialog.request("BYE"))
            self._send(dialog, client.flow, lambda flow: self._core.request(flow, bye, _ignore))
            return
        self.dialog = dialog
        self._core.layer.open_dialog(dialog.id, self._on_event)
        self._send(dialog, client.flow, lambda flow: self._core.ack(client, ack, flow))
        if self.state is S.CALLING:
            self._post(Answered(response.body), bounded=False)
            self._move(S.UP)
        else:
            self._send_bye()

    # In the dialog.

    def _on_request(self, dialog: Dialog, server: ServerTransaction) -> None:
        request = server.request
        refused = refusal(request)
        try:
            dialog.accept(request)
            if refused is not None:
                self._core.respond(server, refused[0], headers=refused[1])
            elif request.method == "BYE":
                self._on_bye(server)
            elif self.state in GONE:
                self._core.respond(server, 481)
            elif request.method == "INFO":
                self._on_info(server)
            elif request.method == "OPTIONS":
                self._core.respond(server, 200, headers=CAPABILITIES)
            else:
                self._on_change(dialog, server)
        except RemoteProtocolError as error:
            self._core.respond(server, error.status, error.reason)

    def _on_bye(self, server: ServerTransaction) -> None:
        if self.state in {S.CALLING, S.CANCELLING}:
            self._core.respond(server, 481)  # section 15: a callee does not end an early dialog by BYE
            return
        self._core.respond(server, 200)
        if self.state is S.INCOMING:
            self._core.respond(self._caller, 487)
        if self.state is not S.ENDING:  # then our own BYE still waits for its response
            self._finish(Bye(reasons_of(server.request)))

    def _on_info(self, server: ServerTransaction) -> None:
        request = server.request
        if self._post(Info(request.content_type or "", request.body)):
            self._core.respond(server, 200)
        else:
            self._core.respond(server, 503, headers=[("Retry-After", "1")])

    def _on_change(self, dialog: Dialog, server: ServerTransaction) -> None:
        """A re-INVITE or UPDATE: sections 14.2 of RFC 3261 and 5.2 of RFC 3311."""
        request = server.request
        if request.method == "UPDATE" and not request.body:
            self._agree(dialog, server, b"")
        elif self._change is not None or self.state is S.INCOMING:
            self._core.respond(server, 500, headers=[("Retry-After", str(random.randint(0, 10)))])
        elif self._offered is not None or self.state is S.CALLING:
            self._core.respond(server, 491)
        else:
            self._change = server
            server.user = self._on_event
            accept, refuse = partial(self._accept_change, server), partial(self._refuse_change, server)
            if not self._post(Offer(request.body, accept, refuse)):
                self._refuse_change(server, 503)

    def _accept_change(self, server: ServerTransaction, body: bytes) -> None:
        if server is self._change:
            self._change = None
            self._offered = None if server.request.body else server
            self._agree(self._peer, server, body)

    def _refuse_change(self, server: ServerTransaction | None, status: int) -> None:
        if server is not None and server is self._change:
            self._change = None
            self._core.respond(server, status)

    def _agree(self, dialog: Dialog, server: ServerTransaction, body: bytes) -> None:
        dialog.refresh(server.request)
        self._core.respond(server, 200, headers=self._headers(body), body=body)

    def _send(self, dialog: Dialog, kept: Flow | None, use: Callable[[Flow], object]) -> None:
        """Send in a dialog: on the way that it has, if that is a connection, else to its next hop."""

        def on_flow(flow: Flow | None) -> None:
            way = flow or kept
            if way is not None:
                use(way)

        self._core.with_flow(dialog.next_hop, kept, on_flow)

    def _send_bye(self, credentials: Sequence[tuple[str, str]] = ()) -> None:
        """Send a BYE: the first one, or once more with the answer to a challenge."""
        if self.state is not S.ENDING:
            self._move(S.ENDING)
            self._refuse_change(self._change, 487)
        reasons = [("Reason", str(reason)) for reason in self._reasons]
        bye = self._peer.request("BYE", [*credentials, *reasons])
        if self._client is not None and not credentials:
            self._renewed(self._client, bye)

        def send(flow: Flow) -> None:
            self.flow = flow
            self._core.request(flow, bye, self._on_bye_event)

        self._send(self._peer, self.flow, send)

    def _on_bye_event(self, event: Event) -> None:
        """A BYE ends the session whatever is answered, but for a challenge (sections 15.1.1 and 22.2)."""
        if isinstance(event, ResponseReceived):
            if event.response.status < 200:
                return
            if credentials := self._credentials_for(event.client, event.response):
                self._send_bye(credentials)
                return
        self._finish()


def _ignore(event: Event) -> None:
    """What becomes of this request does not matter."""
