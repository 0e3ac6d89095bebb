"""What we want of Opus, how SDP says so, and what becomes of it with a peer (RFC 7587 section 6.1)."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from clutch.media.params import OpusOptions
from clutch.wire.sdp.codecs import OPUS, CodecOffer
from clutch.wire.sdp.fields import is_number

FULL_BAND_HZ = 48_000
_LEAST_BITRATE = 6000


@attrs.frozen
class OpusTerms:
    """How Opus is spoken, as far as the peer lets us."""

    rate_hz: int = FULL_BAND_HZ
    """Of the PCM: 8000, 16000, 24000 or 48000."""
    bitrate: int = 32_000
    """Bits a second that we send at most, 6000 to 510000."""
    complexity: int = 5
    """Of our encoder, 0 to 10."""
    fec: bool = True
    """Send forward error correction to a peer that can use it. What a peer sends is always used."""
    loss_percent: int = 10
    """How many packets our encoder expects to be lost: how much FEC it sends. At 48 kHz and 32 kbit/s that is
    none below 10."""
    dtx: bool = False
    """Send next to nothing in silence to a peer that wishes so, and wish so ourselves."""

    def offer(self) -> CodecOffer:
        """Opus as our descriptions list it."""
        fmtp = OPUS.fmtp
        if self.dtx:
            fmtp += ";usedtx=1"
        if self.rate_hz < FULL_BAND_HZ:
            fmtp += f";maxplaybackrate={self.rate_hz};sprop-maxcapturerate={self.rate_hz}"
        return attrs.evolve(OPUS, rate_hz=self.rate_hz, fmtp=fmtp)

    def options(self, theirs: Mapping[str, str]) -> OpusOptions:
        """How to send to a peer with these format parameters. What makes no sense in them is not there."""
        bitrate = _number(theirs, "maxaveragebitrate", self.bitrate)
        return OpusOptions(
            bitrate=max(_LEAST_BITRATE, min(self.bitrate, bitrate)),
            complexity=self.complexity,
            loss_percent=self.loss_percent,
            playback_hz=min(FULL_BAND_HZ, _number(theirs, "maxplaybackrate", FULL_BAND_HZ)),
            fec=self.fec and theirs.get("useinbandfec") == "1",
        )

    def sends_dtx(self, theirs: Mapping[str, str]) -> bool:
        """Whether the peer wishes it, too."""
        return self.dtx and theirs.get("usedtx") == "1"


def _number(parameters: Mapping[str, str], name: str, default: int) -> int:
    value = parameters.get(name, "")
    return int(value) if is_number(value) and len(value) < 10 else default
