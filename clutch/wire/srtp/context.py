"""One direction of SRTP and SRTCP: packet indices, replay windows, and the protection itself."""

from __future__ import annotations

import struct

import attrs

from clutch.wire.errors import MalformedPacket
from clutch.wire.rtp import header_length
from clutch.wire.srtp.errors import Replayed, Unauthentic
from clutch.wire.srtp.suites import SUITES, Suite
from clutch.wire.srtp.transforms import Transform, make_transform

WINDOW = 128
"""An older packet than so many is taken for a replay (RFC 3711 section 3.3.2: at least 64)."""
MAX_SOURCES = 16
"""SSRCs that are taken from a peer under one key. None is forgotten, or its packets could be replayed."""

_HALF = 0x8000
_REPORT_HEADER = 8
_INDEX = struct.Struct("!I")
_ENCRYPTED = 1 << 31
"""The E bit before the index of SRTCP."""


@attrs.define(eq=False)
class Window:
    """The highest index of one SSRC, and which of the last `WINDOW` there were."""

    _highest: int = 0
    _seen: int = 0
    """Bit k is for the index k below the highest."""

    def guess(self, sequence: int) -> int:
        """The index that a packet with this sequence number most likely has (RFC 3711 appendix A)."""
        rollovers, last = divmod(self._highest, 0x10000)
        if last < _HALF:
            rollovers -= sequence - last > _HALF and rollovers > 0
        else:
            rollovers += last - _HALF > sequence
        return rollovers << 16 | sequence

    def admits(self, index: int) -> bool:
        """False if a packet with this index came before, or is too old to tell."""
        age = self._highest - index
        return age < 0 or (age < WINDOW and not self._seen >> age & 1)

    def note(self, index: int) -> None:
        """A packet with this index came."""
        age = self._highest - index
        if age < 0:
            self._seen = self._seen << -age & (1 << WINDOW) - 1
            self._highest, age = index, 0
        self._seen |= 1 << age


@attrs.define(eq=False)
class _Source:
    """One SSRC."""

    media: Window = attrs.field(factory=Window)
    reports: Window = attrs.field(factory=Window)


@attrs.define(eq=False)
class SrtpContext:
    """Protects what one side sends, or unprotects what the other sent, under one master key.

    It must be used as long as the key is: a new one under an old key would take replays and, sending, use a
    keystream twice.
    """

    suite: Suite
    _media: Transform = attrs.field(repr=False)
    _reports: Transform = attrs.field(repr=False)
    _sources: dict[int, _Source] = attrs.field(init=False, factory=dict)
    _sent_reports: int = attrs.field(init=False, default=0)

    @classmethod
    def open(cls, suite: str, material: bytes) -> SrtpContext:
        """A context for one of `SUITES` and a master key with its salt behind it.

        Raises ValueError if the suite is not known or the length is not the suite's.
        """
        if suite not in SUITES:
            raise ValueError(f"no SRTP suite is called {suite!r}")
        known = SUITES[suite]
        if len(material) != known.material_bytes:
            raise ValueError(f"a key of {suite} with its salt has {known.material_bytes} bytes")
        media, reports = (make_transform(known, material, report=report) for report in (False, True))
        return cls(known, media, reports)

    def protect(self, packet: bytes) -> bytes:
        """Protect an RTP packet. No index of an SSRC may come twice: that would give both packets away."""
        start, sequence, ssrc = _media_header(packet)
        window = self._sources.setdefault(ssrc, _Source()).media
        index = window.guess(sequence)
        window.note(index)
        clear, secret = packet[:start], packet[start:]
        return self._media.protect(clear, secret, ssrc, index, sent=b"", implied=_rollovers(index))

    def unprotect(self, packet: bytes) -> bytes:
        """The RTP packet that was protected. Raises `MalformedPacket`, `Unauthentic` or `Replayed`."""
        start, sequence, ssrc = _media_header(packet)
        if len(packet) < start + self.suite.tag_bytes:
            raise MalformedPacket("no room for an authentication tag")
        source = self._source(ssrc)
        index = source.media.guess(sequence)
        if not source.media.admits(index):
            raise Replayed
        plain = self._media.unprotect(packet, start, ssrc, index, sent=b"", implied=_rollovers(index))
        source.media.note(index)
        self._sources[ssrc] = source
        return plain

    def protect_report(self, packet: bytes) -> bytes:
        """Protect an RTCP compound."""
        self._sent_reports += 1
        index = self._sent_reports & ~_ENCRYPTED
        clear, secret = packet[:_REPORT_HEADER], packet[_REPORT_HEADER:]
        sent = _INDEX.pack(_ENCRYPTED | index)
        return self._reports.protect(clear, secret, _report_ssrc(packet), index, sent=sent, implied=b"")

    def unprotect_report(self, packet: bytes) -> bytes:
        """The RTCP compound that was protected. Raises as `unprotect` does."""
        if len(packet) < _REPORT_HEADER + _INDEX.size + self.suite.report_tag_bytes:
            raise MalformedPacket("too short for SRTCP")
        end = len(packet) - self._reports.behind_index
        sent, ssrc = packet[end - _INDEX.size : end], _report_ssrc(packet)
        (index,) = _INDEX.unpack(sent)
        if not index & _ENCRYPTED:
            raise Unauthentic("the report is not encrypted")
        index &= ~_ENCRYPTED
        source = self._source(ssrc)
        if not source.reports.admits(index):
            raise Replayed
        plain = self._reports.unprotect(packet, _REPORT_HEADER, ssrc, index, sent=sent, implied=b"")
        source.reports.note(index)
        self._sources[ssrc] = source
        return plain

    def _source(self, ssrc: int) -> _Source:
        """What is known of an SSRC; it is kept only once a packet of its was authentic."""
        known = self._sources.get(ssrc)
        if known is None and len(self._sources) == MAX_SOURCES:
            raise Unauthentic(f"more than {MAX_SOURCES} SSRCs")
        return known or _Source()


def _media_header(packet: bytes) -> tuple[int, int, int]:
    """Where the payload begins, sequence number and SSRC. Raises `MalformedPacket`."""
    start = header_length(packet)
    return start, int.from_bytes(packet[2:4]), int.from_bytes(packet[8:12])


def _report_ssrc(packet: bytes) -> int:
    return int.from_bytes(packet[4:8])


def _rollovers(index: int) -> bytes:
    return _INDEX.pack(index >> 16)
