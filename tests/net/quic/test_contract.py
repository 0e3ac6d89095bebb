"""What every engine does, whatever carries its sessions (`clutch.net.quic.engine`)."""

from __future__ import annotations

import attrs
import pytest
import trio

from clutch.net.errors import ConnectFailed
from clutch.net.quic.engine import Closed, QuicStream, Refused
from tests.net.quic.peers import ENGINES, Peers, start
from tests.net.quic.world import Recorder


@pytest.fixture(params=sorted(ENGINES))
async def peers(request: pytest.FixtureRequest, nursery: trio.Nursery) -> Peers:
    """Each engine in turn."""
    with trio.fail_after(30):
        return await start(request.param, nursery)


async def test_a_session_opens_first_and_knows_what_it_is(peers: Peers) -> None:
    mine, theirs = await peers.pair()
    kind = peers.target.kind
    for recorder, client in ((mine, True), (theirs, False)):
        session = recorder.open
        assert recorder.events[0] == ("opened",)
        assert (session.kind, session.client, session.protocol) == (kind, client, "moqt-18")
        assert session.path == ("/path?query" if kind == "webtransport" else "")
        assert session.context is None
        assert session.max_datagram > 1_000
    assert mine.open.peer == (peers.target.host, peers.target.port)


async def test_streams_carry_bytes_both_ways(peers: Peers) -> None:
    mine, theirs = await peers.pair()
    for sender, receiver in ((mine, theirs), (theirs, mine)):
        one, both = sender.open.open_uni(b"one way", fin=True), sender.open.open_bidi(b"both ")
        assert one is not None
        assert both is not None
        assert (one.local, one.bidirectional, both.bidirectional) == (True, False, True)
        assert both.write(b"ways", fin=True)
        await receiver.until(lambda receiver=receiver: len(receiver.finished) == 2)  # type: ignore[misc]
        assert sorted(receiver.data.values()) == [b"both ways", b"one way"]
        (answer,) = [stream for stream in receiver.streams if stream.bidirectional]
        assert not answer.local
        assert answer.write(b"answer", fin=True)
        await sender.until(lambda sender=sender, both=both: both.number in sender.finished)  # type: ignore[misc]
        assert sender.data[both.number] == b"answer"
        for recorder in (mine, theirs):
            recorder.finished.clear()
            recorder.data.clear()


async def test_a_stream_is_announced_once_and_stays_the_same_object(peers: Peers) -> None:
    mine, theirs = await peers.pair()
    seen: list[QuicStream] = []
    theirs.on_data = lambda stream, data, fin: seen.append(stream)
    stream = mine.open.open_uni(b"a")
    assert stream is not None
    await theirs.until(lambda: len(theirs.data) == 1)
    theirs.streams[0].context = "mine"
    assert stream.write(b"b", fin=True)
    await theirs.until(lambda: len(theirs.finished) == 1)
    assert {id(one) for one in seen} == {id(theirs.streams[0])}
    assert seen[-1].context == "mine"
    assert [event for event in theirs.events if event[0] == "stream_opened"] == [
        ("stream_opened", theirs.streams[0].number)
    ]


async def test_an_empty_stream_ends_with_no_bytes(peers: Peers) -> None:
    mine, theirs = await peers.pair()
    assert mine.open.open_uni(b"", fin=True) is not None
    late = mine.open.open_uni(b"x")
    assert late is not None
    assert late.write(b"", fin=True)
    await theirs.until(lambda: len(theirs.finished) == 2)
    assert sorted(theirs.data.values()) == [b"", b"x"]


async def test_many_streams_at_once(peers: Peers) -> None:
    mine, theirs = await peers.pair()
    expected = {b"object %d" % number for number in range(500)}
    for data in expected:
        assert mine.open.open_uni(data, fin=True) is not None
    await theirs.until(lambda: len(theirs.finished) == 500)
    assert set(theirs.data.values()) == expected
    assert len({stream.number for stream in theirs.streams}) == 500


async def test_much_data_arrives_whole_and_in_order(peers: Peers) -> None:
    mine, theirs = await peers.pair()
    stream = mine.open.open_uni()
    assert stream is not None
    blocks = [bytes([number]) * 50_000 for number in range(30)]
    for number, block in enumerate(blocks):
        while not stream.write(block, fin=number == 29):
            before = mine.writables
            await mine.until(lambda before=before: mine.writables > before)  # type: ignore[misc]
    await theirs.until(lambda: bool(theirs.finished))
    (received,) = theirs.data.values()
    assert received == b"".join(blocks)
    assert mine.open.unsent == 0


async def test_reset_and_stop_carry_their_codes(peers: Peers) -> None:
    mine, theirs = await peers.pair()
    one, two = mine.open.open_uni(b"1"), mine.open.open_uni(b"2")
    assert one is not None
    assert two is not None
    await theirs.until(lambda: len(theirs.data) == 2)
    of = {data: stream for stream in theirs.streams for data in [theirs.data[stream.number]]}
    one.reset(77)
    one.reset(78)
    await theirs.until(lambda: ("was_reset", of[b"1"].number, 77) in theirs.events)
    of[b"2"].stop(33)
    of[b"2"].stop(34)
    await mine.until(lambda: ("was_stopped", two.number, 33) in mine.events)
    for ended in (one, two):
        assert ended.write(b"into the void", fin=True)
        assert ended.unsent == 0
    known = len(theirs.events)
    assert mine.open.open_uni(b"3", fin=True) is not None
    await theirs.until(lambda: len(theirs.finished) == 1)
    assert [event[0] for event in theirs.events[known:]] == ["stream_opened", "received"]


async def test_what_is_written_before_a_stop_is_told_goes_nowhere(peers: Peers) -> None:
    """As by a relay: what comes in one session is written to another, which has just been told to stop."""
    mine, theirs = await peers.pair()
    other, others = await peers.pair()
    one, two = mine.open.open_bidi(b"1"), other.open.open_bidi(b"2")
    assert one is not None
    assert two is not None
    await theirs.until(lambda: bool(theirs.data))
    await others.until(lambda: bool(others.data))
    taken: list[bool] = []
    theirs.on_data = lambda stream, data, fin: taken.append(others.streams[0].write(b"more", fin=True))
    one.write(b"news")
    two.stop(33)
    await theirs.until(lambda: bool(taken))
    assert taken == [True]
    assert theirs.end is None


async def test_datagrams(peers: Peers) -> None:
    mine, theirs = await peers.pair()
    assert mine.open.open_uni(b"hello", fin=True) is not None
    await theirs.until(lambda: bool(theirs.finished))
    for sender, receiver in ((theirs, mine), (mine, theirs)):
        longest = bytes(sender.open.max_datagram)
        assert sender.open.send_datagram(b"first")
        assert not sender.open.send_datagram(longest + b"x")
        assert sender.open.send_datagram(longest)
        await receiver.until(lambda receiver=receiver: len(receiver.datagrams) == 2)  # type: ignore[misc]
        assert receiver.datagrams == [b"first", longest]


async def test_what_is_written_in_a_handler_goes_out(peers: Peers) -> None:
    mine, theirs = await peers.pair()

    def echo(stream: QuicStream, data: bytes, fin: bool) -> None:
        stream.write(data, fin=fin)

    theirs.on_data = echo
    stream = mine.open.open_bidi(b"echo", fin=True)
    assert stream is not None
    await mine.until(lambda: bool(mine.finished))
    assert mine.data == {stream.number: b"echo"}
    assert theirs.batches > 0


async def test_the_end_is_told_once_and_last(peers: Peers) -> None:
    mine, theirs = await peers.pair()
    stream = mine.open.open_uni(b"x")
    assert stream is not None
    await theirs.until(lambda: len(theirs.data) == 1)
    theirs.open.close(42, "enough")
    theirs.open.close(43, "again")
    await theirs.until(lambda: theirs.end is not None)
    await mine.until(lambda: mine.end is not None)
    assert theirs.end == Closed("local", 42, "enough")
    assert mine.end is not None
    assert (mine.end.by, mine.end.code, mine.end.reason) == ("peer", 42, "enough")
    assert stream.write(b"late")
    stream.reset(1)
    for recorder in (mine, theirs):
        assert recorder.open.open_uni(b"late") is None
        assert not recorder.open.send_datagram(b"late")
        recorder.open.close(1, "late")
        assert recorder.events[-1][0] == "closed"


async def test_a_handler_that_raises_ends_its_own_session(peers: Peers) -> None:
    bad, good = await peers.pair(), await peers.pair()

    def fail(stream: QuicStream, data: bytes, fin: bool) -> None:
        raise ZeroDivisionError

    bad[1].on_data = fail
    bad[0].open.open_uni(b"x")
    await bad[0].until(lambda: bad[0].end is not None)
    assert bad[0].end is not None
    assert (bad[0].end.by, bad[0].end.code) == ("peer", 1)
    assert bad[1].end is not None
    good[0].open.open_uni(b"y")
    await good[1].until(lambda: len(good[1].data) == 1)


async def test_who_is_refused_learns_why(peers: Peers) -> None:
    peers.refuse = Refused(403, 0x10, "not you")
    mine = Recorder()
    try:
        await peers.client.connect(peers.target, mine)
    except ConnectFailed as error:
        assert "not you" in str(error)  # noqa: PT017  # a raw client may be done before it is refused
    else:
        await mine.until(lambda: mine.end is not None)
        assert mine.end == Closed("peer", 0x10, "not you")


async def test_no_common_protocol(peers: Peers) -> None:
    with pytest.raises(ConnectFailed):
        await peers.client.connect(attrs.evolve(peers.target, protocols=("other",)), Recorder())


async def test_a_server_that_stops_tells_its_peers(peers: Peers) -> None:
    mine, theirs = await peers.pair()
    await peers.stop_server()
    await mine.until(lambda: mine.end is not None)
    assert theirs.end is not None
    assert theirs.end.by == "local"
    assert mine.end is not None
    assert mine.end.by == "peer"


async def test_figures(peers: Peers) -> None:
    mine, theirs = await peers.pair()
    mine.open.open_uni(bytes(5_000), fin=True)
    await theirs.until(lambda: bool(theirs.finished))
    assert mine.open.stats.sent_bytes >= 5_000
    assert theirs.open.stats.received_bytes >= 5_000
