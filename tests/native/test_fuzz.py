"""The short form of `make fuzz`: every target builds, and survives its corpus and thousands of inputs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.native.fuzz.targets import TARGETS, compile_targets, fuzz

RUNS = {"srtp": 500, "stream": 3000}
"""Inputs, always the same ones; the other targets are faster."""


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    if shutil.which("clang") is None:
        pytest.skip("without clang there is no libFuzzer")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CC", "clang")
        return compile_targets(tmp_path_factory.mktemp("fuzz"))


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_is_found(programs: dict[str, Path], tmp_path: Path, name: str) -> None:
    if name not in programs:
        pytest.skip(f"this build lacks what {name} needs")
    done = fuzz(programs[name], name, tmp_path, ["-seed=1", f"-runs={RUNS.get(name, 100_000)}"])
    assert done.returncode == 0, done.stderr[-4000:]
