"""The one place where private parts of aioquic are used, and why; its version is pinned.

What aioquic lacks and is added here: connection IDs with a shard, stream limits, windows that stay as they
are instead of doubling whatever the application does, and the account of what waits to be sent.
"""

from __future__ import annotations

import hmac
import logging
import os
from collections.abc import Iterable
from typing import Any

from aioquic._buffer import Buffer
from aioquic.h3.connection import H3Connection
from aioquic.quic import events
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import (
    CONNECTION_LIMIT_FRAME_CAPACITY,
    MAX_STREAM_DATA_FRAME_CAPACITY,
    TRANSPORT_CLOSE_FRAME_CAPACITY,
    QuicConnection,
    QuicConnectionId,
    QuicConnectionState,
    QuicReceiveContext,
)
from aioquic.quic.crypto import CryptoPair
from aioquic.quic.packet import (
    STATELESS_RESET_TOKEN_SIZE,
    QuicFrameType,
    QuicPacketType,
    QuicProtocolVersion,
)
from aioquic.quic.packet_builder import QuicPacketBuilder, QuicSentPacket
from aioquic.quic.recovery import QuicPacketSpace
from aioquic.quic.stream import QuicStream, QuicStreamSender
from aioquic.tls import SessionTicketFetcher, SessionTicketHandler, pull_client_hello
from cryptography import x509

from clutch.net.quic.engine import Limits
from clutch.wire.webtransport import SETTINGS

# What peers do wrong is the peers' business, and said by how the session ends.
logging.getLogger("quic").setLevel(logging.ERROR)

CID_BYTES = 8
VERSIONS: list[int] = [QuicProtocolVersion.VERSION_1, QuicProtocolVersion.VERSION_2]
_DATAGRAM_OVERHEAD = 1 + 2 + 16 + 3
"""Frame type and length, AEAD tag, and the short header without its connection ID."""


class Quic(QuicConnection):
    """aioquic's connection, bounded."""

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
        self._window = configuration.max_data
        self._stream_window = configuration.max_stream_data
        self._delivered = 0
        self._written = 0
        self._given_up = 0
        self._datagram_bytes = 0

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
    def blank(self) -> bool:
        """Whether no packet was understood yet."""
        return self._state is QuicConnectionState.FIRSTFLIGHT

    @property
    def resumable(self) -> bool:
        """Whether there is a ticket that a client may send early data with."""
        ticket = self.tls.session_ticket
        return ticket is not None and ticket.max_early_data_size is not None

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
        """The same of one stream."""
        stream = self._streams.get(stream_id)
        return 0 if stream is None else _unsent(stream.sender)

    @property
    def max_datagram(self) -> int:
        """Longest payload of a datagram frame that fits into a packet and that the peer takes."""
        frame = self._remote_max_datagram_frame_size
        if not frame:
            return 0
        return max(0, min(frame - 3, self._max_datagram_size - _DATAGRAM_OVERHEAD - len(self._peer_cid.cid)))

    def send_stream_data(self, stream_id: int, data: bytes, end_stream: bool = False) -> None:
        """As aioquic does, on the account of what waits."""
        super().send_stream_data(stream_id, data, end_stream)
        self._written += len(data)

    def send_datagram_frame(self, data: bytes) -> None:
        """The same."""
        super().send_datagram_frame(data)
        self._datagram_bytes += len(data)

    def _write_datagram_frame(self, builder: QuicPacketBuilder, data: bytes, frame_type: Any) -> bool:
        written = super()._write_datagram_frame(builder, data, frame_type)
        self._datagram_bytes -= len(data)
        return written

    def reset_stream(self, stream_id: int, error_code: int) -> None:
        """The same."""
        self._give_up(stream_id)
        super().reset_stream(stream_id, error_code)
        stream = self._streams.get(stream_id)
        if stream is not None and stream.is_blocked:
            stream.sender.reset_pending = False  # for the peer it must not exist yet

    def _unblock_streams(self, is_unidirectional: bool) -> None:
        waiting = self._streams_blocked_uni if is_unidirectional else self._streams_blocked_bidi
        waited = waiting[:]
        super()._unblock_streams(is_unidirectional)
        for stream in waited[: len(waited) - len(waiting)]:
            stream.sender.reset_pending = stream.sender._reset_error_code is not None

    def stop(self, stream_id: int, error_code: int) -> None:
        """Ask the peer to stop sending; nothing if it has finished, or the stream is no more."""
        stream = self._streams.get(stream_id)
        if stream is not None and not stream.receiver.is_finished:
            stream.receiver.stop(error_code)

    def _handle_stop_sending_frame(self, context: QuicReceiveContext, frame_type: int, buf: Any) -> None:
        start = buf.tell()
        stream_id = buf.pull_uint_var()
        buf.seek(start)
        self._give_up(stream_id)
        super()._handle_stop_sending_frame(context, frame_type, buf)

    def _give_up(self, stream_id: int) -> None:
        stream = self._streams.get(stream_id)
        if stream is not None:
            self._given_up += _unsent(stream.sender)

    # Whom a stream belongs to

    def keep(self, stream_id: int, face: object) -> None:
        """Remember an object with a stream, for as long as the stream has any state."""
        stream = self._streams.get(stream_id)
        if stream is not None:
            stream.face = face  # type: ignore[attr-defined]

    def face(self, stream_id: int) -> Any:
        """What was kept; None if nothing was, or the stream is no more."""
        return getattr(self._streams.get(stream_id), "face", None)

    def faces(self) -> list[tuple[int, Any]]:
        """Every stream that has any state, and what was kept."""
        return [(stream_id, getattr(stream, "face", None)) for stream_id, stream in self._streams.items()]

    # Windows: what the peer may send is what was delivered and a fixed window more (RFC 9000, 4.1)

    def next_event(self) -> events.QuicEvent | None:
        """As aioquic does; what it hands over counts as delivered."""
        event = super().next_event()
        if isinstance(event, events.StreamDataReceived):
            self._delivered += len(event.data)
        elif isinstance(event, events.StreamReset):
            receiver = self._streams[event.stream_id].receiver
            self._delivered += receiver.highest_offset - receiver._buffer_start
        return event

    def _write_connection_limits(self, builder: QuicPacketBuilder, space: QuicPacketSpace) -> None:
        data = self._local_max_data
        if self._delivered + self._window - data.value >= self._window // 2:
            data.value = self._delivered + self._window
        for limit in (data, self._local_max_streams_bidi, self._local_max_streams_uni):
            # A peer that has more streams left than it would get is not told yet.
            if limit.value == limit.sent or (
                limit is not data and limit.sent - limit.used >= limit.value - limit.sent
            ):
                continue
            buf = builder.start_frame(
                limit.frame_type,
                capacity=CONNECTION_LIMIT_FRAME_CAPACITY,
                handler=self._on_connection_limit_delivery,
                handler_args=(limit,),
            )
            buf.push_uint_var(limit.value)
            limit.sent = limit.value

    def _write_stream_limits(
        self, builder: QuicPacketBuilder, space: QuicPacketSpace, stream: QuicStream
    ) -> None:
        if stream.stream_id is None or not stream.max_stream_data_local:
            return  # of ours, one way
        receiver = stream.receiver
        credit = receiver._buffer_start + self._stream_window
        if receiver._final_size is None and credit - stream.max_stream_data_local >= self._stream_window // 2:
            stream.max_stream_data_local = credit
        if stream.max_stream_data_local_sent != stream.max_stream_data_local:
            buf = builder.start_frame(
                QuicFrameType.MAX_STREAM_DATA,
                capacity=MAX_STREAM_DATA_FRAME_CAPACITY,
                handler=self._on_max_stream_data_delivery,
                handler_args=(stream,),
            )
            buf.push_uint_var(stream.stream_id)
            buf.push_uint_var(stream.max_stream_data_local)
            stream.max_stream_data_local_sent = stream.max_stream_data_local


def new_cid(shard: int) -> bytes:
    """A connection ID that says whose it is."""
    return bytes([shard]) + os.urandom(CID_BYTES - 1)


def reset_token(key: bytes, cid: bytes) -> bytes:
    """The proof that whoever has the key knows nothing of a connection ID any more (RFC 9000, 10.3.2)."""
    return hmac.digest(key, cid, "sha256")[:STATELESS_RESET_TOKEN_SIZE]


def _unsent(sender: QuicStreamSender) -> int:
    """What a stream has never sent; nothing once it was reset."""
    return 0 if sender._reset_error_code is not None else sender._buffer_stop - sender.highest_offset


def initial_close(version: int, destination: bytes, source: bytes, code: int) -> bytes:
    """A server's only packet to a client that it does not serve: CONNECTION_CLOSE in an Initial, with the
    keys that the client's destination gives (RFC 9000, 5.2.2; RFC 9001, 5.2)."""
    crypto = CryptoPair()
    crypto.setup_initial(cid=destination, is_client=False, version=version)
    builder = QuicPacketBuilder(
        host_cid=destination, is_client=False, max_datagram_size=1200, peer_cid=source, version=version
    )
    builder.start_packet(QuicPacketType.INITIAL, crypto)
    frame = builder.start_frame(QuicFrameType.TRANSPORT_CLOSE, capacity=TRANSPORT_CLOSE_FRAME_CAPACITY)
    for field in (code, QuicFrameType.PADDING, 0):
        frame.push_uint_var(field)
    datagrams, _ = builder.flush()
    return datagrams[0]


class Http3(H3Connection):
    """aioquic's HTTP/3, with the settings of WebTransport and an account of what it keeps.

    Only streams of HTTP/3 itself are given to it: aioquic takes the peer's answer on a bidirectional stream
    of WebTransport for frames.
    """

    def __init__(self, quic: Quic) -> None:
        super().__init__(quic, enable_webtransport=True)

    def _get_local_settings(self) -> dict[int, int]:
        return {**super()._get_local_settings(), **SETTINGS}

    @property
    def critical_streams(self) -> list[int]:
        """Streams of ours that must not end."""
        ours = (self._local_control_stream_id, self._local_encoder_stream_id, self._local_decoder_stream_id)
        return [stream_id for stream_id in ours if stream_id is not None]

    @property
    def buffered(self) -> int:
        """Bytes of frames that are not complete."""
        return sum(len(stream.buffer) for stream in self._stream.values())

    def finish(self, stream_id: int, data: bytes = b"") -> None:
        """Send the last data of a stream, unless its end was sent."""
        stream = self._stream.get(stream_id)
        if stream is not None and not stream.sending_ended:
            self.send_data(stream_id, data, end_stream=True)

    def forget(self, stream_id: int) -> None:
        """A stream was given up: nothing of it will be handed in or sent any more."""
        self._stream.pop(stream_id, None)
