"""The C resampler: one frame at a time from one rate to another."""

from __future__ import annotations

from native.errors import check
from native.library import load

FRAMES_PER_SECOND = 50
SAMPLE_BYTES = 2


class Resampler:
    """Between two of 8000, 16000, 24000 and 48000 Hz, 20 ms at a time; src/resample.h says how well.

    Starts with silence behind it. Raises `MediaError`: EINVAL for a rate that is not known or two that are
    the same, ENOTSUP without the native library.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._ffi, self._lib = ffi, lib = load()
        made = ffi.new("struct resampler **")
        check(lib.resampler_new(made, from_hz, to_hz), f"resample from {from_hz} to {to_hz} Hz")
        self._resampler = ffi.gc(made[0], lib.resampler_free)
        self._bytes = SAMPLE_BYTES * (from_hz // FRAMES_PER_SECOND)
        self._samples = to_hz // FRAMES_PER_SECOND

    def run(self, pcm: bytes) -> bytes:
        """20 ms of 16-bit PCM at the other rate, clipped if it is too loud. Raises ValueError for any other
        length."""
        if len(pcm) != self._bytes:
            raise ValueError(f"a frame has {self._bytes} bytes, not {len(pcm)}")
        out = self._ffi.new("int16_t[]", self._samples)
        self._lib.resampler_run(self._resampler, self._ffi.from_buffer("int16_t[]", pcm), out)
        return self._ffi.buffer(out)[:]
