"""Speech holds no keys, and is heard as speech."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from clutch.media.tones import Tones
from clutch.media.vad import SpeechOff, Vad
from clutch.media.wav import read_wav

TEXT = (
    "oh no you do not know how low those blue notes go, she said, and whistled two tunes in the moonlight. "
    "nine one one, four two seven, zero zero eight. all along the long lawn the old owls call."
)
VOICES = ("slt", "kal", "awb", "rms")


@pytest.fixture(scope="module", params=VOICES)
def frames(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[np.ndarray]:
    """A voice at 8 kHz, in frames, and as loud as it can be."""
    path: Path = tmp_path_factory.mktemp("voice") / "voice.wav"
    subprocess.run(["flite", "-voice", request.param, "-t", TEXT, "-o", str(path)], check=True, timeout=60)
    samples = read_wav(path).at(8000).samples.astype(np.float64)
    loud = np.rint(samples * (32_000 / np.abs(samples).max())).astype(np.int16)
    return [loud[at : at + 160] for at in range(0, len(loud) - 160, 160)]


def test_speech_holds_no_keys(frames: list[np.ndarray]) -> None:
    tones = Tones()
    assert [digit for frame in frames for digit in tones.hear(frame)] == []


def test_speech_is_heard_as_speech(frames: list[np.ndarray]) -> None:
    vad, silence = Vad(), np.zeros(160, np.int16)
    events = [vad.hear(frame) for frame in [*frames, *[silence] * 20]]
    spoken_ms = sum(event.duration_ms for event in events if isinstance(event, SpeechOff))
    assert spoken_ms > 0.6 * 20 * len(frames)
    assert not vad.speaking
