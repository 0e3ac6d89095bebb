"""Raw QUIC: the connection is the session."""

from __future__ import annotations

import attrs
from aioquic.quic.events import (
    DatagramFrameReceived,
    QuicEvent,
    StopSendingReceived,
    StreamDataReceived,
    StreamReset,
)

from clutch.net.quic.engine import Closed, Incoming, Refused
from clutch.net.quic.layer import Carrier
from clutch.net.quic.session import Framing, Session


@attrs.define(eq=False)
class RawLayer:
    """`ConnectionLayer` of one session."""

    _carrier: Carrier = attrs.field(repr=False)
    _session: Session | None = attrs.field(init=False, default=None)

    def start(self) -> None:
        """See `ConnectionLayer.start`."""
        carrier = self._carrier
        if carrier.client:
            handler = carrier.wanted[1]
        else:
            incoming = Incoming("quic", carrier.protocol, carrier.peer, carrier.authority)
            answer = carrier.accept(incoming)
            if isinstance(answer, Refused):
                carrier.close(answer.code, answer.reason)
                return
            handler = answer
        self._session = session = Session(carrier, handler, Framing(carrier.close))
        session.start()
        if carrier.client:
            carrier.connected(session)

    def handle_event(self, event: QuicEvent) -> None:
        """See `ConnectionLayer.handle_event`."""
        session = self._session
        if session is None:
            return
        if isinstance(event, StreamDataReceived):
            session.on_data(event.stream_id, event.data, event.end_stream)
        elif isinstance(event, DatagramFrameReceived):
            session.on_datagram(event.data)
        elif isinstance(event, StreamReset):
            session.on_reset(event.stream_id, event.error_code)
        elif isinstance(event, StopSendingReceived):
            session.on_stop(event.stream_id, event.error_code)

    def batch_end(self) -> None:
        """See `ConnectionLayer.batch_end`."""
        if self._session is not None:
            self._session.batch_end()

    def sent(self) -> None:
        """See `ConnectionLayer.sent`."""
        if self._session is not None:
            self._carrier.refused = not self._session.sent()

    def closed(self, closed: Closed) -> None:
        """See `ConnectionLayer.closed`."""
        if self._session is not None:
            self._session.finish(closed)
