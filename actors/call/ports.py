"""The ports of a call: what the call tree asks of signalling, media, agents and storage.

Everything here is a `typing.Protocol` or a frozen value, so an adapter needs no base class and the
call tree knows no telephony. Audio is always signed 16-bit native-endian mono PCM in `bytes`; one frame
is 20 ms of it. `uplink` is what the caller says, `downlink` is what the caller hears.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeAlias, TypeVar

import attrs

from actors.call.cause import Cause, Reason
from actors.runtime import LossyReceiver

if TYPE_CHECKING:
    from actors.call.downlink import Lease, Speaker

FRAME_MS = 20

Side: TypeAlias = Literal["uplink", "downlink"]
"""Who is heard: the caller, or what the caller hears."""


class MediaFrame(NamedTuple):
    """One 20 ms tick of a call's audio, both directions aligned to the sample.

    A named tuple rather than an attrs class: one is built per call and tick, and this is the cheapest
    immutable record that CPython has.
    """

    tick: int
    """Number of 20 ms ticks since the stream opened. A gap in ticks is audio that this reader lost."""
    rate_hz: int
    """Sampling rate of both directions."""
    uplink: bytes
    """PCM played out of the jitter buffer: rate_hz / 50 samples, 2 bytes each."""
    downlink: bytes
    """PCM that was sent towards the caller in the same tick, same shape; zeros when nothing was queued."""
    concealed: bool
    """True if any sample of `uplink` was made up because its packet was missing."""


@attrs.frozen
class Dtmf:
    """A telephone event (RFC 4733) that the caller completed."""

    digit: str
    """One of ``0123456789*#ABCD``."""
    duration_ms: int


@attrs.frozen
class MediaTimeout:
    """No valid packet came for the stream's timeout. Sent once; packets coming again arm it again."""

    idle_ms: int


@attrs.frozen
class SpeechStarted:
    """The caller began to speak, 60 ms ago. Reported where the leg asked the media plane to listen."""


@attrs.frozen
class SpeechEnded:
    """The caller stopped speaking, 200 ms ago."""

    duration_ms: int
    """From the beginning of the speech to its end."""


Speech = SpeechStarted | SpeechEnded
MediaEvent = Dtmf | MediaTimeout | Speech


@attrs.frozen
class MediaStats:
    """Counters of one stream since it was opened, and gauges. Every received audio packet is in exactly one
    of played, late, duplicate, discarded, relayed, or still waiting in the jitter buffer.

    What is called remote is the peer's view of what we send, from its last RTCP report.
    """

    packets_sent: int = 0
    packets_received: int = 0
    played: int = 0
    late: int = 0
    duplicate: int = 0
    discarded: int = 0
    concealed: int = 0
    """Ticks in which at least one sample was concealed."""
    malformed: int = 0
    wrong_payload: int = 0
    wrong_source: int = 0
    ssrc_changes: int = 0
    downlink_dropped: int = 0
    """Samples refused by `MediaStream.send` because the downlink queue was full."""
    lost: int = 0
    """The peer's packets that never came (RFC 3550 A.3)."""
    jitter_us: int = 0
    """Jitter of their arrival, a running mean (RFC 3550 A.8); a gauge."""
    reports_sent: int = 0
    """RTCP compounds."""
    reports_received: int = 0
    reports_malformed: int = 0
    reports_wrong_source: int = 0
    """RTCP from elsewhere than the peer, which was ignored."""
    remote_expected: int = 0
    """Packets that we had sent when the peer made its last report; 0 without one."""
    remote_lost: int = 0
    """How many of them never came."""
    remote_jitter_us: int = 0
    """Their jitter, as the peer measured it; a gauge."""
    round_trips: int = 0
    """How often the round trip was measured."""
    round_trip_us: int = 0
    """The last result; a gauge."""
    srtp_forged: int = 0
    """Packets of RTP and RTCP whose authentication failed, and which were dropped (SRTP)."""
    srtp_replayed: int = 0
    """Authentic ones that came before, or were too old to tell; dropped as well."""
    relayed: int = 0
    """Audio packets that went on to the bridged stream and were not decoded here."""
    recovered: int = 0
    """Lost packets whose content the next one repeated (forward error correction); not concealed."""

    @property
    def loss_percent(self) -> float:
        """How much of what the peer sent was lost on its way to us."""
        return _percent(self.lost, self.lost + self.packets_received)

    @property
    def remote_loss_percent(self) -> float | None:
        """How much of what we sent was lost on its way, None as long as the peer has not said."""
        return _percent(self.remote_lost, self.remote_expected) if self.remote_expected else None

    @property
    def jitter_ms(self) -> float:
        """`jitter_us` in milliseconds."""
        return self.jitter_us / 1000

    @property
    def round_trip_ms(self) -> float | None:
        """The last round trip in milliseconds, None as long as it was not measured."""
        return self.round_trip_us / 1000 if self.round_trips else None


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 0.0


class MediaStream(Protocol):
    """Media of one leg. Owned by the call: opened before the leg, closed after every child is down."""

    @property
    def rate_hz(self) -> int:
        """PCM rate of frames and of `send`. 0 until the leg has negotiated a codec."""

    @property
    def queued_ms(self) -> int:
        """Downlink audio accepted by `send` and not yet sent."""

    def tap(self, capacity: int = 50) -> LossyReceiver[MediaFrame]:
        """Start delivering frames to a new reader, one per tick. Close the receiver to stop.

        `capacity` is in frames; when the reader is slower, the oldest frames are dropped and counted.
        """

    async def next_event(self) -> MediaEvent:
        """Wait for the next event. Raises `trio.ClosedResourceError` once the stream is closed."""

    def send(self, pcm: bytes) -> int:
        """Queue downlink PCM at `rate_hz`. Returns how many bytes were taken; the rest did not fit."""

    def clear(self) -> None:
        """Forget all queued downlink audio; at most one more frame of it goes out."""

    def send_dtmf(self, digits: str, *, tone_ms: int = 100, gap_ms: int = 60) -> None:
        """Queue telephone events. Raises ValueError for a digit outside ``0-9*#A-D``."""

    def stats(self) -> MediaStats:
        """The counters now; also valid after `close`."""

    def close(self) -> None:
        """Stop, give the port back, end all taps. Idempotent, never blocks, never raises."""


MediaStreamT = TypeVar("MediaStreamT", bound=MediaStream)
MediaStreamT_co = TypeVar("MediaStreamT_co", bound=MediaStream, covariant=True)


class MediaPort(Protocol[MediaStreamT_co]):
    """Something that opens media streams: the native plane or its Python twin."""

    def open(self, sid: str) -> MediaStreamT_co:
        """Reserve a local port for a call. Raises `MediaUnavailable` when none is free."""


class LegPort(Protocol):
    """Signalling of the caller's side of one call. Used by one task; every method may be cancelled."""

    async def connect(self, ringing: Callable[[], None]) -> None:
        """Bring the leg to answered and return. Calls `ringing` when the far side rings.

        Raises `LegEnded` with the cause if the far side rejects, cancels or cannot be reached.
        """

    async def ended(self) -> Cause:
        """Wait until the far side ends an answered call, and say why. Its BYE has been answered by then."""

    async def goodbye(self, cause: Cause) -> None:
        """End the leg from our side if it has not ended: BYE, CANCEL or a final response.

        Sends at once, then waits for the peer to confirm; the caller bounds that wait. Idempotent.
        """

    def close(self) -> None:
        """Drop local state. Idempotent, never blocks, never raises."""


class Conversation(Protocol):
    """One agent's side of a call. Valid inside `AgentPort.run` only."""

    @property
    def sid(self) -> str:
        """The call's identifier."""

    @property
    def rate_hz(self) -> int:
        """PCM rate of `uplink` frames and of `say`."""

    @property
    def uplink(self) -> LossyReceiver[MediaFrame]:
        """What the caller says, one frame per 20 ms; drops the oldest when not read.

        It ends when the call does; an agent that is still there 0.2 s later is cancelled.
        """

    @property
    def queued_ms(self) -> int:
        """How much of what was said is still to be sent."""

    async def say(self, pcm: bytes) -> None:
        """Speak: queue PCM, waiting while more than 100 ms of it is ahead of the caller's ear."""

    def silence(self) -> None:
        """Stop speaking at once: everything queued is dropped."""

    @property
    def keys(self) -> LossyReceiver[Dtmf]:
        """The caller's keys (RFC 4733), in order. They outlive a restart of the agent."""

    @property
    def speech(self) -> LossyReceiver[Speech]:
        """When the caller starts and stops speaking, if the leg asked for it; else nothing comes."""

    def send_dtmf(self, digits: str) -> None:
        """Press keys towards the caller (RFC 4733)."""

    def hangup(self, reason: Reason | None = None) -> None:
        """End the call. Returns at once; the agent is stopped in its turn."""


class AgentPort(Protocol):
    """The conversation partner of a call."""

    async def run(self, conversation: Conversation) -> None:
        """Hold the conversation. Returning leaves the call up; `conversation.hangup()` ends it."""


class CallAudio(Protocol):
    """The audio of one answered call. Valid inside `TracksPort.run` only."""

    @property
    def sid(self) -> str:
        """The call's identifier."""

    @property
    def rate_hz(self) -> int:
        """PCM rate now, of what is spoken; a re-INVITE may change it. Each frame says its own."""

    def tap(self, capacity: int = 50) -> LossyReceiver[MediaFrame]:
        """Read both directions, as `MediaStream.tap`."""

    def lease(self, speaker: Speaker) -> Lease:
        """Be who speaks to the caller. Raises `DownlinkTaken`."""


class TracksPort(Protocol):
    """Offers the audio of calls to others as two tracks, and lets them speak. One object serves all calls."""

    async def run(self, audio: CallAudio) -> None:
        """Serve one call until cancelled, or for as long as its tap gives frames.

        However it is left, both tracks have ended by then, and every lease is released; ending them takes
        no checkpoint.
        """


class Recording(Protocol):
    """A recording of one stream, however it is made. It begins with the next frame."""

    async def run(self) -> int:
        """Record until `finish`, or until the stream closes, and return once all of it is kept.

        Returns how many frames are missing, and silence in their place. Raises `RecordError`.
        """

    def finish(self) -> None:
        """Take nothing new; what came before is still kept. Idempotent, never blocks, never raises."""

    async def aclose(self) -> None:
        """Give everything back, also after a cancelled `run`. Idempotent."""


class RecordSink(Protocol):
    """Where the frames of a recording go. They arrive in tick order; ticks may be missing, never repeated."""

    async def write(self, frames: Sequence[MediaFrame]) -> None:
        """Append frames. Missing ticks are written as silence, so both channels stay aligned. Raises
        `RecordError`."""

    async def aclose(self) -> None:
        """Finish the recording. Idempotent. After a cancelled `write` the file is still valid."""
