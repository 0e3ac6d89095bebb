"""Speech and a node for the tests that talk to one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.processes import clean
from tests.interop.node import RunningNode, running_node
from tests.interop.sound import speak


@pytest.fixture(scope="session")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sentence at 8 kHz, mono."""
    return speak(tmp_path_factory.mktemp("speech") / "speech.wav", 8000)


@pytest.fixture(scope="module")
def shared_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """One node for all tests of a module. It must end well, and have logged nothing that it should not."""
    with running_node(tmp_path_factory.mktemp("node") / "data") as running:
        yield running
        assert running.stop() == 0, running.log()
        assert clean(running), running.log()
