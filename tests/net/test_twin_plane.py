"""The Python media plane on a network in memory and a virtual clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest
import trio
import trio.testing
from trio.testing import MockClock

from actors.call import Dtmf, MediaFrame, MediaStats, MediaTimeout, MediaUnavailable
from actors.runtime import open_lossy_channels
from clutch.media.errors import CannotBridge, UnsupportedCodec
from clutch.media.params import Codec, RtpParams
from clutch.net.link import Address, TrioNetwork
from clutch.net.memory import MemoryNetwork
from clutch.net.plane import MediaPlane, RtpStream
from clutch.net.twin_plane import MAX_EVENTS, TwinPlane, TwinRtpStream
from clutch.wire.rtp import RtpPacket

HERE, THERE = "192.0.2.1", "192.0.2.2"
PCMU = Codec("pcmu", 0, 8000, 8000)
OPUS = Codec("opus", 96, 48_000, 48_000)


def plane_at(network: MemoryNetwork, ip: str, ports: range = range(4000, 4008)) -> TwinPlane:
    """A plane on one host, with numbers that are no surprise."""
    return TwinPlane(network.host(ip), ip, ports, randbits=lambda bits: bits)


@asynccontextmanager
async def running(*planes: TwinPlane) -> AsyncIterator[None]:
    """The planes run inside; afterwards nothing is left."""
    async with trio.open_nursery() as nursery:
        for plane in planes:
            await nursery.start(plane.run)
        yield
        nursery.cancel_scope.cancel()
    assert [plane.ports_in_use for plane in planes] == [0] * len(planes)


def join(one: RtpStream, other: RtpStream, timeout_ms: int = 0) -> None:
    """Connect two streams with each other."""
    for here, there in ((one, other), (other, one)):
        here.connect(RtpParams(there.local, PCMU, 101, timeout_ms=timeout_ms))


def test_the_plane_is_a_media_plane() -> None:
    plane: MediaPlane = plane_at(MemoryNetwork(), HERE)
    assert plane.codecs == {"pcmu", "pcma", "l16"}


async def test_ports_are_even_and_the_longest_unused_comes_first(autojump_clock: MockClock) -> None:
    network = MemoryNetwork()
    plane = plane_at(network, HERE, range(4001, 4007))
    async with running(plane):
        first, second = plane.open("a"), plane.open("b")
        assert (first.local, second.local) == ((HERE, 4002), (HERE, 4004))
        first.close()
        third = plane.open("c")
        assert third.local == (HERE, 4006)
        assert plane.open("d").local == (HERE, 4002)
        assert plane.ports_in_use == 3
        with pytest.raises(MediaUnavailable, match="every RTP port"):
            plane.open("e")
        second.close()
        assert plane.open("e").local == (HERE, 4004)
    assert network.open_sockets == 0


async def test_a_port_that_another_has_is_passed_over(autojump_clock: MockClock) -> None:
    network = MemoryNetwork()
    plane = plane_at(network, HERE, range(4000, 4004))
    taken = network.host(HERE).open_datagrams(HERE, 4000)
    async with running(plane):
        assert plane.open("a").local == (HERE, 4002)
        with pytest.raises(MediaUnavailable, match="4000 is in use"):
            plane.open("b")
        taken.close()
        assert plane.open("b").local == (HERE, 4000)


async def test_a_plane_that_does_not_run_opens_nothing(autojump_clock: MockClock) -> None:
    plane = plane_at(MemoryNetwork(), HERE)
    with pytest.raises(RuntimeError):
        plane.open("a")
    async with running(plane):
        plane.open("a")
    with pytest.raises(RuntimeError):
        plane.open("b")


async def test_what_one_says_the_other_hears(autojump_clock: MockClock) -> None:
    network = MemoryNetwork(latency_s=0.007)
    here, there = plane_at(network, HERE), plane_at(network, THERE)
    async with running(here, there):
        one, other = here.open("a"), there.open("a")
        assert one.rate_hz == 0
        join(one, other)
        assert one.rate_hz == 8000
        speech = (np.sin(np.arange(4000) * 0.35) * 8000).astype(np.int16)
        assert one.send(speech.tobytes()) == 8000
        assert one.queued_ms == 500
        with other.tap() as uplink, one.tap() as downlink:
            await trio.sleep(0.61)
            heard = (await uplink.receive()).items
            said = (await downlink.receive()).items
    assert [frame.tick for frame in heard] == list(range(30))
    assert b"".join(frame.downlink for frame in said)[:8000] == speech.tobytes()
    samples = np.frombuffer(b"".join(frame.uplink for frame in heard), np.int16)
    start = int(np.flatnonzero(samples)[0]) // 160 * 160
    assert start == 3 * 160
    np.testing.assert_allclose(samples[start : start + 4000], speech, atol=300)
    assert one.stats().packets_sent == 30
    assert not any(frame.concealed for frame in heard)


async def test_a_slow_reader_loses_the_oldest_frames_and_a_closed_one_all(autojump_clock: MockClock) -> None:
    network = MemoryNetwork()
    plane = plane_at(network, HERE)
    async with running(plane):
        one, other = plane.open("a"), plane.open("b")
        join(one, other)
        slow, gone = one.tap(capacity=3), one.tap()
        gone.close()
        await trio.sleep(0.21)
        batch = await slow.receive()
        assert [frame.tick for frame in batch.items] == [7, 8, 9]
        assert batch.lost == 7
        assert open_lossy_channels() == 1
        slow.close()


async def test_close_ends_taps_and_events_and_gives_the_port_back(autojump_clock: MockClock) -> None:
    network = MemoryNetwork()
    plane = plane_at(network, HERE)
    async with running(plane):
        stream = plane.open("a")
        stream.connect(RtpParams((THERE, 4000), PCMU))
        ended: list[str] = []

        async def events() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await stream.next_event()
            ended.append("events")

        async def frames() -> None:
            with stream.tap() as tap:
                async for _ in tap:
                    pass
            ended.append("frames")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(events)
            nursery.start_soon(frames)
            await trio.sleep(0.05)
            stream.close()
            stream.close()
        assert sorted(ended) == ["events", "frames"]
        assert (network.open_sockets, plane.ports_in_use) == (0, 0)
        with pytest.raises(trio.ClosedResourceError):
            await stream.next_event()
        with stream.tap() as tap:
            assert [frame async for frame in tap] == []
        assert stream.stats() == MediaStats(packets_sent=2, reports_sent=1)


async def test_events_reach_the_call(autojump_clock: MockClock) -> None:
    network = MemoryNetwork()
    plane = plane_at(network, HERE)
    async with running(plane):
        one, other = plane.open("a"), plane.open("b")
        join(one, other, timeout_ms=500)
        one.send_dtmf("5#", tone_ms=60, gap_ms=40)
        assert [await other.next_event(), await other.next_event()] == [Dtmf("5", 60), Dtmf("#", 60)]
        with pytest.raises(ValueError, match="'x'"):
            one.send_dtmf("1x")
        other.close()
        assert await one.next_event() == MediaTimeout(500)


async def test_events_that_nobody_takes_are_bounded(autojump_clock: MockClock) -> None:
    network = MemoryNetwork()
    plane = plane_at(network, HERE)
    async with running(plane):
        one, other = plane.open("a"), plane.open("b")
        join(one, other)
        for _ in range(2):
            one.send_dtmf("1" * 64, tone_ms=20, gap_ms=0)
            await trio.sleep(5)
        for _ in range(MAX_EVENTS):
            await other.next_event()
        with trio.move_on_after(1) as nothing:
            await other.next_event()
        assert nothing.cancelled_caught


async def test_garbage_is_counted(autojump_clock: MockClock) -> None:
    network = MemoryNetwork()
    plane = plane_at(network, HERE)
    sender = network.host(THERE).open_datagrams(THERE, 9)
    async with running(plane):
        stream = plane.open("a")
        for data in (b"", b"garbage", b"\x80\xc8\0\0"):
            sender.send(data, stream.local)
        await trio.testing.wait_all_tasks_blocked()
        assert stream.stats() == MediaStats(malformed=2)


@pytest.mark.parametrize("mux", [True, False])
async def test_each_sees_what_the_other_lost(autojump_clock: MockClock, mux: bool) -> None:
    """Every tenth packet towards one of them is lost; its reports tell the other, and how long the way is."""
    network = MemoryNetwork(latency_s=0.04)
    here, there = plane_at(network, HERE), plane_at(network, THERE)
    sent = 0

    def lost(data: bytes, source: Address, to: Address) -> bool:
        nonlocal sent
        sent += to[0] == THERE
        return to[0] == THERE and len(data) > 100 and sent % 10 == 0

    network.lost = lost
    async with running(here, there):
        one, other = here.open("a"), there.open("a")
        for stream, peer in ((one, other.local), (other, one.local)):
            rtcp = None if mux else (peer[0], peer[1] + 1)
            stream.connect(RtpParams(peer, PCMU, timeout_ms=0, rtcp=rtcp))
        await trio.sleep(20)
        ours, theirs = one.stats(), other.stats()
    assert theirs.loss_percent == pytest.approx(10, abs=0.5)
    assert ours.remote_loss_percent == pytest.approx(10, abs=0.5)
    assert (ours.lost, theirs.remote_loss_percent) == (0, 0)
    for stats in (ours, theirs):
        assert stats.round_trip_ms == pytest.approx(80, abs=0.1)
        assert stats.reports_received >= 3
        assert stats.jitter_us == stats.reports_wrong_source == stats.reports_malformed == 0


async def test_a_pair_of_which_one_is_taken_is_passed_over(autojump_clock: MockClock) -> None:
    network = MemoryNetwork()
    plane = plane_at(network, HERE)
    taken = network.host(HERE).open_datagrams(HERE, 4001)
    async with running(plane):
        assert plane.open("a").local == (HERE, 4002)
    taken.close()
    assert network.open_sockets == 0


async def test_a_codec_that_python_cannot_code(autojump_clock: MockClock) -> None:
    plane = plane_at(MemoryNetwork(), HERE)
    async with running(plane):
        with pytest.raises(UnsupportedCodec):
            plane.open("a").connect(RtpParams((THERE, 4000), OPUS))


async def test_a_plane_without_streams_sleeps(autojump_clock: MockClock) -> None:
    plane = plane_at(MemoryNetwork(), HERE)

    def next_deadline() -> float:
        return trio.lowlevel.current_statistics().seconds_to_next_deadline

    async with running(plane):
        await trio.testing.wait_all_tasks_blocked()
        assert next_deadline() == float("inf")
        stream = plane.open("a")
        await trio.sleep(0.05)
        assert next_deadline() <= 0.02
        stream.close()
        await trio.sleep(0.05)
        await trio.testing.wait_all_tasks_blocked()
        assert next_deadline() == float("inf")


async def tick_numbers(stream: TwinRtpStream, stall: float, clock: MockClock) -> list[int]:
    """The ticks that a stream makes at once after the process stood still."""
    with stream.tap(1000) as tap:
        clock.jump(stall)
        await trio.testing.wait_all_tasks_blocked()
        frames: list[MediaFrame] = (await tap.receive()).items
    return [frame.tick for frame in frames]


@pytest.mark.parametrize(("stall", "ticks"), [(0.1, 5), (0.2, 10), (60.0, 11)])
async def test_a_short_stall_is_made_up_for_and_a_long_one_is_not(
    autojump_clock: MockClock, stall: float, ticks: int
) -> None:
    plane = plane_at(MemoryNetwork(), HERE)
    async with running(plane):
        stream = plane.open("a")
        stream.connect(RtpParams((THERE, 4000), PCMU))
        await trio.testing.wait_all_tasks_blocked()
        autojump_clock.autojump_threshold = float("inf")
        assert await tick_numbers(stream, stall, autojump_clock) == list(range(ticks))


async def test_over_real_sockets() -> None:
    plane = TwinPlane(TrioNetwork(), "127.0.0.1", range(41_000, 41_100))
    async with running(plane):
        one, other = plane.open("a"), plane.open("b")
        join(one, other)
        one.send(b"\x10" * 6400)
        with other.tap() as uplink:
            async for frame in uplink:
                if any(frame.uplink):
                    break
    assert one.stats().packets_sent > 0


async def test_bridged_streams_and_their_taps(autojump_clock: MockClock) -> None:
    """What the peer of one stream says the peer of the other hears, and so does a tap."""
    network = MemoryNetwork(latency_s=0.007)
    here, there = plane_at(network, HERE), plane_at(network, THERE)
    async with running(here, there):
        (near, far), (one, other) = [[plane.open("a"), plane.open("b")] for plane in (here, there)]
        join(near, one)
        join(far, other)
        near.bridge(far)
        speech = (np.sin(np.arange(4000) * 0.35) * 8000).astype(np.int16)
        one.send(speech.tobytes())
        with other.tap() as uplink, far.tap() as tapped:
            await trio.sleep(0.8)
            heard = b"".join(frame.uplink for frame in (await uplink.receive()).items)
            sent = b"".join(frame.downlink for frame in (await tapped.receive()).items)
        one.send_dtmf("7")
        assert await other.next_event() == Dtmf("7", 100)
        assert await near.next_event() == Dtmf("7", 100)
        for copy in (heard, sent):
            samples = np.frombuffer(copy, np.int16)
            start = int(np.flatnonzero(samples)[0]) // 160 * 160
            np.testing.assert_allclose(samples[start : start + 4000], speech, atol=300)
        assert near.stats().relayed > 0
        near.unbridge()
        await trio.sleep(0.2)
        before = near.stats().relayed
        await trio.sleep(0.2)
        assert near.stats().relayed == before


async def test_what_cannot_be_bridged(autojump_clock: MockClock) -> None:
    network = MemoryNetwork()
    here, there = plane_at(network, HERE), plane_at(network, THERE)
    async with running(here, there):
        one, other, elsewhere = here.open("a"), here.open("b"), there.open("c")
        with pytest.raises(CannotBridge, match="never connected"):
            one.bridge(other)
        join(one, elsewhere)
        other.connect(RtpParams((THERE, 4000), Codec("l16", 97, 16_000, 16_000)))
        with pytest.raises(CannotBridge, match="pcmu at 8000 Hz cannot be bridged with l16 at 16000 Hz"):
            one.bridge(other)
        for stranger in (one, elsewhere):
            with pytest.raises(CannotBridge, match="of one plane"):
                one.bridge(stranger)
        other.connect(RtpParams((THERE, 4000), PCMU))
        one.bridge(other)
        other.close()
        await trio.sleep(0.1)
        with pytest.raises(CannotBridge):
            one.bridge(other)


async def test_who_spoke_into_a_call_does_not_speak_into_the_next(autojump_clock: MockClock) -> None:
    """The ports of a closed stream rest. Its peer, who does not know, goes on for twenty seconds."""
    network = MemoryNetwork()
    plane = TwinPlane(network.host(HERE), HERE, range(4000, 4004), quarantine_s=32)
    stale = network.host(THERE).open_datagrams(THERE, 9)
    async with running(plane):
        first, second = plane.open("a"), plane.open("b")
        first.connect(RtpParams((THERE, 9), PCMU))
        first.close()
        for number in range(1000):
            stale.send(RtpPacket(0, number, number * 160, 7, bytes(160)).to_bytes(), (HERE, 4000))
            with pytest.raises(MediaUnavailable, match="was a moment ago"):
                plane.open("c")
            await trio.sleep(0.02)
        second.close()
        await trio.sleep(11.9)
        with pytest.raises(MediaUnavailable):
            plane.open("c")
        await trio.sleep(0.2)
        third = plane.open("c")
        third.connect(RtpParams((THERE, 4000), PCMU))
        assert third.local == (HERE, 4000)
        await trio.sleep(1)
        assert third.stats().packets_received == third.stats().wrong_source == 0
        with pytest.raises(MediaUnavailable):
            plane.open("d")
