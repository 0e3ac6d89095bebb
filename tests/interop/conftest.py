"""Speech and a node for every test here. The peers come from Debian: tests/debian-packages.txt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.node import RunningNode, running_node
from tests.interop.sound import speak


@pytest.fixture(scope="session")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sentence at 8 kHz, mono."""
    return speak(tmp_path_factory.mktemp("speech") / "speech8.wav", 8000)


@pytest.fixture(scope="session")
def wide_speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sentence at 48 kHz, stereo: what baresip wants for Opus."""
    return speak(tmp_path_factory.mktemp("speech") / "speech48.wav", 48_000, channels=2)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RunningNode]:
    """A fresh node; it must come down cleanly after the test."""
    with running_node(tmp_path / "data") as running:
        yield running
        assert running.stop() == 0, running.log()
        assert "crashed" not in running.log(), running.log()
