"""A client of a relay without manners: aioquic as it is, with nothing above it."""

from __future__ import annotations

import math
import ssl
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import attrs
import trio
from aioquic.quic import events
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection

from clutch.net.link import Address, Datagrams, Network
from clutch.wire.moqt import messages as m
from clutch.wire.moqt.drafts import DRAFTS, Draft
from clutch.wire.moqt.parameters import Token
from clutch.wire.moqt.setup import Options

PING_S = 0.5
"""How often it says that it is there."""


class Stingy(QuicConnection):
    """Lets the peer send what it may from the beginning, and not a byte more."""

    def _write_connection_limits(self, builder: Any, space: Any) -> None:
        """No MAX_DATA, no MAX_STREAMS."""

    def _write_stream_limits(self, builder: Any, space: Any, stream: Any) -> None:
        """No MAX_STREAM_DATA."""


@attrs.define(eq=False)
class Brute:
    """One connection. `run` must run; what is said goes out at once."""

    quic: QuicConnection
    server: Address
    draft: Draft
    datagrams: Datagrams
    data: dict[int, bytes] = attrs.field(factory=lambda: defaultdict(bytes))
    """What came on each stream."""
    stopped: dict[int, int] = attrs.field(factory=dict)
    """Streams that the peer reads no more, and its code."""
    end: events.ConnectionTerminated | None = None
    control: int = -1
    """The stream that begins with SETUP."""
    _news: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot)

    @classmethod
    def of(
        cls,
        network: Network,
        server: Address,
        alpn: str,
        kind: type[QuicConnection] = QuicConnection,
        **options: Any,
    ) -> Brute:
        """One that has not begun; `options` are those of aioquic's configuration."""
        configuration = QuicConfiguration(
            alpn_protocols=[alpn], verify_mode=ssl.CERT_NONE, max_datagram_frame_size=1 << 16, **options
        )
        quic = kind(configuration=configuration)
        return cls(quic, server, DRAFTS[alpn], network.open_datagrams(server[0] and "0.0.0.0", 0))

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until the connection is over. Started once it is up."""
        self.quic.connect(self.server, trio.current_time())
        self.flush()
        up, ping_at = False, math.inf
        try:
            while self.end is None:
                batch: list[tuple[bytes, Address]] = []
                with trio.move_on_at(min(self.quic.get_timer() or math.inf, ping_at)):
                    batch = await self.datagrams.receive_batch(64)
                now = trio.current_time()
                for data, source in batch:
                    self.quic.receive_datagram(data, source, now)
                if now >= ping_at:
                    self.quic.send_ping(0)
                    ping_at = now + PING_S
                if now >= (self.quic.get_timer() or math.inf):
                    self.quic.handle_timer(now)
                while (event := self.quic.next_event()) is not None:
                    self._note(event)
                    if isinstance(event, events.HandshakeCompleted) and not up:
                        up, ping_at = True, now + PING_S
                        task_status.started()
                self.flush()
                self._news.unpark_all()
        finally:
            self.datagrams.close()

    def _note(self, event: events.QuicEvent) -> None:
        match event:
            case events.StreamDataReceived():
                self.data[event.stream_id] += event.data
            case events.StopSendingReceived():
                self.stopped[event.stream_id] = event.error_code
            case events.ConnectionTerminated():
                self.end = event

    def flush(self) -> None:
        """Send what may be sent."""
        for data, to in self.quic.datagrams_to_send(trio.current_time()):
            self.datagrams.send(data, to)

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until something that came makes it true."""
        while not condition():
            await self._news.park()

    async def closed(self) -> int:
        """Wait for the end; its code."""
        await self.until(lambda: self.end is not None)
        assert self.end is not None
        return self.end.error_code

    def open(self, data: bytes, *, both: bool = False, fin: bool = False) -> int:
        """A new stream."""
        number = self.quic.get_next_available_stream_id(is_unidirectional=not both)
        self.write(number, data, fin=fin)
        return number

    def write(self, number: int, data: bytes, *, fin: bool = False) -> None:
        """More on a stream."""
        self.quic.send_stream_data(number, data, fin)
        self.flush()

    def datagram(self, data: bytes) -> None:
        """One datagram."""
        self.quic.send_datagram_frame(data)
        self.flush()

    def setup(self, token: bytes | None = None) -> None:
        """Say SETUP."""
        tokens = () if token is None else (Token.of(token),)
        message = m.Setup(Options(authorization=tokens), client=True)
        self.control = self.open(self.draft.encode(message), both=not self.draft.request_streams)

    def ask(self, message: m.Message) -> int:
        """A request; its stream."""
        data = self.draft.encode(message)
        if self.draft.request_streams:
            return self.open(data, both=True)
        self.write(self.control, data)
        return self.control

    def answers(self, number: int) -> list[m.Message]:
        """The control messages that came on a stream."""
        found, data, get = [], self.data[number], self.draft.integer.get
        while data:
            kind, at = get(data, 0)
            size = int.from_bytes(data[at : at + 2], "big")
            found.append(self.draft.decode_control(kind, data[at + 2 : at + 2 + size]))
            data = data[at + 2 + size :]
        return found
