"""Stream headers, and what comes before its session."""

from __future__ import annotations

import pytest

from clutch.wire.webtransport.codes import ErrorCode
from clutch.wire.webtransport.early import EarlyData, EarlyStream, Fate
from clutch.wire.webtransport.errors import RemoteProtocolError
from clutch.wire.webtransport.streams import (
    NOT_WEBTRANSPORT,
    datagram_prefix,
    read_datagram,
    read_stream_header,
    stream_header,
)


@pytest.mark.parametrize("session", [0, 4, 64, 1 << 40])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_stream_headers_survive_any_cut(session: int, bidirectional: bool) -> None:
    header = stream_header(session, bidirectional=bidirectional)
    for length in range(len(header)):
        assert read_stream_header(header[:length], bidirectional=bidirectional) is None
    assert read_stream_header(header + b"data", bidirectional=bidirectional) == (session, len(header))
    assert read_stream_header(header, bidirectional=not bidirectional) == NOT_WEBTRANSPORT


def test_headers_on_the_wire() -> None:
    assert stream_header(4, bidirectional=True) == bytes.fromhex("4041 04")
    assert stream_header(0, bidirectional=False) == bytes.fromhex("4054 00")
    assert datagram_prefix(4) == b"\x01"


@pytest.mark.parametrize("first", [b"\x00", b"\x01", b"\x02", b"\x03"])
def test_streams_of_http_are_known_by_their_first_byte(first: bytes) -> None:
    assert read_stream_header(first, bidirectional=False) == NOT_WEBTRANSPORT
    assert read_stream_header(first, bidirectional=True) == NOT_WEBTRANSPORT


def test_a_session_s_id_is_one_of_a_client_s_bidirectional_stream() -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        read_stream_header(b"\x40\x54\x02", bidirectional=False)
    assert caught.value.code == ErrorCode.H3_ID_ERROR


def test_datagrams() -> None:
    assert read_datagram(datagram_prefix(8) + b"payload") == (8, b"payload")
    assert read_datagram(b"\x00") == (0, b"")
    assert read_datagram(b"") is None
    assert read_datagram(b"\x40") is None


def test_what_is_early_comes_in_order_with_its_session_and_only_then() -> None:
    early = EarlyData()
    assert early.fate(0) is Fate.EARLY
    first = EarlyStream(6, 0, bytearray(b"a"))
    assert early.open(first)
    assert early.open(EarlyStream(2, 0))
    assert early.open(EarlyStream(10, 4))
    assert early.receive(first, b"b", fin=False)
    assert early.datagram(0, b"gram")
    assert early.datagram(4, b"other")
    assert early.receive(first, b"c", fin=True)
    streams, datagrams = early.up(0)
    assert [(stream.number, bytes(stream.data), stream.fin) for stream in streams] == [
        (6, b"abc", True),
        (2, b"", False),
    ]
    assert datagrams == [b"gram"]
    assert early.held == len(b"other")
    assert (early.fate(0), early.fate(4)) == (Fate.UP, Fate.EARLY)


def test_after_the_end_of_a_session_nothing_is_for_it() -> None:
    early = EarlyData()
    early.up(4)
    early.open(EarlyStream(2, 8))
    assert early.over(4) == []
    assert (early.current, early.fate(0), early.fate(4), early.fate(8)) == (
        None,
        Fate.OVER,
        Fate.OVER,
        Fate.EARLY,
    )
    assert [stream.number for stream in early.over(8)] == [2]
    assert early.fate(8) is Fate.OVER


def test_a_refused_session_beside_one_that_is_up() -> None:
    early = EarlyData()
    early.up(0)
    early.over(4)
    assert (early.fate(0), early.fate(4)) == (Fate.UP, Fate.OVER)


def test_limits() -> None:
    early = EarlyData(max_streams=2, max_datagrams=1, max_bytes=10)
    one, two = EarlyStream(2, 0), EarlyStream(6, 0)
    assert early.open(one)
    assert early.open(two)
    assert not early.open(EarlyStream(10, 0))
    assert early.receive(one, b"1234567", fin=False)
    assert not early.datagram(0, b"1234")
    assert early.datagram(0, b"123")
    assert not early.datagram(0, b"")
    assert early.held == 10
    assert not early.receive(two, b"x", fin=False)
    assert not early.open(EarlyStream(6, 0, bytearray(b"x")))
    assert early.over(0) == [one]
    assert early.held == 0
