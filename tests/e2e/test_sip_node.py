"""The node as a whole: how it goes, with calls on it, and what a bad network does to many calls."""

from __future__ import annotations

import random
import signal

import pytest
import trio

from actors.call import CALL_BUDGET_S, CallStatus, Cause, Party, Reason
from actors.testing import FakeError, Mode, Story, cancel_everywhere
from clutch.agents.caller import Caller
from clutch.cli.run import _drain
from clutch.net.twin_plane import TwinPlane
from clutch.node.config import NodeConfig
from clutch.wire.sip.reason import Q850, cause_of, reasons_of
from tests.e2e.sip_stage import (
    FROM_ABOVE,
    NODE,
    QUIET_PHONE,
    UNANSWERED,
    SipStage,
    ended,
    on_network,
    whole_call,
)


@whole_call(node=NodeConfig(drain_s=2))
async def test_a_drain_lets_calls_end_until_its_deadline(stage: SipStage) -> None:
    phone, asked = stage.phone, trio.current_time() + 0.3
    leaves = phone.dial()
    await trio.sleep(0.1)
    phone.dial()
    await trio.sleep_until(asked)
    early, late = (call.sid for call in stage.node.calls.all())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.node.drain)
        await trio.sleep(0.5)
        await phone.dial().wait()
        leaves.hangup(Cause(Reason.NORMAL, Party.CALLER))
    assert trio.current_time() == pytest.approx(asked + 2)
    await stage.close_node()
    assert trio.current_time() < asked + 2 + CALL_BUDGET_S
    await phone.calls.idle()
    refused = ended(phone.trace, "failed", Reason.UNREACHABLE, Party.CALLEE, UNANSWERED, sid="out2")
    assert refused.sip == 503
    ended(stage.trace, "completed", Reason.NORMAL, Party.CALLER, sid=early)
    ended(stage.trace, "completed", Reason.DRAIN, Party.NODE, FROM_ABOVE, sid=late)
    bye = stage.wire.last(NODE, "BYE")
    assert bye.at == pytest.approx(asked + 2, abs=0.01), "nobody makes the BYE wait"
    assert cause_of(reasons_of(bye.message), Q850) == 41
    ended(phone.trace, "completed", Reason.NORMAL, Party.CALLEE, QUIET_PHONE, sid="out1")


@whole_call(node=NodeConfig(drain_s=2))
async def test_a_drain_ends_with_the_last_call(stage: SipStage) -> None:
    stage.phone.dial(agent=lambda: Caller(duration_s=1))
    await trio.sleep(0.3)
    await stage.node.drain()
    assert trio.current_time() < 1.5
    await stage.close_node()
    ended(stage.trace, "completed", Reason.NORMAL, Party.CALLER)


@whole_call(node=NodeConfig(drain_s=1000))
async def test_a_second_signal_shortens_a_drain_and_keeps_its_order(stage: SipStage) -> None:
    stage.phone.dial()
    await trio.sleep(0.3)
    send, signals = trio.open_memory_channel[int](1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_drain, stage.node, signals)
        await trio.sleep(1)
        send.send_nowait(signal.SIGTERM)
    await stage.close_node()
    assert trio.current_time() < 1.3 + CALL_BUDGET_S
    await stage.phone.calls.idle()
    ended(stage.trace, "completed", Reason.DRAIN, Party.NODE, FROM_ABOVE)
    ended(stage.phone.trace, "completed", Reason.NORMAL, Party.CALLEE, QUIET_PHONE)


@whole_call()
async def test_a_node_that_goes_without_a_drain_refuses_new_calls(stage: SipStage) -> None:
    stage.phone.dial()
    await trio.sleep(0.3)
    stage.wire.network.latency_s = 0.5
    stage.phone.dial()
    await trio.sleep(0.2)
    await stage.close_node()
    await stage.phone.calls.idle()
    refusal = stage.wire.last(NODE, "503 INVITE").message
    assert refusal.headers.get("Retry-After") == "30"
    assert (
        ended(stage.phone.trace, "failed", Reason.UNREACHABLE, Party.CALLEE, UNANSWERED, sid="out1").sip
        == 503
    )
    ended(stage.trace, "completed", Reason.DRAIN, Party.NODE, FROM_ABOVE)


@whole_call()
async def test_the_media_plane_crashes_and_the_next_call_is_well(stage: SipStage) -> None:
    async def crash() -> None:
        raise FakeError("the media plane")

    stage.phone.dial()
    await trio.sleep(0.3)
    sid, plane = stage.call.sid, stage.node.plane
    assert isinstance(plane, TwinPlane)
    assert plane._nursery is not None
    plane._nursery.start_soon(crash)
    await stage.idle()
    status, cause = stage.trace.final(sid)
    assert (status, cause.reason, cause.by) == ("failed", Reason.MEDIA_UNAVAILABLE, Party.NODE)
    assert cause_of(reasons_of(stage.wire.last(NODE, "BYE").message), Q850) == 47
    assert await stage.phone.dial("play").wait() is CallStatus.COMPLETED


@whole_call()
async def test_fifty_calls_lose_every_fifth_message(stage: SipStage) -> None:
    chance = random.Random(5)
    stage.wire.loses = lambda _sent: chance.random() < 0.2
    calls = [stage.phone.dial(agent=lambda: Caller(duration_s=0.1)) for _ in range(50)]
    for call in calls:
        assert await call.wait() is CallStatus.COMPLETED
    await stage.idle()
    assert [event.status for event in stage.trace.finals] == [CallStatus.COMPLETED] * 50
    assert len(stage.trace.opened) == 50


@pytest.mark.parametrize("mode", ["cancel", "raise"])
def test_the_node_is_struck_everywhere(mode: Mode) -> None:
    async def play(stage: SipStage) -> None:
        await stage.phone.dial(agent=lambda: Caller(duration_s=0.1), ring_timeout_s=2).wait()

    report = cancel_everywhere(Story("answered", play, setting=on_network()), mode)
    print(report)
    assert not report.leftovers, str(report)
    assert report.checkpoints > 60
