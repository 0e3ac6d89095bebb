"""Typed field values: name-addr, Via, CSeq."""

from __future__ import annotations

import pytest

from clutch.wire.sip.errors import SipParseError
from clutch.wire.sip.fields import MAX_CSEQ, CSeq, NameAddr, Via
from clutch.wire.sip.grammar import MAX_PARAMS
from clutch.wire.sip.uri import Uri


@pytest.mark.parametrize(
    ("text", "display", "uri", "tag"),
    [
        ("sip:a@b", None, "sip:a@b", None),
        ("sip:a@b;tag=1", None, "sip:a@b", "1"),
        ("<sip:a@b;lr>;tag=1", None, "sip:a@b;lr", "1"),
        ("  <sip:a@b> ; TAG = 1 ", None, "sip:a@b", "1"),
        ("A. G. Bell <sip:a@b>;tag=1", "A. G. Bell", "sip:a@b", "1"),
        ('"Bell, A. <x>;tag=no" <sip:a@b>', "Bell, A. <x>;tag=no", "sip:a@b", None),
        ('"" <sip:a@b>', "", "sip:a@b", None),
        (r'"a \"b\" \\ c"<sip:a@b>', 'a "b" \\ c', "sip:a@b", None),
        ("Jörg Müller <sip:a@b>", "Jörg Müller", "sip:a@b", None),
        ("a@b (home) <sip:a@b>", "a@b (home)", "sip:a@b", None),
        ('sip:a@b;x="<;y>";tag=1', None, "sip:a@b", "1"),
        ("<sip:a,b@c>", None, "sip:a,b@c", None),
        ("<tel:+1>;tag=1", None, "tel:+1", "1"),
    ],
)
def test_name_addr(text: str, display: str | None, uri: str, tag: str | None) -> None:
    address = NameAddr.parse(text)
    assert (address.display, str(address.uri), address.tag) == (display, uri, tag)
    assert NameAddr.parse(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "*",
        "<>",
        "<sip:a@b",
        "sip:a@b>",
        "<sip:a@b>x",
        "<sip:a@b>,<sip:c@d>",
        "<sip:a@b>;",
        "<sip:a@b>;;x",
        "<sip:a@b>;=1",
        "<sip:a@b>;tag=",
        "<sip:a@b>;a b=1",
        "<sip:a@b>;a=1 2",
        '<sip:a@b>;a="1"2',
        '<sip:a@b>;a="1',
        '<sip:a@b>;a=1"2"',
        "< sip:a@b >",
        '"x" y <sip:a@b>',
        'y "x" <sip:a@b>',
        '"x" sip:a@b',
        '"x <sip:a@b>',
        '"x\\" <sip:a@b>',
        "Bell, A. <sip:a@b>",
        "a: b <sip:a@b>",
        "sip:a@b?x=y",
        "sip:a,b@c",
    ],
)
def test_broken_name_addr(text: str) -> None:
    with pytest.raises(SipParseError) as caught:
        NameAddr.parse(text)
    assert caught.value.status == 400


def test_tags_are_added_and_replaced_in_place() -> None:
    address = NameAddr("Bob", Uri.parse("sip:bob@biloxi.com"), (("x", None),))
    assert str(address.with_tag("1")) == '"Bob" <sip:bob@biloxi.com>;x;tag=1'
    assert str(NameAddr.parse("<sip:b@c>;Tag=1;x").with_tag("2")) == "<sip:b@c>;Tag=2;x"


def test_quoted_parameters_are_kept_as_written_and_read_without_quotes() -> None:
    text = r'<sip:a@b>;+sip.instance="<urn:uuid:0>";x="a\\\"b;c"'
    address = NameAddr.parse(text)
    assert address.param("+SIP.instance") == "<urn:uuid:0>"
    assert address.param("x") == 'a\\"b;c'
    assert str(address) == text


def test_via() -> None:
    via = Via.parse("SIP / 2.0 / udp\t h.example : 4000 ; branch=z9hG4bK1;rport ; received=192.0.2.1")
    assert via == Via(
        "SIP/2.0",
        "UDP",
        "h.example",
        4000,
        (("branch", "z9hG4bK1"), ("rport", None), ("received", "192.0.2.1")),
    )
    assert (via.branch, via.rport, via.received) == ("z9hG4bK1", None, "192.0.2.1")
    assert via.has_param("rport")
    stamped = via.with_param("rport", "9")
    assert stamped.rport == 9
    expected = "SIP/2.0/UDP h.example:4000;branch=z9hG4bK1;rport=9;received=192.0.2.1"
    assert str(stamped) == expected
    assert str(via.with_param("ttl", "1")).endswith(";ttl=1")


def test_via_keeps_a_foreign_version() -> None:
    assert Via.parse("SIP/7.0/UDP c.example.com").protocol == "SIP/7.0"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SIP/2.0/UDP",
        "SIP/2.0 UDP h",
        "SIP/2.0/ h",
        "/2.0/UDP h",
        "SIP//UDP h",
        "SIP/2.0/UDP h:",
        "SIP/2.0/UDP h:x",
        "SIP/2.0/UDP h x",
        "SIP/2.0/UDP h:1 x",
        "SIP/2.0/UDP h;",
        "SIP/2.0/UDP h;branch=",
        "SIP/2.0/UDP h,SIP/2.0/UDP i",
        "SIP/2.0/UDP 2001:db8::1",
        "SIP/2.0/UDP [2001:db8::1]x",
    ],
)
def test_broken_via(text: str) -> None:
    with pytest.raises(SipParseError):
        Via.parse(text)


def test_broken_rport() -> None:
    with pytest.raises(SipParseError):
        _ = Via.parse("SIP/2.0/UDP h;rport=x").rport


def test_cseq() -> None:
    assert CSeq.parse(" 0009 \t INVITE ") == CSeq(9, "INVITE")
    assert str(CSeq(9, "INVITE")) == "9 INVITE"
    assert CSeq.parse(f"{MAX_CSEQ} x").number == MAX_CSEQ


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "INVITE",
        "1 ",
        "1 a b",
        "-1 a",
        "+1 a",
        "1_0 a",
        "٣ a",
        f"{2**31} a",
        f"1{'0' * 5000} a",
        "1 é",
    ],
)
def test_broken_cseq(text: str) -> None:
    with pytest.raises(SipParseError):
        CSeq.parse(text)


def test_parameters_are_bounded() -> None:
    assert len(Via.parse("SIP/2.0/UDP h" + ";a" * MAX_PARAMS).params) == MAX_PARAMS
    with pytest.raises(SipParseError, match="more than 64 parameters"):
        Via.parse("SIP/2.0/UDP h" + ";a" * (MAX_PARAMS + 1))
