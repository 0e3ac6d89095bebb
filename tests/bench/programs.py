"""Compiles the C programs of the benchmarks; raises `build.BuildError` with what the compiler said."""

from __future__ import annotations

import sysconfig
from collections.abc import Sequence
from pathlib import Path

from native import build

C = Path(__file__).parent / "c"
"""Where they are."""


def alone(source: Path, folder: Path, libraries: Sequence[str] = ()) -> str:
    """A program that needs nothing of ours; returns its path, in `folder`."""
    made = str(folder / source.stem)
    build.run([*build.compiler(), *build.STRICT, *build.OPTIMISED, str(source), *libraries, "-o", made])
    return made


def with_plane(source: Path, folder: Path, libraries: Sequence[str] = ()) -> str:
    """A program with the C sources of the media plane, compiled as they are for Python."""
    made, extras = str(folder / source.stem), build.find_extras(folder)
    flags = [*build.STRICT, *build.OPTIMISED, *extras.compile_flags]
    objects = build.compile_sources(flags, folder)
    rest = [f"-I{build.SOURCES}", str(source), *objects, *extras.link_flags, *libraries, "-lm", "-o", made]
    build.run([*build.compiler(), *flags, *rest])
    return made


def for_the_kernel(source: Path, folder: Path) -> str:
    """A BPF program, as the object file that holds it."""
    made = str(folder / f"{source.stem}.o")
    flags = ["-target", "bpf", "-O2", "-g", "-Wall", "-Wextra", "-Werror"]
    headers = f"-I/usr/include/{sysconfig.get_config_var('MULTIARCH')}"
    build.run(["clang", *flags, headers, "-c", str(source), "-o", made])
    return made
