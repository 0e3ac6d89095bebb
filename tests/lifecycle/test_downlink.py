"""The lease of a downlink: who may speak, what is heard in which order, what silence means."""

from __future__ import annotations

from array import array
from collections.abc import AsyncIterator, Sequence

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.call import Downlink, DownlinkTaken, Lease, Speaker
from actors.testing import FakeStream, Ledger

FRAME = 320
"""Bytes of 20 ms at 8 kHz."""


def pcm(level: int, frames: float = 1) -> bytes:
    return array("h", [level] * round(FRAME // 2 * frames)).tobytes()


def levels(stream: FakeStream) -> list[int]:
    """One sample of each frame heard."""
    return list(array("h", bytes(stream.heard))[:: FRAME // 2])


def add(frames: Sequence[bytes]) -> bytes:
    return array("h", map(sum, zip(*(array("h", frame) for frame in frames), strict=True))).tobytes()


@pytest.fixture
async def stream() -> AsyncIterator[FakeStream]:
    """A test must itself ask for `autojump_clock`."""
    stream = FakeStream(Ledger(), "s1")
    yield stream
    stream.close()


async def test_a_second_writer_is_refused_and_told_who_speaks(
    autojump_clock: MockClock, stream: FakeStream
) -> None:
    downlink = Downlink(stream)
    with downlink.lease(Speaker.AGENT), pytest.raises(DownlinkTaken, match="taken by an agent") as refusal:
        downlink.lease(Speaker.APP)
    assert refusal.value.by == "agent"
    assert downlink.speakers == []
    with downlink.lease(Speaker.APP):
        assert downlink.speakers == [Speaker.APP]


async def test_what_was_said_is_heard_before_the_next_writer(
    autojump_clock: MockClock, stream: FakeStream
) -> None:
    downlink = Downlink(stream)
    with downlink.lease(Speaker.ANNOUNCEMENT) as first:
        first.send(pcm(1, 2))
    with downlink.lease(Speaker.APP) as second:
        second.send(pcm(2))
        for _ in range(3):
            stream.tick()
    assert levels(stream) == [1, 1, 2]


async def test_a_writer_that_has_no_lease_any_more_changes_nothing(
    autojump_clock: MockClock, stream: FakeStream
) -> None:
    downlink = Downlink(stream)
    old = downlink.lease(Speaker.AGENT)
    old.release()
    old.release()
    with downlink.lease(Speaker.APP) as new:
        new.send(pcm(2))
        assert old.send(pcm(1)) == 0
        old.clear()
        await old.say(pcm(1))
        assert (old.held, old.queued_ms, new.queued_ms) == (False, 0, 20)


async def test_an_error_silences_its_writer(autojump_clock: MockClock, stream: FakeStream) -> None:
    downlink = Downlink(stream)

    def fail(lease: Lease) -> None:
        with lease:
            lease.send(pcm(1))
            raise KeyError

    with pytest.raises(KeyError):
        fail(downlink.lease(Speaker.AGENT))
    assert stream.queued_ms == 0
    assert downlink.speakers == []


async def test_who_waits_comes_in_turn(
    autojump_clock: MockClock, stream: FakeStream, nursery: trio.Nursery
) -> None:
    downlink = Downlink(stream)
    came: list[Speaker] = []

    async def wait(speaker: Speaker) -> None:
        with await downlink.turn(speaker):
            came.append(speaker)
            await trio.sleep(1)

    with downlink.lease(Speaker.ANNOUNCEMENT):
        for speaker in (Speaker.AGENT, Speaker.APP):
            nursery.start_soon(wait, speaker)
            await wait_all_tasks_blocked()
        assert came == []
    # The turn is given at once: nobody can come between.
    with pytest.raises(DownlinkTaken):
        downlink.lease(Speaker.ANNOUNCEMENT)
    await trio.sleep(0.5)
    assert came == [Speaker.AGENT]
    await trio.sleep(1)
    assert came == [Speaker.AGENT, Speaker.APP]


async def test_who_gives_up_waiting_is_passed_over(autojump_clock: MockClock, stream: FakeStream) -> None:
    downlink = Downlink(stream)
    with downlink.lease(Speaker.ANNOUNCEMENT), trio.move_on_after(1):
        await downlink.turn(Speaker.AGENT)
    with downlink.lease(Speaker.APP):
        assert downlink.speakers == [Speaker.APP]


async def test_saying_waits_for_the_ear(
    autojump_clock: MockClock, stream: FakeStream, nursery: trio.Nursery
) -> None:
    downlink = Downlink(stream)
    with downlink.lease(Speaker.AGENT) as lease:
        nursery.start_soon(lease.say, pcm(1, 50))
        await wait_all_tasks_blocked()
        assert lease.queued_ms == 120
        while lease.queued_ms:
            stream.tick()
            await trio.sleep(0.02)
    assert levels(stream) == [1] * 50


@pytest.fixture
async def mixing(stream: FakeStream, nursery: trio.Nursery) -> Downlink:
    downlink = Downlink(stream, add)
    nursery.start_soon(downlink.run)
    await wait_all_tasks_blocked()
    return downlink


async def tick(stream: FakeStream, ticks: int) -> None:
    for _ in range(ticks):
        stream.tick()
        await wait_all_tasks_blocked()


async def test_two_writers_are_heard_at_once(
    autojump_clock: MockClock, mixing: Downlink, stream: FakeStream
) -> None:
    with mixing.lease(Speaker.AGENT) as agent, mixing.lease(Speaker.APP) as app:
        assert mixing.speakers == [Speaker.AGENT, Speaker.APP]
        agent.send(pcm(1, 5))
        app.send(pcm(10, 2))
        await tick(stream, 6)
    assert levels(stream) == [1, 1, 11, 11, 1, 0]  # the first 40 ms had left before the app began


async def test_silence_of_one_is_not_silence_of_the_other(
    autojump_clock: MockClock, mixing: Downlink, stream: FakeStream
) -> None:
    agent, app = mixing.lease(Speaker.AGENT), mixing.lease(Speaker.APP)
    agent.send(pcm(1, 5))
    app.send(pcm(10, 4))
    agent.clear()
    await tick(stream, 7)
    assert levels(stream) == [1, 1, 10, 10, 10, 10, 0]


async def test_what_a_writer_left_is_mixed_to_its_end(
    autojump_clock: MockClock, mixing: Downlink, stream: FakeStream
) -> None:
    with mixing.lease(Speaker.AGENT) as agent:
        agent.send(pcm(1, 4.5))
    assert mixing.speakers == []
    await tick(stream, 7)
    assert levels(stream) == [1, 1, 1, 1, 1, 0, 0]
    assert not mixing._queues


async def test_pieces_of_frames_are_put_together(
    autojump_clock: MockClock, mixing: Downlink, stream: FakeStream
) -> None:
    with mixing.lease(Speaker.AGENT) as agent:
        for _ in range(8):
            agent.send(pcm(1, 0.5))
        await tick(stream, 5)
    assert levels(stream) == [1, 1, 1, 1, 0]
    assert bytes(stream.heard[: 4 * FRAME]) == pcm(1, 4)


async def test_what_waits_to_be_mixed_is_bounded(autojump_clock: MockClock, mixing: Downlink) -> None:
    def fill(lease: Lease) -> int:
        return sum(lease.send(pcm(1)) for _ in range(100)) // FRAME

    assert fill(mixing.lease(Speaker.AGENT)) == 52  # a second, and what is in the stream already
    assert fill(mixing.lease(Speaker.APP)) == 50


async def test_another_codec_drops_what_waits(
    autojump_clock: MockClock, mixing: Downlink, stream: FakeStream
) -> None:
    lease = mixing.lease(Speaker.AGENT)
    lease.send(pcm(1, 5))
    stream.rate_hz = 16_000
    stream.clear()
    await tick(stream, 2)
    assert not any(stream.heard)
    assert lease.send(bytes(640)) == 640
