"""baresip calls, and apps hear it and speak to it by the call's tracks."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import trio

from clutch.client import Voice
from clutch.media.audio import Sound
from clutch.media.wav import read_wav, wav_header
from clutch.net.quic.engine import Trust
from clutch.net.voice import VoiceDecoder, VoiceEncoder, can_code, frame_bytes
from clutch.wire.voice import Codec, VoiceForm, call_namespace
from tests.e2e.hearing import median_likeness
from tests.e2e.processes import finish, start
from tests.interop import baresip
from tests.interop.node import RunningNode, free_port

FORMS = [VoiceForm(codec) for codec in Codec if can_code(codec)]


@pytest.fixture
def said(speech: Path) -> Sound:
    """What baresip says, twice."""
    return read_wav(speech)


def _dial(pool: ThreadPoolExecutor, node: RunningNode, said: Sound, folder: Path) -> Future[baresip.Dump]:
    twice = folder / "twice.wav"
    twice.write_bytes(wav_header(said.rate_hz, 1, 2 * len(said.pcm)) + 2 * said.pcm)
    target, port = f"sip:app@127.0.0.1:{node.sip_port}", free_port()
    call = partial(baresip.call, folder / "phone", target, twice, "PCMU/8000/1", port=port, seconds=11)
    return pool.submit(call)


async def _bounded(apps: Callable[[], Awaitable[None]]) -> None:
    with trio.fail_after(60):
        await apps()


async def _sid(node: RunningNode) -> str:
    """Of the call that comes."""
    with trio.fail_after(20):
        while True:
            for event in map(json.loads, node.log().splitlines()):
                if event["event"] == "call.incoming":
                    return str(event["sid"])
            await trio.sleep(0.05)


def _voice(node: RunningNode) -> Voice:
    fingerprint = node.status()["moqt"]["certificate_sha256"]
    trust = Trust(fingerprint=bytes.fromhex(fingerprint))
    return Voice(f"moqt://127.0.0.1:{node.moqt_port}", trust=trust)


async def _hear(voice: Voice, sid: str, form: VoiceForm) -> tuple[Sound, int]:
    """The caller, to the end of the call; and how much was missing on the way, in ms."""
    decoder, pcm, gaps_ms = VoiceDecoder(form, 8000), b"", 0
    with voice.subscribe_audio(call_namespace(sid, "uplink"), form.track.decode()) as subscription:
        async for frame in subscription:
            pcm += decoder.decode(frame.payload)
            gaps_ms += frame.gap.ms if frame.gap else 0
    return Sound(np.frombuffer(pcm, np.int16), 8000), gaps_ms


async def _say(voice: Voice, sid: str, form: VoiceForm, sound: Sound) -> None:
    encoder, size = VoiceEncoder(form), frame_bytes(sound.rate_hz)
    with voice.publish_audio(
        call_namespace(sid, "downlink"), form.track.decode(), capability=form.capability
    ) as publication:
        await trio.sleep(0.5)  # until the one before has ended, and this one may speak
        for at in range(0, len(sound.pcm) - size, size):
            await publication.send(encoder.encode(sound.pcm[at : at + size], sound.rate_hz))


async def _visit(node: RunningNode, sid: str) -> None:
    """Two more listen for a while in the middle of the call, one of them in a form that nobody else hears."""
    await trio.sleep(2)
    async with _voice(node) as voice:
        for track in ("audio.pcm16", "audio.pcm16.16000"):
            with voice.subscribe_audio(call_namespace(sid, "uplink"), track) as subscription:
                frames = [await subscription.__anext__() for _ in range(20)]
                assert not any(frame.gap for frame in frames)


def test_apps_hear_baresip_and_are_heard_in_every_form(
    node: RunningNode, said: Sound, tmp_path: Path
) -> None:
    parts = [Sound(part, said.rate_hz) for part in np.array_split(said.samples, len(FORMS))]
    heard: dict[VoiceForm, tuple[Sound, int]] = {}

    async def apps() -> None:
        sid = await _sid(node)
        async with _voice(node) as voice, trio.open_nursery() as nursery:

            async def hear(form: VoiceForm) -> None:
                heard[form] = await _hear(voice, sid, form)

            nursery.start_soon(_visit, node, sid)
            for form in FORMS:
                nursery.start_soon(hear, form)
            for form, part in zip(FORMS, parts, strict=True):
                await _say(voice, sid, form, part)

    with ThreadPoolExecutor() as pool:
        phone = _dial(pool, node, said, tmp_path)
        trio.run(_bounded, apps)
        dump = phone.result()
    for form, (uplink, gaps_ms) in heard.items():
        likeness = median_likeness(said, uplink)
        print(form.capability, "uplink", likeness)
        assert likeness > 0.9, node.log()
        assert gaps_ms == 0
    downlink = read_wav(dump.heard)
    for form, part in zip(FORMS, parts, strict=True):
        likeness = median_likeness(part, downlink)
        print(form.capability, "downlink", likeness)
        assert likeness > 0.9, node.log()


def test_the_commands_hear_baresip_and_are_heard(
    node: RunningNode, speech: Path, said: Sound, tmp_path: Path
) -> None:
    url = ("--url", f"moqt://127.0.0.1:{node.moqt_port}")
    with ThreadPoolExecutor() as pool:
        phone = _dial(pool, node, said, tmp_path)
        sid = trio.run(_sid, node)
        listener = start("sub", f"voice/{sid}/uplink", *url, "-o", str(tmp_path / "heard.wav"))
        speaker = finish(start("pub", f"voice/{sid}/downlink", str(speech), *url))
        assert speaker.returncode == 0, speaker.stderr
        assert (ended := finish(listener)).returncode == 0, ended.stderr
        dump = phone.result()
    for direction, heard in (("downlink", dump.heard), ("uplink", tmp_path / "heard.wav")):
        likeness = median_likeness(said, read_wav(heard))
        print(direction, likeness)
        assert likeness > 0.9, node.log()
