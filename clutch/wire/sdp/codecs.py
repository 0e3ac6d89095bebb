"""The codecs a description of ours may list, and the payload types that need no rtpmap (RFC 3551)."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from clutch.wire.sdp.fields import RtpMap


@attrs.frozen
class CodecOffer:
    """One codec as SDP names it."""

    encoding: str
    """The registered encoding name, such as ``PCMU``."""
    clock_hz: int
    """Rate of the RTP clock."""
    payload_type: int
    """The number used in our own offers. In an answer the offer's number is used."""
    channels: int = 1
    """As in rtpmap: 2 for Opus, which RFC 7587 section 7 asks for whatever is sent."""
    fmtp: str = ""
    """Format parameters to state, or empty."""
    rate_hz: int | None = None
    """Rate at which the sound is sampled, where that is not the clock's."""

    @property
    def name(self) -> str:
        """The encoding name in lower case: ``pcmu``, ``pcma``, ``g722``, ``opus`` or ``l16``."""
        return self.encoding.lower()

    @property
    def key(self) -> tuple[str, int, int]:
        """Equal to `RtpMap.key` of every mapping of this codec."""
        return self.name, self.clock_hz, self.channels


PCMU = CodecOffer("PCMU", 8000, 0)
"""G.711 u-law, payload type 0."""
PCMA = CodecOffer("PCMA", 8000, 8)
"""G.711 A-law, payload type 8."""
G722 = CodecOffer("G722", 8000, 9, rate_hz=16_000)
"""G.722 at 64 kbit/s, payload type 9. Its clock is half its rate (RFC 3551 section 4.5.2)."""
OPUS = CodecOffer("opus", 48_000, 96, channels=2, fmtp="useinbandfec=1;stereo=0;sprop-stereo=0")
"""Opus (RFC 7587), mono, with forward error correction welcome."""
L16_16000 = CodecOffer("L16", 16_000, 97)
"""Uncompressed 16-bit PCM at 16 kHz (RFC 3551 section 4.5.11)."""
L16_8000 = CodecOffer("L16", 8000, 98)
"""Uncompressed 16-bit PCM at 8 kHz."""
L16_48000 = CodecOffer("L16", 48_000, 99)
"""Uncompressed 16-bit PCM at 48 kHz. A datagram is 1960 bytes and more: for links that take such."""

CODECS: Mapping[str, CodecOffer] = {
    "pcmu": PCMU,
    "pcma": PCMA,
    "g722": G722,
    "opus": OPUS,
    "l16/48000": L16_48000,
    "l16/16000": L16_16000,
    "l16/8000": L16_8000,
}
"""By the names that configuration uses."""

TELEPHONE_EVENT = "telephone-event"
"""The encoding name of RFC 4733 events."""

COMFORT_NOISE = RtpMap(13, "CN", 8000)
"""Comfort noise (RFC 3389), for the codecs with this clock."""

EVENT_PAYLOAD_TYPES: Mapping[int, int] = {8000: 101, 48_000: 102, 16_000: 103}
"""Payload types of telephone-event in our own offers, by RTP clock rate."""

STATIC: Mapping[int, RtpMap] = {
    0: RtpMap(0, "PCMU", 8000),
    8: RtpMap(8, "PCMA", 8000),
    9: RtpMap(9, "G722", 8000),
    13: COMFORT_NOISE,
}
"""Those payload types of RFC 3551 section 6 that we can use."""
