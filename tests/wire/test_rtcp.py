"""RTCP packets and compounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clutch.wire.errors import MalformedPacket
from clutch.wire.rtcp import (
    CNAME,
    Bye,
    Chunk,
    OtherRtcp,
    ReceiverReport,
    ReportBlock,
    RtcpPacket,
    SenderReport,
    SourceDescription,
    parse_compound,
    serialise_compound,
)

WORD = st.integers(0, 2**32 - 1)
BLOCK = st.builds(
    ReportBlock, WORD, st.integers(0, 255), st.integers(-(2**23), 2**23 - 1), WORD, WORD, WORD, WORD
)
BLOCKS = st.lists(BLOCK, max_size=31).map(tuple)
SENDERS = st.builds(SenderReport, WORD, st.integers(0, 2**64 - 1), WORD, WORD, WORD, BLOCKS)
REPORTS: st.SearchStrategy[RtcpPacket] = SENDERS | st.builds(ReceiverReport, WORD, BLOCKS)
ITEMS = st.lists(st.tuples(st.integers(1, 255), st.binary(max_size=255)), max_size=3).map(tuple)
CHUNKS = st.lists(st.builds(Chunk, WORD, ITEMS), max_size=31).map(tuple)
GOODBYES = st.builds(Bye, st.lists(WORD, max_size=31).map(tuple), st.binary(max_size=255))
WORDS = st.integers(0, 4).flatmap(lambda n: st.binary(min_size=4 * n, max_size=4 * n))
OTHERS = st.builds(OtherRtcp, st.integers(204, 207), st.integers(0, 31), WORDS)
COMPOUNDS = st.tuples(
    REPORTS, st.lists(REPORTS | st.builds(SourceDescription, CHUNKS) | GOODBYES | OTHERS, max_size=4)
).map(lambda parts: [parts[0], *parts[1]])

REPORT = ReceiverReport(1)
EMPTY = serialise_compound([REPORT])


def test_the_bits_lie_where_the_rfc_puts_them() -> None:
    block = ReportBlock(0xB0B0B0B0, 64, -1, 0x10002, 7, 8, 9)
    report = SenderReport(0xA0A0A0A0, 0x0102030405060708, 11, 12, 13, (block,))
    description = SourceDescription((Chunk(0xA0A0A0A0, ((CNAME, b"a@b"),)),))
    goodbye = Bye((0xA0A0A0A0,), b"bye")
    assert serialise_compound([report, description, goodbye]) == bytes.fromhex(
        "81c8000ca0a0a0a00102030405060708 0000000b0000000c0000000d"
        "b0b0b0b040ffffff00010002000000070000000800000009"
        "81ca0003a0a0a0a0 0103614062000000"
        "81cb0002a0a0a0a0 03627965"
    )


@given(COMPOUNDS)
def test_what_is_written_is_read(packets: list[RtcpPacket]) -> None:
    assert parse_compound(serialise_compound(packets)) == packets


@given(st.binary(max_size=120) | st.binary(max_size=120).map(lambda tail: EMPTY + tail))
def test_any_bytes_are_a_compound_or_malformed(data: bytes) -> None:
    try:
        packets = parse_compound(data)
    except MalformedPacket:
        return
    assert parse_compound(serialise_compound(packets)) == packets


@given(st.integers(200, 207), st.integers(0, 31), st.binary(max_size=60))
def test_any_body_is_a_packet_or_malformed(kind: int, count: int, body: bytes) -> None:
    body += bytes(-len(body) % 4)
    data = EMPTY + bytes([0x80 | count, kind, 0, len(body) // 4]) + body
    try:
        packets = parse_compound(data)
    except MalformedPacket:
        return
    assert len(packets) == 2


def test_padding_of_the_last_packet_is_removed() -> None:
    padded = EMPTY + bytes.fromhex("a1cb0003 00000005 00000000 00000008")
    assert parse_compound(padded) == [REPORT, Bye((5,))]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        serialise_compound([Bye((1,))]),
        EMPTY + b"\x80",
        EMPTY + bytes.fromhex("80cb0001"),
        EMPTY + bytes.fromhex("40cb0000"),
        EMPTY + bytes.fromhex("a0cb0000"),
        EMPTY + bytes.fromhex("a0cb0001 00000003"),
        EMPTY + bytes.fromhex("a0cb0001 00000008"),
        EMPTY + bytes.fromhex("a0cb0001 00000004") + EMPTY,
        EMPTY + bytes.fromhex("82cb0001 00000001"),
        EMPTY + bytes.fromhex("81cb0002 00000001 04616263"),
        EMPTY + bytes.fromhex("81ca0002 00000001 01ff6162"),
        EMPTY + bytes.fromhex("81ca0002 00000001 01026162"),
        EMPTY + bytes.fromhex("80c80000"),
        EMPTY + bytes.fromhex("81c90001 00000001"),
    ],
    ids=lambda data: data.hex(),
)
def test_malformed_compounds(data: bytes) -> None:
    with pytest.raises(MalformedPacket):
        parse_compound(data)
