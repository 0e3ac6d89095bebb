"""Plays every trace of this suite through both cores."""

from __future__ import annotations

import os

import pytest

import native
from tests.contract.cores import CORES
from tests.contract.trace import Outcome, Play, Trace, run


@pytest.fixture
def native_library() -> None:
    """The native library is there; unless CLUTCH_NATIVE=off says that there shall be none, and then skip."""
    if not native.available:
        if os.environ.get("CLUTCH_NATIVE") == "off":
            pytest.skip(native.reason)
        pytest.fail(native.reason)


@pytest.fixture(params=CORES)
def play(request: pytest.FixtureRequest) -> Play:
    """Plays a trace through one core. The native outcome must equal that of the twin.

    Without the native build this fails, as `native_library` does.
    """
    opener = CORES[request.param]
    if request.param == "native":
        request.getfixturevalue("native_library")

    def play_on_core(trace: Trace) -> Outcome:
        outcome = run(opener, trace)
        if request.param == "native":
            assert outcome == run(CORES["twin"], trace)
        return outcome

    return play_on_core
