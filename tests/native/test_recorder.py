"""`native.Recorder`: what it refuses. What it writes is in tests/contract, a bad disk in the C tests."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

import native

pytestmark = pytest.mark.usefixtures("native_library")


def test_frames_that_cannot_be_are_refused(tmp_path: Path) -> None:
    recorder = native.Recorder()
    recording = recorder.open(tmp_path / "s.wav", ("uplink",))
    for rate_hz, uplink, downlink in ((8000, 320, 318), (8000, 318, 318), (0, 0, 0), (96_000, 3840, 3840)):
        with pytest.raises(ValueError, match="are not 20 ms at"):
            recording.put(0, rate_hz, bytes(uplink), bytes(downlink))
    recorder.close()
    assert list(tmp_path.iterdir()) == []


def test_a_recording_has_a_side(tmp_path: Path) -> None:
    recorder = native.Recorder()
    with pytest.raises(native.MediaError) as refused:
        recorder.open(tmp_path / "s.wav", ())
    assert refused.value.errno == errno.EINVAL
    recorder.close()


def test_a_closed_recorder_says_so(tmp_path: Path) -> None:
    recorder = native.Recorder()
    recorder.close()
    recorder.close()
    with pytest.raises(native.MediaError, match="the recorder is closed"):
        recorder.open(tmp_path / "s.wav", ("uplink",))
    with pytest.raises(native.MediaError, match="the recorder is closed"):
        next(recorder.news())
