"""Every file in docs/examples runs, and does what it says."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import trio
import trio.testing

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(name: str) -> None:
    trio.run(load(name).main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_embed(capsys: pytest.CaptureFixture[str]) -> None:
    run("embed")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "demo ringing"
    assert [line for line in lines if line.startswith("exit demo/")] == [
        "exit demo/leg normal",
        "exit demo/agent stopped",
        "exit demo/bridge stopped",
        "exit demo/recorder stopped",
    ]
    assert lines[-1] == "completed, left over: []"


def test_embed_is_twenty_lines() -> None:
    body = (EXAMPLES / "embed.py").read_text().split("async def main")[1].split("if __name__")[0]
    assert len([line for line in body.splitlines() if line.strip()]) <= 20


def test_every_example_has_a_test() -> None:
    tests = Path(__file__).read_text()
    for example in EXAMPLES.glob("*.py"):
        assert f'("{example.stem}")' in tests, f"docs/examples/{example.name} is run by no test"


def test_trial(capsys: pytest.CaptureFixture[str]) -> None:
    load("trial").main()
    report = capsys.readouterr().out.splitlines()[-2:]
    assert report[0].startswith("an agent that does not let go: cancel at each of ")
    assert report[1] == "  nothing left"
