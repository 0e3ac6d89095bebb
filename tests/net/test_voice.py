"""The codecs of tracks: what goes in comes out, at any rate, and nothing that comes breaks anything."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import native
from clutch.media.audio import Sound
from clutch.media.resample import RATES_HZ as PCM_RATES_HZ
from clutch.net.voice import BadPayload, VoiceDecoder, VoiceEncoder, can_code, frame_bytes
from clutch.wire import voice
from clutch.wire.voice import Codec, VoiceForm
from tests.interop.sound import compare

FORMS = [form for form in voice.FORMS if can_code(form.codec)]


def frames(rate_hz: int, count: int = 50) -> list[bytes]:
    """Something like speech, a telephone's band wide."""
    time_s = np.arange(count * rate_hz // 50) / rate_hz
    phase = 2 * np.pi * np.cumsum(150 + 50 * np.sin(2 * np.pi * 1.5 * time_s)) / rate_hz
    wave = sum(np.sin(k * phase) / k for k in range(1, 8)) * 3000 * (1.2 + np.sin(2 * np.pi * 3 * time_s))
    return [frame.tobytes() for frame in wave.astype(np.int16).reshape(count, -1)]


def sound(pcm: bytes, rate_hz: int) -> Sound:
    return Sound(np.frombuffer(pcm, np.int16), rate_hz)


@pytest.mark.parametrize(
    ("form", "said_hz", "heard_hz"), list(itertools.product(FORMS, PCM_RATES_HZ, (8000, 48_000)))
)
def test_what_was_said_is_heard(form: VoiceForm, said_hz: int, heard_hz: int) -> None:
    encoder, decoder = VoiceEncoder(form), VoiceDecoder(form, heard_hz)
    said = b"".join(frames(said_hz))
    heard = b"".join(decoder.decode(encoder.encode(frame, said_hz)) for frame in frames(said_hz))
    assert len(heard) == 50 * frame_bytes(heard_hz)
    likeness = compare(sound(said, said_hz), sound(heard + bytes(4000), heard_hz))
    assert likeness.correlation > 0.95


@pytest.mark.parametrize("form", FORMS)
def test_the_stream_may_change_its_rate(form: VoiceForm) -> None:
    encoder, decoder = VoiceEncoder(form), VoiceDecoder(form, 8000)
    payloads = [encoder.encode(frames(hz, 1)[0], hz) for hz in (8000, 8000, 48_000, 16_000)]
    assert sum(len(decoder.decode(payload)) for payload in payloads) == 4 * frame_bytes(8000)


@pytest.mark.parametrize("form", FORMS)
def test_what_is_missing_is_20_ms_as_well(form: VoiceForm) -> None:
    encoder, decoder = VoiceEncoder(form), VoiceDecoder(form, 16_000)
    decoder.decode(encoder.encode(frames(8000, 1)[0], 8000))
    assert len(decoder.conceal()) == frame_bytes(16_000)


@pytest.mark.parametrize("form", FORMS)
@given(payload=st.binary(max_size=4000))
def test_anything_may_come(form: VoiceForm, payload: bytes) -> None:
    decoder = VoiceDecoder(form, 8000)
    try:
        pcm = decoder.decode(payload)
    except BadPayload:
        return
    assert len(pcm) % 2 == 0


def test_payloads_need_not_be_of_20_ms() -> None:
    decoder = VoiceDecoder(VoiceForm(Codec.PCM16, 16_000), 8000)
    pcm = [decoder.decode(bytes(2 * 160)) for _ in range(5)]  # 10 ms each
    assert list(map(len, pcm)) == [0, 320, 0, 320, 0]


def test_two_channels_become_one() -> None:
    decoder = VoiceDecoder(VoiceForm(Codec.PCM16, 8000, channels=2), 8000)
    assert (
        decoder.decode(np.array([100, 300, -5, -5], "<i2").tobytes())
        == np.array([200, -5], np.int16).tobytes()
    )
    with pytest.raises(BadPayload, match="6 bytes of voice/pcm16;rate=8000;channels=2"):
        decoder.decode(bytes(6))


@pytest.mark.parametrize("form", [VoiceForm(Codec.PCM16, channels=2), VoiceForm(ptime_ms=10)])
def test_only_20_ms_of_mono_are_encoded(form: VoiceForm) -> None:
    with pytest.raises(ValueError, match="only 20 ms of mono"):
        VoiceEncoder(form)


def test_without_the_native_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "available", False)
    form = VoiceForm(Codec.PCM16, 16_000)
    encoder, decoder = VoiceEncoder(form), VoiceDecoder(form, 8000)
    heard = b"".join(decoder.decode(encoder.encode(frame, 8000)) for frame in frames(8000))
    assert compare(sound(b"".join(frames(8000)), 8000), sound(heard + bytes(4000), 8000)).correlation > 0.95
