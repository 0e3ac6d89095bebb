"""The trial itself: it must find what is planted, or its silence about our stories means nothing."""

from __future__ import annotations

import re
from typing import Any

import pytest
import trio

from actors.call import Cause, Party, Reason
from actors.runtime import ChildSpec, LossyReceiver, open_lossy
from actors.testing import FakeAgent, FakeSink, Stage, Story, cancel_everywhere, run_story, strike_story


def _story(play: Any) -> Story:
    return Story("planted", play)


async def _forgets_a_port(stage: Stage) -> None:
    stage.media.open("loose")
    await trio.sleep(0.1)
    stage.media.streams[-1].close()


async def _forgets_a_channel(_stage: Stage) -> None:
    receive: LossyReceiver[int] = open_lossy(1)[1]
    await trio.sleep(0.1)
    receive.close()


async def _leaves_late(_stage: Stage) -> None:
    with trio.CancelScope(shield=True):
        await trio.sleep(10)


async def _raises_its_own(_stage: Stage) -> None:
    try:
        await trio.sleep(0.1)
    except trio.Cancelled:
        raise KeyError("lost") from None


async def _dies_in_the_wrong_order(stage: Stage) -> None:
    call, _, _ = stage.call(leg={"end_after_s": 0.1})
    await call.wait()
    trace = stage.trace
    trace.exits.reverse()
    await trio.sleep(0.1)


@pytest.mark.parametrize(
    ("play", "finding"),
    [
        (_forgets_a_port, "left over: port loose"),
        (_forgets_a_channel, "1 channels left open"),
        (_leaves_late, "to come down"),
        (_raises_its_own, "raised KeyError('lost')"),
        (_dies_in_the_wrong_order, "was stopped in the order"),
    ],
)
def test_planted_fault_is_found(play: Any, finding: str) -> None:
    report = cancel_everywhere(_story(play))
    assert any(finding in line for line in report.leftovers), str(report)


def test_finding_can_be_shown_again_by_its_numbers() -> None:
    story = _story(_forgets_a_port)
    finding = cancel_everywhere(story).leftovers[0]
    numbers = re.match(r"checkpoint (\d+), seed (\d+): (.*)", finding)
    assert numbers is not None
    again = strike_story(story, int(numbers[1]), int(numbers[2]))
    assert numbers[3] in again.problems


def test_hung_story_is_a_finding() -> None:
    async def hang(_stage: Stage) -> None:
        await trio.sleep_forever()

    with pytest.raises(AssertionError, match="had not ended after 60"):
        run_story(_story(hang))


def test_two_final_statuses_are_a_finding() -> None:
    async def play(stage: Stage) -> None:
        call, _, _ = stage.call(leg={"end_after_s": 0.1})
        await call.wait()
        stage.trace.note(stage.trace.finals[0])

    with pytest.raises(AssertionError, match="s1 has 2 final statuses"):
        run_story(_story(play))


def test_raise_mode_reaches_an_actor_that_swallows() -> None:
    class Deaf(FakeAgent):
        async def run(self, conversation: Any) -> None:
            while True:
                try:
                    await trio.sleep(0.01)
                except Exception:
                    stage_log.append("swallowed")

    stage_log: list[str] = []

    async def play(stage: Stage) -> None:
        call, _, _ = stage.call(agents=(Deaf(),), leg={"end_after_s": 0.1})
        await call.wait()

    report = cancel_everywhere(_story(play), "raise")
    assert not report.leftovers, str(report)
    assert stage_log


def test_report_says_how_many_checkpoints_were_tried() -> None:
    async def play(stage: Stage) -> None:
        await trio.sleep(0.99)

    report = cancel_everywhere(_story(play))
    assert report.checkpoints > 50
    assert f"cancel at each of {report.checkpoints} checkpoints" in str(report)
    assert "nothing left" in str(report)


def test_same_seed_gives_the_same_trace() -> None:
    async def play(stage: Stage) -> None:
        for sid in ("a", "b", "c", "d"):
            stage.call(sid)
        await trio.sleep(0.1)
        await stage.system.stop("calls", "done")

    traces = {tuple(run_story(_story(play), seed=7).lines) for _ in range(5)}
    assert len(traces) == 1


async def test_ledger_refuses_a_double_release(autojump_clock: trio.testing.MockClock) -> None:
    from actors.testing import Ledger

    ledger = Ledger()
    sink = FakeSink(ledger, "f")
    assert ledger.leftovers() == ["file f"]
    await sink.aclose()
    await sink.aclose()
    assert ledger.leftovers() == []
    with pytest.raises(AssertionError, match="without being held"):
        ledger.give_back("file", "f")


async def test_stage_parts_work_in_a_plain_system(autojump_clock: trio.testing.MockClock) -> None:
    from actors.call import Calls, CallSpec
    from actors.runtime import open_system
    from actors.testing import FakeLeg, FakeMedia, Ledger, Trace

    ledger = Ledger()
    async with open_system() as system:
        trace = Trace.of(system)
        media, calls = FakeMedia(ledger), Calls()
        await system.start(ChildSpec("media", media.run))
        await system.start(calls.spec())
        call = calls.start(CallSpec("s1", FakeLeg(ledger, "s1"), media.open("s1")))
        await trio.sleep(1)
        calls.hangup("s1", Cause(Reason.NORMAL, Party.NODE))
        assert (await call.wait()).value == "completed"
    assert trace.road("s1") == ["leg", "bridge"]
    assert ledger.leftovers() == []
