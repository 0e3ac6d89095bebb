"""The fuzz targets of the C media plane: how they are built with libFuzzer, and run."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from native import build

HERE = Path(__file__).parent
TARGETS = ("rtp", "rtcp", "dtmf", "frame", "srtp", "stream")
CORPUS = HERE / "corpus"
"""A folder of inputs for each target: few, small, each of them on a way that no other takes."""
MAX_LEN = 4096
"""Bytes of one input."""
FLAGS = ["-std=gnu11", "-D_GNU_SOURCE", "-pthread", "-g", "-O1", "-fno-omit-frame-pointer"]
SANITIZERS = "address,undefined"


def compile_targets(workdir: Path) -> dict[str, Path]:
    """Compile the plane and each target under address and undefined sanitizers: programs by target.

    What the build lacks has no program. $CC is clang. Raises `BuildError`, without its libFuzzer as well.
    """
    extras = build.find_extras(workdir)
    flags = [*FLAGS, "-fno-sanitize-recover=all", f"-I{build.SOURCES}", *extras.compile_flags]
    objects = build.compile_sources([*flags, f"-fsanitize=fuzzer-no-link,{SANITIZERS}"], workdir)
    programs = {}
    for name in TARGETS:
        if name in build.EXTRAS and name not in extras.names:
            continue
        programs[name] = workdir / f"fuzz_{name}"
        strict = [*flags, "-Wall", "-Wextra", "-Werror", f"-fsanitize=fuzzer,{SANITIZERS}"]
        parts = [str(HERE / f"{name}.c"), *objects, *extras.link_flags, "-lm"]
        build.run([*build.compiler(), *strict, *parts, "-o", str(programs[name])])
    return programs


def fuzz(program: Path, name: str, found: Path, options: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run one target from its corpus; new inputs and findings go to `found`, which exists.

    The status is not 0 if something was found: the report is in `stderr`, the input in `found`.
    """
    corpus = CORPUS / name
    inputs = [str(found), *([str(corpus)] if corpus.is_dir() else [])]
    command = [str(program), f"-max_len={MAX_LEN}", f"-artifact_prefix={found}/", "-print_final_stats=1"]
    return subprocess.run(
        [*command, *options, *inputs], capture_output=True, text=True, errors="replace", check=False
    )
