"""Two sessions on a memory pair, and handlers that write down what they hear."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from clutch.net.moqt.session import MoqtSession
from clutch.net.quic.memory import MemoryStream, Pair, join
from clutch.wire.moqt.drafts import DRAFTS, Draft
from clutch.wire.moqt.messages import Message
from clutch.wire.moqt.names import FullTrackName
from clutch.wire.moqt.session_events import SessionLimits
from clutch.wire.moqt.session_request import Request

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

    def raw(self, message: Message, stream: MemoryStream | None = None, *, fin: bool = False) -> MemoryStream:
        """The client's stack sends a message past its session, on a new request stream or a given one."""
        data = self.draft.encode(message)
        if stream is None:
            opened = self.pair.client.open_bidi(data, fin=fin)
            assert isinstance(opened, MemoryStream)
            stream = opened
        else:
            stream.write(data, fin=fin)
        return stream


def two(alpn: str, *, limits: SessionLimits | None = None, kind: str = "quic", **options: Any) -> Two:
    """Both sides, with their SETUPs exchanged; `options` are MoqtSession's, of the client."""
    clock = Clock()
    client = MoqtSession(Scribe(), clock=clock, **options)
    server = MoqtSession(Scribe(), clock=clock, limits=limits or SessionLimits())
    pair = join(client, server, protocol=alpn, kind=kind, clock=clock)
    both = Two(DRAFTS[alpn], client, server, pair, clock)
    both.deliver()
    return both
