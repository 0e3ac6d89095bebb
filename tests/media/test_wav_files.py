"""WAV files, good and bad."""

from __future__ import annotations

import io
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clutch.media.audio import tone
from clutch.media.errors import AudioError
from clutch.media.g711 import decode_ulaw, encode_alaw, encode_ulaw
from clutch.media.wav import parse_wav, read_wav, wav_header

SAMPLES = np.array([0, 256, -256, 32_512, -32_768, 4096], np.int16)


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def _format(tag: int, bits: int, *, channels: int = 1, rate_hz: int = 8000) -> bytes:
    block = channels * bits // 8
    return _chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate_hz, rate_hz * block, block, bits))


def _wav(*chunks: bytes) -> bytes:
    return _chunk(b"RIFF", b"WAVE" + b"".join(chunks))


def _pcm24(samples: np.ndarray[tuple[int], np.dtype[np.int16]]) -> bytes:
    return b"".join(b"\x7f" + struct.pack("<h", int(sample)) for sample in samples)


@pytest.mark.parametrize(
    ("layout", "body"),
    [
        (_format(1, 16), SAMPLES.astype("<i2").tobytes()),
        (_format(1, 24), _pcm24(SAMPLES)),
        (_format(1, 8), (SAMPLES // 256 + 128).astype(np.uint8).tobytes()),
    ],
    ids=["pcm16", "pcm24", "pcm8"],
)
def test_pcm_of_every_width(layout: bytes, body: bytes) -> None:
    sound = parse_wav(_wav(layout, _chunk(b"data", body)))
    assert sound.rate_hz == 8000
    assert sound.samples.tolist() == SAMPLES.tolist()


@pytest.mark.parametrize(("tag", "encode"), [(7, encode_ulaw), (6, encode_alaw)], ids=["ulaw", "alaw"])
def test_g711(tag: int, encode: type) -> None:
    sound = parse_wav(_wav(_format(tag, 8), _chunk(b"data", encode(SAMPLES))))
    assert np.abs(sound.samples.astype(int) - SAMPLES).max() <= 1024


def test_two_channels_become_their_mean() -> None:
    body = np.array([[100, 300], [-32_768, -32_768], [32_767, 32_767]], "<i2").tobytes()
    sound = parse_wav(_wav(_format(1, 16, channels=2), _chunk(b"data", body)))
    assert sound.samples.tolist() == [200, -32_768, 32_767]


def test_extensible_format() -> None:
    plain = struct.pack("<HHIIHH", 0xFFFE, 1, 8000, 16_000, 2, 16)
    guid = struct.pack("<H", 1) + bytes.fromhex("000000001000800000aa00389b71")
    layout = _chunk(b"fmt ", plain + struct.pack("<HHI", 22, 16, 4) + guid)
    sound = parse_wav(_wav(layout, _chunk(b"data", SAMPLES.astype("<i2").tobytes())))
    assert sound.samples.tolist() == SAMPLES.tolist()


def test_other_chunks_are_passed_over() -> None:
    data = _wav(
        _chunk(b"LIST", b"odd"), _format(1, 16), _chunk(b"fact", bytes(4)), _chunk(b"data", b"\1\0\2\0")
    )
    assert parse_wav(data).samples.tolist() == [1, 2]


@pytest.mark.parametrize("size", [0, 0xFFFF_FFFF, 0x7FFF_FFFF])
def test_a_data_chunk_of_unknown_length_ends_with_the_file(size: int) -> None:
    data = _wav(_format(1, 16)) + b"data" + struct.pack("<I", size) + b"\1\0\2\0\3"
    assert parse_wav(data).samples.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a WAV file"),
        (b"RIFX" + bytes(40), "not a WAV file"),
        (_wav(), "no data chunk"),
        (_wav(_format(1, 16)), "no data chunk"),
        (_wav(_chunk(b"data", b"\0\0"), _format(1, 16)), "before their format"),
        (_wav(_chunk(b"fmt ", b"\1\0")), "cut short"),
        (_wav(_format(3, 32)), "format 3 with 32 bits"),
        (_wav(_format(1, 16, channels=6)), "6 channels"),
        (_wav(_format(1, 16, rate_hz=0)), "sampled at 0 Hz"),
    ],
)
def test_what_cannot_be_read_is_named(data: bytes, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        parse_wav(data)


def test_file_errors_name_the_file(tmp_path: Path) -> None:
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"ID3")
    with pytest.raises(AudioError, match=r"bad\.wav: not a WAV file"):
        read_wav(bad)
    with pytest.raises(AudioError, match=r"none\.wav: No such file"):
        read_wav(tmp_path / "none.wav")


def test_our_header_is_what_others_read(tmp_path: Path) -> None:
    sound = tone(440, 16_000, seconds=0.1)
    data = wav_header(16_000, 1, len(sound.pcm)) + sound.pcm
    with wave.open(io.BytesIO(data)) as file:
        assert file.getparams()[:4] == (1, 2, 16_000, 1600)
        assert file.readframes(1600) == sound.pcm
    path = tmp_path / "a.wav"
    path.write_bytes(data)
    assert read_wav(path).pcm == sound.pcm


@given(st.binary(max_size=80), st.integers(0, 60))
def test_garbage_is_refused_and_never_crashes(garbage: bytes, at: int) -> None:
    good = _wav(_format(7, 8), _chunk(b"data", bytes(range(16))))
    try:
        sound = parse_wav(good[:at] + garbage + good[at + len(garbage) :])
    except AudioError:
        return
    assert sound.samples.dtype == np.int16
    assert sound.samples.ndim == 1


def test_mulaw_table_is_shared() -> None:
    body = bytes(range(256))
    sound = parse_wav(_wav(_format(7, 8), _chunk(b"data", body)))
    assert np.array_equal(sound.samples, decode_ulaw(body))
