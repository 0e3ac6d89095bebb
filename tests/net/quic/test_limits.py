"""Back-pressure and limits: what waits is bounded, and a peer gets what it is promised and no more."""

from __future__ import annotations

import attrs
import pytest
import trio
from trio.testing import MockClock

from clutch.net.errors import ConnectFailed
from clutch.net.memory import MemoryNetwork
from clutch.net.quic.engine import Limits
from tests.net.quic.world import CLIENT, SERVER, Recorder, World

SMALL = Limits(
    streams=8,
    stream_unsent=20_000,
    session_unsent=50_000,
    session_unread=40_000,
    datagrams_unsent=5_000,
)


@pytest.fixture
async def world(nursery: trio.Nursery) -> World:
    """Engines that allow little."""
    world = World(MemoryNetwork(latency_s=0.01), nursery, SMALL)
    await world.start()
    return world


async def test_a_stream_takes_no_more_than_its_limit(autojump_clock: MockClock, world: World) -> None:
    mine, theirs = await world.pair()
    stream = mine.open.open_uni()
    assert stream is not None
    taken = 0
    while stream.write(b"x" * 1_000):
        taken += 1_000
        assert taken <= 20_000
    assert stream.unsent == mine.open.unsent == taken == 20_000
    assert stream.write(b"", fin=False)
    await mine.until(lambda: mine.writables == 1)
    assert mine.open.unsent <= 10_000
    assert stream.write(b"y", fin=True)
    await theirs.until(lambda: stream.number in theirs.finished)
    assert theirs.data[stream.number] == b"x" * taken + b"y"


async def test_what_waits_alone_may_be_longer_than_the_limit(autojump_clock: MockClock, world: World) -> None:
    mine, theirs = await world.pair()
    stream = mine.open.open_uni(bytes(200_000), fin=True)
    assert stream is not None
    assert mine.open.open_uni(b"x") is None
    await theirs.until(lambda: stream.number in theirs.finished)
    assert len(theirs.data[stream.number]) == 200_000
    assert mine.writables == 1


async def test_a_session_takes_no_more_than_its_limit(autojump_clock: MockClock, world: World) -> None:
    mine, _ = await world.pair()
    streams = [mine.open.open_uni(b"x" * 18_000) for _ in range(4)]
    assert [stream is None for stream in streams] == [False, False, True, True]
    await mine.until(lambda: mine.writables == 1)
    assert mine.open.open_uni(b"x" * 18_000) is not None


async def test_streams_beyond_the_peers_limit_wait(autojump_clock: MockClock, world: World) -> None:
    mine, theirs = await world.pair()
    opened = [mine.open.open_uni(b"%d" % number) for number in range(20)]
    assert sum(stream is None for stream in opened) == 4  # 8 that the peer allows, and 8 that wait for it
    await trio.sleep(1)
    assert len(theirs.data) == 8
    assert mine.open.unsent == sum(len(b"%d" % number) for number in range(8, 16))
    for stream in opened[:16]:
        assert stream is not None
        assert stream.write(b"", fin=True)
    await theirs.until(lambda: len(theirs.finished) == 16)
    assert mine.writables == 1
    assert mine.open.unsent == 0


async def test_a_waiting_stream_can_be_given_up(autojump_clock: MockClock, world: World) -> None:
    mine, theirs = await world.pair()
    opened = [mine.open.open_uni(b"x") for _ in range(10)]
    last = opened[-1]
    assert last is not None
    last.reset(3)
    assert last.unsent == 0
    await trio.sleep(1)
    assert theirs.end is None
    for stream in opened[:-1]:
        assert stream is not None
        stream.write(b"", fin=True)
    await theirs.until(lambda: ("was_reset", last.number, 3) in theirs.events)


async def test_datagrams_do_not_pile_up(autojump_clock: MockClock, world: World) -> None:
    mine, theirs = await world.pair()
    sent = 0
    while mine.open.send_datagram(b"x" * 1_000):
        sent += 1
    assert sent == 5
    await mine.until(lambda: mine.writables == 1)
    assert mine.open.send_datagram(b"x" * 1_000)
    await theirs.until(lambda: len(theirs.datagrams) == 6)


async def test_a_peer_gets_a_window_and_no_more(autojump_clock: MockClock, world: World) -> None:
    mine, theirs = await world.pair()
    opened = [mine.open.open_uni(bytes(20_000)) for _ in range(2)]
    first = True

    def lose_first(data: bytes, source: tuple[str, int], to: tuple[str, int]) -> bool:
        nonlocal first
        lost, first = source[0] == CLIENT and first, False
        return lost

    world.network.lost = lose_first
    stream = mine.open.open_uni(bytes(300_000), fin=True)
    await trio.sleep(30)
    assert stream is None or stream.number in theirs.finished
    assert sum(map(len, theirs.data.values())) == 40_000 + (0 if stream is None else 300_000)
    assert all(opened)


async def test_a_flood_of_data_flows_through_small_windows(autojump_clock: MockClock, world: World) -> None:
    mine, theirs = await world.pair()
    stream = theirs.open.open_uni()
    assert stream is not None
    total = 1_000_000
    left = total
    while left:
        if stream.write(b"z" * 10_000):
            left -= 10_000
        else:
            before = theirs.writables
            await theirs.until(lambda before=before: theirs.writables > before)  # type: ignore[misc]
    stream.write(b"", fin=True)
    await mine.until(lambda: stream.number in mine.finished)
    assert len(mine.data[stream.number]) == total


async def test_many_handshakes_must_prove_their_address(autojump_clock: MockClock, world: World) -> None:
    world.server.limits = attrs.evolve(SMALL, handshakes=0)
    with pytest.raises(ConnectFailed, match="0x2"):
        await world.client.connect(world.target(), Recorder())
    world.server.limits = attrs.evolve(SMALL, handshakes=1)  # beyond half of it: always
    replies: list[int] = []

    def see(data: bytes, source: tuple[str, int], to: tuple[str, int]) -> bool:
        if source[0] == SERVER and data[0] & 0x80:
            replies.append((data[0] & 0x30) >> 4)
        return False

    world.network.lost = see
    mine, _ = await world.pair()
    assert replies[0] == 3  # Retry
    assert (world.server.counters.refused, world.server.counters.retried) == (1, 1)
    assert mine.open.open_uni(b"works") is not None


async def test_a_full_server_says_so(autojump_clock: MockClock, world: World) -> None:
    world.server.limits = attrs.evolve(SMALL, sessions=1)
    await world.pair()
    with pytest.raises(ConnectFailed, match=r"0x2, by peer"):
        await world.client.connect(world.target(), Recorder())
