"""What a connection sends: which streams have something, and how much the peer may send."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aioquic.quic.connection import (
    CONNECTION_LIMIT_FRAME_CAPACITY,
    MAX_STREAM_DATA_FRAME_CAPACITY,
    Limit,
    QuicConnection,
    QuicNetworkPath,
)
from aioquic.quic.packet import QuicFrameType, QuicStreamFrame
from aioquic.quic.packet_builder import QuicDeliveryState, QuicPacketBuilder
from aioquic.quic.recovery import QuicPacketSpace

from clutch.net.quic.aioquic_private.packets import varint
from clutch.net.quic.aioquic_private.streams import NO_RECEIVER, Stream

END_BYTES = 8
"""How long the end of a stream may be to wait for company: MoQT's END_OF_GROUP has 4 bytes."""


class Sending(QuicConnection):
    """A connection that knows which of its streams have something to send."""

    _streams: dict[int, Stream]  # type: ignore[assignment]

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._active: dict[Stream, None] = {}
        """Streams with something to send that the peer's limit does not hold back."""
        self._lazy: dict[Stream, None] = {}
        """Streams with nothing but their end to send, which may wait for company."""
        self._ended: list[Stream] = []
        """Finished both ways: to be forgotten once what they said was handed on."""
        self._credit: dict[Stream, None] = {}
        """Streams whose peer may be told that it can send more."""
        self._ranked = False
        """Whether any stream has a priority."""
        self._unusual = True
        """Whether more than ACK, DATAGRAM and STREAM frames may wait to be sent."""
        self._window = self._configuration.max_data
        self._stream_window = self._configuration.max_stream_data
        self._delivered = 0
        """Bytes of streams that were handed on."""
        self._written = 0
        self._given_up = 0
        """Bytes that were taken, and reset before they were sent."""
        self._datagram_bytes = 0

    # Streams

    def send_stream_data(self, stream_id: int, data: bytes, end_stream: bool = False) -> None:
        """As aioquic does, on the account of what waits; nothing on a stream that the peer has stopped: the
        event that says so may still be waiting."""
        stream = self._get_or_create_stream_for_send(stream_id)
        if not stream.sender.ended:
            self._write(stream, data, end_stream)

    def open_stream(self, data: bytes, *, fin: bool, one_way: bool) -> Stream:
        """Open one and write to it."""
        number = self._local_next_stream_id_uni if one_way else self._local_next_stream_id_bidi
        stream = self._get_or_create_stream_for_send(number)
        self._write(stream, data, fin)
        return stream

    def _write(self, stream: Stream, data: bytes, fin: bool) -> None:
        sender = stream.sender
        begun = sender.highest_offset and sender.buffer_is_empty
        sender.write(data, fin)
        self._written += len(data)
        if fin and begun and len(data) <= END_BYTES and stream.receiver is NO_RECEIVER:
            self._lazy[stream] = None
        elif not stream.is_blocked:
            self._active[stream] = None

    def _get_or_create_stream_for_send(self, stream_id: int) -> Stream:  # type: ignore[override]
        stream = self._streams.get(stream_id)
        if stream is not None:
            return stream
        one_way = bool(stream_id & 2)
        ours = self._local_next_stream_id_uni if one_way else self._local_next_stream_id_bidi
        if stream_id != ours:
            raise ValueError("cannot send on a stream that has ended, or is not ours")
        if one_way:
            stream = Stream(stream_id, 0, self._remote_max_stream_data_uni, readable=False)
            self._local_next_stream_id_uni = stream_id + 4
            most, blocked = self._remote_max_streams_uni, self._streams_blocked_uni
        else:
            stream = Stream(
                stream_id,
                self._local_max_stream_data_bidi_local,
                self._remote_max_stream_data_bidi_remote,
            )
            self._local_next_stream_id_bidi = stream_id + 4
            most, blocked = self._remote_max_streams_bidi, self._streams_blocked_bidi
        self._streams[stream_id] = stream
        if stream_id >> 2 >= most:
            stream.is_blocked = True
            blocked.append(stream)  # type: ignore[arg-type]
            self._streams_blocked_pending = self._unusual = True
        return stream

    def _unblock_streams(self, is_unidirectional: bool) -> None:
        waiting = self._streams_blocked_uni if is_unidirectional else self._streams_blocked_bidi
        waited = waiting[:]
        super()._unblock_streams(is_unidirectional)
        for stream in waited[: len(waited) - len(waiting)]:
            self._active[stream] = None  # type: ignore[index]
            self._unusual = True

    def send_datagram_frame(self, data: bytes) -> None:
        """As aioquic does, on the account of what waits."""
        self._datagrams_pending.append(data)
        self._datagram_bytes += len(data)

    def reset_stream(self, stream_id: int, error_code: int) -> None:
        """Give up sending; nothing if the stream is no more."""
        stream = self._streams.get(stream_id)
        if stream is not None:
            self._give_up(stream, error_code)

    def _give_up(self, stream: Stream, error_code: int) -> None:
        self._given_up += stream.sender.unsent
        stream.sender.reset(error_code)
        self._signal(stream)

    def stop(self, stream_id: int, error_code: int) -> None:
        """Ask the peer to stop sending; nothing if it has finished, or the stream is no more."""
        stream = self._streams.get(stream_id)
        if stream is not None and not stream.receiver.is_finished:
            stream.receiver.stop(error_code)
            self._signal(stream)

    def prioritise(self, stream_id: int, priority: int) -> None:
        """Send it before those of a higher number."""
        stream = self._streams.get(stream_id)
        if stream is not None:
            stream.priority = priority
            self._ranked = True

    def _signal(self, stream: Stream) -> None:
        """RESET_STREAM or STOP_SENDING may have to be sent: not for a stream that is not yet, or no more."""
        if not stream.is_blocked and stream.stream_id in self._streams:
            self._active[stream] = None
            self._unusual = True

    def send_ping(self, uid: int) -> None:
        """As aioquic does."""
        super().send_ping(uid)
        self._unusual = True

    def _on_stream_delivery(
        self, delivery: QuicDeliveryState, stream: Stream, start: int, stop: int, fin: bool
    ) -> None:
        sender = stream.sender
        sender.on_data_delivery(delivery, start, stop, fin)
        if sender.is_finished:
            if stream.receiver.is_finished:
                self._ended.append(stream)
        elif not sender.buffer_is_empty:
            self._active[stream] = None

    def _on_reset_delivery(self, delivery: QuicDeliveryState, stream: Stream) -> None:
        stream.sender.on_reset_delivery(delivery)
        if stream.sender.reset_pending:
            self._signal(stream)
        elif stream.is_finished:
            self._ended.append(stream)

    def _on_stop_delivery(self, delivery: QuicDeliveryState, stream: Stream) -> None:
        stream.receiver.on_stop_sending_delivery(delivery)
        if stream.receiver.stop_pending:
            self._signal(stream)

    def _on_max_stream_data_delivery(self, delivery: QuicDeliveryState, stream: Any) -> None:
        super()._on_max_stream_data_delivery(delivery, stream)
        if delivery is QuicDeliveryState.LOST and stream.stream_id in self._streams:
            self._credit[stream] = None

    def _forget_ended(self) -> None:
        """What has ended is no more; the peer may open as many streams again (RFC 9000, 4.6)."""
        for stream in self._ended:
            self._credit.pop(stream, None)
            self._lazy.pop(stream, None)
            if self._streams.pop(stream.stream_id, None) is not None:
                self._active.pop(stream, None)
                if (stream.stream_id & 1 == 0) is not self._is_client:
                    limit = self._stream_limit(stream.stream_id)
                    limit.value += 1
                    self._unusual = self._unusual or self._due(limit)
        self._ended.clear()

    def _in_order(self) -> list[Stream]:
        if self._ranked and len(self._active) > 1:
            return sorted(self._active, key=lambda stream: (stream.priority, stream.stream_id))
        return list(self._active)

    # aioquic's own way, for all that is unusual

    def _write_application(
        self, builder: QuicPacketBuilder, network_path: QuicNetworkPath, now: float
    ) -> None:
        self._streams_queue = self._in_order()  # type: ignore[assignment]
        try:
            super()._write_application(builder, network_path, now)
        finally:
            self._active = {
                stream: None
                for stream in self._active
                if stream.stream_id in self._streams and (stream.signals or not stream.sender.buffer_is_empty)
            }

    def _write_stream_frame(
        self, builder: QuicPacketBuilder, space: QuicPacketSpace, stream: Any, max_offset: int
    ) -> int:
        sender, head = stream.sender, varint(stream.stream_id)
        room = builder.remaining_flight_space - 3 - len(head) - len(varint(sender.next_offset))
        before = sender.highest_offset
        taken = sender.take(room, max_offset)
        if taken is None:
            return 0
        start, data, fin = taken
        frame = builder.start_frame(
            QuicFrameType.STREAM_BASE | 6 | fin,
            capacity=builder.remaining_flight_space - room,
            handler=self._on_stream_delivery,
            handler_args=(stream, start, start + len(data), fin),
        )
        frame.push_bytes(head + varint(start) + (len(data) | 0x4000).to_bytes(2, "big") + data)
        if self._quic_logger is not None and builder.quic_logger_frames is not None:
            shown = QuicStreamFrame(data, fin, start)
            builder.quic_logger_frames.append(
                self._quic_logger.encode_stream_frame(shown, stream_id=stream.stream_id)
            )
        return int(sender.highest_offset - before)

    def _write_reset_stream_frame(self, builder: QuicPacketBuilder, stream: Any) -> None:
        super()._write_reset_stream_frame(builder, stream)
        _handle_with(self._on_reset_delivery, builder, stream)

    def _write_stop_sending_frame(self, builder: QuicPacketBuilder, stream: Any) -> None:
        super()._write_stop_sending_frame(builder, stream)
        _handle_with(self._on_stop_delivery, builder, stream)

    def _write_datagram_frame(self, builder: QuicPacketBuilder, data: bytes, frame_type: Any) -> bool:
        written = super()._write_datagram_frame(builder, data, frame_type)
        self._datagram_bytes -= len(data)
        return written

    # Windows: what the peer may send is what was delivered and a fixed window more (RFC 9000, 4.1)

    def _due(self, limit: Limit) -> bool:
        """Whether the peer must be told. One that has more streams left than it would get is not told yet."""
        if limit is self._local_max_data:
            if self._delivered + self._window - limit.value >= self._window // 2:
                limit.value = self._delivered + self._window
            return limit.value != limit.sent
        return limit.value != limit.sent and limit.sent - limit.used < limit.value - limit.sent

    @property
    def _limits(self) -> tuple[Limit, Limit, Limit]:
        return self._local_max_data, self._local_max_streams_bidi, self._local_max_streams_uni

    def _write_connection_limits(self, builder: QuicPacketBuilder, space: QuicPacketSpace) -> None:
        for limit in self._limits:
            if self._due(limit):
                buf = builder.start_frame(
                    limit.frame_type,
                    capacity=CONNECTION_LIMIT_FRAME_CAPACITY,
                    handler=self._on_connection_limit_delivery,
                    handler_args=(limit,),
                )
                buf.push_uint_var(limit.value)
                limit.sent = limit.value
                if self._quic_logger is not None and builder.quic_logger_frames is not None:
                    builder.quic_logger_frames.append(
                        self._quic_logger.encode_connection_limit_frame(limit.frame_type, limit.value)
                    )

    def _write_stream_limits(self, builder: QuicPacketBuilder, space: QuicPacketSpace, stream: Any) -> None:
        if stream not in self._credit:
            return
        receiver = stream.receiver
        if receiver._final_size is None and stream.max_stream_data_local:
            stream.max_stream_data_local = receiver._buffer_start + self._stream_window
            buf = builder.start_frame(
                QuicFrameType.MAX_STREAM_DATA,
                capacity=MAX_STREAM_DATA_FRAME_CAPACITY,
                handler=self._on_max_stream_data_delivery,
                handler_args=(stream,),
            )
            buf.push_uint_var(stream.stream_id)
            buf.push_uint_var(stream.max_stream_data_local)
            stream.max_stream_data_local_sent = stream.max_stream_data_local
            if self._quic_logger is not None and builder.quic_logger_frames is not None:
                builder.quic_logger_frames.append(
                    self._quic_logger.encode_max_stream_data_frame(
                        stream.max_stream_data_local, stream.stream_id
                    )
                )
        del self._credit[stream]


def _handle_with(handler: Callable[..., None], builder: QuicPacketBuilder, stream: Stream) -> None:
    """Be told ourselves what becomes of the frame that aioquic has just written."""
    assert builder._packet is not None
    builder._packet.delivery_handlers[-1] = (handler, (stream,))
