"""Speech and a node for the tests that talk to one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from clutch.media.wav import read_wav, wav_header
from tests.e2e.processes import clean
from tests.interop.node import RunningNode, running_node
from tests.interop.sound import speak

SPEECH_S = 2.5


@pytest.fixture(scope="session")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The beginning of a sentence at 8 kHz, mono."""
    path = speak(tmp_path_factory.mktemp("speech") / "speech.wav", 8000)
    words = read_wav(path).samples[: round(8000 * SPEECH_S)].astype("<i2").tobytes()
    path.write_bytes(wav_header(8000, 1, len(words)) + words)
    return path


@pytest.fixture(scope="session")
def attacked_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """The node of those who mean no good. At the end of all tests it must have forgotten them.

    Only then, because a transaction remembers for 32 s; meanwhile others can be tested.
    """
    with running_node(tmp_path_factory.mktemp("node") / "data") as running:
        yield running
        running.settled()
        assert running.stop() == 0, running.log()
        assert clean(running), running.log()


@pytest.fixture(scope="module")
def shared_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """One node for all tests of a module. It must end well, and have logged nothing that it should not."""
    with running_node(tmp_path_factory.mktemp("node") / "data") as running:
        yield running
        assert running.stop() == 0, running.log()
        assert clean(running), running.log()
