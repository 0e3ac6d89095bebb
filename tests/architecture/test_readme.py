"""The README is a promise: every command in it is run, by a test or by continuous integration."""

from __future__ import annotations

import re

import pytest

from tests.architecture.tree import ROOT

FIRST_CALL = "tests/e2e/test_readme.py::test_commands_work_as_written"

RUN_BY = {
    "make run": ".ci/run",
    "make test": ".ci/run",
    ".venv/bin/clutch call sip:play@127.0.0.1 --record chime.wav": FIRST_CALL,
    ".venv/bin/clutch call sip:echo@127.0.0.1 --play chime.wav --record echo.wav --duration 4": FIRST_CALL,
    ".venv/bin/clutch call sip:app@127.0.0.1 --play chime.wav --record heard.wav --duration 20": FIRST_CALL,
    ".venv/bin/clutch sub voice/$SID/uplink -o caller.wav": FIRST_CALL,
    ".venv/bin/clutch pub voice/$SID/downlink chime.wav": FIRST_CALL,
    ".venv/bin/clutch status": FIRST_CALL,
    ".venv/bin/clutch doctor": FIRST_CALL,
}
"""Each command, and what runs it."""


def commands() -> list[str]:
    """Every line of every ``sh`` block of the README."""
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line and not line.startswith("#")]


def test_every_command_is_run_somewhere() -> None:
    assert sorted(commands()) == sorted(RUN_BY)


@pytest.mark.parametrize("command", RUN_BY)
def test_what_is_said_to_run_it_does(command: str) -> None:
    file, _, test = RUN_BY[command].partition("::")
    text = (ROOT / file).read_text()
    assert (f"def {test}(" if test else f"\n{command}") in text
