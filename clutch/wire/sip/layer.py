"""The transaction layer: messages in, messages and events out, time as an argument.

Sits between a transport and a transaction user (RFC 3261 sections 17 and 18.1.2 to 18.2.2, with the rules
of sections 8.2, 9 and 13.3.1.4 that need no knowledge of the user's). Five methods face the transport:
`receive`, `to_send`, `next_timer`, `on_timer`, `next_event`; a sixth, `transport_failed`, brings bad news.
The user answers with `request`, `cancel`, `ack` and `respond`.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Sequence

import attrs

from clutch.wire.sip.dialog import DialogId
from clutch.wire.sip.errors import LocalProtocolError, SipParseError
from clutch.wire.sip.events import (
    AckReceived,
    AckTimeout,
    CancelReceived,
    ClientFailed,
    ClientTransaction,
    Counters,
    Event,
    RequestReceived,
    ResponseReceived,
    ServerFailed,
    ServerTransaction,
    TimedOut,
    User,
)
from clutch.wire.sip.flow import Flow
from clutch.wire.sip.matching import (
    MAGIC_COOKIE,
    Key,
    ack_for,
    cancel_for,
    client_key,
    merge_key,
    ok_key,
    reply_flow,
    sent_by_flow,
    server_key,
    size_of,
    stamp_source,
    stateless_tag,
)
from clutch.wire.sip.message import Request, Response, parse_message, response_to, validate
from clutch.wire.sip.transaction import Do, Input, Kind, State, Timer, Transaction

RETRY_AFTER_S = 5
"""What a refused peer is asked to wait."""
ORDINARY_BYTES = 4_096
"""How big the request of a server transaction is, at the most, that counts for one."""
MAX_FORKS = 16
"""How many 2xx responses of different peers one INVITE of ours may get; more are dropped."""
_KEEP_ALIVE = b"\r\n\0 "


@attrs.define(eq=False)
class _Accepted:
    """Our 2xx to an INVITE, until its ACK comes."""

    server: ServerTransaction
    key: Key
    machine: Transaction
    last: bytes
    scheduled: float | None = None


_Owner = ClientTransaction | ServerTransaction | _Accepted
_Passed = Request | Response | bytes | None
"""What comes with an input: the message received, or the bytes to send."""


@attrs.define(eq=False)
class TransactionLayer:
    """All transactions of one endpoint."""

    token: Callable[[], str]
    """Makes unguessable tokens for branches and tags: letters and digits, at least 64 bits of randomness."""
    max_server_transactions: int = 32_000
    """How many requests of ordinary size are served at once: 1,000 a second, for the 32 s that each is kept.
    A big one counts for several. Above it, those outside dialogs get a stateless 503; inside dialogs twice as
    many are let in, so that a flood of new calls does not keep the old ones from ending."""
    counters: Counters = attrs.field(init=False, factory=Counters)
    _clients: dict[Key, ClientTransaction] = attrs.field(init=False, factory=dict)
    _servers: dict[Key, ServerTransaction] = attrs.field(init=False, factory=dict)
    _merges: dict[Key, ServerTransaction] = attrs.field(init=False, factory=dict)
    _load: int = attrs.field(init=False, default=0)
    """The sum of the weights of all server transactions."""
    _riders: dict[Flow, dict[ClientTransaction | ServerTransaction, None]] = attrs.field(
        init=False, factory=dict
    )
    """The transactions of each connection, which fail with it."""
    _accepted: dict[Key, _Accepted] = attrs.field(init=False, factory=dict)
    _dialogs: dict[DialogId, User] = attrs.field(init=False, factory=dict)
    _timers: list[tuple[float, int, _Owner]] = attrs.field(init=False, factory=list)
    _timer_number: itertools.count[int] = attrs.field(init=False, factory=itertools.count)
    _out: list[tuple[bytes, Flow]] = attrs.field(init=False, factory=list)
    _events: deque[Event] = attrs.field(init=False, factory=deque)

    def __repr__(self) -> str:
        return (
            f"<TransactionLayer: {len(self._clients)} client, {len(self._servers)} server, "
            f"{len(self._dialogs)} dialogs>"
        )

    @property
    def transactions(self) -> int:
        """How many transactions are held: client, server, and 2xx responses that wait for their ACK."""
        return len(self._clients) + len(self._servers) + len(self._accepted)

    def receive(self, message: bytes | Request | Response, source: Flow, now: float) -> None:
        """Take a datagram, or a message from a stream. Never raises: what is wrong is answered or counted."""
        try:
            if isinstance(message, bytes):
                if not message.strip(_KEEP_ALIVE):
                    return
                message = parse_message(message)
            validate(message)
            if isinstance(message, Response):
                self._receive_response(message, now)
            else:
                stamp_source(message, source)
                self._receive_request(message, source, now)
        except SipParseError as error:
            self.malformed(error, source)

    def malformed(self, error: SipParseError, source: Flow) -> None:
        """Count a message that could not be read; answer it without keeping state if it can be answered."""
        self.counters.malformed += 1
        if error.message is not None:
            stamp_source(error.message, source)
            self._refuse(error.message, source, error.status, error.reason)

    def to_send(self) -> list[tuple[bytes, Flow]]:
        """Everything that is to be sent, in order; the caller owns it now."""
        out, self._out = self._out, []
        return out

    def next_timer(self) -> float | None:
        """When `on_timer` wants to be called next; None if no timer runs."""
        while self._timers:
            due, _, owner = self._timers[0]
            if owner.scheduled == due:
                return due
            heapq.heappop(self._timers)
        return None

    def on_timer(self, now: float) -> None:
        """Let every timer act that expired by `now`. Calling it early or late is harmless."""
        while (due := self.next_timer()) is not None and due <= now:
            owner = heapq.heappop(self._timers)[2]
            owner.scheduled = None
            timer = owner.machine.expired(now)
            if timer is not None:
                self._step(owner, timer, now)

    def next_event(self) -> Event | None:
        """The next thing that the user should know, or None. Drain it after every call that takes `now`."""
        return self._events.popleft() if self._events else None

    def transport_failed(self, flow: Flow, now: float) -> None:
        """Nothing can be sent over this flow any more, or its connection was closed."""
        for owner in list(self._riders.get(flow, ())):
            if isinstance(owner, ClientTransaction) or owner.fallback is None:
                self._step(owner, Input.TRANSPORT_ERROR, now)
                continue
            self._alight(owner, flow)
            owner.reply_to, owner.fallback = owner.fallback, None
            self._board(owner, owner.reply_to)
            if owner.last is not None:
                self._out.append((owner.last, owner.reply_to))

    def request(
        self, request: Request, flow: Flow, now: float, user: User | None = None
    ) -> ClientTransaction:
        """Send a request, any but ACK and CANCEL, with our Via on top; events about it are for `user`."""
        if request.method in {"ACK", "CANCEL"}:
            raise LocalProtocolError(f"{request.method} is sent by {request.method.lower()}()")
        self._add_via(request, flow)
        return self._start_client(request, flow, now, user)

    def cancel(self, invite: ClientTransaction, now: float) -> None:
        """Cancel an INVITE (section 9.1); its outcome comes as an event as if nobody had.

        Raises `LocalProtocolError` unless there was a provisional and no final response.
        """
        self._step(invite, Input.SEND_CANCEL, now)
        self._start_client(cancel_for(invite.request), invite.flow, now)

    def ack(self, invite: ClientTransaction, ack: Request, flow: Flow) -> None:
        """Send the ACK to a 2xx, and send it again for every repetition of that 2xx. Puts our Via on it."""
        self._add_via(ack, flow)
        sent = (ack.to_bytes(), flow)
        invite.acks[ack.to.tag or ""] = sent
        self._out.append(sent)

    def respond(self, server: ServerTransaction, response: Response, now: float) -> None:
        """Send a response, best made by `server.response`. A 2xx to an INVITE is repeated until its ACK.

        Raises `LocalProtocolError`, and changes nothing, if the transaction has its final response already or
        the response cannot be written.
        """
        status, data = response.status, response.to_bytes()
        event = Input.SEND_1XX if status < 200 else Input.SEND_2XX if status < 300 else Input.SEND_3XX_6XX
        self._step(server, event, now, data)
        if server.machine.kind is Kind.IST and event is Input.SEND_2XX:
            machine = Transaction.start(Kind.OK, reliable=server.reply_to.reliable, now=now)
            key = ok_key(server.request, server.local_tag)
            accepted = _Accepted(server, key, machine, data)
            self._accepted[key] = accepted
            self._schedule(accepted)

    def open_dialog(self, dialog: DialogId, user: User) -> None:
        """New requests in this dialog are for `user`; those in unknown dialogs get a 481."""
        self._dialogs[dialog] = user

    def close_dialog(self, dialog: DialogId) -> None:
        """The dialog is no more. Idempotent."""
        self._dialogs.pop(dialog, None)

    def _receive_response(self, response: Response, now: float) -> None:
        client = self._clients.get(client_key(response))
        if client is None or len(response.vias) != 1:  # 8.1.3.3: more than one Via is a misrouted response
            self.counters.stray += 1
            return
        status = response.status
        event = Input.RECV_1XX if status < 200 else Input.RECV_2XX if status < 300 else Input.RECV_3XX_6XX
        self._step(client, event, now, response)

    def _receive_request(self, request: Request, source: Flow, now: float) -> None:
        known = self._servers.get(server_key(request, request.method))
        if request.method == "ACK":
            self._receive_ack(request, now)
        elif known is not None:
            self.counters.repeated += 1
            self._step(known, Input.RECV_REQUEST, now)
        elif request.method == "CANCEL":
            self._receive_cancel(request, source, now)
        elif (refusal := self._refusal(request)) is not None:
            status, headers = refusal
            self._refuse(request, source, status, headers=headers)
        else:
            server = self._start_server(request, source, now, request.to.tag or self.token())
            if server.machine.kind is Kind.IST:
                self.respond(server, server.response(100), now)
            dialog = DialogId.of_incoming(request)
            self._events.append(RequestReceived(server, self._dialogs[dialog] if dialog else None))

    def _receive_ack(self, ack: Request, now: float) -> None:
        accepted = self._accepted.get(ok_key(ack, ack.to.tag or ""))
        server = self._servers.get(server_key(ack, "INVITE"))
        if accepted is not None:
            self._step(accepted, Input.RECV_ACK, now, ack)
        elif server is not None:
            self._step(server, Input.RECV_ACK, now, ack)
        else:
            self.counters.stray += 1

    def _receive_cancel(self, cancel: Request, source: Flow, now: float) -> None:
        invite = self._servers.get(server_key(cancel, "INVITE"))
        if invite is None:
            self._refuse(cancel, source, 481)
            return
        server = self._start_server(cancel, source, now, invite.local_tag)
        self.respond(server, server.response(200), now)
        if invite.machine.state is State.PROCEEDING:
            self._events.append(CancelReceived(invite))

    def _refusal(self, request: Request) -> tuple[int, Sequence[tuple[str, str]]] | None:
        dialog = DialogId.of_incoming(request)
        if dialog is not None and dialog not in self._dialogs:
            return 481, ()
        if (merge := merge_key(request)) is not None and merge in self._merges:
            return 482, ()
        room = self.max_server_transactions * (1 if dialog is None else 2)
        if self._load >= room:
            self.counters.refused += 1
            return 503, (("Retry-After", str(RETRY_AFTER_S)),)
        return None

    def _refuse(
        self,
        request: Request,
        source: Flow,
        status: int,
        reason: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        response = response_to(request, status, reason, to_tag=stateless_tag(request), headers=headers)
        self._out.append((response.to_bytes(), reply_flow(request, source)))

    def _add_via(self, request: Request, flow: Flow) -> None:
        branch = MAGIC_COOKIE + self.token()
        request.headers.prepend("Via", f"SIP/2.0/{flow.transport} {flow.sent_by};branch={branch};rport")

    def _start_client(
        self, request: Request, flow: Flow, now: float, user: User | None = None
    ) -> ClientTransaction:
        kind = Kind.ICT if request.method == "INVITE" else Kind.NICT
        machine = Transaction.start(kind, reliable=flow.reliable, now=now)
        client = ClientTransaction(request, flow, client_key(request), machine, request.to_bytes(), user)
        self._clients[client.key] = client
        self._board(client, flow)
        self._out.append((client.last, flow))
        self._schedule(client)
        return client

    def _start_server(self, request: Request, source: Flow, now: float, local_tag: str) -> ServerTransaction:
        kind = Kind.IST if request.method == "INVITE" else Kind.NIST
        server = ServerTransaction(
            request,
            source,
            reply_to=reply_flow(request, source),
            fallback=sent_by_flow(request, source) if source.reliable else None,
            local_tag=local_tag,
            key=server_key(request, request.method),
            merge_key=merge_key(request),
            machine=Transaction.start(kind, reliable=source.reliable, now=now),
            weight=1 + size_of(request) // ORDINARY_BYTES,
        )
        self._servers[server.key] = server
        self._load += server.weight
        self._board(server, server.reply_to)
        if server.merge_key is not None:
            self._merges[server.merge_key] = server
        return server

    def _step(self, owner: _Owner, event: Input | Timer, now: float, message: _Passed = None) -> None:
        for action in owner.machine.handle(event, now):
            self._perform(owner, action, message)
        self._schedule(owner)
        if owner.machine.state is State.TERMINATED:
            self._forget(owner)

    def _perform(self, owner: _Owner, action: Do, message: _Passed) -> None:
        match action, owner, message:
            case Do.SEND, ServerTransaction(), bytes():
                owner.last = message
                self._out.append((message, owner.reply_to))
            case Do.RESEND, _, _:
                self._resend(owner)
            case Do.ACK, ClientTransaction(), Response():
                self._out.append((ack_for(owner.request, message).to_bytes(), owner.flow))
            case Do.PASS, ClientTransaction(), Response():
                self._pass_response(owner, message)
            case Do.PASS, _Accepted(), Request():
                self._events.append(AckReceived(owner.server, message))
            case Do.TIME_OUT, ClientTransaction(), _:
                self._events.append(TimedOut(owner))
            case Do.TIME_OUT, _Accepted(), _:
                self._events.append(AckTimeout(owner.server))
            case Do.FAIL, ClientTransaction(), _:
                self._events.append(ClientFailed(owner))
            case Do.FAIL, ServerTransaction(), _:
                self._events.append(ServerFailed(owner))
            case Do.PASS, ServerTransaction(), _:
                self.counters.stray += 1  # a 2xx's ACK that came again
            case _:
                pass  # a final response that is never acknowledged: nobody needs to know

    def _resend(self, owner: _Owner) -> None:
        match owner:
            case ClientTransaction():
                flow = owner.flow
            case ServerTransaction():
                flow = owner.reply_to
            case _Accepted():
                flow = owner.server.reply_to
        if owner.last is not None:
            self.counters.retransmitted += 1
            self._out.append((owner.last, flow))

    def _pass_response(self, client: ClientTransaction, response: Response) -> None:
        """Tell the user, unless this is a 2xx to an INVITE that it was told before."""
        if client.machine.state is State.ACCEPTED:
            tag = response.to.tag or ""
            if tag in client.acks:
                self.counters.repeated += 1
                if (ack := client.acks[tag]) is not None:
                    self._out.append(ack)
                return
            if len(client.acks) >= MAX_FORKS:
                self.counters.stray += 1
                return
            client.acks[tag] = None
        self._events.append(ResponseReceived(client, response))

    def _schedule(self, owner: _Owner) -> None:
        due = owner.machine.next_timer()
        if due is not None and due != owner.scheduled:
            heapq.heappush(self._timers, (due, next(self._timer_number), owner))
        owner.scheduled = due  # an entry of the heap with another time than this is stale

    def _forget(self, owner: _Owner) -> None:
        match owner:
            case ClientTransaction():
                self._clients.pop(owner.key, None)
                self._alight(owner, owner.flow)
            case ServerTransaction():
                self._servers.pop(owner.key, None)
                self._load -= owner.weight
                if owner.merge_key is not None:
                    self._merges.pop(owner.merge_key, None)
                self._alight(owner, owner.reply_to)
            case _Accepted():
                self._accepted.pop(owner.key, None)

    def _board(self, owner: ClientTransaction | ServerTransaction, flow: Flow) -> None:
        if flow.reliable:
            self._riders.setdefault(flow, {})[owner] = None

    def _alight(self, owner: ClientTransaction | ServerTransaction, flow: Flow) -> None:
        riders = self._riders.get(flow)
        if riders is not None:
            riders.pop(owner, None)
            if not riders:
                del self._riders[flow]
