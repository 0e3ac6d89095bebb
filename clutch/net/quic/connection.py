"""One connection of the aioquic engine: events up, packets down, timers, and its end."""

from __future__ import annotations

import math
from typing import Protocol

import attrs
import structlog
import trio
from aioquic.quic import events
from cryptography.hazmat.primitives import hashes

from clutch.net.errors import CertificateRejected, ConnectFailed
from clutch.net.link import Address, Datagrams
from clutch.net.quic.aioquic_private import Quic
from clutch.net.quic.engine import (
    INTERNAL_ERROR,
    Accept,
    Closed,
    Limits,
    QuicSession,
    SessionHandler,
    Stats,
    Target,
    Trust,
)
from clutch.net.quic.layer import ConnectionLayer, LayerFactory

log = structlog.get_logger(__name__)

_BROKEN = Closed("engine", INTERNAL_ERROR, "internal error")
_MAX_REASON = 512
"""Bytes: it must fit into a packet."""
_PINGS_PER_IDLE = 3
_GRANULARITY_S = 0.001
_BAD_CERTIFICATE = 0x100 + 42
"""CRYPTO_ERROR with the alert bad_certificate (RFC 9001, 4.8)."""
_CERTIFICATE_ALERTS = frozenset(0x100 + alert for alert in (42, 43, 44, 45, 46, 48))
"""Also unsupported, revoked, expired, unknown, and of an unknown authority (RFC 8446, 6.2)."""
_CRYPTO_FRAME = 0x06
_FOR_LAYER = (
    events.StreamDataReceived,
    events.StreamReset,
    events.StopSendingReceived,
    events.DatagramFrameReceived,
)


class Driver(Protocol):
    """What a connection needs of its engine."""

    accept: Accept
    limits: Limits

    def layer_for(self, protocol: str, target: Target | None) -> LayerFactory:
        """What speaks this ALPN; `target` is what a client wants."""

    def touch(self, connection: Connection) -> None:
        """It has something to send, or to finish."""

    def route(self, cid: bytes, connection: Connection) -> None:
        """Packets to this connection ID are for it."""

    def unroute(self, cid: bytes, connection: Connection) -> None:
        """Packets to this connection ID are for nobody."""

    def established(self, connection: Connection) -> None:
        """Its handshake is complete."""


@attrs.define(eq=False)
class Attempt:
    """A client's wish, until it has its session or not."""

    target: Target
    handler: SessionHandler
    done: trio.Event = attrs.field(factory=trio.Event)
    session: QuicSession | None = None
    failure: str = ""
    untrusted: bool = False
    """It failed because of the server's certificate."""

    async def outcome(self) -> QuicSession:
        """Wait for the session. Raises `ConnectFailed`, of which `CertificateRejected` is one."""
        await self.done.wait()
        if self.session is None:
            error = CertificateRejected if self.untrusted else ConnectFailed
            raise error(f"{self.target.host} port {self.target.port}: {self.failure}")
        return self.session


@attrs.define(eq=False)
class Connection:
    """`Carrier` and driver of one aioquic connection."""

    quic: Quic = attrs.field(repr=False)
    _driver: Driver = attrs.field(repr=False)
    _datagrams: Datagrams = attrs.field(repr=False)
    _came_from: Address
    give_up_at: float
    """When a handshake that is not complete by then is given up."""
    attempt: Attempt | None = attrs.field(default=None, repr=False)
    protocol: str = ""
    early: bool = True
    refused: bool = False
    over: bool = attrs.field(init=False, default=False)
    """The layer was told; only the last packets are still answered for."""
    gone: bool = attrs.field(init=False, default=False)
    """Nothing is left of it."""
    cids: set[bytes] = attrs.field(init=False, factory=set, repr=False)
    timer: float = attrs.field(init=False, default=math.inf)
    alarm: float = attrs.field(init=False, default=math.inf)
    """The earliest entry of it among the engine's timers: never later than `timer`."""
    _layer: ConnectionLayer | None = attrs.field(init=False, default=None, repr=False)
    _closed: Closed | None = attrs.field(init=False, default=None)
    """What this side wants told of the end."""
    _sent_bytes: int = attrs.field(init=False, default=0)
    _received_bytes: int = attrs.field(init=False, default=0)
    _close_at: float = attrs.field(init=False, default=math.inf)
    """When it is closed in any case, by its layer's wish."""
    _last_words: tuple[int, str] = attrs.field(init=False, default=(0, ""))
    _ping_at: float = attrs.field(init=False, default=math.inf)
    """When a client shows that it is still there: a server does not keep clients for their own sake."""

    # Carrier

    @property
    def client(self) -> bool:
        """See `Carrier.client`."""
        return self.attempt is not None

    @property
    def peer(self) -> Address:
        """See `Carrier.peer`."""
        address: Address = self.quic.get_peer_address() or self._came_from
        return address

    @property
    def authority(self) -> str:
        """See `Carrier.authority`."""
        return self.attempt.target.host if self.attempt is not None else self.quic.server_name

    @property
    def limits(self) -> Limits:
        """See `Carrier.limits`."""
        return self._driver.limits

    @property
    def accept(self) -> Accept:
        """See `Carrier.accept`."""
        return self._driver.accept

    @property
    def wanted(self) -> tuple[Target, SessionHandler]:
        """See `Carrier.wanted`."""
        assert self.attempt is not None
        return self.attempt.target, self.attempt.handler

    @property
    def stats(self) -> Stats:
        """See `Carrier.stats`."""
        return Stats(self._sent_bytes, self._received_bytes, self.quic.lost_packets, self.quic.smoothed_rtt)

    def touch(self) -> None:
        """See `Carrier.touch`."""
        self._driver.touch(self)

    def connected(self, session: QuicSession) -> None:
        """See `Carrier.connected`."""
        if self.attempt is not None:
            self.attempt.session = session
            if not self.early:
                self.attempt.done.set()

    def failed(self, reason: str) -> None:
        """See `Carrier.failed`."""
        if self.attempt is not None and not self.attempt.done.is_set():
            self.attempt.failure = reason
            self.attempt.done.set()

    def close(self, code: int, reason: str, *, by: Closed | None = None) -> None:
        """See `Carrier.close`."""
        if not self.over and self._closed is None:
            self._closed = by or Closed("local", code, reason)
            self.quic.close(code, reason_phrase=reason.encode()[:_MAX_REASON].decode(errors="ignore"))
            self.touch()

    def close_in(self, seconds: float, code: int, reason: str) -> None:
        """See `Carrier.close_in`."""
        self._close_at, self._last_words = trio.current_time() + seconds, (code, reason)
        self.touch()

    # What the engine calls

    def receive(self, data: bytes, source: Address, now: float) -> None:
        """A datagram came for it."""
        self._received_bytes += len(data)
        if self.client and not self.early:
            self._ping_at = now + self.quic.idle_s / _PINGS_PER_IDLE
        try:
            self.quic.receive_datagram(data, source, now)
        except Exception:
            self._broken()

    def dispatch(self) -> None:
        """Hand on what the datagrams of this batch said."""
        try:
            while (event := self.quic.next_event()) is not None:
                self._on_event(event)
        except Exception:
            self._broken()

    def batch_end(self) -> None:
        """All that had arrived was handed on."""
        if self._layer is not None and not self.over:
            try:
                self._layer.batch_end()
            except Exception:
                self._broken()

    def transmit(self, now: float) -> None:
        """Send what waits, finish what has ended, and set the timer."""
        if self.early and self.quic.blank and not self.client:
            self.gone = True  # what came first was no QUIC
            return
        ending = self.quic.ending
        try:
            if ending is not None and not self.over:
                self._finish(self._closed or _how(ending, self.quic))
            if self.gone:
                return
            for data, destination in self.quic.datagrams_to_send(now):
                self._sent_bytes += len(data)
                self._datagrams.send(data, destination)
            if self.quic.has_events:
                self.dispatch()  # connection IDs were issued with the packets
            if self.refused and self._layer is not None and not self.over:
                self._layer.sent()
        except Exception:
            self._broken()
        self._set_timer(now)

    def on_timer(self, now: float) -> None:
        """The timer has fired."""
        try:
            if self.early and now >= self.give_up_at:
                self.close(0, "handshake timeout", by=Closed("timeout", 0, "no handshake", application=False))
            if now >= self._close_at:
                self._close_at = math.inf
                self.close(*self._last_words)
            if now >= self._ping_at:
                self._ping_at = now + self.quic.idle_s / _PINGS_PER_IDLE
                self.quic.send_ping(0)
            self.quic.handle_timer(now)
            self.dispatch()
        except Exception:
            self._broken()

    def abandon(self, closed: Closed) -> None:
        """End without another packet."""
        if not self.over:
            self._finish(closed)
        self.gone = True
        self.quic.end_log()

    def start_early(self) -> None:
        """A client that was here before need not wait for the handshake, if the server agreed to that."""
        if self.quic.resumable:
            self.protocol = (self.quic.configuration.alpn_protocols or [""])[0]
            self._start()

    def _set_timer(self, now: float) -> None:
        timer = None if self.gone else self.quic.get_timer()
        if timer is None:
            self.gone = True
        else:
            if timer <= now:  # it was just called for: by a rounding error too early, or it cannot send yet
                timer = now + _GRANULARITY_S
            give_up_at = self.give_up_at if self.early and not self.over else self._ping_at
            self.timer = min(timer, give_up_at, self._close_at)

    def _on_event(self, event: events.QuicEvent) -> None:
        if isinstance(event, _FOR_LAYER):
            if self._layer is None:
                self._start()
            if self._layer is not None and not self.over:
                self._layer.handle_event(event)
        elif isinstance(event, events.HandshakeCompleted):
            self._on_handshake(event)
        elif isinstance(event, events.ProtocolNegotiated):
            self.protocol = event.alpn_protocol or ""
        elif isinstance(event, events.ConnectionIdIssued):
            self._driver.route(event.connection_id, self)
        elif isinstance(event, events.ConnectionIdRetired):
            self._driver.unroute(event.connection_id, self)
        elif isinstance(event, events.ConnectionTerminated):
            self.gone = True

    def _on_handshake(self, event: events.HandshakeCompleted) -> None:
        self.early = False
        self._driver.established(self)
        if self.attempt is not None and not _trusted(self.quic, self.attempt.target.trust):
            self.quic.close(_BAD_CERTIFICATE, _CRYPTO_FRAME, "not the certificate that is wanted")
        if self.quic.ending is None and self._layer is None:
            self._start()
        elif self.attempt is not None and self.attempt.session is not None:
            self.attempt.done.set()

    def _start(self) -> None:
        if self._closed is None:
            target = None if self.attempt is None else self.attempt.target
            self._layer = self._driver.layer_for(self.protocol, target)(self)
            self._layer.start()

    def _finish(self, closed: Closed) -> None:
        self.over = True
        if self.attempt is not None:
            self.attempt.untrusted = _is_untrusted(closed)
        self.failed(f"{closed.reason or 'closed'} ({closed.code:#x}, by {closed.by})")
        if self._layer is not None:
            try:
                self._layer.closed(closed)
            except Exception:
                log.exception("the end of a connection failed", peer=self.peer)

    def _broken(self) -> None:
        """Called while an exception is handled: the connection ends, whatever it was."""
        log.exception("a connection failed", peer=self.peer)
        if self._closed is None and not self.over:
            self.close(_BROKEN.code, _BROKEN.reason, by=_BROKEN)
        else:  # it failed while it ended
            self.abandon(_BROKEN)


def _trusted(quic: Quic, trust: Trust) -> bool:
    """Whether the server is the one that is wanted; aioquic has checked all but a fingerprint."""
    shown = quic.peer_certificate
    return (
        trust.fingerprint is None or shown is None or shown.fingerprint(hashes.SHA256()) == trust.fingerprint
    )


def _is_untrusted(closed: Closed) -> bool:
    """Whether this side did not take the certificate of the other."""
    return closed.by == "engine" and not closed.application and closed.code in _CERTIFICATE_ALERTS


def _how(ending: events.ConnectionTerminated, quic: Quic) -> Closed:
    """What to tell of an end that this side did not ask for."""
    code, reason, application = int(ending.error_code), ending.reason_phrase, ending.frame_type is None
    if quic.ended_by_peer:
        return Closed("peer", code, reason, application)
    return Closed("timeout" if reason == "Idle timeout" else "engine", code, reason, application)
