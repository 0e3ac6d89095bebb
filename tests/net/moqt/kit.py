"""Two sessions on a memory pair, and handlers that write down what they hear."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from clutch.net.moqt.session import MoqtSession
from clutch.net.quic.engine import Closed, QuicSession, QuicStream
from clutch.net.quic.memory import Pair, join
from clutch.wire.moqt import messages as m
from clutch.wire.moqt.codes import SessionError
from clutch.wire.moqt.drafts import DRAFTS, Draft
from clutch.wire.moqt.framing import ControlParser
from clutch.wire.moqt.messages import Message
from clutch.wire.moqt.names import FullTrackName
from clutch.wire.moqt.session_events import SessionLimits
from clutch.wire.moqt.session_request import Request
from clutch.wire.moqt.setup import Options

TRACK = FullTrackName.parse("voice/ab12/uplink", "audio")
OTHER = FullTrackName.parse("voice/ab12/downlink", "audio")


class Scribe:
    """A `MoqtHandler` that keeps every call as (name, arguments...), and may answer."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []
        self.on: dict[str, Callable[..., Any]] = {}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def hear(session: MoqtSession, *arguments: Any) -> Any:
            if name not in ("batch_end", "writable"):
                self.heard.append((name, *arguments))
            return self.on[name](session, *arguments) if name in self.on else None

        return hear

    def take(self) -> list[tuple[Any, ...]]:
        """What was heard since the last time."""
        heard, self.heard = self.heard, []
        return heard

    def one(self, name: str) -> tuple[Any, ...]:
        """The arguments of the only call of this name since the last `take`; forgets all."""
        (found,) = [call[1:] for call in self.take() if call[0] == name]
        return found


@attrs.define(eq=False)
class Clock:
    """A clock that is moved by hand."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@attrs.define(eq=False)
class Two:
    """A client and a server that speak one draft."""

    draft: Draft
    client: MoqtSession
    server: MoqtSession
    pair: Pair
    clock: Clock

    @property
    def at_client(self) -> Scribe:
        """What the client's handler hears."""
        scribe: Any = self.client.handler
        assert isinstance(scribe, Scribe)
        return scribe

    @property
    def at_server(self) -> Scribe:
        """What the server's handler hears."""
        scribe: Any = self.server.handler
        assert isinstance(scribe, Scribe)
        return scribe

    def deliver(self) -> None:
        """Let everything arrive."""
        self.pair.deliver()

    def later(self, seconds: float) -> None:
        """Let time pass, for deadlines and for what is on its way."""
        self.clock.now += seconds
        self.client.on_time(self.clock.now)
        self.server.on_time(self.clock.now)
        self.deliver()

    def asked(self) -> Request:
        """What the server was asked, after everything has arrived."""
        self.deliver()
        request = self.at_server.one("requested")[0]
        assert isinstance(request, Request)
        return request

    def subscribed(self, name: FullTrackName = TRACK) -> tuple[Request, Request]:
        """An established subscription of the client: its request, and the server's end of it."""
        ours = self.client.subscribe(name)
        theirs = self.asked()
        self.server.accept(theirs)
        self.deliver()
        self.at_client.take()
        return ours, theirs


class Puppet:
    """A peer without a session: it says what it is told to, and writes down what it hears."""

    def __init__(self, alpn: str) -> None:
        self.draft = DRAFTS[alpn]
        self.session: QuicSession
        self.control: QuicStream | None = None
        self.messages: list[Message] = []
        self.ended: Closed | None = None
        self.resets: list[tuple[QuicStream, int]] = []
        self.stops: list[tuple[QuicStream, int]] = []
        self.streams: list[QuicStream] = []
        """Unidirectional streams of the other side."""
        self.requests: list[QuicStream] = []
        """Request streams that the other side has opened."""
        self._parsers: dict[QuicStream, ControlParser] = {}

    def setup(self, options: Options | None = None) -> None:
        """Say SETUP."""
        streams = self.draft.request_streams
        options = options or Options(max_request_id=0 if streams else 100)
        data = self.draft.encode(m.Setup(options, None if streams else self.session.client))
        if streams:
            self.control = self.session.open_uni(data)
        elif self.session.client:
            self.control = self.session.open_bidi(data)
        else:
            assert self.control is not None, "the client opens the control stream"
            self.control.write(data)

    def ask(self, message: Message, *, fin: bool = False) -> QuicStream:
        """Send a request on its stream."""
        data = self.draft.encode(message)
        if not self.draft.request_streams and not isinstance(message, m.SubscribeNamespace):
            assert self.control is not None
            self.control.write(data)
            return self.control
        stream = self.session.open_bidi(data, fin=fin)
        assert stream is not None
        return stream

    def say(self, stream: QuicStream | None, *messages: Message, fin: bool = False) -> None:
        """Send messages on a stream."""
        assert stream is not None
        stream.write(b"".join(map(self.draft.encode, messages)), fin=fin)

    def answer(self, *answers: Any, to: int = 0, fin: bool = False) -> None:
        """Send messages about a request of the other side: on its stream, or with its ID."""
        if self.draft.request_streams:
            self.say(self.requests[-1], *answers, fin=fin)
        else:
            self.say(self.control, *(attrs.evolve(answer, request_id=to) for answer in answers))

    def heard(self, kind: type) -> list[Any]:
        """The messages of one class, so far."""
        return [message for message in self.messages if isinstance(message, kind)]

    def errors(self) -> list[int]:
        """The codes of all REQUEST_ERRORs."""
        return [message.code for message in self.heard(m.RequestError_)]

    def opened(self, session: QuicSession) -> None:
        """See `SessionHandler`."""
        self.session = session

    def stream_opened(self, stream: QuicStream) -> None:
        """See `SessionHandler`."""
        if stream.bidirectional and not self.draft.request_streams and self.control is None:
            self.control = stream
        else:
            (self.requests if stream.bidirectional else self.streams).append(stream)

    def received(self, stream: QuicStream, data: bytes, fin: bool) -> None:
        """See `SessionHandler`."""
        parser = self._parsers.setdefault(stream, ControlParser(self.draft))
        self.messages += parser.feed(data)

    def was_reset(self, stream: QuicStream, code: int) -> None:
        """See `SessionHandler`."""
        self.resets.append((stream, code))

    def was_stopped(self, stream: QuicStream, code: int) -> None:
        """See `SessionHandler`."""
        self.stops.append((stream, code))

    def writable(self) -> None:
        """See `SessionHandler`."""

    def datagram(self, data: bytes) -> None:
        """See `SessionHandler`."""

    def batch_end(self) -> None:
        """See `SessionHandler`."""

    def closed(self, closed: Closed) -> None:
        """See `SessionHandler`."""
        self.ended = closed


@attrs.define(eq=False)
class Victim:
    """A session whose peer is a puppet."""

    puppet: Puppet
    session: MoqtSession
    pair: Pair
    clock: Clock

    @property
    def scribe(self) -> Scribe:
        """What its handler hears."""
        scribe: Any = self.session.handler
        assert isinstance(scribe, Scribe)
        return scribe

    def deliver(self) -> None:
        """Let everything arrive."""
        self.pair.deliver()

    def later(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.now += seconds
        self.session.on_time(self.clock.now)
        self.deliver()

    @property
    def code(self) -> SessionError | None:
        """What it has closed the session with."""
        self.deliver()
        if self.puppet.ended is None or self.puppet.ended.by != "peer":
            return None
        return SessionError(self.puppet.ended.code)


def victim(
    alpn: str,
    *,
    server: bool = True,
    limits: SessionLimits | None = None,
    kind: str = "quic",
    setup: bool = True,
) -> Victim:
    """A session as the server, or the client, of a puppet; it accepts nothing by itself."""
    clock, puppet = Clock(), Puppet(alpn)
    session = MoqtSession(Scribe(), clock=clock, limits=limits or SessionLimits())
    sides = (puppet, session) if server else (session, puppet)
    made = Victim(puppet, session, join(*sides, protocol=alpn, kind=kind, clock=clock), clock)
    if setup:
        made.deliver()
        puppet.setup()
        made.deliver()
        made.scribe.take()
    return made


def two(
    alpn: str,
    *,
    limits: SessionLimits | None = None,
    client_limits: SessionLimits | None = None,
    kind: str = "quic",
    **options: Any,
) -> Two:
    """Both sides, with their SETUPs exchanged; `options` are MoqtSession's, of the client."""
    clock = Clock()
    client = MoqtSession(Scribe(), clock=clock, limits=client_limits or SessionLimits(), **options)
    server = MoqtSession(Scribe(), clock=clock, limits=limits or SessionLimits())
    pair = join(client, server, protocol=alpn, kind=kind, clock=clock)
    both = Two(DRAFTS[alpn], client, server, pair, clock)
    both.deliver()
    return both
