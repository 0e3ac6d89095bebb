"""How a call between a phone and the node ends: who hangs up, who vanishes, and what both sides then say."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from actors.call import Cause, Party, Reason
from clutch.agents.caller import Caller
from clutch.node.config import RtpConfig
from clutch.wire.sip.reason import Q850, cause_of, reasons_of
from tests.e2e.sip_stage import NODE, PHONE, QUIET_PHONE, UNANSWERED, SipStage, ended, whole_call


@whole_call()
async def test_the_caller_hangs_up(stage: SipStage) -> None:
    await stage.phone.dial(agent=lambda: Caller(duration_s=0.3)).wait()
    await stage.idle()
    ended(stage.phone.trace, "completed", Reason.NORMAL, Party.CALLER)
    ended(stage.trace, "completed", Reason.NORMAL, Party.CALLER)
    assert stage.wire.said(PHONE) == ["INVITE", "ACK", "BYE"]
    assert stage.wire.said(NODE) == ["180 INVITE", "200 INVITE", "200 BYE"]
    (sid,) = stage.trace.opened
    assert [line.replace(sid, "s1") for line in stage.trace.lines] == [
        "s1 ringing",
        "s1 in_progress",
        "start s1/leg",
        "start s1/bridge",
        "start s1/agent",
        "start s1",
        "exit s1/leg normal",
        "exit s1/agent stopped",
        "exit s1/bridge stopped",
        "s1 completed",
        "exit s1 normal",
    ]


@whole_call()
async def test_the_callee_hangs_up(stage: SipStage) -> None:
    await stage.phone.dial("play").wait()
    await stage.idle()
    ended(stage.phone.trace, "completed", Reason.NORMAL, Party.CALLEE, QUIET_PHONE)
    ended(stage.trace, "completed", Reason.NORMAL, Party.CALLEE, ["agent", "leg", "bridge"])
    assert stage.wire.said(PHONE) == ["INVITE", "ACK", "200 BYE"]
    assert stage.wire.said(NODE) == ["180 INVITE", "200 INVITE", "BYE"]


@whole_call()
async def test_both_hang_up_at_once(stage: SipStage) -> None:
    call = stage.phone.dial()
    await trio.sleep(0.3)
    call.hangup(Cause(Reason.NORMAL, Party.CALLER))
    stage.call.hangup(Cause(Reason.MAX_DURATION, Party.NODE))
    await stage.idle()
    ended(stage.phone.trace, "completed", Reason.NORMAL, Party.CALLER, QUIET_PHONE)
    ended(stage.trace, "completed", Reason.MAX_DURATION, Party.NODE)
    assert stage.wire.said(PHONE)[-2:] == stage.wire.said(NODE)[-2:] == ["BYE", "200 BYE"]


@whole_call()
async def test_the_caller_vanishes_and_no_bye_is_answered(stage: SipStage) -> None:
    stage.phone.dial()
    await trio.sleep(0.3)
    stage.wire.loses = lambda _sent: True
    asked = trio.current_time()
    call = stage.call
    call.hangup(Cause(Reason.NORMAL, Party.NODE))
    await call.wait()
    assert trio.current_time() - asked < 4
    assert stage.node.plane.ports_in_use == 0
    ended(stage.trace, "completed", Reason.NORMAL, Party.NODE)
    await trio.sleep_until(asked + 31.9)
    assert stage.node.endpoint.sessions == 1
    byes = [0.0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert stage.wire.times(NODE, "BYE") == byes
    await trio.sleep_until(asked + 32)
    await trio.testing.wait_all_tasks_blocked()
    assert (stage.node.endpoint.sessions, stage.node.endpoint.transactions) == (0, 0)


@whole_call(rtp=RtpConfig(10_000, 10_199, timeout_s=0))
async def test_the_answer_is_never_acknowledged(stage: SipStage) -> None:
    stage.wire.loses = lambda sent: sent.what == "ACK"
    await stage.phone.dial().wait()
    await stage.idle()
    ended(stage.phone.trace, "completed", Reason.NORMAL, Party.CALLEE, QUIET_PHONE)
    ended(stage.trace, "failed", Reason.NO_ACK, Party.CALLER)
    answers = [0.0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert stage.wire.times(NODE, "200 INVITE") == answers
    assert stage.wire.said(PHONE) == ["INVITE", *["ACK"] * len(answers), "200 BYE"]


@whole_call()
async def test_a_hangup_before_the_ack_waits_for_it(stage: SipStage) -> None:
    stage.phone.dial()
    stage.wire.loses = lambda sent: sent.what == "ACK" and sent.at < 1
    await trio.sleep(0.3)
    stage.call.hangup(Cause(Reason.NORMAL, Party.NODE))
    await stage.idle()
    ended(stage.trace, "completed", Reason.NORMAL, Party.NODE)
    assert stage.wire.said(NODE) == ["180 INVITE", "200 INVITE", "200 INVITE", "200 INVITE", "BYE"]


@whole_call()
async def test_the_callers_audio_stops(stage: SipStage) -> None:
    stage.phone.dial()
    await trio.sleep(0.3)
    stopped = trio.current_time()
    stage.wire.loses_rtp = lambda host: host == PHONE
    await stage.idle()
    bye = stage.wire.last(NODE, "BYE")
    assert bye.at == pytest.approx(stopped + 5, abs=0.03)
    assert cause_of(reasons_of(bye.message), Q850) == 27
    ended(stage.trace, "completed", Reason.MEDIA_TIMEOUT, Party.NODE)
    assert ended(stage.phone.trace, "completed", Reason.NORMAL, Party.CALLEE, QUIET_PHONE).q850 == 27


@whole_call()
async def test_a_cancel_crosses_the_answer(stage: SipStage) -> None:
    call = stage.phone.dial()
    stage.wire.loses = lambda sent: sent.what == "200 INVITE" and sent.at < 0.5
    await trio.sleep(0.515)  # the answer was repeated at 0.510 and comes at 0.520
    call.hangup(Cause(Reason.CANCELLED, Party.CALLER))
    await stage.idle()
    ended(stage.phone.trace, "no_answer", Reason.CANCELLED, Party.CALLER, UNANSWERED)
    ended(stage.trace, "completed", Reason.NORMAL, Party.CALLER)
    assert stage.wire.said(PHONE) == ["INVITE", "CANCEL", "ACK", "BYE"]
    assert stage.wire.said(NODE)[-2:] == ["200 CANCEL", "200 BYE"]


@whole_call()
async def test_a_cancel_comes_after_an_answer_that_was_lost(stage: SipStage) -> None:
    call = stage.phone.dial()
    stage.wire.loses = lambda sent: sent.what == "200 INVITE" and sent.at < 0.5
    await trio.sleep(0.2)
    call.hangup(Cause(Reason.CANCELLED, Party.CALLER))
    await stage.idle()
    ended(stage.phone.trace, "no_answer", Reason.CANCELLED, Party.CALLER, UNANSWERED)
    ended(stage.trace, "completed", Reason.NORMAL, Party.CALLER)
    assert stage.wire.said(PHONE) == ["INVITE", "CANCEL", "ACK", "BYE"]
    assert stage.wire.said(NODE)[-3:] == ["200 CANCEL", "200 INVITE", "200 BYE"]
