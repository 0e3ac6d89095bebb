"""The sending half of the Python core: queued audio and keys to one packet per tick."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import attrs
import numpy as np

from clutch.media.comfort import PauseSender
from clutch.media.content import Content
from clutch.media.counters import Counters
from clutch.media.dtmf import DtmfSender, EventPacket
from clutch.media.g711 import Samples
from clutch.media.params import FRAMES_PER_SECOND, RtpParams
from clutch.media.relay import Numbers

QUEUE_SAMPLES = 8192
"""Room for audio that waits to be sent."""

_SAMPLE_BYTES = 2


class Outgoing(NamedTuple):
    """A packet to be sent: the fields of an RTP header, and the payload."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    marker: bool


@attrs.define(eq=False)
class Downlink:
    """Queues audio and keys, and numbers packets."""

    ssrc: int
    """Ours."""
    sequence: int
    """Of the next packet."""
    timestamp: int
    """RTP time of the next tick."""
    _counters: Counters
    dtmf: DtmfSender = attrs.field(factory=DtmfSender)
    _queue: bytearray = attrs.field(factory=bytearray)
    _key: EventPacket | None = None
    """What this tick sends instead of audio."""
    _spoken: bool = False
    """The last packet was audio, and nothing was left out since: else the next is marked (RFC 3551 4.1)."""
    _pause: PauseSender = attrs.field(factory=PauseSender)
    octets: int = 0
    """Bytes of payload sent."""
    numbers_used: int = 0
    """Sequence numbers up to `sequence`, those of packets that were lost before us included."""

    @property
    def queued(self) -> int:
        """Samples that wait."""
        return len(self._queue) // _SAMPLE_BYTES

    def write(self, pcm: bytes, room: int = QUEUE_SAMPLES) -> int:
        """Queue the whole samples that fit into `room`, refuse and count the others. Returns bytes taken."""
        samples = len(pcm) // _SAMPLE_BYTES
        taken = min(samples, room - self.queued)
        self._counters.downlink_dropped += samples - taken
        self._queue += pcm[: taken * _SAMPLE_BYTES]
        return taken * _SAMPLE_BYTES

    def has_words(self, params: RtpParams) -> bool:
        """True if there is audio or a key to be sent."""
        return self.queued > 0 or (params.telephone_event is not None and self.dtmf.is_sending)

    def clear(self) -> None:
        """Forget the audio that waits."""
        self._queue.clear()

    def take(self, params: RtpParams) -> bytes:
        """Begin a tick: the queued PCM that is due, at most a frame; none while a key is pressed.

        Keys go before audio, which waits for them; but audio does not wait for a hold to end.
        """
        self._key = None
        if params.send and params.telephone_event is not None:
            self._key = self.dtmf.tick(self.timestamp, params.duration_clock_hz // FRAMES_PER_SECOND)
        if self._key is not None:
            return b""
        size = params.codec.frame_samples * _SAMPLE_BYTES
        pcm = bytes(self._queue[:size])
        del self._queue[:size]
        return pcm

    def emit(
        self, params: RtpParams, pcm: bytes, encode: Callable[[Samples], bytes]
    ) -> tuple[bytes, Outgoing | None]:
        """End the tick with a frame of PCM: what is sent of it, silence if a key or nothing is, and the
        packet."""
        codec, key = params.codec, self._key
        timestamp, self.timestamp = self.timestamp, (self.timestamp + codec.frame_ticks) % 2**32
        if key is not None and params.telephone_event is not None:
            packet = self._packet(params.telephone_event, key.timestamp, key.payload, key.marker)
            return bytes(len(pcm)), packet
        if not params.send:
            return bytes(len(pcm)), None
        samples = np.frombuffer(pcm, np.int16)
        noise = self._pause.frame(samples) if params.dtx else None
        marker, self._spoken = not self._spoken, noise is None
        if noise is None:
            return pcm, self._packet(codec.payload_type, timestamp, encode(samples), marker)
        if noise:
            return pcm, self._packet(params.comfort_noise, timestamp, noise, False)
        return pcm, None

    def relay(
        self,
        payload_type: int,
        sent: Numbers,
        following: Numbers,
        payload: bytes,
        content: Content,
        *,
        marker: bool,
    ) -> Outgoing:
        """A packet of somebody else's with the numbers that it has here, and those that follow."""
        self.numbers_used += (following.sequence - self.sequence) % 0x10000
        self.sequence, self.timestamp = following
        self._counters.packets_sent += 1
        self.octets += len(payload)
        marker |= content is Content.AUDIO and not self._spoken
        if content is not Content.KEY:
            self._spoken = content is Content.AUDIO
        return Outgoing(payload_type, *sent, self.ssrc, payload, marker)

    def _packet(self, payload_type: int, timestamp: int, payload: bytes, marker: bool) -> Outgoing:
        self._counters.packets_sent += 1
        self.octets += len(payload)
        self.numbers_used += 1
        sequence, self.sequence = self.sequence, (self.sequence + 1) % 0x10000
        return Outgoing(payload_type, sequence, timestamp, self.ssrc, payload, marker)
