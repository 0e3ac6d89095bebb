"""Which process has a port, as far as Linux tells."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_LISTENING = "0A"


def port_owner(transport: str, port: int) -> str | None:
    """The process that has this ``UDP`` or ``TCP`` port, as ``name (pid 42)``; None if it cannot be told.

    Reads ``/proc``, which blocks for a moment; other users' processes are not visible to everyone.
    """
    sockets = {f"socket:[{inode}]" for inode in _inodes(transport.lower(), port)}
    if not sockets:
        return None
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(str(fd.readlink()) in sockets for fd in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
        except OSError:
            continue  # the process is not ours to see, or has gone
    return None


def _inodes(transport: str, port: int) -> Iterator[str]:
    for table in (Path("/proc/net") / transport, Path("/proc/net") / f"{transport}6"):
        try:
            lines = table.read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            columns = line.split()
            local, state, inode = columns[1], columns[3], columns[9]
            if int(local.rpartition(":")[2], 16) == port and (transport == "udp" or state == _LISTENING):
                yield inode
