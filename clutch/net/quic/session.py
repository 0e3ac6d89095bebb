"""Sessions and streams on a connection of an engine, raw or of WebTransport."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import structlog
from aioquic.quic.connection import stream_is_client_initiated, stream_is_unidirectional

from clutch.net.link import Address
from clutch.net.quic.engine import INTERNAL_ERROR, Closed, Kind, SessionHandler, Stats
from clutch.net.quic.layer import Base

log = structlog.get_logger(__name__)


def _same(code: int) -> int:
    return code


def _nothing(stream_id: int) -> None:
    pass


@attrs.frozen
class Framing:
    """How a session lies on its connection: as it is for raw QUIC; inside a frame for WebTransport."""

    close: Callable[[int, str], None]
    """End the session with a code and a reason; the connection, if it is the same."""
    kind: Kind = "quic"
    path: str = ""
    authority: str | None = None
    """That of the request; None for that of TLS."""
    protocol: str | None = None
    """The protocol of WebTransport; None for the ALPN."""
    uni: bytes = b""
    """What the first bytes of every stream of ours are."""
    bidi: bytes = b""
    datagram: bytes = b""
    encode: Callable[[int], int] = _same
    """The application's error code to the one on the wire."""
    decode: Callable[[int], int] = _same
    opened: Callable[[int], None] = _nothing
    """Told the ID of every stream of ours, after its first bytes were written."""


@attrs.define(eq=False)
class Stream:
    """`QuicStream` on a connection."""

    _session: Session = attrs.field(repr=False)
    number: int
    """Its ID in QUIC."""
    context: Any = None
    _write_over: bool = attrs.field(init=False, default=False)
    """Nothing more can be sent."""
    _read_over: bool = attrs.field(init=False, default=False)
    """Nothing more is delivered."""

    @property
    def bidirectional(self) -> bool:
        """See `QuicStream.bidirectional`."""
        return not stream_is_unidirectional(self.number)

    @property
    def local(self) -> bool:
        """See `QuicStream.local`."""
        return stream_is_client_initiated(self.number) is self._session.client

    @property
    def unsent(self) -> int:
        """See `QuicStream.unsent`."""
        return self._session._carrier.quic.stream_unsent(self.number)

    def write(self, data: bytes, *, fin: bool = False) -> bool:
        """See `QuicStream.write`."""
        session = self._session
        if self._write_over or session._over:
            return True
        if not session._room(len(data), self.unsent):
            return False
        session._carrier.quic.send_stream_data(self.number, data, fin)
        session._carrier.touch()
        self._write_over = fin
        return True

    def reset(self, code: int) -> None:
        """See `QuicStream.reset`."""
        session = self._session
        if session._over or not self._writes:
            return
        self._write_over = True
        session._carrier.quic.reset_stream(self.number, session._framing.encode(code))
        session._carrier.touch()

    def stop(self, code: int) -> None:
        """See `QuicStream.stop`."""
        session = self._session
        if session._over or self._read_over or (self.local and not self.bidirectional):
            return
        self._read_over = True
        session._carrier.quic.stop(self.number, session._framing.encode(code))
        session._carrier.touch()

    def prioritise(self, priority: int) -> None:
        """See `QuicStream.prioritise`."""
        if not self._session._over:
            self._session._carrier.quic.prioritise(self.number, priority)

    @property
    def _writes(self) -> bool:
        return self.local or self.bidirectional


@attrs.define(eq=False)
class Session:
    """`QuicSession` on a connection. The layer that made it calls `start`, the `on_` methods and `finish`."""

    _carrier: Base = attrs.field(repr=False)
    _handler: SessionHandler = attrs.field(repr=False)
    _framing: Framing = attrs.field(repr=False)
    context: Any = None
    mute: bool = attrs.field(init=False, default=False)
    """No datagram is sent: the peer may not know of the session yet, and would drop it."""
    _ending: Closed | None = attrs.field(init=False, default=None)
    """Set once the end has begun; `closed` is still to be called."""
    _over: bool = attrs.field(init=False, default=False)
    """The end has begun: nothing but `closed` is called any more, and all methods do nothing."""
    _fed: bool = attrs.field(init=False, default=False)
    _resume_below: int | None = attrs.field(init=False, default=None)
    """If something was refused: how much may wait when `writable` is called."""

    @property
    def kind(self) -> Kind:
        """See `QuicSession.kind`."""
        return self._framing.kind

    @property
    def client(self) -> bool:
        """See `QuicSession.client`."""
        return self._carrier.client

    @property
    def protocol(self) -> str:
        """See `QuicSession.protocol`."""
        framed = self._framing.protocol
        return self._carrier.protocol if framed is None else framed

    @property
    def peer(self) -> Address:
        """See `QuicSession.peer`."""
        return self._carrier.peer

    @property
    def authority(self) -> str:
        """See `QuicSession.authority`."""
        framed = self._framing.authority
        return self._carrier.authority if framed is None else framed

    @property
    def path(self) -> str:
        """See `QuicSession.path`."""
        return self._framing.path

    @property
    def early(self) -> bool:
        """See `QuicSession.early`."""
        return self._carrier.early

    @property
    def unsent(self) -> int:
        """See `QuicSession.unsent`."""
        return 0 if self._over else self._carrier.quic.unsent

    @property
    def max_datagram(self) -> int:
        """See `QuicSession.max_datagram`."""
        return max(0, self._carrier.quic.max_datagram - len(self._framing.datagram))

    @property
    def stats(self) -> Stats:
        """See `QuicSession.stats`."""
        return self._carrier.stats

    def open_uni(self, data: bytes = b"", *, fin: bool = False) -> Stream | None:
        """See `QuicSession.open_uni`."""
        return self._open(True, self._framing.uni + data, fin)

    def open_bidi(self, data: bytes = b"", *, fin: bool = False) -> Stream | None:
        """See `QuicSession.open_bidi`."""
        return self._open(False, self._framing.bidi + data, fin)

    def _open(self, unidirectional: bool, data: bytes, fin: bool) -> Stream | None:
        quic, limits = self._carrier.quic, self._carrier.limits
        if self._over or not self._room(len(data)):
            return None
        if quic.streams_waiting >= limits.streams:
            self._refuse()
            return None
        state = quic.open_stream(data, fin=fin, one_way=unidirectional)
        state.face = stream = Stream(self, state.stream_id)
        stream._write_over = fin
        self._framing.opened(state.stream_id)
        self._carrier.touch()
        return stream

    def send_datagram(self, data: bytes) -> bool:
        """See `QuicSession.send_datagram`."""
        quic = self._carrier.quic
        if self._over or self.mute or len(data) > self.max_datagram:
            return False
        if quic.datagrams_unsent + len(data) > self._carrier.limits.datagrams_unsent:
            self._refuse()
            return False
        quic.send_datagram_frame(self._framing.datagram + data)
        self._carrier.touch()
        return True

    def close(self, code: int = 0, reason: str = "") -> None:
        """See `QuicSession.close`."""
        if not self._over:
            self._end(Closed("local", code, reason))
            self._framing.close(code, reason)

    # What the layer calls

    def start(self) -> None:
        """Call `opened`."""
        self._guard(self._handler.opened, self)

    def on_data(self, stream_id: int, data: bytes, fin: bool) -> None:
        """Bytes of a stream, without its framing."""
        if (stream := self._stream(stream_id)) is not None and not stream._read_over:
            stream._read_over = fin
            if data or fin:
                self._guard(self._handler.received, stream, data, fin)

    def on_reset(self, stream_id: int, code: int | None) -> None:
        """RESET_STREAM. None: because the session is over, of which the handler will hear instead."""
        if (stream := self._stream(stream_id)) is not None and not stream._read_over:
            stream._read_over = True
            if code is not None:
                self._guard(self._handler.was_reset, stream, self._framing.decode(code))

    def on_stop(self, stream_id: int, code: int | None) -> None:
        """STOP_SENDING. None: as in `on_reset`."""
        if (stream := self._stream(stream_id)) is not None:
            stream._write_over = True
            if code is not None:
                self._guard(self._handler.was_stopped, stream, self._framing.decode(code))

    def on_datagram(self, data: bytes) -> None:
        """A datagram, without its framing."""
        if not self._over:
            self._fed = True
            self._guard(self._handler.datagram, data)

    def batch_end(self) -> None:
        """Call `batch_end`, if anything came since the last time."""
        if self._fed and not self._over:
            self._fed = False
            self._guard(self._handler.batch_end)

    def sent(self) -> bool:
        """Packets have gone: call `writable` if it is time; False while it is still to be called."""
        if self._resume_below is None or self._over:
            return True
        quic, limits = self._carrier.quic, self._carrier.limits
        if quic.unsent > self._resume_below or quic.streams_waiting > limits.streams // 2:
            return False
        self._resume_below = None
        self._guard(self._handler.writable)
        return self._resume_below is None

    def finish(self, closed: Closed | None = None) -> bool:
        """Call `closed`, if the session is over, or is now by `closed`. Whether it is over."""
        if closed is not None and not self._over:
            self._end(closed)
        if self._ending is not None:
            closed, self._ending = self._ending, None
            try:
                self._handler.closed(closed)
            except Exception:
                log.exception("a handler failed at the end of its session", peer=self.peer)
        return self._over

    def _end(self, closed: Closed) -> None:
        self._over, self._ending = True, closed
        self._carrier.touch()

    def _stream(self, stream_id: int) -> Stream | None:
        """The stream that an event is about, announced if it is new; None once the session is over."""
        if self._over:
            return None
        self._fed = True
        stream: Stream | None = self._carrier.quic.face(stream_id)
        if stream is None:
            stream = Stream(self, stream_id)
            stream._write_over = stream_is_unidirectional(stream_id)
            self._carrier.quic.keep(stream_id, stream)
            self._guard(self._handler.stream_opened, stream)
        return None if self._over else stream

    def _room(self, length: int, stream_unsent: int = 0) -> bool:
        """Whether so many bytes may be taken; what waits alone may be of any length."""
        limits, unsent = self._carrier.limits, self._carrier.quic.unsent
        if unsent and unsent + length > limits.session_unsent:
            self._refuse()
            return False
        if stream_unsent and stream_unsent + length > limits.stream_unsent:
            self._refuse()
            return False
        return True

    def _refuse(self) -> None:
        self._resume_below = self._carrier.quic.unsent // 2
        self._carrier.refused = True

    def _guard(self, call: Callable[..., None], *arguments: Any) -> None:
        """Call the handler; what it raises ends this session, and no other."""
        try:
            call(*arguments)
        except Exception:
            log.exception("a handler failed, its session ends", peer=self.peer)
            self.close(INTERNAL_ERROR, "internal error")
