"""The transaction layer as a client: requests, ACK, CANCEL, lost ways."""

from __future__ import annotations

import pytest

from clutch.wire.sip.dialog import Dialog
from clutch.wire.sip.errors import LocalProtocolError
from clutch.wire.sip.events import (
    ClientFailed,
    Event,
    ResponseReceived,
    TimedOut,
    user_of,
)
from clutch.wire.sip.flow import Flow
from clutch.wire.sip.layer import MAX_FORKS
from clutch.wire.sip.message import Request, response_to
from tests.wire.sip_bench import TCP, UDP, Bench, incoming, outgoing


def test_our_via_names_us_and_asks_for_rport(bench: Bench) -> None:
    client = bench.layer.request(outgoing(), UDP, 0.0)
    assert client.request.headers.get("Via") == "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKt1;rport"
    other = bench.layer.request(outgoing(), Flow("TCP", ("2001:db8::1", 5060), ("2001:db8::2", 5060)), 0.0)
    assert other.request.via.host == "2001:db8::1"
    assert other.request.via.transport == "TCP"


def test_an_invite_is_repeated_until_a_provisional_and_then_waits(bench: Bench) -> None:
    client = bench.call()
    assert [time for time, _ in bench.run_until(2.0)] == [0.5, 1.5]
    bench.answer(client, 180)
    assert bench.run_until(1000.0) == []
    (event,) = bench.events()
    assert isinstance(event, ResponseReceived)


def test_no_answer_is_told_after_32_seconds(bench: Bench) -> None:
    invite, options = bench.call(), bench.call("OPTIONS")
    bench.run_until(32.0)
    assert set(bench.events()) == {TimedOut(invite), TimedOut(options)}
    assert bench.layer.transactions == 0


def test_a_refusal_is_acknowledged_by_the_layer_every_time(bench: Bench) -> None:
    client = bench.call()
    for _ in range(2):
        bench.answer(client, 486)
    assert len(bench.events()) == 1
    (ack, flow), _ = bench.sent()
    assert isinstance(ack, Request)
    assert (ack.method, str(ack.uri), flow) == ("ACK", "sip:them@192.0.2.9", UDP)
    assert [str(via) for via in ack.vias] == [str(client.request.via)]
    assert (str(ack.cseq), ack.to.tag, ack.from_.tag) == ("7 ACK", "theirs", "ours")
    assert [str(route) for route in ack.routes] == ["<sip:proxy.example;lr>"]
    bench.run_until(32.0)
    assert bench.layer.transactions == 0


def test_a_repeated_2xx_gets_the_same_ack_again(bench: Bench) -> None:
    client = bench.call()
    bench.answer(client, 200)
    bench.answer(client, 200)
    (event,) = bench.events()
    assert isinstance(event, ResponseReceived)
    assert bench.sent() == []
    dialog = Dialog.as_uac(client.request, event.response)
    bench.layer.ack(client, dialog.ack(7), UDP)
    ((ack, _),) = bench.sent()
    bench.answer(client, 200)
    assert bench.sent() == [(ack, UDP)]
    assert bench.events() == []
    assert ack.via.branch != client.request.via.branch


def test_a_2xx_of_another_branch_of_a_fork_is_told_too(bench: Bench) -> None:
    client = bench.call()
    bench.answer(client, 200, "one")
    bench.answer(client, 200, "two")
    tags = [event.response.to.tag for event in bench.events() if isinstance(event, ResponseReceived)]
    assert tags == ["one", "two"]
    bench.run_until(32.0)
    bench.answer(client, 200, "three")
    assert bench.events() == []
    assert bench.layer.counters.stray == 1


def test_the_branches_of_a_fork_are_bounded(bench: Bench) -> None:
    client = bench.call()
    for number in range(MAX_FORKS + 5):
        bench.answer(client, 200, f"tag{number}")
    assert len(bench.events()) == MAX_FORKS
    assert bench.layer.counters.stray == 5


def test_cancel_needs_a_provisional_and_copies_the_hop(bench: Bench) -> None:
    client = bench.call()
    with pytest.raises(LocalProtocolError):
        bench.layer.cancel(client, 0.0)
    assert bench.sent() == []
    bench.answer(client, 180)
    bench.layer.cancel(client, 0.0)
    ((cancel, _),) = bench.sent()
    assert isinstance(cancel, Request)
    assert (str(cancel.cseq), cancel.to.tag) == ("7 CANCEL", None)
    assert [str(via) for via in cancel.vias] == [str(client.request.via)]
    with pytest.raises(LocalProtocolError):
        bench.layer.cancel(client, 0.0)


def test_the_response_to_a_cancel_is_not_that_to_the_invite(bench: Bench) -> None:
    client = bench.call()
    bench.answer(client, 180)
    bench.layer.cancel(client, 0.0)
    bench.events()
    ((cancel, _),) = bench.sent()
    assert isinstance(cancel, Request)
    bench.receive(response_to(cancel, 200, to_tag="x"))
    assert [user_of(event) for event in bench.events()] == [None]
    bench.answer(client, 487)
    (event,) = bench.events()
    assert isinstance(event, ResponseReceived)
    assert event.client is client
    assert bench.methods() == ["ACK"]


def test_a_cancelled_invite_without_final_response_is_given_up(bench: Bench) -> None:
    client = bench.call()
    bench.answer(client, 180)
    bench.layer.cancel(client, 0.0)
    bench.events()
    bench.run_until(32.0)
    assert TimedOut(client) in bench.events()
    assert bench.layer.transactions == 0


@pytest.mark.parametrize("method", ["ACK", "CANCEL"])
def test_ack_and_cancel_have_their_own_ways(bench: Bench, method: str) -> None:
    with pytest.raises(LocalProtocolError):
        bench.layer.request(outgoing(method), UDP, 0.0)


def test_a_lost_connection_fails_its_requests_and_no_others(bench: Bench) -> None:
    lost, kept = bench.call("BYE", TCP), bench.call("BYE")
    bench.layer.transport_failed(TCP, 0.0)
    assert bench.events() == [ClientFailed(lost)]
    bench.answer(kept, 200)
    assert len(bench.events()) == 1


def test_events_carry_the_user_of_their_transaction(bench: Bench) -> None:
    told: list[Event] = []
    client = bench.layer.request(outgoing(), UDP, 0.0, told.append)
    bench.answer(client, 180)
    assert [user_of(event) for event in bench.events()] == [told.append]
    server = bench.serve(incoming())
    server.user = told.append
    bench.receive(incoming("CANCEL"))
    assert [user_of(event) for event in bench.events()] == [told.append]
