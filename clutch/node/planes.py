"""Which media plane a node runs on."""

from __future__ import annotations

from typing import Literal

import native
from clutch.net.link import Network
from clutch.net.native_plane import NativePlane
from clutch.net.plane import MediaPlane
from clutch.net.twin_plane import TwinPlane
from clutch.node.errors import NodeError


def check_srtp(plane: MediaPlane) -> None:
    """See that a plane can encrypt. Raises `NodeError` if it cannot."""
    if not plane.suites:
        raise NodeError("this build cannot encrypt media (SRTP); see: clutch doctor")


def make_plane(
    kind: Literal["auto", "native", "twin"], network: Network, host: str, ports: range
) -> MediaPlane:
    """The plane that the configuration asks for, binding `host` on `ports`; it is run by the node.

    The native plane has its own sockets and its own clock; the twin has those of `network` and Trio. Raises
    `NodeError` if the native plane is asked for and was not built.
    """
    if kind == "twin" or (kind == "auto" and not native.available):
        return TwinPlane(network, host, ports)
    if not native.available:
        raise NodeError(f"media.plane = native: {native.reason}")
    return NativePlane(host, ports)
