"""Rooms of both planes, as Trio tasks see them: peers on another plane speak, and say what they heard.

The Python plane is on a network in memory and a virtual clock, the native one on loopback and real time.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Sequence

import attrs
import numpy as np
import pytest
import trio
from trio.testing import MockClock

import native
from actors.call import MediaFrame
from clutch.media.errors import CannotBridge
from clutch.media.params import Codec, RtpParams
from clutch.net.errors import RoomError
from clutch.net.memory import MemoryNetwork
from clutch.net.native_plane import NativePlane
from clutch.net.plane import MediaPlane, Room, RtpStream
from clutch.net.twin_plane import TwinPlane

PCMU = Codec("pcmu", 0, 8000, 8000)
PCMA = Codec("pcma", 8, 8000, 8000)
L16_16 = Codec("l16", 96, 16_000, 16_000)
L16_48 = Codec("l16", 97, 48_000, 48_000)
TONES_HZ = (500, 900, 1700)
LEVEL = 6000
TICKS = 60
"""That a conversation lasts: 1.2 s. The first half is not looked at: jitter buffers start in it."""
FIRST_PORT = 33_000 + os.getpid() % 90 * 40


@attrs.define(eq=False)
class Leg:
    """A stream of the plane under test, and its peer, which says a tone."""

    stream: RtpStream
    peer: RtpStream
    tone_hz: int
    heard: list[MediaFrame] = attrs.field(factory=list)

    async def talk(self) -> None:
        """Say a tone, a frame for every frame that is heard."""
        with self.peer.tap() as tap:
            async for frame in tap:
                times_s = (np.arange(frame.rate_hz // 50) / frame.rate_hz) + len(self.heard) / 50
                wave = LEVEL * np.sin(2 * np.pi * self.tone_hz * times_s)
                self.peer.send(wave.astype(np.int16).tobytes())
                self.heard.append(frame)
                if len(self.heard) == TICKS:
                    return

    @property
    def levels(self) -> list[int]:
        """Amplitude of each of the tones in what was heard, in percent of `LEVEL`, to the next 5 percent.

        The median of frames, each with whole periods of all tones: a machine that stalls is no fault of ours.
        """
        frames = np.array([np.frombuffer(frame.uplink, np.int16) for frame in self.heard[TICKS // 2 :]])
        turns = np.outer(TONES_HZ, np.arange(frames.shape[1]) / self.peer.rate_hz)
        amplitudes = np.abs(frames @ np.exp(2j * np.pi * turns).T) * 2 / frames.shape[1]
        return [5 * round(20 * level / LEVEL) for level in np.median(amplitudes, axis=0)]


@attrs.define(eq=False)
class World:
    """The plane under test and that of the peers."""

    plane: MediaPlane
    far: MediaPlane

    def legs(self, codecs: Sequence[Codec]) -> list[Leg]:
        """One leg of each codec, connected with its peer."""
        return [self.leg(codec, tone_hz) for codec, tone_hz in zip(codecs, TONES_HZ, strict=False)]

    def leg(self, codec: Codec, tone_hz: int = TONES_HZ[0]) -> Leg:
        """One leg, connected with its peer."""
        stream, peer = self.plane.open("near"), self.far.open("far")
        stream.connect(RtpParams(peer.local, codec, timeout_ms=0))
        peer.connect(RtpParams(stream.local, codec, timeout_ms=0))
        return Leg(stream, peer, tone_hz)


async def talk(*legs: Leg) -> None:
    """All say their tones for `TICKS`."""
    async with trio.open_nursery() as nursery:
        for leg in legs:
            leg.heard.clear()
            nursery.start_soon(leg.talk)


@pytest.fixture(params=["twin", "native"])
def clock(request: pytest.FixtureRequest) -> MockClock | None:
    """Virtual time, for the Python plane; None: real time, for the native one. Each test asks for it itself,
    or Trio would not know."""
    return MockClock(autojump_threshold=0) if request.param == "twin" else None


@pytest.fixture
async def world(clock: MockClock | None) -> AsyncIterator[World]:
    """Two planes of one kind."""
    planes: list[MediaPlane]
    if clock is not None:
        network = MemoryNetwork(latency_s=0.003)
        ips = "192.0.2.1", "192.0.2.2"
        planes = [TwinPlane(network.host(ip), ip, range(4000, 4020)) for ip in ips]
    else:
        if not native.available:
            pytest.skip(native.reason)
        ports = range(FIRST_PORT, FIRST_PORT + 20), range(FIRST_PORT + 20, FIRST_PORT + 40)
        planes = [NativePlane("127.0.0.1", ports=some) for some in ports]
    async with trio.open_nursery() as nursery:
        for plane in planes:
            await nursery.start(plane.run)
        with trio.fail_after(30):
            yield World(*planes)
        nursery.cancel_scope.cancel()


CONFERENCES = {
    "8 kHz": (PCMU, PCMA, PCMU),
    "16 kHz": (L16_16, L16_16, L16_16),
    "48 kHz": (L16_48, L16_48, L16_48),
    "mixed": (PCMU, L16_16, L16_48),
}


@pytest.mark.parametrize("codecs", CONFERENCES.values(), ids=CONFERENCES.keys())
async def test_each_of_three_hears_the_other_two_and_not_itself(
    world: World, clock: MockClock | None, codecs: Sequence[Codec]
) -> None:
    legs = world.legs(codecs)
    room = world.plane.open_room()
    for leg in legs:
        room.join(leg.stream)
    await talk(*legs)
    for number, leg in enumerate(legs):
        assert leg.levels == [0 if other == number else 100 for other in range(3)]


async def test_who_leaves_is_heard_no_more(world: World, clock: MockClock | None) -> None:
    one, two, three = legs = world.legs([PCMU, PCMU, L16_16])
    room = world.plane.open_room()
    for leg in legs:
        room.join(leg.stream)
    room.leave(one.stream)
    room.leave(one.stream)
    await talk(*legs)
    assert [leg.levels for leg in legs] == [[0, 0, 0], [0, 0, 100], [0, 100, 0]]
    three.stream.close()
    other = world.plane.open_room()
    other.join(one.stream)
    other.join(two.stream)
    await talk(one, two)
    assert [leg.levels for leg in (one, two)] == [[0, 100, 0], [100, 0, 0]]
    other.close()
    other.close()
    await talk(one, two)
    assert [leg.levels for leg in (one, two)] == [[0, 0, 0], [0, 0, 0]]


async def test_gain_mute_and_whisper(world: World, clock: MockClock | None) -> None:
    one, two, three = legs = world.legs([PCMU, PCMU, PCMU])
    room = world.plane.open_room()
    room.join(one.stream, gain_db=-6.02)
    room.join(two.stream, muted=True)
    room.join(three.stream, whisper_to=one.stream)
    await talk(*legs)
    assert one.levels == [0, 0, 100]
    assert two.levels == [50, 0, 0]
    assert three.levels == [50, 0, 0]
    room.set_gain(one.stream, 0)
    room.mute(two.stream, on=False)
    room.whisper_to(three.stream, None)
    room.duck(two.stream, 6)
    await talk(*legs)
    assert [leg.levels for leg in legs] == [[0, 100, 100], [100, 0, 100], [100, 100, 0]]


async def test_what_is_queued_for_one_is_heard_by_that_one(world: World, clock: MockClock | None) -> None:
    one, two, _ = legs = world.legs([L16_16, PCMU, PCMU])
    room = world.plane.open_room()
    room.join(one.stream)
    room.join(two.stream)
    room.duck(one.stream, 12.04)
    tone = (LEVEL * np.sin(2 * np.pi * TONES_HZ[2] * np.arange(320) / 16_000)).astype(np.int16).tobytes()

    async def announce() -> None:
        with one.stream.tap() as tap:
            async for frame in tap:
                one.stream.send(tone)
                if frame.tick > TICKS:
                    return

    async with trio.open_nursery() as nursery:
        nursery.start_soon(announce)
        await talk(*legs[:2])
    assert one.levels == [0, 25, 100]
    assert two.levels == [100, 0, 0]


async def test_a_tap_has_what_the_leg_says_and_what_it_hears(world: World, clock: MockClock | None) -> None:
    one, two = legs = world.legs([L16_16, L16_16])
    room = world.plane.open_room()
    frames: list[MediaFrame] = []

    async def listen() -> None:
        with one.stream.tap() as tap:
            async for frame in tap:
                frames.append(frame)
                if len(frames) == TICKS:
                    return

    room.join(one.stream)
    room.join(two.stream)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen)
        await talk(*legs)
    said = b"".join(frame.uplink for frame in frames)
    heard = b"".join(frame.downlink for frame in frames)
    there = b"".join(frame.uplink for frame in one.heard)
    half = TICKS // 2 * 640
    assert heard[half : half + 3200] in there
    assert said[half : half + 3200] != heard[half : half + 3200]
    assert [frame.tick for frame in frames] == list(range(frames[0].tick, frames[0].tick + TICKS))


async def test_a_room_outlives_who_is_not_connected_or_changes_its_codec(
    world: World, clock: MockClock | None
) -> None:
    one, two = legs = world.legs([PCMU, PCMU])
    unconnected = world.plane.open("early")
    room = world.plane.open_room()
    for stream in (one.stream, unconnected, two.stream):
        room.join(stream)
    await talk(*legs)
    assert [leg.levels[:2] for leg in legs] == [[0, 100], [100, 0]]
    one.stream.connect(RtpParams(one.peer.local, L16_48, timeout_ms=0))
    one.peer.connect(RtpParams(one.stream.local, L16_48, timeout_ms=0))
    await talk(*legs)
    assert [leg.levels[:2] for leg in legs] == [[0, 100], [100, 0]]


async def test_what_a_room_refuses(world: World, clock: MockClock | None) -> None:
    one, two, three = (leg.stream for leg in world.legs([PCMU] * 3))
    foreign = world.far.open("foreign")
    room, other = world.plane.open_room(), world.plane.open_room()
    room.join(one)
    other.join(three)
    refused: list[Callable[[], None]] = [
        lambda: room.join(one),
        lambda: room.join(foreign),
        lambda: room.set_gain(two, 1),
        lambda: room.mute(three),
        lambda: room.whisper_to(one, three),
        lambda: room.whisper_to(one, one),
        lambda: room.join(two, whisper_to=three),
    ]
    for attempt in refused:
        with pytest.raises(RoomError):
            attempt()
    for gain_db in (25.0, -25.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="a gain is from"):
            room.set_gain(one, gain_db)
    room.leave(two)
    one.close()
    with pytest.raises(RoomError):
        room.join(one)
    with pytest.raises(RoomError):
        room.mute(one)
    room.close()
    with pytest.raises(RoomError, match="closed"):
        room.join(two)
    room.leave(two)


async def test_whisperers_stay_unheard_when_their_ear_is_gone(world: World, clock: MockClock | None) -> None:
    one, two, three = world.legs([PCMU] * 3)
    room = world.plane.open_room()
    for leg in (one, two):
        room.join(leg.stream)
    room.join(three.stream, whisper_to=two.stream)
    two.stream.close()
    room.set_gain(three.stream, 6)
    await talk(one, three)
    assert [one.levels, three.levels] == [[0, 0, 0], [100, 0, 0]]


async def test_rooms_end_with_their_plane(world: World, clock: MockClock | None) -> None:
    room: Room = world.plane.open_room()
    room.join(world.leg(PCMU).stream)


async def test_a_third_comes_to_two_who_are_bridged_and_goes_again(
    world: World, clock: MockClock | None
) -> None:
    legs = world.legs([PCMU, PCMU, L16_16])
    one, two = legs[:2]
    room = world.plane.open_room()
    one.stream.bridge(two.stream)
    await talk(*legs)
    assert [leg.levels for leg in legs] == [[0, 100, 0], [100, 0, 0], [0, 0, 0]]
    for leg in legs:
        room.join(leg.stream)
    with pytest.raises(CannotBridge, match="in a room"):
        one.stream.bridge(two.stream)
    with pytest.raises(CannotBridge, match="in a room"):
        two.stream.bridge(world.leg(PCMU).stream)
    await talk(*legs)
    assert [leg.levels for leg in legs] == [[0, 100, 100], [100, 0, 100], [100, 100, 0]]
    room.close()
    one.stream.bridge(two.stream)
    await talk(*legs)
    assert [leg.levels for leg in legs] == [[0, 100, 0], [100, 0, 0], [0, 0, 0]]
    assert [leg.peer.stats().lost for leg in legs] == [0, 0, 0]
