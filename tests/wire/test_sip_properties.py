"""Properties that hold for every message and for every heap of bytes."""

from __future__ import annotations

import string
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clutch.wire.sip.auth import Challenge, Credentials
from clutch.wire.sip.errors import SipParseError
from clutch.wire.sip.fields import MAX_CSEQ, CSeq, NameAddr, Via
from clutch.wire.sip.framing import KeepAlive, StreamFramer
from clutch.wire.sip.grammar import quote, split_list, unquote
from clutch.wire.sip.headers import Headers
from clutch.wire.sip.message import Message, Request, Response, parse_message, response_to, validate
from clutch.wire.sip.uri import Uri, escape_user, unescape

PROPERTY = settings(deadline=None, derandomize=True, database=None)
"""The same examples each time, and no wall clock."""

TOKEN = st.text(string.ascii_letters + string.digits + "-.!%*_+`'~", min_size=1, max_size=12)
TEXT = st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=["Cs"]), max_size=30)
VALUE = TEXT.map(lambda text: text.strip(" \t"))
QUOTED = TEXT.map(quote)
NAME = st.text(string.ascii_letters + string.digits, min_size=1, max_size=10)
HOST = st.one_of(
    st.builds(".".join, st.lists(NAME, min_size=1, max_size=3)),
    st.ip_addresses().map(str).filter(lambda text: "%" not in text),
)
PORT = st.none() | st.integers(0, 65535)
PARAMS = st.lists(st.tuples(TOKEN, st.none() | TOKEN | QUOTED), max_size=3).map(tuple)
SIP_URI = st.builds(
    Uri,
    scheme=st.sampled_from(["sip", "sips"]),
    user=TEXT.filter(bool).map(escape_user),
    password=st.none() | NAME,
    host=HOST,
    port=PORT,
    params=st.lists(st.tuples(NAME, st.none() | NAME), max_size=3).map(tuple),
    headers=st.lists(st.tuples(NAME, NAME | st.just("")), max_size=2).map(tuple),
)
URI = st.one_of(
    SIP_URI,
    SIP_URI.map(lambda uri: Uri(uri.scheme, host=uri.host, port=uri.port)),
    st.builds(Uri, scheme=st.just("tel"), user=NAME),
    st.builds(Uri, scheme=st.just("urn"), opaque=NAME),
)
NAME_ADDR = st.builds(NameAddr, st.none() | TEXT, URI, PARAMS)
VIA = st.builds(Via, st.just("SIP/2.0"), TOKEN.map(str.upper), HOST, PORT, PARAMS)
FIELD = st.one_of(
    st.tuples(TOKEN.filter(lambda name: name.lower() not in {"content-length", "l"}), VALUE),
    st.tuples(st.sampled_from(["Contact", "Route", "from", "t"]), NAME_ADDR.map(str)),
    st.tuples(st.sampled_from(["Via", "v"]), VIA.map(str)),
)
HEADERS = st.lists(FIELD, max_size=8).map(Headers)
BODY = st.binary(max_size=40)
MESSAGE: st.SearchStrategy[Message] = st.builds(Request, TOKEN, URI, HEADERS, BODY) | st.builds(
    Response, st.integers(100, 699), TEXT, HEADERS, BODY
)

SEED = (
    b"INVITE sip:bob@biloxi.com;x SIP/2.0\r\nVia: SIP/2.0/UDP [::1]:5060;branch=z9hG4bK1, SIP/2.0/TCP h\r\n"
    b'f: "A \\"x\\"" <sip:a%20b@h>;tag=1\r\nTo: sip:b@h\r\nCall-ID: 1@h\r\nCSeq: 1 INVITE\r\n'
    b"m: <sip:a@h>;q=0.5\r\n ;expires=5\r\nMax-Forwards: 70\r\nContent-Length: 4\r\n\r\nbody"
)


@PROPERTY
@given(MESSAGE)
def test_what_is_written_is_read_back(message: Message) -> None:
    assert parse_message(message.to_bytes()) == message


@PROPERTY
@given(st.lists(MESSAGE, max_size=4), st.data())
def test_a_stream_gives_back_its_messages_however_it_is_cut(
    messages: list[Message], data: st.DataObject
) -> None:
    stream = b"".join(message.to_bytes() for message in messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    framer, found = StreamFramer(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        framer.receive(stream[start:end])
        while (message := framer.next()) is not None:
            found.append(message)
    assert found == messages


@PROPERTY
@given(URI)
def test_uris_are_read_back(uri: Uri) -> None:
    assert Uri.parse(str(uri)) == uri
    assert uri.equivalent(uri)


@PROPERTY
@given(NAME_ADDR)
def test_addresses_are_read_back(address: NameAddr) -> None:
    assert NameAddr.parse(str(address)) == address


@PROPERTY
@given(st.lists(NAME_ADDR, min_size=1, max_size=4))
def test_lists_of_addresses_are_split_where_they_were_joined(addresses: list[NameAddr]) -> None:
    joined = ", ".join(map(str, addresses))
    assert [NameAddr.parse(part) for part in split_list(joined, ",")] == addresses


@PROPERTY
@given(VIA)
def test_vias_are_read_back(via: Via) -> None:
    assert Via.parse(str(via)) == via


@PROPERTY
@given(st.builds(CSeq, st.integers(0, MAX_CSEQ), TOKEN))
def test_cseqs_are_read_back(cseq: CSeq) -> None:
    assert CSeq.parse(str(cseq)) == cseq


@PROPERTY
@given(TEXT)
def test_quoting_and_escaping_are_undone(text: str) -> None:
    assert unquote(quote(text)) == text
    assert unescape(escape_user(text)) == text


@PROPERTY
@given(
    st.builds(
        Challenge,
        TEXT,
        TEXT,
        TOKEN,
        st.lists(NAME.map(str.lower), max_size=2).map(tuple),
        TEXT,
        st.booleans(),
    )
)
def test_challenges_are_read_back(challenge: Challenge) -> None:
    assert Challenge.parse(str(challenge)) == challenge


@PROPERTY
@given(
    st.builds(
        Credentials, TEXT, TEXT, TEXT, TEXT, TEXT, TOKEN, st.just("auth"), st.just("0000000a"), TEXT, TEXT
    )
)
def test_credentials_are_read_back(credentials: Credentials) -> None:
    assert Credentials.parse(str(credentials)) == credentials


def read_everything(data: bytes) -> None:
    """Everything that a node does with a message from a stranger. Raises SipParseError only."""
    try:
        message = parse_message(data)
    except SipParseError as error:
        if error.message is not None:
            parse_message(response_to(error.message, error.status, error.reason, to_tag="t").to_bytes())
        raise
    for name in [name for name, _ in message.headers.items()]:
        with suppress(SipParseError):
            message.headers.get_all(name)
    with suppress(SipParseError):
        _ = (message.expires, message.content_type, message.contact)
    assert parse_message(message.to_bytes()) == message
    validate(message)
    if isinstance(message, Request):
        assert message.uri.equivalent(message.uri)
        validate(parse_message(response_to(message, 200, to_tag="t").to_bytes()))


@PROPERTY
@given(st.binary(max_size=300))
@example(b"INVITE sip:h SIP/2.0\r\n\r\n")
@example(b"SIP/2.0 200 \r\n\r\n")
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with suppress(SipParseError):
        read_everything(data)


@settings(PROPERTY, max_examples=400)
@given(st.data())
def test_any_damage_is_read_or_refused(data: st.DataObject) -> None:
    message = bytearray(SEED)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(message)))
        end = start + data.draw(st.integers(0, 6))
        piece = st.sampled_from(
            [b"\r\n", b'"', b"\\", b"<", b">", b",", b";", b"=", b":", b"%", b"\x00", b"\xff"]
        )
        message[start:end] = data.draw(piece | st.binary(max_size=3))
    with suppress(SipParseError):
        read_everything(bytes(message))


@PROPERTY
@given(st.lists(st.binary(max_size=40) | st.sampled_from([b"\r\n", b"\r\n\r\n", SEED]), max_size=8))
def test_any_stream_is_read_or_refused(chunks: list[bytes]) -> None:
    framer = StreamFramer()
    for chunk in chunks:
        framer.receive(chunk)
        for _ in range(len(chunk) + 1):
            with suppress(SipParseError):
                item = framer.next()
                assert item is None or isinstance(item, KeepAlive | Request | Response)


FILLER = [
    '"',
    "\\",
    '\\"',
    '"\\',
    "<",
    ">",
    ",",
    ";",
    "=",
    ":",
    "%",
    "%41",
    " ",
    "\t",
    "/",
    "@",
    "[",
    "a",
    "\r",
    "\n",
]
FILLER += [";a", ";a=1", ',"a"', "<a>,", "<sip:a>,", "SIP/2.0/UDP h,", "&a=b", "1"]


@pytest.mark.parametrize("filler", FILLER)
@pytest.mark.parametrize(
    "name", ["Via", "From", "Contact", "CSeq", "Expires", "Content-Type", "Authorization", "X"]
)
def test_long_lines_of_one_character_take_no_longer_than_others(name: str, filler: str) -> None:
    """A quadratic scan of 60 kB would take minutes here."""
    for start in ("", '"', "<sip:", "sip:h;x=", "Digest realm="):
        line = f"{name}: {start}{filler * (60_000 // len(filler))}x\r\n".encode()
        with suppress(SipParseError):
            read_everything(SEED.replace(b"Max-Forwards", line + b"Max-Forwards"))
        with suppress(SipParseError):
            Credentials.parse(start + filler * 60_000)
