"""Whole calls between two endpoints, on a virtual clock."""

from __future__ import annotations

import gc
from functools import partial

import pytest
import trio
from trio.testing import MockClock

from clutch.net.sip import (
    Acked,
    Answered,
    Bye,
    Cancelled,
    Failed,
    Failure,
    Rejected,
    Ringing,
    SessionState,
    SipSession,
)
from clutch.wire.sip.errors import LocalProtocolError
from clutch.wire.sip.fields import NameAddr
from clutch.wire.sip.reason import Q850, SIP, ReasonValue
from clutch.wire.sip.uri import Uri
from tests.net.sip_world import ANSWER, OFFER, World, soon

REASONS = (ReasonValue(SIP, 200), ReasonValue(Q850, 16, "Normal call clearing"))


async def test_a_call_from_ringing_to_the_callers_bye(autojump_clock: MockClock, world: World) -> None:
    caller = world.call()
    callee = await world.bob.next_call()
    assert callee.invite.body == OFFER
    assert callee.invite.from_.display == "Alice"
    assert callee.flow is not None
    assert callee.flow.remote == ("192.0.2.1", 5060)
    callee.ring()
    assert await soon(caller) == Ringing(180, b"")
    callee.ring(183, b"early")
    assert await soon(caller) == Ringing(183, b"early")
    callee.answer(ANSWER)
    assert await soon(caller) == Answered(ANSWER)
    assert await soon(callee) == Acked(b"")
    caller.bye(REASONS)
    assert await soon(callee) == Bye(REASONS)
    await caller.wait_terminated()
    with pytest.raises(trio.EndOfChannel):
        await caller.next_event()
    with pytest.raises(trio.EndOfChannel):
        await callee.next_event()
    assert [what for _, _, what in world.log] == ["INVITE", "100", "180", "183", "200", "ACK", "BYE", "200"]
    await world.assert_nothing_left()


async def test_the_callees_bye_goes_to_the_callers_contact(autojump_clock: MockClock, world: World) -> None:
    caller, callee = await world.connected()
    callee.bye(REASONS)
    assert await soon(caller) == Bye(REASONS)
    await callee.wait_terminated()
    assert callee.over
    assert caller.over
    await world.assert_nothing_left()


async def test_a_rejection_carries_status_reason_and_q850(autojump_clock: MockClock, world: World) -> None:
    caller = world.call()
    callee = await world.bob.next_call()
    callee.reject(486, "Busy at Work", [("Reason", str(ReasonValue(Q850, 17)))])
    assert await soon(caller) == Rejected(486, "Busy at Work", 17)
    assert callee.over
    await world.assert_nothing_left()
    assert world.count("alice", "ACK") == 1


async def test_cancelled_while_ringing(autojump_clock: MockClock, world: World) -> None:
    caller = world.call()
    callee = await world.bob.next_call()
    callee.ring()
    await soon(caller)
    caller.cancel()
    caller.cancel()
    assert await soon(callee) == Cancelled()
    await caller.wait_terminated()
    callee.answer(ANSWER)  # too late, and no mistake
    callee.reject(486)
    callee.bye()
    assert [what for _, _, what in world.log] == ["INVITE", "100", "180", "CANCEL", "200", "487", "ACK"]
    await world.assert_nothing_left()


async def test_cancel_waits_for_a_provisional_response(autojump_clock: MockClock, world: World) -> None:
    world.lost = lambda sender, what: sender == "bob" and trio.current_time() < 1
    caller = world.call()
    callee = await world.bob.next_call()
    caller.cancel()
    assert caller.state is SessionState.CANCELLING
    assert await soon(callee) == Cancelled()
    # The INVITE was repeated at 0.5 and 1.5 s; only the answer to the last came through.
    assert world.times("alice", "CANCEL") == [1.52]
    await caller.wait_terminated()
    await world.assert_nothing_left()


async def test_cancel_that_crosses_the_answer_ends_in_a_bye(autojump_clock: MockClock, world: World) -> None:
    caller = world.call()
    callee = await world.bob.next_call()
    callee.ring()
    await soon(caller)
    caller.cancel()
    callee.answer(ANSWER)
    assert await soon(callee) == Acked(b"")
    assert isinstance(await soon(callee), Bye)
    await caller.wait_terminated()
    with pytest.raises(trio.EndOfChannel):
        await caller.next_event()
    await world.assert_nothing_left()


async def test_cancel_without_any_answer_is_given_up(autojump_clock: MockClock, world: World) -> None:
    world.lost = lambda sender, what: what in {"487", "200"}
    caller = world.call()
    callee = await world.bob.next_call()
    callee.ring()
    await soon(caller)
    caller.cancel()
    await caller.wait_terminated()
    assert 32 <= trio.current_time() < 33
    await world.assert_nothing_left()


async def test_two_byes_that_cross(autojump_clock: MockClock, world: World) -> None:
    caller, callee = await world.connected()
    caller.bye()
    callee.bye()
    await caller.wait_terminated()
    await callee.wait_terminated()
    assert (world.count("alice", "BYE"), world.count("bob", "BYE")) == (1, 1)
    assert (world.count("alice", "200"), world.count("bob", "200")) == (1, 2)
    await world.assert_nothing_left()


async def test_a_bye_is_repeated_for_32_seconds_when_its_call_is_long_gone(
    autojump_clock: MockClock, world: World
) -> None:
    caller, _ = await world.connected()
    start = trio.current_time()
    world.lost = lambda sender, what: True
    with trio.move_on_after(2):
        caller.bye()
        await caller.wait_terminated()
    assert not caller.over
    await caller.wait_terminated()
    byes = [time - start for time in world.times("alice", "BYE")]
    assert byes == pytest.approx([0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5])
    assert trio.current_time() - start == pytest.approx(32)


async def test_a_caller_that_vanishes_without_ack_is_sent_a_bye(
    autojump_clock: MockClock, world: World
) -> None:
    world.lost = lambda sender, what: sender == "alice" and what == "ACK"
    caller = world.call()
    callee = await world.bob.next_call()
    callee.answer(ANSWER)
    assert await soon(callee) == Failed(Failure.NO_ACK)
    assert trio.current_time() == pytest.approx(32.01)
    await soon(caller)
    assert isinstance(await soon(caller), Bye)
    await callee.wait_terminated()
    assert world.count("bob", "200") == 11
    assert world.count("alice", "ACK") == 11
    await world.assert_nothing_left()


async def test_the_callee_hangs_up_only_after_the_ack(autojump_clock: MockClock, world: World) -> None:
    world.lost = lambda sender, what: what == "ACK" and trio.current_time() < 3
    caller = world.call()
    callee = await world.bob.next_call()
    callee.answer(ANSWER)
    callee.bye(REASONS)
    assert callee.state is SessionState.LEAVING
    await soon(caller)
    assert await soon(caller) == Bye(REASONS)
    assert [what for _, sender, what in world.log if sender == "bob"] == [
        "100",
        "200",
        "200",
        "200",
        "200",
        "BYE",
    ]
    await callee.wait_terminated()
    await world.assert_nothing_left()


async def test_nobody_answers(autojump_clock: MockClock, world: World) -> None:
    world.lost = lambda sender, what: sender == "bob"
    caller = world.call()
    assert await soon(caller) == Failed(Failure.TIMEOUT)
    assert trio.current_time() == pytest.approx(32)
    assert world.count("alice", "INVITE") == 7
    callee = await world.bob.next_call()
    callee.reject(480)
    await world.assert_nothing_left()


@pytest.mark.parametrize("every", [3, 5, 7])
async def test_calls_survive_loss(autojump_clock: MockClock, world: World, every: int) -> None:
    numbers = iter(range(1, 100_000))
    world.lost = lambda sender, what: next(numbers) % every == 0
    for _ in range(20):
        caller, callee = await world.connected()
        caller.bye()
        assert isinstance(await soon(callee), Bye)
        await caller.wait_terminated()
    await world.assert_nothing_left()


async def test_a_thousand_calls_leave_nothing_behind(autojump_clock: MockClock, world: World) -> None:
    async def answer_all() -> None:
        async for callee in world.bob.calls:
            callee.answer(ANSWER)

    async def one_call() -> None:
        caller = world.call()
        assert await soon(caller) == Answered(ANSWER)
        caller.bye()
        await caller.wait_terminated()

    world.nursery.start_soon(answer_all)
    async with trio.open_nursery() as calls:
        for _ in range(1_000):
            calls.start_soon(one_call)
    assert world.alice.endpoint.sessions == 0
    await world.assert_nothing_left()
    gc.collect()
    assert sum(isinstance(item, SipSession) for item in gc.get_objects()) <= 1  # the one `answer_all` holds


async def test_no_way_to_the_peer(autojump_clock: MockClock, world: World) -> None:
    for uri in ("sip:bob@nowhere.example", "tel:+4930123", "sip:bob@192.0.2.9;transport=tls"):
        assert await soon(world.call(uri=uri)) == Failed(Failure.TRANSPORT)
    await world.assert_nothing_left()


async def test_a_host_name_is_resolved(autojump_clock: MockClock, world: World) -> None:
    world.network.names["bob.example"] = "192.0.2.9"
    caller, callee = await world.connected("sip:bob@bob.example")
    caller.bye()
    assert isinstance(await soon(callee), Bye)


async def test_cancelled_before_its_way_is_known(autojump_clock: MockClock, world: World) -> None:
    world.network.names["bob.example"] = "192.0.2.9"
    caller = world.call(uri="sip:bob@bob.example")
    caller.cancel()
    await caller.wait_terminated()
    await trio.sleep(1)
    assert world.log == []


async def test_what_makes_no_sense_raises_and_changes_nothing(
    autojump_clock: MockClock, world: World
) -> None:
    caller = world.call()
    callee = await world.bob.next_call()
    for status, method in ((100, callee.ring), (200, callee.ring), (200, callee.reject)):
        with pytest.raises(LocalProtocolError):
            method(status)
    with pytest.raises(LocalProtocolError):
        callee.reject(486, headers=[("X", "one line\r\nand another")])
    assert callee.state is SessionState.INCOMING
    callee.answer(ANSWER)
    await soon(caller)
    await soon(callee)
    for session in (caller, callee):
        for illegal in (
            session.ring,
            session.cancel,
            partial(session.answer, b""),
            partial(session.reject, 486),
        ):
            with pytest.raises(LocalProtocolError):
                illegal()
        assert session.state is SessionState.UP
    caller.bye()
    await callee.wait_terminated()
    callee.ring()
    callee.answer(b"")
    callee.reject(486)
    callee.cancel()
    callee.bye()
    await world.assert_nothing_left()


async def test_a_call_that_cannot_be_written_is_not_placed(autojump_clock: MockClock, world: World) -> None:
    me = NameAddr(None, Uri.parse("sip:alice@192.0.2.1"))
    invite = partial(world.alice.endpoint.invite, Uri.parse("sip:bob@192.0.2.9"), from_uri=me, body=b"")
    with pytest.raises(LocalProtocolError):
        invite(headers=[("X", "one line\r\nand another")])
    assert world.alice.endpoint.sessions == 0


async def test_an_endpoint_may_run_again(autojump_clock: MockClock, world: World) -> None:
    async with trio.open_nursery() as nursery:
        world.nursery = nursery
        world.network.lost = lambda data, source, to: False
        carol = await world.phone("192.0.2.7", "UDP", "TCP")
        nursery.cancel_scope.cancel()
    async with trio.open_nursery() as nursery:
        await nursery.start(carol.endpoint.run)
        caller = world.call(uri="sip:carol@192.0.2.7;transport=tcp")
        (await carol.next_call()).answer(ANSWER)
        assert await soon(caller) == Answered(ANSWER)
        nursery.cancel_scope.cancel()


async def test_an_endpoint_that_ends_takes_its_sessions_along(
    autojump_clock: MockClock, world: World
) -> None:
    async with trio.open_nursery() as nursery:
        world.nursery = nursery
        world.network.lost = lambda data, source, to: False
        carol = await world.phone("192.0.2.7", "UDP")
        caller = world.call(uri="sip:carol@192.0.2.7")
        callee = await carol.next_call()
        callee.answer(ANSWER)
        await soon(callee)
        nursery.cancel_scope.cancel()
    assert await soon(callee) == Failed(Failure.TRANSPORT)
    await callee.wait_terminated()
    callee.bye()
    assert world.network.open_sockets == 4
    caller.bye()
    await caller.wait_terminated()
