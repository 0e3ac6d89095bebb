"""RTP packets and the payload of telephone events."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clutch.wire.errors import MalformedPacket
from clutch.wire.rtp import Extension, RtpPacket, is_rtcp
from clutch.wire.telephone_event import DIGITS, TelephoneEvent

WORD = st.integers(0, 2**32 - 1)
HALF = st.integers(0, 2**16 - 1)
EXTENSIONS = st.builds(
    Extension, HALF, st.integers(0, 8).flatmap(lambda n: st.binary(min_size=4 * n, max_size=4 * n))
)
PACKETS = st.builds(
    RtpPacket,
    st.integers(0, 127),
    HALF,
    WORD,
    WORD,
    st.binary(max_size=200),
    st.booleans(),
    st.lists(WORD, max_size=15).map(tuple),
    st.none() | EXTENSIONS,
    st.integers(0, 255),
)


def test_the_bits_lie_where_the_rfc_puts_them() -> None:
    packet = RtpPacket(101, 0x1234, 0x89ABCDEF, 0x01020304, b"payload", marker=True)
    assert packet.to_bytes() == bytes.fromhex("80e5123489abcdef01020304") + b"payload"
    full = RtpPacket(0, 1, 2, 3, b"x", False, (4, 5), Extension(0xBEDE, b"abcd"), 3)
    header = bytes.fromhex("b2000001 00000002 00000003 00000004 00000005 bede0001")
    assert full.to_bytes() == header + b"abcd" + b"x\0\0\x03"


@given(PACKETS)
def test_what_is_written_is_read(packet: RtpPacket) -> None:
    assert RtpPacket.parse(packet.to_bytes()) == packet


@given(st.binary(max_size=100) | st.binary(max_size=100).map(lambda tail: b"\xbf\x00" + tail))
def test_any_bytes_are_a_packet_or_malformed(data: bytes) -> None:
    try:
        packet = RtpPacket.parse(data)
    except MalformedPacket:
        return
    assert RtpPacket.parse(packet.to_bytes()) == packet


@given(PACKETS, st.data())
def test_a_header_cut_short_is_malformed(packet: RtpPacket, data: st.DataObject) -> None:
    whole = packet.to_bytes()
    header = len(whole) - len(packet.payload) - packet.padding
    with pytest.raises(MalformedPacket):
        RtpPacket.parse(whole[: data.draw(st.integers(0, header - 1))])


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (bytes(12), "version 0"),
        (b"\x80" + bytes(10), "12 bytes"),
        (b"\x81" + bytes(14), "CSRC"),
        (b"\x90" + bytes(14), "extension"),
        (b"\x90" + bytes(13) + b"\0\x02" + bytes(7), "extension"),
        (b"\xa0" + bytes(12), "padding"),
        (b"\xa0" + bytes(11) + b"\x02", "padding"),
    ],
)
def test_the_error_names_the_rule(data: bytes, rule: str) -> None:
    with pytest.raises(MalformedPacket, match=rule):
        RtpPacket.parse(data)


def test_all_padding_is_an_empty_payload() -> None:
    assert RtpPacket.parse(b"\xa0" + bytes(11) + b"\0\0\x03").payload == b""


def test_rtcp_is_told_by_its_packet_type() -> None:
    assert [kind for kind in range(256) if is_rtcp(bytes([0x80, kind]))] == [200, 201, 202, 203, 204]
    assert not is_rtcp(b"\x80")


def test_a_telephone_event_on_the_wire() -> None:
    event = TelephoneEvent(DIGITS.index("#"), True, 10, 800)
    assert event.to_bytes() == b"\x0b\x8a\x03\x20"
    assert TelephoneEvent.parse(b"\x0b\xca\x03\x20\xff") == event


@given(st.binary(max_size=8))
def test_any_bytes_are_an_event_or_malformed(payload: bytes) -> None:
    if len(payload) < 4:
        with pytest.raises(MalformedPacket):
            TelephoneEvent.parse(payload)
    else:
        written = TelephoneEvent.parse(payload).to_bytes()
        assert written == bytes([payload[0], payload[1] & 0xBF]) + payload[2:4]
