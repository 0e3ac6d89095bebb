"""Stands where a forwarder would and says where to send to: what comes is dropped on the node's interface."""

from __future__ import annotations

import subprocess

from tests.bench.contender import options, serve

FIRST_PORT = 30_000


def main() -> None:
    """Drop what comes to the node until standard input ends."""
    chosen = options()
    tc = [
        "tc",
        "filter",
        "add",
        "dev",
        "node",
        "ingress",
        "bpf",
        "direct-action",
        "obj",
        chosen.sink,
        "sec",
        "tc",
    ]
    subprocess.run(["tc", "qdisc", "add", "dev", "node", "clsact"], check=True)
    subprocess.run(tc, check=True)
    ports = [FIRST_PORT + 2 * leg for leg in range(2 * chosen.calls)]
    serve([], ports)


if __name__ == "__main__":
    main()
