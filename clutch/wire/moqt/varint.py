"""The variable-length integers: vi64 from draft 17 on (draft 18 section 1.4.1), QUIC's before."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import attrs

from clutch.wire.moqt.errors import LocalProtocolError

Put: TypeAlias = Callable[[int], bytes]
Get: TypeAlias = Callable[[bytes, int], tuple[int, int]]

_BYTES = tuple(bytes([value]) for value in range(128))
# By the first byte: how long the vi64 is, and by its length: which bits are the value's.
_VI64_LENGTH = tuple(9 - (byte ^ 0xFF).bit_length() for byte in range(256))
_VI64_MASK = tuple((1 << 7 * length) - 1 for length in range(10))


def put_vi64(value: int) -> bytes:
    """In as few bytes as will do. Raises LocalProtocolError outside 0..2^64-1."""
    if 0 <= value < 0x80:
        return _BYTES[value]
    if 0 <= value < 0x4000:
        return (0x8000 | value).to_bytes(2, "big")
    if not 0 <= value < 1 << 64:
        raise LocalProtocolError(f"{value} is no 64-bit number")
    length = (value.bit_length() + 6) // 7
    if length > 8:
        return b"\xff" + value.to_bytes(8, "big")
    ones = 0xFF << (9 - length) & 0xFF
    return (ones << 8 * (length - 1) | value).to_bytes(length, "big")


def get_vi64(data: bytes, offset: int) -> tuple[int, int]:
    """The value at `offset`, and the offset behind it. Raises IndexError if the data ends before."""
    first = data[offset]
    if first < 0x80:
        return first, offset + 1
    if first < 0xC0:
        return (first & 0x3F) << 8 | data[offset + 1], offset + 2
    length = _VI64_LENGTH[first]
    end = offset + length
    if end > len(data):
        raise IndexError(end)
    if length == 9:
        return int.from_bytes(data[offset + 1 : end], "big"), end
    return int.from_bytes(data[offset:end], "big") & _VI64_MASK[length], end


def put_quic(value: int) -> bytes:
    """RFC 9000 section 16, in as few bytes as will do. Raises LocalProtocolError outside 0..2^62-1."""
    if 0 <= value < 0x40:
        return _BYTES[value]
    if 0 <= value < 0x4000:
        return (0x4000 | value).to_bytes(2, "big")
    if 0 <= value < 1 << 30:
        return (0x80000000 | value).to_bytes(4, "big")
    if 0 <= value < 1 << 62:
        return (0xC0 << 56 | value).to_bytes(8, "big")
    raise LocalProtocolError(f"{value} is no 62-bit number")


def get_quic(data: bytes, offset: int) -> tuple[int, int]:
    """The value at `offset`, and the offset behind it. Raises IndexError if the data ends before."""
    first = data[offset]
    if first < 0x40:
        return first, offset + 1
    if first < 0x80:
        return (first & 0x3F) << 8 | data[offset + 1], offset + 2
    length = 1 << (first >> 6)
    end = offset + length
    if end > len(data):
        raise IndexError(end)
    return int.from_bytes(data[offset:end], "big") & (1 << 8 * length - 2) - 1, end


@attrs.frozen
class Varint:
    """One of the two."""

    put: Put
    get: Get
    maximum: int


VI64 = Varint(put_vi64, get_vi64, (1 << 64) - 1)
QUIC = Varint(put_quic, get_quic, (1 << 62) - 1)
