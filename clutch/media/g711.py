"""G.711 mu-law and A-law (ITU-T G.711), exact, by tables that are made from the definition.

Samples are numpy arrays of int16, shape (n,), native byte order; payloads are one byte per sample.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Samples: TypeAlias = NDArray[np.int16]

_ULAW_BIAS = 33
_ULAW_MAX = 8191


def encode_ulaw(samples: Samples) -> bytes:
    """Compress to mu-law."""
    return _ULAW_CODES[samples.view(np.uint16)].tobytes()


def decode_ulaw(payload: bytes) -> Samples:
    """Expand mu-law."""
    return _ULAW_SAMPLES[np.frombuffer(payload, np.uint8)]


def encode_alaw(samples: Samples) -> bytes:
    """Compress to A-law."""
    return _ALAW_CODES[samples.view(np.uint16)].tobytes()


def decode_alaw(payload: bytes) -> Samples:
    """Expand A-law."""
    return _ALAW_SAMPLES[np.frombuffer(payload, np.uint8)]


def _bit_length(values: NDArray[np.int32]) -> NDArray[np.int32]:
    return np.frexp(values.astype(np.float64))[1].astype(np.int32)


def _all_samples() -> NDArray[np.int32]:
    """Every sample, at the index that its bits make."""
    return np.arange(65_536, dtype=np.uint16).view(np.int16).astype(np.int32)


def _ulaw_codes() -> NDArray[np.uint8]:
    samples = _all_samples() >> 2
    magnitude = np.minimum(np.abs(samples) + _ULAW_BIAS, _ULAW_MAX)
    segment = _bit_length(magnitude) - 6
    code: NDArray[np.int32] = segment << 4 | (magnitude >> (segment + 1)) & 0x0F
    return (code ^ np.where(samples < 0, 0x7F, 0xFF)).astype(np.uint8)


def _ulaw_samples() -> Samples:
    code = ~np.arange(256, dtype=np.int32)
    magnitude = (((code & 0x0F) << 3) + 4 * _ULAW_BIAS << ((code & 0x70) >> 4)) - 4 * _ULAW_BIAS
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _alaw_codes() -> NDArray[np.uint8]:
    samples = _all_samples() >> 3
    magnitude = np.where(samples < 0, ~samples, samples)
    segment = np.maximum(_bit_length(magnitude) - 5, 0)
    code = segment << 4 | (magnitude >> np.maximum(segment, 1)) & 0x0F
    return ((code | np.where(samples < 0, 0, 0x80)) ^ 0x55).astype(np.uint8)


def _alaw_samples() -> Samples:
    code = np.arange(256, dtype=np.int32) ^ 0x55
    segment = (code & 0x70) >> 4
    step = ((code & 0x0F) << 4) + 8
    magnitude = np.where(segment == 0, step, step + 256 << np.maximum(segment - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


_ULAW_CODES, _ULAW_SAMPLES = _ulaw_codes(), _ulaw_samples()
_ALAW_CODES, _ALAW_SAMPLES = _alaw_codes(), _alaw_samples()
