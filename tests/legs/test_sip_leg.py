"""The SIP leg on the Python media plane: descriptions, hold, ends; against a script and against itself."""

from __future__ import annotations

import attrs
import pytest
import trio
from trio.testing import MockClock

from actors.call import Cause, LegEnded, Party, Reason
from clutch.legs.sip import SipLeg
from clutch.wire.sdp import Direction, Session
from clutch.wire.sip.message import Request
from clutch.wire.sip.reason import Q850, cause_of, reasons_of
from tests.legs.stage import Bench, never, sdp
from tests.net.sip_world import ALICE, BOB

# --- Answering.


async def test_an_offer_is_answered_with_one_codec_and_the_stream_follows(
    autojump_clock: MockClock, bench: Bench
) -> None:
    leg = await bench.ring_in(sdp())
    await leg.connect(never)
    response = await bench.final()
    media = Session.parse(response.body).media[0]
    assert media.formats == ("0", "101")
    assert (leg.codec, media.port) == ("pcmu", 10_000)
    (params,) = bench.connects
    assert (params.remote, params.telephone_event, params.send) == ((BOB, 4000), 101, True)


@pytest.mark.parametrize(("wanted", "formats"), [(True, ("0", "13", "101")), (False, ("0", "101"))])
async def test_comfort_noise_is_agreed_on_if_the_terms_say_so(
    autojump_clock: MockClock, bench: Bench, wanted: bool, formats: tuple[str, ...]
) -> None:
    bench.terms = attrs.evolve(bench.terms, comfort_noise=wanted)
    leg = await bench.ring_in(sdp(formats="0 13 101"))
    await leg.connect(never)
    assert Session.parse((await bench.final()).body).media[0].formats == formats
    (params,) = bench.connects
    assert (params.dtx, params.comfort_noise) == (wanted, 13)


async def test_without_an_offer_ours_goes_out_and_the_ack_brings_the_answer(
    autojump_clock: MockClock, bench: Bench, nursery: trio.Nursery
) -> None:
    leg = await bench.ring_in()
    nursery.start_soon(leg.connect, never)
    response = await bench.final()
    assert Session.parse(response.body).media[0].formats[:2] == ("0", "8")
    assert bench.connects == []
    bench.peer.ask("ACK", sdp(formats="8"), tag=response.to.tag)
    await trio.sleep(0.1)
    assert leg.codec == "pcma"


@pytest.mark.parametrize("body", [b"", sdp(formats="3"), b"v=1\r\n"])
async def test_a_bad_answer_in_the_ack_ends_the_call(
    autojump_clock: MockClock, bench: Bench, nursery: trio.Nursery, body: bytes
) -> None:
    leg = await bench.ring_in()

    async def connect() -> None:
        with pytest.raises(LegEnded) as end:
            await leg.connect(never)
        assert end.value.cause.reason is Reason.NOT_ACCEPTABLE
        await leg.goodbye(end.value.cause)

    nursery.start_soon(connect)
    bench.peer.ask("ACK", body, tag=(await bench.final()).to.tag)
    bye = await bench.peer.request()
    assert (bye.method, cause_of(reasons_of(bye), Q850)) == ("BYE", 88)


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (sdp(formats="3 4"), 488, Reason.NOT_ACCEPTABLE),
        (sdp().replace(b"audio 4000", b"audio 0"), 488, Reason.NOT_ACCEPTABLE),
        (sdp().replace(b"RTP/AVP", b"RTP/SAVP"), 488, Reason.NOT_ACCEPTABLE),
        (b"nonsense", 400, Reason.NOT_ACCEPTABLE),
    ],
)
async def test_an_offer_that_we_cannot_use_is_refused(
    autojump_clock: MockClock, bench: Bench, body: bytes, status: int, reason: Reason
) -> None:
    leg = await bench.ring_in(body)
    with pytest.raises(LegEnded) as end:
        await leg.connect(never)
    assert (end.value.cause.reason, end.value.cause.by) == (reason, Party.NODE)
    response = await bench.final()
    assert response.status == status
    assert (response.headers.get("Warning") is not None) == (status == 488)


async def test_hold_and_resume(autojump_clock: MockClock, bench: Bench, nursery: trio.Nursery) -> None:
    leg, tag = await bench.answered(sdp())
    nursery.start_soon(leg.ended)
    steps = [
        ("sendonly", Direction.RECVONLY, (False, True)),
        ("inactive", Direction.INACTIVE, (False, False)),
        ("recvonly", Direction.SENDONLY, (True, False)),
        ("sendrecv", Direction.SENDRECV, (True, True)),
    ]
    for number, (theirs, ours, flows) in enumerate(steps, 2):
        bench.peer.ask("INVITE", sdp(theirs), cseq=number, tag=tag)
        session = Session.parse((await bench.final()).body)
        bench.peer.ask("ACK", cseq=number, tag=tag)
        assert session.direction(session.media[0]) is ours
        assert (bench.connects[-1].send, bench.connects[-1].receive) == flows


async def test_hold_of_the_old_kind_keeps_the_address(
    autojump_clock: MockClock, bench: Bench, nursery: trio.Nursery
) -> None:
    leg, tag = await bench.answered(sdp())
    nursery.start_soon(leg.ended)
    bench.peer.ask("UPDATE", sdp(host="0.0.0.0"), cseq=2, tag=tag)
    await bench.final()
    assert (bench.connects[-1].remote, bench.connects[-1].send) == ((BOB, 4000), False)


async def test_a_change_that_we_cannot_make_is_refused_and_the_call_stays(
    autojump_clock: MockClock, bench: Bench, nursery: trio.Nursery
) -> None:
    leg, tag = await bench.answered(sdp())
    nursery.start_soon(leg.ended)
    for number, (body, status) in enumerate([(sdp(formats="3"), 488), (b"nonsense", 400)], 2):
        bench.peer.ask("INVITE", body, cseq=number, tag=tag)
        assert (await bench.final()).status == status
        bench.peer.ask("ACK", cseq=number, tag=tag)
    assert len(bench.connects) == 1
    bench.peer.ask("INVITE", cseq=9, tag=tag)  # our turn to offer
    assert (await bench.final()).status == 200
    bench.peer.ask("ACK", sdp(formats="8"), cseq=9, tag=tag)
    await trio.sleep(0.1)
    assert leg.codec == "pcma"


async def test_a_bad_answer_to_our_offer_in_mid_call_ends_it(
    autojump_clock: MockClock, bench: Bench, nursery: trio.Nursery
) -> None:
    leg, tag = await bench.answered(sdp())
    ends: list[Cause] = []

    async def watch() -> None:
        ends.append(await leg.ended())

    nursery.start_soon(watch)
    bench.peer.ask("INVITE", cseq=2, tag=tag)
    await bench.final()
    bench.peer.ask("ACK", sdp(formats="3"), cseq=2, tag=tag)
    await trio.sleep(0.1)
    assert [cause.reason for cause in ends] == [Reason.NOT_ACCEPTABLE]


# --- Ends.


async def test_the_peers_bye_says_why(autojump_clock: MockClock, bench: Bench) -> None:
    leg, tag = await bench.answered(sdp())
    bench.peer.ask("BYE", cseq=2, tag=tag, headers=[("Reason", 'Q.850;cause=31;text="Enough"')])
    assert await leg.ended() == Cause(Reason.NORMAL, Party.CALLER, 200, 31, "Enough")
    await leg.goodbye(Cause(Reason.NORMAL, Party.NODE))


async def test_our_goodbye_says_why_and_waits_for_the_answer(
    autojump_clock: MockClock, bench: Bench, nursery: trio.Nursery
) -> None:
    leg, _ = await bench.answered(sdp())
    nursery.start_soon(leg.goodbye, Cause(Reason.MAX_DURATION, Party.NODE))
    bye = await bench.peer.request()
    assert (bye.method, cause_of(reasons_of(bye), Q850)) == ("BYE", 102)
    bench.peer.answer(bye, 200)
    await leg.goodbye(Cause(Reason.NORMAL, Party.NODE))
    assert await leg.ended() == Cause(Reason.NORMAL, Party.NODE)
    leg.close()
    leg.close()


async def test_a_goodbye_before_the_answer_is_a_refusal(autojump_clock: MockClock, bench: Bench) -> None:
    leg = await bench.ring_in(sdp())
    await leg.goodbye(Cause(Reason.BUSY, Party.NODE))
    response = await bench.final()
    assert (response.status, cause_of(reasons_of(response), Q850)) == (486, 17)


async def test_closing_without_a_goodbye_hangs_up_all_the_same(
    autojump_clock: MockClock, bench: Bench
) -> None:
    (await bench.ring_in(sdp())).close()
    assert (await bench.final()).status == 503
    bench.dial().close()
    assert bench.peer.alice.endpoint.sessions == 0


async def test_a_call_that_was_cancelled_before_we_answered(autojump_clock: MockClock, bench: Bench) -> None:
    leg = await bench.ring_in(sdp())
    bench.peer.ask("CANCEL")
    await trio.sleep(0.1)
    with pytest.raises(LegEnded) as end:
        await leg.connect(never)
    assert end.value.cause == Cause(Reason.CANCELLED, Party.CALLER)


async def test_an_answer_that_is_never_acknowledged(autojump_clock: MockClock, bench: Bench) -> None:
    leg = await bench.ring_in(sdp())
    await leg.connect(never)
    assert (await leg.ended()).reason is Reason.NO_ACK


# --- Calling.


async def invite(bench: Bench) -> Request:
    request = await bench.peer.request()
    assert request.method == "INVITE"
    return request


async def test_a_call_that_rings_and_is_answered(
    autojump_clock: MockClock, bench: Bench, nursery: trio.Nursery
) -> None:
    leg, rung = bench.dial(), trio.Event()
    nursery.start_soon(leg.connect, rung.set)
    request = await invite(bench)
    assert Session.parse(request.body).media[0].formats[:2] == ("0", "8")
    bench.peer.answer(request, 180)
    await rung.wait()
    bench.peer.answer(request, 200, body=sdp(formats="8"))
    assert (await bench.peer.request()).method == "ACK"
    assert leg.codec == "pcma"


@pytest.mark.parametrize(("status", "reason"), [(486, Reason.BUSY), (404, Reason.NOT_FOUND)])
async def test_a_call_that_is_refused(
    autojump_clock: MockClock, bench: Bench, nursery: trio.Nursery, status: int, reason: Reason
) -> None:
    async def refuse() -> None:
        bench.peer.answer(await invite(bench), status)

    nursery.start_soon(refuse)
    leg = bench.dial()
    with pytest.raises(LegEnded) as end:
        await leg.connect(lambda: None)
    cause = end.value.cause
    assert (cause.reason, cause.by, cause.sip) == (reason, Party.CALLEE, status)
    await leg.goodbye(cause)


async def test_nobody_is_there(autojump_clock: MockClock, bench: Bench) -> None:
    leg = bench.dial()
    with pytest.raises(LegEnded) as end:
        await leg.connect(lambda: None)
    assert (end.value.cause.reason, end.value.cause.sip) == (Reason.UNREACHABLE, 408)


async def test_a_bad_answer_is_hung_up(
    autojump_clock: MockClock, bench: Bench, nursery: trio.Nursery
) -> None:
    async def answer() -> None:
        bench.peer.answer(await invite(bench), 200, body=sdp(formats="3"))

    nursery.start_soon(answer)
    leg = bench.dial()
    with pytest.raises(LegEnded) as end:
        await leg.connect(lambda: None)
    assert end.value.cause.reason is Reason.NOT_ACCEPTABLE
    leg.close()
    assert [(await bench.peer.request()).method for _ in range(2)] == ["ACK", "BYE"]


async def test_giving_up_a_call_that_rings_cancels_it(
    autojump_clock: MockClock, bench: Bench, nursery: trio.Nursery
) -> None:
    leg = bench.dial()
    with trio.move_on_after(5):
        async with trio.open_nursery() as ringing:
            ringing.start_soon(leg.connect, lambda: None)
            request = await invite(bench)
            bench.peer.answer(request, 180)
    nursery.start_soon(leg.goodbye, Cause(Reason.NO_ANSWER, Party.NODE))
    assert (await bench.peer.request()).method == "CANCEL"


# --- Both ends.


async def test_two_legs_hear_each_other(
    autojump_clock: MockClock, bench: Bench, nursery: trio.Nursery
) -> None:
    callee_leg: list[SipLeg] = []

    async def answer() -> None:
        session = await bench.peer.alice.next_call()
        leg = SipLeg.inbound(session, streams[1], bench.terms)
        callee_leg.append(leg)
        await leg.connect(never)

    streams = [bench.plane.open("one"), bench.plane.open("two")]
    nursery.start_soon(answer)
    uri = f"sip:alice@{ALICE}"  # an endpoint can call itself
    caller = SipLeg.outbound(lambda offer: bench.peer.place(offer, uri), streams[0], bench.terms)
    await caller.connect(lambda: None)
    taps = [stream.tap() for stream in streams]
    for stream in streams:
        assert stream.send(b"\x00\x10" * 800) == 1600
    await trio.sleep(0.3)
    for tap in taps:
        heard = b"".join(frame.uplink for frame in (await tap.receive()).items)
        assert sum(sample != 0 for sample in memoryview(heard).cast("h")) >= 800
        tap.close()
    nursery.start_soon(caller.goodbye, Cause(Reason.NORMAL, Party.NODE))
    assert (await callee_leg[0].ended()).reason is Reason.NORMAL
    for stream in streams:
        stream.close()
