"""`python -m tests.bench`: run every benchmark beside this file and print what came out.

A benchmark is a module `bench_*.py` with ``run() -> list[Row]``. Figures of one machine mean little, ratios
mean more: a row may name a peer and give the ratio to it.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NotRequired, TypedDict


class Row(TypedDict):
    """One figure."""

    name: str
    value: float
    unit: str
    peer: NotRequired[str]
    """What it is compared with."""
    ratio: NotRequired[float]
    """`value` divided by the peer's."""
    rounds: NotRequired[list[float]]
    """What `value` is the median or the best of."""
    note: NotRequired[str]
    """What the reader must know."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmarks that were asked for, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure what a call costs.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="run bench_NAME only")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write machine and rows there as well")
    options = parser.parse_args(arguments)
    here = Path(__file__).parent
    known = sorted(path.stem.removeprefix("bench_") for path in here.glob("bench_*.py"))
    if unknown := set(options.names) - set(known):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    print(machine())
    rows: list[Row] = []
    for name in options.names or known:
        found: list[Row] = importlib.import_module(f"tests.bench.bench_{name}").run()
        for row in found:
            print(table_line(row), flush=True)
        rows += found
    if options.json is not None:
        options.json.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=2) + "\n")


def machine() -> str:
    """What the figures are true of."""
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    processor = model[1] if model else platform.machine()
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{os.cpu_count()} x {processor}, Linux {platform.release()}, {python}"


def table_line(row: Row) -> str:
    """A row as people read it."""
    peer = f"  {row['ratio']:.2f} x {row['peer']}" if "peer" in row and "ratio" in row else ""
    rounds = f"  [{' '.join(f'{one:.4g}' for one in row['rounds'])}]" if "rounds" in row else ""
    note = f"  ({row['note']})" if "note" in row else ""
    return f"{row['name']:<56} {row['value']:>10.4g} {row['unit']:<10}{peer}{rounds}{note}"


if __name__ == "__main__":
    main()
