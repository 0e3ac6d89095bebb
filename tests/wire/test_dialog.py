"""Dialogs: routes, targets, sequence numbers and states, at both ends (RFC 3261 section 12)."""

from __future__ import annotations

import pytest

from clutch.wire.sip.dialog import DIALOG_MOVES, Dialog, DialogId, DialogState
from clutch.wire.sip.errors import LocalProtocolError, RemoteProtocolError, SipParseError
from clutch.wire.sip.headers import Headers
from clutch.wire.sip.message import Request, Response, response_to
from clutch.wire.sip.uri import Uri

PROXIES = "<sip:p1.example;lr>, <sip:p2.example;lr>"


def invite(
    *, contact: str | None = "<sip:caller@192.0.2.9:5070>", routes: str = "", cseq: int = 5
) -> Request:
    headers = Headers(
        [
            ("Via", "SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1"),
            ("From", '"Caller" <sip:caller@example.com>;tag=from'),
            ("To", "<sip:callee@example.net>"),
            ("Call-ID", "abc"),
            ("CSeq", f"{cseq} INVITE"),
        ]
    )
    if contact:
        headers.add("Contact", contact)
    if routes:
        headers.add("Record-Route", routes)
    return Request("INVITE", Uri.parse("sip:callee@example.net"), headers)


def ok(request: Request, contact: str | None = "<sip:callee@192.0.2.1>") -> Response:
    headers = [("Contact", contact)] if contact else []
    return response_to(request, 200, to_tag="to", headers=headers)


def uas(routes: str = "") -> Dialog:
    return Dialog.as_uas(invite(routes=routes), "to")


def uac(routes: str = "") -> Dialog:
    request = invite(routes=routes)
    return Dialog.as_uac(request, ok(request))


def incoming(method: str, cseq: int, contact: str | None = None) -> Request:
    headers = Headers([("CSeq", f"{cseq} {method}")])
    if contact:
        headers.add("Contact", contact)
    return Request(method, Uri.parse("sip:callee@192.0.2.1"), headers)


def test_both_ends_know_one_dialog_from_their_sides() -> None:
    assert uas().id == DialogId("abc", "to", "from")
    assert uac().id == DialogId("abc", "from", "to")


def test_our_requests_name_us_first_and_go_to_the_contact() -> None:
    bye = uas().request("BYE", [("Reason", "SIP;cause=200")])
    assert bye.method == "BYE"
    assert str(bye.uri) == "sip:caller@192.0.2.9:5070"
    assert str(bye.from_) == "<sip:callee@example.net>;tag=to"
    assert str(bye.to) == '"Caller" <sip:caller@example.com>;tag=from'
    assert (bye.call_id, str(bye.cseq), bye.max_forwards) == ("abc", "1 BYE", 70)
    assert bye.headers.get("Reason") == "SIP;cause=200"
    assert uac().request("BYE").to.tag == "to"


def test_the_callee_goes_the_recorded_way_and_the_caller_comes_it_backwards() -> None:
    ours, theirs = uas(routes=PROXIES), uac(routes=PROXIES)
    assert [str(route) for route in ours.request("BYE").routes] == PROXIES.split(", ")
    assert [str(route) for route in theirs.request("BYE").routes] == PROXIES.split(", ")[::-1]
    assert (ours.next_hop.host, theirs.next_hop.host) == ("p1.example", "p2.example")


def test_without_recorded_routes_the_target_is_the_next_hop() -> None:
    assert str(uas().next_hop) == "sip:caller@192.0.2.9:5070"


def test_a_strict_router_gets_its_own_address_as_request_uri() -> None:
    bye = uas(routes="<sip:strict.example;transport=tcp>, <sip:p2.example;lr>").request("BYE")
    assert str(bye.uri) == "sip:strict.example;transport=tcp"
    assert [str(route) for route in bye.routes] == ["<sip:p2.example;lr>", "<sip:caller@192.0.2.9:5070>"]


def test_sequence_numbers_count_up_on_their_own_side() -> None:
    dialog = uac()
    numbers = [dialog.request(method).cseq.number for method in ("INFO", "UPDATE", "BYE")]
    assert numbers == [6, 7, 8]
    assert str(dialog.ack(5).cseq) == "5 ACK"
    assert dialog.local_cseq == 8


def test_their_requests_must_not_go_back_in_time() -> None:
    dialog = uas()
    dialog.accept(incoming("INFO", 9))
    with pytest.raises(RemoteProtocolError) as error:
        dialog.accept(incoming("INFO", 8))
    assert error.value.status == 500
    assert dialog.remote_cseq == 9


def test_a_caller_takes_any_first_number_of_the_callee() -> None:
    dialog = uac()
    dialog.accept(incoming("BYE", 1))
    assert dialog.remote_cseq == 1


def test_a_new_contact_is_the_new_target() -> None:
    dialog = uas()
    dialog.refresh(incoming("INVITE", 9, "<sip:caller@198.51.100.7>"))
    assert str(dialog.request("BYE").uri) == "sip:caller@198.51.100.7"
    dialog.refresh(incoming("UPDATE", 10))
    assert str(dialog.target) == "sip:caller@198.51.100.7"


def test_the_answer_decides_about_the_route_set() -> None:
    request = invite()
    ringing = response_to(request, 180, to_tag="to", headers=[("Record-Route", PROXIES)])
    dialog = Dialog.as_uac(request, ringing)
    assert len(dialog.route_set) == 2
    dialog.confirm(ok(request))
    assert not dialog.route_set
    assert str(dialog.target) == "sip:callee@192.0.2.1"


def test_a_callee_that_gives_no_contact_is_reached_where_it_was_called() -> None:
    request = invite()
    assert str(Dialog.as_uac(request, ok(request, contact=None)).target) == "sip:callee@example.net"


@pytest.mark.parametrize("contact", [None, "nonsense", "*"])
def test_an_invite_without_a_usable_contact_makes_no_dialog(contact: str | None) -> None:
    with pytest.raises(SipParseError) as error:
        Dialog.as_uas(invite(contact=contact), "to")
    assert error.value.status == 400


def in_state(state: DialogState) -> Dialog:
    dialog = uas()
    if state is DialogState.CONFIRMED:
        dialog.confirm()
    elif state is DialogState.TERMINATED:
        dialog.terminate()
    return dialog


@pytest.mark.parametrize("state", DialogState)
def test_states_move_as_the_table_says(state: DialogState) -> None:
    dialog = in_state(state)
    if DialogState.CONFIRMED in DIALOG_MOVES[state]:
        dialog.confirm()
    else:
        with pytest.raises(LocalProtocolError):
            dialog.confirm()
        assert dialog.state is state
    dialog.terminate()
    dialog.terminate()
    assert dialog.state is DialogState.TERMINATED


def test_nothing_is_sent_in_a_dialog_that_is_over() -> None:
    dialog = in_state(DialogState.TERMINATED)
    with pytest.raises(LocalProtocolError):
        dialog.request("BYE")
    assert dialog.local_cseq == 0


def test_a_request_outside_dialogs_has_no_dialog_id() -> None:
    assert DialogId.of_incoming(invite()) is None
