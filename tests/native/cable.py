"""Two network namespaces and a virtual cable: for what loopback does not have. Needs root."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import attrs

import native

PORTS = (31_000, 31_019)
"""Of planes on a cable."""
PATIENCE_S = 10.0
"""After this long without a sign the test has failed."""
_CLONE_NEWNET = 0x40000000

OpenPlane: TypeAlias = Callable[..., native.Plane]


@attrs.frozen
class End:
    """One end of a cable."""

    namespace: str
    ip: str
    ipv6: str
    mac: str
    interface: str

    @property
    def enter(self) -> list[str]:
        """What to put in front of a command, to run it at this end."""
        return ["ip", "netns", "exec", self.namespace]

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Be at this end: sockets and threads made meanwhile stay there. Only this thread moves."""
        with (
            Path("/proc/thread-self/ns/net").open() as home,
            Path("/run/netns", self.namespace).open() as there,
        ):
            _set_namespace(there.fileno())
            try:
                yield
            finally:
                _set_namespace(home.fileno())

    def udp_socket(self, ip: str = "") -> socket.socket:
        """A UDP socket at this end, on its IPv4 address if no other is given, with `PATIENCE_S`."""
        with self.inside():
            made = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_DGRAM)
            made.bind((ip or self.ip, 0))
        made.settimeout(PATIENCE_S)
        return made

    def counters(self) -> dict[str, int]:
        """What the kernel's UDP received and sent at this end: ``InDatagrams``, ``OutDatagrams`` and more."""
        with self.inside():
            lines = Path("/proc/thread-self/net/snmp").read_text().splitlines()
        names, values = (line.split()[1:] for line in lines if line.startswith("Udp:"))
        return dict(zip(names, map(int, values), strict=True))

    def has_program(self) -> bool:
        """True if an XDP program is attached to the interface."""
        return "xdp" in _run("ip", "-n", self.namespace, "link", "show", self.interface)


@attrs.frozen
class Cable:
    """Both ends; the node under test is at the near one."""

    near: End
    far: End


def obstacle() -> str:
    """Why there can be no cable on this machine; empty if there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    return "" if shutil.which("ip") else "not installed: iproute2"


@contextlib.contextmanager
def open_cable() -> Iterator[Cable]:
    """Lay a cable and remove it. Its addresses are the same every time, its namespaces are not."""
    name = f"clutch-test-{os.getpid()}"
    near = End(f"{name}-near", "10.78.0.1", "fd78::1", "02:00:00:00:78:01", "near")
    far = End(f"{name}-far", "10.78.0.2", "fd78::2", "02:00:00:00:78:02", "far")
    try:
        for end in (near, far):
            _run("ip", "netns", "add", end.namespace)
            _run("ip", "-n", end.namespace, "link", "set", "lo", "up")
        peer = ["peer", "name", "far", "netns", far.namespace]
        _run("ip", "-n", near.namespace, "link", "add", "near", "type", "veth", *peer)
        for end in (near, far):
            ip = ["ip", "-n", end.namespace]
            _run(*ip, "address", "add", f"{end.ip}/24", "dev", end.interface)
            _run(*ip, "address", "add", f"{end.ipv6}/64", "dev", end.interface, "nodad")
            _run(*ip, "link", "set", end.interface, "address", end.mac, "up")
        yield Cable(near, far)
    finally:
        for end in (near, far):
            subprocess.run(["ip", "netns", "del", end.namespace], capture_output=True, check=False)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout


def _set_namespace(fd: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")
