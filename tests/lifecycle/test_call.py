"""The call's own rules: the status table, causes, the pool's edges, agents' hands."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from actors.call import (
    CALL_BUDGET_S,
    CALL_MOVES,
    REASONS,
    Calls,
    CallSpec,
    CallStatus,
    Cause,
    Conversation,
    IllegalMove,
    MediaUnavailable,
    Party,
    Reason,
    SpeechEnded,
    SpeechStarted,
    TapRecording,
)
from actors.runtime import NameTaken, PoolClosed, PoolFull
from actors.testing import FakeAgent, FakeLeg, FakeMedia, FakeStream, Ledger, Stage, Story, run_story


def test_statuses_only_move_forward() -> None:
    order = list(CallStatus)
    for old, moves in CALL_MOVES.items():
        assert all(order.index(new) > order.index(old) for new in moves)
    assert [status for status in CallStatus if status.final] == [
        CallStatus.COMPLETED,
        CallStatus.FAILED,
        CallStatus.NO_ANSWER,
    ]


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_meaning(reason: Reason) -> None:
    meaning = REASONS[reason]
    assert meaning.unanswered in CALL_MOVES[CallStatus.DIALING]
    assert meaning.unanswered in CALL_MOVES[CallStatus.RINGING]
    assert meaning.answered in CALL_MOVES[CallStatus.IN_PROGRESS]
    assert 400 <= meaning.sip < 700
    assert 1 <= meaning.q850 <= 127
    cause = Cause(reason, Party.NODE)
    assert (cause.sip, cause.q850) == (meaning.sip, meaning.q850)


def test_budget_is_under_four_seconds() -> None:
    assert CALL_BUDGET_S <= 4.0


def _play(play: object) -> None:
    run_story(Story("test", play))  # type: ignore[arg-type]


def test_illegal_move_changes_nothing() -> None:
    async def play(stage: Stage) -> None:
        call, _, _ = stage.call()
        await trio.sleep(0.1)
        with pytest.raises(IllegalMove, match="call s1 cannot move from in_progress to dialing"):
            call.move(CallStatus.DIALING)
        assert call.status is CallStatus.IN_PROGRESS

    _play(play)


def test_pool_edges_take_over_and_close() -> None:
    async def play(stage: Stage) -> None:
        calls = stage.calls
        calls._pool.limit = 1
        stage.call("s1")
        with pytest.raises(NameTaken):
            stage.call("s1")
        with pytest.raises(PoolFull):
            stage.call("s2")
        assert stage.ledger.leftovers() == ["leg s1", "port s1"]
        assert [call.sid for call in calls.all()] == ["s1"]
        assert calls.get("s1") is not None
        await stage.system.stop("calls", "drain")
        with pytest.raises(PoolClosed):
            stage.call("s3")
        assert not stage.ledger.leftovers()

    _play(play)


async def test_start_without_a_pool_is_refused(autojump_clock: trio.testing.MockClock) -> None:
    ledger = Ledger()
    with pytest.raises(PoolClosed):
        Calls().start(CallSpec("s1", FakeLeg(ledger, "s1"), FakeStream(ledger, "s1")))
    assert not ledger.leftovers()


async def test_media_runs_out_of_ports(autojump_clock: trio.testing.MockClock) -> None:
    media = FakeMedia(Ledger(), ports=1)
    stream = media.open("s1")
    with pytest.raises(MediaUnavailable, match="all 1 ports are taken"):
        media.open("s2")
    stream.close()
    media.open("s2").close()


def test_idle_waits_for_the_last_call() -> None:
    async def play(stage: Stage) -> None:
        await stage.calls.idle()
        stage.call("s1", leg={"end_after_s": 1.0})
        stage.call("s2", leg={"end_after_s": 2.0})
        began = trio.current_time()
        await stage.calls.idle()
        assert trio.current_time() - began >= 2.0
        assert len(stage.calls) == 0

    _play(play)


def test_agent_hears_speaks_and_presses_keys() -> None:
    class Scripted(FakeAgent):
        async def run(self, conversation: Conversation) -> None:
            assert (conversation.sid, conversation.rate_hz) == ("s1", 8000)
            frame = await conversation.uplink.__anext__()
            heard.append(frame.uplink)
            await conversation.say(b"\1\2" * 8000)
            said_at.append(trio.current_time())
            conversation.send_dtmf("12#")
            async for key in conversation.keys:
                heard.append(key)
                break
            conversation.silence()
            assert conversation.queued_ms == 0
            conversation.hangup(Reason.NORMAL)
            await trio.sleep_forever()

    heard: list[object] = []
    said_at: list[float] = []

    async def play(stage: Stage) -> None:
        call, _, stream = stage.call(agents=(Scripted(),))
        stream.uplink += b"\7\0" * 160
        began = trio.current_time()
        await trio.sleep(2)
        stream.press("5")
        await call.wait()
        assert heard[0] == b"\7\0" * 160
        assert heard[1] == stream_key("5")
        assert stream.keys_sent == "12#"
        assert 0.85 <= said_at[0] - began <= 1.0, "a second of speech may be 100 ms ahead, not more"
        assert stream.heard.count(b"\1\2" * 160) == 50

    def stream_key(digit: str) -> object:
        from actors.call import Dtmf

        return Dtmf(digit, 100)

    _play(play)


def test_recording_has_every_tick_to_the_last() -> None:
    sinks = []

    async def play(stage: Stage) -> None:
        from actors.testing import FakeSink

        def recording() -> TapRecording:
            sinks.append(FakeSink(stage.ledger, "s1"))
            return TapRecording(stream, sinks[-1])

        leg, stream = FakeLeg(stage.ledger, "s1", end_after_s=1.99), stage.media.open("s1")
        call = stage.calls.start(CallSpec("s1", leg, stream, recording=recording))
        await call.wait()

    _play(play)
    ticks = sinks[0].ticks
    assert ticks == list(range(len(ticks)))
    assert len(ticks) >= 99


def test_agent_is_told_when_the_caller_speaks() -> None:
    class Listener(FakeAgent):
        async def run(self, conversation: Conversation) -> None:
            async for activity in conversation.speech:
                heard.append(activity)
                if isinstance(activity, SpeechEnded):
                    conversation.hangup()

    heard: list[object] = []

    async def play(stage: Stage) -> None:
        call, _, stream = stage.call(agents=(Listener(),))
        await trio.sleep(1)
        stream.speak(500)
        await call.wait()

    _play(play)
    assert heard == [SpeechStarted(), SpeechEnded(500)]
