"""Plays every trace of this suite through both cores."""

from __future__ import annotations

import os

import pytest

import native
from tests.contract.cores import CORES
from tests.contract.pair import Ends, PairTrace, PlayPair, run_pair
from tests.contract.trace import Outcome, Play, Trace, run


@pytest.fixture
def native_library() -> None:
    """The native library is there; unless CLUTCH_NATIVE=off says that there shall be none, and then skip."""
    if not native.available:
        if os.environ.get("CLUTCH_NATIVE") == "off":
            pytest.skip(native.reason)
        pytest.fail(native.reason)


@pytest.fixture(params=CORES)
def core(request: pytest.FixtureRequest) -> str:
    """The name of a core. Without the native build its tests fail, as `native_library` does."""
    name: str = request.param
    if name == "native":
        request.getfixturevalue("native_library")
    return name


@pytest.fixture
def play(core: str) -> Play:
    """Plays a trace through one core. The native outcome must equal that of the twin."""

    def play_on_core(trace: Trace) -> Outcome:
        outcome = run(CORES[core], trace)
        if core == "native":
            assert outcome == run(CORES["twin"], trace)
        return outcome

    return play_on_core


@pytest.fixture
def play_pair(core: str) -> PlayPair:
    """The same for two streams."""

    def play_on_core(trace: PairTrace) -> Ends:
        ends = run_pair(CORES[core], trace)
        if core == "native":
            assert ends == run_pair(CORES["twin"], trace)
        return ends

    return play_on_core
