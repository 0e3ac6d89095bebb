"""What this build and this machine can do, and what is missing for the rest."""

from __future__ import annotations

import enum
import errno
import os
import socket
from collections.abc import Mapping
from importlib.metadata import version

import attrs

import native
from clutch.net.quic.picoquic_private import VERSION, why_not

_AF_XDP = 44


class State(enum.Enum):
    """Whether a feature can be used."""

    AVAILABLE = "available"
    MISSING = "missing"
    """The build has it, this machine lacks what it needs."""
    NOT_BUILT = "not built"
    """This build does not have it."""


@attrs.frozen
class Feature:
    """One feature and how it stands."""

    name: str
    state: State
    why: str
    """What was found."""
    how: str = ""
    """What to do to get it; empty if it is there."""


@attrs.frozen
class Findings:
    """What `features` judges by; `probe` fills it from the real machine."""

    built: frozenset[str]
    """What the native plane was compiled with; empty if it is not there."""
    no_native: str
    """Why there is no native plane; empty if there is."""
    kernel: Mapping[str, str]
    """For ``io_uring``, ``af_xdp`` and ``steering``: what the kernel refuses; empty if it agrees."""
    no_picoquic: str = "aiopquic is not installed"
    """Why there is no second QUIC engine; empty if there is."""


def probe() -> Findings:
    """Ask the compiled library and the kernel. Takes a few milliseconds at most and changes nothing."""
    built = native.features()
    kernel = {
        "io_uring": _refusal(_try_io_uring() if "io_uring" in built else 0),
        "af_xdp": _refusal(_try_af_xdp()),
        "steering": _refusal(_try_steering() if "steering" in built else 0),
    }
    return Findings(built, native.reason, kernel, why_not())


def features(findings: Findings) -> list[Feature]:
    """Every feature that a build may have, always the same names in the same order."""
    return [
        _native(findings),
        Feature("twin", State.AVAILABLE, "the media plane in Python; G.711 and L16"),
        Feature("udp", State.AVAILABLE, f"RTP over UDP sockets, by the {_plane(findings)}; {_CHOICE['udp']}"),
        _kernel_backend("io_uring", findings),
        _kernel_backend("af_xdp", findings),
        _opus(findings),
        _srtp(findings),
        _steering(findings),
        Feature(
            "quic", State.AVAILABLE, f"MoQT over raw QUIC and WebTransport, by aioquic {version('aioquic')}"
        ),
        _picoquic(findings),
    ]


def available(findings: Findings) -> list[str]:
    """The names of the features that can be used."""
    return [feature.name for feature in features(findings) if feature.state is State.AVAILABLE]


_NOT_YET = "nothing to install: this version of clutch does not have it"
_REBUILD = "apt-get install gcc python3-dev pkg-config libopus-dev libsrtp2-dev, then: python native/build.py"
_PACKAGES = {"io_uring": "liburing-dev", "af_xdp": "clang llvm libbpf-dev"}
_CHOICE = {
    "udp": "media.backend = auto takes it",
    "io_uring": "for media.backend = io_uring",
    "af_xdp": "media.backend = auto takes it where media.interface is set",
}


def _plane(findings: Findings) -> str:
    return "Python twin" if findings.no_native else "C core"


def _native(findings: Findings) -> Feature:
    if findings.no_native:
        return Feature("native", State.NOT_BUILT, findings.no_native, _REBUILD)
    return Feature("native", State.AVAILABLE, "the media plane in C")


def _opus(findings: Findings) -> Feature:
    if "opus" in findings.built:
        return Feature("opus", State.AVAILABLE, "libopus, in the C core")
    why = "it comes with the C core" if findings.no_native else "libopus was not there at build time"
    return Feature("opus", State.NOT_BUILT, why, _REBUILD)


def _steering(findings: Findings) -> Feature:
    """Several sockets on one port, each datagram to the shard that it belongs to."""
    if "steering" not in findings.built:
        why = "it comes with the C core" if findings.no_native else "no libbpf, clang or llvm at build time"
        return Feature("steering", State.NOT_BUILT, why, f"apt-get install libbpf-dev clang llvm; {_REBUILD}")
    if refusal := findings.kernel["steering"]:
        how = "run it with the capabilities CAP_BPF and CAP_NET_ADMIN"
        return Feature("steering", State.MISSING, f"the kernel takes no programs from us: {refusal}", how)
    return Feature("steering", State.AVAILABLE, "a program in the kernel chooses among sockets on one port")


def _picoquic(findings: Findings) -> Feature:
    if findings.no_picoquic:
        how = "with Python 3.12 or later: pip install 'clutch[fast]'"
        return Feature("picoquic", State.MISSING, findings.no_picoquic, how)
    return Feature(
        "picoquic", State.AVAILABLE, f"the second QUIC engine, for moqt.fast_port, by aiopquic {VERSION}"
    )


def _srtp(findings: Findings) -> Feature:
    if findings.no_native:
        return Feature("srtp", State.AVAILABLE, "encrypted media, by the Python twin")
    if "srtp" in findings.built:
        return Feature("srtp", State.AVAILABLE, "encrypted media, by libsrtp2 in the C core")
    return Feature("srtp", State.NOT_BUILT, "libsrtp2 was not there at build time", _REBUILD)


def _kernel_backend(name: str, findings: Findings) -> Feature:
    refusal = findings.kernel[name]
    kernel = f"the kernel refuses it: {refusal}" if refusal else "the kernel has it"
    if name not in findings.built:
        packages = f"apt-get install {_PACKAGES[name]}, then: python native/build.py"
        return Feature(name, State.NOT_BUILT, "no such backend in this build", packages)
    if refusal:
        return Feature(name, State.MISSING, kernel, "another kernel, or the capabilities it asks for")
    return Feature(name, State.AVAILABLE, f"{kernel}; {_CHOICE[name]}")


def _refusal(code: int) -> str:
    return os.strerror(code) if code else ""


def _try_io_uring() -> int:
    """0, or the errno that says no. An idle plane binds no port."""
    try:
        native.Plane("127.0.0.1", 1024, 1025, native.PlaneOptions("io_uring")).close()
    except native.MediaError as error:
        return error.errno or errno.ENOTSUP
    return 0


def _try_steering() -> int:
    try:
        native.Steering(1)
    except native.MediaError as error:
        return error.errno or errno.ENOTSUP
    return 0


def _try_af_xdp() -> int:
    try:
        socket.socket(_AF_XDP, socket.SOCK_RAW).close()
    except OSError as error:
        return error.errno or errno.EAFNOSUPPORT
    return 0
