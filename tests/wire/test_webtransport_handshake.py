"""Requests, answers and the structured fields in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from clutch.wire.webtransport.codes import ErrorCode, from_http, to_http
from clutch.wire.webtransport.errors import RemoteProtocolError
from clutch.wire.webtransport.fields import parse_string, parse_strings, serialise_strings
from clutch.wire.webtransport.handshake import (
    Offer,
    Rejection,
    choose,
    connect_request,
    read_request,
    read_response,
    response,
)
from clutch.wire.webtransport.settings import SETTINGS, is_possible, upgrade_token

printable = some.text(some.characters(min_codepoint=0x20, max_codepoint=0x7E))


@pytest.mark.parametrize(
    ("field", "strings"),
    [
        ('"moqt-18"', ("moqt-18",)),
        ('"moqt-18", "moqt-16"', ("moqt-18", "moqt-16")),
        ('  "a"\t,\t"b"  ', ("a", "b")),
        ('"a";q=0.5;x=1 , "b";y;z="q;\\","; t=tok/en;b=:aGk=:;d=@17;k=?1;u=%"%c3%bc"', ("a", "b")),
        (r'"a\"b\\c"', ('a"b\\c',)),
        ("", ()),
        ('""', ("",)),
    ],
)
def test_lists_of_strings(field: str, strings: tuple[str, ...]) -> None:
    assert parse_strings(field) == strings


@pytest.mark.parametrize(
    "field",
    [
        "moqt-18",  # a token
        '"a", b',
        '"a", 1',
        '("a" "b")',
        '"a",',
        '"a" "b"',
        '"a',
        '"a\\n"',
        '"a";',
        '"a";Q=1',
        '"a";q=1.',
        '"a";q=1234567890123456',
        '"ä"',
        '"a"\n',
        ":aGk=:",
    ],
)
def test_all_else_makes_the_whole_field_count_as_absent(field: str) -> None:
    assert parse_strings(field) is None
    assert parse_string(field) is None


def test_an_item_is_one_string() -> None:
    assert parse_string(' "moqt-18";a=1 ') == "moqt-18"
    assert parse_string('"a", "b"') is None
    assert parse_string("") is None


@given(some.lists(printable))
def test_strings_survive(values: list[str]) -> None:
    field = serialise_strings(values)
    assert parse_strings(field) == tuple(values)
    for value in values:
        assert parse_string(serialise_strings([value])) == value


@pytest.mark.parametrize("value", ["ä", "a\n", "\x7f"])
def test_what_is_not_printable_ascii_is_our_error(value: str) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        serialise_strings([value])


def request(**changes: str | None) -> list[tuple[bytes, bytes]]:
    fields: dict[str, str | None] = {
        "method": "CONNECT",
        "protocol": "webtransport",
        "scheme": "https",
        "authority": "relay.example:4443",
        "path": "/moq?room=1",
        "wt_available_protocols": '"moqt-18", "moqt-16"',
        **changes,
    }
    pseudo = ("method", "protocol", "scheme", "authority", "path")
    return [
        ((":" if name in pseudo else "").encode() + name.replace("_", "-").encode(), value.encode())
        for name, value in fields.items()
        if value is not None
    ]


def test_a_request_as_browsers_send_it() -> None:
    assert read_request(request(origin="https://app.example", user_agent="x")) == Offer(
        "relay.example:4443", "/moq?room=1", "https://app.example", ("moqt-18", "moqt-16")
    )


def test_a_request_of_draft_15_over_two_header_lines() -> None:
    headers = [*request(protocol="webtransport-h3"), (b"wt-available-protocols", b'"x"')]
    assert read_request(headers) == Offer(
        "relay.example:4443", "/moq?room=1", None, ("moqt-18", "moqt-16", "x")
    )


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"method": "GET", "protocol": None}, 404),
        ({"protocol": None}, 404),
        ({"protocol": "websocket"}, 501),
        ({"scheme": "http"}, 400),
        ({"scheme": None}, 400),
        ({"path": ""}, 400),
        ({"path": "moq"}, 400),
        ({"wt_available_protocols": None}, 400),
        ({"wt_available_protocols": ""}, 400),
        ({"wt_available_protocols": "moqt-18"}, 400),
    ],
)
def test_what_is_no_session_gets_a_clear_status(changes: dict[str, str | None], status: int) -> None:
    answer = read_request(request(**changes))
    assert isinstance(answer, Rejection)
    assert answer.status == status
    assert response(answer)[0] == (b":status", str(status).encode())


def test_our_order_decides() -> None:
    offer = Offer("h", "/", None, ("moqt-16", "moqt-18", "moqt-22"))
    assert choose(offer, ["moqt-18", "moqt-16"]) == "moqt-18"
    answer = choose(offer, ["moqt-20"])
    assert answer == Rejection(406, "none of the offered protocols is spoken here, but moqt-20")


def test_both_sides_understand_each_other() -> None:
    offered = ["moqt-18", "moqt-16"]
    offer = read_request(connect_request("[::1]:4443", "/", offered, "webtransport"))
    assert offer == Offer("[::1]:4443", "/", None, ("moqt-18", "moqt-16"))
    assert isinstance(offer, Offer)
    assert read_response(response(choose(offer, ["moqt-16"])), offered) == "moqt-16"


@pytest.mark.parametrize("status", [b"404", b"302", b"", b"abc"])
def test_a_client_sees_the_status_of_a_refusal(status: bytes) -> None:
    assert read_response([(b":status", status)], ["a"]) == Rejection(int(status) if status.isdigit() else 0)


def test_an_interim_answer_is_none_yet() -> None:
    assert read_response([(b":status", b"103")], ["a"]) is None


def test_a_client_asks_in_the_words_of_a_draft_that_the_server_speaks() -> None:
    ours = {0x8: 1, **SETTINGS}
    assert upgrade_token(ours) == "webtransport"
    assert upgrade_token({0x8: 1, 0x33: 1, 0xC671706A: 16}) == "webtransport"
    assert upgrade_token({0x8: 1, 0x33: 1, 0x2C7CF000: 1}) == "webtransport-h3"
    assert upgrade_token({0x8: 1, 0x33: 1}) is None
    assert upgrade_token({0x33: 1, 0x2B603742: 1}) is None
    assert upgrade_token({0x8: 1, 0x2B603742: 1}) is None
    assert is_possible(ours)
    assert not is_possible({0x33: 0})


@pytest.mark.parametrize("field", [[], [(b"wt-protocol", b'"b"')], [(b"wt-protocol", b"a")]])
def test_a_choice_that_was_not_offered_ends_the_session(field: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        read_response([(b":status", b"200"), *field], ["a"])
    assert caught.value.code == ErrorCode.WT_ALPN_ERROR


@pytest.mark.parametrize(
    ("code", "wire"),
    [(0, 0x52E4A40FA8DB), (29, 0x52E4A40FA8F8), (30, 0x52E4A40FA8FA), (0xFFFF_FFFF, 0x52E5AC983162)],
)
def test_codes_on_the_wire(code: int, wire: int) -> None:
    assert to_http(code) == wire
    assert from_http(wire) == code


@given(some.integers(0, 0xFFFF_FFFF))
def test_codes_survive_and_never_hit_a_reserved_one(code: int) -> None:
    assert from_http(to_http(code)) == code
    assert (to_http(code) - 0x21) % 0x1F


@pytest.mark.parametrize("wire", [0, 0x10F, 0x170D7B68, 0x52E4A40FA8DA, 0x52E4A40FA8F9, 0x52E5AC983163])
def test_other_codes_are_no_application_s(wire: int) -> None:
    assert from_http(wire) is None


@pytest.mark.parametrize("code", [-1, 1 << 32])
def test_a_code_of_more_than_32_bits_is_our_error(code: int) -> None:
    with pytest.raises(ValueError, match="no WebTransport error code"):
        to_http(code)
