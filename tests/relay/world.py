"""A relay and its peers, joined in memory: nothing arrives until `World.settle`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import trio

from clutch.net.moqt.session import MoqtSession
from clutch.net.quic.engine import Incoming, Refused
from clutch.net.quic.memory import Pair, join
from clutch.relay import Relay
from clutch.wire.moqt import messages as m
from clutch.wire.moqt.data import Object, SubgroupHeader, encode_object, encode_subgroup_header
from clutch.wire.moqt.names import FullTrackName
from clutch.wire.moqt.parameters import Parameters, Token
from clutch.wire.moqt.properties import NONE, Properties
from clutch.wire.moqt.session_request import Kind, Request
from clutch.wire.moqt.setup import Options


class Scribe:
    """A `MoqtHandler` that writes down every call, and may answer."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []
        self.on: dict[str, Callable[..., Any]] = {}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def hear(session: MoqtSession, *arguments: Any) -> Any:
            if name not in ("batch_end", "writable"):
                self.heard.append((name, *arguments))
            return self.on[name](session, *arguments) if name in self.on else None

        return hear


@attrs.define(eq=False)
class Client:
    """One peer of the relay."""

    session: MoqtSession
    scribe: Scribe
    pair: Pair
    world: World

    def take(self, name: str) -> list[tuple[Any, ...]]:
        """The arguments of all calls of this name since the last time, after everything has arrived."""
        self.world.settle()
        taken = [call[1:] for call in self.scribe.heard if call[0] == name]
        self.scribe.heard = [call for call in self.scribe.heard if call[0] != name]
        return taken

    def answer(self) -> Any:
        """The latest answer that came."""
        return self.take("answered")[-1][1]

    def objects(self) -> list[tuple[int, int, bytes]]:
        """Group, ID and payload of what came."""
        return [
            (incoming.header.group, item.id, item.payload)
            for incoming, items in self.take("objects")
            for item in items
        ]

    def subscribe(self, name: FullTrackName, **parameters: Any) -> Request:
        """SUBSCRIBE, and let it arrive."""
        request = self.session.subscribe(name, Parameters(**parameters))
        self.world.settle()
        return request

    def publish(self, name: FullTrackName, properties: Properties = NONE, **parameters: Any) -> Request:
        """PUBLISH, and be accepted."""
        request = self.session.publish(name, Parameters(**parameters), properties)
        self.world.settle()
        assert isinstance(request.answer, m.RequestOk)
        return request

    def announce(self, name: FullTrackName, *, serve: bool = True) -> Request:
        """PUBLISH_NAMESPACE, and be accepted; SUBSCRIBEs are then granted if `serve`."""
        request = self.session.publish_namespace(name.namespace)
        self.world.settle()
        assert isinstance(request.answer, m.RequestOk)

        def requested(session: MoqtSession, asked: Request) -> None:
            if asked.kind is Kind.SUBSCRIBE:
                session.accept(asked, properties=Properties.of((0x3841, b"voice/opus")))

        if serve:
            self.scribe.on["requested"] = requested
        return request

    def asked(self) -> Request:
        """The only request that came."""
        ((request,),) = self.take("requested")
        assert isinstance(request, Request)
        return request

    def send(self, request: Request, group: int, *payloads: bytes, fin: bool = True, **header: Any) -> Any:
        """Objects of a subgroup on a stream of their own."""
        head = SubgroupHeader(request.alias or 0, group, first_object=True, **header)
        return self.session.open_subgroup(request, self.frame(head, *payloads), fin=fin)

    def frame(self, head: SubgroupHeader, *payloads: bytes) -> bytes:
        """The bytes of a subgroup stream."""
        draft, data = self.session.draft, b""
        for number, payload in enumerate(payloads):
            data += encode_object(draft, head, Object(number, payload), number - 1 if number else None)
        return encode_subgroup_header(draft, head) + data

    def more(self, writer: Any, number: int, payload: bytes, *, fin: bool = False) -> None:
        """The next object of a stream that `send` has left open."""
        head = SubgroupHeader(0, 0)
        writer.write(encode_object(self.session.draft, head, Object(number, payload), number - 1), fin=fin)

    def leave(self) -> None:
        """Close the session."""
        self.session.close()
        self.world.settle()


@attrs.define(eq=False)
class World:
    """The relay with everybody who is connected."""

    relay: Relay
    alpn: str
    clients: list[Client] = attrs.field(factory=list)

    def connect(self, alpn: str = "", token: bytes | None = None, **limits: Any) -> Client:
        """A new peer, with its SETUP exchanged."""
        scribe, alpn = Scribe(), alpn or self.alpn
        tokens = () if token is None else (Token.of(token),)
        session = MoqtSession(scribe, Options(authorization=tokens))
        theirs = self.relay.accept(Incoming("quic", alpn, ("127.0.0.1", 4443)))
        assert not isinstance(theirs, Refused)
        pair = join(session, theirs, protocol=alpn, clock=trio.current_time, **limits)
        client = Client(session, scribe, pair, self)
        self.clients.append(client)
        self.settle()
        return client

    def settle(self) -> None:
        """Let everything arrive, wherever it leads."""
        busy = True
        while busy:
            busy = False
            for client in self.clients:
                busy |= client.pair.server.deliver(trio.current_time())
                busy |= client.pair.client.deliver(trio.current_time())

    async def later(self, seconds: float) -> None:
        """Let time pass."""
        self.settle()
        end = trio.current_time() + seconds
        while (left := end - trio.current_time()) > 0:
            await trio.sleep(min(left, 1.0))
            self.settle()
            for client in self.clients:
                client.session.on_time(trio.current_time())
        self.settle()

    def close(self) -> None:
        """Everybody leaves."""
        for client in self.clients:
            client.session.close()
        self.settle()
