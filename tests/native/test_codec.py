"""The codecs of the C core by themselves."""

from __future__ import annotations

import contextlib
import errno

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import native

pytestmark = pytest.mark.usefixtures("native_library")

RATES = {"pcmu": 8000, "pcma": 8000, "l16": 48_000, "g722": 16_000}
if "opus" in native.features():
    RATES["opus"] = 48_000

codecs = pytest.mark.parametrize("name", RATES)


def tone(rate_hz: int, frames: int) -> list[bytes]:
    """Frames of 20 ms of something that every codec carries."""
    time_s = np.arange(frames * rate_hz // 50) / rate_hz
    pcm = (8000 * np.sin(2 * np.pi * 440 * time_s)).astype(np.int16)
    return [frame.tobytes() for frame in pcm.reshape(frames, -1)]


@codecs
def test_what_is_encoded_is_decoded(name: str) -> None:
    there, back = native.Codec(name, RATES[name]), native.Codec(name, RATES[name])
    said = b"".join(frames := tone(RATES[name], 50))
    heard = b"".join(back.decode(there.encode(frame)) for frame in frames)
    assert len(heard) == len(said)
    half = len(said) // 4
    spectra = [
        np.abs(np.fft.rfft(np.frombuffer(pcm, np.int16)[half:].astype(float))) for pcm in (said, heard)
    ]
    assert np.corrcoef(spectra)[0, 1] > 0.99


@codecs
def test_a_frame_must_be_one(name: str) -> None:
    codec = native.Codec(name, RATES[name])
    for samples in (0, 5761):
        with pytest.raises(native.MediaError, match=f"encode {samples} samples as {name}") as refusal:
            codec.encode(bytes(2 * samples))
        assert refusal.value.errno == errno.EINVAL


@codecs
def test_an_empty_payload_is_not_the_codecs(name: str) -> None:
    with pytest.raises(native.MediaError) as refusal:
        native.Codec(name, RATES[name]).decode(b"")
    assert refusal.value.errno == errno.EBADMSG


@codecs
@given(payload=st.binary(max_size=12_000))
def test_anything_may_come(name: str, payload: bytes) -> None:
    with contextlib.suppress(native.MediaError):
        assert 0 < len(native.Codec(name, RATES[name]).decode(payload)) <= 2 * 5760


@pytest.mark.skipif("opus" not in RATES, reason="built without Opus")
def test_opus_makes_up_what_was_lost() -> None:
    there, back = native.Codec("opus", 48_000), native.Codec("opus", 48_000)
    for frame in tone(48_000, 10):
        back.decode(there.encode(frame))
    made_up = np.frombuffer(back.conceal(960), np.int16)
    assert len(made_up) == 960
    assert np.abs(made_up).max() > 1000
    with pytest.raises(native.MediaError, match="conceal 5761 samples"):
        back.conceal(5761)


def test_others_do_not() -> None:
    with pytest.raises(native.MediaError) as refusal:
        native.Codec("pcmu", 8000).conceal(160)
    assert refusal.value.errno == errno.ENOTSUP


@pytest.mark.parametrize(("name", "rate_hz"), [("pcmu", 16_000), ("mp3", 48_000), ("opus", 44_100)])
def test_what_does_not_exist_is_not_opened(name: str, rate_hz: int) -> None:
    with pytest.raises(native.MediaError):
        native.Codec(name, rate_hz)
