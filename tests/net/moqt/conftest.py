"""Fixtures of the session tests: nearly all of them hold for both drafts."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3]))  # importlib mode finds no helper modules by itself

from tests.net.moqt.kit import Two, two


@pytest.fixture(params=["moqt-18", "moqt-16", "moqt-20"])
def both(request: pytest.FixtureRequest) -> Two:
    """Client and server of each draft, ready."""
    return _fresh(request.param)


@pytest.fixture
def both18() -> Two:
    """The same, draft 18 only."""
    return _fresh("moqt-18")


@pytest.fixture
def both16() -> Two:
    """The same, draft 16 only."""
    return _fresh("moqt-16")


def _fresh(alpn: str) -> Two:
    made = two(alpn)
    made.at_client.take()
    made.at_server.take()
    return made
