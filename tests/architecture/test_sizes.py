"""Files and functions stay small enough to be read at once."""

from __future__ import annotations

import ast
import statistics
from pathlib import Path

import pytest

from tests.architecture.tree import PRODUCT, ROOT, sources

FILE_MAX, FILE_MEDIAN = 600, 150
FUNCTION_P90, FUNCTION_MEDIAN = 35, 10


def _lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def _functions(path: Path) -> list[int]:
    tree = ast.walk(ast.parse(path.read_text()))
    return [
        (node.end_lineno or node.lineno) - node.lineno + 1
        for node in tree
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def test_no_file_is_too_long() -> None:
    files = sources(*PRODUCT, "tests", "docs", suffixes=(".py", ".c", ".h", ".js"))
    assert {str(path.relative_to(ROOT)): _lines(path) for path in files if _lines(path) > FILE_MAX} == {}


@pytest.mark.parametrize("folders", [PRODUCT, ("tests",)], ids=["product", "tests"])
def test_most_files_are_short(folders: tuple[str, ...]) -> None:
    assert statistics.median(map(_lines, sources(*folders))) <= FILE_MEDIAN


@pytest.mark.parametrize("folders", [PRODUCT, ("tests",)], ids=["product", "tests"])
def test_functions_are_short(folders: tuple[str, ...]) -> None:
    lengths = [length for path in sources(*folders) for length in _functions(path)]
    assert statistics.median(lengths) <= FUNCTION_MEDIAN
    assert statistics.quantiles(lengths, n=10)[-1] <= FUNCTION_P90
