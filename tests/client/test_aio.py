"""The SDK under asyncio, against a relay on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
import trio

from clutch.client import AddressError, ConnectionRefused, State, VoiceError
from clutch.client.aio import Publication, Voice
from clutch.client.portal import open_portal
from tests.client.nodes import Loopback, loopback_node


@pytest.fixture(scope="module")
def node() -> Iterator[Loopback]:
    """One for all tests here."""
    with loopback_node() as node:
        yield node


async def say(publication: Publication) -> None:
    while True:
        await publication.send(b"frame")


def test_audio_and_text_go_through(node: Loopback) -> None:
    async def main() -> None:
        async with (
            Voice(node.url, trust=node.trust) as speaker,
            Voice(node.url, trust=node.trust) as listener,
            listener.subscribe_audio("a", "audio") as heard,
            listener.subscribe_text("a", "chat") as read,
            speaker.publish_audio("a", "audio", capability="voice/opus") as said,
            speaker.publish_text("a", "chat") as wrote,
        ):
            await speaker.connected()
            assert speaker.state is State.CONNECTED
            speaking = asyncio.create_task(say(said))
            assert (await anext(heard)).payload == b"frame"
            assert heard.capability == "voice/opus"
            assert said.wanted
            speaking.cancel()
            await wrote.send("hello")
            assert (await anext(read)).text == "hello"
            async for event in speaker.events():
                assert event.state is State.CONNECTED
                break

    asyncio.run(main())


def test_a_bridge_and_its_mirror(node: Loopback) -> None:
    async def main() -> None:
        async with (
            Voice(node.url, trust=node.trust) as app,
            Voice(node.url, trust=node.trust) as phone,
            app.audio_bridge.attach("ab12", codec="pcm16", sample_rate=16_000) as bridge,
            phone.audio_bridge.attach_caller("ab12", codec="pcm16", sample_rate=16_000) as caller,
        ):
            speaking = asyncio.create_task(say(caller.uplink))
            frame = await anext(bridge.uplink)
            answering = asyncio.create_task(say(bridge.downlink))
            assert await anext(caller.downlink)
            assert frame.payload == b"frame"
            for task in (speaking, answering):
                task.cancel()

    asyncio.run(main())


def test_a_search(node: Loopback) -> None:
    async def main() -> None:
        async with (
            Voice(node.url, trust=node.trust) as voice,
            Voice(node.url, trust=node.trust) as other,
            other.publish_audio("rooms/1", "mic", capability="voice/g711_ulaw"),
            voice.subscribe_audio("rooms", capability="voice/g711_ulaw") as search,
        ):
            async for track in search:
                assert track.name.name == b"mic"
                break

    asyncio.run(main())


def test_a_track_that_ends_ends_the_iteration(node: Loopback) -> None:
    async def main() -> None:
        async with Voice(node.url, trust=node.trust) as voice, voice.subscribe_text("b", "chat") as read:
            async with voice.publish_text("b", "chat") as wrote:
                await wrote.send("last")
                assert (await anext(read)).text == "last"
            assert [frame async for frame in read] == []

    asyncio.run(main())


def test_errors_come_through() -> None:
    async def main() -> None:
        with pytest.raises(AddressError):
            async with Voice("http://nowhere"):
                pass
        async with Voice("moqt://127.0.0.1:9") as voice, voice.publish_audio("a", "b"):
            with pytest.raises(VoiceError, match="published already"):
                async with voice.publish_audio("a", "b"):
                    pass
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(voice.connected(), 0.05)

    asyncio.run(main())


def test_a_token_is_asked_for_in_asyncio(node: Loopback) -> None:
    async def token() -> str:
        await asyncio.sleep(0)
        asked.append(asyncio.get_running_loop())
        return "token"

    async def main() -> None:
        async with Voice(node.url, token=token, trust=node.trust) as voice:
            await voice.connected()
            assert asked == [asyncio.get_running_loop()]

    asked: list[asyncio.AbstractEventLoop] = []
    asyncio.run(main())


def test_what_is_cancelled_here_is_cancelled_there() -> None:
    async def main() -> None:
        async with open_portal() as portal:
            waiting = asyncio.create_task(portal.call(cancelled_late))
            await asyncio.sleep(0.05)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await portal.call(done.wait)

    async def cancelled_late() -> None:
        try:
            await trio.sleep_forever()
        finally:
            done.set()

    done = trio.Event()
    asyncio.run(main())


def test_who_waits_while_all_ends_is_told() -> None:
    async def main() -> None:
        async with Voice("moqt://127.0.0.1:9") as voice, voice.subscribe_audio("a", "b") as heard:
            waiting = [asyncio.create_task(voice.connected()), asyncio.create_task(heard.__anext__())]
            await asyncio.sleep(0.05)
        with pytest.raises(VoiceError):
            await waiting[0]
        with pytest.raises(StopAsyncIteration):
            await waiting[1]
        async with open_portal() as portal:
            forever = asyncio.create_task(portal.call(trio.sleep_forever))
            await asyncio.sleep(0.05)
        with pytest.raises(asyncio.CancelledError):
            await forever

    asyncio.run(main())


def test_an_error_of_trio_comes_out() -> None:
    async def main() -> None:
        async with open_portal() as portal:
            await portal.call(fail)

    async def fail() -> None:
        raise ConnectionRefused("no")

    with pytest.raises(ConnectionRefused):
        asyncio.run(main())
