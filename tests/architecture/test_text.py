"""Words that may stand in few places, or in none."""

from __future__ import annotations

import io
import re
import tokenize

from tests.architecture.tree import PRODUCT, ROOT, sources

SHIELDS = {"actors/runtime/child.py", "actors/runtime/last_words.py"}
"""The joint of the tree, and goodbyes; everything else can be cancelled."""

EVERYWHERE = (*PRODUCT, "tests", "docs", ".ci")
TOP_LEVEL = ("README.md", "CHANGELOG.md", "Makefile", "pyproject.toml", ".gitignore", ".editorconfig")
TEXT = (".py", ".pyi", ".c", ".h", ".md", ".txt", ".toml", ".sh", ".js", "")
MACHINE_PATH = re.compile(r"(?<![\w./-])/(?:work|root|farm|home/\w+|Users/\w+)/")


def test_cancellation_is_held_off_in_two_files_only() -> None:
    users = set()
    for path in sources("actors", "clutch"):
        tokens = tokenize.generate_tokens(io.StringIO(path.read_text()).readline)
        if any(token.type == tokenize.NAME and token.string == "shield" for token in tokens):
            users.add(path.relative_to(ROOT).as_posix())
    assert users == SHIELDS


def test_no_path_of_a_machine_is_written_down() -> None:
    files = [ROOT / name for name in TOP_LEVEL] + [
        path for path in sources(*EVERYWHERE, suffixes=TEXT) if path.is_file()
    ]
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line}"
        for path in files
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if MACHINE_PATH.search(line)
    ]
    assert found == []
