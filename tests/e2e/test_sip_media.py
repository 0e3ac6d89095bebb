"""Audio and keys of whole calls: the echo that comes back, hold and resume, moving, late and lost media."""

from __future__ import annotations

import random

import attrs
import numpy as np
import pytest
import structlog
import trio

from actors.call import Cause, Conversation, Party, Reason
from clutch.agents.caller import Caller
from clutch.legs.sip import Terms
from clutch.media.audio import Sound
from clutch.wire.sdp import Session
from clutch.wire.srtp import SUITES
from tests.e2e.scripted import open_script, sdp
from tests.e2e.sip_stage import PHONE, SipStage, ended, whole_call
from tests.interop.sound import compare


@attrs.define(eq=False)
class Listener:
    """Says a sound, listens for a second longer than it lasts, hangs up."""

    sound: Sound
    heard: list[bytes] = attrs.field(factory=list)

    async def run(self, conversation: Conversation) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(conversation.say, self.sound.pcm)
            with trio.move_on_after(self.sound.seconds + 1):
                async for frame in conversation.uplink:
                    self.heard.append(frame.uplink)
        conversation.hangup()


@pytest.mark.parametrize(
    ("codec", "suites"),
    [("pcmu", ()), ("pcma", ()), ("l16/16000", ()), *(("pcmu", (suite,)) for suite in SUITES)],
)
def test_the_echo_comes_back(codec: str, suites: tuple[str, ...]) -> None:
    async def play(stage: SipStage) -> None:
        rate_hz = 16_000 if codec == "l16/16000" else 8_000
        noise = np.random.default_rng(1).normal(0, 4_000, rate_hz).astype(np.int16)
        listener = Listener(Sound(noise, rate_hz))
        terms = Terms((codec,), suites=suites, must_encrypt=bool(suites))
        await stage.phone.dial(agent=lambda: listener, terms=terms).wait()
        await stage.idle()
        likeness = compare(listener.sound, Sound(np.frombuffer(b"".join(listener.heard), np.int16), rate_hz))
        assert likeness.correlation > 0.99
        assert likeness.delay_ms < 300
        ended(stage.trace, "completed", Reason.NORMAL, Party.CALLER)

    whole_call(3)(play)()


@whole_call()
async def test_every_key_arrives_once_though_packets_are_lost(stage: SipStage) -> None:
    chance = random.Random(7)
    stage.wire.loses_rtp = lambda _host: chance.random() < 0.1
    stage.phone.dial(agent=lambda: Caller(keys="0123456789*#ABCD55"))
    await trio.sleep(0.2)
    keys = stage.call.keys
    await trio.sleep(5)
    assert "".join(key.digit for key in (await keys.receive()).items) == "0123456789*#ABCD55"
    stage.call.hangup(Cause(Reason.NORMAL, Party.NODE))


@whole_call(3)
async def test_each_side_knows_what_the_other_lost(stage: SipStage) -> None:
    chance = random.Random(3)
    stage.wire.loses_rtp = lambda host: host == PHONE and chance.random() < 0.1
    call = stage.phone.dial(agent=lambda: Caller(duration_s=30))
    await trio.sleep(25)
    node, phone = stage.call.spec.stream.stats(), call.spec.stream.stats()
    assert 5 < node.loss_percent < 15
    assert phone.remote_loss_percent == pytest.approx(node.loss_percent, abs=2)
    assert phone.loss_percent == node.remote_loss_percent == 0
    assert node.round_trip_ms == pytest.approx(20, abs=0.1)
    assert phone.round_trip_ms == pytest.approx(20, abs=0.1)
    with structlog.testing.capture_logs() as logs:
        await stage.idle()
    (line,) = [line for line in logs if line["event"] == "call.ended" and "mos" in line]
    assert 2.5 < line["mos"] < 4 < line["remote_mos"]


@pytest.mark.parametrize(
    "held",
    [sdp(direction="sendonly"), sdp(direction="inactive"), sdp(host="0.0.0.0")],
    ids=["sendonly", "inactive", "old"],
)
def test_hold_and_resume(held: bytes) -> None:
    async def play(stage: SipStage) -> None:
        async with open_script(stage) as script:
            await script.invite(sdp())
            script.talk()
            assert await script.hears() == 50
            assert (await script.invite(held)).status == 200
            script.silence()
            assert await script.hears() == 0
            await trio.sleep(20)  # four times as long as the node waits for audio
            assert len(stage.node.calls) == 1
            assert (await script.invite(sdp())).status == 200
            assert await script.hears() == 50
            await stage.idle()  # but the peer stays silent
        ended(stage.trace, "completed", Reason.MEDIA_TIMEOUT, Party.NODE)

    whole_call()(play)()


@whole_call()
async def test_the_peer_moves_its_audio(stage: SipStage) -> None:
    async with open_script(stage) as script:
        await script.invite(sdp(4000))
        script.talk(4000)
        assert await script.hears(4000) == 50
        await script.invite(sdp(4002))
        script.talk(4002)
        assert await script.hears(4002) == 50
        assert script.heard(4000) < 60
        stats = stage.call.spec.stream.stats()
        assert stats.wrong_source <= 2, "only what was on its way"
        assert 100 < stats.played >= stats.packets_received - 3
        await script.bye()
        await stage.idle()
    ended(stage.trace, "completed", Reason.NORMAL, Party.CALLER)


@whole_call()
async def test_the_offer_is_left_to_the_node(stage: SipStage) -> None:
    async with open_script(stage) as script:
        final = await script.invite(b"", answer=sdp())
        assert Session.parse(final.body).media[0].formats[0] == "0"
        script.talk()
        assert await script.hears() == 50
        await script.bye()
        await stage.idle()
    ended(stage.trace, "completed", Reason.NORMAL, Party.CALLER)
