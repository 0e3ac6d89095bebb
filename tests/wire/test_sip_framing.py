"""Messages out of a stream, however it is cut."""

from __future__ import annotations

import pytest

from clutch.wire.sip.errors import SipParseError
from clutch.wire.sip.framing import KeepAlive, StreamFramer
from clutch.wire.sip.head import MAX_MESSAGE
from clutch.wire.sip.message import Message, Request


def options(number: int, length: str = "Content-Length: 4", body: str = "body") -> bytes:
    lines = (
        "OPTIONS sip:h SIP/2.0",
        "Via: SIP/2.0/TCP h;branch=z9hG4bK1",
        "From: <sip:a@h>;tag=1",
        "To: <sip:h>",
        f"Call-ID: {number}",
        "CSeq: 1 OPTIONS",
        length,
        "",
        body,
    )
    return "\r\n".join(lines).encode()


def drain(framer: StreamFramer) -> list[Message | KeepAlive]:
    found = []
    while (item := framer.next()) is not None:
        found.append(item)
    return found


def shown(items: list[Message | KeepAlive]) -> list[str]:
    return ["ping" if isinstance(item, KeepAlive) else item.call_id for item in items]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_any_cut_gives_the_same_messages(size: int) -> None:
    stream = (
        b"\r\n" + options(1) + b"\r\n\r\n" + options(2) + options(3, "l:0", "") + b"\r\n\r\n\r\n" + options(4)
    )
    framer = StreamFramer()
    found = []
    for start in range(0, len(stream), size):
        framer.receive(stream[start : start + size])
        found += drain(framer)
    assert shown(found) == ["1", "ping", "2", "3", "ping", "4"]
    assert not framer.dead


def test_body_waits_for_its_last_byte() -> None:
    framer = StreamFramer()
    framer.receive(options(1)[:-1])
    assert framer.next() is None
    framer.receive(b"y")
    message = framer.next()
    assert isinstance(message, Request)
    assert message.body == b"body"
    assert framer.next() is None


def test_a_broken_message_costs_only_itself() -> None:
    framer = StreamFramer()
    framer.receive(options(1).replace(b"OPTIONS sip:h SIP/2.0", b"OPTIONS sip:h SIP/3.0") + options(2))
    with pytest.raises(SipParseError) as caught:
        framer.next()
    assert caught.value.status == 505
    assert caught.value.message is not None
    assert caught.value.message.call_id == "1"
    assert not framer.dead
    assert shown(drain(framer)) == ["2"]


@pytest.mark.parametrize(
    ("length", "status"),
    [
        ("Subject: no length", 400),
        ("Content-Length: x", 400),
        ("Content-Length: -1", 400),
        ("Content-Length:", 400),
        ("Content-Length: 4\r\nl: 4", 400),
        ("Content-Length: 4\r\nl: 5", 400),
        (f"Content-Length: {MAX_MESSAGE}", 513),
        (f"Content-Length: 1{'0' * 5000}", 400),
    ],
)
def test_lost_framing_is_answered_and_ends_the_stream(length: str, status: int) -> None:
    framer = StreamFramer()
    framer.receive(options(1, length) + options(2))
    with pytest.raises(SipParseError) as caught:
        framer.next()
    assert caught.value.status == status
    assert caught.value.message is not None
    assert framer.dead
    framer.receive(options(3))
    assert framer.next() is None


def test_largest_message() -> None:
    head = options(1, "Content-Length: 65000", "")
    head = head.replace(b"65000", str(MAX_MESSAGE - len(head)).encode())
    framer = StreamFramer()
    framer.receive(head + bytes(MAX_MESSAGE - len(head)))
    message = framer.next()
    assert isinstance(message, Request)
    assert len(message.body) == MAX_MESSAGE - len(head)


def test_head_without_end_is_refused() -> None:
    framer = StreamFramer()
    framer.receive(options(1, f"X: {'x' * MAX_MESSAGE}").partition(b"\r\n\r\n")[0])
    with pytest.raises(SipParseError) as caught:
        framer.next()
    assert caught.value.status == 513
    assert caught.value.message is not None
    assert framer.dead


def test_garbage_is_met_with_silence() -> None:
    framer = StreamFramer()
    framer.receive(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n")
    with pytest.raises(SipParseError) as caught:
        framer.next()
    assert caught.value.message is None
    assert framer.dead


def test_repr_shows_state_and_no_content() -> None:
    framer = StreamFramer()
    framer.receive(b"secret")
    assert repr(framer).startswith("StreamFramer(dead=False, _buffer=<6 bytes>")
