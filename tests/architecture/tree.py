"""Where the files of this repository are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

PRODUCT = ("actors", "clutch", "native")
"""The folders that are shipped."""


def sources(*folders: str, suffixes: tuple[str, ...] = (".py",), root: Path = ROOT) -> list[Path]:
    """The files below these folders of the repository, sorted, without what tools leave there."""
    return sorted(path for folder in folders for path in _below(root / folder) if path.suffix in suffixes)


def module_name(path: Path, root: Path = ROOT) -> str:
    """``clutch/wire/__init__.py`` is ``clutch.wire``."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _below(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if not any(part.startswith((".", "__pycache__")) for part in path.relative_to(folder).parts):
            yield path
