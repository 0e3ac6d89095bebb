"""What signalling agreed on for one media stream: the argument of `RtpStream.connect`.

Both media planes and every leg share these values; nothing here knows SDP.
"""

from __future__ import annotations

from typing import TypeAlias

import attrs

Address: TypeAlias = tuple[str, int]
"""IP address in its shortest text form, and UDP port."""

FRAMES_PER_SECOND = 50
"""A frame is 20 ms: every stream ticks at this rate."""


@attrs.frozen
class Codec:
    """One negotiated codec and the payload type it has in this stream."""

    name: str
    """``pcmu``, ``pcma``, ``l16``, ``g722`` or ``opus``."""
    payload_type: int
    """RTP payload type, 0 to 127, both sent and expected."""
    rate_hz: int
    """Rate of the PCM: 8000 for G.711, 16000 for G.722, 8000, 16000 or 48000 for L16, those or 24000 for
    Opus."""
    rtp_clock_hz: int
    """Rate of the RTP timestamp: 8000 for G.722 (RFC 3551 section 4.5.2), 48000 for Opus (RFC 7587 section
    4.1), whatever their PCM; else as `rate_hz`."""
    channels: int = 1
    """Channels of the PCM. Calls are mono; Opus is signalled as two channels and decoded to one."""

    @property
    def frame_samples(self) -> int:
        """Samples of PCM in one 20 ms frame."""
        return self.rate_hz // FRAMES_PER_SECOND

    @property
    def frame_ticks(self) -> int:
        """How far the RTP timestamp moves in one 20 ms frame."""
        return self.rtp_clock_hz // FRAMES_PER_SECOND

    def same_pcm(self, other: Codec) -> bool:
        """True if audio that was decoded or queued under the one can go on under the other."""
        return (self.name, self.rate_hz) == (other.name, other.rate_hz)


@attrs.frozen
class SrtpKeys:
    """How the packets of one stream are protected: RTP and RTCP alike (RFC 3711)."""

    suite: str
    """Its name in SDP: one of `clutch.wire.srtp.SUITES`."""
    send: bytes = attrs.field(repr=False)
    """Our master key with its salt behind it."""
    receive: bytes = attrs.field(repr=False)
    """The peer's."""


@attrs.frozen
class OpusOptions:
    """How our Opus encoder works (RFC 7587)."""

    bitrate: int = 32_000
    """Bits a second, 6000 to 510000: 32000 is transparent for speech at full band."""
    complexity: int = 5
    """0 to 10; 5 takes half the processor time of 10."""
    loss_percent: int = 0
    """How many packets the encoder expects to be lost. The more, the more bits FEC takes; none at 0."""
    playback_hz: int = 48_000
    """The peer hears nothing above half of it."""
    fec: bool = False
    """Repeat what was said in the next packet, so that a lost one can be recovered from it."""


@attrs.frozen
class RtpParams:
    """Where to send, what to expect, and when to give up."""

    remote: Address
    """Where the peer's SDP says it receives. Its packets may come from elsewhere: see `learn`."""
    codec: Codec
    telephone_event: int | None = None
    """Payload type of RFC 4733 events, or None when they were not negotiated."""
    send: bool = True
    """False while the peer holds us: nothing is sent."""
    receive: bool = True
    """False while we hold the peer: packets are ignored."""
    timeout_ms: int = 30_000
    """Silence from the network after which the stream reports a timeout; 0 never does."""
    learn: bool = True
    """Symmetric RTP (RFC 4961): adopt the address that packets really come from, then only that one."""
    rtcp: Address | None = None
    """Where the peer receives RTCP; None: where it receives RTP (rtcp-mux, RFC 5761)."""
    event_clock_hz: int | None = None
    """In which events count their duration; None: `Codec.rtp_clock_hz`. Their timestamps are the audio's."""
    keys: SrtpKeys | None = None
    """For SRTP; None: plain RTP. A direction whose key stays goes on where it was."""
    opus: OpusOptions = OpusOptions()
    """Means something only with that codec."""
    dtx: bool = False
    """Send next to nothing in silence: Opus by itself, others by comfort noise (RFC 3389)."""
    comfort_noise: int = 13
    """Payload type of comfort noise, which is played whether it was negotiated or not; Opus takes none."""

    @property
    def duration_clock_hz(self) -> int:
        """`event_clock_hz`, or what it stands for."""
        return self.event_clock_hz or self.codec.rtp_clock_hz
