"""From the full path to the fast one and back, in the middle of speech: nobody is to notice."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import trio
from trio.testing import MockClock

from clutch.media.g711 import Samples
from clutch.media.params import Codec, RtpParams
from clutch.net.link import Address
from clutch.net.memory import MemoryNetwork
from clutch.net.plane import RtpStream
from clutch.net.twin_plane import TwinPlane
from clutch.wire.rtp import RtpPacket

HERE, THERE = "192.0.2.1", "192.0.2.2"
PCMU = Codec("pcmu", 0, 8000, 8000)
PIECE = 800
"""Samples: 100 ms."""


def speech(seconds: float) -> Samples:
    """Noise of the telephone band: every piece of it is found in one place only."""
    count = int(8000 * seconds)
    spectrum = np.fft.rfft(np.random.default_rng(1).standard_normal(count))
    hz = np.fft.rfftfreq(count, 1 / 8000)
    band = np.fft.irfft(spectrum * ((hz > 300) & (hz < 3400)), count)
    samples: Samples = (band / np.abs(band).max() * 16_000).astype(np.int16)
    return samples


def correlation(piece: Samples, whole: Samples) -> float:
    """How well a piece is found in the whole, at its best place."""
    wanted = piece.astype(np.float64)
    found = np.correlate(whole.astype(np.float64), wanted, "valid")
    energy = np.convolve(whole.astype(np.float64) ** 2, np.ones(len(wanted)), "valid")
    return float((found / np.sqrt(energy * (wanted @ wanted) + 1)).max())


async def speak(stream: RtpStream, audio: Samples) -> None:
    """Say it at the pace at which it is heard."""
    for start in range(0, len(audio), 160):
        stream.send(audio[start : start + 160].tobytes())
        await trio.sleep(0.02)


async def test_a_call_moves_between_room_and_bridge_without_a_gap(autojump_clock: MockClock) -> None:
    network = MemoryNetwork(latency_s=0.007)
    wire: list[RtpPacket] = []

    def see(data: bytes, source: Address, to: Address) -> bool:
        if source == (HERE, 4002) and data[1] < 200:
            wire.append(RtpPacket.parse(data))
        return False

    network.lost = see
    here, there = (TwinPlane(network.host(ip), ip, range(4000, 4004)) for ip in (HERE, THERE))
    said = speech(8)
    async with trio.open_nursery() as nursery:
        for plane in (here, there):
            await nursery.start(plane.run)
        (near, far), (one, other) = ([plane.open("a"), plane.open("b")] for plane in (here, there))
        for ours, theirs in ((near, one), (far, other)):
            ours.connect(RtpParams(theirs.local, PCMU))
            theirs.connect(RtpParams(ours.local, PCMU))
        room = here.open_room()
        for stream in (near, far):
            room.join(stream)
        nursery.start_soon(speak, one, said)
        with other.tap(1000) as tap:
            for _ in range(2):
                await trio.sleep(2)
                for stream in (near, far):
                    room.leave(stream)
                near.bridge(far)
                await trio.sleep(1.5)
                for stream in (near, far):
                    room.join(stream)
            await trio.sleep(1)
            heard = np.frombuffer(b"".join(frame.uplink for frame in (await tap.receive()).items), np.int16)
        relayed = near.stats().relayed
        nursery.cancel_scope.cancel()
    assert relayed > 100
    assert len({packet.ssrc for packet in wire}) == 1
    for before, after in pairwise(wire):
        assert (after.sequence - before.sequence) % 0x10000 == 1
        assert (after.timestamp - before.timestamp) % 2**32 == 160
    start = int(np.flatnonzero(np.abs(heard) > 1000)[0])
    pieces = [heard[at : at + PIECE] for at in range(start, len(heard) - PIECE, PIECE)]
    found = [correlation(piece, said) for piece in pieces]
    # At the end of a bridge the last 40 ms are heard again: the delay of the jitter buffer has to come from
    # somewhere. Its beginning is not heard at all.
    assert sum(value < 0.999 for value in found) <= 2
