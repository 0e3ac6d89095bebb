"""The receiving half of the Python core: packets from the network to frames and events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

import attrs
import numpy as np

from clutch.media.content import Content
from clutch.media.counters import Counters
from clutch.media.dtmf import Digit, DtmfReceiver
from clutch.media.g711 import Samples
from clutch.media.jitter import JitterBuffer
from clutch.media.params import Address, RtpParams
from clutch.media.source import SourceLock
from clutch.media.tones import Tones
from clutch.media.vad import Activity, Vad

MAX_PAYLOAD = 1920
"""Bytes: 20 ms of L16 at 48 kHz. A longer audio payload is malformed."""
_EVENT_PAYLOAD = 4


class ParsedRtp(Protocol):
    """What the core reads of an RTP packet."""

    @property
    def payload_type(self) -> int:
        """7 bits."""

    @property
    def sequence(self) -> int:
        """16 bits."""

    @property
    def timestamp(self) -> int:
        """32 bits."""

    @property
    def ssrc(self) -> int:
        """32 bits."""

    @property
    def payload(self) -> bytes:
        """Without padding."""

    @property
    def marker(self) -> bool:
        """1 bit."""


@attrs.frozen
class Idle:
    """No packet was accepted for the timeout of the stream."""

    idle_ms: int


StreamEvent: TypeAlias = Digit | Idle | Activity


@attrs.define(eq=False)
class Uplink:
    """Judges, orders and decodes packets of a stream that is connected."""

    _params: RtpParams
    _decode: Callable[[bytes], Samples]
    _counters: Counters
    _source: SourceLock
    _last_rx_us: int
    """When the last packet was accepted, or the stream connected."""
    _idle: bool = False
    """The silence since then has been reported."""
    ssrc: int | None = None
    """The peer's."""
    _jitter: JitterBuffer | None = None
    """None until the first packet of a run."""
    _dtmf: DtmfReceiver = attrs.field(factory=DtmfReceiver)
    _vad: Vad = attrs.field(factory=Vad)
    _tones: Tones = attrs.field(factory=Tones)
    events: list[StreamEvent] = attrs.field(factory=list)
    """What happened; whoever reads it empties it."""

    def reconnect(self, params: RtpParams, decode: Callable[[bytes], Samples], now_us: int) -> None:
        """Go on with other parameters. Another codec starts anew, another remote is learnt anew."""
        if not params.codec.same_pcm(self._params.codec):
            self._restart()
        self._params, self._decode = params, decode
        self._source.signal(params, now_us)
        self._last_rx_us, self._idle = now_us, False

    def receive(self, packet: ParsedRtp, source: Address, now_us: int, *, keep: bool) -> Content | None:
        """Judge a packet, and `keep` audio for its turn. Returns what it carries; None: not accepted."""
        if not self._params.receive:
            return None
        content = self._content(packet.payload_type)
        if content is None:
            self._counters.wrong_payload += 1
            return None
        if not self._fits(packet, content):
            return None
        if not self._source.accepts(source, packet.ssrc, packet.sequence, now_us):
            self._counters.wrong_source += 1
            return None
        self._counters.packets_received += 1
        self._last_rx_us, self._idle = now_us, False
        self._follow(packet.ssrc)
        if content is Content.KEY:
            clock_hz = self._params.duration_clock_hz
            self.events += self._dtmf.receive(packet.payload, packet.timestamp, clock_hz, now_us)
        elif keep:
            self._insert(packet, now_us, noise=content is Content.NOISE)
        else:
            self._counters.relayed += 1
        return content

    def play(self, now_us: int) -> tuple[Samples, bool]:
        """The next frame, and whether any of it was concealed."""
        silence = np.zeros(self._params.codec.frame_samples, np.int16)
        samples, concealed = self._jitter.tick(now_us) if self._jitter else (silence, False)
        self._detect(samples)
        return samples, concealed

    def _detect(self, samples: Samples) -> None:
        if self._params.detect_speech and (activity := self._vad.hear(samples)):
            self.events.append(activity)
        if self._params.detect_tones and self._params.telephone_event is None:
            self.events += self._tones.hear(samples)

    @property
    def detects(self) -> bool:
        """True if frames are wanted for what is heard in them."""
        return self._params.detect_speech or self._params.detect_tones

    def watch(self, now_us: int) -> None:
        """Once in every tick: report a key whose end was lost, and silence once."""
        self.events += self._dtmf.tick(now_us)
        idle_us = now_us - self._last_rx_us
        timeout_us = self._params.timeout_ms * 1000
        if self._params.receive and 0 < timeout_us <= idle_us and not self._idle:
            self._idle = True
            self.events.append(Idle(idle_us // 1000))

    @property
    def is_playing(self) -> bool:
        """True if frames come out of packets, or in their place."""
        return self._jitter is not None and self._jitter.is_playing

    @property
    def waiting(self) -> list[tuple[int, int, bytes, bool]]:
        """Audio that was accepted and not yet played: see `JitterBuffer.packets`."""
        return self._jitter.packets if self._jitter else []

    def leave(self) -> None:
        """What waits was relayed: forget it."""
        if self._jitter is not None:
            self._counters.relayed += self._jitter.waiting
        self._jitter = None

    def _content(self, payload_type: int) -> Content | None:
        """What a payload type means here; None: nothing."""
        params = self._params
        meanings = {
            params.comfort_noise: Content.NOISE,
            params.codec.payload_type: Content.AUDIO,
            params.telephone_event: Content.KEY,
        }
        return meanings.get(payload_type)

    def _fits(self, packet: ParsedRtp, content: Content) -> bool:
        """Judge the size."""
        size = len(packet.payload)
        fits = size >= _EVENT_PAYLOAD if content is Content.KEY else 0 < size <= MAX_PAYLOAD
        self._counters.malformed += not fits
        return fits

    def _follow(self, ssrc: int) -> None:
        """A peer that changes its SSRC starts a new run of sequence numbers and timestamps."""
        if self.ssrc not in (None, ssrc):
            self._counters.ssrc_changes += 1
            self._restart()
            self.events += self._dtmf.forget()
        self.ssrc = ssrc

    def _insert(self, packet: ParsedRtp, now_us: int, *, noise: bool) -> None:
        if self._jitter is None or self._jitter.jumps_to(packet.sequence):
            self._restart()
            codec = self._params.codec
            self._jitter = JitterBuffer(
                self._decode, codec.frame_samples, codec.frame_ticks, self._counters, packet.sequence
            )
        self._jitter.insert(packet.sequence, packet.timestamp, packet.payload, now_us, noise=noise)

    def _restart(self) -> None:
        if self._jitter is not None:
            self._counters.discarded += self._jitter.waiting
        self._jitter = None
