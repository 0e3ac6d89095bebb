"""Messages: reading, writing, answering, checking."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from clutch.wire.sip.errors import LocalProtocolError, SipError, SipParseError
from clutch.wire.sip.head import MAX_HEADER_LINES, MAX_MESSAGE, MAX_URI
from clutch.wire.sip.headers import Headers
from clutch.wire.sip.message import (
    REASON_PHRASES,
    Message,
    Request,
    Response,
    parse_message,
    response_to,
    validate,
)
from clutch.wire.sip.uri import Uri

INVITE = """INVITE sip:bob@biloxi.com SIP/2.0
Via: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bK776asdhds
Max-Forwards: 70
To: Bob <sip:bob@biloxi.com>
From: Alice <sip:alice@atlanta.com>;tag=1928301774
Call-ID: a84b4c76e66710@pc33.atlanta.com
CSeq: 314159 INVITE
Contact: <sip:alice@pc33.atlanta.com>
"""
BARE = Request("OPTIONS", Uri("sip", host="h"), Headers())


def wire(text: str, body: bytes = b"") -> bytes:
    return text.replace("\n", "\r\n").encode("utf-8", "surrogateescape") + b"\r\n" + body


def invite(more: str = "", body: bytes = b"", old: str = "", new: str = "") -> Request:
    message = parse_message(wire(INVITE.replace(old, new) + more, body))
    assert isinstance(message, Request)
    return message


def refused(data: bytes) -> SipParseError:
    with pytest.raises(SipParseError) as caught:
        validate(parse_message(data))
    return caught.value


def test_a_request_and_its_typed_fields() -> None:
    message = invite(
        "Route: <sip:p1;lr>, <sip:p2;lr>\nRecord-Route: <sip:r>\nExpires: 60\nc: Application/SDP;x=y\n"
    )
    validate(message)
    assert (message.method, str(message.uri)) == ("INVITE", "sip:bob@biloxi.com")
    assert message.via == message.vias[0]
    assert message.via.branch == "z9hG4bK776asdhds"
    assert (message.to.display, message.from_.tag) == ("Bob", "1928301774")
    assert message.call_id == "a84b4c76e66710@pc33.atlanta.com"
    assert (message.cseq.number, message.max_forwards, message.expires) == (314159, 70, 60)
    assert str(message.contact) == "<sip:alice@pc33.atlanta.com>"
    assert [str(route.uri) for route in message.routes] == ["sip:p1;lr", "sip:p2;lr"]
    assert [str(route.uri) for route in message.record_routes] == ["sip:r"]
    assert message.content_type == "application/sdp"


def test_what_is_not_there_is_none_or_missing() -> None:
    assert (BARE.contact, BARE.max_forwards, BARE.expires, BARE.content_type) == (None,) * 4
    assert [*BARE.vias, *BARE.contacts, *BARE.routes, *BARE.record_routes] == []
    readers: list[Callable[[Request], object]] = [
        lambda m: m.via,
        lambda m: m.from_,
        lambda m: m.to,
        lambda m: m.call_id,
        lambda m: m.cseq,
    ]
    for read in readers:
        with pytest.raises(SipParseError, match="is missing"):
            read(BARE)


@pytest.mark.parametrize(
    "line",
    [
        "Contact: <sip:a",
        "Contact: *, <sip:a@b>",
        "Contact: *\nContact: <sip:a@b>",
        "Route: sip",
        "Record-Route: <>",
        "Max-Forwards: 256",
        "Max-Forwards: x",
        "Max-Forwards:",
    ],
)
def test_bad_values_are_refused_by_name(line: str) -> None:
    error = refused(
        wire(
            INVITE.replace("Contact: <sip:alice@pc33.atlanta.com>\n", "").replace("Max-Forwards: 70\n", "")
            + line
            + "\n"
        )
    )
    assert error.status == 400
    assert error.reason.startswith(line.partition(":")[0])
    assert error.message is not None


def test_contact_wildcard() -> None:
    message = invite(old="<sip:alice@pc33.atlanta.com>", new="*")
    assert message.contact_is_wildcard
    assert message.contacts == []
    assert message.contact is None
    assert not invite().contact_is_wildcard


@pytest.mark.parametrize("value", ["x", "-1", "1.5", ""])
def test_bad_expires_is_refused_when_it_is_asked_for(value: str) -> None:
    message = invite(f"Expires: {value}\n")
    validate(message)
    with pytest.raises(SipParseError, match="Expires"):
        _ = message.expires


def test_bad_content_type() -> None:
    with pytest.raises(SipParseError, match="Content-Type"):
        _ = invite("Content-Type: sdp\n").content_type


def test_folded_lines() -> None:
    message = invite("Subject: I know you're there,\n  \t pick up\n\t the phone   \n \n and answer\nX:\n y\n")
    assert message.headers.get("Subject") == "I know you're there, pick up the phone  and answer"
    assert message.headers.get("X") == "y"


def test_white_space_around_the_colon_and_empty_values() -> None:
    message = invite("Subject \t :  lunch  \nX:\ny :\n")
    assert message.headers.get("Subject") == "lunch"
    assert message.headers.get("X") == ""
    assert message.headers.get("Identity") == ""


def test_octets_that_are_not_utf8_survive() -> None:
    data = wire(INVITE.replace("Bob", '"B\udcf6b"') + "Subject: \udcff\udc80ü\n", b"\x00\xff")
    message = parse_message(data)
    assert message.to.display == "B\udcf6b"
    assert message.body == b"\x00\xff"
    assert b'"B\xf6b"' in message.to_bytes()
    assert b"Subject: \xff\x80\xc3\xbc\r\n" in message.to_bytes()


@pytest.mark.parametrize(
    ("length", "body"),
    [
        ("", b"body and more"),
        ("Content-Length: 4\n", b"body"),
        ("l : 0004\n", b"body"),
        ("Content-Length: 0\n", b""),
        ("Content-Length:\n 4\n", b"body"),
    ],
)
def test_datagram_body(length: str, body: bytes) -> None:
    message = invite(length, b"body and more")
    assert message.body == body
    assert "Content-Length" not in message.headers


@pytest.mark.parametrize(
    "length", ["5", "99999999999", "-4", "+4", "4 4", "4,4", "x", "", "٤", "4\nContent-Length: 4", "4\nl: 5"]
)
def test_bad_content_length(length: str) -> None:
    error = refused(wire(f"{INVITE}Content-Length: {length}\n", b"body"))
    assert error.status == 400
    assert "Content-Length" in error.reason
    assert error.message is not None


def test_line_breaks_before_the_start_line() -> None:
    assert parse_message(b"\r\n\r\n\r\n" + wire(INVITE)) == invite()


@pytest.mark.parametrize(
    "data", [b"", b"\r\n", b"\r\n\r\n", b"\x80\x00\x12\x34", b"\x00" * 200, b": \r\n\r\n"]
)
def test_garbage_is_met_with_silence(data: bytes) -> None:
    assert refused(data).message is None


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("INVITE sip:bob@biloxi.com", 400),
        ("INVITE sip:bob@biloxi.com SIP/2.0 ", 400),
        ("INVITE  sip:bob@biloxi.com SIP/2.0", 400),
        ("INVITE\tsip:bob@biloxi.com\tSIP/2.0", None),
        ("INVITE bob SIP/2.0", 400),
        ("INVITE sip:bob@biloxi.com HTTP/1.1", 400),
        ("INVITE sip:bob@biloxi.com SIP/2.1", 505),
        ("INVITE sip:bob@biloxi.com sip/2.0", 200),
        ("invite sip:bob@biloxi.com SIP/2.0", 400),
        (f"INVITE sip:{'b' * MAX_URI}@biloxi.com SIP/2.0", 414),
        ("INVITE tel:+12015550123 SIP/2.0", 200),
        ("INVITE sips:bob@biloxi.com SIP/2.0", 200),
        ("INVITE mailto:bob@biloxi.com SIP/2.0", 416),
        ("IN(VITE sip:bob@biloxi.com SIP/2.0", None),
        (" INVITE sip:bob@biloxi.com SIP/2.0", None),
    ],
)
def test_start_lines(line: str, status: int | None) -> None:
    data = wire(INVITE.replace("INVITE sip:bob@biloxi.com SIP/2.0", line, 1))
    if status == 200:
        validate(parse_message(data))
        return
    error = refused(data)
    assert error.status == (status or 400)
    assert (error.message is None) == (status is None)


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("SIP/2.0 200 OK", 200),
        ("sip/2.0 200", 200),
        ("SIP/2.0 699 ", 699),
        ("SIP/2.0 099 x", None),
        ("SIP/2.0 700 x", None),
        ("SIP/2.0 20 x", None),
        ("SIP/2.0 ٢٠٠ x", None),
        ("SIP/2.0  200 x", None),
        ("SIP/3.0 200 x", None),
        ("SIP/2.0", None),
    ],
)
def test_status_lines(line: str, status: int | None) -> None:
    data = wire(INVITE.replace("INVITE sip:bob@biloxi.com SIP/2.0", line, 1))
    if status is None:
        assert refused(data).message is None
        return
    message = parse_message(data)
    validate(message)
    assert isinstance(message, Response)
    assert message.status == status


@pytest.mark.parametrize(
    "more",
    ["no colon\n", ": no name\n", "two words: x\n", "näme: x\n", "a\nb: c\n", "x\x00: y\n", "X: a\rb\n"],
)
def test_bad_header_lines(more: str) -> None:
    error = refused(wire(INVITE + more))
    assert error.status == 400
    assert error.message is not None
    assert error.message.call_id == "a84b4c76e66710@pc33.atlanta.com"


def test_bare_line_feeds_do_not_end_lines() -> None:
    assert refused(INVITE.encode() + b"\n").status == 400
    smuggled = wire(INVITE).replace(b"70\r\n", b"70\nContact: <sip:mallory@h>\r\n")
    assert refused(smuggled).reason == "CR or LF outside CRLF"


def test_first_header_line_cannot_continue_the_start_line() -> None:
    assert refused(wire(INVITE.replace("\nVia", "\n Via", 1))).status == 400


def test_end_of_head_is_missing() -> None:
    error = refused(wire(INVITE)[:-2])
    assert (error.status, error.reason) == (400, "no blank line after the header fields")
    assert error.message is not None


def test_floods_are_refused() -> None:
    lines = MAX_HEADER_LINES - INVITE.count("\n") + 1
    validate(invite("X: y\n" * lines))
    for flood in ("X: y\n", " y\n"):
        error = refused(wire(INVITE + "X: y\n" * lines + flood))
        assert error.status == 513
        assert error.message is not None
    error = refused(wire(INVITE, bytes(MAX_MESSAGE)))
    assert error.status == 513
    assert error.message is not None


@pytest.mark.parametrize("name", ["To", "From", "Call-ID", "CSeq", "Max-Forwards", "Content-Type"])
def test_single_fields_stand_once(name: str) -> None:
    message = invite("Content-Type: a/b\n")
    message.headers.add(name, str(message.headers.get(name)))
    error = refused(message.to_bytes())
    assert (error.status, error.reason) == (400, f"{name} is there more than once")


@pytest.mark.parametrize("name", ["To", "From", "Call-ID", "CSeq"])
def test_mandatory_fields(name: str) -> None:
    message = invite()
    message.headers.remove(name)
    with pytest.raises(SipParseError) as caught:
        validate(message)
    assert (caught.value.status, caught.value.reason) == (400, f"{name} is missing")
    assert caught.value.message is message


def test_without_via_nobody_can_be_answered() -> None:
    message = invite()
    message.headers.remove("Via")
    with pytest.raises(SipParseError, match="Via is missing") as caught:
        validate(message)
    assert caught.value.message is None


def test_ack_is_never_answered() -> None:
    assert refused(wire(INVITE.replace("INVITE", "ACK") + "broken\n")).message is None
    assert refused(wire(INVITE.replace("INVITE", "ACK", 1))).message is None


@pytest.mark.parametrize(
    ("broken", "mended"),
    [
        ("SIP/2.0/UDP h:9;;branch=z9hG4bK1;rport", "SIP/2.0/UDP h:9;branch=z9hG4bK1;rport"),
        ("SIP/2.0/UDP h;a=b c;branch=z9hG4bK1,,", "SIP/2.0/UDP h;branch=z9hG4bK1"),
        ('SIP/2.0/UDP h;x=";branch=1', "SIP/2.0/UDP h;branch=1"),
        ("SIP/2.0/UDP", None),
        ("nonsense", None),
    ],
)
def test_a_broken_top_via_is_mended_for_the_answer(broken: str, mended: str | None) -> None:
    error = refused(wire(INVITE.replace("SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bK776asdhds", broken)))
    assert error.status == 400
    assert (error.message and error.message.headers.get("Via")) == mended


def test_what_stands_below_the_top_via_is_copied_as_it_stands() -> None:
    request = invite("Via: SIP/2.0/UDP\n")
    validate(request)
    assert response_to(request, 200).headers.get_all("Via")[1:] == ["SIP/2.0/UDP"]


def test_response_to() -> None:
    message = invite("v: SIP/2.0/UDP b\nRecord-Route: <sip:r1>\nRecord-Route: <sip:r2>\nTimestamp: 54\n")
    ringing = response_to(message, 180, to_tag="x", headers=[("Contact", "<sip:me>")])
    assert ringing.reason == "Ringing"
    assert list(ringing.headers.items()) == [
        ("Via", "SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bK776asdhds"),
        ("Via", "SIP/2.0/UDP b"),
        ("From", "Alice <sip:alice@atlanta.com>;tag=1928301774"),
        ("To", "Bob <sip:bob@biloxi.com>;tag=x"),
        ("Call-ID", "a84b4c76e66710@pc33.atlanta.com"),
        ("CSeq", "314159 INVITE"),
        ("Record-Route", "<sip:r1>"),
        ("Record-Route", "<sip:r2>"),
        ("Contact", "<sip:me>"),
    ]
    assert "Record-Route" not in response_to(message, 404).headers
    trying = response_to(message, 100)
    assert trying.headers.get("Timestamp") == "54"
    assert "Record-Route" not in trying.headers
    assert trying.to.tag is None


def test_response_to_keeps_a_tag_and_any_reason() -> None:
    message = invite(old="To: Bob <sip:bob@biloxi.com>", new="t: sip:bob@biloxi.com;tag=1")
    answer = response_to(message, 299, "Fine", to_tag="2")
    assert (answer.reason, answer.to.tag) == ("Fine", "1")
    assert response_to(message, 299).reason == ""
    assert (
        response_to(invite(old="Bob <sip:bob@biloxi.com>", new="sip:bob@biloxi.com"), 200, to_tag="2").to.tag
        == "2"
    )


def test_to_bytes() -> None:
    message = Request("OPTIONS", Uri.parse("sip:h"), Headers([("l", "99"), ("v", "SIP/2.0/UDP h")]), b"body")
    assert message.to_bytes() == (
        b"OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nContent-Length: 4\r\n\r\nbody"
    )
    assert Response(200, "", Headers()).to_bytes() == b"SIP/2.0 200 \r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    "message",
    [
        Request("OPT IONS", Uri("sip", host="h"), Headers()),
        Request("", Uri("sip", host="h"), Headers()),
        Request("OPTIONS", Uri("sip", user="a b", host="h"), Headers()),
        Request("OPTIONS", Uri("sip", host="h\r\nX: y"), Headers()),
        Request("OPTIONS", Uri("sip", host="h"), Headers([("X", "a\r\nEvil: b")])),
        Request("OPTIONS", Uri("sip", host="h"), Headers([("X", "a\nb")])),
        Request("OPTIONS", Uri("sip", host="h"), Headers([("X", "a\rb")])),
        Request("OPTIONS", Uri("sip", host="h"), Headers([("X: y", "a")])),
        Request("OPTIONS", Uri("sip", host="h"), Headers([("", "a")])),
        Request("OPTIONS", Uri("sip", host="h"), Headers([("X", "\ud800")])),
        Response(200, "OK\r\n\r\n", Headers()),
        Response(99, "x", Headers()),
        Response(700, "x", Headers()),
    ],
)
def test_nothing_is_written_that_is_not_one_message(message: Message) -> None:
    with pytest.raises(LocalProtocolError):
        message.to_bytes()


def test_reason_phrases() -> None:
    assert all(100 <= status <= 699 and reason.isascii() for status, reason in REASON_PHRASES.items())
    assert REASON_PHRASES[486] == "Busy Here"


def test_errors_show_status_and_reason() -> None:
    error = SipParseError(400, "To is missing")
    assert isinstance(error, SipError)
    assert str(error) == "400 To is missing"
