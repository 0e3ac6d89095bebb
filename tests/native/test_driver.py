"""`NativePlane`: the C media plane as Trio tasks see it. Real sockets, so real time; it only counts."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import AsyncIterator, Iterator

import pytest
import trio

import native
from actors.call.errors import MediaUnavailable
from actors.call.ports import Dtmf, MediaFrame, MediaTimeout
from clutch.media.errors import UnsupportedCodec
from clutch.media.params import Codec, RtpParams
from clutch.net.errors import RoomError
from clutch.net.native_plane import NativePlane, NativeRtpStream
from clutch.net.plane import MediaPlane

pytestmark = pytest.mark.usefixtures("native_library")

LOCAL = "127.0.0.1"
PCMU = Codec("pcmu", 0, 8000, 8000)
OPUS = Codec("opus", 111, 48_000, 48_000)
FIRST_PORT = 32_000 + os.getpid() % 90 * 8
"""Two runs at once keep out of each other's way."""
PORTS = range(FIRST_PORT, FIRST_PORT + 6)
PATIENCE_S = 10.0
"""After this long without progress the test has failed."""


@pytest.fixture
async def plane(backend: str) -> AsyncIterator[NativePlane]:
    """A running plane with three ports."""
    plane = NativePlane(LOCAL, ports=PORTS, options=[native.PlaneOptions(backend)])
    async with trio.open_nursery() as nursery:
        await nursery.start(plane.run)
        with trio.fail_after(PATIENCE_S):
            yield plane
        nursery.cancel_scope.cancel()


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    """The other end."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind((LOCAL, 0))
        yield peer


def params(peer: socket.socket, timeout_ms: int = 0) -> RtpParams:
    """PCMU with the peer."""
    return RtpParams(peer.getsockname(), PCMU, 101, timeout_ms=timeout_ms)


def connected(plane: NativePlane, peer: socket.socket) -> NativeRtpStream:
    """A stream that talks with the peer."""
    stream = plane.open("a-call")
    stream.connect(params(peer))
    return stream


def say(peer: socket.socket, stream: NativeRtpStream, number: int, payload: bytes, kind: int = 0) -> None:
    """The peer sends one packet."""
    peer.sendto(struct.pack("!BBHII", 0x80, kind, number, number * 160, 7) + payload, stream.local)


async def free(plane: NativePlane) -> None:
    """Wait until no stream holds a port: the reactor's thread has its own time."""
    while plane.ports_in_use:  # noqa: ASYNC110
        await trio.sleep(0.001)


async def test_it_is_a_media_plane(plane: NativePlane) -> None:
    as_protocol: MediaPlane = plane
    assert {"pcmu", "pcma", "l16"} <= as_protocol.codecs
    assert ("opus" in as_protocol.codecs) == ("opus" in native.features())


async def test_every_tap_gets_every_frame(plane: NativePlane, peer: socket.socket) -> None:
    stream = connected(plane, peer)
    with stream.tap() as first, stream.tap() as second:
        frames = [await anext(first) for _ in range(5)]
        assert frames == [await anext(second) for _ in range(5)]
    ticks = [frame.tick for frame in frames]
    assert ticks == list(range(ticks[0], ticks[0] + 5))
    silence = bytes(320)
    assert frames == [MediaFrame(tick, 8000, silence, silence, False) for tick in ticks]


async def test_a_reader_that_leaves_stops_nobody(plane: NativePlane, peer: socket.socket) -> None:
    stream, other = connected(plane, peer), connected(plane, peer)
    with other.tap() as others:
        with stream.tap() as leaves:
            await anext(leaves)
        for _ in range(5):
            await anext(others)
        with stream.tap() as returns:
            await anext(returns)


async def test_a_slow_reader_is_told_what_it_lost(plane: NativePlane, peer: socket.socket) -> None:
    stream = connected(plane, peer)
    with stream.tap(2) as slow, stream.tap() as clock:
        for _ in range(6):
            await anext(clock)
        assert (await slow.receive()).lost >= 4


async def test_speech_goes_out_and_can_be_taken_back(plane: NativePlane, peer: socket.socket) -> None:
    stream = connected(plane, peer)
    assert stream.rate_hz == 8000
    assert stream.send(bytes(16_000)) == 16_000
    assert 0 < stream.queued_ms <= 1000
    stream.clear()
    assert stream.queued_ms == 0
    stream.send_dtmf("5")
    with pytest.raises(ValueError, match="DTMF"):
        stream.send_dtmf("x")


async def test_keys_and_silence_are_events(plane: NativePlane, peer: socket.socket) -> None:
    stream = connected(plane, peer)
    say(peer, stream, 0, b"\x0b\x80\x03\x20", 101)
    assert await stream.next_event() == Dtmf("#", 100)
    stream.connect(params(peer, timeout_ms=100))
    assert isinstance(await stream.next_event(), MediaTimeout)


async def test_events_beyond_the_queue_are_lost(plane: NativePlane, peer: socket.socket) -> None:
    stream = connected(plane, peer)
    with stream.tap() as clock:
        for number in range(100):
            say(peer, stream, number, b"\x01\x80\x00\xa0", 101)
        while stream.stats().packets_received < 100:
            await anext(clock)
        await anext(clock)  # by now what came before is out of the rings
    assert [await stream.next_event() for _ in range(64)] == [Dtmf("1", 20)] * 64
    stream.connect(params(peer, timeout_ms=100))
    assert isinstance(await stream.next_event(), MediaTimeout)


async def test_close_ends_taps_and_waiting(plane: NativePlane, peer: socket.socket) -> None:
    stream = connected(plane, peer)
    tap = stream.tap()

    async def close_soon() -> None:
        await anext(tap)
        stream.close()
        stream.close()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(close_soon)
        with pytest.raises(trio.ClosedResourceError):
            await stream.next_event()
    tap.close()
    with stream.tap() as late, pytest.raises(trio.EndOfChannel):
        await late.receive()
    await free(plane)
    assert stream.stats().packets_sent >= 1
    assert stream.send(bytes(320)) == 0


async def test_ports_run_out(plane: NativePlane) -> None:
    streams = [plane.open("a-call") for _ in range(3)]
    assert {stream.local for stream in streams} == {(LOCAL, port) for port in PORTS[::2]}
    assert plane.ports_in_use == 3
    with pytest.raises(MediaUnavailable):
        plane.open("a-call")
    for stream in streams:
        stream.close()
    await free(plane)
    plane.open("a-call").close()


async def test_the_end_of_the_plane_closes_its_streams(backend: str, peer: socket.socket) -> None:
    plane = NativePlane(LOCAL, ports=PORTS, options=[native.PlaneOptions(backend)])
    with pytest.raises(RuntimeError):
        plane.open("a-call")
    async with trio.open_nursery() as nursery:
        await nursery.start(plane.run)
        stream = connected(plane, peer)
        tap = stream.tap()
        await anext(tap)
        nursery.cancel_scope.cancel()
    with pytest.raises(trio.ClosedResourceError):
        await stream.next_event()
    tap.close()
    assert plane.ports_in_use == 0
    assert stream.stats().packets_sent >= 1


async def test_a_codec_that_is_not_there(plane: NativePlane, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = plane.open("a-call")
    if "opus" in plane.codecs:
        stream.connect(RtpParams((LOCAL, 9), OPUS))
        assert stream.rate_hz == 48_000
    else:
        with pytest.raises(UnsupportedCodec):
            stream.connect(RtpParams((LOCAL, 9), OPUS))
    with pytest.raises(native.MediaError):
        stream.connect(RtpParams((LOCAL, 9), Codec("pcmu", 0, 44_100, 44_100)))


async def test_numbers_go_on_when_a_stream_enters_and_leaves_a_room(
    plane: NativePlane, peer: socket.socket
) -> None:
    peer.settimeout(PATIENCE_S)
    room, stream = plane.open_room(), connected(plane, peer)
    room.join(plane.open("b-call"))
    packets: list[bytes] = []
    for number in range(30):
        packets.append(await trio.to_thread.run_sync(peer.recv, 400))
        if number == 10:
            room.join(stream)
        if number == 20:
            room.leave(stream)
    headers = [struct.unpack("!HHI", packet[:8]) for packet in packets]
    assert len({(number - at) % 2**16 for at, (_, number, _) in enumerate(headers)}) == 1
    assert len({(timestamp - 160 * at) % 2**32 for at, (_, _, timestamp) in enumerate(headers)}) == 1


async def test_there_are_as_many_rooms_as_ports(plane: NativePlane) -> None:
    rooms = [plane.open_room() for _ in range(3)]
    with pytest.raises(RoomError):
        plane.open_room()
    rooms[0].close()
    with trio.fail_after(PATIENCE_S):
        while True:
            try:
                plane.open_room()
            except RoomError:
                await trio.sleep(0.001)
            else:
                break
