"""RTCP of media planes: a stream's name, and between the reports of a Python stream and the wire."""

from __future__ import annotations

import base64
from collections.abc import Callable

from clutch.media.reception import Received
from clutch.media.reports import Block, Compound, Heard
from clutch.wire.errors import MalformedPacket
from clutch.wire.rtcp import (
    CNAME,
    Bye,
    Chunk,
    ReceiverReport,
    ReportBlock,
    RtcpPacket,
    SenderReport,
    SourceDescription,
    parse_compound,
    serialise_compound,
)


def new_cname(randbits: Callable[[int], int]) -> bytes:
    """A name for one stream, so that nobody can tell who else it is (RFC 7022 section 4.2): `CNAME_BYTES`."""
    return base64.b64encode(randbits(96).to_bytes(12))


def read_report(data: bytes, ssrc: int) -> Heard | None:
    """What a compound of the peer's says to the stream with this SSRC; None if it is malformed."""
    try:
        packets = parse_compound(data)
    except MalformedPacket:
        return None
    sender = block = None
    for packet in packets:
        if isinstance(packet, SenderReport):
            sender = (packet.ssrc, packet.ntp >> 16 & 0xFFFF_FFFF)
        if isinstance(packet, SenderReport | ReceiverReport):
            block = next((_read(item) for item in reversed(packet.reports) if item.ssrc == ssrc), block)
    return Heard(sender, block)


def write_report(compound: Compound) -> bytes:
    """A report of ours as a datagram."""
    blocks = (_write(compound.block),) if compound.block else ()
    packets: list[RtcpPacket] = [ReceiverReport(compound.ssrc, blocks)]
    if own := compound.sender:
        fields = (own.ntp, own.timestamp, own.packets, own.octets)
        packets = [SenderReport(compound.ssrc, *fields, blocks)]
    packets.append(SourceDescription((Chunk(compound.ssrc, ((CNAME, compound.cname),)),)))
    if compound.bye:
        packets.append(Bye((compound.ssrc,)))
    return serialise_compound(packets)


def _read(item: ReportBlock) -> Block:
    received = Received(item.fraction_lost, item.cumulative_lost, item.highest_sequence, item.jitter)
    return Block(item.ssrc, received, item.last_sr, item.delay_since_last_sr)


def _write(block: Block) -> ReportBlock:
    fraction, lost, highest, jitter = block.received
    return ReportBlock(block.ssrc, fraction, lost, highest, jitter, block.last_sr, block.delay)
