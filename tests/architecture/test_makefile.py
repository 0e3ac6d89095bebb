"""What `make` offers is what it has."""

from __future__ import annotations

import re
import subprocess

from tests.architecture.tree import ROOT


def test_plain_make_lists_every_target() -> None:
    (targets,) = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    told = subprocess.run(
        ["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    listed = re.findall(r"^make (\w+) ", told.stdout, re.MULTILINE)
    assert set(listed) == set(targets.split()) - {"help", "packages"}
