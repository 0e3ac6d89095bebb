"""baresip calls, and an app hears it and speaks to it by the call's tracks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import trio

from clutch.client.bridge import AudioBridge
from clutch.client.subscription import Subscription
from clutch.client.voice import Voice
from clutch.media.audio import Sound
from clutch.media.wav import read_wav
from clutch.net.quic.engine import Trust
from clutch.net.voice import VoiceDecoder, VoiceEncoder, can_code, frame_bytes
from clutch.wire.voice import Codec, VoiceForm, call_namespace
from tests.e2e.hearing import median_likeness
from tests.interop import baresip
from tests.interop.node import RunningNode, free_port

FORMS = [VoiceForm(codec) for codec in Codec if can_code(codec)]


async def _sid(node: RunningNode) -> str:
    """Of the call that comes."""
    with trio.fail_after(20):
        while True:
            if sids := node.status()["sids"]:
                return str(sids[0])
            await trio.sleep(0.05)


async def _hear(subscription: Subscription, form: VoiceForm) -> tuple[Sound, int]:
    """To the end; and how much was missing on the way, in ms."""
    decoder, pcm, gaps_ms = VoiceDecoder(form, 8000), b"", 0
    async for frame in subscription:
        pcm += decoder.decode(frame.payload)
        gaps_ms += frame.gap.ms if frame.gap else 0
    return Sound(np.frombuffer(pcm, np.int16), 8000), gaps_ms


async def _say(bridge: AudioBridge, form: VoiceForm, sound: Sound) -> None:
    encoder, size = VoiceEncoder(form), frame_bytes(sound.rate_hz)
    for at in range(0, len(sound.pcm) - size, size):
        await bridge.downlink.send(encoder.encode(sound.pcm[at : at + size], sound.rate_hz))


def _voice(node: RunningNode) -> Voice:
    fingerprint = node.status()["moqt"]["certificate_sha256"]
    trust = Trust(fingerprint=bytes.fromhex(fingerprint))
    return Voice(f"moqt://127.0.0.1:{node.moqt_port}", trust=trust)


async def _visit(node: RunningNode, sid: str, forms: Sequence[VoiceForm]) -> None:
    """Others listen for a while in the middle of the call."""
    await trio.sleep(1)
    async with _voice(node) as voice:
        for form in forms:
            with voice.subscribe_audio(call_namespace(sid, "uplink"), form.track.decode()) as subscription:
                frames = [await subscription.__anext__() for _ in range(20)]
                assert not any(frame.gap for frame in frames)


@pytest.mark.realtime
@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.codec.value)
def test_an_app_hears_baresip_and_is_heard(
    node: RunningNode, speech: Path, tmp_path: Path, form: VoiceForm
) -> None:
    said = read_wav(speech)

    async def phone() -> baresip.Dump:
        target = f"sip:app@127.0.0.1:{node.sip_port}"
        call = partial(baresip.call, tmp_path / "phone", target, speech, "PCMU/8000/1", port=free_port())
        return await trio.to_thread.run_sync(call)

    async def app() -> tuple[Sound, int]:
        sid = await _sid(node)
        async with (
            _voice(node) as voice,
            voice.audio_bridge.attach(sid, codec=form.codec.value) as bridge,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(_say, bridge, form, said)
            nursery.start_soon(_visit, node, sid, [form, VoiceForm(Codec.PCM16, 16_000)])
            return await _hear(bridge.uplink, form)

    async def both() -> tuple[baresip.Dump, tuple[Sound, int]]:
        heard: list[tuple[Sound, int]] = []

        async def listen() -> None:
            heard.append(await app())

        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(listen)
                dump = await phone()
        return dump, heard[0]

    dump, (uplink, gaps_ms) = trio.run(both)
    for direction, heard in (("downlink", read_wav(dump.heard)), ("uplink", uplink)):
        likeness = median_likeness(said, heard)
        print(form.capability, direction, likeness)
        assert likeness > 0.9, node.log()
    assert gaps_ms == 0
