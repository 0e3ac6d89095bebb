"""What is published is listed, and what others list is found."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from clutch.wire.loc import EMPTY_BLOCK
from clutch.wire.moqt.codes import RequestError
from clutch.wire.moqt.data import Object
from clutch.wire.moqt.messages import RequestError_
from clutch.wire.moqt.names import FullTrackName
from clutch.wire.moqt.session_request import Kind
from clutch.wire.msf import Catalog, CatalogTrack
from tests.client.world import World

CATALOG = FullTrackName.parse("room", "catalog")


def listed(world: World) -> list[tuple[str, str | None, str | None]]:
    """Name, role and capability of every track of the last catalog."""
    catalog = Catalog.parse(world.peer.payloads(CATALOG)[-1])
    return [(track.name, track.role, track.stated_capability) for track in catalog.tracks]


async def test_the_catalog_says_what_there_is(autojump_clock: MockClock, world: World) -> None:
    async with world.voice() as voice:
        with voice.publish_audio("room", "audio", capability="voice/pcm16;rate=16000"):
            await trio.sleep(0.1)
            assert listed(world) == [("audio", "audio", "voice/pcm16;rate=16000")]
            (track,) = Catalog.parse(world.peer.payloads(CATALOG)[-1]).tracks
            assert (track.codec, track.samplerate, track.channel_config) == ("pcm-s16", 16_000, "1")
            with voice.publish_text("room", "chat", capability="asr"), voice.publish_video("room", "camera"):
                await trio.sleep(0.1)
                assert listed(world)[1:] == [("chat", "data", "asr"), ("camera", "video", None)]
            await trio.sleep(0.1)
            assert len(listed(world)) == 1
        await trio.sleep(0.1)
        assert CATALOG not in world.peer.published


async def test_a_catalog_that_is_refused_harms_nobody(autojump_clock: MockClock, world: World) -> None:
    world.peer.refuse_names[CATALOG] = RequestError_(RequestError.UNAUTHORIZED, None, "no catalogs here")
    async with world.voice() as voice:
        with voice.publish_audio("room", "audio") as said:
            await said.established.wait()
            await trio.sleep(0.1)
            with voice.publish_audio("room", "more"):
                assert said.write(b"frame")


async def test_a_catalog_of_one_s_own(autojump_clock: MockClock, world: World) -> None:
    async with world.voice() as voice:
        with voice.publish_text("room", "catalog") as own, voice.publish_audio("room", "audio"):
            await own.send("mine")
            await trio.sleep(0.1)
            assert world.peer.payloads(CATALOG) == [b"mine"]


async def test_a_search_reads_catalogs_where_offers_say_nothing(
    autojump_clock: MockClock, world: World
) -> None:
    async with world.voice() as voice, world.voice() as other:
        with (
            other.publish_audio("room", "audio", capability="voice/opus"),
            other.publish_audio("room", "raw", capability="voice/pcm16"),
            voice.subscribe_audio("", capability="voice/opus") as search,
        ):
            await trio.sleep(0.5)
            session, _ = world.peer.searching[0]
            world.peer.offer(session, FullTrackName.parse("room", "audio"), "")
            track = await search.__anext__()
            assert track.name == FullTrackName.parse("room", "audio")
            await track.established.wait()


async def test_a_search_by_namespace_where_tracks_cannot_be_asked_for(
    autojump_clock: MockClock, world: World
) -> None:
    world.peer.refuse[Kind.SUBSCRIBE_TRACKS] = RequestError_(RequestError.NOT_SUPPORTED, None, "unknown")
    async with world.voice() as voice:
        with voice.subscribe_audio("", capability="voice/opus") as search:
            await trio.sleep(0.1)
            (request,) = world.peer.asked_for_namespaces
            catalog = Catalog((CatalogTrack("mic", "loc", role="audio", codec="opus"),))
            world.peer.publish(CATALOG, "")
            world.peer.publish(FullTrackName.parse("room", "mic"), "")
            world.peer.sessions[0].announce(request, (b"room",))
            await trio.sleep(0.1)
            world.peer.send(CATALOG, 1, Object(0, b"rubbish"), Object(1, b"{}"))
            world.peer.send(CATALOG, 2, Object(0, catalog.encode()))
            track = await search.__anext__()
            assert (track.name.name, track.capability) == (b"mic", "voice/opus")
            await track.established.wait()


async def test_a_search_that_is_closed_reads_no_catalog_any_more(
    autojump_clock: MockClock, world: World
) -> None:
    world.peer.refuse[Kind.SUBSCRIBE_TRACKS] = RequestError_(RequestError.NOT_SUPPORTED, None, "unknown")
    catalog = Catalog((CatalogTrack("mic", "loc", role="audio", codec="opus"),))
    async with world.voice() as voice:
        for group in (1, 2):
            with voice.subscribe_audio("", capability="voice/opus") as search:
                await trio.sleep(0.1)
                world.peer.publish(CATALOG, "")
                world.peer.sessions[0].announce(world.peer.asked_for_namespaces[-1], (b"room",))
                await trio.sleep(0.1)
                world.peer.send(CATALOG, group, Object(0, catalog.encode()))
                (await search.__anext__()).close()
            assert CATALOG not in voice._roster.subscriptions


async def test_a_found_track_that_was_closed_is_not_found_again_while_it_is_listed(
    autojump_clock: MockClock, world: World
) -> None:
    world.peer.refuse[Kind.SUBSCRIBE_TRACKS] = RequestError_(RequestError.NOT_SUPPORTED, None, "unknown")
    mic, horn = (CatalogTrack(name, "loc", role="audio", codec="opus") for name in ("mic", "horn"))
    async with world.voice() as voice:
        with voice.subscribe_audio("", capability="voice/opus") as search:
            await trio.sleep(0.1)
            world.peer.publish(CATALOG, "")
            world.peer.sessions[0].announce(world.peer.asked_for_namespaces[0], (b"room",))
            await trio.sleep(0.1)
            found = []
            for group, tracks in enumerate([(mic,), (mic, horn), (horn,), (mic, horn)]):
                world.peer.send(CATALOG, group, Object(0, Catalog(tracks).encode()))
                with trio.move_on_after(1):
                    while True:
                        track = await search.__anext__()
                        track.close()
                        found.append((group, track.name.name))
            assert found == [(0, b"mic"), (1, b"horn"), (3, b"mic")]


async def test_a_block_of_private_properties_is_taken_off(autojump_clock: MockClock, world: World) -> None:
    name = FullTrackName.parse("room", "audio")
    async with world.voice() as voice:
        with voice.subscribe_audio("room", "audio") as heard:
            await voice.connected()
            await trio.sleep(0.1)
            world.peer.publish(name, "voice/opus")
            for number, payload in enumerate([EMPTY_BLOCK + b"one", EMPTY_BLOCK + b"two", b"\xff"]):
                world.peer.send(name, number, world.peer.object(payload))
            await trio.sleep(0.2)
            assert [(await heard.__anext__()).payload for _ in range(2)] == [b"one", b"two"]
            assert heard.bad == 1


async def test_who_is_refused_for_now_is_told_why_and_tries_again(
    autojump_clock: MockClock, world: World
) -> None:
    taken = RequestError_(RequestError.UNINTERESTED, 1000, "the downlink is taken by an agent")
    world.peer.refuse_names[FullTrackName.parse("room", "audio")] = taken
    async with world.voice() as voice:
        with voice.publish_audio("room", "audio") as said:
            await trio.sleep(5)
            assert said.refusal == taken.reason
            assert not said.write(b"nobody hears it")
            world.peer.refuse_names.clear()
            await said.established.wait()
            assert said.refusal == ""
            assert trio.current_time() < 7.5
