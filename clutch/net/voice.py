"""From PCM to the payloads of a `VoiceForm` and back.

Opus is coded at the rate of the PCM: its packets are the same for any decoder, whatever the rate of that is.
The other forms are resampled where the rates differ.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import attrs
import numpy as np

import native
from clutch.media import g711
from clutch.media.resample import Resampler, to_samples, to_wave
from clutch.wire.voice import Codec, VoiceForm

FRAME_MS = 20
PLAIN_OPUS = native.OpusOptions()
_ENCODE = {Codec.G711_ULAW: g711.encode_ulaw, Codec.G711_ALAW: g711.encode_alaw}
_DECODE = {Codec.G711_ULAW: g711.decode_ulaw, Codec.G711_ALAW: g711.decode_alaw}


class BadPayload(Exception):
    """A payload is not of the form that its track says. It is to be counted and dropped."""


def can_code(codec: Codec) -> bool:
    """Whether this build has the codec: Opus takes the native library with libopus."""
    return codec is not Codec.OPUS or "opus" in native.features()


def frame_bytes(rate_hz: int) -> int:
    """The size of 20 ms of PCM."""
    return rate_hz * FRAME_MS // 1000 * 2


@attrs.define(eq=False)
class VoiceEncoder:
    """Makes payloads of one form, each of one frame of 20 ms. The PCM may change its rate at any time.

    Raises ValueError for a form that is not mono, or not of 20 ms.
    """

    form: VoiceForm
    _opus: native.OpusOptions = PLAIN_OPUS
    _rate_hz: int = 0
    _encode: Callable[[bytes], bytes] = bytes

    def __attrs_post_init__(self) -> None:
        if self.form.channels != 1 or self.form.ptime_ms != FRAME_MS:
            raise ValueError(f"only {FRAME_MS} ms of mono are encoded, not {self.form.capability}")

    def encode(self, pcm: bytes, rate_hz: int) -> bytes:
        """The payload of a frame: 20 ms of 16-bit native-endian PCM at one of `RATES_HZ`.

        Raises `native.MediaError` (ENOTSUP) for what the build cannot code: see `can_code`.
        """
        if rate_hz != self._rate_hz:
            self._encode = _encoder(self.form, rate_hz, self._opus)
            self._rate_hz = rate_hz
        return self._encode(pcm)


@attrs.define(eq=False)
class VoiceDecoder:
    """Makes PCM at `rate_hz`, 16-bit native-endian mono, of the payloads of one form.

    Raises `native.MediaError` (ENOTSUP), on construction, for what the build cannot code: see `can_code`.
    """

    form: VoiceForm
    rate_hz: int
    """One of `RATES_HZ`."""
    _opus: native.Codec | None = attrs.field(init=False, default=None)
    _resample: Callable[[bytes], bytes] = attrs.field(init=False, default=bytes)
    _rest: bytes = attrs.field(init=False, default=b"")
    """What is less than a frame, and waits for more to be resampled with."""

    def __attrs_post_init__(self) -> None:
        if self.form.codec is Codec.OPUS:
            self._opus = native.Codec("opus", self.rate_hz)
        elif self.form.rate_hz != self.rate_hz:
            self._resample = _resampler(self.form.rate_hz, self.rate_hz)

    def decode(self, payload: bytes) -> bytes:
        """The PCM of one payload; anything at all may be in it. Raises `BadPayload`.

        Where it is resampled the rest of a payload that is not of whole frames comes with the next one.
        """
        if self._opus is not None:
            try:
                return self._opus.decode(payload)
            except native.MediaError as error:
                raise BadPayload(str(error)) from error
        return self._at_rate(self._samples(payload))

    def conceal(self) -> bytes:
        """20 ms in place of what is missing: made up by Opus, else silence."""
        if self._opus is not None:
            return self._opus.conceal(frame_bytes(self.rate_hz) // 2)
        return self._at_rate(bytes(frame_bytes(self.form.rate_hz)))

    def _samples(self, payload: bytes) -> bytes:
        form = self.form
        width = form.channels * (2 if form.codec is Codec.PCM16 else 1)
        if not payload or len(payload) % width:
            raise BadPayload(f"{len(payload)} bytes of {form.capability}")
        decode = _DECODE.get(form.codec)
        samples = decode(payload) if decode else np.frombuffer(payload, "<i2")
        if form.channels > 1:
            samples = np.rint(samples.reshape(-1, form.channels).mean(axis=1))
        return samples.astype(np.int16).tobytes()

    def _at_rate(self, pcm: bytes) -> bytes:
        if self.form.rate_hz == self.rate_hz:
            return pcm
        pcm, size = self._rest + pcm, frame_bytes(self.form.rate_hz)
        whole = len(pcm) // size * size
        self._rest = pcm[whole:]
        return b"".join(self._resample(pcm[at : at + size]) for at in range(0, whole, size))


def _encoder(form: VoiceForm, rate_hz: int, opus: native.OpusOptions) -> Callable[[bytes], bytes]:
    if form.codec is Codec.OPUS:
        return native.Codec("opus", rate_hz, opus).encode
    resample = _resampler(rate_hz, form.rate_hz) if rate_hz != form.rate_hz else bytes
    code = _ENCODE.get(form.codec)
    if code is not None:
        return lambda pcm: code(np.frombuffer(resample(pcm), np.int16))
    if sys.byteorder == "little":
        return resample
    return lambda pcm: np.frombuffer(resample(pcm), np.int16).byteswap().tobytes()


def _resampler(from_hz: int, to_hz: int) -> Callable[[bytes], bytes]:
    """For frames of 20 ms; in C where that was built."""
    if native.available:
        return native.Resampler(from_hz, to_hz).run
    twin = Resampler.open(from_hz, to_hz)
    return lambda pcm: to_samples(twin.run(to_wave(np.frombuffer(pcm, np.int16)))).tobytes()
