"""The payload of telephone events: DTMF as RTP (RFC 4733 section 2.3)."""

from __future__ import annotations

import struct

import attrs

from clutch.wire.errors import MalformedPacket

DIGITS = "0123456789*#ABCD"
"""The digit of each event code from 0 to 15 (RFC 4733 section 3.2)."""

_PAYLOAD = struct.Struct("!BBH")


@attrs.frozen
class TelephoneEvent:
    """One report about an event. The RTP timestamp, not carried here, says which event it is."""

    event: int
    """Event code, 0 to 255; an index into `DIGITS` if below 16."""
    end: bool
    """True once the event is over."""
    volume: int
    """Tone level, 0 to 63, in -dBm0."""
    duration: int
    """How long the event has lasted, 16 bits in units of the RTP clock."""

    @classmethod
    def parse(cls, payload: bytes) -> TelephoneEvent:
        """Read a payload; the reserved bit and bytes behind the fourth are ignored.

        Raises `MalformedPacket` if there are fewer than four bytes.
        """
        if len(payload) < _PAYLOAD.size:
            raise MalformedPacket(f"a telephone event needs {_PAYLOAD.size} bytes, not {len(payload)}")
        event, flags, duration = _PAYLOAD.unpack_from(payload)
        return cls(event, bool(flags & 0x80), flags & 0x3F, duration)

    def to_bytes(self) -> bytes:
        """The payload on the wire. The fields must be in their ranges (`struct.error` if not)."""
        return _PAYLOAD.pack(self.event, self.end << 7 | self.volume, self.duration)
