"""aioquic's connection, bounded."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Iterable
from typing import Any

from aioquic._buffer import Buffer
from aioquic.quic import events
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnectionId, QuicConnectionState
from aioquic.quic.packet_builder import QuicSentPacket
from aioquic.tls import SessionTicketFetcher, SessionTicketHandler, pull_client_hello
from cryptography import x509

from clutch.net.quic.aioquic_private.packets import new_cid, reset_token
from clutch.net.quic.aioquic_private.receiving import Receiving
from clutch.net.quic.engine import Limits

# What peers do wrong is the peers' business, and said by how the session ends.
logging.getLogger("quic").setLevel(logging.ERROR)

_DATAGRAM_OVERHEAD = 1 + 2 + 16 + 3
"""Frame type and length, AEAD tag, and the short header without its connection ID."""


class Quic(Receiving):
    """What the engine has of aioquic."""

    def __init__(
        self,
        configuration: QuicConfiguration,
        limits: Limits,
        shard: int,
        reset_key: bytes,
        *,
        original_destination: bytes | None = None,
        retry_source: bytes | None = None,
        ticket_fetcher: SessionTicketFetcher | None = None,
        ticket_handler: SessionTicketHandler | None = None,
    ) -> None:
        super().__init__(
            configuration=configuration,
            original_destination_connection_id=original_destination,
            retry_source_connection_id=retry_source,
            session_ticket_fetcher=ticket_fetcher,
            session_ticket_handler=ticket_handler,
        )
        self.server_name = ""
        """What the client asked for; empty if nothing."""
        self._shard = shard
        self._reset_key = reset_key
        first = self._host_cids[0]
        self._make_ours(first)
        self.host_cid = self._local_initial_source_connection_id = first.cid
        self._count_losses()
        for limit in (self._local_max_streams_bidi, self._local_max_streams_uni):
            limit.value = limit.sent = limits.streams

    # Connection IDs

    def _make_ours(self, issued: QuicConnectionId) -> None:
        issued.cid = new_cid(self._shard)
        if not self._is_client:
            issued.stateless_reset_token = reset_token(self._reset_key, issued.cid)

    def _replenish_connection_ids(self) -> None:
        known = len(self._host_cids)
        super()._replenish_connection_ids()
        for issued in self._host_cids[known:]:
            self._make_ours(issued)

    def reset_by(self, datagram: bytes) -> bool:
        """Whether it is a stateless reset: the peer has lost this connection (RFC 9000, 10.3.1)."""
        token = self._peer_cid.stateless_reset_token
        return bool(token) and hmac.compare_digest(datagram[-len(token) :], token)

    # State

    @property
    def ending(self) -> events.ConnectionTerminated | None:
        """How it ends, as soon as that is known; aioquic's own event comes only after the last packet."""
        return self._close_event

    @property
    def ended_by_peer(self) -> bool:
        """Whether the peer closed it."""
        return self._state is QuicConnectionState.DRAINING

    @property
    def has_events(self) -> bool:
        """Whether `next_event` has any."""
        return bool(self._events)

    @property
    def blank(self) -> bool:
        """Whether no packet was understood yet."""
        return self._state is QuicConnectionState.FIRSTFLIGHT

    @property
    def resumable(self) -> bool:
        """Whether there is a ticket that a client may send early data with."""
        ticket = self.tls.session_ticket
        return ticket is not None and ticket.max_early_data_size is not None

    @property
    def alpn(self) -> str:
        """What was negotiated; known before the event that says so, which a ticket may precede."""
        return self.tls.alpn_negotiated or ""

    @property
    def idle_s(self) -> float:
        """After how many silent seconds the connection ends."""
        return self._idle_timeout()

    @property
    def peer_certificate(self) -> x509.Certificate | None:
        """What the server showed; None if the session was resumed."""
        return self.tls._peer_certificate

    @property
    def smoothed_rtt(self) -> float:
        """Seconds; 0 before the first measurement."""
        return self._loss._rtt_smoothed

    def _send_probe(self) -> None:
        super()._send_probe()
        self._unusual = True

    def end_log(self) -> None:
        """No packet follows: the qlog is complete."""
        if self._quic_logger is not None and self._configuration.quic_logger is not None:
            self._configuration.quic_logger.end_trace(self._quic_logger)
            self._quic_logger = None

    def _initialize(self, peer_cid: bytes) -> None:
        super()._initialize(peer_cid)
        if not self._is_client:
            handle = self.tls._server_handle_hello

            def remember_name(hello: Buffer, *output: Buffer) -> None:
                self.server_name = pull_client_hello(hello).server_name or ""
                hello.seek(0)
                handle(hello, *output)

            self.tls._server_handle_hello = remember_name  # type: ignore[method-assign,assignment]

    def _count_losses(self) -> None:
        lose = self._loss._on_packets_lost

        def count(*, packets: Iterable[QuicSentPacket], **how: Any) -> None:
            lost = list(packets)
            self.lost_packets += len(lost)
            self._unusual = self._unusual or bool(lost)
            lose(packets=lost, **how)

        self.lost_packets = 0
        """Packets that were given up as lost."""
        self._loss._on_packets_lost = count  # type: ignore[method-assign]

    # What waits to be sent

    @property
    def unsent(self) -> int:
        """Bytes of streams and datagrams that were taken and never sent."""
        return self._written - self._given_up - self._remote_max_data_used + self._datagram_bytes

    @property
    def datagrams_unsent(self) -> int:
        """Bytes of datagrams among them."""
        return self._datagram_bytes

    @property
    def streams_waiting(self) -> int:
        """Streams that the peer's limit holds back."""
        return len(self._streams_blocked_bidi) + len(self._streams_blocked_uni)

    def stream_unsent(self, stream_id: int) -> int:
        """Bytes of one stream."""
        stream = self._streams.get(stream_id)
        return 0 if stream is None else stream.sender.unsent

    @property
    def max_datagram(self) -> int:
        """Longest payload of a datagram frame that fits into a packet and that the peer takes."""
        frame = self._remote_max_datagram_frame_size
        if not frame:
            return 0
        return max(0, min(frame - 3, self._max_datagram_size - _DATAGRAM_OVERHEAD - len(self._peer_cid.cid)))

    # Whom a stream belongs to

    def keep(self, stream_id: int, face: object) -> None:
        """Remember an object with a stream, for as long as the stream has any state."""
        stream = self._streams.get(stream_id)
        if stream is not None:
            stream.face = face

    def face(self, stream_id: int) -> Any:
        """What was kept; None if nothing was, or the stream is no more."""
        stream = self._streams.get(stream_id)
        return None if stream is None else stream.face

    def faces(self) -> list[tuple[int, Any]]:
        """Every stream that has any state, and what was kept."""
        return [(stream_id, stream.face) for stream_id, stream in self._streams.items()]
