"""Session descriptions: read, looked at, written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clutch.wire.sdp import Connection, Direction, Line, Origin, RtpMap, SdpParseError, Session

EXAMPLE = (
    b"v=0\r\n"
    b"o=jdoe 3724394400 3724394405 IN IP4 198.51.100.1\r\n"
    b"s=Call to John Smith\r\n"
    b"i=SDP Offer #1\r\n"
    b"u=http://www.jdoe.example.com/home.html\r\n"
    b"e=Jane Doe <jane@jdoe.example.com>\r\n"
    b"p=+1 617 555-6011\r\n"
    b"c=IN IP4 198.51.100.1\r\n"
    b"t=0 0\r\n"
    b"a=sendonly\r\n"
    b"m=audio 49170 RTP/AVP 0\r\n"
    b"m=audio 49180/2 RTP/AVP 0 96\r\n"
    b"a=rtpmap:96 opus/48000/2\r\n"
    b"a=recvonly\r\n"
    b"m=video 51372 RTP/AVP 99\r\n"
    b"c=IN IP6 2001:db8::2\r\n"
    b"a=rtpmap:99 h263-1998/90000\r\n"
    b"a=inactive\r\n"
)
"""The example of RFC 8866 section 5, with directions added."""
HEAD = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"

LINES = st.sampled_from(EXAMPLE.split(b"\r\n")) | st.binary(max_size=30) | st.just(b"a=rtpmap:0 PCMU/8000/1")
TEXTS = st.lists(LINES, max_size=12).map(lambda lines: EXAMPLE[:55] + b"\r\n".join(lines)) | st.lists(
    LINES, max_size=12
).map(lambda lines: HEAD + b"\n".join(lines))


def test_the_example_of_the_rfc() -> None:
    session = Session.parse(EXAMPLE)
    assert session.origin == Origin("jdoe", 3724394400, 3724394405, "IP4", "198.51.100.1")
    assert session.lines[0] == Line("s", "Call to John Smith")
    assert session.connection == Connection("IP4", "198.51.100.1")
    first, second, video = session.media
    assert (first.kind, first.port, first.protocol, first.formats) == ("audio", 49170, "RTP/AVP", ("0",))
    assert (second.port, second.port_count) == (49180, 2)
    assert second.rtpmaps() == {96: RtpMap(96, "opus", 48_000, 2)}
    assert (first.connection, video.connection) == (None, Connection("IP6", "2001:db8::2"))
    assert [session.direction(media) for media in session.media] == [
        Direction.SENDONLY,
        Direction.RECVONLY,
        Direction.INACTIVE,
    ]
    assert session.to_bytes() == EXAMPLE


def test_unknown_lines_and_their_order_are_kept() -> None:
    text = HEAD + b"z=0 0\r\na=x-mine:1\r\nq=what\r\na=x-mine\r\nm=image 1 udptl t38\r\na=T38FaxVersion:0\r\n"
    session = Session.parse(text)
    assert session.to_bytes() == text
    assert session.attributes("x-mine") == ["1", ""]
    assert session.media[0].attributes("T38FaxVersion") == ["0"]
    assert session.media[0].attributes("x-mine") == []


def test_lines_may_end_in_lf_and_the_last_in_nothing() -> None:
    assert Session.parse(EXAMPLE.replace(b"\r\n", b"\n").rstrip()).to_bytes() == EXAMPLE
    assert Session.parse(EXAMPLE + b"\r\n\r\n").to_bytes() == EXAMPLE


def test_bytes_that_are_no_utf8_survive() -> None:
    text = HEAD.replace(b"s=-", b"s=caf\xe9 \xc3\xa9")
    assert Session.parse(text).to_bytes() == text


@given(st.binary(max_size=200) | TEXTS)
def test_any_bytes_are_a_session_or_an_error(data: bytes) -> None:
    try:
        session = Session.parse(data)
    except SdpParseError:
        return
    assert Session.parse(session.to_bytes()) == session


@pytest.mark.parametrize(
    ("data", "line", "rule"),
    [
        (b"", 1, "<letter>="),
        (b"v=0\r\n", 1, "v=, o=, s="),
        (b"v=1\r\no=- 1 1 IN IP4 h\r\ns=-\r\n", 1, "version"),
        (b"o=- 1 1 IN IP4 h\r\nv=0\r\ns=-\r\n", 3, "v=, o=, s="),
        (b"v=0\r\no=- 1 1 IN IP4\r\ns=-\r\n", 2, "six fields"),
        (b"v=0\r\no=-  1 IN IP4 h\r\ns=-\r\n", 2, "six fields"),
        (b"v=0\r\no=- one 1 IN IP4 h\r\ns=-\r\n", 2, "sess-id"),
        (b"v=0\r\no=- 1 -1 IN IP4 h\r\ns=-\r\n", 2, "sess-version"),
        (b"v=0\r\no=- 1 1 IN IP5 h\r\ns=-\r\n", 2, "IN IP4"),
        (HEAD + b"c=IN IP4\r\n", 6, "three fields"),
        (HEAD + b"c=ATM NSAP 47\r\n", 6, "IN IP4"),
        (HEAD + b"\r\nt=0 0\r\n", 6, "<letter>="),
        (HEAD + b"nonsense\r\n", 6, "<letter>="),
        (HEAD + b"A=upper\r\n", 6, "<letter>="),
        (HEAD + b"a=one\rtwo\r\n", 6, "CR and NUL"),
        (HEAD + b"a=one\0two\r\n", 6, "CR and NUL"),
        (HEAD + b"m=audio 4000 RTP/AVP\r\n", 6, "at least one format"),
        (HEAD + b"m=audio 65536 RTP/AVP 0\r\n", 6, "port"),
        (HEAD + b"m=audio 4000/ RTP/AVP 0\r\n", 6, "number of ports"),
        (HEAD + b"m=audio " + b"9" * 5000 + b" RTP/AVP 0\r\n", 6, "port"),
        (HEAD + b"m=audio 4000 RTP/AVP 0\r\na=rtpmap:0\r\n", 7, "a=rtpmap"),
        (HEAD + b"m=audio 4000 RTP/AVP 0\r\na=rtpmap:128 X/8000\r\n", 7, "payload type"),
        (HEAD + b"m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8k\r\n", 7, "clock rate"),
        (HEAD + b"m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000/\r\n", 7, "channels"),
        (HEAD.replace(b"c=", b"b=") + b"m=audio 4000 RTP/AVP 0\r\n", 6, "no c= line"),
        (HEAD + b"m=audio 0 RTP/AVP 0\r\n" * 65, 70, "more than 64 m="),
        (HEAD + b"a=" + b"x" * 65_536, 0, "longer than"),
    ],
)
def test_the_error_names_line_and_rule(data: bytes, line: int, rule: str) -> None:
    with pytest.raises(SdpParseError, match=rule) as caught:
        Session.parse(data)
    assert (caught.value.status, caught.value.line) == (400, line)


def test_a_stream_that_is_off_needs_no_address() -> None:
    session = Session.parse(HEAD.replace(b"c=", b"b=") + b"m=video 0 RTP/AVP 31\r\n")
    assert session.media[0].port == 0
