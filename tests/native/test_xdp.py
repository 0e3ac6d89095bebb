"""The af_xdp backend on a virtual cable. Nothing here measures time: it counts what comes."""

from __future__ import annotations

import errno
import select
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

import native
from tests.native.cable import PATIENCE_S, PORTS, Cable, OpenPlane

pytestmark = pytest.mark.usefixtures("native_library", "near")

CNAME = b"0123456789abcdef"
ROUNDS = 50
KERNEL_MOST = 5
"""Packets that may go by the kernel in a test of many: the first, before the neighbour is known."""


@pytest.fixture
def peer(cable: Cable) -> Iterator[socket.socket]:
    """A phone at the far end."""
    with cable.far.udp_socket() as peer:
        yield peer


def open_stream(plane: native.Plane, peer: socket.socket) -> native.Stream:
    """A stream that talks PCMU with the peer."""
    stream = plane.open(ssrc=1, seq=1, timestamp=0, cname=CNAME)
    ip, port, *_ = peer.getsockname()
    stream.connect(native.Params((ip, port), "pcmu", 8000, 0, 101))
    return stream


def rtp(number: int) -> bytes:
    """A peer's packet."""
    return struct.pack("!BBHII", 0x80, 0, number, number * 160, 7) + bytes([number % 256]) * 160


def drain(peer: socket.socket) -> None:
    """Receive without end."""
    while True:
        peer.recv(2048)


def converse(stream: native.Stream, peer: socket.socket, ip: str) -> None:
    """One packet there for each that comes, many times."""
    for number in range(ROUNDS):
        assert len(peer.recv(2048)) == 172
        peer.sendto(rtp(number), (ip, stream.port))


def until_received(plane: native.Plane, stream: native.Stream, packets: int) -> None:
    """Wait until the stream has received so many packets."""
    end = time.monotonic() + PATIENCE_S
    while stream.stats().packets_received < packets:
        assert time.monotonic() < end, stream.stats()
        select.select([plane.wake_fd], [], [], 0.01)


@pytest.mark.parametrize("mode", ["driver", "generic"])
def test_packets_go_past_the_kernel(
    open_plane: OpenPlane, cable: Cable, peer: socket.socket, mode: str
) -> None:
    before = cable.near.counters()
    plane = open_plane(mode)
    forwarding = ", forwarding" if mode == "generic" else ""
    assert plane.backend == f"af_xdp on near: {mode}, copying, 1 queue{forwarding}"
    stream = open_stream(plane, peer)
    converse(stream, peer, cable.near.ip)
    until_received(plane, stream, ROUNDS)
    after = cable.near.counters()
    assert after["InDatagrams"] - before["InDatagrams"] <= 1
    assert after["OutDatagrams"] - before["OutDatagrams"] <= KERNEL_MOST
    assert (plane.dropped, plane.lost()) == (0, (0, 0, 0))


def test_over_ipv6(open_plane: OpenPlane, cable: Cable) -> None:
    plane = open_plane(ip=cable.near.ipv6)
    with cable.far.udp_socket(cable.far.ipv6) as peer:
        stream = open_stream(plane, peer)
        converse(stream, peer, cable.near.ipv6)
        until_received(plane, stream, ROUNDS)


def test_a_port_without_a_stream_is_the_kernels(
    open_plane: OpenPlane, cable: Cable, peer: socket.socket
) -> None:
    """It says so to the sender; and so it does once a stream is closed."""
    plane = open_plane()
    stream = open_stream(plane, peer)
    peer.recv(2048)
    stream.close()
    while plane.open_streams:
        select.select([plane.wake_fd], [], [], PATIENCE_S)
        plane.begin_drain()
        list(plane.events())
    for port in (PORTS[0] + 8, stream.port):
        peer.connect((cable.near.ip, port))
        peer.send(rtp(1))
        with pytest.raises(ConnectionRefusedError):
            drain(peer)


def test_reports_come_and_go_by_the_kernel(open_plane: OpenPlane, cable: Cable, peer: socket.socket) -> None:
    plane = open_plane()
    with cable.far.udp_socket() as rtcp:
        stream = plane.open(ssrc=1, seq=1, timestamp=0, cname=CNAME)
        params = native.Params(peer.getsockname(), "pcmu", 8000, 0, 101, rtcp=rtcp.getsockname())
        stream.connect(params)
        rtcp.sendto(
            struct.pack("!BBHI", 0x80, 201, 1, 7) + struct.pack("!BBHI", 0x81, 202, 2, 7) + bytes(4),
            (cable.near.ip, stream.port + 1),
        )
        peer.recv(2048)
        stream.close()
        _, source = rtcp.recvfrom(2048)
    assert source == (cable.near.ip, stream.port + 1)
    assert stream.stats().reports_received == 1


def test_a_broken_checksum_is_dropped_and_counted(
    open_plane: OpenPlane, cable: Cable, peer: socket.socket
) -> None:
    plane = open_plane()
    stream = open_stream(plane, peer)
    peer.recv(2048)
    frame = struct.pack(
        "!6s6sH", *(bytes.fromhex(end.mac.replace(":", "")) for end in (cable.near, cable.far)), 0x800
    )
    frame += bytes.fromhex("45000020000040004011") + b"\0\0"
    frame += socket.inet_aton(cable.far.ip) + socket.inet_aton(cable.near.ip)
    frame += struct.pack("!HHHH", peer.getsockname()[1], stream.port, 12, 0x1234) + bytes(4)
    with cable.far.inside(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind(("far", 0))
        raw.send(frame)
    peer.sendto(rtp(1), (cable.near.ip, stream.port))
    until_received(plane, stream, 1)
    assert plane.dropped == 1


def test_the_program_goes_with_the_plane(open_plane: OpenPlane, cable: Cable) -> None:
    plane = open_plane()
    assert cable.near.has_program()
    with pytest.raises(native.MediaError) as refused:
        open_plane()
    assert refused.value.errno == errno.EBUSY
    plane.close()
    assert not cable.near.has_program()


def test_the_program_goes_with_the_process(cable: Cable) -> None:
    code = (
        "import native, os\n"
        f"plane = native.Plane({cable.near.ip!r}, 31000, 31019, native.PlaneOptions('af_xdp', 'near'))\n"
        "print(plane.backend, flush=True)\n"
        "os._exit(9)\n"
    )
    done = subprocess.run(
        [*cable.near.enter, sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout[:6]) == (9, "af_xdp"), done.stderr
    assert not cable.near.has_program()


@pytest.mark.parametrize(
    ("ip", "interface", "number"),
    [
        ("10.78.0.1", "", errno.EINVAL),
        ("0.0.0.0", "near", errno.EINVAL),
        ("::", "near", errno.EINVAL),
        ("10.78.0.1", "nothing", errno.ENODEV),
        ("127.0.0.1", "lo", errno.ENOTSUP),
    ],
)
def test_what_it_does_not_start_on(open_plane: OpenPlane, ip: str, interface: str, number: int) -> None:
    with pytest.raises(native.MediaError) as refused:
        open_plane(ip=ip, interface=interface)
    assert refused.value.errno == number
