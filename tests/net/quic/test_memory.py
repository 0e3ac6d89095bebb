"""The engine in memory behaves as the port says, and as tests need it: exactly."""

from __future__ import annotations

import math
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from clutch.net.errors import ConnectFailed
from clutch.net.quic.engine import Accept, Closed, Engine, Incoming, Limits, Refused, Target
from clutch.net.quic.memory import MemoryEngine, MemoryQuic, Pair, join
from tests.net.quic.world import Recorder


def pair(**options: Any) -> tuple[Recorder, Recorder, Pair]:
    """Two handlers whose sessions are joined."""
    mine, theirs = Recorder(), Recorder()
    return mine, theirs, join(mine, theirs, protocol="moqt-18", **options)


def names(recorder: Recorder) -> list[Any]:
    """What it was told, without the arguments."""
    return [event[0] for event in recorder.events]


def test_streams_both_ways() -> None:
    mine, theirs, wire = pair()
    up = mine.open.open_uni(b"up", fin=True)
    both = mine.open.open_bidi(b"question")
    assert up is not None
    assert both is not None
    wire.deliver()
    assert theirs.data == {up.number: b"up", both.number: b"question"}
    assert (up.number, both.number, theirs.batches) == (2, 0, 1)
    answer = theirs.streams[1]
    assert (answer.bidirectional, answer.local, both.local) == (True, False, True)
    answer.write(b"answer", fin=True)
    assert answer.write(b"late")  # ignored
    wire.deliver()
    assert mine.data == {both.number: b"answer"}
    assert mine.open.stats.sent_bytes == theirs.open.stats.received_bytes == 10


def test_reset_and_stop() -> None:
    mine, theirs, wire = pair()
    one, two, three = (mine.open.open_uni(b"x") for _ in range(3))
    assert one is not None
    assert two is not None
    assert three is not None
    wire.deliver()
    one.reset(7)
    one.reset(8)
    theirs.streams[1].stop(9)
    three.write(b"", fin=True)
    wire.deliver()
    three.reset(1)  # too late
    wire.deliver()
    assert theirs.events[-2:] == [("was_reset", one.number, 7), ("received", three.number, b"", True)]
    assert mine.events[-1] == ("was_stopped", two.number, 9)
    assert two.write(b"nobody reads it")
    assert two.unsent == 0


def test_credit_holds_back_and_priorities_decide() -> None:
    mine, theirs, wire = pair(limits=Limits(stream_unsent=10, session_unsent=20))
    wire.client.credit = 3
    slow = mine.open.open_uni(b"slow")
    assert slow is not None
    slow.prioritise(9)
    fast = mine.open.open_uni(b"fast")
    assert fast is not None
    wire.deliver()
    assert theirs.data == {slow.number: b"slo"}
    assert (slow.unsent, fast.unsent, mine.open.unsent) == (1, 4, 5)
    assert not fast.write(b"1234567")
    assert fast.write(b"123456")
    assert mine.open.open_uni(b"1234567890") is None
    wire.client.credit = 5
    wire.deliver()
    assert theirs.data == {slow.number: b"slo", fast.number: b"fast1"}
    assert mine.writables == 1
    fast.reset(1)
    wire.client.credit = math.inf
    wire.deliver()
    assert theirs.data[slow.number] == b"slow"
    assert theirs.events[-1][:2] in (("was_reset", fast.number), ("received", slow.number))
    assert mine.open.unsent == 0


def test_datagrams() -> None:
    mine, theirs, wire = pair()
    assert mine.open.send_datagram(b"x" * mine.open.max_datagram)
    assert not mine.open.send_datagram(b"x" * (mine.open.max_datagram + 1))
    wire.client.credit = 0
    assert not mine.open.send_datagram(b"x")
    wire.deliver()
    assert len(theirs.datagrams) == 1


def test_close_tells_both_once() -> None:
    mine, theirs, wire = pair()
    mine.open.open_uni(b"before", fin=True)
    mine.open.close(42, "bye")
    mine.open.close(43, "twice")
    assert names(mine) == ["opened"]
    wire.deliver()
    assert (mine.end, theirs.end) == (Closed("local", 42, "bye"), Closed("peer", 42, "bye"))
    assert names(theirs) == ["opened", "stream_opened", "received", "closed"]
    assert mine.open.open_uni(b"late") is None
    assert not mine.open.send_datagram(b"late")
    theirs.streams[0].stop(1)
    theirs.open.close()
    wire.deliver()


def test_a_peer_that_vanishes() -> None:
    mine, theirs, wire = pair(limits=Limits(idle_s=30))
    mine.open.open_uni(b"last words")
    wire.client.vanish()
    wire.deliver(29.9)
    assert theirs.end is None
    wire.deliver(30.0)
    assert theirs.end is not None
    assert theirs.end.by == "timeout"
    assert mine.end is None  # nobody is there to be told


def test_a_handler_that_raises_ends_its_session() -> None:
    mine, theirs, wire = pair()

    def fail(*event: object) -> None:
        raise ZeroDivisionError

    theirs.on_data = fail
    mine.open.open_uni(b"x")
    wire.deliver()
    assert mine.end == Closed("peer", 1, "internal error")


async def served(
    nursery: trio.Nursery, accept: Accept | None, quic: MemoryQuic, port: int = 4443
) -> MemoryEngine:
    """A running server."""
    engine = quic.engine(accept, port=port, protocols=["moqt-18", "moqt-16"])
    await nursery.start(engine.run)
    return engine


async def test_engines_on_virtual_time(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    quic = MemoryQuic(latency_s=0.01)
    asked: list[Incoming] = []
    theirs = Recorder()

    def accept(incoming: Incoming) -> Recorder:
        asked.append(incoming)
        return theirs

    server = await served(nursery, accept, quic)
    client: Engine = quic.engine()
    await nursery.start(client.run)
    mine = Recorder()
    begun = trio.current_time()
    target = Target("127.0.0.1", 4443, ["moqt-16", "moqt-18"], kind="webtransport", path="/a")
    session = await client.connect(target, mine)
    assert trio.current_time() - begun == pytest.approx(0.02)
    assert session.protocol == "moqt-18"
    assert asked == [Incoming("webtransport", "moqt-18", client.address, "127.0.0.1:4443", "/a")]
    session.open_uni(b"x")
    await theirs.until(lambda: bool(theirs.data))
    assert trio.current_time() - begun == pytest.approx(0.03)
    session.close(7)
    await theirs.until(lambda: theirs.end is not None)
    assert trio.current_time() - begun == pytest.approx(0.04)
    assert (mine.end, server.sessions) == (Closed("local", 7), [])


async def test_connections_that_fail(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    quic = MemoryQuic()
    client = quic.engine()
    await nursery.start(client.run)
    with pytest.raises(ConnectFailed, match="refused"):
        await client.connect(Target("127.0.0.1", 4443, ["moqt-18"]), Recorder())
    await served(nursery, lambda incoming: Refused(406, 1, "not you"), quic)
    with pytest.raises(ConnectFailed, match="not you"):
        await client.connect(Target("127.0.0.1", 4443, ["moqt-18"]), Recorder())
    with pytest.raises(ConnectFailed, match="no common protocol"):
        await client.connect(Target("127.0.0.1", 4443, ["moqt-99"]), Recorder())
    assert client.sessions == []


async def test_an_engine_that_ends_and_comes_back(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    quic = MemoryQuic(latency_s=0.01)
    client = quic.engine()
    await nursery.start(client.run)
    for _ in range(2):
        mine, accepted = Recorder(), list[Recorder]()

        def accept(incoming: Incoming, accepted: list[Recorder] = accepted) -> Recorder:
            accepted.append(Recorder())
            return accepted[0]

        async with trio.open_nursery() as inner:
            await served(inner, accept, quic)
            await client.connect(Target("127.0.0.1", 4443, ["moqt-18"]), mine)
            inner.cancel_scope.cancel()
        await trio.sleep(1)
        assert accepted[0].end == Closed("local")
        assert mine.end == Closed("peer")
        assert client.sessions == []
