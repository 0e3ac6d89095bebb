"""Compile the C media plane: `python native/build.py` puts `_native.abi3.so` beside this file.

Needs a C compiler and cffi. Works in a temporary directory and replaces the library in one step, so a
running node keeps the one it has. cffi only writes the glue; the compiler is called directly: our own
sources are held to stricter warnings than generated code can be, and setuptools is not needed.

What the machine has besides is used (`EXTRAS`); without it, its feature is not in the library, and only then.
Every `src/NAME.bpf.c` is a program for the kernel: clang compiles it, and its object becomes the array
`NAME_bpf` in the header ``NAME.bpf.h``, to be included where HAVE_BPF is defined.

Environment: CC (compiler), CLUTCH_WITHOUT_OPUS=1 and the like (see `EXTRAS`), CLUTCH_NATIVE=off (do not
build).
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
SOURCES = HERE / "src"
LIBRARY = HERE / "_native.abi3.so"

# Without fused multiplications, floats come out as in the Python twin, to the bit. Nobody reads the
# exceptions that they raise, and a compiler that need not keep them can vectorise a clamp.
FLOATS = ["-ffp-contract=off", "-fno-trapping-math"]
STRICT = ["-std=gnu11", "-D_GNU_SOURCE", *FLOATS, "-Wall", "-Wextra", "-Wconversion", "-Werror"]
OPTIMISED = ["-O3", "-fPIC", "-fvisibility=hidden", "-pthread"]

EXTRAS = {"opus": "opus", "io_uring": "liburing >= 2.3", "bpf": "libbpf >= 1.0", "srtp": "libsrtp2"}
"""What the plane can do without, and the library that each needs, for pkg-config. `opus` defines HAVE_OPUS
for the sources, unless CLUTCH_WITHOUT_OPUS=1 is set; likewise the others. `bpf` needs clang and llvm-strip
as well.
"""


class BuildError(Exception):
    """The compiler or the linker refused; the message holds what it said."""


class Extras(NamedTuple):
    """Which `EXTRAS` there are, and the flags that they need."""

    names: list[str]
    compile_flags: list[str]
    link_flags: list[str]


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


def sources() -> list[Path]:
    """The C files of the plane, without those for the kernel."""
    return [path for path in sorted(SOURCES.glob("*.c")) if not path.name.endswith(".bpf.c")]


def find_extras(workdir: Path) -> Extras:
    """Look for `EXTRAS`; headers that are made for them go into `workdir`.

    Raises `BuildError` if one is there and our code for it does not compile.
    """
    names, compile_flags, link_flags = [], [f"-I{workdir}"], ["-Wl,--as-needed"]
    for name, package in EXTRAS.items():
        if os.environ.get(f"CLUTCH_WITHOUT_{name.upper()}") == "1":
            continue
        if name == "bpf" and not _can_compile_bpf():
            continue
        try:
            cflags, libs = (run(["pkg-config", what, package]) for what in ("--cflags", "--libs"))
        except BuildError:
            continue
        names.append(name)
        compile_flags += [f"-DHAVE_{name.upper()}", *shlex.split(cflags)]
        link_flags += shlex.split(libs)
    if "bpf" in names:
        for source in sorted(SOURCES.glob("*.bpf.c")):
            _embed_bpf(source, workdir)
    return Extras(names, compile_flags, link_flags)


def _can_compile_bpf() -> bool:
    """True if there are a clang that knows the target, and llvm-strip."""
    try:
        targets = run(["clang", "--print-targets"])
    except BuildError:
        return False
    return "bpf" in targets and shutil.which("llvm-strip") is not None


def _embed_bpf(source: Path, workdir: Path) -> None:
    """Compile a program for the kernel and write its object as a header."""
    name = source.name.removesuffix(".bpf.c")
    made = workdir / f"{name}.bpf.o"
    # The kernel's headers lie where the compiler of this machine looks, not where that of BPF does.
    headers = f"-I/usr/include/{sysconfig.get_config_var('MULTIARCH')}"
    flags = ["-target", "bpf", "-mcpu=v3", "-O2", "-g", "-Wall", "-Wextra", "-Werror", headers]
    run(["clang", *flags, "-c", str(source), "-o", str(made)])
    run(["llvm-strip", "-g", str(made)])
    values = ",".join(map(str, made.read_bytes()))
    array = f"static const unsigned char {name}_bpf[] __attribute__((aligned(8))) = {{{values}}};\n"
    (workdir / f"{name}.bpf.h").write_text(array)


def write_glue(path: Path) -> None:
    """Let cffi write the C source of the Python module `native._native`."""
    import cffi

    ffi = cffi.FFI()
    ffi.cdef((SOURCES / "api.h").read_text())
    ffi.set_source("native._native", '#include "media.h"', compiler_verbose=False)
    ffi.emit_c_code(str(path))


def compile_sources(flags: Sequence[str], workdir: Path) -> list[str]:
    """Compile `sources` with these flags into `workdir`; returns the object files."""

    def compile_one(source: Path) -> str:
        made = str(workdir / f"{source.stem}.o")
        run([*compiler(), *flags, "-c", str(source), "-o", made])
        return made

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(compile_one, sources()))


def compile_all(target: Path, workdir: Path) -> Extras:
    """Compile every source and the glue in `workdir` and link the library to `target`."""
    cc, extras = compiler(), find_extras(workdir)
    objects = compile_sources([*STRICT, *OPTIMISED, *extras.compile_flags], workdir)
    glue = workdir / "_native.c"
    write_glue(glue)
    objects.append(str(workdir / "_native.o"))
    python = f"-I{sysconfig.get_path('include')}"
    run([*cc, *OPTIMISED, python, f"-I{SOURCES}", "-c", str(glue), "-o", objects[-1]])
    run([*cc, "-shared", "-pthread", *objects, *extras.link_flags, "-lm", "-o", str(target)])
    return extras


def build() -> Extras | None:
    """Build the library in place; None, and no library, with CLUTCH_NATIVE=off."""
    if os.environ.get("CLUTCH_NATIVE") == "off":
        LIBRARY.unlink(missing_ok=True)
        return None
    # Beside the target, so that the last step is a rename within one file system.
    with tempfile.TemporaryDirectory(prefix=".build-", dir=HERE) as workdir:
        made = Path(workdir) / LIBRARY.name
        extras = compile_all(made, Path(workdir))
        made.replace(LIBRARY)
    return extras


def main() -> int:
    """Build and say what came of it."""
    try:
        extras = build()
    except BuildError as error:
        print(f"native: {error}", file=sys.stderr)
        return 1
    if extras is None:
        print("native: off (CLUTCH_NATIVE)")
        return 0
    missing = [name for name in EXTRAS if name not in extras.names]
    without = f", without {', '.join(missing)}" if missing else ""
    print(f"native: built {LIBRARY.name} with {', '.join(extras.names) or 'nothing extra'}{without}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
