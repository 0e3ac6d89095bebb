"""Random streams both ways over a network that loses packets: all arrives, in order, and nothing is left."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from clutch.net.link import Address
from clutch.net.memory import MemoryNetwork
from clutch.net.quic.engine import QuicStream
from tests.net.quic.world import Recorder, World

STREAMS = 150


async def play(recorder: Recorder, dice: random.Random) -> dict[int, tuple[bytes, bool]]:
    """Open streams of all sizes, and give some up; what each was sent, and whether it was finished."""
    sent: dict[int, tuple[bytes, bool]] = {}
    open_: list[QuicStream] = []

    def note(stream: QuicStream, data: bytes, fin: bool) -> None:
        sent[stream.number] = (sent.get(stream.number, (b"", False))[0] + data, fin)
        if not fin:
            open_.append(stream)

    for _ in range(STREAMS):
        data, fin = dice.randbytes(int(dice.paretovariate(0.7) * 20) % 30_000), dice.random() < 0.5
        open_one = recorder.open.open_bidi if dice.random() < 0.2 else recorder.open.open_uni
        opened = open_one(data, fin=fin)
        if opened is not None:
            note(opened, data, fin)
        if open_ and dice.random() < 0.7:
            stream = open_.pop(dice.randrange(len(open_)))
            more, fin = dice.randbytes(dice.randrange(3_000)), dice.random() < 0.6
            if stream.write(more, fin=fin):
                note(stream, more, fin)
            else:
                open_.append(stream)
        if dice.random() < 0.1:
            for stream in recorder.streams[-3:]:
                if stream.bidirectional:
                    stream.write(b"answer", fin=True)
        if dice.random() < 0.3:
            recorder.open.send_datagram(dice.randbytes(dice.randrange(1_200)))
        await trio.sleep(dice.random() * 0.02)
    while open_:
        stream = open_.pop()
        if dice.random() < 0.2:
            stream.reset(7)
            del sent[stream.number]
        elif stream.write(b"", fin=True):
            sent[stream.number] = (sent[stream.number][0], True)
        else:
            open_.append(stream)
            await trio.sleep(0.1)
    return sent


@pytest.mark.parametrize("seed", range(6))
async def test_a_storm(autojump_clock: MockClock, nursery: trio.Nursery, tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    world = World(MemoryNetwork(latency_s=0.01), nursery)
    await world.start(qlog=tmp_path if seed > 3 else None)  # with a trace the server takes aioquic's own way
    mine, theirs = await world.pair()
    loss = (0.0, 0.02, 0.1)[seed % 3]

    def lose(data: bytes, source: Address, to: Address) -> bool:
        return dice.random() < loss

    world.network.lost = lose
    unread: set[int] = set()

    def lose_interest(stream: QuicStream, data: bytes, fin: bool) -> None:
        if dice.random() < 0.02:
            stream.stop(9)
            unread.add(stream.number)

    mine.on_data = theirs.on_data = lose_interest
    results: dict[str, dict[int, tuple[bytes, bool]]] = {}

    async def side(name: str, recorder: Recorder) -> None:
        results[name] = await play(recorder, random.Random(f"{seed} {name}"))

    async with trio.open_nursery() as players:
        players.start_soon(side, "client", mine)
        players.start_soon(side, "server", theirs)
    await trio.sleep(10)
    for stream in (*mine.streams, *theirs.streams):
        if stream.bidirectional:
            stream.write(b"", fin=True)
    await trio.sleep(20)
    assert mine.end is None
    assert theirs.end is None
    for sender, receiver in ((results["client"], theirs), (results["server"], mine)):
        for number, (data, fin) in sender.items():
            assert fin
            assert number in unread or receiver.data.get(number, b"") == data
            assert number in unread or number in receiver.finished
    for engine in (world.server, world.client):
        (connection,) = engine._connections
        quic = connection.quic
        assert quic.faces() == []
        assert quic.unsent == 0
        assert not quic._active
        assert quic._loss.bytes_in_flight == 0
        assert quic._delivered == quic._local_max_data.used
