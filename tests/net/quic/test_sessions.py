"""Sessions, streams and datagrams between two engines, on virtual time."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from clutch.net.errors import ConnectFailed
from clutch.net.memory import MemoryNetwork
from clutch.net.quic.engine import Closed, Incoming
from tests.net.quic.world import CLIENT, PORT, SERVER, Recorder, World


@pytest.fixture(params=["quic", "webtransport"])
async def world(world: World, request: pytest.FixtureRequest) -> World:
    """Where the client connects in each of the two ways."""
    world.kind = request.param
    return world


async def test_a_session_opens_on_both_sides(autojump_clock: MockClock, world: World) -> None:
    mine = Recorder()
    session = await world.client.connect(world.target("moqt-16", "moqt-18"), mine)
    assert mine.events == [("opened",)]
    assert (session.kind, session.client, session.protocol) == (world.kind, True, "moqt-18")
    assert not session.early
    await trio.sleep(0.1)
    theirs = world.accepted[0].open
    assert (theirs.client, theirs.protocol, theirs.peer[0]) == (False, "moqt-18", CLIENT)
    where = (f"{SERVER}:{PORT}", "/") if world.kind == "webtransport" else ("", "")
    assert world.asked == [Incoming(world.kind, "moqt-18", theirs.peer, *where)]


async def test_streams_both_ways(autojump_clock: MockClock, world: World) -> None:
    mine, theirs = await world.pair()
    up = mine.open.open_uni(b"up", fin=True)
    both = mine.open.open_bidi(b"question")
    assert up is not None
    assert both is not None
    await theirs.until(lambda: len(theirs.data) == 2)
    assert theirs.data == {up.number: b"up", both.number: b"question"}
    assert theirs.finished == {up.number}
    answer = theirs.streams[1]
    assert (answer.bidirectional, answer.local, both.local) == (True, False, True)
    assert answer.write(b"answer", fin=True)
    down = theirs.open.open_uni(b"down")
    assert down is not None
    await mine.until(lambda: len(mine.data) == 2)
    assert mine.data == {both.number: b"answer", down.number: b"down"}
    assert both.write(b"!", fin=True)
    await theirs.until(lambda: both.number in theirs.finished)
    assert theirs.data[both.number] == b"question!"


async def test_datagrams_both_ways(autojump_clock: MockClock, world: World) -> None:
    mine, theirs = await world.pair()
    assert mine.open.send_datagram(b"ping")
    await theirs.until(lambda: theirs.datagrams == [b"ping"])
    longest = bytes(theirs.open.max_datagram)
    assert len(longest) > 1000
    assert theirs.open.send_datagram(longest)
    assert not theirs.open.send_datagram(longest + b"x")
    assert theirs.open.send_datagram(b"after")
    await mine.until(lambda: mine.datagrams == [longest, b"after"])


async def test_reset_and_stop(autojump_clock: MockClock, world: World) -> None:
    mine, theirs = await world.pair()
    one, two = mine.open.open_uni(b"one"), mine.open.open_uni(b"two")
    assert one is not None
    assert two is not None
    await theirs.until(lambda: len(theirs.data) == 2)
    one.reset(7)
    one.reset(8)
    theirs.streams[1].stop(9)
    await theirs.until(lambda: ("was_reset", one.number, 7) in theirs.events)
    await mine.until(lambda: ("was_stopped", two.number, 9) in mine.events)
    assert two.write(b"nobody reads it")
    assert two.unsent == 0
    await trio.sleep(1)
    assert ("was_reset", two.number, 9) not in theirs.events


async def test_close_tells_the_peer(autojump_clock: MockClock, world: World) -> None:
    mine, theirs = await world.pair()
    mine.open.close(42, "bye")
    mine.open.close(43, "twice")
    assert mine.end is None
    await mine.until(lambda: mine.end is not None)
    assert mine.end == Closed("local", 42, "bye")
    await theirs.until(lambda: theirs.end is not None)
    assert theirs.end == Closed("peer", 42, "bye")
    assert theirs.open.open_uni(b"late") is None
    assert not theirs.open.send_datagram(b"late")
    await trio.sleep(5)
    assert (world.server.connections, world.client.connections) == (0, 0)


async def test_a_long_reason_is_cut(autojump_clock: MockClock, world: World) -> None:
    mine, theirs = await world.pair()
    mine.open.close(1, "ü" * 2_000)
    await theirs.until(lambda: theirs.end is not None)
    assert theirs.end is not None
    assert theirs.end.reason.startswith("üüü")


async def test_nobody_answers(autojump_clock: MockClock, world: World) -> None:
    world.network.lost = lambda data, source, to: True
    before = trio.current_time()
    with pytest.raises(ConnectFailed, match="no answer"):
        await world.client.connect(world.target(), Recorder())
    assert trio.current_time() == before + world.limits.handshake_s
    assert world.client.connections == 0


async def test_a_connect_that_is_cancelled_leaves_nothing(autojump_clock: MockClock, world: World) -> None:
    with trio.move_on_after(0.015):
        await world.client.connect(world.target(), Recorder())
    assert world.client.connections == 0
    await trio.sleep(60)
    assert world.server.connections == 0


async def test_a_handler_that_raises_ends_only_its_own_session(
    autojump_clock: MockClock, world: World
) -> None:
    bad, other = await world.pair(), await world.pair()

    def fail(*event: object) -> None:
        raise ZeroDivisionError

    bad[1].on_data = fail
    bad[0].open.open_uni(b"x")
    await bad[0].until(lambda: bad[0].end is not None)
    assert bad[0].end == Closed("peer", 1, "internal error")
    other[0].open.open_uni(b"y")
    await other[1].until(lambda: len(other[1].data) == 1)


async def test_a_dead_peer_is_given_up_after_the_idle_timeout(
    autojump_clock: MockClock, world: World
) -> None:
    _, theirs = await world.pair()
    world.network.lost = lambda data, source, to: source[0] == CLIENT
    before = trio.current_time()
    await theirs.until(lambda: theirs.end is not None)
    assert theirs.end is not None
    assert theirs.end.by == "timeout"
    assert trio.current_time() - before <= world.limits.idle_s + 1


async def test_ending_the_engine_tells_every_peer(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    network = MemoryNetwork(latency_s=0.01)
    async with trio.open_nursery() as inner:
        world = World(network, inner)
        await world.start()
        mine, theirs = await world.pair()
        inner.cancel_scope.cancel()
    assert theirs.end == Closed("local")
    assert mine.end == Closed("local")
    assert network.open_sockets == 0
