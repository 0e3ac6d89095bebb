"""RTP packets (RFC 3550 section 5)."""

from __future__ import annotations

import struct

import attrs

from clutch.wire.errors import MalformedPacket

_HEADER = struct.Struct("!BBHII")
_EXTENSION = struct.Struct("!HH")
_VERSION = 2


def is_rtcp(data: bytes) -> bool:
    """True if a packet on a shared port is RTCP: packet types 200 to 204 (RFC 5761 section 4)."""
    return len(data) >= 2 and 200 <= data[1] <= 204


def header_length(data: bytes) -> int:
    """Where the payload begins: behind the CSRC list and the extension.

    Raises `MalformedPacket` if the version is not 2 or the header does not fit.
    """
    if len(data) < _HEADER.size:
        raise MalformedPacket(f"an RTP header needs {_HEADER.size} bytes, not {len(data)}")
    if data[0] >> 6 != _VERSION:
        raise MalformedPacket(f"RTP version {data[0] >> 6}")
    end = _HEADER.size + 4 * (data[0] & 0x0F)
    if end > len(data):
        raise MalformedPacket("the CSRC list does not fit")
    if data[0] & 0x10:
        begin = end + _EXTENSION.size
        if begin > len(data):
            raise MalformedPacket("the header extension does not fit")
        end = begin + 4 * _EXTENSION.unpack_from(data, end)[1]
        if end > len(data):
            raise MalformedPacket("the header extension does not fit")
    return end


@attrs.frozen
class Extension:
    """A header extension (RFC 3550 section 5.3.1)."""

    profile: int
    """16 bits defined by the profile."""
    data: bytes
    """Whole 32-bit words."""


@attrs.frozen
class RtpPacket:
    """One RTP packet."""

    payload_type: int
    """0 to 127."""
    sequence: int
    """16 bits."""
    timestamp: int
    """32 bits, in units of the codec's clock."""
    ssrc: int
    """32 bits."""
    payload: bytes
    marker: bool = False
    csrcs: tuple[int, ...] = ()
    """At most 15 contributing sources."""
    extension: Extension | None = None
    padding: int = 0
    """Bytes of padding behind the payload, the count byte included; 0 for none, at most 255."""

    @classmethod
    def parse(cls, data: bytes) -> RtpPacket:
        """Read a packet. Raises `MalformedPacket` if the version is not 2 or a length does not fit."""
        start = header_length(data)
        first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
        csrcs = struct.unpack_from(f"!{first & 0x0F}I", data, _HEADER.size)
        extension = None
        if first & 0x10:
            begin = _HEADER.size + 4 * len(csrcs)
            (profile, _), begin = _EXTENSION.unpack_from(data, begin), begin + _EXTENSION.size
            extension = Extension(profile, data[begin:start])
        padding = data[-1] if first & 0x20 else 0
        if first & 0x20 and not 0 < padding <= len(data) - start:
            raise MalformedPacket("the padding does not fit")
        payload = data[start : len(data) - padding]
        marker = bool(second & 0x80)
        return cls(second & 0x7F, sequence, timestamp, ssrc, payload, marker, csrcs, extension, padding)

    def to_bytes(self) -> bytes:
        """The packet on the wire. The fields must be in their ranges (`struct.error` if not)."""
        first = _VERSION << 6 | bool(self.padding) << 5 | (self.extension is not None) << 4 | len(self.csrcs)
        second = self.marker << 7 | self.payload_type
        parts = [
            _HEADER.pack(first, second, self.sequence, self.timestamp, self.ssrc),
            struct.pack(f"!{len(self.csrcs)}I", *self.csrcs),
        ]
        if self.extension is not None:
            parts.append(_EXTENSION.pack(self.extension.profile, len(self.extension.data) // 4))
            parts.append(self.extension.data)
        parts.append(self.payload)
        if self.padding:
            parts.append(bytes(self.padding - 1) + bytes([self.padding]))
        return b"".join(parts)
