"""Files of audio to frames and back, in every form."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

import native
from clutch.client.audio_files import OggFile, WavFile, read_frames
from clutch.client.values import Gap
from clutch.media.audio import Sound, tone
from clutch.media.errors import AudioError
from clutch.media.ogg import OggReader
from clutch.media.wav import parse_wav, wav_header
from clutch.wire.voice import Codec, VoiceForm

needs_opus = pytest.mark.skipif("opus" not in native.features(), reason="built without Opus")
FORMS = [
    VoiceForm(Codec.PCM16, 16_000),
    VoiceForm(Codec.G711_ULAW),
    VoiceForm(Codec.G711_ALAW),
    pytest.param(VoiceForm(), marks=needs_opus),
]


def wav(sound: Sound) -> bytes:
    pcm = sound.samples.astype("<i2").tobytes()
    return wav_header(sound.rate_hz, 1, len(pcm)) + pcm


def likeness(a: Sound, b: Sound) -> float:
    """The best correlation at any shift."""
    rate_hz = min(a.rate_hz, b.rate_hz)
    x, y = (sound.at(rate_hz).samples.astype(float) for sound in (a, b))
    size = 2 * max(len(x), len(y))
    found = np.fft.irfft(np.fft.rfft(x, size) * np.conj(np.fft.rfft(y, size)))
    return float(found.max() / np.sqrt((x @ x) * (y @ y)))


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.capability)
@pytest.mark.parametrize("rate_hz", [8000, 44_100, 48_000])
def test_there_and_back(form: VoiceForm, rate_hz: int, tmp_path: Path) -> None:
    sound = tone(440, rate_hz)
    frames = list(read_frames(wav(sound), form))
    assert [duration for _, duration in frames] == [20_000] * 50
    with (tmp_path / "heard.wav").open("wb") as stream:
        file = WavFile(stream, form)
        for payload, _ in frames:
            file.add(payload, None)
        file.finish()
    heard = parse_wav((tmp_path / "heard.wav").read_bytes())
    assert (heard.rate_hz, file.bad) == (form.rate_hz, 0)
    assert heard.seconds == pytest.approx(1.0, abs=0.02)
    assert likeness(sound, heard) > 0.95


@needs_opus
def test_opus_of_an_ogg_file_goes_as_it_is() -> None:
    packets = [payload for payload, _ in read_frames(wav(tone(440, 48_000)), VoiceForm())]
    stream = io.BytesIO()
    file = OggFile(stream)
    for packet in packets:
        file.add(packet, None)
    file.finish()
    assert file.seconds == pytest.approx(1.0)
    assert [payload for payload, _ in read_frames(stream.getvalue(), VoiceForm())] == packets
    decoded = list(read_frames(stream.getvalue(), VoiceForm(Codec.PCM16, 16_000)))
    assert len(decoded) == 50
    assert len(decoded[0][0]) == 640


def test_a_gap_takes_its_time() -> None:
    stream = io.BytesIO()
    file = WavFile(stream, VoiceForm(Codec.PCM16, 8000))
    file.add(b"\1\0" * 160, None)
    file.add(b"\2\0" * 160, Gap(10, 200))
    file.finish()
    samples = parse_wav(stream.getvalue()).samples
    assert len(samples) == 12 * 160
    assert set(samples[:160]) == {1}
    assert set(samples[160:-160]) == {0}
    assert set(samples[-160:]) == {2}


@needs_opus
def test_a_gap_of_an_ogg_file_is_silent() -> None:
    stream = io.BytesIO()
    file = OggFile(stream)
    file.add(b"\xf8\xff\xfe", None)
    file.add(b"\xf8\xff\xfe", Gap(3, 60))
    file.add(b"", None)
    file.finish()
    assert len(OggReader().feed(stream.getvalue())) == 5
    assert file.bad == 1


def test_what_is_not_of_the_form_is_counted() -> None:
    file = WavFile(io.BytesIO(), VoiceForm(Codec.PCM16, 8000))
    file.add(b"odd", None)
    assert (file.bad, file.seconds) == (1, 0)


def test_a_pipe_gets_a_header_that_never_ends(tmp_path: Path) -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    pipe = Pipe()
    file = WavFile(pipe, VoiceForm(Codec.PCM16, 8000))
    file.add(b"\1\0" * 160, None)
    file.finish()
    assert len(parse_wav(pipe.getvalue()).samples) == 160


@pytest.mark.parametrize("data", [b"", b"ID3", b"OggS rubbish and more than a header of it"])
def test_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(AudioError):
        list(read_frames(data, VoiceForm(Codec.PCM16, 8000)))
