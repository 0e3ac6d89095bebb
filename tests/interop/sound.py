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
DRIFT_MS = 80
"""Four frames: more than the jitter buffers of a call and back move in a few seconds."""

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
    """Normalised cross-correlation over the length of `sent`: 1 for a perfect copy."""
    delay_ms: float
    """The best shift of the whole."""
    longest_gap_ms: float
    """The longest stretch of `heard` that is silent where `sent` speaks, after the first 200 ms."""


def compare(sent: Sound, heard: Sound) -> Likeness:
    """Find `sent` in `heard`; both are brought to the lower of their rates.

    A jitter buffer that adapts moves speech by a frame here and there, in a pause. So each half second may be
    found up to `DRIFT_MS` before or after where the whole fits best.
    """
    rate_hz = min(sent.rate_hz, heard.rate_hz)
    a = sent.at(rate_hz).samples.astype(np.float64)
    b = heard.at(rate_hz).samples.astype(np.float64)
    shift = _best_shift(a, b)
    drift, size = rate_hz * DRIFT_MS // 1000, rate_hz // 2
    padded = np.pad(b, (drift, len(a) + drift))
    found = np.zeros_like(a)
    for at in range(0, len(a), size):
        piece = a[at : at + size]
        around = padded[at + shift : at + shift + len(piece) + 2 * drift]
        moved = _best_shift(piece, around) if piece.any() else drift
        found[at : at + len(piece)] = around[moved : moved + len(piece)]
    norm = float(np.linalg.norm(a) * np.linalg.norm(found))
    return Likeness(
        float(a @ found) / norm if norm else 0.0, shift / rate_hz * 1000, _longest_gap_ms(a, found, rate_hz)
    )


def _best_shift(a: Signal, b: Signal) -> int:
    """Where in `b` all of `a`, or the most of it, is most like it."""
    size = len(a) + len(b)
    cross = np.fft.irfft(np.fft.rfft(b, size) * np.conj(np.fft.rfft(a, size)), size)
    return int(np.argmax(cross[: max(1, len(b) - len(a) + 1)]))


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
