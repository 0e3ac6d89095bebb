"""One raw connection, or one session of WebTransport, on the picoquic engine."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import structlog

from clutch.net.link import Address
from clutch.net.quic.engine import INTERNAL_ERROR, Accept, Closed, Incoming, Limits, Refused, Stats
from clutch.net.quic.engine import Kind as _Kind
from clutch.net.quic.picoquic_private import Event, Kind, Picoquic, WebChannel
from clutch.net.quic.picoquic_streams import Streams
from clutch.net.quic.session import Framing, Session

_OF_STREAMS = frozenset({Kind.DATA, Kind.FIN, Kind.RESET, Kind.STOP})
_OF_WEB_STREAMS = frozenset({Kind.WEB_OPENED, Kind.WEB_DATA, Kind.WEB_FIN, Kind.WEB_RESET, Kind.WEB_STOP})
_TOLD = _OF_STREAMS | _OF_WEB_STREAMS | {Kind.DATAGRAM, Kind.WEB_DATAGRAM}

log = structlog.get_logger(__name__)


@attrs.define(eq=False)
class PicoquicConnection:
    """`Base` of its session, and where the engine brings events."""

    quic: Streams
    _picoquic: Picoquic = attrs.field(repr=False)
    _accept: Accept = attrs.field(repr=False)
    limits: Limits = attrs.field(repr=False)
    _touched: Callable[[PicoquicConnection], None] = attrs.field(repr=False)
    path: str = ""
    _refused: bool = False
    early: bool = True
    client: bool = False
    authority: str = ""
    """Always: it cannot be seen."""
    protocol: str = attrs.field(init=False, default="")
    peer: Address = attrs.field(init=False, default=("", 0))
    cost: int = attrs.field(init=False, default=0)
    """Events, and KiB of data, since the engine had handled all that there was."""
    period: int = attrs.field(init=False, default=0)
    """In which such time that was counted."""
    session: Session | None = attrs.field(init=False, default=None)
    over: bool = attrs.field(init=False, default=False)
    """It was closed, or refused: no event is looked at any more."""

    @property
    def stats(self) -> Stats:
        """See `Base.stats`."""
        return self._picoquic.stats_of(self.quic.channel.connection)

    @property
    def refused(self) -> bool:
        """See `Base.refused`."""
        return self._refused

    @refused.setter
    def refused(self, refused: bool) -> None:
        self._refused = refused
        self.touch()

    def touch(self) -> None:
        """See `Base.touch`."""
        self._touched(self)

    def close(self, code: int, reason: str) -> None:
        """End it; the peer is told, the handler later."""
        if not self.over:
            self.over = True
            self.quic.channel.close(code, reason)
            if isinstance(self.quic.channel, WebChannel):
                self.quic.release()
            self.touch()

    def open(self) -> None:
        """It can be used: ask who wants it. Once; nothing if it is open."""
        if self.session is not None or self.over:
            return
        channel = self.quic.channel
        kind: _Kind = "quic"
        self.protocol = self._picoquic.protocol_of(channel.connection)
        if isinstance(channel, WebChannel):
            kind, self.protocol = "webtransport", channel.protocol
        self.peer = self._picoquic.peer_of(channel.connection)
        if not self.protocol:
            self.close(0, "no protocol was offered")
            return
        try:
            answer = self._accept(Incoming(kind, self.protocol, self.peer, path=self.path))
        except Exception:
            log.exception("a connection failed", peer=self.peer)
            answer = Refused(500, INTERNAL_ERROR, "internal error")
        if isinstance(answer, Refused):
            self.close(answer.code, answer.reason)
            return
        self.session = Session(self, answer, Framing(self.close, kind, self.path, protocol=self.protocol))
        self.session.start()
        self.touch()

    def handle(self, event: Event) -> None:
        """An event of it, but for its beginning and its end."""
        kind, number, data, _, code, _, context, web_context = event
        quic = self.quic
        if kind in _OF_STREAMS:
            quic.found(number, context)
        elif kind in _OF_WEB_STREAMS:
            quic.found(number, web_context)
        elif kind in (Kind.DESTROYED, Kind.WEB_DESTROYED):
            quic.gone(number, context)
        elif kind == Kind.SENT:
            quic.sent(number)
        elif kind == Kind.WEB_CREATED and not quic.created(number, web_context if code == 0 else 0):
            self.close(INTERNAL_ERROR, "a stream could not be opened")
        if kind in _TOLD:
            self.open()
            if self.session is not None and not self.over:
                self._tell(self.session, kind, number, data, code)

    def _tell(self, session: Session, kind: int, number: int, data: memoryview | None, code: int) -> None:
        if kind in (Kind.DATA, Kind.WEB_DATA, Kind.FIN, Kind.WEB_FIN):
            session.on_data(number, b"" if data is None else bytes(data), kind in (Kind.FIN, Kind.WEB_FIN))
        elif kind in (Kind.DATAGRAM, Kind.WEB_DATAGRAM):
            session.on_datagram(b"" if data is None else bytes(data))
        elif kind in (Kind.RESET, Kind.WEB_RESET):
            session.on_reset(number, code)
        elif kind in (Kind.STOP, Kind.WEB_STOP):
            session.on_stop(number, code)
            self.quic.reset_stream(number, code)

    def batch_end(self) -> None:
        """All that had arrived was handled."""
        if self.session is not None and not self.over:
            self.session.batch_end()

    def settle(self) -> bool:
        """Tell the handler of the end, or that it may write again; False: it waits to be told that."""
        session = self.session
        if session is None or session.finish() or not self._refused:
            return True
        self._refused = not session.sent()
        return not self._refused

    def end(self, closed: Closed) -> None:
        """It is over, and picoquic will say nothing more of it. Idempotent."""
        self.over = True
        if self.session is not None:
            self.session.finish(closed)
        self.quic.release()
