"""Publishing and subscribing through a node."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from clutch.client.errors import PublicationClosed, TrackRefused, VoiceError
from clutch.client.search import Search
from clutch.client.subscription import Subscription
from clutch.client.values import Frame
from clutch.wire.moqt.codes import DoneStatus, RequestError
from clutch.wire.moqt.messages import RequestError_
from clutch.wire.moqt.names import FullTrackName
from clutch.wire.moqt.session_request import Kind
from tests.client.world import World

UPLINK = "voice/ab12/uplink"
NAME = FullTrackName.parse(UPLINK, "audio")


async def take(subscription: Subscription, count: int) -> list[Frame]:
    """The next frames."""
    return [await subscription.__anext__() for _ in range(count)]


@pytest.mark.parametrize("draft", ["moqt-18", "moqt-16"])
async def test_audio_goes_through(autojump_clock: MockClock, world: World, draft: str) -> None:
    world.peer.drafts = (draft,)
    await world.restart()
    async with world.voice() as speaker, world.voice() as listener:
        with (
            listener.subscribe_audio(UPLINK, "audio") as heard,
            speaker.publish_audio(UPLINK, "audio", capability="voice/opus") as said,
        ):
            await heard.established.wait()
            assert heard.capability == "voice/opus"
            for number in range(10):
                await said.send(b"%d" % number)
            frames = await take(heard, 10)
            assert [frame.payload for frame in frames] == [b"%d" % number for number in range(10)]
            assert [frame.gap for frame in frames] == [None] * 10
            numbers = [frame.sequence for frame in frames]
            assert numbers == list(range(numbers[0], numbers[0] + 10))
            assert all(frame.timestamp_us for frame in frames)
        assert [frame async for frame in heard] == []


async def test_audio_is_let_through_in_real_time(autojump_clock: MockClock, world: World) -> None:
    async with world.voice() as voice:
        with voice.publish_audio(UPLINK, "audio") as said:
            await voice.connected()
            start = trio.current_time()
            for _ in range(50):
                await said.send(b"20 ms")
            assert trio.current_time() - start == pytest.approx(49 * 0.02 - 0.1)


async def test_an_echo_keeps_what_a_frame_is(autojump_clock: MockClock, world: World) -> None:
    async with world.voice() as voice:
        with voice.subscribe_audio("back", "audio") as back, voice.publish_audio("back", "audio") as there:
            await back.established.wait()
            await there.send(Frame(b"said", 123_456_000_000))
            frame = (await take(back, 1))[0]
            assert (frame.payload, frame.timestamp_us) == (b"said", 123_456_000_000)


async def test_each_frame_has_its_own_priority(autojump_clock: MockClock, world: World) -> None:
    async with world.voice() as voice:
        with voice.subscribe_frame("robot", "imu") as seen, voice.publish_frame("robot", "imu") as shown:
            await seen.established.wait()
            shown.write(b"usual")
            shown.write(b"urgent", priority=3)
            assert [(frame.payload, frame.priority) for frame in await take(seen, 2)] == [
                (b"usual", None),
                (b"urgent", None),
            ]


async def test_frames_as_datagrams(autojump_clock: MockClock, world: World) -> None:
    async with world.voice() as voice:
        with (
            voice.subscribe_frame("robot", "imu") as seen,
            voice.publish_frame("robot", "imu", datagram=True) as shown,
        ):
            await seen.established.wait()
            assert shown.write(b"small")
            assert not shown.write(bytes(10_000))
            assert shown.dropped == 1
            assert [frame.payload for frame in await take(seen, 1)] == [b"small"]


async def test_video_goes_in_groups(autojump_clock: MockClock, world: World) -> None:
    async with world.voice() as voice:
        with voice.subscribe_video("room", "camera") as seen, voice.publish_video("room", "camera") as shown:
            await seen.established.wait()
            for picture in ["I1", "P1", "P2", "I2", "P3"]:
                shown.write(picture.encode(), keyframe=picture.startswith("I"))
            frames = await take(seen, 5)
            assert [frame.text for frame in frames] == ["I1", "P1", "P2", "I2", "P3"]
            assert [frame.keyframe for frame in frames] == [True, False, False, True, False]
            first = frames[0].sequence
            assert [frame.sequence - first for frame in frames] == [0, 0, 0, 1, 1]


async def test_text_goes_in_groups_of_64_and_begins_with_the_past(
    autojump_clock: MockClock, world: World
) -> None:
    async with world.voice() as voice, world.voice() as late:
        with voice.publish_text("room", "chat") as said:
            for number in range(70):
                await said.send(str(number))
            await trio.sleep(0.1)
            with late.subscribe_text("room", "chat") as heard:
                await heard.established.wait()
                await said.send("now")
                frames = await take(heard, 71)
    assert [frame.text for frame in frames] == [*map(str, range(70)), "now"]
    assert [frame.sequence - frames[0].sequence for frame in frames] == [0] * 64 + [1] * 7


async def test_subscribe_before_publish(autojump_clock: MockClock, world: World) -> None:
    async with world.voice() as voice:
        with voice.subscribe_audio(UPLINK, "audio") as heard:
            await trio.sleep(300)
            assert not heard.established.is_set()
            with voice.publish_audio(UPLINK, "audio") as said:
                await heard.established.wait()
                said.write(b"at last")
                assert (await take(heard, 1))[0].payload == b"at last"


@pytest.mark.parametrize("code", [RequestError.TIMEOUT, RequestError.DOES_NOT_EXIST])
async def test_a_track_that_is_not_there_is_asked_for_again(
    autojump_clock: MockClock, world: World, code: RequestError
) -> None:
    world.peer.refuse[Kind.SUBSCRIBE] = RequestError_(code, None, "nobody")
    async with world.voice() as voice:
        with voice.subscribe_audio(UPLINK, "audio") as heard, voice.publish_audio(UPLINK, "audio"):
            await trio.sleep(60)
            world.peer.refuse.clear()
            await heard.established.wait()
            assert trio.current_time() < 62.5


async def test_a_refused_subscription_raises(autojump_clock: MockClock, world: World) -> None:
    world.peer.refuse[Kind.SUBSCRIBE] = RequestError_(RequestError.UNAUTHORIZED, None, "not yours")
    async with world.voice() as voice:
        heard = voice.subscribe_audio(UPLINK, "audio")
        with pytest.raises(TrackRefused, match="voice/ab12/uplink/audio: not yours") as caught:
            await heard.__anext__()
        assert caught.value.code == RequestError.UNAUTHORIZED


async def test_a_refused_publication_raises(autojump_clock: MockClock, world: World) -> None:
    world.peer.refuse[Kind.PUBLISH] = RequestError_(RequestError.UNAUTHORIZED, None, "not yours")
    async with world.voice() as voice:
        said = voice.publish_audio(UPLINK, "audio")
        await voice.connected()
        await trio.sleep(0.1)
        with pytest.raises(TrackRefused, match="not yours"):
            said.write(b"")
        with pytest.raises(TrackRefused, match="not yours"):
            await said.send(b"")


async def test_a_refusal_that_passes_is_tried_again(autojump_clock: MockClock, world: World) -> None:
    world.peer.refuse[Kind.PUBLISH] = RequestError_(RequestError.UNAUTHORIZED, 5000, "later")
    async with world.voice() as voice:
        with voice.publish_audio(UPLINK, "audio"):
            await trio.sleep(1)
            world.peer.refuse.clear()
            await trio.sleep(4)
            assert NAME not in world.peer.published
            await trio.sleep(1)
            assert NAME in world.peer.published


@pytest.mark.parametrize("draft", ["moqt-18", "moqt-16"])
async def test_a_peer_without_publish_gets_the_namespace_and_asks(
    autojump_clock: MockClock, world: World, draft: str
) -> None:
    world.peer.drafts = (draft,)
    await world.restart()
    world.peer.refuse[Kind.PUBLISH] = RequestError_(RequestError.NOT_SUPPORTED, None, "no PUBLISH here")
    async with world.voice() as voice:
        with voice.publish_audio(UPLINK, "audio", capability="voice/opus") as said:
            await trio.sleep(0.1)
            assert world.peer.namespaces == [NAME.namespace]
            assert not said.wanted
            world.peer.sessions[0].subscribe(NAME)
            await trio.sleep(0.1)
            assert said.write(b"served")
            await trio.sleep(0.1)
            assert world.peer.payloads(NAME) == [b"served"]
            with voice.publish_text(UPLINK, "words"):
                await trio.sleep(0.1)
            assert world.peer.namespaces == [NAME.namespace]


async def test_a_peer_that_listens_is_told_and_not_told_twice(
    autojump_clock: MockClock, world: World
) -> None:
    world.peer.refuse[Kind.PUBLISH] = RequestError_(RequestError.NOT_SUPPORTED, None, "no PUBLISH here")
    async with world.voice() as voice:
        await voice.connected()
        world.peer.sessions[0].subscribe_namespace(())
        await trio.sleep(0.1)
        with voice.publish_audio(UPLINK, "audio"):
            await trio.sleep(0.1)
            assert world.peer.namespaces == [NAME.namespace]
        await trio.sleep(0.1)
        assert world.peer.namespaces == []


async def test_what_is_not_published_does_not_exist(autojump_clock: MockClock, world: World) -> None:
    async with world.voice() as voice:
        await voice.connected()
        request = world.peer.sessions[0].subscribe(NAME)
        await trio.sleep(0.1)
        assert isinstance(request.answer, RequestError_)
        assert request.answer.code == RequestError.DOES_NOT_EXIST


async def test_a_track_that_ends_ends_the_iteration(autojump_clock: MockClock, world: World) -> None:
    async with world.voice() as voice:
        with voice.publish_audio(UPLINK, "audio") as said:
            heard = voice.subscribe_audio(UPLINK, "audio")
            await heard.established.wait()
            said.write(b"last")
        assert [frame.payload async for frame in heard] == [b"last"]
        with pytest.raises(PublicationClosed):
            said.write(b"too late")


async def test_too_far_behind_is_asked_for_again_and_says_one_gap(
    autojump_clock: MockClock, world: World
) -> None:
    async with world.voice() as voice:
        with voice.publish_audio(UPLINK, "audio") as said, voice.subscribe_audio(UPLINK, "audio") as heard:
            await heard.established.wait()
            said.write(b"before")
            await take(heard, 1)
            world.peer.done(NAME, DoneStatus.TOO_FAR_BEHIND)
            for number in range(100):
                await said.send(b"%d" % number)
            await trio.sleep(1)
            said.write(b"after")
            frames = await heard_until(heard, b"after")
    gaps = [frame.gap for frame in frames if frame.gap]
    assert len(gaps) == 1
    assert gaps[0].frames + len(frames) == 101


async def heard_until(heard: Subscription, last: bytes) -> list[Frame]:
    frames: list[Frame] = []
    while not frames or frames[-1].payload != last:
        frames.append(await heard.__anext__())
    return frames


async def test_a_slow_reader_loses_the_oldest_and_is_told(autojump_clock: MockClock, world: World) -> None:
    async with world.voice() as voice:
        with (
            voice.publish_audio(UPLINK, "audio") as said,
            voice.subscribe_audio(UPLINK, "audio", capacity=10) as heard,
        ):
            await heard.established.wait()
            for number in range(40):
                await said.send(b"%d" % number)
            await trio.sleep(0.1)
            frames = await take(heard, 10)
            assert [frame.payload for frame in frames] == [b"%d" % number for number in range(30, 40)]
            assert heard.order.overflowed == 30


async def test_a_track_once_in_each_direction(autojump_clock: MockClock, world: World) -> None:
    async with world.voice() as voice:
        with voice.publish_audio("a", "b"), pytest.raises(VoiceError, match="a/b is published already"):
            voice.publish_text("a", "b")
        with voice.subscribe_audio("a", "b"), pytest.raises(VoiceError, match="a/b is subscribed already"):
            voice.subscribe_text("a", "b")
        with voice.publish_audio("a", "b"), voice.subscribe_audio("a", "b"):
            pass


async def test_search_by_capability(autojump_clock: MockClock, world: World) -> None:
    async with world.voice() as voice:
        with voice.subscribe_audio("voice", capability="voice/opus") as search:
            await trio.sleep(0.1)
            session, _ = world.peer.searching[0]
            for sid, capability in [("1", "voice/opus"), ("2", "voice/pcm16"), ("3", "voice/opus;ptime=60")]:
                world.peer.offer(session, FullTrackName.parse(f"voice/{sid}/uplink", "audio"), capability)
            await trio.sleep(0.1)
            found = [await search.__anext__() for _ in range(2)]
            assert [track.name.namespace[1] for track in found] == [b"1", b"3"]
            assert [track.order.frame_ms for track in found] == [20, 60]
            world.peer.send(found[0].name, 1, world.peer.object(b"hello"))
            assert (await take(found[0], 1))[0].payload == b"hello"


async def test_searches_do_not_overlap(autojump_clock: MockClock, world: World) -> None:
    async with world.voice() as voice:
        with voice.subscribe_audio("voice", capability="voice/opus") as search:
            assert isinstance(search, Search)
            with pytest.raises(VoiceError, match="prefix"):
                voice.subscribe_audio("voice/ab12", capability="voice/opus")
        voice.subscribe_audio("voice/ab12", capability="voice/opus")


async def test_a_search_that_was_refused_can_be_made_again(autojump_clock: MockClock, world: World) -> None:
    world.peer.refuse[Kind.SUBSCRIBE_TRACKS] = RequestError_(RequestError.UNAUTHORIZED, None, "not you")
    async with world.voice() as voice:
        for _ in range(2):
            search = voice.subscribe_audio("voice", capability="voice/opus")
            with search, pytest.raises(TrackRefused, match="not you"):
                await search.__anext__()


async def test_a_bad_text_is_refused(autojump_clock: MockClock, world: World) -> None:
    async with world.voice() as voice:
        with voice.publish_text("a", "b") as said, pytest.raises(ValueError, match="65536"):
            await said.send("x" * 100_000)


async def test_a_track_that_has_ended_can_be_opened_again(autojump_clock: MockClock, world: World) -> None:
    async with world.voice() as voice:
        for payload in (b"first", b"second"):
            heard = voice.subscribe_audio(UPLINK, "audio")
            with voice.publish_audio(UPLINK, "audio") as said:
                await heard.established.wait()
                said.write(payload)
            assert [frame.payload async for frame in heard] == [payload]


async def test_a_track_is_found_again_after_it_ended(autojump_clock: MockClock, world: World) -> None:
    name = FullTrackName.parse("voice/1/uplink", "audio")
    async with world.voice() as voice:
        with voice.subscribe_audio("voice", capability="voice/opus") as search:
            await trio.sleep(0.1)
            for _ in range(2):
                session, _ = world.peer.searching[0]
                world.peer.offer(session, name, "voice/opus")
                track = await search.__anext__()
                await trio.sleep(0.1)
                world.peer.done(name, DoneStatus.TRACK_ENDED)
                assert [frame async for frame in track] == []


async def test_a_found_track_that_does_not_come_back_ends(autojump_clock: MockClock, world: World) -> None:
    names = [FullTrackName.parse(f"voice/{sid}/uplink", "audio") for sid in "12"]
    async with world.voice() as voice:
        with voice.subscribe_audio("voice", capability="voice/opus") as search:
            await trio.sleep(0.1)
            for name in names:
                world.peer.offer(world.peer.sessions[0], name, "voice/opus")
            kept, lost = [await search.__anext__() for _ in names]
            await world.restart()
            await trio.sleep(3)
            world.peer.offer(world.peer.sessions[0], names[0], "voice/opus")
            assert [frame async for frame in lost] == []
            world.peer.send(names[0], 1, world.peer.object(b"still here"))
            assert (await take(kept, 1))[0].payload == b"still here"
