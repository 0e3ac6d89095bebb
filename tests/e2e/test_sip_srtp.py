"""Whole calls under SRTP: what is on the wire, who is refused, and that no key is told."""

from __future__ import annotations

import structlog
import trio

from actors.call import Party, Reason
from clutch.agents.caller import Caller
from clutch.legs.sip import SipLeg, Terms
from clutch.node.config import RtpConfig
from clutch.wire.sdp import Session
from clutch.wire.sip.message import Response
from tests.e2e.sip_stage import NODE, PHONE, UNANSWERED, SipStage, ended, whole_call

MUST = Terms(("pcmu",), must_encrypt=True)
PLAIN = Terms(("pcmu",), suites=())
SILENCE = b"\xff" * 160
"""In mu-law; what nobody says anything into."""


@whole_call(3)
async def test_what_is_said_is_not_on_the_wire(stage: SipStage) -> None:
    seen: list[bytes] = []
    stage.wire.taps_rtp = seen.append
    call = stage.phone.dial(agent=lambda: Caller(duration_s=6), terms=MUST)
    await trio.sleep(7)
    stats = call.spec.stream.stats()
    await stage.idle()
    assert stats.packets_received > 250
    assert stats.reports_received >= 1
    assert (stats.srtp_forged, stats.srtp_replayed) == (0, 0)
    assert len(seen) > 500
    assert not any(SILENCE in data or b"/audio" in data for data in seen)
    assert len(set(seen)) == len(seen)


@whole_call(3)
async def test_no_key_is_told(stage: SipStage) -> None:
    with structlog.testing.capture_logs() as logs:
        call = stage.phone.dial(agent=lambda: Caller(duration_s=1), terms=MUST)
        await stage.idle()
    leg = call.spec.leg
    assert isinstance(leg, SipLeg)
    told = repr([logs, stage.wire.sent, stage.trace.lines, leg, call, call.spec])
    for host, what in ((PHONE, "INVITE"), (NODE, "200 INVITE")):
        body = stage.wire.last(host, what).message.body
        for crypto in Session.parse(body).media[0].cryptos:
            assert crypto.material is not None
            assert crypto.key_params.removeprefix("inline:") not in told
            assert repr(crypto.material)[2:-1] not in told
    assert [entry["srtp"] for entry in logs if entry["event"] == "call.ended"] == ["AEAD_AES_128_GCM"]


@whole_call(3, rtp=RtpConfig(srtp="required"))
async def test_a_node_that_must_encrypt_refuses_plain_calls(stage: SipStage) -> None:
    call = stage.phone.dial(terms=PLAIN)
    await stage.idle()
    assert (call.why().reason, call.why().sip) == (Reason.NOT_ACCEPTABLE, 488)
    refusal = stage.wire.last(NODE, "488 INVITE").message
    assert isinstance(refusal, Response)
    assert "SRTP" in (refusal.headers.get("Warning") or "")
    ended(stage.trace, "failed", Reason.NOT_ACCEPTABLE, Party.NODE, UNANSWERED)


@whole_call(3, rtp=RtpConfig(srtp="off"))
async def test_a_node_that_does_not_encrypt(stage: SipStage) -> None:
    refused = stage.phone.dial(terms=MUST)
    await stage.idle()
    assert refused.why().reason is Reason.NOT_ACCEPTABLE
    call = stage.phone.dial(agent=lambda: Caller(duration_s=1), terms=Terms(("pcmu",)))
    await stage.idle()
    leg = call.spec.leg
    assert isinstance(leg, SipLeg)
    assert (call.status.value, leg.suite) == ("completed", None)
