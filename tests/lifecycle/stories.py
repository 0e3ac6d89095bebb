"""The lifecycles that a call can have, each as a story on fakes; test_stories.py plays them all.

Times are short because every checkpoint of a story is tried as the place of a blow: a minute of ringing
would only repeat the same few checkpoints three thousand times.
"""

from __future__ import annotations

import pytest
import trio

from actors.call import Call, Cause, Lease, Party, Reason, Speaker
from actors.runtime import Exited, Outcome
from actors.testing import NO_FAULT, FakeAgent, FakeTracks, Fault, Stage, Story, Trace

UP = ["start s1/leg", "start s1/recorder", "start s1/bridge", "start s1/agent", "start s1"]
SIGNALLED = ["leg", "agent", "bridge", "recorder"]
FROM_ABOVE = ["agent", "bridge", "recorder", "leg"]


def expect(
    trace: Trace, status: str, reason: Reason, by: Party, road: list[str], *, crashed: tuple[str, ...] = ()
) -> None:
    """One final status with its cause, one road down, and exactly these crashes."""
    got, cause = trace.final("s1")
    assert (got, cause.reason, cause.by) == (status, reason, by), trace.lines
    assert trace.road("s1") == road, trace.lines
    assert tuple(trace.crashed()) == crashed, trace.lines


async def _hangup_by_caller(stage: Stage) -> None:
    call, leg, _ = stage.call(leg={"end_after_s": 0.6})
    await call.wait()
    assert leg.said == ["answer"]


def _check_hangup_by_caller(trace: Trace) -> None:
    expect(trace, "completed", Reason.NORMAL, Party.CALLER, SIGNALLED)
    assert [line for line in trace.lines if line.startswith("start")] == UP
    assert [line for line in trace.lines if line.startswith("s1 ")] == [
        "s1 ringing",
        "s1 in_progress",
        "s1 completed",
    ]


async def _hangup_by_agent(stage: Stage) -> None:
    call, leg, _ = stage.call(agents=(FakeAgent(hangup_after_frames=8),))
    await call.wait()
    assert leg.said == ["answer", "bye"]


def _check_hangup_by_agent(trace: Trace) -> None:
    expect(trace, "completed", Reason.NORMAL, Party.CALLEE, SIGNALLED)


async def _outbound(stage: Stage) -> None:
    call, _, _ = stage.call(
        inbound=False, leg={"ring_after_s": 0.1, "answer_after_s": 0.2, "end_after_s": 0.2}
    )
    await call.wait()


def _check_outbound(trace: Trace) -> None:
    expect(trace, "completed", Reason.NORMAL, Party.CALLER, SIGNALLED)
    assert trace.lines[:2] == ["s1 dialing", "s1 ringing"]


async def _cancelled_while_ringing(stage: Stage) -> None:
    refusal = Cause(Reason.CANCELLED, Party.CALLER)
    call, leg, _ = stage.call(leg={"ring_after_s": 0.1, "answer_after_s": 0.2, "refusal": refusal})
    await call.wait()
    assert leg.said == []


def _check_cancelled_while_ringing(trace: Trace) -> None:
    expect(trace, "no_answer", Reason.CANCELLED, Party.CALLER, ["leg"])
    assert not [line for line in trace.lines if line.startswith("start")], (
        "nobody starts for a caller who left"
    )


async def _no_answer(stage: Stage) -> None:
    call, leg, _ = stage.call(
        inbound=False, ring_timeout_s=0.5, leg={"ring_after_s": 0.2, "answer_after_s": None}
    )
    await call.wait()
    assert call.ended_at is not None
    assert call.ended_at - call.started_at == pytest.approx(0.5)
    assert leg.said == ["refuse 480"]


def _check_no_answer(trace: Trace) -> None:
    expect(trace, "no_answer", Reason.NO_ANSWER, Party.NODE, ["leg"])


async def _rejected(stage: Stage) -> None:
    refusal = Cause(Reason.BUSY, Party.CALLEE)
    call, _, _ = stage.call(inbound=False, leg={"answer_after_s": 0.3, "refusal": refusal})
    await call.wait()


def _check_rejected(trace: Trace) -> None:
    expect(trace, "failed", Reason.BUSY, Party.CALLEE, ["leg"])


async def _peer_vanishes(stage: Stage) -> None:
    call, leg, _ = stage.call(leg={"confirms_goodbye": False}, stream={"timeout_after_s": 0.3})
    await call.wait()
    assert leg.said == ["answer", "bye"]


def _check_media_timeout(trace: Trace) -> None:
    expect(trace, "completed", Reason.MEDIA_TIMEOUT, Party.NODE, SIGNALLED)


async def _media_timeout(stage: Stage) -> None:
    call, _, _ = stage.call(stream={"timeout_after_s": 0.3})
    await call.wait()


async def _agent_crashes_once(stage: Stage) -> None:
    call, _, _ = stage.call(
        agents=(FakeAgent(Fault("talk", "fail")), FakeAgent(hangup_after_frames=5)),
    )
    await call.wait()


def _check_agent_crashes_once(trace: Trace) -> None:
    expect(trace, "completed", Reason.NORMAL, Party.CALLEE, SIGNALLED, crashed=("s1/agent",))
    assert "restart s1/agent" in trace.lines


async def _agent_crashes(stage: Stage) -> None:
    call, leg, _ = stage.call(agents=(FakeAgent(Fault("talk", "fail")),))
    await call.wait()
    assert leg.said == ["answer", "bye"]


def _check_agent_crashes(trace: Trace) -> None:
    crashed = ("s1/agent", "s1/agent", "s1")
    expect(trace, "failed", Reason.AGENT_FAILED, Party.NODE, FROM_ABOVE, crashed=crashed)


async def _agent_lost_call_goes_on(stage: Stage) -> None:
    call, _, _ = stage.call(
        on_agent_failure="continue", agents=(FakeAgent(Fault("start", "fail")),), leg={"end_after_s": 0.2}
    )
    await call.wait()


def _check_agent_lost_call_goes_on(trace: Trace) -> None:
    road = ["agent", "leg", "bridge", "recorder"]
    expect(trace, "completed", Reason.NORMAL, Party.CALLER, road, crashed=("s1/agent", "s1/agent"))


async def _bridge_crashes(stage: Stage) -> None:
    call, _, _ = stage.call(stream={"fault": Fault("event", "fail")})
    await call.wait()


def _check_bridge_crashes(trace: Trace) -> None:
    status, cause = trace.final("s1")
    assert (status, cause.reason) == ("failed", Reason.CRASHED)
    assert trace.crashed() == ["s1/bridge", "s1/bridge", "s1"]
    assert "start s1/recorder" in trace.lines
    assert trace.lines.count("start s1/recorder") == 1, "a recorder outlives the bridge"


async def _leg_crashes(stage: Stage) -> None:
    call, _, _ = stage.call(leg={"fault": Fault("ended", "fail", 0.2)})
    await call.wait()


def _check_leg_crashes(trace: Trace) -> None:
    expect(trace, "failed", Reason.CRASHED, Party.NODE, SIGNALLED, crashed=("s1/leg", "s1"))
    assert trace.lines.count("start s1/leg") == 1, "a crashed leg is never restarted"


async def _recorder_stuck(stage: Stage) -> None:
    call, _, _ = stage.call(sink={"fault": Fault("write", "hang")}, leg={"end_after_s": 0.6})
    await call.wait()
    assert call.ended_at is not None
    assert call.answered_at is not None
    assert call.ended_at - call.answered_at - 0.6 <= 1.2 + 1e-9


def _check_completed_by_caller(trace: Trace) -> None:
    expect(trace, "completed", Reason.NORMAL, Party.CALLER, SIGNALLED)


async def _recorder_crashes(stage: Stage) -> None:
    call, _, _ = stage.call(sink={"fault": Fault("write", "fail")}, leg={"end_after_s": 0.6})
    await call.wait()


def _check_recorder_crashes(trace: Trace) -> None:
    road = ["recorder", "leg", "agent", "bridge"]
    expect(trace, "completed", Reason.NORMAL, Party.CALLER, road, crashed=("s1/recorder",))


async def _bye_never_answered(stage: Stage) -> None:
    call, leg, _ = stage.call(leg={"confirms_goodbye": False})
    await trio.sleep(0.2)
    asked = trio.current_time()
    stage.calls.hangup("s1", Cause(Reason.NORMAL, Party.NODE))
    await call.wait()
    assert leg.said == ["answer", "bye"]
    assert trio.current_time() - asked <= 2.4, "a call never waits for Timer F"


def _check_hangup_by_node(trace: Trace) -> None:
    expect(trace, "completed", Reason.NORMAL, Party.NODE, SIGNALLED)


async def _node_drain(stage: Stage) -> None:
    stage.call("s1", leg={"confirms_goodbye": False}, sink={"fault": Fault("write", "hang")})
    stage.call("s2")
    stage.call("s3", leg={"ring_after_s": 0.0, "answer_after_s": None}, inbound=False)
    await trio.sleep(0.2)
    asked = trio.current_time()
    await stage.system.stop("calls", "drain")
    assert len(stage.calls) == 0
    assert trio.current_time() - asked <= 3.8 + 1e-9, "calls stop in parallel, each within its budget"


def _check_node_drain(trace: Trace) -> None:
    expect(trace, "completed", Reason.DRAIN, Party.NODE, FROM_ABOVE)
    assert trace.final("s2")[0] == "completed"
    assert trace.final("s3")[0] == "failed"
    assert trace.road("s3") == ["leg"]


async def _double_hangup(stage: Stage) -> None:
    call, leg, _ = stage.call()
    await trio.sleep(0.2)
    assert stage.calls.hangup("s1", Cause(Reason.NORMAL, Party.NODE))
    stage.calls.hangup("s1", Cause(Reason.BUSY, Party.CALLER))
    await call.wait()
    assert not stage.calls.hangup("s1", Cause(Reason.NORMAL, Party.NODE))
    assert leg.said == ["answer", "bye"]


async def _glare(stage: Stage) -> None:
    call, leg, _ = stage.call(leg={"end_after_s": 0.2})
    await trio.sleep(0.2)
    stage.calls.hangup("s1", Cause(Reason.NORMAL, Party.NODE))
    await call.wait()
    assert leg.said in (["answer"], ["answer", "bye"])


def _check_glare(trace: Trace) -> None:
    status, cause = trace.final("s1")
    assert (status, cause.reason) == ("completed", Reason.NORMAL)
    assert trace.road("s1") == SIGNALLED


async def _hangup_while_dialing(stage: Stage) -> None:
    call, leg, _ = stage.call(inbound=False, leg={"ring_after_s": 0.1, "answer_after_s": None})
    await trio.sleep(0.2)
    stage.calls.hangup("s1", Cause(Reason.CANCELLED, Party.CALLER))
    await call.wait()
    assert leg.said == ["refuse 487"]


async def _too_long(stage: Stage) -> None:
    call, _, _ = stage.call(max_duration_s=0.4)
    await call.wait()
    assert call.ended_at is not None
    assert call.answered_at is not None
    assert call.ended_at - call.answered_at >= 0.4


def _check_too_long(trace: Trace) -> None:
    expect(trace, "completed", Reason.MAX_DURATION, Party.NODE, SIGNALLED)


async def _app_speaks(stage: Stage) -> None:
    tracks = FakeTracks(stage.ledger, says=b"\1\0" * 1600)
    call, _, stream = stage.call(agents=None, tracks=tracks, leg={"end_after_s": 0.5})
    await call.wait()
    assert bytes(stream.heard).strip(b"\0").count(1) == 1600
    assert tracks.refused_by is None
    assert tracks.frames > 10


def _check_app_speaks(trace: Trace) -> None:
    expect(trace, "completed", Reason.NORMAL, Party.CALLER, ["leg", "bridge", "recorder"])


async def _app_is_refused(stage: Stage) -> None:
    tracks = FakeTracks(stage.ledger, says=b"\1\0" * 1600)
    call, _, stream = stage.call(tracks=tracks, leg={"end_after_s": 0.3})
    assert call.downlink.speakers == [Speaker.AGENT]
    await call.wait()
    assert tracks.refused_by == "agent"
    assert set(stream.heard) == {0}
    assert call.downlink.speakers == []


def _announce_after_crash(stage: Stage, call: Call) -> list[Lease]:
    """Take the downlink between two generations of the agent, for an announcement."""
    taken: list[Lease] = []

    def take(event: object) -> None:
        crashed = isinstance(event, Exited) and event.exit.outcome is Outcome.CRASHED
        if crashed and not taken and not call.downlink.speakers:
            taken.append(call.downlink.lease(Speaker.ANNOUNCEMENT))
            taken[0].send(b"\2\0" * 800)

    stage.system.observe.subscribe(take)
    return taken


async def _agent_waits_for_its_turn(stage: Stage) -> None:
    call, _, stream = stage.call(
        agents=(FakeAgent(Fault("talk", "fail", 0.1)), FakeAgent()), leg={"end_after_s": 0.5}
    )
    taken = _announce_after_crash(stage, call)
    await trio.sleep(0.3)
    assert call.downlink.speakers == [Speaker.ANNOUNCEMENT]
    assert taken
    taken[0].release()
    assert call.downlink.speakers == [Speaker.AGENT]
    await call.wait()
    assert 2 in stream.heard
    assert call.downlink.speakers == []


def _check_agent_crashed_once(trace: Trace) -> None:
    expect(trace, "completed", Reason.NORMAL, Party.CALLER, SIGNALLED, crashed=("s1/agent",))


async def _agent_waits_to_the_end(stage: Stage) -> None:
    call, _, _ = stage.call(
        agents=(FakeAgent(Fault("talk", "fail", 0.1)), FakeAgent()), leg={"end_after_s": 0.3}
    )
    taken = _announce_after_crash(stage, call)
    await call.wait()
    assert taken
    taken[0].release()


async def _app_and_agent_are_mixed(stage: Stage) -> None:
    tracks = FakeTracks(stage.ledger, says=b"\1\0" * 1600)
    call, _, stream = stage.call(tracks=tracks, mix=lambda frames: frames[-1], leg={"end_after_s": 0.5})
    await call.wait()
    assert tracks.refused_by is None
    assert 1 in stream.heard


async def _tracks_crash_once(stage: Stage) -> None:
    tracks = FakeTracks(stage.ledger, fault=Fault("talk", "fail", 0.2))
    call, _, _ = stage.call(tracks=tracks, leg={"end_after_s": 0.4})
    await trio.sleep(0.1)
    tracks.fault = NO_FAULT  # for the next generation
    await call.wait()


def _check_tracks_crash_once(trace: Trace) -> None:
    expect(trace, "completed", Reason.NORMAL, Party.CALLER, SIGNALLED, crashed=("s1/bridge",))
    restarts = [line for line in trace.lines if line.startswith("restart")]
    assert sorted(restarts) == ["restart s1/agent", "restart s1/bridge"], "it takes the agent with it"


async def _tracks_hang(stage: Stage) -> None:
    tracks = FakeTracks(stage.ledger, fault=Fault("open", "hang"))
    call, _, _ = stage.call(tracks=tracks, leg={"end_after_s": 0.3})
    await call.wait()


STORIES = [
    Story("answered, the caller hangs up", _hangup_by_caller, _check_hangup_by_caller),
    Story("answered, the agent hangs up", _hangup_by_agent, _check_hangup_by_agent),
    Story("outbound, answered", _outbound, _check_outbound),
    Story("cancelled while ringing", _cancelled_while_ringing, _check_cancelled_while_ringing),
    Story("no answer", _no_answer, _check_no_answer),
    Story("rejected", _rejected, _check_rejected),
    Story("peer vanishes", _peer_vanishes, _check_media_timeout),
    Story("media timeout", _media_timeout, _check_media_timeout),
    Story("agent crashes once", _agent_crashes_once, _check_agent_crashes_once),
    Story("agent crashes", _agent_crashes, _check_agent_crashes),
    Story("agent lost, the call goes on", _agent_lost_call_goes_on, _check_agent_lost_call_goes_on),
    Story("bridge crashes", _bridge_crashes, _check_bridge_crashes),
    Story("leg crashes", _leg_crashes, _check_leg_crashes),
    Story("recorder stuck", _recorder_stuck, _check_completed_by_caller),
    Story("recorder crashes", _recorder_crashes, _check_recorder_crashes),
    Story("BYE never answered", _bye_never_answered, _check_hangup_by_node),
    Story("node drain", _node_drain, _check_node_drain),
    Story("double hangup", _double_hangup, _check_hangup_by_node),
    Story("glare of BYE and hangup", _glare, _check_glare),
    Story("hangup while dialing", _hangup_while_dialing, _check_cancelled_while_ringing),
    Story("too long", _too_long, _check_too_long),
    Story("an app speaks", _app_speaks, _check_app_speaks),
    Story("an app is refused", _app_is_refused, _check_completed_by_caller),
    Story("the agent waits for its turn", _agent_waits_for_its_turn, _check_agent_crashed_once),
    Story("the agent waits to the end", _agent_waits_to_the_end, _check_agent_crashed_once),
    Story("app and agent are mixed", _app_and_agent_are_mixed, _check_completed_by_caller),
    Story("the tracks crash once", _tracks_crash_once, _check_tracks_crash_once),
    Story("the tracks hang", _tracks_hang, _check_completed_by_caller),
]
