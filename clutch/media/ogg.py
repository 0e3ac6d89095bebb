"""Ogg files of Opus (RFC 3533, RFC 7845): packets in, pages out, and the other way round.

One mono or stereo stream at a time (channel mapping family 0). What follows the end of a stream is another
stream, and is read on (RFC 7845, 3). Nothing is decoded here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import attrs

from clutch.media.errors import AudioError

GRANULES_HZ = 48_000
"""Positions in an Ogg file of Opus count samples at this rate, whatever the audio was sampled at."""
PRE_SKIP = 312
"""Samples at the beginning that libopus at 48 kHz makes before there is any sound, to be dropped."""

_PAGE = struct.Struct("<4sBBQIIIB")
_HEAD = struct.Struct("<8sBBHIhB")
_CONTINUED, _FIRST, _LAST = 1, 2, 4
_CRC_AT = 22
_MAX_PACKET = 61_440
"""The longest packet that a reader must take (RFC 7845, 6), of 120 ms; ours are far shorter."""
_FRAMES_US = (
    *(10_000, 20_000, 40_000, 60_000) * 3,
    *(10_000, 20_000) * 2,
    *(2_500, 5_000, 10_000, 20_000) * 4,
)
"""Length of a frame by the configuration number of its packet (RFC 6716, 3.1)."""


def opus_duration_us(packet: bytes) -> int:
    """How long an Opus packet sounds, in microseconds; 0 if it is none (RFC 6716, 3.2 and 3.4)."""
    if not packet or (packet[0] & 3 == 3 and len(packet) < 2):
        return 0
    count = (1, 2, 2)[packet[0] & 3] if packet[0] & 3 < 3 else packet[1] & 0x3F
    duration = count * _FRAMES_US[packet[0] >> 3]
    return duration if duration <= 120_000 else 0


@attrs.define(eq=False)
class OggWriter:
    """Makes a file, to be written as its parts come. Each call returns bytes, maybe none."""

    channels: int = 1
    serial: int = 1
    """Tells apart streams within one file; any number of 32 bits."""
    page_us: int = 1_000_000
    """How much sound a page gathers at most."""
    _sequence: int = attrs.field(init=False, default=0)
    _position: int = attrs.field(init=False, default=0)
    _packets: list[bytes] = attrs.field(init=False, factory=list)
    _gathered_us: int = attrs.field(init=False, default=0)

    def begin(self) -> bytes:
        """The two header packets, each on a page of its own (RFC 7845, 5)."""
        head = _HEAD.pack(b"OpusHead", 1, self.channels, PRE_SKIP, GRANULES_HZ, 0, 0)
        vendor = b"clutch"
        tags = b"OpusTags" + struct.pack("<I", len(vendor)) + vendor + bytes(4)
        return self._page([head], _FIRST) + self._page([tags], 0)

    def add(self, packet: bytes) -> bytes:
        """The next packet. Raises `AudioError` if it is not one of Opus."""
        duration_us = opus_duration_us(packet)
        if not duration_us or len(packet) > _MAX_PACKET:
            raise AudioError("not an Opus packet")
        segments = sum(len(waiting) // 255 + 1 for waiting in [*self._packets, packet])
        full = segments > 255 or self._gathered_us + duration_us > self.page_us
        page = self.flush() if self._packets and full else b""
        self._packets.append(packet)
        self._gathered_us += duration_us
        return page

    def flush(self) -> bytes:
        """What has gathered, as a page."""
        return self._audio(0) if self._packets else b""

    def end(self) -> bytes:
        """The rest, and the mark of the end."""
        return self._audio(_LAST)

    def _audio(self, flags: int) -> bytes:
        self._position += self._gathered_us * GRANULES_HZ // 1_000_000
        page = self._page(self._packets, flags)
        self._packets, self._gathered_us = [], 0
        return page

    def _page(self, packets: list[bytes], flags: int) -> bytes:
        lacing = b"".join(b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255]) for packet in packets)
        header = _PAGE.pack(b"OggS", 0, flags, self._position, self.serial, self._sequence, 0, len(lacing))
        self._sequence += 1
        page = bytearray(header + lacing + b"".join(packets))
        struct.pack_into("<I", page, _CRC_AT, _crc(page))
        return bytes(page)


@attrs.define(eq=False)
class OggReader:
    """Takes a file as it comes, and gives its packets of audio. Raises `AudioError` for what is none."""

    channels: int = attrs.field(init=False, default=0)
    """0 until the first header was read."""
    pre_skip: int = attrs.field(init=False, default=0)
    """Samples at 48 kHz to drop at the beginning of what the packets decode to."""
    _buffer: bytearray = attrs.field(init=False, factory=bytearray)
    _partial: bytearray = attrs.field(init=False, factory=bytearray)
    _headers: int = attrs.field(init=False, default=0)
    """Header packets of this stream that were read."""

    def feed(self, data: bytes) -> list[bytes]:
        """More of the file."""
        self._buffer += data
        return [packet for page in self._pages() for packet in self._audio(page)]

    def _pages(self) -> Iterator[bytes]:
        while len(self._buffer) >= _PAGE.size:
            if self._buffer[:5] != b"OggS\0":
                raise AudioError("not an Ogg file, or damaged")
            segments = self._buffer[_PAGE.size - 1]
            body = _PAGE.size + segments
            end = body + sum(self._buffer[_PAGE.size : body])
            if len(self._buffer) < max(body, end):
                return
            page = bytes(self._buffer[:end])
            del self._buffer[:end]
            if _crc(page[:_CRC_AT] + bytes(4) + page[_CRC_AT + 4 :]) != _PAGE.unpack_from(page)[6]:
                raise AudioError("a page is damaged")
            yield page

    def _audio(self, page: bytes) -> Iterator[bytes]:
        flags, segments = page[5], page[_PAGE.size - 1]
        if flags & _FIRST:
            self._headers = 0
        if not flags & _CONTINUED:
            self._partial.clear()
        at = _PAGE.size + segments
        for size in page[_PAGE.size : at]:
            self._partial += page[at : at + size]
            at += size
            if len(self._partial) > _MAX_PACKET:
                raise AudioError(f"a packet is longer than {_MAX_PACKET} bytes")
            if size < 255:
                packet = bytes(self._partial)
                self._partial.clear()
                if self._headers == 2:
                    yield packet
                else:
                    self._header(packet)

    def _header(self, packet: bytes) -> None:
        expected = (b"OpusHead", b"OpusTags")[self._headers]
        if not packet.startswith(expected):
            raise AudioError("an Ogg file, but not of Opus")
        if expected == b"OpusHead":
            if len(packet) < _HEAD.size:
                raise AudioError("the header is cut short")
            _, version, channels, pre_skip, _, _, family = _HEAD.unpack_from(packet)
            if version > 15 or family != 0 or channels not in (1, 2):
                raise AudioError(
                    f"{channels} channels of mapping family {family}; 1 or 2 of family 0 are needed"
                )
            self.channels, self.pre_skip = channels, pre_skip
        self._headers += 1


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte << 24
        for _ in range(8):
            crc = (crc << 1) ^ (0x04C11DB7 if crc & 0x8000_0000 else 0)
        table.append(crc & 0xFFFF_FFFF)
    return tuple(table)


_CRC_TABLE = _crc_table()


def _crc(page: bytes | bytearray) -> int:
    """The checksum of a page whose own checksum is zero: CRC-32, neither reflected nor inverted."""
    crc = 0
    for byte in page:
        crc = (crc << 8 & 0xFFFF_FFFF) ^ _CRC_TABLE[crc >> 24 ^ byte]
    return crc
