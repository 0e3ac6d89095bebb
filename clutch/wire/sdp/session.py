"""Session descriptions as values: parse, look at, write (RFC 4566, RFC 8866).

The order of lines is kept, and lines that mean nothing to us are kept as they stood. Lines may end in LF
alone. Text is UTF-8; other bytes survive a round trip.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import attrs

from clutch.wire.sdp.crypto import Crypto
from clutch.wire.sdp.errors import SdpParseError
from clutch.wire.sdp.fields import Connection, Direction, Line, Origin, RtcpAddress, RtpMap, number

MAX_BYTES = 65_536
"""A longer description is refused."""
MAX_MEDIA = 64
"""A description with more m= lines is refused."""

_DIRECTION_NAMES = frozenset(direction.value for direction in Direction)


@attrs.frozen
class Media:
    """One media description: an ``m=`` line and what follows it (RFC 8866 section 5.14)."""

    kind: str
    """``audio``, ``video``, ``image`` …"""
    port: int
    """0 if the stream is rejected or switched off."""
    protocol: str
    """``RTP/AVP``, ``RTP/SAVP``, ``udptl`` …"""
    formats: tuple[str, ...]
    """At least one; payload types in decimal if the protocol is RTP."""
    lines: tuple[Line, ...] = ()
    port_count: int = 1

    @classmethod
    def parse(cls, text: str) -> Media:
        """Read the value of an ``m=`` line. Raises ValueError with the rule that was broken."""
        fields = [field for field in text.split(" ") if field]
        if len(fields) < 4:
            raise ValueError("m= needs a media type, a port, a protocol and at least one format")
        kind, port, protocol, *formats = fields
        first, slash, count = port.partition("/")
        return cls(
            kind,
            number(first, 65_535, "port"),
            protocol,
            tuple(formats),
            port_count=number(count, 65_535, "number of ports") if slash else 1,
        )

    @property
    def connection(self) -> Connection | None:
        """The stream's own ``c=`` line."""
        return _connection(self.lines)

    def attributes(self, name: str) -> list[str]:
        """Values of all ``a=name:value`` lines of this stream."""
        return _attributes(self.lines, name)

    def rtpmaps(self) -> dict[int, RtpMap]:
        """The mappings stated by ``a=rtpmap``, by payload type."""
        return {item.payload_type: item for item in map(RtpMap.parse, self.attributes("rtpmap"))}

    @property
    def cryptos(self) -> list[Crypto]:
        """Keys for SRTP, the one that the writer likes best first (RFC 4568)."""
        return [Crypto.parse(value) for value in self.attributes("crypto")]

    @property
    def rtcp_mux(self) -> bool:
        """True if RTCP may share the RTP port (RFC 5761)."""
        return "" in self.attributes("rtcp-mux")

    @property
    def rtcp(self) -> RtcpAddress | None:
        """The stream's own RTCP address, if it is stated."""
        return next(map(RtcpAddress.parse, self.attributes("rtcp")), None)

    def _lines(self) -> Iterator[Line]:
        ports = f"{self.port}/{self.port_count}" if self.port_count != 1 else str(self.port)
        yield Line("m", f"{self.kind} {ports} {self.protocol} {' '.join(self.formats)}")
        yield from self.lines


@attrs.frozen
class Session:
    """A session description. `Session.parse` has checked every line that the properties read."""

    origin: Origin
    lines: tuple[Line, ...]
    """What stands between ``o=`` and the first ``m=``; begins with ``s=``."""
    media: tuple[Media, ...] = ()

    @classmethod
    def parse(cls, data: bytes) -> Session:
        """Read a description. Raises `SdpParseError`.

        Checked are the limits, the form of every line, ``v= o= s=`` in this order, the values of ``o=``,
        ``c=``, ``m=``, ``a=rtpmap``, ``a=rtcp`` and ``a=crypto``, and that every stream in use has a ``c=``
        line. A missing ``t=`` is tolerated.
        """
        if len(data) > MAX_BYTES:
            raise SdpParseError(0, f"longer than {MAX_BYTES} bytes")
        lines = [_line(at, text) for at, text in enumerate(_split(data), 1)]
        if [line.type for line in lines[:3]] != ["v", "o", "s"]:
            raise SdpParseError(min(3, len(lines)), "a description begins with v=, o=, s=")
        if lines[0].value != "0":
            raise SdpParseError(1, "the protocol version must be 0")
        starts = [at for at, line in enumerate(lines) if line.type == "m"]
        if len(starts) > MAX_MEDIA:
            raise SdpParseError(starts[MAX_MEDIA] + 1, f"more than {MAX_MEDIA} m= lines")
        blocks = [lines[start:end] for start, end in pairwise([*starts, len(lines)])]
        session = cls(
            Origin.parse(lines[1].value),
            tuple(lines[2 : starts[0] if starts else None]),
            tuple(attrs.evolve(Media.parse(m.value), lines=tuple(rest)) for m, *rest in blocks),
        )
        _check_connections(session, starts)
        return session

    @property
    def connection(self) -> Connection | None:
        """The ``c=`` line for all streams that have none of their own."""
        return _connection(self.lines)

    def attributes(self, name: str) -> list[str]:
        """Values of all session-level ``a=name:value`` lines."""
        return _attributes(self.lines, name)

    def direction(self, media: Media) -> Direction:
        """The direction of a stream: its own, else the session's, else sendrecv."""
        for line in (*media.lines, *self.lines):
            if line.type == "a" and line.value in _DIRECTION_NAMES:
                return Direction(line.value)
        return Direction.SENDRECV

    def to_bytes(self) -> bytes:
        """The description on the wire, every line ended by CRLF."""
        lines = [Line("v", "0"), Line("o", str(self.origin)), *self.lines]
        for media in self.media:
            lines.extend(media._lines())
        return "".join(f"{line.type}={line.value}\r\n" for line in lines).encode("utf-8", "surrogateescape")


def _split(data: bytes) -> list[str]:
    text = data.decode("utf-8", "surrogateescape").rstrip("\r\n")
    return [line.removesuffix("\r") for line in text.split("\n")]


_CHECKS = {"o": Origin.parse, "c": Connection.parse, "m": Media.parse}
_ATTRIBUTE_CHECKS = {"rtpmap": RtpMap.parse, "rtcp": RtcpAddress.parse, "crypto": Crypto.parse}


def _line(at: int, text: str) -> Line:
    """Take one line apart and check its value."""
    if len(text) < 2 or text[1] != "=" or not ("a" <= text[0] <= "z"):
        raise SdpParseError(at, "a line must be <letter>=<value>")
    if "\r" in text or "\0" in text:
        raise SdpParseError(at, "CR and NUL are not allowed within a line")
    line = Line(text[0], text[2:])
    try:
        if check := _CHECKS.get(line.type):
            check(line.value)
        elif line.type == "a" and (check := _ATTRIBUTE_CHECKS.get(line.attribute[0])):
            check(line.attribute[1])
    except ValueError as error:
        raise SdpParseError(at, str(error)) from error
    return line


def _check_connections(session: Session, starts: Sequence[int]) -> None:
    for at, media in zip(starts, session.media, strict=True):
        if media.port and not (media.connection or session.connection):
            raise SdpParseError(at + 1, "the stream has no c= line, and the session has none")


def _connection(lines: Sequence[Line]) -> Connection | None:
    return next((Connection.parse(line.value) for line in lines if line.type == "c"), None)


def _attributes(lines: Sequence[Line], name: str) -> list[str]:
    found = [line.attribute for line in lines if line.type == "a"]
    return [value for key, value in found if key == name]
