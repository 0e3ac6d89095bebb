"""Whole calls with apps on their tracks: SIP, RTP, MoQT and QUIC, all on one virtual clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import trio

from actors.call import Speaker
from clutch.client import AudioBridge, Voice
from clutch.media.audio import Sound
from clutch.net.quic.aioquic_engine import AioquicEngine
from clutch.net.quic.engine import Trust
from clutch.node.config import TracksConfig
from tests.e2e.sip_stage import SipStage, whole_call
from tests.e2e.test_sip_media import Listener
from tests.interop.sound import compare

FRAME = 320


def noise(seed: int, seconds: int = 1) -> Sound:
    samples = np.random.default_rng(seed).normal(0, 3000, 8000 * seconds)
    return Sound(samples.astype(np.int16), 8000)


def joined(frames: list[bytes]) -> Sound:
    return Sound(np.frombuffer(b"".join(frames), np.int16), 8000)


@asynccontextmanager
async def open_bridge(stage: SipStage) -> AsyncIterator[AudioBridge]:
    """An app on the node's machine, attached to the only call, in PCM at 8 kHz."""
    moqt = stage.node.moqt
    trust = Trust(fingerprint=bytes.fromhex(str(moqt.snapshot()["certificate_sha256"])))
    async with trio.open_nursery() as nursery:
        engine = AioquicEngine(stage.wire.network.host("127.0.0.1"))
        await nursery.start(engine.run)
        async with (
            Voice(f"moqt://{moqt.address}", trust=trust, engine=engine) as voice,
            voice.audio_bridge.attach(stage.call.sid, codec="pcm16", sample_rate=8000) as bridge,
        ):
            await trio.sleep(0.2)  # until it is connected, and let in
            yield bridge
        nursery.cancel_scope.cancel()


async def say(bridge: AudioBridge, sound: Sound) -> None:
    for at in range(0, len(sound.pcm), FRAME):
        await bridge.downlink.send(sound.pcm[at : at + FRAME])


@whole_call(2)
async def test_an_app_and_a_caller_hear_each_other(stage: SipStage) -> None:
    caller, answer, heard = Listener(noise(1, 2)), noise(2), list[bytes]()
    stage.phone.dial("app", agent=lambda: caller)
    await trio.sleep(0.5)
    assert stage.call.downlink.speakers == []
    async with open_bridge(stage) as bridge, trio.open_nursery() as nursery:
        nursery.start_soon(say, bridge, answer)
        async for frame in bridge.uplink:
            heard.append(frame.payload)
            assert frame.gap is None
    assert compare(answer, joined(caller.heard)).correlation > 0.95
    late = Sound(caller.sound.samples[8000:], 8000)  # the app came while the caller was speaking
    assert compare(late, joined(heard)).correlation > 0.95
    await stage.idle()


@whole_call(1, tracks=TracksConfig("mix"))
async def test_an_app_is_heard_over_the_agent(stage: SipStage) -> None:
    caller, answer = Listener(noise(1, 2)), noise(2)
    stage.phone.dial("tone", agent=lambda: caller)
    await trio.sleep(0.5)
    async with open_bridge(stage) as bridge:
        await say(bridge, answer)
        assert stage.call.downlink.speakers == [Speaker.AGENT, Speaker.APP]
    await stage.idle()
    heard = joined(caller.heard)
    assert compare(answer, heard).correlation > 0.4
    assert np.argmax(np.abs(np.fft.rfft(heard.samples[8000:16_000]))) == 440  # the agent, all the while
