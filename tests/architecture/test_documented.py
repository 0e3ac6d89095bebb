"""Everything public is documented, and everything announced is there."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.tree import PRODUCT, ROOT, module_name, sources

NOT_IMPORTED = {"native.build", "native.hatch_build"}
"""Modules of the build, which need more than the product has."""


def _undocumented(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    if not ast.get_docstring(tree):
        yield f"{path.relative_to(ROOT)}"
    yield from (f"{path.relative_to(ROOT)}:{where}" for where in _within(tree))


def _within(node: ast.Module | ast.ClassDef) -> Iterator[str]:
    for below in node.body:
        if not isinstance(below, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if below.name.startswith("_") or _repeats(below):
            continue
        if not ast.get_docstring(below):
            yield f"{below.lineno} {below.name}"
        if isinstance(below, ast.ClassDef):
            yield from _within(below)


def _repeats(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """True for overloads and setters, whose documentation is with the function or property."""
    names = {ast.unparse(decorator).rpartition(".")[2] for decorator in node.decorator_list}
    return bool(names & {"overload", "setter"})


def test_every_public_name_has_a_docstring() -> None:
    missing = [where for path in sources(*PRODUCT) if not _private(path) for where in _undocumented(path)]
    assert missing == []


def _private(path: Path) -> bool:
    return path.stem.startswith("_") and path.name != "__init__.py"


@pytest.mark.parametrize("name", sorted({module_name(path) for path in sources(*PRODUCT)} - NOT_IMPORTED))
def test_every_announced_name_is_there(name: str) -> None:
    module = importlib.import_module(name)
    announced = getattr(module, "__all__", [])
    assert len(announced) == len(set(announced))
    assert [missing for missing in announced if not hasattr(module, missing)] == []
