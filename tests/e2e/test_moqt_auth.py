"""Tokens at the relay of a whole node, over QUIC: in virtual time, and once for real."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from clutch.auth.patterns import Pattern
from clutch.auth.tokens import mint
from clutch.net.link import TrioNetwork
from clutch.net.memory import MemoryNetwork
from clutch.net.moqt.session import MoqtSession
from clutch.net.quic.aioquic_engine import AioquicEngine
from clutch.net.quic.engine import Closed, Incoming, Refused, Target, Trust
from clutch.net.quic.memory import join
from clutch.node.config import (
    AuthConfig,
    Config,
    MediaConfig,
    MoqtConfig,
    NodeConfig,
    RecordingConfig,
    SipConfig,
)
from clutch.node.keys import prepare_keys
from clutch.node.node import Node, open_node
from clutch.wire.moqt.codes import DoneStatus, RequestError, SessionError
from clutch.wire.moqt.messages import RequestError_
from clutch.wire.moqt.names import FullTrackName
from clutch.wire.moqt.parameters import Parameters, Token
from clutch.wire.moqt.setup import Options
from tests.e2e.processes import PATIENCE_S, clutch, events
from tests.interop.node import running_node
from tests.net.moqt.kit import Scribe

HERE, THERE = "127.0.0.1", "192.0.2.2"
NODE = "192.0.2.1"
NOW = 1_800_000_000.0
UPLINK = FullTrackName.parse("voice/ab12/uplink", "audio")
DOWNLINK = FullTrackName.parse("voice/ab12/downlink", "audio")


@attrs.define(eq=False)
class Peer:
    """A client of the relay."""

    session: MoqtSession
    scribe: Scribe
    _news: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot)

    def __attrs_post_init__(self) -> None:
        for name in ("ready", "answered", "closed"):
            self.scribe.on[name] = lambda *_: self._news.unpark_all() and None

    def calls(self, name: str) -> list[tuple[Any, ...]]:
        """What the session told, by name."""
        return [call[1:] for call in self.scribe.heard if call[0] == name]

    async def told(self, *names: str) -> tuple[Any, ...]:
        """Wait until it told one of these; its last arguments."""
        while not (found := [call for name in names for call in self.calls(name)]):
            await self._news.park()
        return found[-1]

    async def closed(self) -> Closed:
        """How the session ended."""
        (end,) = await self.told("closed")
        assert isinstance(end, Closed)
        return end

    async def answer(self) -> object:
        """The answer to the one request."""
        return (await self.told("answered"))[1]


async def visit(engine: AioquicEngine, target: Target, token: bytes | None) -> Peer:
    """Connect, and wait until the session is open or refused."""
    options = Options(authorization=() if token is None else (Token.of(token),))
    peer = Peer(MoqtSession(scribe := Scribe(), options), scribe)
    await engine.connect(target, peer.session)
    await peer.told("ready", "closed")
    return peer


@attrs.define(eq=False)
class World:
    """A node, and those who come to it."""

    config: Config
    node: Node
    network: MemoryNetwork
    _nursery: trio.Nursery

    def token(self, *, publish: str = "", subscribe: str = "", ttl: float = 60, name: str = "t1") -> bytes:
        """Signed with the node's key, as `clutch token` does it."""
        key = prepare_keys(self.config).signing
        assert key is not None
        made = mint(
            key,
            publish=[Pattern.parse(publish)] if publish else [],
            subscribe=[Pattern.parse(subscribe)] if subscribe else [],
            token_id=name,
            now=NOW,
            expires_at=NOW + ttl,
            tenant="acme",
        )
        return made.encode()

    async def come(self, token: bytes | None, *, host: str = THERE) -> Peer:
        """A session from that host, with a token or without."""
        engine = AioquicEngine(self.network.host(host))
        await self._nursery.start(engine.run)
        trust = Trust(fingerprint=bytes.fromhex(self.node.snapshot()["moqt"]["certificate_sha256"]))
        return await visit(engine, Target(*self.node.moqt.engine.address, ["moqt-18"], trust=trust), token)

    @property
    def gate(self) -> dict[str, int]:
        """The counters of the status page that are not zero."""
        return {name: count for name, count in self.node.snapshot()["moqt"]["gate"].items() if count}


@asynccontextmanager
async def open_world(folder: Path, host: str = NODE, *, revoked: Path | None = None) -> AsyncIterator[World]:
    """A node in a network in memory; its wall clock says NOW at the start."""
    config = Config(
        NodeConfig(folder),
        sip=SipConfig(host=host),
        moqt=MoqtConfig(host=host),
        auth=AuthConfig(revoked=revoked),
        media=MediaConfig("twin"),
        recording=RecordingConfig(enabled=False),
    )
    network = MemoryNetwork()
    async with open_node(config, network.host(host), http=False) as node, trio.open_nursery() as nursery:
        start = trio.current_time()
        node.moqt.gate._now = lambda: NOW + trio.current_time() - start
        yield World(config, node, network, nursery)
        nursery.cancel_scope.cancel(reason="the test is over")


async def test_from_elsewhere_a_token_is_needed(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with open_world(tmp_path) as world:
        end = await (await world.come(None)).closed()
        assert (end.by, end.code, end.reason) == ("peer", SessionError.UNAUTHORIZED, "a token is needed")
        assert world.gate == {"unauthorized": 1}


async def test_from_this_machine_none_is_needed(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with open_world(tmp_path, HERE) as world:
        peer = await world.come(None, host=HERE)
        request = peer.session.publish(UPLINK)
        assert not isinstance(await peer.answer(), RequestError_)
        assert request in peer.session.requests
        assert world.gate == {"without_token": 1}


@pytest.mark.parametrize("page", ["http://localhost:8080", "https://example.com"])
async def test_a_browser_here_shows_pages_of_others(
    tmp_path: Path, autojump_clock: MockClock, page: str
) -> None:
    async with open_world(tmp_path, HERE) as world:
        peer = Peer(MoqtSession(scribe := Scribe()), scribe)
        incoming = Incoming("webtransport", "moqt-18", (HERE, 1), origin=page)
        relay = world.node.moqt.engine.accept(incoming)
        assert not isinstance(relay, Refused)
        pair = join(peer.session, relay, protocol="moqt-18", kind="webtransport", clock=trio.current_time)
        pair.deliver(trio.current_time())
        ends = [end.code for (end,) in peer.calls("closed")]
        assert ends == ([] if "localhost" in page else [SessionError.UNAUTHORIZED])


async def test_every_bad_token_has_its_code(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with open_world(tmp_path) as world:
        good = world.token(publish="**")
        for token, code in (
            (b"nonsense", SessionError.MALFORMED_AUTH_TOKEN),
            (b"", SessionError.MALFORMED_AUTH_TOKEN),
            (b"A" * 9000, SessionError.MALFORMED_AUTH_TOKEN),
            (good[:-8] + b"AAAAAAAA", SessionError.UNAUTHORIZED),
            (world.token(publish="**", ttl=-1), SessionError.EXPIRED_AUTH_TOKEN),
        ):
            end = await (await world.come(token)).closed()
            assert (end.by, end.code) == ("peer", code), token
        assert world.gate == {"malformed": 3, "unauthorized": 1, "expired": 1}


async def test_a_token_opens_what_it_says_and_nothing_else(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with open_world(tmp_path) as world:
        token = world.token(publish="voice/*/downlink", subscribe="voice/ab12/**")
        elsewhere = FullTrackName.parse("voice/cd34/uplink", "audio")
        asks: list[Callable[[MoqtSession], object]] = [
            lambda session: session.publish(UPLINK),
            lambda session: session.publish_namespace((b"voice", b"ab12", b"uplink")),
            lambda session: session.subscribe(elsewhere),
            lambda session: session.track_status(elsewhere),
            lambda session: session.subscribe_namespace((b"voice", b"cd34")),
            lambda session: session.subscribe_tracks((b"text",)),
        ]
        for ask in asks:
            peer = await world.come(token)
            ask(peer.session)
            refusal = await peer.answer()
            assert isinstance(refusal, RequestError_)
            assert refusal.code == RequestError.UNAUTHORIZED
            assert not peer.calls("closed")
        publisher, subscriber = await world.come(token), await world.come(token)
        publisher.session.publish(DOWNLINK)
        assert not isinstance(await publisher.answer(), RequestError_)
        subscriber.session.subscribe(DOWNLINK)
        assert not isinstance(await subscriber.answer(), RequestError_)


async def test_a_token_that_ends_ends_its_session(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with open_world(tmp_path) as world:
        short, long = await world.come(world.token(ttl=5)), await world.come(world.token(ttl=50))
        end = await short.closed()
        assert 5 <= trio.current_time() < 7
        assert (end.code, end.reason) == (SessionError.EXPIRED_AUTH_TOKEN, "the token has expired")
        assert not long.calls("closed")
        assert world.gate == {"with_token": 2, "expired": 1}


async def test_a_token_of_a_request_must_last_as_long(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with open_world(tmp_path) as world:
        short = Parameters(authorization=(Token.of(world.token(publish="**", ttl=5)),))
        kept, given_up = await world.come(world.token()), await world.come(world.token())
        for peer in (kept, given_up):
            request = peer.session.publish(UPLINK, short)
            assert not isinstance(await peer.answer(), RequestError_)
        given_up.session.finish(request, DoneStatus.TRACK_ENDED)
        end = await kept.closed()
        assert (end.code, end.reason) == (SessionError.EXPIRED_AUTH_TOKEN, "the token has expired")
        await trio.sleep(10)
        assert not given_up.calls("closed")


async def test_a_revoked_token_ends_its_session(tmp_path: Path, autojump_clock: MockClock) -> None:
    revoked = tmp_path / "revoked"
    revoked.write_text("")
    async with open_world(tmp_path, revoked=revoked) as world:
        one, two = (
            await world.come(world.token(name="one")),
            await world.come(world.token(name="two")),
        )
        revoked.write_text("one")
        await trio.sleep(2)
        assert not one.calls("closed")
        world.node.reload()
        end = await one.closed()
        assert (end.code, end.reason) == (SessionError.UNAUTHORIZED, "the token was revoked")
        assert not two.calls("closed")
        again = await (await world.come(world.token(name="one"))).closed()
        assert again.code == SessionError.UNAUTHORIZED


async def test_no_token_is_ever_logged(tmp_path: Path, autojump_clock: MockClock) -> None:
    with capture_logs() as lines:
        async with open_world(tmp_path) as world:
            good = world.token(subscribe="**", ttl=3)
            bad = good[:-8] + b"AAAAAAAA"
            peer = await world.come(good)
            peer.session.publish(UPLINK)
            await peer.answer()
            await peer.closed()
            await (await world.come(bad)).closed()
    assert {"the token has expired", "the signature of the token is wrong"} <= {
        line.get("reason") for line in lines
    }
    shown = repr(lines)
    for piece in {*good.split(b"."), *bad.split(b".")}:
        assert piece.decode() not in shown


async def test_clutch_token_opens_a_running_node(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running_node(data, "moqt.open_loopback=false") as node:
        made = clutch("token", "--publish", "voice/*/uplink", "--data", str(data))
        assert made.returncode == 0, made.stderr
        token = made.stdout.strip()
        status = node.status()["moqt"]
        trust = Trust(fingerprint=bytes.fromhex(status["certificate_sha256"]))
        target = Target("127.0.0.1", node.moqt_port, ["moqt-18"], trust=trust)
        engine = AioquicEngine(TrioNetwork())
        with trio.fail_after(PATIENCE_S):
            async with trio.open_nursery() as nursery:
                await nursery.start(engine.run)
                end = await (await visit(engine, target, None)).closed()
                assert (end.code, end.reason) == (SessionError.UNAUTHORIZED, "a token is needed")
                peer = await visit(engine, target, token.encode())
                peer.session.publish(UPLINK)
                assert not isinstance(await peer.answer(), RequestError_)
                nursery.cancel_scope.cancel(reason="the test is over")
        gate = node.status()["moqt"]["gate"]
        assert (gate["with_token"], gate["unauthorized"], gate["without_token"]) == (1, 1, 0)
        jti = made.stderr.split()[1].rstrip(",")
        assert [line["jti"] for line in events(node, "moqt.admitted")] == [jti]
        assert node.stop() == 0
        assert not any(piece in node.log() for piece in token.split("."))
