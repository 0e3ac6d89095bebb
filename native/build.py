"""Compile the C media plane: `python native/build.py` puts `_native.abi3.so` beside this file.

Needs a C compiler and cffi. Works in a temporary directory and replaces the library in one step, so a
running node keeps the one it has. cffi only writes the glue; the compiler is called directly: our own
sources are held to stricter warnings than generated code can be, and setuptools is not needed.

Environment: CC (compiler), CLUTCH_WITHOUT_OPUS=1, CLUTCH_WITHOUT_SRTP=1 (build without that library),
CLUTCH_NATIVE=off (do not build).
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCES = HERE / "src"
LIBRARY = HERE / "_native.abi3.so"

STRICT = ["-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
OPTIMISED = ["-O3", "-fPIC", "-fvisibility=hidden", "-pthread"]


class BuildError(Exception):
    """The compiler or the linker refused; the message holds what it said."""


def run(command: Sequence[str]) -> str:
    """Run a command and return its output. Raises `BuildError` if it fails or does not exist."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise BuildError(f"cannot run {command[0]}: {error.strerror}") from error
    if done.returncode != 0:
        raise BuildError(f"{shlex.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


def compiler() -> list[str]:
    """The C compiler: $CC, else the one that built Python, else cc."""
    return shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")


LIBRARIES = {"opus": "opus", "srtp": "libsrtp2"}
"""What the plane can be built without: the feature, and the library's name for pkg-config."""


def library(feature: str) -> tuple[list[str], list[str]]:
    """Compiler and linker flags of one of `LIBRARIES`; both empty if it is absent or not wanted."""
    if os.environ.get(f"CLUTCH_WITHOUT_{feature.upper()}") == "1":
        return [], []
    try:
        cflags = run(["pkg-config", "--cflags", LIBRARIES[feature]])
        libs = run(["pkg-config", "--libs", LIBRARIES[feature]])
    except BuildError:
        return [], []
    return [f"-DHAVE_{feature.upper()}", *shlex.split(cflags)], shlex.split(libs)


def libraries() -> tuple[list[str], list[str]]:
    """Compiler and linker flags of all that are there."""
    found = [library(feature) for feature in LIBRARIES]
    return [flag for cflags, _ in found for flag in cflags], [flag for _, libs in found for flag in libs]


def write_glue(path: Path) -> None:
    """Let cffi write the C source of the Python module `native._native`."""
    import cffi

    ffi = cffi.FFI()
    ffi.cdef((SOURCES / "api.h").read_text())
    ffi.set_source("native._native", '#include "media.h"', compiler_verbose=False)
    ffi.emit_c_code(str(path))


def compile_all(target: Path, workdir: Path) -> None:
    """Compile every source and the glue in `workdir` and link the library to `target`."""
    cc = compiler()
    cflags, libs = libraries()
    objects = []
    for source in sorted(SOURCES.glob("*.c")):
        objects.append(str(workdir / f"{source.stem}.o"))
        run([*cc, *STRICT, *OPTIMISED, *cflags, "-c", str(source), "-o", objects[-1]])
    glue = workdir / "_native.c"
    write_glue(glue)
    objects.append(str(workdir / "_native.o"))
    python = f"-I{sysconfig.get_path('include')}"
    run([*cc, *OPTIMISED, python, f"-I{SOURCES}", "-c", str(glue), "-o", objects[-1]])
    run([*cc, "-shared", "-pthread", *objects, *libs, "-o", str(target)])


def build() -> Path | None:
    """Build the library in place and return its path; None, and no library, with CLUTCH_NATIVE=off."""
    if os.environ.get("CLUTCH_NATIVE") == "off":
        LIBRARY.unlink(missing_ok=True)
        return None
    # Beside the target, so that the last step is a rename within one file system.
    with tempfile.TemporaryDirectory(prefix=".build-", dir=HERE) as workdir:
        made = Path(workdir) / LIBRARY.name
        compile_all(made, Path(workdir))
        made.replace(LIBRARY)
    return LIBRARY


def main() -> int:
    """Build and say what came of it."""
    try:
        made = build()
    except BuildError as error:
        print(f"native: {error}", file=sys.stderr)
        return 1
    found = ", ".join(f"{'with' if library(name)[0] else 'without'} {name}" for name in LIBRARIES)
    print(f"native: built {made.name}, {found}" if made else "native: off (CLUTCH_NATIVE)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
