"""RFC 5118: torture messages with IPv6 addresses."""

from __future__ import annotations

import pytest

from clutch.wire.sip.errors import SipParseError
from clutch.wire.sip.fields import Via
from clutch.wire.sip.message import Request, parse_message, validate
from clutch.wire.sip.uri import Uri

REGISTER = """REGISTER sip:[2001:db8::10] SIP/2.0
To: sip:user@example.com
From: sip:user@example.com;tag=81x2
Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111
Call-ID: SSG9559905523997077@hlau_4100
Max-Forwards: 70
Contact: "Caller" <sip:caller@[2001:db8::1]>
CSeq: 98176 REGISTER
Content-Length: 0

"""


def request(text: str) -> Request:
    message = parse_message(text.replace("\n", "\r\n").encode())
    validate(message)
    assert isinstance(message, Request)
    return message


def test_4_1_valid_reference() -> None:
    message = request(REGISTER)
    assert (message.uri.host, message.uri.port) == ("2001:db8::10", None)
    assert message.via.host == "2001:db8::9:1"
    assert str(message.contact) == '"Caller" <sip:caller@[2001:db8::1]>'
    assert parse_message(message.to_bytes()) == message


def test_4_2_reference_without_brackets() -> None:
    with pytest.raises(SipParseError) as caught:
        request(REGISTER.replace("sip:[2001:db8::10]", "sip:2001:db8::10"))
    assert caught.value.status == 400
    assert caught.value.message is not None


def test_4_3_port_inside_the_brackets_is_part_of_the_address() -> None:
    assert Uri.parse("sip:[2001:db8::10:5070]") == Uri("sip", host="2001:db8::10:5070")


def test_4_4_port_behind_the_brackets() -> None:
    assert Uri.parse("sip:[2001:db8::10]:5070") == Uri("sip", host="2001:db8::10", port=5070)


@pytest.mark.parametrize("received", ["[2001:db8::9:255]", "2001:db8::9:255"])
def test_4_5_received_with_and_without_brackets(received: str) -> None:
    via = Via.parse(f"SIP/2.0/UDP [2001:db8::9:1];received={received};branch=z9hG4bKas3-111")
    assert via.received == "2001:db8::9:255"
    assert via.branch == "z9hG4bKas3-111"
    assert f"received={received}" in str(via)


def test_4_7_several_addresses_in_one_message() -> None:
    message = request(
        REGISTER.replace(
            "Call-ID",
            "Via: SIP/2.0/UDP [2001:db8::9:2]:9001;branch=z9hG4bKas3-112, "
            "SIP/2.0/TCP [2001:db8:9::10]:5062;received=2001:db8::9:255;branch=z9hG4bKas3\nCall-ID",
        )
    )
    assert [(via.host, via.port) for via in message.vias] == [
        ("2001:db8::9:1", None),
        ("2001:db8::9:2", 9001),
        ("2001:db8:9::10", 5062),
    ]


def test_4_10_ipv4_mapped_address() -> None:
    assert Uri.parse("sip:user@[::ffff:192.0.2.10]:19823").host == "::ffff:192.0.2.10"


@pytest.mark.parametrize(
    "host",
    [
        "[]",
        "[2001:db8::1",
        "[2001:db8:::1]",
        "[fe80::1%25eth0]",
        "[fe80::1%eth0]",
        "[v1.x]",
        "[::1]x",
        "[12]",
    ],
)
def test_broken_references(host: str) -> None:
    with pytest.raises(SipParseError):
        Uri.parse(f"sip:{host}")


def test_equal_addresses_are_equivalent() -> None:
    assert Uri.parse("sip:u@[2001:DB8:0:0::1]").equivalent(Uri.parse("sip:u@[2001:db8::1]"))
    assert not Uri.parse("sip:u@[2001:db8::2]").equivalent(Uri.parse("sip:u@[2001:db8::1]"))
