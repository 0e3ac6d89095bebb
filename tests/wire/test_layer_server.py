"""The transaction layer as a server: matching, retransmission, refusals, where responses go."""

from __future__ import annotations

import random

import pytest

from clutch.wire.sip.dialog import DialogId
from clutch.wire.sip.errors import LocalProtocolError
from clutch.wire.sip.events import (
    AckReceived,
    AckTimeout,
    CancelReceived,
    Event,
    RequestReceived,
    ServerFailed,
    user_of,
)
from clutch.wire.sip.flow import Flow
from clutch.wire.sip.message import Response, response_to
from tests.wire.sip_bench import TCP, UDP, US, Bench, incoming


def test_a_new_invite_is_offered_and_answered_with_100_at_once(bench: Bench) -> None:
    server = bench.serve(incoming())
    ((trying, flow),) = bench.sent()
    assert isinstance(trying, Response)
    assert (trying.status, trying.to.tag, flow) == (100, None, UDP)
    bench.respond(server, 180)
    ((ringing, _),) = bench.sent()
    assert ringing.to.tag == server.local_tag


def test_a_repeated_request_gets_the_last_response_again(bench: Bench) -> None:
    server = bench.serve(incoming())
    bench.respond(server, 180)
    bench.receive(incoming())
    assert bench.statuses() == [100, 180, 180]
    assert bench.events() == []
    assert bench.layer.counters.repeated == 1


def test_a_refusal_is_repeated_until_its_ack(bench: Bench) -> None:
    server = bench.serve(incoming())
    bench.respond(server, 486)
    bench.sent()
    assert [time for time, _ in bench.run_until(4.0)] == [0.5, 1.5, 3.5]
    bench.receive(incoming("ACK", to_tag=server.local_tag))
    assert bench.run_until(100.0) == []
    assert bench.events() == []
    assert bench.layer.transactions == 0


def test_a_2xx_is_repeated_until_its_ack_which_is_passed_on(bench: Bench) -> None:
    server = bench.serve(incoming())
    bench.respond(server, 200)
    assert bench.statuses() == [100, 200]
    assert [time for time, _ in bench.run_until(8.0)] == [0.5, 1.5, 3.5, 7.5]
    ack = incoming("ACK", via="192.0.2.9:5060;branch=z9hG4bKack", to_tag=server.local_tag)
    bench.receive(ack)
    (event,) = bench.events()
    assert isinstance(event, AckReceived)
    assert event.server is server
    bench.receive(ack)
    assert bench.events() == []
    assert bench.layer.counters.stray == 1
    assert bench.run_until(100.0) == []
    assert bench.layer.transactions == 0


def test_a_2xx_is_repeated_over_tcp_too(bench: Bench) -> None:
    server = bench.serve(incoming(), TCP)
    bench.respond(server, 200)
    bench.sent()
    assert len(bench.run_until(2.0)) == 2


def test_no_ack_to_a_2xx_is_told_after_32_seconds(bench: Bench) -> None:
    server = bench.serve(incoming())
    bench.respond(server, 200)
    bench.run_until(31.9)
    assert bench.events() == []
    bench.run_until(32.0)
    assert bench.events() == [AckTimeout(server)]
    assert bench.layer.transactions == 0


def test_no_ack_to_a_refusal_matters_to_nobody(bench: Bench) -> None:
    bench.respond(bench.serve(incoming()), 404)
    bench.run_until(32.0)
    assert bench.events() == []
    assert bench.layer.transactions == 0


def test_two_final_responses_are_our_mistake(bench: Bench) -> None:
    server = bench.serve(incoming())
    bench.respond(server, 486)
    bench.sent()
    with pytest.raises(LocalProtocolError):
        bench.respond(server, 200)
    assert bench.sent() == []


def test_a_response_that_cannot_be_written_changes_nothing(bench: Bench) -> None:
    server = bench.serve(incoming())
    bench.sent()
    with pytest.raises(LocalProtocolError):
        bench.layer.respond(server, server.response(486, "Busy\r\nX: y"), 0.0)
    assert bench.sent() == []
    bench.respond(server, 200)
    assert bench.statuses() == [200]


def test_cancel_is_answered_and_the_invite_is_left_to_the_user(bench: Bench) -> None:
    server = bench.serve(incoming())
    bench.receive(incoming("CANCEL"))
    assert bench.events() == [CancelReceived(server)]
    bench.respond(server, 487)
    sent = bench.sent()
    assert [m.status for m, _ in sent if isinstance(m, Response)] == [100, 200, 487]
    assert sent[1][0].cseq.method == "CANCEL"
    assert sent[1][0].to.tag == server.local_tag
    bench.receive(incoming("CANCEL"))
    assert bench.statuses() == [200]
    assert bench.events() == []


def test_cancel_after_the_answer_changes_nothing(bench: Bench) -> None:
    server = bench.serve(incoming())
    bench.respond(server, 200)
    bench.receive(incoming("CANCEL"))
    assert bench.statuses() == [100, 200, 200]
    assert bench.events() == []


def test_cancel_of_nothing_is_481(bench: Bench) -> None:
    bench.receive(incoming("CANCEL"))
    assert bench.statuses() == [481]
    assert bench.layer.transactions == 0


def test_peers_of_rfc_2543_are_matched_without_a_branch(bench: Bench) -> None:
    server = bench.serve(incoming(via="192.0.2.9:5060"))
    bench.receive(incoming(via="192.0.2.9:5060"))
    assert bench.layer.counters.repeated == 1
    bench.respond(server, 486)
    bench.sent()
    bench.receive(incoming("ACK", via="192.0.2.9:5060", to_tag=server.local_tag))
    assert bench.run_until(30.0) == []


def test_the_same_branch_from_another_sent_by_is_another_transaction(bench: Bench) -> None:
    bench.serve(incoming(call_id="a"))
    bench.serve(incoming(call_id="b", via="192.0.2.8:5060;branch=z9hG4bKone"))


def test_a_request_that_came_two_ways_is_482(bench: Bench) -> None:
    bench.serve(incoming())
    bench.sent()
    bench.receive(incoming(via="192.0.2.8:5060;branch=z9hG4bKother"))
    assert bench.statuses() == [482]
    assert bench.events() == []


def test_a_stray_ack_is_silent(bench: Bench) -> None:
    bench.receive(incoming("ACK", to_tag="nobody"))
    assert bench.sent() == []
    assert bench.events() == []
    assert bench.layer.counters.stray == 1


def test_a_request_in_no_known_dialog_is_481_without_state(bench: Bench) -> None:
    for _ in range(2):
        bench.receive(incoming("BYE", to_tag="nobody"))
    first, second = bench.sent()
    assert isinstance(first[0], Response)
    assert first[0].status == 481
    assert first[0].to_bytes() == second[0].to_bytes()
    assert bench.layer.transactions == 0


def test_requests_in_a_dialog_are_for_its_user(bench: Bench) -> None:
    told: list[Event] = []
    dialog = DialogId("call-1", "ours", "theirs")
    bench.layer.open_dialog(dialog, told.append)
    bench.receive(incoming("BYE", to_tag="ours"))
    (event,) = bench.events()
    assert user_of(event) == told.append
    bench.layer.close_dialog(dialog)
    bench.layer.close_dialog(dialog)
    bench.receive(incoming("INFO", to_tag="ours", via="192.0.2.9;branch=z9hG4bK2"))
    assert bench.statuses() == [481]


def test_too_many_transactions_are_refused_but_not_inside_dialogs(bench: Bench) -> None:
    bench.layer.max_server_transactions = 2
    bench.layer.open_dialog(DialogId("call-1", "ours", "theirs"), lambda event: None)
    for number in range(5):
        bench.receive(incoming("OPTIONS", via=f"192.0.2.9;branch=z9hG4bK{number}", call_id=f"c{number}"))
    assert len(bench.events()) == 2
    refused = [message for message, _ in bench.sent()]
    assert [message.headers.get("Retry-After") for message in refused] == ["5"] * 3
    assert bench.layer.counters.refused == 3
    for number in range(5):
        bench.receive(incoming("INFO", to_tag="ours", via=f"192.0.2.9;branch=z9hG4bKi{number}"))
    assert len(bench.events()) == 2


def test_big_requests_count_for_several(bench: Bench) -> None:
    bench.layer.max_server_transactions = 10
    for number in range(5):
        via = f"192.0.2.9;branch=z9hG4bK{number}"
        bench.receive(incoming("OPTIONS", via=via, call_id=f"c{number}", extra="X: " + "x" * 20_000 + "\r\n"))
    assert len(bench.events()) == 2
    assert bench.statuses() == [503] * 3


# --- Where responses go.


@pytest.mark.parametrize(
    ("via", "source", "params", "destination"),
    [
        ("192.0.2.9:5070;branch=z9hG4bK1", ("192.0.2.9", 41_000), "", ("192.0.2.9", 5070)),
        ("192.0.2.9;branch=z9hG4bK1", ("192.0.2.9", 41_000), "", ("192.0.2.9", 5060)),
        ("10.0.0.1:5070;branch=z9hG4bK1", ("192.0.2.9", 41_000), ";received=192.0.2.9", ("192.0.2.9", 5070)),
        (
            "10.0.0.1:5070;rport;branch=z9hG4bK1",
            ("192.0.2.9", 41_000),
            ";rport=41000;branch=z9hG4bK1;received=192.0.2.9",
            ("192.0.2.9", 41_000),
        ),
        ("[2001:db8::9]:5070;branch=z9hG4bK1", ("2001:db8::9", 5070), "", ("2001:db8::9", 5070)),
        # What the peer claims about its own source does not count.
        (
            "10.0.0.1;branch=z9hG4bK1;received=198.51.100.1",
            ("192.0.2.9", 41_000),
            ";received=192.0.2.9",
            ("192.0.2.9", 5060),
        ),
    ],
)
def test_responses_go_where_rfc_3581_says(
    bench: Bench, via: str, source: tuple[str, int], params: str, destination: tuple[str, int]
) -> None:
    bench.receive(incoming(via=via), Flow("UDP", US, source))
    ((response, flow),) = bench.sent()
    assert flow == Flow("UDP", US, destination)
    assert (response.headers.get("Via") or "").endswith(params)


def test_only_our_hop_of_a_comma_list_of_vias_is_stamped(bench: Bench) -> None:
    via = "10.0.0.1:5070;rport;branch=z9hG4bK1, SIP/2.0/UDP 10.0.0.2;rport;branch=z9hG4bK0"
    bench.receive(incoming(via=via))
    ((response, _),) = bench.sent()
    assert [v.rport for v in response.vias] == [5060, None]
    assert [v.host for v in response.vias] == ["10.0.0.1", "10.0.0.2"]


def test_a_lost_connection_sends_responses_to_the_sent_by(bench: Bench) -> None:
    server = bench.serve(incoming(via="192.0.2.9:5070;branch=z9hG4bK1"), TCP)
    bench.sent()
    bench.layer.transport_failed(TCP, 0.0)
    ((again, flow),) = bench.sent()
    assert isinstance(again, Response)
    assert (again.status, flow.remote) == (100, ("192.0.2.9", 5070))
    bench.respond(server, 180)
    assert bench.sent()[0][1] == flow
    bench.layer.transport_failed(flow, 0.0)
    assert bench.events() == [ServerFailed(server)]
    assert bench.layer.transactions == 0


# --- Bad input.


@pytest.mark.parametrize("data", [b"\r\n\r\n", b"\0", b"\r\n", b""])
def test_keep_alives_are_nothing(bench: Bench, data: bytes) -> None:
    bench.receive(data)
    assert bench.sent() == []
    assert bench.layer.counters.malformed == 0


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x00\x12\x34" * 40,
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"INVITE sip:a@b SIP/2.0\r\n\r\n",
        b"SIP/2.0 200 OK\r\nVia: broken\r\n\r\n",
        incoming("ACK").replace(b"CSeq: 1 ACK", b"CSeq: x"),
    ],
)
def test_garbage_is_counted_and_not_answered(bench: Bench, data: bytes) -> None:
    bench.receive(data)
    assert bench.sent() == []
    assert bench.events() == []
    assert bench.layer.counters.malformed == 1


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        (b"CSeq: 1 INVITE", b"CSeq: one INVITE", 400),
        (b"CSeq: 1 INVITE", b"CSeq: 1 OPTIONS", 400),
        (b"Call-ID: call-1\r\n", b"", 400),
        (b"SIP/2.0\r\nVia", b"SIP/7.0\r\nVia", 505),
        (b"INVITE sip:us@192.0.2.1", b"INVITE nobodyKnows:us", 416),
        (b"Content-Length: 0", b"Content-Length: 400", 400),
    ],
)
def test_malformed_requests_are_answered_without_state(
    bench: Bench, old: bytes, new: bytes, status: int
) -> None:
    bench.receive(incoming().replace(old, new))
    assert bench.statuses() == [status]
    assert bench.events() == []
    assert bench.layer.transactions == 0
    assert bench.layer.counters.malformed == 1


def test_a_stray_response_is_dropped(bench: Bench) -> None:
    client = bench.call()
    stray = response_to(client.request, 200, to_tag="x")
    stray.headers.set("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKnobody")
    bench.receive(stray)
    assert bench.events() == []
    assert bench.layer.counters.stray == 1


def test_a_response_with_two_vias_was_meant_for_somebody_else(bench: Bench) -> None:
    client = bench.call()
    response = response_to(client.request, 200, to_tag="x")
    response.headers.add("Via", "SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKx")
    bench.receive(response)
    assert bench.events() == []


def test_repetitions_do_not_pile_up_timers(bench: Bench) -> None:
    bench.respond(bench.serve(incoming()), 486)
    for _ in range(1_000):
        bench.receive(incoming())
    assert len(bench.layer._timers) == 1
    bench.run_until(40.0)
    assert bench.layer.next_timer() is None
    assert bench.layer._timers == []


def test_early_timer_calls_do_nothing(bench: Bench) -> None:
    bench.call()
    bench.layer.on_timer(0.1)
    assert bench.sent() == []


def mutated(source: random.Random, data: bytearray) -> bytes:
    """Some bytes cut out, put in or changed."""
    junk = [
        b"\r",
        b"\n",
        b"\r\n ",
        b"\0",
        b'"',
        b"<",
        b">",
        b",",
        b";",
        b"=",
        b"\xff",
        b"%",
        b"[",
        b"9" * 20,
        b"\x85",
    ]
    for _ in range(source.choice([1, 1, 2, 3, 8])):
        at = source.randrange(len(data))
        data[at : at + source.choice([0, 1, 5, 20])] = source.choice(junk)
    return bytes(data)


def test_no_message_whatsoever_makes_the_layer_raise(bench: Bench) -> None:
    source = random.Random(3261)
    bench.layer.open_dialog(DialogId("call-1", "ours", "theirs"), lambda event: None)
    client = bench.call()
    kinds = [
        incoming(method, to_tag=tag)
        for method in ("INVITE", "ACK", "CANCEL", "BYE")
        for tag in (None, "ours")
    ]
    kinds.append(response_to(client.request, 200, to_tag="x", headers=[("Contact", "<sip:a@b>")]).to_bytes())
    for number in range(3_000):
        bench.now = number * 0.05
        bench.receive(mutated(source, bytearray(source.choice(kinds))), source.choice([UDP, TCP]))
        bench.layer.on_timer(bench.now)
        bench.layer.to_send()
        for event in bench.events():
            if isinstance(event, RequestReceived):
                bench.respond(event.server, source.choice([200, 486]))
    bench.run_until(1_000.0)
    assert bench.layer.transactions == 0
    assert (bench.layer._riders, bench.layer._load) == ({}, 0)
