"""The short cut for packets that have nothing but ACK, DATAGRAM and STREAM frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from aioquic import tls
from aioquic.quic.connection import NetworkAddress, QuicConnectionState
from aioquic.quic.packet import QuicPacketType
from aioquic.quic.recovery import QuicPacketSpace

from clutch.net.quic.aioquic_private.packets import varint
from clutch.net.quic.aioquic_private.sending import Sending

_TAG = 16
_SHORT_HEADER = 3
"""First byte and packet number; the connection ID comes between."""
_FRAME_LEAST = 32
"""A frame is not begun in less room than this."""
REKEY_AFTER = 1 << 22
"""Packets after which the keys change: AES-GCM keeps its promise for twice as many (RFC 9001, 6.6)."""
LINGER_S = 0.025
"""How long the end of a stream waits for company: until the next frame of voice."""
_PING = b"\x01"
_ACK_RANGES = 32
"""Most of them in one frame; the latest count."""

Handlers: TypeAlias = list[tuple[Callable[..., None], Sequence[Any]]]


class Sent:
    """A packet on its way (`aioquic.quic.packet_builder.QuicSentPacket`); only such as ask for an ACK."""

    __slots__ = ("delivery_handlers", "packet_number", "sent_bytes", "sent_time")
    epoch = tls.Epoch.ONE_RTT
    in_flight = True
    is_ack_eliciting = True
    is_crypto_packet = False
    packet_type = QuicPacketType.ONE_RTT

    def __init__(self, number: int, time: float, size: int, handlers: Handlers) -> None:
        self.packet_number = number
        self.sent_time = time
        self.sent_bytes = size
        self.delivery_handlers = handlers


class Packing(Sending):
    """A connection that sends its usual packets without aioquic's packet builder.

    What waits in it decides: `_unusual` is set wherever anything else may have come up, and is taken back
    only after a look at all of aioquic's state.
    """

    _rekey_at = REKEY_AFTER
    _lazy_until: float | None = None
    _idle_s = 0.0
    """The idle timeout, as it was when the last unusual packet came: it hardly changes."""

    def datagrams_to_send(self, now: float) -> list[tuple[bytes, NetworkAddress]]:
        """As aioquic does."""
        if self._ended:
            self._forget_ended()
        if self._packet_number >= self._rekey_at:
            self._rekey_at += REKEY_AFTER
            self.request_key_update()
            self._unusual = True
        if self._lazy:
            self._rouse(now)
        if self._unusual:
            found = super().datagrams_to_send(now)
            self._unusual = self._anything_unusual()
            return found
        space = self._loss.spaces[2]
        if self._active or self._datagrams_pending:
            return self._pack(space, now, ack=space.ack_at is not None)
        self._pacing_at = None
        if space.ack_at is not None and space.ack_at <= now:
            return self._pack(space, now, ack=True)
        return []

    def _rouse(self, now: float) -> None:
        """Let ends that wait for company go with whatever goes now, or alone when they have waited enough.

        Many publishers end a stream a moment after its only object. The object is there in time; a packet of
        its own for the end, and its acknowledgement, would cost as much again.
        """
        ack_at = self._loss.spaces[2].ack_at
        if (
            self._unusual
            or self._active
            or self._datagrams_pending
            or (ack_at is not None and ack_at <= now)
            or (self._lazy_until is not None and self._lazy_until <= now)
        ):
            self._active |= self._lazy
            self._lazy.clear()
            self._lazy_until = None
        elif self._lazy_until is None:
            self._lazy_until = now + LINGER_S

    def _anything_unusual(self) -> bool:
        """Whether there is more to do than the short cut can: before the handshake is confirmed always."""
        if not self._handshake_confirmed or self._quic_logger is not None or self._close_pending:
            return True
        crypto, paths = self._cryptos[tls.Epoch.ONE_RTT], self._network_paths
        return bool(
            self._state is not QuicConnectionState.CONNECTED
            or len(paths) > 1
            or not paths[0].is_validated
            or paths[0].remote_challenges
            or self._handshake_done_pending
            or self._ping_pending
            or self._probe_pending
            or self._retire_connection_ids
            or self._streams_blocked_pending
            or self._credit
            or any(map(self._due, self._limits))
            or self._remote_preferred_address is not None
            or crypto._update_key_requested
            or not self._crypto_streams[tls.Epoch.ONE_RTT].sender.buffer_is_empty
            or not all(issued.was_sent for issued in self._host_cids)
            or any(stream.signals for stream in self._active)
        )

    def _pack(self, space: QuicPacketSpace, now: float, *, ack: bool) -> list[tuple[bytes, NetworkAddress]]:
        """Send the ACK, and what of datagrams and streams may go now."""
        path, cc, pacer = self._network_paths[0], self._loss._cc, self._loss._pacer
        overhead = _SHORT_HEADER + len(self._peer_cid.cid) + _TAG
        found = []
        self._pacing_at = None
        while ack or self._active or self._datagrams_pending:
            if not ack and (wait := pacer.next_send_time(now)) is not None:
                self._pacing_at = wait
                break
            frames: list[bytes] = []
            handlers: Handlers = []
            room = self._max_datagram_size - overhead
            if ack:
                ack = False
                self._ack_frame(space, now, frames, handlers)
                room -= len(frames[0])
            acks = len(frames)
            room = min(room, cc.congestion_window - cc.bytes_in_flight - overhead)
            if self._datagrams_pending and room > _FRAME_LEAST:
                room = self._datagram_frames(frames, room)
            if self._active and room > _FRAME_LEAST:
                self._stream_frames(frames, handlers, room)
            if not frames:
                break
            found.append((self._seal(space, now, frames, handlers, len(frames) > acks), path.addr))
        return found

    def _ack_frame(self, space: QuicPacketSpace, now: float, frames: list[bytes], handlers: Handlers) -> None:
        ranges = space.ack_queue
        space.ack_at = None
        delay = (
            int((now - (space.largest_received_time or now)) * 1_000_000) >> self._local_ack_delay_exponent
        )
        last = ranges[-1]
        least = max(0, len(ranges) - _ACK_RANGES)
        parts = [
            b"\x02",
            varint(last.stop - 1),
            varint(delay),
            varint(len(ranges) - 1 - least),
            varint(len(last) - 1),
        ]
        start = last.start
        for index in range(len(ranges) - 2, least - 1, -1):
            one = ranges[index]
            parts += (varint(start - one.stop - 1), varint(len(one) - 1))
            start = one.start
        if len(ranges) > 1:
            handlers.append((self._on_ack_delivery, (space, space.largest_received_packet)))
        frames.append(b"".join(parts))

    def _datagram_frames(self, frames: list[bytes], room: int) -> int:
        """Add those that fit; what room is left."""
        waiting = self._datagrams_pending
        while waiting:
            data = waiting[0]
            frame = b"\x31" + varint(len(data)) + data
            if len(frame) > room:
                break
            waiting.popleft()
            self._datagram_bytes -= len(data)
            frames.append(frame)
            room -= len(frame)
        return room

    def _stream_frames(self, frames: list[bytes], handlers: Handlers, room: int) -> None:
        """Add what flow control allows, until the packet is full."""
        for stream in self._in_order():
            sender = stream.sender
            before = sender.highest_offset
            head = varint(stream.stream_id)
            if offset := sender.next_offset:
                head += varint(offset)
            credit = before + self._remote_max_data - self._remote_max_data_used
            taken = sender.take(room - 3 - len(head), min(credit, stream.max_stream_data_remote))
            if taken is not None:
                start, data, fin = taken
                size = len(data)
                kind = (0x0E if start else 0x0A) | fin
                frames.append(b"%c%b%b%b" % (kind, head, (size | 0x4000).to_bytes(2, "big"), data))
                handlers.append((self._on_stream_delivery, (stream, start, start + size, fin)))
                self._remote_max_data_used += sender.highest_offset - before
                room -= 3 + len(head) + size
            if sender.buffer_is_empty:
                del self._active[stream]
            if room < _FRAME_LEAST:
                return

    def _seal(
        self, space: QuicPacketSpace, now: float, frames: list[bytes], handlers: Handlers, eliciting: bool
    ) -> bytes:
        """Encrypt a packet, and remember it if it will be acknowledged."""
        number = self._packet_number
        self._packet_number = number + 1
        if handlers and not eliciting and number % 8 == 0:
            frames.append(_PING)  # otherwise nobody would say which ACKs have arrived
            eliciting = True
        payload = b"".join(frames)
        if len(payload) < 2:
            payload += b"\0"  # enough to sample (RFC 9001, 5.4.2)
        keys = self._cryptos[tls.Epoch.ONE_RTT].send
        assert keys.aead is not None
        assert keys.hp is not None
        first = 0x41 | self._spin_bit << 5 | keys.key_phase << 2
        truncated = number & 0xFFFF
        header = b"%c%b%b" % (first, self._peer_cid.cid, truncated.to_bytes(2, "big"))
        sealed = keys.aead._aead.encrypt((keys.aead._iv ^ number).to_bytes(12, "big"), payload, header)
        mask = keys.hp._mask(sealed[2:18])
        packet = b"%c%b%b%b" % (
            first ^ (mask[0] & 0x1F),
            self._peer_cid.cid,
            (truncated ^ int.from_bytes(mask[1:3], "big")).to_bytes(2, "big"),
            sealed,
        )
        self._network_paths[0].bytes_sent += len(packet)
        if eliciting:
            self._remember(Sent(number, now, len(packet), handlers), space, now)
        return packet

    def _remember(self, packet: Any, space: QuicPacketSpace, now: float) -> None:
        loss = self._loss
        space.sent_packets[packet.packet_number] = packet
        space.ack_eliciting_in_flight += 1
        loss._time_of_last_sent_ack_eliciting_packet = now
        loss._cc.on_packet_sent(packet=packet)
        loss._pacer.update_after_send(now)
        if not self._ack_eliciting_sent_since_receipt:  # the idle timer starts again (RFC 9000, 10.1)
            self._close_at = now + self._idle_s
            self._ack_eliciting_sent_since_receipt = True
