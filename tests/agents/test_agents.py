"""The agents, each in a whole call on fakes and a virtual clock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import numpy as np
import pytest
import trio

from actors.call import AgentPort, Call, CallSpec, CallStatus, Conversation, Party, Reason
from actors.testing import FakeLeg, FakeStream, Stage, Story, run_story
from clutch.agents.echo import LEAD_FRAMES, LIMIT_FRAMES, Echo
from clutch.agents.play import TAIL_S, Play
from clutch.agents.tone import Tone
from clutch.media.audio import Sound, chime, tone

SPEECH = np.arange(1, 8001, dtype=np.int16).tobytes()
"""One second at 8 kHz in which every sample is another and none is silence."""


def play(
    agent: AgentPort, script: Callable[[Call, FakeStream], Awaitable[None]], rate_hz: int = 8000
) -> None:
    """Play a call in which `agent` is the callee; it ends with the script, if not before."""

    async def story(stage: Stage) -> None:
        stream = stage.media.open("s1", rate_hz=rate_hz)
        call = stage.calls.start(CallSpec("s1", FakeLeg(stage.ledger, "s1"), stream, agent=lambda: agent))
        await script(call, stream)

    run_story(Story("agent", story))


def test_echo_says_all_it_hears_in_order() -> None:
    async def script(call: Call, stream: FakeStream) -> None:
        stream.uplink += SPEECH
        await trio.sleep(2)
        heard = bytes(stream.heard)
        assert heard.strip(b"\0") == SPEECH.strip(b"\0")
        assert heard.index(SPEECH) <= (LEAD_FRAMES + 3) * 320

    play(Echo(), script)


def test_echo_after_a_stall_catches_up_and_says_the_newest() -> None:
    """Whatever is ahead in the queue for once, the echo is late by that only once."""

    async def script(call: Call, stream: FakeStream) -> None:
        await trio.sleep(0.5)
        stream.send(bytes(600 * 16))
        spoken_at = len(stream.heard)
        stream.uplink += SPEECH
        await trio.sleep(2)
        end = SPEECH[-3200:]
        late = bytes(stream.heard).index(end) - (spoken_at + len(SPEECH) - len(end))
        assert late <= (LIMIT_FRAMES + 1) * 320

    play(Echo(), script)


@pytest.mark.parametrize("rate_hz", [8000, 48_000])
def test_tone_hums_without_a_gap_until_the_call_ends(rate_hz: int) -> None:
    async def script(call: Call, stream: FakeStream) -> None:
        await trio.sleep(3)
        assert tone(1000, rate_hz).pcm * 2 in bytes(stream.heard)
        assert not call.status.final

    play(Tone(1000), script, rate_hz)


def test_play_plays_to_the_end_and_hangs_up() -> None:
    sound = Sound(np.frombuffer(SPEECH, np.int16), 8000)

    async def script(call: Call, stream: FakeStream) -> None:
        assert await call.wait() is CallStatus.COMPLETED
        assert call.cause is not None
        assert (call.cause.reason, call.cause.by) == (Reason.NORMAL, Party.CALLEE)
        assert SPEECH in bytes(stream.heard)
        assert call.ended_at is not None
        assert call.answered_at is not None
        assert 1 + TAIL_S <= call.ended_at - call.answered_at <= 1.1 + TAIL_S

    play(Play(sound.at), script)


def test_play_makes_its_sound_once_for_each_rate() -> None:
    asked: list[int] = []

    def source(rate_hz: int) -> Sound:
        asked.append(rate_hz)
        return chime(rate_hz)

    async def script(call: Call, stream: FakeStream) -> None:
        await call.wait()
        assert chime(stream.rate_hz).pcm in bytes(stream.heard)

    agent = Play(source)
    for rate_hz in (8000, 8000, 48_000):
        play(agent, script, rate_hz)
    assert asked == [8000, 48_000]


def test_echo_is_no_later_after_a_stall_of_its_own() -> None:
    """Four frames come at once because we were late: the echo stays as near as it was."""

    class Stalls(Echo):
        async def run(self, conversation: Conversation) -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(super().run, conversation)
                await trio.sleep(0.5)
                nursery.cancel_scope.cancel()
            await trio.sleep(0.08)
            await super().run(conversation)

    async def script(call: Call, stream: FakeStream) -> None:
        await trio.sleep(0.7)
        spoken_at = len(stream.heard)
        stream.uplink += SPEECH
        await trio.sleep(2)
        assert bytes(stream.heard).index(SPEECH) - spoken_at <= (LEAD_FRAMES + 1) * 320

    play(Stalls(), script)
