"""URIs: RFC 3261 section 19.1, RFC 3966."""

from __future__ import annotations

import pytest

from clutch.wire.sip.errors import SipParseError
from clutch.wire.sip.uri import Uri, escape_user, unescape


@pytest.mark.parametrize(
    "text",
    [
        "sip:alice@atlanta.com",
        "sip:alice:secretword@atlanta.com;transport=tcp",
        "sips:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:+1-212-555-1212:1234@gateway.com;user=phone",
        "sips:1212@gateway.com",
        "sip:alice@192.0.2.4:5070",
        "sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com",
        "sip:alice;day=tuesday@atlanta.com",
        "sip:[2001:db8::1]:5061;transport=tls;lr",
        "sip:*21#@pbx_1.example",
        "sip:jürgen@example.com",
        "sip:a:@h",
        "sip:h?x=",
        "tel:+1-201-555-0123",
        "tel:7042;phone-context=example.com",
        "urn:service:sos",
        "http://www.example.com/a?b@c;d",
    ],
)
def test_comes_back_as_written(text: str) -> None:
    assert str(Uri.parse(text)) == text


def test_parts() -> None:
    assert Uri.parse("SIP:alice:pw@Atlanta.com:5070;transport=TCP;lr?Subject=a&b=") == Uri(
        scheme="sip",
        user="alice",
        password="pw",
        host="Atlanta.com",
        port=5070,
        params=(("transport", "TCP"), ("lr", None)),
        headers=(("Subject", "a"), ("b", "")),
    )


def test_params_are_found_in_any_case_and_unescaped() -> None:
    uri = Uri.parse("sip:h;Transport=t%63p;%6c%72;x=")
    assert uri.param("transport") == "tcp"
    assert uri.param("LR") == ""
    assert uri.has_param("x")
    assert uri.param("y") is None
    assert not uri.has_param("y")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "alice",
        "alice@atlanta.com",
        "sip:",
        ":x",
        "1sip:x",
        "sip:@atlanta.com",
        "sip:a@b@c",
        "sip:alice@",
        "sip:alice@;lr",
        "sip: alice@atlanta.com",
        "sip:alice@atlanta.com ",
        "sip:al ice@atlanta.com",
        "sip:al\x00ice@atlanta.com",
        'sip:"alice"@atlanta.com',
        "sip:<alice>@atlanta.com",
        "sip:alice%4@atlanta.com",
        "sip:alice%zz@atlanta.com",
        "sip:a@atlanta.com:",
        "sip:a@atlanta.com:x",
        "sip:a@atlanta.com:-1",
        "sip:a@atlanta.com:65536",
        "sip:a@atlanta.com:٣",
        "sip:a@atlanta.com: 5060",
        "sip:a@bücher.example",
        "sip:a@atlanta.com;",
        "sip:a@atlanta.com;=x",
        "sip:a@atlanta.com?x",
        "sip:a@atlanta.com?=x",
        "sip:a@atlanta.com?",
        "tel:",
        "tel:;x",
        "tel:+1%",
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(SipParseError) as caught:
        Uri.parse(text)
    assert caught.value.status == 400


EQUIVALENT = [
    ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
    ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
    (
        "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
        "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
    ),
    (
        "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
    ),
    ("sip:j%c3%bcrgen@h", "sip:jürgen@h"),
    ("sip:a%3b@h", "sip:a%3B@h"),
    ("tel:+1-201-555-0123", "tel:+12015550123"),
    ("urn:service:sos", "urn:service:sos"),
]

DIFFERENT = [
    ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
    ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
    ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
    ("sip:bob@biloxi.com", "sips:bob@biloxi.com"),
    ("sip:bob@biloxi.com", "sip:bob:pw@biloxi.com"),
    ("sip:a%3bb@h", "sip:a;b@h"),
    ("sip:a%2541@h", "sip:a%41@h"),
    ("tel:+12015550123", "tel:+12015550124"),
    ("tel:1;phone-context=a", "tel:1;phone-context=b"),
    ("tel:1;phone-context=a", "tel:1"),
    ("urn:service:sos", "urn:service:SOS"),
]


@pytest.mark.parametrize(("one", "other"), EQUIVALENT)
def test_equivalent(one: str, other: str) -> None:
    assert Uri.parse(one).equivalent(Uri.parse(other))
    assert Uri.parse(other).equivalent(Uri.parse(one))


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different(one: str, other: str) -> None:
    assert not Uri.parse(one).equivalent(Uri.parse(other))
    assert not Uri.parse(other).equivalent(Uri.parse(one))


def test_security_parameters_need_not_agree_pairwise_through_a_third() -> None:
    """Section 19.1.4: the relation is not transitive."""
    plain = Uri.parse("sip:carol@chicago.com")
    assert plain.equivalent(Uri.parse("sip:carol@chicago.com;security=on"))
    assert plain.equivalent(Uri.parse("sip:carol@chicago.com;security=off"))


def test_username_and_escape() -> None:
    assert Uri.parse("sip:null-%00-%ff-j%C3%BC@h").username == "null-\x00-\udcff-jü"
    assert escape_user("a b@c%/;ü\udcff") == "a%20b%40c%25/;%C3%BC%FF"
    assert unescape(escape_user("a b@c%/;ü\udcff")) == "a b@c%/;ü\udcff"
    assert Uri.parse("sip:h").username is None


def test_password_is_not_in_the_repr() -> None:
    assert "hunter2" not in repr(Uri.parse("sip:alice:hunter2@h"))
