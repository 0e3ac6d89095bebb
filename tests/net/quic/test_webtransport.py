"""WebTransport beyond what it has in common with raw QUIC: test_sessions.py has that."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from clutch.net.errors import ConnectFailed
from clutch.net.quic.engine import Closed, Refused
from clutch.net.quic.h3_streams import LINGER_S
from clutch.wire.webtransport import CloseSession, ErrorCode, to_http
from tests.net.quic.web import OURS, ByHand, answer, frame, request, settings
from tests.net.quic.world import Recorder, World

UNI, BIDI = b"\x40\x54\x00", b"\x40\x41\x00"
"""Headers of streams of the session with ID 0."""


@pytest.fixture
async def world(world: World) -> World:
    """Where the client speaks WebTransport."""
    world.kind = "webtransport"
    return world


async def opened(world: World) -> tuple[ByHand, Recorder]:
    """A connection by hand with a session on stream 0, and the server's handler."""
    peer = await ByHand.connect(world)
    peer.uni(settings(OURS))
    peer.bidi(request())
    await trio.sleep(0.1)
    return peer, world.accepted[-1]


async def test_path_and_host_of_the_request(autojump_clock: MockClock, world: World) -> None:
    session = await world.client.connect(world.target(path="/moq?room=1"), Recorder())
    assert (session.path, session.authority) == ("/moq?room=1", "192.0.2.1:4443")
    theirs = world.accepted[0].open
    assert (theirs.path, theirs.authority) == ("/moq?room=1", "192.0.2.1:4443")


async def test_the_server_s_order_of_protocols_decides(autojump_clock: MockClock, world: World) -> None:
    session = await world.client.connect(world.target("x", "moqt-16", "moqt-18"), Recorder())
    assert session.protocol == world.accepted[0].open.protocol == "moqt-18"


async def test_nothing_in_common_says_why(autojump_clock: MockClock, world: World) -> None:
    with pytest.raises(ConnectFailed, match="406: none of the offered protocols is spoken here, but moqt-18"):
        await world.client.connect(world.target("moqt-99"), Recorder())
    assert world.asked == []
    await trio.sleep(1)
    assert (world.server.connections, world.client.connections) == (0, 0)


async def test_a_refused_session_says_why(autojump_clock: MockClock, world: World) -> None:
    world.answer = lambda incoming: Refused(403, 0x10, "not from there")
    with pytest.raises(ConnectFailed, match="refused with 403: not from there"):
        await world.client.connect(world.target(), Recorder())


async def test_the_origin_is_asked_about(autojump_clock: MockClock, world: World) -> None:
    world.answer = lambda incoming: Refused(403, 0x10, "not from there")
    peer = await ByHand.connect(world)
    peer.uni(settings(OURS))
    stream = peer.bidi(request((b"origin", b"https://evil.example")))
    assert await peer.answered(stream) == (
        {b":status": b"403", b"content-type": b"text/plain; charset=utf-8"},
        b"not from there",
    )
    assert world.asked[0].origin == "https://evil.example"


@pytest.mark.parametrize(
    ("values", "asked", "status"),
    [
        ({0x8: 1}, request(), b"400"),
        (OURS, request(protocols=b"moqt-18"), b"400"),
        (OURS, request(protocols=b'"moqt-14"'), b"406"),
    ],
)
async def test_a_request_that_cannot_be_gets_its_status(
    autojump_clock: MockClock, world: World, values: dict[int, int], asked: bytes, status: bytes
) -> None:
    peer = await ByHand.connect(world)
    peer.uni(settings(values))
    fields, body = await peer.answered(peer.bidi(asked))
    assert fields[b":status"] == status
    assert body
    again = peer.bidi(request())  # on the same connection
    await trio.sleep(0.1)
    if values is OURS:
        assert answer(peer.told.data[again.number])[0] == {b":status": b"200", b"wt-protocol": b'"moqt-18"'}


async def test_a_request_waits_for_the_settings(autojump_clock: MockClock, world: World) -> None:
    peer = await ByHand.connect(world)
    stream = peer.bidi(request())
    peer.uni(UNI + b"early", fin=True)
    await trio.sleep(1)
    assert peer.told.data.get(stream.number) is None
    assert world.accepted == []
    peer.uni(settings(OURS))
    await trio.sleep(0.1)
    assert answer(peer.told.data[stream.number])[0][b":status"] == b"200"
    assert world.accepted[0].events[1:] == [("stream_opened", 2), ("received", 2, b"early", True)]


async def test_streams_before_their_session_come_with_it_in_order(
    autojump_clock: MockClock, world: World
) -> None:
    peer = await ByHand.connect(world)
    peer.uni(settings(OURS))
    connect = peer.bidi(request()[:5])
    first, second, third = peer.uni(UNI + b"a"), peer.bidi(BIDI), peer.uni(UNI[:1])
    peer.quic.send_datagram(b"\x00gram")
    await trio.sleep(0.1)
    first.write(b"b", fin=True)
    second.stop(to_http(5))
    third.write(UNI[1:])
    await trio.sleep(0.1)
    third.reset(to_http(6))
    await trio.sleep(0.1)
    assert world.accepted == []
    connect.write(request()[5:])
    await trio.sleep(0.1)
    theirs = world.accepted[0]
    assert theirs.events == [
        ("opened",),
        ("stream_opened", first.number),
        ("received", first.number, b"ab", True),
        ("stream_opened", second.number),
        ("was_stopped", second.number, 5),
        ("stream_opened", third.number),
        ("was_reset", third.number, 6),
        ("datagram", b"gram"),
    ]
    assert theirs.streams[1].write(b"nobody reads it")


async def test_too_many_early_streams_are_refused(autojump_clock: MockClock, world: World) -> None:
    peer = await ByHand.connect(world)
    streams = [peer.uni(UNI + b"x") for _ in range(65)]
    await peer.told.until(lambda: len(peer.told.events) > 1)
    refused = ("was_stopped", streams[-1].number, ErrorCode.WT_BUFFERED_STREAM_REJECTED)
    assert refused in peer.told.events


async def test_streams_of_no_session_are_refused(autojump_clock: MockClock, world: World) -> None:
    world.answer = lambda incoming: Refused(404, 0, "nothing here")
    peer = await ByHand.connect(world)
    peer.uni(settings(OURS))
    early = peer.uni(UNI)
    await peer.answered(peer.bidi(request()))
    late = peer.bidi(BIDI)
    gone = ErrorCode.WT_SESSION_GONE
    await peer.told.until(lambda: ("was_stopped", late.number, gone) in peer.told.events)
    assert ("was_stopped", early.number, gone) in peer.told.events
    assert ("was_reset", late.number, gone) in peer.told.events


async def test_a_second_session_is_rejected_and_the_first_goes_on(
    autojump_clock: MockClock, world: World
) -> None:
    peer, theirs = await opened(world)
    second = peer.bidi(request())
    await peer.told.until(lambda: ("was_reset", second.number, 0x10B) in peer.told.events)
    peer.uni(UNI + b"on")
    await theirs.until(lambda: len(theirs.data) == 1)
    assert len(world.accepted) == 1


async def test_a_server_s_own_bidirectional_stream_is_answered(
    autojump_clock: MockClock, world: World
) -> None:
    mine, theirs = await world.pair()
    asked = theirs.open.open_bidi(b"question", fin=True)
    assert asked is not None
    await mine.until(lambda: asked.number in mine.finished)
    mine.streams[0].write(b"answer", fin=True)
    await theirs.until(lambda: asked.number in theirs.finished)
    assert theirs.data[asked.number] == b"answer"


async def test_a_stream_cut_within_its_header(autojump_clock: MockClock, world: World) -> None:
    peer, theirs = await opened(world)
    whole, short, reset = peer.uni(UNI[:1]), peer.uni(UNI[:2], fin=True), peer.bidi(BIDI[:1])
    await trio.sleep(0.1)
    whole.write(UNI[1:2])
    reset.reset(to_http(1))
    await trio.sleep(0.1)
    whole.write(UNI[2:] + b"x")
    await theirs.until(lambda: len(theirs.data) == 1)
    assert [stream.number for stream in theirs.streams] == [whole.number]
    assert short.number not in theirs.data


async def test_a_stream_for_what_cannot_be_a_session_closes_the_connection(
    autojump_clock: MockClock, world: World
) -> None:
    peer, theirs = await opened(world)
    peer.uni(b"\x40\x54\x02")
    assert await peer.until_closed() == (ErrorCode.H3_ID_ERROR, "2 is no ID of a session")
    assert theirs.end is not None
    assert not theirs.end.application


async def test_datagrams_only_of_the_session(autojump_clock: MockClock, world: World) -> None:
    peer, theirs = await opened(world)
    peer.quic.send_datagram(b"\x00ours")
    peer.quic.send_datagram(b"\x07of nobody")
    await theirs.until(lambda: bool(theirs.datagrams))
    await trio.sleep(1)
    assert theirs.datagrams == [b"ours"]
    peer.quic.send_datagram(b"\x40")
    assert (await peer.until_closed())[0] == 0x33


async def test_a_server_sends_datagrams_once_the_client_has_spoken(
    autojump_clock: MockClock, world: World
) -> None:
    mine, theirs = await world.pair()
    assert theirs.open.max_datagram > 1000
    assert not theirs.open.send_datagram(b"lost with the answer")
    mine.open.open_uni(b"hello")
    await theirs.until(lambda: len(theirs.data) == 1)
    assert theirs.open.send_datagram(b"ping")
    await mine.until(lambda: mine.datagrams == [b"ping"])


async def test_the_end_of_the_connection_ends_the_session(autojump_clock: MockClock, world: World) -> None:
    peer, theirs = await opened(world)
    peer.quic.close(0x100)
    await theirs.until(lambda: theirs.end is not None)
    assert theirs.end == Closed("peer", 0x100, "", application=False)


async def test_capsules(autojump_clock: MockClock, world: World) -> None:
    peer = await ByHand.connect(world)
    peer.uni(settings(OURS))
    connect = peer.bidi(request() + frame(0, b"\x21\x02ab"))
    await trio.sleep(0.1)
    theirs = world.accepted[0]
    mine, live = peer.uni(UNI + b"x"), theirs.open.open_uni(b"y")
    assert live is not None
    await trio.sleep(0.1)
    goodbye = CloseSession(7, "enough").to_bytes()
    connect.write(frame(0, goodbye[:3]))
    connect.write(frame(0, goodbye[3:]), fin=True)
    await theirs.until(lambda: theirs.end is not None)
    assert theirs.end == Closed("peer", 7, "enough")
    assert (await peer.answered(connect))[1] == b""
    await trio.sleep(0.1)
    gone = ErrorCode.WT_SESSION_GONE
    assert ("was_stopped", mine.number, gone) in peer.told.events
    assert ("was_reset", live.number, gone) in peer.told.events
    assert live.write(b"late")
    assert live.unsent == 0


@pytest.mark.parametrize(
    "data",
    [
        CloseSession().to_bytes() + b"more",
        b"\x68\x43\x02ab",
        b"\x68\x43\x44\x05",
    ],
)
async def test_a_malformed_capsule_ends_the_session(
    autojump_clock: MockClock, world: World, data: bytes
) -> None:
    peer = await ByHand.connect(world)
    peer.uni(settings(OURS))
    connect = peer.bidi(request() + frame(0, data))
    await peer.told.until(lambda: ("was_reset", connect.number, 0x10E) in peer.told.events)
    assert world.accepted[0].end is not None


async def test_the_end_of_the_connect_stream_ends_the_session(
    autojump_clock: MockClock, world: World
) -> None:
    peer = await ByHand.connect(world)
    peer.uni(settings(OURS))
    peer.bidi(request(), fin=True)
    await trio.sleep(0.1)
    assert world.accepted[0].end == Closed("peer")


async def test_a_reset_of_the_connect_stream_ends_the_session(
    autojump_clock: MockClock, world: World
) -> None:
    peer = await ByHand.connect(world)
    peer.uni(settings(OURS))
    connect = peer.bidi(request())
    await trio.sleep(0.1)
    connect.reset(0x10C)
    await trio.sleep(0.1)
    assert world.accepted[0].end == Closed("peer", 0x10C, "CONNECT stream reset", application=False)


async def test_streams_given_up_for_the_end_of_the_session_are_part_of_it(
    autojump_clock: MockClock, world: World
) -> None:
    peer = await ByHand.connect(world)
    peer.uni(settings(OURS))
    connect = peer.bidi(request())
    await trio.sleep(0.1)
    theirs = world.accepted[0]
    given, asked = peer.uni(UNI + b"x"), theirs.open.open_bidi(b"y")
    assert asked is not None
    await trio.sleep(0.1)
    given.reset(ErrorCode.WT_SESSION_GONE)
    peer.told.streams[-1].stop(ErrorCode.H3_CONNECT_ERROR)
    await trio.sleep(0.1)
    assert asked.write(b"late")
    assert theirs.events[1:] == [("stream_opened", given.number), ("received", given.number, b"x", False)]
    connect.write(frame(0, CloseSession(7).to_bytes()), fin=True)
    await trio.sleep(0.1)
    assert theirs.events[3:] == [("closed", Closed("peer", 7))]


async def test_a_server_closes_the_session_and_leaves_the_connection_to_the_client(
    autojump_clock: MockClock, world: World
) -> None:
    peer = await ByHand.connect(world)
    peer.uni(settings(OURS))
    connect = peer.bidi(request())
    await trio.sleep(0.1)
    theirs = world.accepted[0]
    theirs.open.close(9, "enough")
    await theirs.until(lambda: theirs.end is not None)
    assert theirs.end == Closed("local", 9, "enough")
    await trio.sleep(0.1)
    assert answer(peer.told.data[connect.number])[1] == CloseSession(9, "enough").to_bytes()
    assert connect.number not in peer.told.finished
    connect.write(b"", fin=True)
    before = trio.current_time()
    await peer.answered(connect)
    assert await peer.until_closed() == (ErrorCode.H3_NO_ERROR, "")
    assert trio.current_time() - before == pytest.approx(LINGER_S, abs=0.1)


async def test_a_connection_without_a_session_is_put_out(autojump_clock: MockClock, world: World) -> None:
    peer = await ByHand.connect(world)
    before = trio.current_time()
    assert await peer.until_closed() == (ErrorCode.H3_NO_ERROR, "no session")
    assert trio.current_time() - before == pytest.approx(world.limits.handshake_s, abs=0.1)


async def test_a_client_does_not_wait_for_ever_to_be_let_go(autojump_clock: MockClock, world: World) -> None:
    mine, theirs = await world.pair()
    world.network.lost = lambda data, source, to: True
    mine.open.close(9, "enough")
    await trio.sleep(LINGER_S + 4)
    assert world.client.connections == 0
    assert theirs.end is None


async def test_frames_that_never_end_are_not_kept(autojump_clock: MockClock, world: World) -> None:
    peer = await ByHand.connect(world)
    peer.uni(settings(OURS))
    peer.bidi(b"\x01\x80\xff\xff\xff" + bytes(100_000))
    assert (await peer.until_closed())[0] == ErrorCode.H3_EXCESSIVE_LOAD


async def test_requests_before_the_settings_are_not_kept_without_end(
    autojump_clock: MockClock, world: World
) -> None:
    peer = await ByHand.connect(world)
    peer.bidi(b"\x01\x80\xff\xff\xff" + bytes(100_000))
    assert (await peer.until_closed())[0] == ErrorCode.H3_EXCESSIVE_LOAD


async def test_nor_are_their_crumbs(autojump_clock: MockClock, world: World) -> None:
    peer = await ByHand.connect(world)
    stream = peer.bidi(b"\x01\x80\xff\xff\xff")
    for _ in range(1100):
        stream.write(b"x")
        await trio.sleep(0.001)
    assert (await peer.until_closed())[0] == ErrorCode.H3_EXCESSIVE_LOAD


async def test_an_error_of_http_3_closes_the_connection(autojump_clock: MockClock, world: World) -> None:
    peer, theirs = await opened(world)
    peer.uni(settings(OURS))
    assert (await peer.until_closed())[0] == 0x103
    assert theirs.end is not None
