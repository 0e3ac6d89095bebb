"""Speech for calls, and measures of what came back."""

from __future__ import annotations

import subprocess
from pathlib import Path

import attrs
import numpy as np
from numpy.typing import NDArray

from clutch.media.audio import Sound
from clutch.media.wav import read_wav, wav_header

SENTENCE = "hello what is the weather today and will there be any rain tomorrow in the afternoon"
QUIET = 300
"""Samples below this are no speech (int16)."""

Signal = NDArray[np.float64]


def speak(path: Path, rate_hz: int, channels: int = 1) -> Path:
    """Say the sentence into a wav of the wanted rate, the same on every channel."""
    spoken = path.with_suffix(".flite.wav")
    subprocess.run(["flite", "-voice", "slt", "-t", SENTENCE, "-o", str(spoken)], check=True, timeout=60)
    samples = read_wav(spoken).at(rate_hz).samples
    data = np.repeat(samples, channels).astype("<i2").tobytes()
    path.write_bytes(wav_header(rate_hz, channels, len(data)) + data)
    return path


def channels(path: Path) -> list[Sound]:
    """The channels of a 16-bit wav, each for itself."""
    import wave

    with wave.open(str(path), "rb") as file:
        assert file.getsampwidth() == 2
        data = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())
        return [Sound(data[:, i].copy(), file.getframerate()) for i in range(file.getnchannels())]


@attrs.frozen
class Likeness:
    """How much of `sent` is in `heard`."""

    correlation: float
    """Normalised cross-correlation at the best shift, over the length of `sent`: 1 for a perfect copy."""
    delay_ms: float
    """The best shift."""
    longest_gap_ms: float
    """The longest stretch of `heard` that is silent where `sent` speaks, after the first 200 ms."""


def compare(sent: Sound, heard: Sound) -> Likeness:
    """Find `sent` in `heard`; both are brought to the lower of their rates."""
    rate_hz = min(sent.rate_hz, heard.rate_hz)
    a = sent.at(rate_hz).samples.astype(np.float64)
    b = heard.at(rate_hz).samples.astype(np.float64)
    size = len(a) + len(b)
    cross = np.fft.irfft(np.fft.rfft(b, size) * np.conj(np.fft.rfft(a, size)), size)[: len(b)]
    shift = int(np.argmax(cross))
    piece = np.pad(b[shift : shift + len(a)], (0, max(0, len(a) - (len(b) - shift))))
    norm = float(np.linalg.norm(a) * np.linalg.norm(piece))
    return Likeness(
        float(a @ piece) / norm if norm else 0.0, shift / rate_hz * 1000, _longest_gap_ms(a, piece, rate_hz)
    )


def _longest_gap_ms(sent: Signal, heard: Signal, rate_hz: int) -> float:
    window = rate_hz // 100
    speaks = _loud(sent, window)
    silent = speaks & ~_loud(heard, window)
    silent[:20] = False
    longest = run = 0
    for flag in silent:
        run = run + 1 if flag else 0
        longest = max(longest, run)
    return longest * 10.0


def _loud(signal: Signal, window: int) -> NDArray[np.bool_]:
    """Per 10 ms: is there more than quiet?"""
    whole = signal[: len(signal) // window * window].reshape(-1, window)
    loud: NDArray[np.bool_] = np.max(np.abs(whole), axis=1) > QUIET
    return loud
