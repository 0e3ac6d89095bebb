"""RTCP packets (RFC 3550 section 6): reports, source descriptions, goodbyes, and compounds of them."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import TypeAlias

import attrs

from clutch.wire.errors import MalformedPacket

_HEADER = struct.Struct("!BBH")
_SENDER = struct.Struct("!IQIII")
_BLOCK = struct.Struct("!IB3sIIII")
_SSRC = struct.Struct("!I")
_SR, _RR, _SDES, _BYE = 200, 201, 202, 203

CNAME = 1
"""The SDES item that every compound must carry (RFC 3550 section 6.5.1)."""


@attrs.frozen
class ReportBlock:
    """Reception of one source (RFC 3550 section 6.4.1)."""

    ssrc: int
    fraction_lost: int
    """Share of packets lost since the previous report, in 1/256."""
    cumulative_lost: int
    """Packets lost in all, signed 24 bits: duplicates can make it negative."""
    highest_sequence: int
    """Extended highest sequence number received, 32 bits."""
    jitter: int
    """Interarrival jitter in units of the RTP clock."""
    last_sr: int
    """Middle 32 bits of the NTP time of the last sender report, or 0."""
    delay_since_last_sr: int
    """In 1/65536 s."""


@attrs.frozen
class SenderReport:
    """SR: what a source has sent, and what it has received."""

    ssrc: int
    ntp: int
    """NTP time, 64 bits in 2**-32 s."""
    rtp_timestamp: int
    packet_count: int
    octet_count: int
    reports: tuple[ReportBlock, ...] = ()


@attrs.frozen
class ReceiverReport:
    """RR: what a source has received."""

    ssrc: int
    reports: tuple[ReportBlock, ...] = ()


@attrs.frozen
class Chunk:
    """What an SDES packet says about one source."""

    ssrc: int
    items: tuple[tuple[int, bytes], ...]
    """Item type, such as `CNAME`, and its text of at most 255 bytes."""


@attrs.frozen
class SourceDescription:
    """SDES (RFC 3550 section 6.5)."""

    chunks: tuple[Chunk, ...]


@attrs.frozen
class Bye:
    """BYE (RFC 3550 section 6.6)."""

    ssrcs: tuple[int, ...]
    reason: bytes = b""


@attrs.frozen
class OtherRtcp:
    """A packet of a type that is not read here, such as APP or feedback; kept as it stood."""

    packet_type: int
    count: int
    """The five bits that other types use as a count."""
    body: bytes
    """Everything behind the header: whole 32-bit words."""


RtcpPacket: TypeAlias = SenderReport | ReceiverReport | SourceDescription | Bye | OtherRtcp


def parse_compound(data: bytes) -> list[RtcpPacket]:
    """Read a datagram. Raises `MalformedPacket`, also if it does not begin with SR or RR (RFC 3550 A.2).

    Profile-specific extensions of reports are left out.
    """
    packets = [_parse(*piece) for piece in _pieces(data)]
    if not packets or not isinstance(packets[0], SenderReport | ReceiverReport):
        raise MalformedPacket("a compound RTCP packet begins with SR or RR")
    return packets


def serialise_compound(packets: Iterable[RtcpPacket]) -> bytes:
    """One datagram with all packets in their order."""
    return b"".join(map(_serialise, packets))


def _pieces(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Packet type, count and body of every packet, padding removed."""
    at = 0
    while at < len(data):
        if len(data) - at < _HEADER.size:
            raise MalformedPacket("an RTCP header does not fit")
        first, packet_type, words = _HEADER.unpack_from(data, at)
        end = at + _HEADER.size + 4 * words
        if first >> 6 != 2 or end > len(data):
            raise MalformedPacket("the RTCP version is not 2 or the length does not fit")
        body = data[at + _HEADER.size : end]
        if first & 0x20:
            body = _unpadded(body, last=end == len(data))
        yield packet_type, first & 0x1F, body
        at = end


def _unpadded(body: bytes, *, last: bool) -> bytes:
    padding = body[-1] if body else 0
    if not last or padding == 0 or padding % 4 or padding > len(body):
        raise MalformedPacket("RTCP padding is whole words at the end of the last packet")
    return body[:-padding]


def _parse(packet_type: int, count: int, body: bytes) -> RtcpPacket:
    try:
        if packet_type == _SR:
            return _read_sender(body, count)
        if packet_type == _RR:
            return ReceiverReport(_SSRC.unpack_from(body)[0], _read_blocks(body, _SSRC.size, count))
        if packet_type == _SDES:
            return SourceDescription(_read_chunks(body, count))
        if packet_type == _BYE:
            return _read_bye(body, count)
    except (struct.error, IndexError) as error:
        raise MalformedPacket(f"RTCP packet of type {packet_type} is too short") from error
    return OtherRtcp(packet_type, count, body)


def _read_sender(body: bytes, count: int) -> SenderReport:
    ssrc, ntp, timestamp, packets, octets = _SENDER.unpack_from(body)
    return SenderReport(ssrc, ntp, timestamp, packets, octets, _read_blocks(body, _SENDER.size, count))


def _read_blocks(body: bytes, at: int, count: int) -> tuple[ReportBlock, ...]:
    blocks = []
    for index in range(count):
        ssrc, fraction, lost, *rest = _BLOCK.unpack_from(body, at + index * _BLOCK.size)
        blocks.append(ReportBlock(ssrc, fraction, int.from_bytes(lost, signed=True), *rest))
    return tuple(blocks)


def _read_chunks(body: bytes, count: int) -> tuple[Chunk, ...]:
    chunks, at = [], 0
    for _ in range(count):
        (ssrc,) = _SSRC.unpack_from(body, at)
        at += _SSRC.size
        items = []
        while kind := body[at]:
            text = body[at + 2 : at + 2 + body[at + 1]]
            if len(text) != body[at + 1]:
                raise MalformedPacket("an SDES item does not fit")
            items.append((kind, text))
            at += 2 + len(text)
        at += 4 - at % 4
        chunks.append(Chunk(ssrc, tuple(items)))
    return tuple(chunks)


def _read_bye(body: bytes, count: int) -> Bye:
    ssrcs = struct.unpack_from(f"!{count}I", body)
    rest = body[4 * count :]
    if rest and rest[0] >= len(rest):
        raise MalformedPacket("the reason of a BYE does not fit")
    return Bye(ssrcs, rest[1 : 1 + rest[0]] if rest else b"")


def _serialise(packet: RtcpPacket) -> bytes:
    match packet:
        case SenderReport():
            fields = (packet.ssrc, packet.ntp, packet.rtp_timestamp, packet.packet_count, packet.octet_count)
            return _frame(_SR, len(packet.reports), _SENDER.pack(*fields) + _write_blocks(packet.reports))
        case ReceiverReport():
            return _frame(_RR, len(packet.reports), _SSRC.pack(packet.ssrc) + _write_blocks(packet.reports))
        case SourceDescription():
            return _frame(_SDES, len(packet.chunks), b"".join(map(_write_chunk, packet.chunks)))
        case Bye():
            reason = bytes([len(packet.reason)]) + packet.reason if packet.reason else b""
            body = struct.pack(f"!{len(packet.ssrcs)}I", *packet.ssrcs) + reason
            return _frame(_BYE, len(packet.ssrcs), body + bytes(-len(body) % 4))
        case OtherRtcp():
            return _frame(packet.packet_type, packet.count, packet.body)


def _frame(packet_type: int, count: int, body: bytes) -> bytes:
    return _HEADER.pack(0x80 | count, packet_type, len(body) // 4) + body


def _write_blocks(blocks: Iterable[ReportBlock]) -> bytes:
    return b"".join(
        _BLOCK.pack(
            block.ssrc,
            block.fraction_lost,
            block.cumulative_lost.to_bytes(3, signed=True),
            block.highest_sequence,
            block.jitter,
            block.last_sr,
            block.delay_since_last_sr,
        )
        for block in blocks
    )


def _write_chunk(chunk: Chunk) -> bytes:
    text = b"".join(bytes([kind, len(value)]) + value for kind, value in chunk.items)
    body = _SSRC.pack(chunk.ssrc) + text
    return body + bytes(4 - len(body) % 4)
