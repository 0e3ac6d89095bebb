"""The private parts of aioquic: the version that they are of, and what the short cut makes of bad packets."""

from __future__ import annotations

import random

import aioquic
import pytest
import trio
from aioquic import tls
from aioquic.quic.packet import QuicErrorCode
from trio.testing import MockClock

from clutch.net.link import Address
from clutch.net.quic.aioquic_private import Quic
from clutch.net.quic.aioquic_private.packets import read_varint, varint
from tests.net.quic.world import CLIENT, Recorder, World


def test_the_version_is_the_one_that_was_read() -> None:
    assert aioquic.__version__ == "1.7.2"


@pytest.mark.parametrize("value", [0, 63, 64, 16_383, 16_384, (1 << 30) - 1, 1 << 30, (1 << 62) - 1])
def test_numbers(value: int) -> None:
    encoded = varint(value)
    assert read_varint(b"x" + encoded + b"y", 1) == (value, 1 + len(encoded))
    with pytest.raises(IndexError):
        read_varint(encoded[:-1], 0)


def quic_of(world: World) -> Quic:
    """The client's only connection."""
    (connection,) = world.client._connections
    return connection.quic


async def send(world: World, frames: bytes) -> None:
    """Send a packet with these frames to the server, and wait for the answer."""
    quic = quic_of(world)
    packet = quic._seal(quic._loss.spaces[2], trio.current_time(), [frames], [], eliciting=False)
    (connection,) = world.client._connections
    connection._datagrams.send(packet, connection.peer)
    await trio.sleep(0.5)


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (b"\x02\x40", QuicErrorCode.FRAME_ENCODING_ERROR),
        (b"\x02\x7f\xff\x00\x00\x00", QuicErrorCode.PROTOCOL_VIOLATION),
        (b"\x02\x01\x00\x00\x05", QuicErrorCode.FRAME_ENCODING_ERROR),
        (b"\x02\x01\x00\x3f\x00\x00\x00", QuicErrorCode.FRAME_ENCODING_ERROR),
        (b"\x0a\x02\x40", QuicErrorCode.FRAME_ENCODING_ERROR),
        (b"\x0a\x02\x05ab", QuicErrorCode.FRAME_ENCODING_ERROR),
        (b"\x0a\x03\x01a", QuicErrorCode.STREAM_STATE_ERROR),
        (b"\x0a\x7f\xfe\x01a", QuicErrorCode.STREAM_LIMIT_ERROR),
        (b"\x0e\x02" + varint(2 << 20) + b"\x01a", QuicErrorCode.FLOW_CONTROL_ERROR),
        (b"\x0b\x02\x01a\x0b\x02\x02ab", QuicErrorCode.FINAL_SIZE_ERROR),
        (b"\x31\x05ab", QuicErrorCode.FRAME_ENCODING_ERROR),
        (b"\x3f\x00", QuicErrorCode.FRAME_ENCODING_ERROR),
        (b"\x12" + varint((1 << 60) + 1), QuicErrorCode.FRAME_ENCODING_ERROR),
        (b"\x11\x02\x01", QuicErrorCode.STREAM_STATE_ERROR),
        (b"\x11\x01\x01", QuicErrorCode.STREAM_STATE_ERROR),
        (b"\x10\x40", QuicErrorCode.FRAME_ENCODING_ERROR),
        (b"\x1e\x00", QuicErrorCode.PROTOCOL_VIOLATION),
    ],
)
async def test_a_bad_frame_ends_the_session_with_its_code(
    autojump_clock: MockClock, world: World, frames: bytes, code: QuicErrorCode
) -> None:
    _, theirs = await world.pair()
    await trio.sleep(1)
    await send(world, frames)
    assert theirs.end is not None, theirs.events
    assert (theirs.end.by, theirs.end.code) == ("engine", code)


@pytest.mark.parametrize("seed", range(5))
async def test_random_frames_never_break_the_engine(
    autojump_clock: MockClock, world: World, seed: int
) -> None:
    dice = random.Random(seed)
    for _ in range(15):
        mine, theirs = await world.pair()
        await trio.sleep(0.5)
        while theirs.end is None:
            kind = dice.choice([0x02, 0x08, 0x0A, 0x0E, 0x0F, 0x04, 0x05, 0x10, 0x12, 0x19, 0x30, 0x31, 0x40])
            await send(world, bytes([kind]) + dice.randbytes(dice.randrange(30)))
        assert theirs.end.by in {"engine", "peer"}
        assert theirs.end.code != QuicErrorCode.INTERNAL_ERROR or theirs.end.application is False
        await mine.until(lambda mine=mine: mine.end is not None)  # type: ignore[misc]
        await trio.sleep(5)
    assert world.server.connections == 0


async def test_the_end_of_a_stream_waits_for_company(autojump_clock: MockClock, world: World) -> None:
    mine, theirs = await world.pair()
    await trio.sleep(1)
    sent = 0

    def count(data: bytes, source: Address, to: Address) -> bool:
        nonlocal sent
        sent += source[0] == CLIENT
        return False

    world.network.lost = count
    for _ in range(50):
        stream = mine.open.open_uni(bytes(80))
        assert stream is not None
        await trio.sleep(0.001)
        stream.write(b"end.", fin=True)
        await trio.sleep(0.019)
    last = trio.current_time()
    await theirs.until(lambda: len(theirs.finished) == 50)
    assert trio.current_time() - last < 0.03
    assert sent <= 55
    assert {len(data) for data in theirs.data.values()} == {84}


async def test_keys_change_in_time(
    autojump_clock: MockClock, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Quic, "_rekey_at", 60)
    monkeypatch.setattr("clutch.net.quic.aioquic_private.packing.REKEY_AFTER", 60)
    mine, theirs = await world.pair()
    phases: set[int] = set()
    for number in range(200):
        mine.open.open_uni(b"%d" % number, fin=True)
        theirs.open.open_uni(b"%d" % number, fin=True)
        await trio.sleep(0.03)
        phases.add(quic_of(world)._cryptos[tls.Epoch.ONE_RTT].send.key_phase)
    await trio.sleep(1)
    assert phases == {0, 1}
    assert sorted(map(int, mine.data.values())) == list(range(200))
    assert sorted(map(int, theirs.data.values())) == list(range(200))


async def test_urgent_streams_go_first(autojump_clock: MockClock, world: World) -> None:
    mine, theirs = await world.pair()
    await trio.sleep(1)
    order: list[int] = []
    theirs.on_data = lambda stream, data, fin: order.append(stream.number) if fin else None
    streams = [mine.open.open_uni(bytes(5_000), fin=True) for _ in range(6)]
    for stream, priority in zip(streams, (3, 1, 3, 0, 2, 1), strict=True):
        assert stream is not None
        stream.prioritise(priority)
    await theirs.until(lambda: len(order) == 6)
    numbers = [stream.number for stream in streams if stream is not None]
    assert order == [numbers[index] for index in (3, 1, 5, 4, 0, 2)]


async def test_a_receiver_acknowledges_every_second_packet(autojump_clock: MockClock, world: World) -> None:
    mine, theirs = await world.pair()
    await trio.sleep(1)
    acks = 0

    def count(data: bytes, source: Address, to: Address) -> bool:
        nonlocal acks
        acks += source[0] == CLIENT
        return False

    world.network.lost = count
    for _ in range(100):
        theirs.open.open_uni(b"x" * 80, fin=True)
        await trio.sleep(0.015)
    assert 45 <= acks <= 55
    (connection,) = world.server._connections
    assert connection.quic.lost_packets == 0
    assert len(quic_of(world)._loss.spaces[2].sent_packets) == 0  # pure ACKs are not kept
    assert isinstance(mine, Recorder)
