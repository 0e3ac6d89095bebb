"""picoquic, a QUIC in C with a thread of its own, by way of aiopquic: every use of that package is here.

Most of what is used here is not public, and deals in raw pointers, so the version is pinned. The rules that
keep the memory safe:

- Only the Trio thread calls. What picoquic shall do goes through a ring of commands, in order.
- A stream of raw QUIC has one reference of ours to its context, made by us or by its first event. The
  event `DESTROYED` takes it back; what is left when the connection ends, `release_stream` gives back.
- A stream's context of WebTransport belongs to picoquic, until `WEB_DESTROYED`, or the end of the session.
- All that a batch of events names lives until the next `Picoquic.drain` or `Picoquic.release`.
"""

from __future__ import annotations

import enum
import socket
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeAlias

import attrs

from clutch.net.errors import BackendUnavailable
from clutch.net.link import Address
from clutch.net.quic.engine import Limits, Stats

VERSION = "0.6.1"

try:
    from aiopquic._binding import _transport as binding
except ImportError:
    binding = None

STREAM_WINDOW = 64 << 10
"""Bytes of a stream that are received ahead of us: its ring."""
MAX_DATAGRAM = 1_200
DEFAULT_PRIORITY = 139
"""Of a stream that has none; of picoquic's, where 0 is first, and of equal odd ones the older stream."""
_COMMANDS = 16_384
_EVENTS = 16_384
_KEEP_ALIVES_PER_IDLE = 3
_SOCKET_BUFFER = 4 << 20
_MAX_REASON = 255
_STUCK_S = 2.0
_PAUSE_S = 0.000_2
_HTTP_PREFIX = 8
"""The longest prefix of a datagram of WebTransport."""

Event: TypeAlias = tuple[int, int, memoryview | None, int, int, int, int, int]
"""Kind, stream, data, flag, code, connection, context (of a stream, or a session of WebTransport), and the
context of a stream of WebTransport. Pointers are numbers, 0 if there is none."""


class Kind(enum.IntEnum):
    """Events, by the numbers of ``spsc_ring.h``. Those from `WEB_READY` on are of WebTransport."""

    DATA = 0
    FIN = 1
    RESET = 2
    STOP = 3
    CLOSED = 4
    """By QUIC; with code 0 it may be a timeout."""
    APPLICATION_CLOSED = 5
    READY = 6
    """The handshake is complete; of connection 0: the socket is bound."""
    BEGINNING = 7
    """The keys are there, but the handshake is not complete."""
    DATAGRAM = 8
    SENT = 15
    """A stream that had too much to send has sent some."""
    DESTROYED = 17
    DATAGRAM_SENT = 19
    STACK = 20
    """A connection begins; the flag: with HTTP/3."""
    WEB_READY = 64
    WEB_CLOSED = 66
    WEB_DATA = 68
    WEB_FIN = 69
    WEB_RESET = 70
    WEB_STOP = 71
    WEB_DATAGRAM = 72
    WEB_OPENED = 73
    """The peer opened a stream."""
    WEB_CREATED = 74
    """We did, in the order of asking."""
    WEB_SESSION = 75
    """A client asked for a session, and has it; the data is its path."""
    WEB_DESTROYED = 18


class _Do(enum.IntEnum):
    """Commands."""

    CLOSE = 131
    RESET = 132
    STOP = 133
    SEND = 134
    WEB_CREATE = 137
    WEB_CLOSE = 138
    WEB_RESET = 140
    WEB_STOP = 142
    WEB_CLEAN = 145
    DATAGRAM = 146
    WEB_DATAGRAM = 148
    PRIORITY = 149
    WEB_PRIORITY = 150
    WEB_FINISH = 151


def why_not() -> str:
    """What is missing for this engine; empty if nothing is."""
    try:
        found = version("aiopquic")
    except PackageNotFoundError:
        return "aiopquic is not installed"
    if found != VERSION:
        return f"aiopquic is {found}, and must be {VERSION}"
    return "" if binding is not None else "aiopquic cannot be loaded"


def _context() -> Any:
    missing = why_not()
    if missing:
        raise BackendUnavailable(f"{missing}; it comes with the extra: pip install 'clutch[fast]'")
    return binding.TransportContext(tx_ring_cap=_COMMANDS, rx_data_ring_cap=_EVENTS)


@attrs.define(eq=False)
class Picoquic:
    """One server with its thread. Raises `BackendUnavailable` if aiopquic is not there."""

    _context: Any = attrs.field(init=False, factory=_context, repr=False)
    _unheard: bool = attrs.field(init=False, default=False)
    """There are commands that the thread was not woken for."""

    def start(
        self, port: int, *, six: bool, chain: Path, key: Path, protocols: Sequence[str], limits: Limits
    ) -> None:
        """Start the thread. It has the port once `Kind.READY` of connection 0 came: nothing else tells."""
        self._context.start(
            port=port,
            ip_family=-1 if six else socket.AF_INET,
            cert_file=str(chain),
            key_file=str(key),
            is_client=False,
            alpn_list=[*protocols, "h3"],
            dual=True,
            wt_path="",
            wt_supported_protocols=", ".join(protocols),
            idle_timeout_ms=round(limits.idle_s * 1000),
            keep_alive_interval_ms=round(limits.idle_s * 1000 / _KEEP_ALIVES_PER_IDLE),
            max_datagram_frame_size=65_535,
            rx_data_ring_cap=STREAM_WINDOW,
            initial_max_data=limits.session_unread,
            initial_max_streams_uni=limits.streams,
            initial_max_streams_bidi=limits.streams,
            max_connections=limits.sessions,
            congestion_control_algorithm="bbr1",
            socket_buffer_size=_SOCKET_BUFFER,
        )
        self._context.set_default_stream_priority(DEFAULT_PRIORITY)

    @property
    def fd(self) -> int:
        """Readable when there are events."""
        return int(self._context.eventfd)

    @property
    def backlog(self) -> int:
        """Events that wait; what is beyond the ring is only looked for if that is full."""
        waiting = int(self._context.rx_event_ring_count)
        if waiting >= _EVENTS // 2:
            waiting += int(self._context.counters["rx_overflow_depth_now"])
        return waiting

    def drain(self, most: int) -> list[Event]:
        """The next events."""
        events: list[Event] = self._context.drain_rx(most)
        return events

    def release(self) -> None:
        """All events of the last batch were handled."""
        self._context.release_batch()

    def command(self, do: int, stream: int, **more: Any) -> None:
        """Have something done, once the thread is woken by `flush`."""
        while True:
            try:
                self._context.push_tx_event(do, stream, **more)
            except BufferError:
                self.wait_for_room()
            else:
                self._unheard = True
                return

    def wait_for_room(self) -> None:
        """The ring of commands is full: let the thread empty it, for which it needs nothing of ours.

        That blocks, for milliseconds at most. Raises `BackendUnavailable` if it does nothing any more.
        """
        deadline = time.monotonic() + _STUCK_S
        while self._context.tx_event_ring_count >= _COMMANDS:
            if time.monotonic() > deadline:
                raise BackendUnavailable("picoquic takes no commands any more")
            self._context.wake_up()
            time.sleep(_PAUSE_S)

    def flush(self) -> None:
        """Wake the thread, if it has something to do."""
        if self._unheard:
            self._unheard = False
            self._context.wake_up()

    def close(self, connection: int, code: int) -> None:
        """End a connection of either kind. Nothing if it is gone."""
        self.command(_Do.CLOSE, 0, error_code=code, cnx_ptr=connection)

    def stop(self) -> None:
        """End the thread, and all that is left. No peer is told; may take 50 ms."""
        self._context.stop()

    # Of connections

    def protocol_of(self, connection: int) -> str:
        """The ALPN."""
        return self._context.get_negotiated_alpn(connection) or ""

    def peer_of(self, connection: int) -> Address:
        """Where the peer was when it was last looked."""
        return self._context.peer_address(connection) or ("", 0)

    def stats_of(self, connection: int) -> Stats:
        """As of the last question."""
        found = self._context.path_quality(connection)
        if not found:
            return Stats()
        return Stats(found["bytes_sent"], found["bytes_received"], found["lost"], found["rtt"] / 1e6)

    def max_datagram_of(self, connection: int) -> int:
        """See `QuicSession.max_datagram`."""
        return int(self._context.datagram_payload_ceiling(connection))

    # Of streams

    def make_stream(self) -> int:
        """A context for a stream of raw QUIC that we open."""
        return int(binding.stream_ctx_create())

    def release_stream(self, stream: int) -> None:
        """Give back the reference of the stream."""
        binding.stream_ctx_destroy(stream)

    def unsent(self, stream: int) -> int:
        """Bytes in its ring."""
        return int(self._context.tx_data_ring_used(stream))

    def watch(self, stream: int) -> None:
        """`SENT` follows as soon as something of it is sent; look again afterwards."""
        self._context.set_tx_data_drain_pending(stream)

    # Datagrams

    def make_datagrams(self, size: int) -> int:
        """A ring for datagrams."""
        return int(self._context.dgram_ring_create(size, MAX_DATAGRAM))

    def datagrams_unsent(self, ring: int) -> int:
        """Bytes in it."""
        return int(self._context.dgram_ring_stats(ring)["used"])

    def put_datagram(self, ring: int, data: bytes) -> bool:
        """Queue one. If it is full `DATAGRAM_SENT` follows."""
        return int(self._context.dgram_push(ring, data)) > 0


@attrs.define(eq=False)
class RawChannel:
    """A connection of raw QUIC, as a way to send."""

    _picoquic: Picoquic = attrs.field(repr=False)
    connection: int
    prefix: int = 0
    """Bytes that a datagram has less room for."""

    def send(self, number: int, stream: int, data: bytes, fin: bool, ring: int) -> bool:
        """Put data into a stream's ring, whole; False: there is no room now, and `SENT` follows.

        `ring` is the size of the ring that the stream gets with its first data.
        """
        context = self._picoquic._context
        while (taken := context.tx_send_atomic(number, data, fin, self.connection, stream, ring)) == 1:
            self._picoquic.wait_for_room()
        if taken < 0:
            raise MemoryError
        return bool(taken == 0)

    def reset(self, number: int, stream: int, code: int) -> None:
        """Give up sending."""
        self._do(_Do.RESET, number, code, stream)

    def stop(self, number: int, stream: int, code: int) -> None:
        """Have no more sent."""
        self._do(_Do.STOP, number, code, stream)

    def prioritise(self, number: int, priority: int) -> None:
        """With picoquic's priority."""
        self._do(_Do.PRIORITY, number, priority)

    def datagrams(self, ring: int) -> None:
        """There is something in the ring of datagrams."""
        self._do(_Do.DATAGRAM, 0, stream=ring)

    def release_datagrams(self, ring: int) -> None:
        """It is not used any more."""
        self._picoquic._context.dgram_ring_release(ring, self.connection)

    def close(self, code: int, reason: str) -> None:
        """End the connection; the reason goes no further."""
        self._picoquic.close(self.connection, code)

    def _do(self, do: _Do, number: int, code: int = 0, stream: int = 0) -> None:
        self._picoquic.command(do, number, error_code=code, cnx_ptr=self.connection, stream_ctx=stream)


@attrs.define(eq=False)
class WebChannel:
    """A session of WebTransport, as a way to send."""

    _picoquic: Picoquic = attrs.field(repr=False)
    connection: int
    session: int
    prefix: int = _HTTP_PREFIX
    _state: Any = attrs.field(init=False, repr=False)
    """Holds picoquic's session: when it goes, the session goes."""

    def __attrs_post_init__(self) -> None:
        self._state = binding.WebTransportSessionState(self._picoquic._context, session_ptr=self.session)

    @property
    def protocol(self) -> str:
        """What was agreed on; empty if the client offered nothing."""
        return self._state.negotiated_wt_protocol or ""

    def create(self, *, bidirectional: bool) -> None:
        """Open a stream; `WEB_CREATED` follows."""
        self._do(_Do.WEB_CREATE, 0, is_fin=int(bidirectional))

    def send(self, number: int, stream: int, data: bytes, fin: bool, ring: int) -> bool:
        """See `RawChannel.send`."""
        taken = binding.stream_ctx_send_data(stream, data, ring, fin)
        if taken < 0:
            raise MemoryError
        if taken == 0:
            return False
        self._picoquic.command(_Do.SEND, number, cnx_ptr=self.connection)
        return True

    def reset(self, number: int, stream: int, code: int) -> None:
        """See `RawChannel.reset`."""
        self._do(_Do.WEB_RESET, number, error_code=code)

    def stop(self, number: int, stream: int, code: int) -> None:
        """See `RawChannel.stop`."""
        self._do(_Do.WEB_STOP, number, error_code=code)

    def prioritise(self, number: int, priority: int) -> None:
        """See `RawChannel.prioritise`."""
        self._do(_Do.WEB_PRIORITY, number, error_code=priority)

    def datagrams(self, ring: int) -> None:
        """See `RawChannel.datagrams`."""
        self._do(_Do.WEB_DATAGRAM, 0, error_code=ring)

    def release_datagrams(self, ring: int) -> None:
        """See `RawChannel.release_datagrams`."""
        self._picoquic._context.dgram_ring_release(ring)

    def close(self, code: int, reason: str) -> None:
        """End the session, and its streams."""
        self._do(_Do.WEB_CLOSE, 0, error_code=code, data=reason.encode()[:_MAX_REASON])
        self.clean()

    def clean(self) -> None:
        """The session is over: give up its streams. Idempotent."""
        self._do(_Do.WEB_CLEAN, 0)

    def confirm(self) -> None:
        """The peer has ended it: finish our side of the CONNECT stream, too."""
        self.clean()
        self._do(_Do.WEB_FINISH, 0)

    def _do(self, do: _Do, number: int, **more: Any) -> None:
        self._picoquic.command(do, number, cnx_ptr=self.session, stream_ctx=self.session, **more)
