"""Payload formats of the Python core: samples to RTP payloads and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs
import numpy as np

from clutch.media.errors import UnsupportedCodec
from clutch.media.g711 import Samples, decode_alaw, decode_ulaw, encode_alaw, encode_ulaw


def encode_l16(samples: Samples) -> bytes:
    """16-bit samples in network byte order (RFC 3551 section 4.5.11)."""
    return samples.astype(">i2").tobytes()


def decode_l16(payload: bytes) -> Samples:
    """The inverse of `encode_l16`. Raises ValueError if half a sample is left over."""
    return np.frombuffer(payload, ">i2").astype(np.int16)


@attrs.frozen
class PayloadFormat:
    """How one codec packs samples."""

    encode: Callable[[Samples], bytes]
    decode: Callable[[bytes], Samples]
    """Raises ValueError for a payload that cannot be decoded."""


FORMATS: Mapping[str, PayloadFormat] = {
    "pcmu": PayloadFormat(encode_ulaw, decode_ulaw),
    "pcma": PayloadFormat(encode_alaw, decode_alaw),
    "l16": PayloadFormat(encode_l16, decode_l16),
}


def payload_format(name: str) -> PayloadFormat:
    """The format of a codec by its name in `Codec.name`. Raises `UnsupportedCodec`."""
    try:
        return FORMATS[name]
    except KeyError:
        raise UnsupportedCodec(name) from None
