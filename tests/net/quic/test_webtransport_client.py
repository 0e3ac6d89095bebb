"""Our client of WebTransport against servers of any manners."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from clutch.net.errors import ConnectFailed
from clutch.net.quic import aioquic_engine
from clutch.net.quic.engine import QuicSession, QuicStream
from clutch.wire.webtransport import ErrorCode
from tests.net.quic.web import OURS, frame, headers, settings
from tests.net.quic.world import Recorder, World

CHOSEN = ((b":status", b"200"), (b"wt-protocol", b'"moqt-18"'))


@pytest.fixture
async def world(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Where the server leaves HTTP/3 to the test: see `served`."""
    monkeypatch.setattr(aioquic_engine, "H3", "of nobody")
    world.kind = "webtransport"
    return world


def served(world: World, answer: bytes, *, fin: bool = False, values: dict[int, int] = OURS) -> Recorder:
    """What the server is told; it sends settings, and `answer` to a request."""
    server = Recorder()

    def greet(session: QuicSession) -> None:
        session.open_uni(settings(values))

    def respond(stream: QuicStream, data: bytes, end: bool) -> None:
        if stream.bidirectional and answer and not stream.local:
            stream.write(answer, fin=fin)

    server.on_opened, server.on_data = greet, respond
    world.answer = lambda incoming: server
    return server


async def refused(world: World) -> str:
    """Why the client has no session."""
    with pytest.raises(ConnectFailed) as caught:
        await world.client.connect(world.target(), Recorder())
    await trio.sleep(1)
    assert world.client.connections == 0
    return str(caught.value)


async def test_a_server_without_webtransport(autojump_clock: MockClock, world: World) -> None:
    server = served(world, b"", values={0x8: 1, 0x33: 1})
    assert "the server does not speak WebTransport" in await refused(world)
    assert server.end is not None
    assert server.end.code == ErrorCode.WT_REQUIREMENTS_NOT_MET


@pytest.mark.parametrize("chosen", [CHOSEN[:1], (CHOSEN[0], (b"wt-protocol", b'"moqt-16"'))])
async def test_a_server_that_does_not_choose_from_what_was_offered(
    autojump_clock: MockClock, world: World, chosen: tuple[tuple[bytes, bytes], ...]
) -> None:
    server = served(world, headers(*chosen))
    assert "the server chose" in await refused(world)
    assert server.end is not None
    assert server.end.code == ErrorCode.WT_ALPN_ERROR


@pytest.mark.parametrize(
    ("body", "said"),
    [(b"", "refused with 404"), (b"no such path", "refused with 404: no such path")],
)
async def test_a_refusal_with_and_without_a_body(
    autojump_clock: MockClock, world: World, body: bytes, said: str
) -> None:
    served(world, headers((b":status", b"404")) + (frame(0, body) if body else b""), fin=True)
    assert (await refused(world)).endswith(said)


async def test_of_a_long_refusal_the_beginning_counts(autojump_clock: MockClock, world: World) -> None:
    served(world, headers((b":status", b"500")) + frame(0, b"no " * 10_000), fin=True)
    assert len(await refused(world)) < 600


async def test_a_server_that_resets_the_request(autojump_clock: MockClock, world: World) -> None:
    server = served(world, b"")
    server.on_data = lambda stream, data, fin: stream.reset(0x10B) if stream.bidirectional else None
    assert "CONNECT stream reset" in await refused(world)


async def test_a_server_that_never_answers(autojump_clock: MockClock, world: World) -> None:
    served(world, b"")
    assert "no answer" in await refused(world)


async def test_streams_may_come_before_the_answer(autojump_clock: MockClock, world: World) -> None:
    server = served(world, headers((b":status", b"103")) + headers(*CHOSEN))
    early = b"\x40\x54\x00early"

    def greet(session: QuicSession) -> None:
        session.open_uni(early, fin=True)
        session.open_uni(settings(OURS))

    server.on_opened = greet
    mine = Recorder()
    session = await world.client.connect(world.target(), mine)
    assert session.protocol == "moqt-18"
    await mine.until(lambda: len(mine.finished) == 1)
    assert list(mine.data.values()) == [b"early"]
