"""What every contender is told, and how it answers (see `rounds`)."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence

import attrs


@attrs.frozen
class Options:
    """The arguments of a contender."""

    ip: str
    """Where to receive."""
    remote: str
    """Where the far ends are ..."""
    first_port: int
    """... leg k at this port + 2k; the legs of call n are 2n and 2n + 1."""
    calls: int
    codecs: tuple[str, str]
    """What the first and the second leg of a call speak."""
    sink: str
    """The BPF object that counts and drops."""
    settings: tuple[str, ...]
    """Anything else: the contender's own."""


def options() -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser()
    for name in ("--ip", "--remote", "--sink"):
        parser.add_argument(name, required=True)
    for name in ("--first-port", "--calls"):
        parser.add_argument(name, type=int, required=True)
    parser.add_argument("--codecs", nargs=2, required=True)
    parser.add_argument("settings", nargs="*")
    found = vars(parser.parse_args())
    return Options(**found | {"codecs": tuple(found["codecs"]), "settings": tuple(found["settings"])})


def serve(
    pids: Sequence[int], ports: Sequence[int], stats: Callable[[], dict[str, float]] = dict, about: str = ""
) -> None:
    """Say that the calls are made, and answer questions until standard input ends."""
    print(json.dumps({"pids": pids, "ports": ports, "about": about}), flush=True)
    for _ in sys.stdin:
        print(json.dumps(stats()), flush=True)
