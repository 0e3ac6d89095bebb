"""What every engine does alike, as a server on real sockets: the contract of `clutch.net.quic.engine`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
import trio

from clutch.net.errors import ConnectFailed
from clutch.net.quic.engine import Closed, Limits, Refused
from tests.net.quic.loopback import HAS_PICOQUIC, HOST, Loopback
from tests.net.quic.world import Recorder

ENGINES = [
    "aioquic",
    pytest.param(
        "picoquic",
        marks=pytest.mark.skipif(
            not HAS_PICOQUIC, reason="aiopquic is not here; test_picoquic.py runs this again where it is"
        ),
    ),
]
LIMITS = Limits(streams=8, stream_unsent=20_000, session_unsent=50_000, datagrams_unsent=5_000)


@pytest.fixture(params=ENGINES)
def name(request: pytest.FixtureRequest) -> str:
    """Of the engine that serves."""
    return str(request.param)


@pytest.fixture(autouse=True)
def in_time(nursery: trio.Nursery) -> None:
    """What hangs fails."""

    async def late() -> None:
        with trio.fail_after(15):
            await trio.sleep_forever()

    nursery.start_soon(late)


@pytest.fixture(params=["quic", "webtransport"])
async def world(
    name: str, tmp_path: Path, nursery: trio.Nursery, request: pytest.FixtureRequest
) -> AsyncIterator[Loopback]:
    """A server and a client that connects in each of the two ways."""
    world = Loopback(name, tmp_path, nursery, request.param)
    await world.start()
    yield world
    nursery.cancel_scope.cancel()


@pytest.fixture(params=["quic", "webtransport"])
async def small(
    name: str, tmp_path: Path, nursery: trio.Nursery, request: pytest.FixtureRequest
) -> AsyncIterator[Loopback]:
    """The same, where little is allowed."""
    world = Loopback(name, tmp_path, nursery, request.param, LIMITS)
    await world.start()
    yield world
    nursery.cancel_scope.cancel()


async def test_a_session_opens_on_both_sides(world: Loopback) -> None:
    mine, theirs = await world.pair()
    session = theirs.open
    assert (session.kind, session.client, session.protocol) == (world.kind, False, "moqt-18")
    assert session.peer[0] == HOST
    assert session.path == ("/" if world.kind == "webtransport" else "")
    assert mine.open.protocol == "moqt-18"
    (incoming,) = world.asked
    assert (incoming.kind, incoming.protocol, incoming.peer[0]) == (world.kind, "moqt-18", HOST)
    await world.pair("moqt-16")
    assert world.asked[1].protocol == "moqt-16"


async def test_streams_both_ways(world: Loopback) -> None:
    mine, theirs = await world.pair()
    up = mine.open.open_uni(b"up", fin=True)
    both = mine.open.open_bidi(b"question")
    assert up is not None
    assert both is not None
    await theirs.until(lambda: len(theirs.data) == 2 and up.number in theirs.finished)
    assert theirs.data == {up.number: b"up", both.number: b"question"}
    assert theirs.finished == {up.number}
    answer = next(stream for stream in theirs.streams if stream.number == both.number)
    assert (answer.bidirectional, answer.local, both.local) == (True, False, True)
    assert answer.write(b"answer", fin=True)
    down = theirs.open.open_uni(b"down")
    assert down is not None
    assert (down.bidirectional, down.local) == (False, True)
    await mine.until(lambda: len(mine.data) == 2)
    assert mine.data == {both.number: b"answer", down.number: b"down"}
    assert both.write(b"!", fin=True)
    await theirs.until(lambda: both.number in theirs.finished)
    assert theirs.data[both.number] == b"question!"
    asked = theirs.open.open_bidi(b"and you?")
    assert asked is not None
    await mine.until(lambda: len(mine.data) == 3)
    assert mine.streams[-1].write(b"well", fin=True)
    await theirs.until(lambda: asked.number in theirs.finished)
    assert theirs.data[asked.number] == b"well"


async def test_many_streams_and_long_ones(world: Loopback) -> None:
    mine, theirs = await world.pair()
    for number in range(300):
        assert theirs.open.open_uni(bytes([number % 256]) * (1 + number % 97), fin=True) is not None
    long = theirs.open.open_uni(b"l" * 500_000)
    assert long is not None
    assert long.write(b"m" * 300_000)
    assert not long.write(b"n" * 600_000, fin=True)
    await theirs.until(lambda: theirs.writables == 1)
    assert long.write(b"n" * 600_000, fin=True)
    await mine.until(lambda: len(mine.finished) == 301)
    lengths = sorted(len(data) for data in mine.data.values())
    assert lengths == sorted([1 + number % 97 for number in range(300)] + [1_400_000])
    assert mine.data[long.number] == b"l" * 500_000 + b"m" * 300_000 + b"n" * 600_000
    assert theirs.open.unsent == 0


async def test_long_data_to_the_server(world: Loopback) -> None:
    mine, theirs = await world.pair()
    stream = mine.open.open_uni(bytes(range(256)) * 4_000, fin=True)
    assert stream is not None
    await theirs.until(lambda: stream.number in theirs.finished)
    assert theirs.data[stream.number] == bytes(range(256)) * 4_000


async def test_datagrams_both_ways(world: Loopback) -> None:
    mine, theirs = await world.pair()
    assert mine.open.send_datagram(b"ping")
    await theirs.until(lambda: theirs.datagrams == [b"ping"])
    longest = bytes(theirs.open.max_datagram)
    assert len(longest) > 1000
    assert theirs.open.send_datagram(longest)
    assert not theirs.open.send_datagram(longest + b"x")
    assert theirs.open.send_datagram(b"after")
    await mine.until(lambda: mine.datagrams == [longest, b"after"])


async def test_a_datagram_that_is_sent_when_the_session_opens_arrives(world: Loopback) -> None:
    def accept(_: object) -> Recorder:
        def greet(session: object) -> None:
            recorder.open.send_datagram(b"welcome")

        recorder = Recorder(on_opened=greet)
        return recorder

    world.answer = accept
    mine = Recorder()
    await world.client.connect(world.target(), mine)
    if world.kind == "quic" or world.name == "picoquic":
        await mine.until(lambda: mine.datagrams == [b"welcome"])


async def test_reset_and_stop_by_the_client(world: Loopback) -> None:
    mine, theirs = await world.pair()
    one, two = mine.open.open_uni(b"one"), theirs.open.open_uni(b"two")
    assert one is not None
    assert two is not None
    await theirs.until(lambda: len(theirs.data) == 1)
    await mine.until(lambda: len(mine.data) == 1)
    one.reset(7)
    mine.streams[0].stop(9)
    await theirs.until(lambda: ("was_reset", one.number, 7) in theirs.events)
    await theirs.until(lambda: ("was_stopped", two.number, 9) in theirs.events)
    assert two.write(b"nobody reads it")


async def test_reset_and_stop_by_the_server(world: Loopback) -> None:
    mine, theirs = await world.pair()
    one, two = theirs.open.open_uni(b"one"), mine.open.open_uni(b"two")
    assert one is not None
    assert two is not None
    await mine.until(lambda: len(mine.data) == 1)
    await theirs.until(lambda: len(theirs.data) == 1)
    one.reset(7)
    one.reset(8)
    theirs.streams[0].stop(9)
    await mine.until(lambda: ("was_reset", one.number, 7) in mine.events)
    await mine.until(lambda: ("was_stopped", two.number, 9) in mine.events)


async def test_the_client_closes(world: Loopback) -> None:
    mine, theirs = await world.pair()
    mine.open.close(42, "bye")
    await theirs.until(lambda: theirs.end is not None)
    said = "bye" if world.name == "aioquic" or world.kind == "webtransport" else ""
    assert theirs.end == Closed("peer", 42, said)
    assert theirs.open.open_uni(b"late") is None
    assert not theirs.open.send_datagram(b"late")


async def test_the_server_closes(world: Loopback) -> None:
    mine, theirs = await world.pair()
    stream = theirs.open.open_uni(b"x")
    assert stream is not None
    theirs.open.close(42, "bye")
    theirs.open.close(43, "twice")
    assert theirs.end is None
    await theirs.until(lambda: theirs.end is not None)
    assert theirs.end == Closed("local", 42, "bye")
    assert stream.write(b"late")
    await mine.until(lambda: mine.end is not None)
    said = "bye" if world.name == "aioquic" or world.kind == "webtransport" else ""
    assert mine.end == Closed("peer", 42, said)


async def test_a_refused_session(world: Loopback) -> None:
    world.answer = lambda incoming: Refused(403, 0x10, "not you")
    mine = Recorder()
    with suppress(ConnectFailed):  # a server of WebTransport may say so at once
        await world.client.connect(world.target(), mine)
        await mine.until(lambda: mine.end is not None)
    assert mine.end is None or (mine.end.by, mine.end.code) == ("peer", 0x10)
    assert mine.end is not None or world.kind == "webtransport"


async def test_no_common_protocol(world: Loopback) -> None:
    with pytest.raises(ConnectFailed):
        await world.client.connect(world.target("other"), Recorder())
    assert world.asked == []


async def test_the_path_is_seen(world: Loopback) -> None:
    world.kind = "webtransport"
    await world.client.connect(world.target(path="/moq?token=abc"), Recorder())
    assert world.asked[0].path == "/moq?token=abc"


async def test_a_handler_that_raises_ends_only_its_own_session(world: Loopback) -> None:
    bad, other = await world.pair(), await world.pair()

    def fail(*event: object) -> None:
        raise ZeroDivisionError

    bad[1].on_data = fail
    bad[0].open.open_uni(b"x")
    await bad[0].until(lambda: bad[0].end is not None)
    assert bad[0].end is not None
    assert (bad[0].end.by, bad[0].end.code) == ("peer", 1)
    other[0].open.open_uni(b"y")
    await other[1].until(lambda: len(other[1].data) == 1)


async def test_ending_the_engine_tells_every_peer(world: Loopback) -> None:
    pairs = [await world.pair() for _ in range(5)]
    world.scope.cancel()
    for mine, theirs in pairs:
        await mine.until(lambda mine=mine: mine.end is not None)  # type: ignore[misc]
        assert mine.end is not None
        assert mine.end.by == "peer"
        assert theirs.end is not None
        assert theirs.end.by == "local"


async def test_what_waits_is_bounded(small: Loopback) -> None:
    mine, theirs = await small.pair()
    stream = theirs.open.open_uni()
    assert stream is not None
    taken = 0
    while stream.write(b"x" * 1_000):
        taken += 1_000
        await trio.lowlevel.checkpoint()
        if taken > 2_000_000:
            break  # it is sent faster than we write
    assert stream.unsent <= 20_000
    assert stream.write(b"", fin=True)
    await mine.until(lambda: stream.number in mine.finished)
    assert mine.data[stream.number] == b"x" * taken


async def test_a_flood_from_the_server_flows(small: Loopback) -> None:
    mine, theirs = await small.pair()
    stream = theirs.open.open_uni()
    assert stream is not None
    total = left = 1_000_000
    while left:
        if stream.write(b"z" * 10_000):
            left -= 10_000
        else:
            before = theirs.writables
            await theirs.until(lambda before=before: theirs.writables > before)  # type: ignore[misc]
    assert stream.write(b"", fin=True)
    await mine.until(lambda: stream.number in mine.finished)
    assert len(mine.data[stream.number]) == total


async def test_streams_beyond_the_peers_limit_wait(small: Loopback) -> None:
    mine, theirs = await small.pair()
    opened = [theirs.open.open_uni(b"%d" % number, fin=True) for number in range(16)]
    assert all(opened[:8])
    await mine.until(lambda: len(mine.finished) == sum(stream is not None for stream in opened))


async def test_datagrams_do_not_pile_up(small: Loopback) -> None:
    mine, theirs = await small.pair()
    mine.open.send_datagram(b"here")
    await theirs.until(lambda: theirs.datagrams == [b"here"])
    sent = 0
    while sent < 100 and theirs.open.send_datagram(b"x" * 1_000):
        sent += 1
    assert sent >= 4
    await theirs.until(lambda: sent == 100 or theirs.writables > 0)
    assert theirs.open.send_datagram(b"x" * 1_000)
