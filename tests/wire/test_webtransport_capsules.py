"""Capsules however they are cut, and what is no capsule."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as some

from clutch.wire.varint import encode_varint
from clutch.wire.webtransport.capsules import Capsule, CapsuleReader, CloseSession, DrainSession
from clutch.wire.webtransport.codes import ErrorCode
from clutch.wire.webtransport.errors import RemoteProtocolError

GREASE = encode_varint(0x17 + 0x29 * 1000) + encode_varint(300) + bytes(300)
FLOW_CONTROL = encode_varint(0x190B4D3D) + b"\x01\x00"


def read(reader: CapsuleReader, data: bytes, size: int) -> list[Capsule]:
    found = []
    for start in range(0, len(data), size):
        found += reader.receive(data[start : start + size])
    return found


def test_the_close_on_the_wire() -> None:
    assert CloseSession(7, "so").to_bytes() == bytes.fromhex("6843 06 00000007") + b"so"
    assert DrainSession().to_bytes() == bytes.fromhex("800078ae 00")


@pytest.mark.parametrize("size", [1, 2, 3, 5, 299, 10_000])
def test_any_cut_gives_the_same_capsules_and_unknown_ones_are_skipped(size: int) -> None:
    close = CloseSession(0xFFFF_FFFF, "zu spät")
    stream = GREASE + FLOW_CONTROL + DrainSession().to_bytes() + GREASE + close.to_bytes()
    reader = CapsuleReader()
    assert read(reader, stream, size) == [DrainSession(), close]
    assert reader.closed
    reader.end()


def test_an_unknown_capsule_is_not_kept_however_long_it_says_it_is() -> None:
    reader = CapsuleReader()
    assert reader.receive(encode_varint(0x1234) + encode_varint(1 << 40)) == []
    for _ in range(100):
        reader.receive(bytes(1 << 16))
    assert len(reader._buffer) == 0


def test_a_long_reason_is_cut_between_characters() -> None:
    (close,) = CapsuleReader().receive(CloseSession(1, "x" + "ä" * 600).to_bytes())
    assert close == CloseSession(1, "x" + "ä" * 511)


@pytest.mark.parametrize(
    "data",
    [
        bytes.fromhex("6843 03 000000"),  # no room for the code
        bytes.fromhex("6843 06 00000000 c328"),  # not UTF-8
        bytes.fromhex("6843 4405") + bytes(0x405),  # a reason of 1025 bytes
        CloseSession().to_bytes() + b"\x00",
        CloseSession().to_bytes() + CloseSession().to_bytes(),
    ],
)
def test_a_malformed_close_resets_the_stream(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        CapsuleReader().receive(data)
    assert caught.value.code == ErrorCode.H3_MESSAGE_ERROR


def test_data_after_the_close_resets_the_stream_also_when_it_comes_later() -> None:
    reader = CapsuleReader()
    reader.receive(CloseSession().to_bytes())
    with pytest.raises(RemoteProtocolError):
        reader.receive(b"x")


@pytest.mark.parametrize("data", [b"\x68", GREASE[:-1], CloseSession(1, "so").to_bytes()[:-1]])
def test_a_stream_must_not_end_within_a_capsule(data: bytes) -> None:
    reader = CapsuleReader()
    reader.receive(data)
    with pytest.raises(RemoteProtocolError):
        reader.end()


@given(some.lists(some.binary(max_size=40)))
def test_noise_is_skipped_or_refused_and_never_piles_up(pieces: list[bytes]) -> None:
    reader = CapsuleReader()
    with suppress(RemoteProtocolError):
        for piece in pieces:
            reader.receive(piece)
            assert len(reader._buffer) <= 1024 + 16
