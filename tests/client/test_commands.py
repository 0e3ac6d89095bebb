"""`clutch pub` and `clutch sub` with a node in memory: what they say, and when they end."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from clutch.cli.pub import _publish
from clutch.cli.sub import _keep
from clutch.client import VoiceError
from clutch.media.wav import wav_header
from clutch.node.errors import first_error
from clutch.wire.moqt.codes import RequestError
from clutch.wire.moqt.messages import RequestError_
from clutch.wire.moqt.names import FullTrackName
from clutch.wire.moqt.session_request import Kind
from clutch.wire.voice import Codec, VoiceForm
from tests.client.world import World

NAME = FullTrackName.parse("room", "audio")
FORM = VoiceForm(Codec.PCM16, 16_000)
LATER = RequestError_(RequestError.UNINTERESTED, 1000, "another speaks")


async def publish(world: World, folder: Path, *, loop: bool = False) -> None:
    """A second of silence."""
    (folder / "a.wav").write_bytes(wav_header(16_000, 1, 32_000) + bytes(32_000))
    failure: Exception
    try:
        await _publish(world.voice(), "room", "audio", FORM, FORM.capability, str(folder / "a.wav"), loop)
        return
    except* VoiceError as group:  # as `run_client` does
        failure = first_error(group)
    raise failure


async def test_a_refusal_is_explained_once(
    autojump_clock: MockClock, world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world.peer.refuse_names[NAME] = LATER
    with pytest.raises(VoiceError, match=r"room/audio was not taken$"):
        await publish(world, tmp_path)
    assert capsys.readouterr().err.count("another speaks") == 1


async def test_a_loop_ends_with_its_track(autojump_clock: MockClock, world: World, tmp_path: Path) -> None:
    async def end() -> None:
        await trio.sleep(5)
        world.peer.refuse_names[NAME] = LATER
        session, request = world.peer.published[NAME]
        session.cancel(request)

    world.nursery.start_soon(end)
    with trio.fail_after(20), pytest.raises(VoiceError, match="was not taken: another speaks"):
        await publish(world, tmp_path, loop=True)


async def test_what_is_only_announced_and_not_asked_for_was_not_taken(
    autojump_clock: MockClock, world: World, tmp_path: Path
) -> None:
    world.peer.refuse[Kind.PUBLISH] = RequestError_(RequestError.NOT_SUPPORTED, None, "no PUBLISH here")
    async with world.voice() as voice:
        with voice.publish_audio("room", "first") as first, voice.publish_audio("room", "audio") as second:
            await trio.sleep(1)
            with voice.publish_audio("room", "third") as third:
                await trio.sleep(1)
                assert {one.refusal for one in (first, second, third)} == {"no PUBLISH here"}
                session = world.peer.sessions[0]
                session.subscribe(NAME)
                await second.established.wait()
                assert (first.refusal, second.refusal) == ("no PUBLISH here", "")
    with pytest.raises(VoiceError, match="room/audio was not taken"):
        await publish(world, tmp_path)


async def test_what_cannot_be_read_is_counted(
    autojump_clock: MockClock, world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with world.voice() as voice:
        with voice.subscribe_audio("room", "audio") as heard:
            await voice.connected()
            await trio.sleep(0.1)
            world.peer.publish(NAME, FORM.capability)
            for number, payload in enumerate([bytes(640), b"odd", bytes(640)]):
                world.peer.send(NAME, number, world.peer.object(payload))
            heard.bad = 2
            await _keep(heard, FORM, str(tmp_path / "out.wav"), 1.0)
    assert "3 frames, 0 lost in 0 gaps, 3 not readable" in capsys.readouterr().err
