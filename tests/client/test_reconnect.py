"""What a connection that is lost does to who uses it: one gap, and nothing to do."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from clutch.client.errors import ConnectionRefused, TrackRefused
from clutch.client.values import State, StateChanged
from clutch.client.voice import Voice
from clutch.wire.moqt.codes import RequestError, SessionError
from clutch.wire.moqt.messages import RequestError_
from clutch.wire.moqt.names import FullTrackName
from tests.client.peer import HOST, Peer
from tests.client.world import World

NAME = FullTrackName.parse("voice/ab12/uplink", "audio")
DOWNLINK = FullTrackName.parse("voice/ab12/downlink", "audio")


async def speak(world: World, name: FullTrackName, *, from_us: float = 1e15) -> None:
    """A call: a frame every 20 ms, numbered by the clock, whichever connection there is."""
    while True:
        number = round(trio.current_time() / 0.02)
        world.peer.send(name, number, world.peer.object(b"%d" % number))
        await trio.sleep(0.02)


async def follow(voice: Voice, seen: list[StateChanged]) -> None:
    with voice.events() as events:
        async for event in events:
            seen.append(event)  # noqa: PERF401 - it is read meanwhile


def states(seen: list[StateChanged]) -> list[State]:
    """Without repetitions."""
    return [
        event.state
        for number, event in enumerate(seen)
        if number == 0 or seen[number - 1].state is not event.state
    ]


@pytest.mark.parametrize("draft", ["moqt-18", "moqt-16"])
@pytest.mark.parametrize("how", ["stop", "vanish"])
async def test_a_restarted_node_is_one_gap(
    autojump_clock: MockClock, world: World, draft: str, how: str
) -> None:
    world.peer.drafts = (draft,)
    await world.restart()
    seen: list[StateChanged] = []
    frames = []
    async with world.voice() as voice, voice.audio_bridge.attach("ab12") as bridge:
        world.nursery.start_soon(follow, voice, seen)
        await voice.connected()
        world.peer.publish(NAME, "voice/opus")
        world.nursery.start_soon(speak, world, NAME)
        with trio.move_on_after(10 if how == "stop" else 40):
            async for frame in bridge.uplink:
                frames.append(frame)
                await bridge.downlink.send(frame)
                if len(frames) == 50:
                    if how == "vanish":
                        world.peer.vanish()
                    world.peer.stop()
                    down_at = trio.current_time()
                    await trio.sleep(0.5)
                    await world.start()
                    world.peer.publish(NAME, "voice/opus")
                    if how == "vanish":
                        await trio.sleep(30)
                if len(frames) == 51:
                    up_at = trio.current_time()
        echoed = world.peer.payloads(DOWNLINK)
    assert states(seen) == [
        State.CONNECTING,
        State.CONNECTED,
        State.RECONNECTING,
        State.CONNECTED,
        State.CLOSED,
    ]
    gaps = [frame.gap for frame in frames if frame.gap]
    assert len(gaps) == 1
    assert gaps[0].frames == int(frames[50].payload) - int(frames[49].payload) - 1
    assert gaps[0].ms == gaps[0].frames * 20
    if how == "stop":
        assert up_at - down_at < 3
    assert echoed[-1] in [frame.payload for frame in frames[-5:]]


async def test_text_survives(autojump_clock: MockClock, world: World) -> None:
    name = FullTrackName.parse("room", "chat")
    async with world.voice() as speaker, world.voice() as listener:
        heard = listener.subscribe_text("room", "chat")
        with speaker.publish_text("room", "chat") as said:
            await heard.established.wait()
            for number in range(100):
                await said.send(str(number))
                if number in (30, 63, 90):
                    world.peer.stop()
                    await trio.sleep(0.05)
                    await world.start()
            await trio.sleep(3)
            assert [int(text) for text in world.peer.payloads(name)] == list(range(100))
        texts = [int(frame.text) async for frame in heard]
    assert texts == list(range(100))


async def test_everything_is_established_anew(autojump_clock: MockClock, world: World) -> None:
    async with world.voice() as voice:
        with (
            voice.publish_audio("a", "audio"),
            voice.publish_text("a", "text"),
            voice.subscribe_audio("b", "audio"),
            voice.subscribe_audio("c", capability="voice/opus"),
        ):
            await trio.sleep(1)
            for _ in range(3):
                world.peer.stop()
                await trio.sleep(1)
                await world.start()
                await trio.sleep(5)
                assert set(world.peer.published) == {
                    FullTrackName.parse("a", "audio"),
                    FullTrackName.parse("a", "text"),
                    FullTrackName.parse("a", "catalog"),
                }
                assert set(world.peer.subscribed) == {FullTrackName.parse("b", "audio")}
                assert len(world.peer.searching) == 1


async def test_what_is_closed_meanwhile_is_not_established(autojump_clock: MockClock, world: World) -> None:
    async with world.voice() as voice:
        said, heard = voice.publish_audio("a", "audio"), voice.subscribe_audio("b", "audio")
        await trio.sleep(1)
        world.peer.stop()
        await trio.sleep(1)
        said.close()
        heard.close()
        await world.start()
        await trio.sleep(5)
        assert not world.peer.published
        assert not world.peer.subscribed


async def test_a_node_that_is_not_there_is_tried_in_growing_waits(
    autojump_clock: MockClock, world: World
) -> None:
    world.peer.stop()
    seen: list[StateChanged] = []
    async with world.voice() as voice:
        world.nursery.start_soon(follow, voice, seen)
        await trio.sleep(30)
        assert voice.state is State.CONNECTING
        await world.start()
        await voice.connected()
    assert [event.attempt for event in seen[:5]] == [0, 1, 2, 3, 4]
    assert "cannot connect" in seen[1].reason
    assert all(event.retry_s is not None and event.retry_s <= 1 for event in seen[1:-2])
    assert states(seen) == [State.CONNECTING, State.CONNECTED, State.CLOSED]


@pytest.mark.parametrize(
    "code", [SessionError.UNAUTHORIZED, SessionError.EXPIRED_AUTH_TOKEN, SessionError.MALFORMED_AUTH_TOKEN]
)
async def test_a_bad_token_fails_for_good(
    autojump_clock: MockClock, world: World, code: SessionError
) -> None:
    world.peer.close_with = code
    seen: list[StateChanged] = []
    async with world.voice(token="secret") as voice:
        world.nursery.start_soon(follow, voice, seen)
        heard, said = voice.subscribe_audio("a", "b"), voice.publish_text("a", "c")
        with pytest.raises(ConnectionRefused, match=code.name) as caught:
            await heard.__anext__()
        assert "secret" not in str(caught.value)
        with pytest.raises(ConnectionRefused):
            await said.send("hello")
        with pytest.raises(ConnectionRefused):
            await voice.connected()
        with pytest.raises(ConnectionRefused):
            voice.publish_audio("a", "d")
        await trio.sleep(100)
    await wait_all_tasks_blocked()
    assert world.peer.tokens == [b"secret"]
    assert states(seen)[-2:] == [State.FAILED, State.CLOSED]
    assert "secret" not in repr(voice)


async def test_what_the_draft_forbids_is_refused_and_not_tried_again(
    autojump_clock: MockClock, world: World
) -> None:
    async with world.voice() as voice:
        await voice.connected()
        with voice.subscribe_audio(".", "audio") as heard, voice.publish_audio(".", "audio") as said:
            with trio.fail_after(5), pytest.raises(TrackRefused, match="this namespace is reserved"):
                await heard.__anext__()
            with pytest.raises(TrackRefused, match="this namespace is reserved"):
                said.write(b"frame")


async def test_what_is_refused_for_good_is_forgotten(autojump_clock: MockClock, world: World) -> None:
    full = RequestError_(RequestError.EXCESSIVE_LOAD, 10, "later")
    world.peer.refuse_names[DOWNLINK] = full
    async with world.voice() as voice:
        await voice.connected()
        with voice.publish_audio(DOWNLINK.namespace, "audio") as said:
            await trio.sleep(1)
            assert voice._connector.link is not None
            attempts = voice._connector.link._attempts
            assert list(attempts._backoffs) == [said]
            world.peer.refuse_names[DOWNLINK] = RequestError_(RequestError.UNAUTHORIZED, None, "never")
            await trio.sleep(3)
            assert said.over
            assert not attempts._backoffs


async def test_a_token_that_expires_is_renewed(autojump_clock: MockClock, world: World) -> None:
    tokens = iter(["first", "second", "third"])

    async def renew() -> str:
        return next(tokens)

    async with world.voice(token=renew) as voice:
        with voice.publish_audio("a", "b"):
            await trio.sleep(1)
            for session in list(world.peer.sessions):
                session.close(SessionError.EXPIRED_AUTH_TOKEN, "expired")
            await trio.sleep(1)
            assert voice.state is State.CONNECTED
    assert world.peer.tokens == [b"first", b"second"]


@pytest.mark.parametrize("draft", ["moqt-18", "moqt-16"])
async def test_a_node_that_goes_away_is_left_without_a_gap(
    autojump_clock: MockClock, world: World, draft: str
) -> None:
    world.peer.drafts = (draft,)
    await world.restart()
    other = Peer(world.quic, port=5000, drafts=(draft,))
    await world.start(other)
    seen: list[StateChanged] = []
    async with world.voice() as voice, world.voice() as speaker:
        world.nursery.start_soon(follow, voice, seen)
        with voice.subscribe_audio("a", "b") as heard, speaker.publish_audio("a", "b") as said:
            await heard.established.wait()
            for number in range(200):
                await said.send(b"%d" % number)
                if number == 50:
                    for session in world.peer.sessions:
                        session.goaway(f"moqt://{HOST}:5000", 10_000)
            await trio.sleep(0.1)
            frames = [await heard.__anext__() for _ in range(50)]
        assert not world.peer.sessions
        assert len(other.sessions) == 2
    assert frames[-1].payload == b"199"
    assert [frame.gap for frame in frames[1:]] == [None] * 49
    assert states(seen) == [State.CONNECTING, State.CONNECTED, State.CLOSED]


async def test_leaving_waits_for_what_was_written(autojump_clock: MockClock, world: World) -> None:
    async with world.voice() as voice:
        said = voice.publish_text("a", "b")
        await voice.connected()
        for number in range(10):
            await said.send(str(number))
    await trio.sleep(1)
    assert len(world.peer.payloads(FullTrackName.parse("a", "b"))) == 10


async def test_an_error_of_the_body_comes_out_as_it_is(autojump_clock: MockClock, world: World) -> None:
    with pytest.raises(KeyError):
        async with world.voice():
            raise KeyError("mine")


async def test_leaving_is_cancelled_in_time(autojump_clock: MockClock, world: World) -> None:
    with trio.move_on_after(5) as scope:
        async with world.voice() as voice:
            said = voice.publish_text("a", "b")
            await voice.connected()
            await said.send("hello")
            world.peer.vanish()
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert trio.current_time() < 6.5


async def test_what_is_opened_at_any_moment_is_established(autojump_clock: MockClock, world: World) -> None:
    for number in range(50):
        async with world.voice() as voice:
            await trio.sleep(number // 5 * 0.01)
            for _ in range(number % 5):
                await trio.lowlevel.checkpoint()
            with voice.publish_text("a", f"{number}"), voice.subscribe_audio("b", f"{number}"):
                await trio.sleep(0.2)
                assert FullTrackName.parse("a", f"{number}") in world.peer.published
                assert FullTrackName.parse("b", f"{number}") in world.peer.subscribed
