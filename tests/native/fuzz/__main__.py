"""`make fuzz`: run every fuzz target for a while, one after the other.

    make fuzz                      a minute each
    make fuzz ARGS='3600 stream'   an hour of one of them

What was found, and the inputs that made the way there, stay in build/fuzz/<target>.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

from native.build import BuildError
from tests.native.fuzz.targets import TARGETS, compile_targets, fuzz

SECONDS = 60
FOUND = Path("build") / "fuzz"


def main(seconds: int, names: list[str]) -> int:
    """Fuzz the named targets, or all; 1 if anything was found or nothing could be built."""
    status = 0
    with tempfile.TemporaryDirectory() as workdir:
        try:
            programs = compile_targets(Path(workdir))
        except BuildError as error:
            print(f"fuzz: needs clang with its libFuzzer: {error}", file=sys.stderr)
            return 1
        for name in names or programs:
            found = FOUND / name
            found.mkdir(parents=True, exist_ok=True)
            done = fuzz(programs[name], name, found, [f"-max_total_time={seconds}"])
            runs = re.search(r"number_of_executed_units: (\d+)", done.stderr)
            verdict = (
                "nothing found" if done.returncode == 0 else f"FOUND, see {found}\n{done.stderr[-4000:]}"
            )
            print(f"fuzz: {name}: {runs[1] if runs else 0} inputs in {seconds} s: {verdict}", flush=True)
            status |= done.returncode != 0
    return status


def _arguments(words: list[str]) -> tuple[int, list[str]]:
    seconds = int(words.pop(0)) if words and words[0].isdigit() else SECONDS
    for word in words:
        if word not in TARGETS:
            raise SystemExit(f"fuzz: no target {word}; there are {', '.join(TARGETS)}")
    return seconds, words


if __name__ == "__main__":
    sys.exit(main(*_arguments(sys.argv[1:])))
