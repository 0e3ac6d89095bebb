"""WAV files (RIFF, Microsoft and IBM 1991): read any that telephony uses, write the header of ours."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from pathlib import Path

import attrs
import numpy as np

from clutch.media.audio import Sound
from clutch.media.errors import AudioError
from clutch.media.g711 import Samples, decode_alaw, decode_ulaw

HEADER_BYTES = 44
"""Length of `wav_header`; the samples follow it."""
MAX_DATA_BYTES = 0xFFFF_FFFF - HEADER_BYTES
"""What fits into one file: its sizes are 32-bit numbers."""

_PCM, _ALAW, _ULAW, _EXTENSIBLE = 1, 6, 7, 0xFFFE


def wav_header(rate_hz: int, channels: int, data_bytes: int) -> bytes:
    """The header of a file with `data_bytes` of 16-bit little-endian samples, channels interleaved."""
    block = 2 * channels
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", HEADER_BYTES - 8 + data_bytes, b"WAVE"),
        *(b"fmt ", 16, _PCM, channels, rate_hz, rate_hz * block, block, 16),
        *(b"data", data_bytes),
    )


def read_wav(path: Path) -> Sound:
    """Read a file; see `parse_wav`. Every `AudioError` names the file."""
    try:
        return parse_wav(path.read_bytes())
    except OSError as error:
        raise AudioError(f"{path}: {error.strerror}") from error
    except AudioError as error:
        raise AudioError(f"{path}: {error}") from error


def parse_wav(data: bytes) -> Sound:
    """Decode PCM of 8, 16 or 24 bits, mu-law or A-law; two channels are mixed to one.

    A data chunk that says it is empty, or longer than the file, ends where the file does: programs that
    write into a pipe, or die while writing, leave such. Raises `AudioError`.
    """
    if len(data) < 12 or data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise AudioError("not a WAV file")
    layout: _Layout | None = None
    offset = 12
    while offset + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, offset)
        offset += 8
        if name == b"data":
            if layout is None:
                raise AudioError("the samples come before their format")
            return layout.decode(data[offset : offset + size if size else None])
        if name == b"fmt ":
            layout = _parse_format(data[offset : offset + size])
        offset += size + size % 2
    raise AudioError("there is no data chunk")


@attrs.frozen
class _Layout:
    expand: Callable[[bytes], Samples]
    channels: int
    sample_bytes: int
    rate_hz: int

    def decode(self, data: bytes) -> Sound:
        block = self.channels * self.sample_bytes
        samples = self.expand(data[: len(data) // block * block])
        if not len(samples):
            raise AudioError("there are no samples in it")
        if self.channels > 1:
            mixed = samples.reshape(-1, self.channels).astype(np.int32).sum(axis=1) // self.channels
            samples = mixed.astype(np.int16)
        return Sound(samples, self.rate_hz)


def _parse_format(chunk: bytes) -> _Layout:
    if len(chunk) < 16:
        raise AudioError("the format chunk is cut short")
    tag, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
    if tag == _EXTENSIBLE and len(chunk) >= 26:
        (tag,) = struct.unpack_from("<H", chunk, 24)
    expand = _EXPAND.get((tag, bits))
    if expand is None:
        raise AudioError(
            f"format {tag} with {bits} bits; PCM (1) of 8, 16 or 24 bits, A-law (6) or mu-law (7) is needed"
        )
    if channels not in (1, 2):
        raise AudioError(f"{channels} channels; 1 or 2 are needed")
    if not 4000 <= rate_hz <= 384_000:
        raise AudioError(f"sampled at {rate_hz} Hz; 4000 to 384000 Hz is needed")
    return _Layout(expand, channels, bits // 8, rate_hz)


def _expand_pcm8(data: bytes) -> Samples:
    return (np.frombuffer(data, np.uint8).astype(np.int16) - 128) << 8


def _expand_pcm16(data: bytes) -> Samples:
    return np.frombuffer(data, "<i2").astype(np.int16)


def _expand_pcm24(data: bytes) -> Samples:
    """Keeps the upper 16 bits."""
    upper = np.frombuffer(data, np.uint8).reshape(-1, 3)[:, 1:]
    return np.ascontiguousarray(upper).view("<i2").reshape(-1).astype(np.int16)


_EXPAND: Mapping[tuple[int, int], Callable[[bytes], Samples]] = {
    (_PCM, 8): _expand_pcm8,
    (_PCM, 16): _expand_pcm16,
    (_PCM, 24): _expand_pcm24,
    (_ALAW, 8): decode_alaw,
    (_ULAW, 8): decode_ulaw,
}
