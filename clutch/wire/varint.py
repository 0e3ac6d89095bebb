"""QUIC's variable-length integers (RFC 9000 section 16)."""

from __future__ import annotations

MAX_VARINT = (1 << 62) - 1
"""The largest value that fits."""


def encode_varint(value: int) -> bytes:
    """The shortest form, 1, 2, 4 or 8 bytes. Raises ValueError outside of 0 to `MAX_VARINT`."""
    if value < 0 or value > MAX_VARINT:
        raise ValueError(f"{value} does not fit a varint")
    for power in (0, 1, 2):
        length = 1 << power
        if value < 1 << (8 * length - 2):
            return (value | power << (8 * length - 2)).to_bytes(length, "big")
    return (value | 3 << 62).to_bytes(8, "big")


def read_varint(data: bytes | bytearray | memoryview, at: int = 0) -> tuple[int, int] | None:
    """The value that begins at byte `at`, in any form, and where it ends; None if bytes are missing."""
    if at >= len(data):
        return None
    end = at + (1 << (data[at] >> 6))
    if end > len(data):
        return None
    return int.from_bytes(data[at:end], "big") & ((1 << (8 * (end - at) - 2)) - 1), end
