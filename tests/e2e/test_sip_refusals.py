"""Calls that are never answered: whom the node refuses, and what the outbound leg makes of a refusal."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import trio

from actors.call import CallStatus, Cause, Party, Reason
from clutch.net.sip import Bind, SipEndpoint, SipSession
from clutch.node.config import LimitsConfig, RtpConfig
from clutch.wire.sip.matching import ack_for
from tests.e2e.scripted import ECHO, open_script, sdp
from tests.e2e.sip_stage import NODE, PEER, PHONE, UNANSWERED, SipStage, ended, whole_call


@asynccontextmanager
async def callee(stage: SipStage, on_invite: Callable[[SipSession], None]) -> AsyncIterator[None]:
    """An endpoint at `PEER`, without anybody behind it; in the end it must have forgotten everything."""
    endpoint = SipEndpoint(stage.wire.network.host(PEER), [Bind("UDP", PEER, 5060)], on_invite)
    async with trio.open_nursery() as nursery:
        await nursery.start(endpoint.run)
        yield
        await stage.wire.quiet()
        assert (endpoint.sessions, endpoint.transactions) == (0, 0)
        nursery.cancel_scope.cancel()


# --- The outbound leg.


@whole_call()
async def test_the_caller_gives_up_while_it_rings(stage: SipStage) -> None:
    async with callee(stage, SipSession.ring):
        call = stage.phone.dial("bob", PEER)
        await trio.sleep(1)
        call.hangup(Cause(Reason.CANCELLED, Party.CALLER))
        await call.wait()
    ended(stage.phone.trace, "no_answer", Reason.CANCELLED, Party.CALLER, UNANSWERED)
    assert stage.wire.said(PHONE) == ["INVITE", "CANCEL", "ACK"]
    assert stage.wire.said(PEER) == ["180 INVITE", "200 CANCEL", "487 INVITE"]


@whole_call()
async def test_nobody_answers_in_time(stage: SipStage) -> None:
    async with callee(stage, SipSession.ring):
        call = stage.phone.dial("bob", PEER, ring_timeout_s=5)
        assert await call.wait() is CallStatus.NO_ANSWER
        assert call.ended_at == pytest.approx(call.started_at + 5, abs=0.1)
    ended(stage.phone.trace, "no_answer", Reason.NO_ANSWER, Party.NODE, UNANSWERED)
    assert stage.phone.trace.lines[:2] == ["out0 dialing", "out0 ringing"]
    assert stage.wire.said(PHONE) == ["INVITE", "CANCEL", "ACK"]
    assert stage.wire.said(PEER) == ["180 INVITE", "200 CANCEL", "487 INVITE"]


@whole_call()
async def test_nobody_is_there(stage: SipStage) -> None:
    call = stage.phone.dial("bob", PEER, ring_timeout_s=math.inf)
    await call.wait()
    cause = ended(stage.phone.trace, "failed", Reason.UNREACHABLE, Party.CALLEE, UNANSWERED)
    assert cause.sip == 408
    assert call.ended_at == pytest.approx(call.started_at + 32)


@pytest.mark.parametrize(
    ("status", "reason"), [(486, Reason.BUSY), (404, Reason.NOT_FOUND), (503, Reason.UNREACHABLE)]
)
def test_the_callee_refuses(status: int, reason: Reason) -> None:
    async def play(stage: SipStage) -> None:
        async with callee(stage, lambda session: session.reject(status)):
            await stage.phone.dial("bob", PEER).wait()
        cause = ended(stage.phone.trace, "failed", reason, Party.CALLEE, UNANSWERED)
        assert cause.sip == status
        assert stage.wire.said(PHONE) == ["INVITE", "ACK"]

    whole_call()(play)()


# --- The node.


@whole_call()
async def test_an_unknown_extension(stage: SipStage) -> None:
    await stage.phone.dial("nobody").wait()
    assert ended(stage.phone.trace, "failed", Reason.NOT_FOUND, Party.CALLEE, UNANSWERED).sip == 404
    assert not stage.trace.opened


@whole_call(limits=LimitsConfig(max_calls=1))
async def test_more_calls_than_the_node_takes(stage: SipStage) -> None:
    await _one_call_too_many(stage)


@whole_call(rtp=RtpConfig(10_000, 10_001))
async def test_more_calls_than_there_are_media_ports(stage: SipStage) -> None:
    await _one_call_too_many(stage)


async def _one_call_too_many(stage: SipStage) -> None:
    first = stage.phone.dial()
    await trio.sleep(0.2)
    await stage.phone.dial().wait()
    refused = ended(stage.phone.trace, "failed", Reason.UNREACHABLE, Party.CALLEE, UNANSWERED, sid="out1")
    assert refused.sip == 503
    assert stage.wire.last(NODE, "503 INVITE").message.headers.get("Retry-After") == "30"
    first.hangup(Cause(Reason.NORMAL, Party.CALLER))
    await stage.idle()
    ended(stage.trace, "completed", Reason.NORMAL, Party.CALLER)
    await trio.sleep(RtpConfig().quarantine_s)
    third = stage.phone.dial("play")
    assert await third.wait() is CallStatus.COMPLETED, "there is room again"


@pytest.mark.parametrize(
    ("body", "status", "warning"),
    [
        (b"nonsense", 400, None),
        (sdp(formats="3 4"), 488, '305 clutch "no codec in common: nothing known offered"'),
        (sdp(0), 488, '304 clutch "no audio stream was offered"'),
    ],
)
def test_an_offer_that_the_node_cannot_take(body: bytes, status: int, warning: str | None) -> None:
    async def play(stage: SipStage) -> None:
        async with open_script(stage) as script:
            final = await script.invite(body)
            assert (final.status, final.headers.get("Warning")) == (status, warning)
            await stage.wire.quiet()
        assert stage.wire.said(NODE) == [f"{status} INVITE"], "nothing rings before the offer is judged"
        assert ended(stage.trace, "failed", Reason.NOT_ACCEPTABLE, Party.NODE, UNANSWERED).sip == status

    whole_call()(play)()


@whole_call()
async def test_a_body_that_is_no_description(stage: SipStage) -> None:
    async with open_script(stage) as script:
        invite = script.peer.ask("INVITE", b"hello", kind="text/plain", uri=ECHO)
        final = await script.peer.response()
        assert (final.status, final.headers.get("Accept")) == (415, "application/sdp")
        script.peer.send(ack_for(invite, final))
        await stage.wire.quiet()
    assert not stage.trace.opened
    assert stage.wire.said(NODE) == ["415 INVITE"]


@whole_call()
async def test_a_cancel_that_comes_with_the_invite(stage: SipStage) -> None:
    async with open_script(stage) as script:
        invite = script.peer.ask("INVITE", sdp(), uri=ECHO)
        script.peer.ask("CANCEL", uri=ECHO)
        while (final := await script.peer.response()).cseq.method != "INVITE":
            pass
        script.peer.send(ack_for(invite, final))
        await stage.wire.quiet()
    assert stage.wire.said(NODE) == ["200 CANCEL", "487 INVITE"]
    ended(stage.trace, "no_answer", Reason.CANCELLED, Party.CALLER, UNANSWERED)
