"""The short cut for packets of established connections, and the receiving side of streams."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from aioquic import tls
from aioquic.quic.connection import (
    STREAM_COUNT_MAX,
    NetworkAddress,
    QuicConnectionError,
    QuicConnectionState,
    QuicReceiveContext,
)
from aioquic.quic.events import DatagramFrameReceived, QuicEvent, StreamDataReceived, StreamReset
from aioquic.quic.packet import QuicErrorCode, QuicFrameType, QuicStreamFrame, decode_packet_number
from aioquic.quic.packet_builder import QuicDeliveryState
from aioquic.quic.recovery import MAX_ACK_RANGES, QuicPacketSpace
from aioquic.quic.stream import FinalSizeError, StreamFinishedError
from cryptography.exceptions import InvalidTag

from clutch.net.quic.aioquic_private.packets import CID_BYTES, read_varint
from clutch.net.quic.aioquic_private.packing import Packing
from clutch.net.quic.aioquic_private.streams import NO_RECEIVER, Stream

_NUMBER_AT = 1 + CID_BYTES
_SAMPLE_AT = _NUMBER_AT + 4
_LEAST = _SAMPLE_AT + 16
_PADDING, _PING, _ACK, _STREAM, _DATAGRAM = 0x00, 0x01, 0x02, 0x08, 0x30
_MAX_DATA, _MAX_STREAM_DATA, _MAX_STREAMS_BIDI, _MAX_STREAMS_UNI = 0x10, 0x11, 0x12, 0x13
ACK_DELAY_S = 0.022
"""How long a packet waits for a second one to be acknowledged with: a little more than a frame of voice. The
peer was told to expect up to 25 ms."""


class Receiving(Packing):
    """A connection that reads its usual packets without aioquic's parser."""

    _usual_from: NetworkAddress = None
    """Where packets come from that the short cut is for; None before they can."""

    def receive_datagram(self, data: bytes, addr: NetworkAddress, now: float) -> None:
        """As aioquic does."""
        usual = addr == self._usual_from and len(data) >= _LEAST and not data[0] & 0x80
        if usual and data[1:_NUMBER_AT] == self.host_cid and self._unseal(data, now):
            return
        self._unusual = True
        super().receive_datagram(data, addr, now)
        if self._reads_usual():
            self._usual_from = self._network_paths[0].addr
            self._idle_s = self._idle_timeout()
        else:
            self._usual_from = None

    def _reads_usual(self) -> bool:
        return (
            self._handshake_confirmed
            and self._state is QuicConnectionState.CONNECTED
            and not self._close_pending
            and self._quic_logger is None
            and self._network_paths[0].is_validated
            and self._cryptos[tls.Epoch.ZERO_RTT].recv.aead is None
        )

    def close(self, *arguments: Any, **named: Any) -> None:
        """As aioquic does."""
        super().close(*arguments, **named)
        self._unusual, self._usual_from = True, None

    def _unseal(self, data: bytes, now: float) -> bool:
        """Decrypt a packet and handle what is in it; False if aioquic must look at it."""
        keys, space = self._cryptos[tls.Epoch.ONE_RTT].recv, self._loss.spaces[2]
        assert keys.hp is not None
        assert keys.aead is not None
        mask = keys.hp._mask(data[_SAMPLE_AT:_LEAST])
        first = data[0] ^ (mask[0] & 0x1F)
        if first >> 2 & 1 != keys.key_phase or first & 0x18:
            return False
        length = (first & 3) + 1
        end = _NUMBER_AT + length
        truncated = int.from_bytes(data[_NUMBER_AT:end], "big") ^ int.from_bytes(mask[1 : 1 + length], "big")
        number = decode_packet_number(truncated, length * 8, space.expected_packet_number)
        header = b"%c%b%b" % (first, data[1:_NUMBER_AT], truncated.to_bytes(length, "big"))
        try:
            nonce = (keys.aead._iv ^ number).to_bytes(12, "big")
            plain = keys.aead._aead.decrypt(nonce, data[end:], header)
        except InvalidTag:
            return True
        if number in space.received_packets:
            return True
        if number >= space.expected_packet_number:
            space.expected_packet_number = number + 1
        if number > self._spin_highest_pn:
            self._spin_bit = bool(first & 0x20) is not self._is_client
            self._spin_highest_pn = number
        try:
            eliciting = self._read_frames(plain, now)
        except QuicConnectionError as error:
            self.close(error.error_code, error.frame_type, error.reason_phrase)
            return True
        if self._state is QuicConnectionState.CONNECTED and not self._close_pending:
            self._close_at = now + self._idle_s
            self._ack_eliciting_sent_since_receipt = False
            self._note(space, number, eliciting, now)
        else:
            self._usual_from = None
        return True

    def _note(self, space: QuicPacketSpace, number: int, eliciting: bool, now: float) -> None:
        """Remember to acknowledge it: at once if it is the second, or out of order (RFC 9000, 13.2)."""
        in_order = number == space.largest_received_packet + 1
        if number > space.largest_received_packet:
            space.largest_received_packet = number
            space.largest_received_time = now
        space.ack_queue.add(number)
        space.received_packets.add(number)
        if len(space.ack_queue) > MAX_ACK_RANGES:
            space.ack_queue.shift()
        if eliciting:
            space.ack_at = now + ACK_DELAY_S if in_order and space.ack_at is None else now

    def _read_frames(self, plain: bytes, now: float) -> bool:
        """Handle the frames; whether any asks for an ACK. Raises `QuicConnectionError`."""
        at, end, eliciting = 0, len(plain), False
        if not end:
            raise _violation("Packet contains no frames")
        try:
            while at < end:
                kind = plain[at]
                if kind == _ACK:
                    at = self._read_ack(plain, at + 1, now)
                elif kind & 0xF8 == _STREAM:
                    at, eliciting = self._read_stream(plain, at), True
                elif kind & 0xFE == _DATAGRAM:
                    at, eliciting = self._read_datagram(plain, at), True
                elif kind == _PADDING:
                    at = end - len(plain[at:].lstrip(b"\0"))
                elif kind == _PING:
                    at, eliciting = at + 1, True
                elif _MAX_DATA <= kind <= _MAX_STREAMS_UNI:
                    at, eliciting = self._read_credit(plain, at), True
                else:
                    return self._read_rest(plain[at:], now) or eliciting
        except IndexError as error:
            raise _error(QuicErrorCode.FRAME_ENCODING_ERROR, "Failed to parse frame") from error
        return eliciting

    def _read_rest(self, frames: bytes, now: float) -> bool:
        """What begins with a frame that the short cut does not know."""
        self._unusual = True
        context = QuicReceiveContext(
            tls.Epoch.ONE_RTT, self.host_cid, self._network_paths[0], None, now, None
        )
        return self._payload_received(context, frames)[0]

    # ACK (RFC 9002, A.7)

    def _read_ack(self, plain: bytes, at: int, now: float) -> int:
        largest, at = read_varint(plain, at)
        delay, at = read_varint(plain, at)
        count, at = read_varint(plain, at)
        first, at = read_varint(plain, at)
        start = largest - first
        ranges = [range(start, largest + 1)]
        for _ in range(count):
            gap, at = read_varint(plain, at)
            length, at = read_varint(plain, at)
            stop = start - gap - 1
            start = stop - length - 1
            ranges.append(range(start, stop))
        if start < 0:
            raise _error(QuicErrorCode.FRAME_ENCODING_ERROR, "ACK of a negative packet number")
        if largest >= self._packet_number:
            raise _violation("ACK of a packet that was not sent")
        delay_s = (delay << self._remote_ack_delay_exponent) / 1_000_000
        self._on_ack(largest, delay_s, ranges[::-1], now)
        return at

    def _on_ack(self, largest: int, delay_s: float, ranges: list[range], now: float) -> None:
        loss, space = self._loss, self._loss.spaces[2]
        sent = space.sent_packets
        space.largest_acked_packet = max(space.largest_acked_packet, largest)
        eliciting, newest = False, None
        for numbers in ranges:
            for packet in _taken(sent, numbers):
                newest = packet
                if packet.is_ack_eliciting:
                    eliciting = True
                    space.ack_eliciting_in_flight -= 1
                if packet.in_flight:
                    loss._cc.on_packet_acked(packet=packet, now=now)
                for handler, arguments in packet.delivery_handlers:
                    handler(QuicDeliveryState.ACKED, *arguments)
        if newest is None:
            return
        if eliciting and newest.packet_number == largest:
            self._measure(now - newest.sent_time, min(delay_s, loss.max_ack_delay), now)
        if sent and next(iter(sent)) < space.largest_acked_packet:
            loss._detect_loss(now=now, space=space)
        else:
            space.loss_time = None
        loss._pto_count = 0

    def _measure(self, rtt: float, delay_s: float, now: float) -> None:
        """A round trip (RFC 9002, 5.3); as in aioquic never less than 1 ms."""
        loss = self._loss
        latest = max(rtt, 0.001)
        loss._rtt_min = min(loss._rtt_min, latest)
        if latest > loss._rtt_min + delay_s:
            latest -= delay_s
        loss._rtt_latest = latest
        if loss._rtt_initialized:
            loss._rtt_variance += (abs(loss._rtt_smoothed - latest) - loss._rtt_variance) / 4
            loss._rtt_smoothed += (latest - loss._rtt_smoothed) / 8
        else:
            loss._rtt_first_sample_time, loss._rtt_initialized = now, True
            loss._rtt_variance, loss._rtt_smoothed = rtt / 2, rtt
        loss._cc.on_rtt_measurement(now=now, rtt=rtt)
        loss._pacer.update_rate(congestion_window=loss._cc.congestion_window, smoothed_rtt=loss._rtt_smoothed)

    # STREAM and DATAGRAM

    def _read_stream(self, plain: bytes, at: int) -> int:
        kind = plain[at]
        stream_id, at = read_varint(plain, at + 1)
        offset, end = 0, len(plain)
        if kind & 4:
            offset, at = read_varint(plain, at)
        if kind & 2:
            length, at = read_varint(plain, at)
            end = at + length
            if end > len(plain):
                raise IndexError("cut off")
        self._on_stream_frame(stream_id, offset, plain[at:end], bool(kind & 1))
        return end

    def _read_credit(self, plain: bytes, at: int) -> int:
        """MAX_DATA, MAX_STREAM_DATA, MAX_STREAMS."""
        kind = plain[at]
        value, at = read_varint(plain, at + 1)
        if kind == _MAX_DATA:
            self._remote_max_data = max(self._remote_max_data, value)
        elif kind == _MAX_STREAM_DATA:
            stream_id, (value, at) = value, read_varint(plain, at)
            self._assert_stream_can_send(kind, stream_id)
            with suppress(StreamFinishedError):
                stream = self._get_or_create_stream(kind, stream_id)
                stream.max_stream_data_remote = max(stream.max_stream_data_remote, value)
        elif value > STREAM_COUNT_MAX:
            raise _error(QuicErrorCode.FRAME_ENCODING_ERROR, "Maximum Streams cannot exceed 2^60")
        elif kind == _MAX_STREAMS_BIDI:
            self._remote_max_streams_bidi = max(self._remote_max_streams_bidi, value)
            self._unblock_streams(is_unidirectional=False)
        else:
            self._remote_max_streams_uni = max(self._remote_max_streams_uni, value)
            self._unblock_streams(is_unidirectional=True)
        return at

    def _handle_stream_frame(self, context: QuicReceiveContext, frame_type: int, buf: Any) -> None:
        stream_id = buf.pull_uint_var()
        offset = buf.pull_uint_var() if frame_type & 4 else 0
        length = buf.pull_uint_var() if frame_type & 2 else buf.capacity - buf.tell()
        data, fin = buf.pull_bytes(length), bool(frame_type & 1)
        if self._quic_logger is not None and context.quic_logger_frames is not None:
            shown = QuicStreamFrame(data, fin, offset)
            context.quic_logger_frames.append(
                self._quic_logger.encode_stream_frame(shown, stream_id=stream_id)
            )
        self._on_stream_frame(stream_id, offset, data, fin)

    def _on_stream_frame(self, stream_id: int, offset: int, data: bytes, fin: bool) -> None:
        stream = self._streams.get(stream_id)
        if stream is None:
            self._assert_stream_can_receive(_STREAM, stream_id)
            try:
                stream = self._get_or_create_stream(_STREAM, stream_id)
            except StreamFinishedError:
                return
        receiver, stop = stream.receiver, offset + len(data)
        if receiver is NO_RECEIVER:
            raise _error(QuicErrorCode.STREAM_STATE_ERROR, "Stream is send-only")
        if stop > stream.max_stream_data_local:
            raise _error(QuicErrorCode.FLOW_CONTROL_ERROR, "Over stream data limit")
        fresh = max(0, stop - receiver.highest_offset)
        if self._local_max_data.used + fresh > self._local_max_data.value:
            raise _error(QuicErrorCode.FLOW_CONTROL_ERROR, "Over connection data limit")
        try:
            event = receiver.handle_frame(QuicStreamFrame(data, fin, offset))
        except FinalSizeError as error:
            raise _error(QuicErrorCode.FINAL_SIZE_ERROR, str(error)) from error
        if event is not None:
            self._events.append(event)
        self._local_max_data.used += fresh
        if receiver._final_size is None and (
            stream.max_stream_data_local - receiver._buffer_start <= self._stream_window // 2
        ):
            self._credit[stream] = None
            self._unusual = True

    def _get_or_create_stream(self, frame_type: int, stream_id: int) -> Stream:  # type: ignore[override]
        if self._stream_is_discarded(stream_id):
            raise StreamFinishedError
        stream = self._streams.get(stream_id)
        if stream is not None:
            return stream
        if (stream_id & 1 == 0) is self._is_client:
            raise _error(QuicErrorCode.STREAM_STATE_ERROR, "Wrong stream initiator")
        limit, one_way = self._stream_limit(stream_id), bool(stream_id & 2)
        if stream_id >> 2 >= limit.value:
            raise _error(QuicErrorCode.STREAM_LIMIT_ERROR, "Too many streams open")
        # It opens all of a lower number, too (RFC 9000, 2.1).
        for opened in range(limit.used * 4 + (stream_id & 3), stream_id + 4, 4):
            if one_way:
                stream = Stream(opened, self._local_max_stream_data_uni, 0, writable=False)
            else:
                local, remote = (
                    self._local_max_stream_data_bidi_remote,
                    self._remote_max_stream_data_bidi_local,
                )
                stream = Stream(opened, local, remote)
            self._streams[opened] = stream
        limit.used = (stream_id >> 2) + 1
        assert stream is not None
        return stream

    def _handle_stop_sending_frame(self, context: QuicReceiveContext, frame_type: int, buf: Any) -> None:
        start = buf.tell()
        stream = self._streams.get(buf.pull_uint_var())
        buf.seek(start)
        unsent = 0 if stream is None else stream.sender.unsent
        super()._handle_stop_sending_frame(context, frame_type, buf)
        if stream is not None:
            self._given_up += unsent
            self._signal(stream)

    def _read_datagram(self, plain: bytes, at: int) -> int:
        kind, end = plain[at], len(plain)
        at += 1
        if kind & 1:
            length, at = read_varint(plain, at)
            end = at + length
            if end > len(plain):
                raise IndexError("cut off")
        if self._configuration.max_datagram_frame_size is None:
            raise _violation("Unexpected DATAGRAM frame")
        self._events.append(DatagramFrameReceived(plain[at:end]))
        return end

    def next_event(self) -> QuicEvent | None:
        """As aioquic does; what it hands over counts as delivered."""
        if not self._events:
            return None
        event = self._events.popleft()
        if isinstance(event, StreamDataReceived):
            self._on_delivered(len(event.data))
            if event.end_stream:
                self._on_read_to_end(event.stream_id)
        elif isinstance(event, StreamReset):
            stream = self._on_read_to_end(event.stream_id)
            if stream is not None:
                self._on_delivered(stream.receiver.highest_offset - stream.receiver._buffer_start)
        return event

    def _on_delivered(self, size: int) -> None:
        self._delivered += size
        if self._delivered + self._window - self._local_max_data.value >= self._window // 2:
            self._unusual = True

    def _on_read_to_end(self, stream_id: int) -> Stream | None:
        stream = self._streams.get(stream_id)
        if stream is not None and stream.sender.is_finished:
            self._ended.append(stream)
        return stream

    def get_timer(self) -> float | None:
        """As aioquic does."""
        if self._unusual:
            return super().get_timer()
        loss, space = self._loss, self._loss.spaces[2]
        self._loss_at = space.loss_time
        if space.loss_time is None and space.ack_eliciting_in_flight:
            timeout = loss.get_probe_timeout() * 2**loss._pto_count
            self._loss_at = loss._time_of_last_sent_ack_eliciting_packet + timeout
        timer = self._close_at
        for at in (space.ack_at, self._loss_at, self._pacing_at, self._lazy_until):
            if at is not None and (timer is None or at < timer):
                timer = at
        return timer


def _taken(sent: dict[int, Any], numbers: range) -> list[Any]:
    """Take the packets of these numbers, which may be far more than there are."""
    if not sent or numbers.stop <= (oldest := next(iter(sent))):
        return []
    start = max(numbers.start, oldest)
    if numbers.stop - start > 2 * len(sent):
        found = [number for number in sent if start <= number < numbers.stop]
    else:
        found = [number for number in range(start, numbers.stop) if number in sent]
    return [sent.pop(number) for number in found]


def _error(code: QuicErrorCode, reason: str) -> QuicConnectionError:
    return QuicConnectionError(code, QuicFrameType.PADDING, reason)


def _violation(reason: str) -> QuicConnectionError:
    return _error(QuicErrorCode.PROTOCOL_VIOLATION, reason)
