"""Which media plane, and which of its backends, a configuration comes to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import native
from clutch.net.memory import MemoryNetwork
from clutch.net.native_plane import NativePlane
from clutch.net.twin_plane import TwinPlane
from clutch.node.config import (
    Config,
    HttpConfig,
    MediaConfig,
    MoqtConfig,
    NodeConfig,
    RecordingConfig,
    SipConfig,
)
from clutch.node.errors import NodeError, first_error
from clutch.node.node import open_node
from clutch.node.planes import backends, make_plane

PORTS = range(20_000, 20_002)
NEEDS_NATIVE = pytest.mark.skipif(os.environ.get("CLUTCH_NATIVE") == "off", reason="CLUTCH_NATIVE=off")


def made(config: MediaConfig) -> type[object]:
    """What kind of plane that gives."""
    return type(make_plane(config, MemoryNetwork().host("192.0.2.1"), "192.0.2.1", PORTS))


def node_config(folder: Path, media: MediaConfig) -> Config:
    """A node on free ports that keeps nothing but its keys."""
    return Config(
        NodeConfig(folder),
        sip=SipConfig(port=0),
        http=HttpConfig(port=0),
        moqt=MoqtConfig(port=0),
        recording=RecordingConfig(enabled=False),
        media=media,
    )


def test_the_twin_is_taken_where_there_is_no_c_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "available", False)
    monkeypatch.setattr(native, "reason", "not built")
    assert made(MediaConfig()) is TwinPlane
    with pytest.raises(NodeError, match=r"^media\.plane = native: not built$"):
        made(MediaConfig("native"))
    with pytest.raises(NodeError, match=r"^media\.backend = io_uring: not built$"):
        made(MediaConfig(backend="io_uring"))


def test_the_c_core_is_taken_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "available", True)
    assert made(MediaConfig()) is NativePlane
    assert made(MediaConfig("twin")) is TwinPlane


def test_what_auto_tries() -> None:
    assert backends(MediaConfig()) == [native.PlaneOptions("udp")]
    assert [options.backend for options in backends(MediaConfig(interface="eth0"))] == ["af_xdp", "udp"]
    tuned = MediaConfig(backend="af_xdp", interface="eth0", cpu=1, busy_poll_us=50, xdp_mode="generic")
    assert backends(tuned) == [native.PlaneOptions("af_xdp", "eth0", 1, 50, "generic")]


@NEEDS_NATIVE
async def test_auto_falls_back_and_says_why(tmp_path: Path) -> None:
    media = MediaConfig(interface="no-such-device", cpu=min(os.sched_getaffinity(0)))
    async with open_node(node_config(tmp_path, media)) as node:
        backend = node.snapshot()["media"]
    assert backend.startswith("udp: epoll and plain sockets; could not start the media plane")
    assert "af_xdp" in backend


@NEEDS_NATIVE
@pytest.mark.parametrize(
    "media", [MediaConfig(backend="af_xdp", interface="no-such-device"), MediaConfig(cpu=1023)]
)
async def test_a_backend_that_does_not_work_keeps_the_node_down(tmp_path: Path, media: MediaConfig) -> None:
    with pytest.raises(BaseExceptionGroup) as caught:
        async with open_node(node_config(tmp_path, media)):
            pass
    error = first_error(caught.value)
    assert isinstance(error, NodeError)
    assert str(error).startswith("media: could not start the media plane")
    assert str(error).endswith("; see: clutch doctor")
