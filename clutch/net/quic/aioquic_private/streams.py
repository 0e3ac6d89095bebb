"""Streams: what aioquic's do, at a third of the cost for a stream of one short object.

They have the names that aioquic uses. One that goes one way has half of itself in common with all others.
"""

from __future__ import annotations

from typing import Any

from aioquic.quic.events import StreamDataReceived
from aioquic.quic.packet import QuicResetStreamFrame, QuicStreamFrame
from aioquic.quic.packet_builder import QuicDeliveryState
from aioquic.quic.rangeset import RangeSet
from aioquic.quic.stream import QuicStreamReceiver


class Sender:
    """What this side sends on a stream (`aioquic.quic.stream.QuicStreamSender`)."""

    __slots__ = (
        "_acked",
        "_acked_fin",
        "_buffer",
        "_buffer_fin",
        "_buffer_start",
        "_buffer_stop",
        "_lost",
        "_pending_eof",
        "_reset_error_code",
        "_stream_id",
        "buffer_is_empty",
        "highest_offset",
        "is_finished",
        "reset_pending",
    )

    def __init__(self, stream_id: int, *, writable: bool = True) -> None:
        self._stream_id = stream_id
        self.buffer_is_empty = True
        """Whether there is nothing to send, or to send again."""
        self.highest_offset = 0
        """How much was ever sent."""
        self.is_finished = not writable
        self.reset_pending = False
        self._reset_error_code: int | None = None
        self._buffer: bytes | bytearray = b""
        """From `_buffer_start`, which is acknowledged, to `_buffer_stop`."""
        self._buffer_start = 0
        self._buffer_stop = 0
        self._buffer_fin: int | None = None
        self._pending_eof = False
        self._lost: list[tuple[int, int]] | None = None
        """What must be sent again."""
        self._acked: RangeSet | None = None
        """What is acknowledged beyond a gap."""
        self._acked_fin = False

    @property
    def unsent(self) -> int:
        """Bytes that were never sent; none once it was reset."""
        return 0 if self._reset_error_code is not None else self._buffer_stop - self.highest_offset

    @property
    def ended(self) -> bool:
        """Whether it was written to its end, or reset."""
        return self._buffer_fin is not None or self._reset_error_code is not None

    @property
    def next_offset(self) -> int:
        """Where the next frame begins."""
        return self._lost[0][0] if self._lost else self.highest_offset

    def write(self, data: bytes, end_stream: bool = False) -> None:
        """Take bytes to send. Raises `RuntimeError` after the end."""
        if self.ended:
            raise RuntimeError("the stream has ended")
        if data:
            if not self._buffer:
                self._buffer = bytes(data)
            else:
                if isinstance(self._buffer, bytes):
                    self._buffer = bytearray(self._buffer)
                self._buffer += data
            self._buffer_stop += len(data)
            self.buffer_is_empty = False
        if end_stream:
            self._buffer_fin = self._buffer_stop
            self._pending_eof = True
            self.buffer_is_empty = False

    def take(self, max_size: int, max_offset: int) -> tuple[int, bytes, bool] | None:
        """The next frame's offset, data and FIN; None if there is no room, or no leave, for anything."""
        if self._lost:
            start, stop = self._lost[0]
            end = min(stop, start + max_size)
            if end <= start:
                return None
            if end == stop:
                del self._lost[0]
            else:
                self._lost[0] = (end, stop)
        else:
            start = self.highest_offset
            end = min(self._buffer_stop, start + max_size, max_offset)
            if end > start:
                self.highest_offset = end
            elif start < self._buffer_stop or not self._pending_eof or max_size < 0:
                self.buffer_is_empty = start >= self._buffer_stop and not self._pending_eof
                return None
            else:
                end = start
        fin = self._buffer_fin == end
        if fin:
            self._pending_eof = False
        self.buffer_is_empty = not (
            self._lost or self.highest_offset < self._buffer_stop or self._pending_eof
        )
        begin = self._buffer_start
        return start, bytes(self._buffer[start - begin : end - begin]), fin

    def on_data_delivery(self, delivery: QuicDeliveryState, start: int, stop: int, fin: bool) -> None:
        """A frame has arrived, or was lost."""
        if self._reset_error_code is not None:
            return
        if delivery is QuicDeliveryState.ACKED:
            if stop > start:
                self._on_acked(start, stop)
            self._acked_fin = self._acked_fin or fin
            self.is_finished = self._acked_fin and self._buffer_start == self._buffer_fin
            return
        if stop > start:
            self._lost = [*(self._lost or ()), (start, stop)]
        self._pending_eof = self._pending_eof or fin
        self.buffer_is_empty = False

    def _on_acked(self, start: int, stop: int) -> None:
        if start == self._buffer_start and self._acked is None:
            self._release(stop)
            return
        if self._acked is None:
            self._acked = RangeSet()
        self._acked.add(start, stop)
        if self._acked[0].start == self._buffer_start:
            self._release(self._acked.shift().stop)
            if not len(self._acked):
                self._acked = None

    def _release(self, stop: int) -> None:
        """Nothing before this offset is needed any more."""
        if stop == self._buffer_stop:
            self._buffer = b""
        else:
            if isinstance(self._buffer, bytes):
                self._buffer = bytearray(self._buffer)
            del self._buffer[: stop - self._buffer_start]
        self._buffer_start = stop

    def reset(self, error_code: int) -> None:
        """Send no more, and tell the peer; nothing if all was acknowledged or it was reset before."""
        if self._reset_error_code is None and not self.is_finished:
            self._reset_error_code = error_code
            self.reset_pending = True
            self.buffer_is_empty = True
            self._buffer, self._lost, self._acked = b"", None, None

    def get_reset_frame(self) -> QuicResetStreamFrame:
        """What tells the peer."""
        self.reset_pending = False
        assert self._reset_error_code is not None
        return QuicResetStreamFrame(
            error_code=self._reset_error_code, final_size=self.highest_offset, stream_id=self._stream_id
        )

    def on_reset_delivery(self, delivery: QuicDeliveryState) -> None:
        """That has arrived, or was lost."""
        if delivery is QuicDeliveryState.ACKED:
            self.is_finished = True
        else:
            self.reset_pending = True


class Receiver(QuicStreamReceiver):
    """aioquic's, which allocates only when something comes out of order."""

    def __init__(self, stream_id: int, *, readable: bool = True) -> None:
        self.highest_offset = 0
        self.is_finished = not readable
        self.stop_pending = False
        self._buffer: bytearray | None = None  # type: ignore[assignment]
        self._buffer_start = 0
        self._final_size: int | None = None
        self._stream_id = stream_id
        self._stop_error_code: int | None = None

    def handle_frame(self, frame: QuicStreamFrame) -> StreamDataReceived | None:
        """Data has come."""
        if self._buffer is None:
            self._buffer = bytearray()
            self._ranges = RangeSet()
        return super().handle_frame(frame)


NO_SENDER: Any = Sender(-1, writable=False)
NO_RECEIVER: Any = Receiver(-1, readable=False)


class Stream:
    """Both ways of one stream (`aioquic.quic.stream.QuicStream`)."""

    __slots__ = (
        "face",
        "is_blocked",
        "max_stream_data_local",
        "max_stream_data_local_sent",
        "max_stream_data_remote",
        "priority",
        "receiver",
        "sender",
        "stream_id",
    )

    def __init__(
        self, stream_id: int, max_local: int, max_remote: int, *, readable: bool = True, writable: bool = True
    ) -> None:
        self.stream_id = stream_id
        self.is_blocked = False
        """Whether the peer's limit on streams holds it back."""
        self.max_stream_data_local = self.max_stream_data_local_sent = max_local
        self.max_stream_data_remote = max_remote
        self.receiver = Receiver(stream_id) if readable else NO_RECEIVER
        self.sender: Sender = Sender(stream_id) if writable else NO_SENDER
        self.face: Any = None
        """What the application keeps with it."""
        self.priority = 0

    @property
    def is_finished(self) -> bool:
        """Whether nothing can happen on it any more."""
        return bool(self.receiver.is_finished and self.sender.is_finished)

    @property
    def signals(self) -> bool:
        """Whether RESET_STREAM or STOP_SENDING waits to be sent."""
        return bool(self.sender.reset_pending or self.receiver.stop_pending)
