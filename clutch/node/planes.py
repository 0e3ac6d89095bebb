"""Which media plane a node runs on."""

from __future__ import annotations

import native
from clutch.net.link import Network
from clutch.net.native_plane import NativePlane
from clutch.net.plane import MediaPlane
from clutch.net.twin_plane import TwinPlane
from clutch.node.config import MediaConfig
from clutch.node.errors import NodeError


def check_srtp(plane: MediaPlane) -> None:
    """See that a plane can encrypt. Raises `NodeError` if it cannot."""
    if not plane.suites:
        raise NodeError("this build cannot encrypt media (SRTP); see: clutch doctor")


def make_plane(
    config: MediaConfig, network: Network, host: str, ports: range, quarantine_s: float = 0.0
) -> MediaPlane:
    """The plane that the configuration asks for, binding `host` on `ports`; it is run by the node.

    For `quarantine_s` after a stream its ports stay unused. The native plane has its own sockets and its own
    clock; the twin has those of `network` and Trio. Raises `NodeError` if the native plane is asked for, or a
    backend, which only it has, and was not built.
    """
    wanted = config.plane == "native" or config.backend != "auto"
    if config.plane == "twin" or not (wanted or native.available):
        return TwinPlane(network, host, ports, quarantine_s=quarantine_s)
    if not native.available:
        key, value = ("plane", "native") if config.plane == "native" else ("backend", config.backend)
        raise NodeError(f"media.{key} = {value}: {native.reason}")
    return NativePlane(host, ports, backends(config, quarantine_s))


def backends(config: MediaConfig, quarantine_s: float = 0.0) -> list[native.PlaneOptions]:
    """What to try, best first.

    ``auto`` takes an interface for a wish to use AF_XDP. io_uring costs what `udp` costs, and many machines
    forbid it: it is only taken when it is asked for.
    """
    names = [config.backend]
    if config.backend == "auto":
        names = ["af_xdp", "udp"] if config.interface else ["udp"]
    options = native.PlaneOptions(
        interface=config.interface or "",
        cpu=-1 if config.cpu is None else config.cpu,
        busy_poll_us=config.busy_poll_us,
        xdp_mode=config.xdp_mode,
        quarantine_ms=round(quarantine_s * 1000),
    )
    return [options._replace(backend=name) for name in names]
