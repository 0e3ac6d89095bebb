"""The codecs of the C core without a stream: PCM to payloads and back."""

from __future__ import annotations

from native.errors import check
from native.library import load
from native.values import OpusOptions, Params, write_params

SAMPLE_BYTES = 2
_PLAIN = OpusOptions()
_NOWHERE = ("0.0.0.0", 0)
_CLOCKS_HZ = {"opus": 48_000, "g722": 8000}


class Codec:
    """Both directions of one stream, for one thread at a time; the GIL is free while it works.

    `name` is one of `CODECS`, and `rate_hz` that of the PCM, as in `Params`. Raises `MediaError`: EINVAL for
    one that does not exist, ENOTSUP if this build lacks it or without the native library.
    """

    def __init__(self, name: str, rate_hz: int, opus: OpusOptions = _PLAIN) -> None:
        self._ffi, self._lib = ffi, lib = load()
        params = Params(_NOWHERE, name, rate_hz, 0, clock_hz=_CLOCKS_HZ.get(name, 0), opus=opus)
        made = ffi.new("struct codec **")
        check(lib.codec_new(made, write_params(params, ffi)), f"open {name} at {rate_hz} Hz")
        self._codec = ffi.gc(made[0], lib.codec_free)
        self._name = name
        self._pcm = ffi.new("int16_t[]", lib.CODEC_SAMPLES_MAX)
        self._payload = ffi.new("uint8_t[]", lib.CODEC_BYTES_MAX)

    def encode(self, pcm: bytes) -> bytes:
        """The payload of one frame of 16-bit PCM: 20 ms, or any other length that the codec has.

        Raises `MediaError` (EINVAL) for another.
        """
        samples = len(pcm) // SAMPLE_BYTES
        size = self._lib.codec_encode(
            self._codec, self._ffi.from_buffer("int16_t[]", pcm), samples, self._payload
        )
        check(size, f"encode {samples} samples as {self._name}")
        return self._ffi.buffer(self._payload)[:size]

    def decode(self, payload: bytes) -> bytes:
        """The PCM of one payload, whatever its duration, at most 120 ms of it.

        Raises `MediaError` (EBADMSG) if it is not the codec's; anything at all may be in it.
        """
        source = self._ffi.from_buffer("uint8_t[]", payload)
        samples = self._lib.codec_decode(self._codec, source, len(payload), self._pcm)
        check(samples, f"decode {len(payload)} bytes of {self._name}")
        return self._ffi.buffer(self._pcm)[: SAMPLE_BYTES * samples]

    def conceal(self, samples: int) -> bytes:
        """Make up what was lost, from what came before; the duration must be one of a payload's.

        Raises `MediaError`: ENOTSUP if the codec cannot, EINVAL for more than 120 ms.
        """
        check(self._lib.codec_conceal(self._codec, self._pcm, samples), f"conceal {samples} samples")
        return self._ffi.buffer(self._pcm)[: SAMPLE_BYTES * samples]
