"""What is said over a long line: audio 50 times a second and call, and a commit twice a second."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import Any

ALPN = "clutch-bench"
SIZE = 88
"""Bytes of each word: 80 of payload, as of G.711 at 10 ms or of Opus at 20 ms, behind `HEAD`."""
HEAD = struct.Struct("!IHH")
AUDIO, COMMIT = 0, 1
PAYLOAD = bytes(SIZE - HEAD.size)


def word(number: int, call: int, kind: int) -> bytes:
    """One word."""
    return HEAD.pack(number, call, kind) + PAYLOAD


def words(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Number, call and kind of each word in `data`, which holds whole ones."""
    for at in range(0, len(data), SIZE):
        yield HEAD.unpack_from(data, at)


def set_congestion(plain: Any, name: str = "bbr") -> None:
    """What TCP is controlled by, where the kernel has it, and no waiting for more to send."""
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name.encode())
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
