"""Numbers, connection IDs and packets that need no connection."""

from __future__ import annotations

import hmac
import os

from aioquic.quic.connection import TRANSPORT_CLOSE_FRAME_CAPACITY
from aioquic.quic.crypto import CryptoPair
from aioquic.quic.packet import (
    STATELESS_RESET_TOKEN_SIZE,
    QuicFrameType,
    QuicPacketType,
    QuicProtocolVersion,
)
from aioquic.quic.packet_builder import QuicPacketBuilder

CID_BYTES = 8
VERSIONS: list[int] = [QuicProtocolVersion.VERSION_1, QuicProtocolVersion.VERSION_2]


def new_cid(shard: int) -> bytes:
    """A connection ID that says whose it is."""
    return bytes([shard]) + os.urandom(CID_BYTES - 1)


def reset_token(key: bytes, cid: bytes) -> bytes:
    """The proof that whoever has the key knows nothing of a connection ID any more (RFC 9000, 10.3.2)."""
    return hmac.digest(key, cid, "sha256")[:STATELESS_RESET_TOKEN_SIZE]


def initial_close(version: int, destination: bytes, source: bytes, code: int) -> bytes:
    """A server's only packet to a client that it does not serve: CONNECTION_CLOSE in an Initial, with the
    keys that the client's destination gives (RFC 9000, 5.2.2; RFC 9001, 5.2)."""
    crypto = CryptoPair()
    crypto.setup_initial(cid=destination, is_client=False, version=version)
    builder = QuicPacketBuilder(
        host_cid=destination, is_client=False, max_datagram_size=1200, peer_cid=source, version=version
    )
    builder.start_packet(QuicPacketType.INITIAL, crypto)
    frame = builder.start_frame(QuicFrameType.TRANSPORT_CLOSE, capacity=TRANSPORT_CLOSE_FRAME_CAPACITY)
    for field in (code, QuicFrameType.PADDING, 0):
        frame.push_uint_var(field)
    datagrams, _ = builder.flush()
    return datagrams[0]


def varint(value: int) -> bytes:
    """A variable-length integer (RFC 9000, 16)."""
    if value < 0x40:
        return value.to_bytes(1, "big")
    if value < 0x4000:
        return (value | 0x4000).to_bytes(2, "big")
    if value < 0x4000_0000:
        return (value | 0x8000_0000).to_bytes(4, "big")
    return (value | 0xC000_0000_0000_0000).to_bytes(8, "big")


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """A number and where it ends. Raises `IndexError` if it is cut off."""
    first = data[at]
    if first < 0x40:
        return first, at + 1
    length = 1 << (first >> 6)
    end = at + length
    if end > len(data):
        raise IndexError("cut off")
    return int.from_bytes(data[at:end], "big") & ((1 << (8 * length - 2)) - 1), end
