"""Compile the C media plane: `python native/build.py` puts `_native.abi3.so` beside this file.

Needs a C compiler and cffi. Works in a temporary directory and replaces the library in one step, so a
running node keeps the one it has. cffi only writes the glue; the compiler is called directly: our own
sources are held to stricter warnings than generated code can be, and setuptools is not needed.

Environment: CC (compiler), CLUTCH_WITHOUT_OPUS=1 (build without Opus), CLUTCH_NATIVE=off (do not build).
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

# Without fused multiplications, floats come out as in the Python twin, to the bit. Nobody reads the
# exceptions that they raise, and a compiler that need not keep them can vectorise a clamp.
FLOATS = ["-ffp-contract=off", "-fno-trapping-math"]
STRICT = ["-std=gnu11", "-D_GNU_SOURCE", *FLOATS, "-Wall", "-Wextra", "-Wconversion", "-Werror"]
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


def opus() -> tuple[list[str], list[str]]:
    """Compiler and linker flags of libopus; both empty if it is absent or not wanted."""
    if os.environ.get("CLUTCH_WITHOUT_OPUS") == "1":
        return [], []
    try:
        cflags = run(["pkg-config", "--cflags", "opus"])
        libs = run(["pkg-config", "--libs", "opus"])
    except BuildError:
        return [], []
    return ["-DHAVE_OPUS", *shlex.split(cflags)], shlex.split(libs)


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
    opus_cflags, opus_libs = opus()
    objects = []
    for source in sorted(SOURCES.glob("*.c")):
        objects.append(str(workdir / f"{source.stem}.o"))
        run([*cc, *STRICT, *OPTIMISED, *opus_cflags, "-c", str(source), "-o", objects[-1]])
    glue = workdir / "_native.c"
    write_glue(glue)
    objects.append(str(workdir / "_native.o"))
    python = f"-I{sysconfig.get_path('include')}"
    run([*cc, *OPTIMISED, python, f"-I{SOURCES}", "-c", str(glue), "-o", objects[-1]])
    run([*cc, "-shared", "-pthread", *objects, *opus_libs, "-lm", "-o", str(target)])


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
        library = build()
    except BuildError as error:
        print(f"native: {error}", file=sys.stderr)
        return 1
    with_opus = "with opus" if opus()[0] else "without opus"
    print(f"native: built {library.name}, {with_opus}" if library else "native: off (CLUTCH_NATIVE)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
