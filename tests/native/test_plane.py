"""The C media plane on real loopback sockets. Nothing here measures time: it counts what comes."""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import attrs
import pytest

import native

pytestmark = pytest.mark.usefixtures("native_library")

LOCAL = "127.0.0.1"
PORTS = (25_000, 29_998)
FEW = 30_000 + os.getpid() % 200 * 8
"""First of eight ports for tests that count them: two runs at once keep out of each other's way."""
CNAME = b"0123456789abcdef"
PATIENCE_S = 10.0
"""After this long without a sign the test has failed."""


@attrs.define
class Drained:
    """Everything that came out of a plane so far."""

    plane: native.Plane
    events: list[tuple[int, native.Event]] = attrs.field(factory=list)
    frames: list[native.FrameTuple] = attrs.field(factory=list)

    def until(self, enough: Callable[[Drained], bool]) -> None:
        """Drain whenever the plane wakes us, until there is enough."""
        while not enough(self):
            ready, _, _ = select.select([self.plane.wake_fd], [], [], PATIENCE_S)
            assert ready, f"nothing more came after {self.events}, {len(self.frames)} frames"
            self.plane.begin_drain()
            self.events += self.plane.events()
            self.frames += self.plane.frames()

    def until_closed(self, count: int) -> None:
        """Drain until the plane has let go of so many streams in all."""
        self.until(lambda out: sum(isinstance(event, native.Closed) for _, event in out.events) == count)


def open_plane(backend: str, first_port: int, last_port: int) -> native.Plane:
    """A plane on loopback."""
    return native.Plane(LOCAL, first_port, last_port, native.PlaneOptions(backend))


@pytest.fixture
def plane(backend: str) -> Iterator[native.Plane]:
    """A plane on loopback."""
    plane = open_plane(backend, *PORTS)
    yield plane
    plane.close()


@pytest.fixture
def plane_on_first_cpu() -> Iterator[native.Plane]:
    """A plane whose reactor may use one CPU only."""
    plane = native.Plane(LOCAL, *PORTS, native.PlaneOptions(cpu=min(os.sched_getaffinity(0))))
    yield plane
    plane.close()


def media_threads() -> list[int]:
    """The reactor threads of this process."""
    tasks = Path("/proc/self/task")
    return [int(task.name) for task in tasks.iterdir() if (task / "comm").read_text() == "clutch-media\n"]


@pytest.fixture
def drained(plane: native.Plane) -> Drained:
    """What came out of the plane."""
    return Drained(plane)


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    """The other end."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind((LOCAL, 0))
        peer.settimeout(PATIENCE_S)
        yield peer


def open_stream(plane: native.Plane, remote: tuple[str, int]) -> native.Stream:
    """A stream that talks PCMU with `remote`."""
    stream = plane.open(ssrc=1, seq=65_530, timestamp=0, cname=CNAME)
    stream.connect(native.Params(remote, "pcmu", 8000, 0, 101))
    return stream


def rtp(number: int, payload: bytes, payload_type: int = 0) -> bytes:
    """One packet of a peer."""
    return struct.pack("!BBHII", 0x80, payload_type, number, number * 160, 7) + payload


def test_packets_in_frames_out(plane: native.Plane, drained: Drained, peer: socket.socket) -> None:
    stream = open_stream(plane, peer.getsockname())
    stream.tap(True)
    for number in range(8):
        peer.sendto(rtp(number, bytes([0x10 * number]) * 160), (LOCAL, stream.port))
    drained.until(lambda out: stream.stats().played == 8)
    drained.until(lambda out: out.frames[-1][1] >= 12)
    ticks = [tick for _, tick, *_ in drained.frames]
    assert all(after == before + 1 for before, after in pairwise(ticks))
    assert {(key, rate_hz) for key, _, rate_hz, *_ in drained.frames} == {(stream.id, 8000)}
    heard = b"".join(frame[3] for frame in drained.frames)
    first = struct.pack("=160h", *[-32124] * 160)
    assert first in heard
    assert {len(frame[3]) for frame in drained.frames} == {320} == {len(frame[4]) for frame in drained.frames}


def test_downlink_in_packets_out(plane: native.Plane, peer: socket.socket) -> None:
    stream = open_stream(plane, peer.getsockname())
    pcm = b"".join(struct.pack("=160h", *[1000 * k] * 160) for k in range(10))
    assert stream.send(pcm) == len(pcm)
    packets = [peer.recv(2048) for _ in range(20)]
    numbers = [struct.unpack_from("!HI", packet, 2) for packet in packets]
    first = numbers[0][1] // 160  # ticks before the first packet
    assert numbers == [((65_530 + k) % 65_536, 160 * (first + k)) for k in range(20)]
    spoken = [packet[12:] for packet in packets if packet[12:] != b"\xff" * 160]
    assert len(spoken) == 9  # the tenth, all zeros, is silence like the rest
    assert stream.queued_samples == 0


def test_only_tapped_streams_give_frames(plane: native.Plane, drained: Drained, peer: socket.socket) -> None:
    quiet, tapped = (open_stream(plane, peer.getsockname()) for _ in range(2))
    tapped.tap(True)
    drained.until(lambda out: len(out.frames) >= 5)
    assert {frame[0] for frame in drained.frames} == {tapped.id}
    tapped.tap(False)
    quiet.tap(True)
    drained.until(lambda out: out.frames[-1][0] == quiet.id)
    drained.frames.clear()
    drained.until(lambda out: len(out.frames) >= 5)
    assert {frame[0] for frame in drained.frames} == {quiet.id}


def test_keys_and_silence_are_events(plane: native.Plane, drained: Drained, peer: socket.socket) -> None:
    stream = open_stream(plane, peer.getsockname())
    peer.sendto(rtp(0, b"\x05\x80\x03\x20", 101), (LOCAL, stream.port))
    drained.until(lambda out: len(out.events) == 1)
    stream.connect(native.Params(peer.getsockname(), "pcmu", 8000, 0, timeout_ms=100))
    drained.until(lambda out: len(out.events) == 2)
    (first, key), (second, silence) = drained.events
    assert (first, second) == (stream.id, stream.id)
    assert key == native.Dtmf("5", 100)
    assert isinstance(silence, native.Timeout)
    assert silence.idle_ms >= 100


def report(ssrc: int) -> bytes:
    """An empty receiver report."""
    return struct.pack("!BBHI", 0x80, 201, 1, ssrc)


def test_reports_come_on_either_port_and_only_from_the_peer(plane: native.Plane, drained: Drained) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as rtp, socket.socket(type=socket.SOCK_DGRAM) as rtcp:
        rtp.bind((LOCAL, 0))
        rtcp.bind((LOCAL, 0))
        stream = plane.open(1, 1, 1, CNAME)
        stream.connect(native.Params(rtp.getsockname(), "pcmu", 8000, 0, rtcp=rtcp.getsockname()))
        stream.tap(True)
        for source in (rtp, rtcp):
            source.sendto(report(7), (LOCAL, stream.port))
            source.sendto(report(7), (LOCAL, stream.port + 1))
        rtcp.sendto(b"garbage", (LOCAL, stream.port + 1))
        drained.until(lambda out: stream.stats().reports_malformed == 1)
        drained.until(lambda out: stream.stats().reports_received == 2)
        assert stream.stats().reports_wrong_source == 2


def test_a_peer_that_stays_and_one_that_interferes(
    plane: native.Plane, drained: Drained, peer: socket.socket
) -> None:
    stream = open_stream(plane, peer.getsockname())
    for number in range(60):  # after 50, `udp` has a socket of its own for the peer
        packet = peer.recv(2048)
        peer.sendto(rtp(number, bytes(160)), (LOCAL, stream.port))
    with socket.socket(type=socket.SOCK_DGRAM) as stranger:
        stranger.bind((LOCAL, 0))
        for number in range(60, 70):
            stranger.sendto(packet, (LOCAL, stream.port))
            peer.sendto(rtp(number, bytes(160)), (LOCAL, stream.port))
    stream.tap(True)
    drained.until(lambda out: stream.stats().packets_received == 70)
    drained.until(lambda out: stream.stats().wrong_source == 10)


def test_a_burst_to_many_streams_is_taken_whole(
    plane: native.Plane, drained: Drained, peer: socket.socket
) -> None:
    streams = [open_stream(plane, peer.getsockname()) for _ in range(100)]
    streams[0].tap(True)
    for number in range(30):  # three times as many as `io_uring` has buffers
        for stream in streams:
            peer.sendto(rtp(number, bytes(160)), (LOCAL, stream.port))
    drained.until(lambda out: sum(stream.stats().packets_received for stream in streams) == 3000)


def test_a_peer_that_is_gone_refuses_nothing(
    plane: native.Plane, drained: Drained, peer: socket.socket
) -> None:
    stream = open_stream(plane, peer.getsockname())
    for _ in range(55):
        peer.recv(2048)
    name = peer.getsockname()
    peer.close()
    stream.tap(True)
    drained.until(lambda out: len(out.frames) >= 4)
    with socket.socket(type=socket.SOCK_DGRAM) as successor:
        successor.bind(name)
        successor.settimeout(PATIENCE_S)
        numbers = [struct.unpack_from("!H", successor.recv(2048), 2)[0] for _ in range(5)]
    assert numbers == [(numbers[0] + k) % 65_536 for k in range(5)]
    assert plane.lost()[2] == 0


def test_a_stream_says_goodbye_on_the_rtcp_port(plane: native.Plane, peer: socket.socket) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as rtcp:
        rtcp.bind((LOCAL, 0))
        rtcp.settimeout(PATIENCE_S)
        stream = plane.open(0xAFFE, 1, 1, CNAME)
        stream.connect(native.Params(peer.getsockname(), "pcmu", 8000, 0, rtcp=rtcp.getsockname()))
        peer.recv(2048)
        stream.close()
        data, source = rtcp.recvfrom(2048)
    assert source == (LOCAL, stream.port + 1)
    assert data[1] == 200
    assert CNAME in data
    assert data[-8:] == struct.pack("!BBHI", 0x81, 203, 1, 0xAFFE)


def test_a_stream_says_goodbye_on_the_shared_port(plane: native.Plane, peer: socket.socket) -> None:
    stream = open_stream(plane, peer.getsockname())
    peer.recv(2048)
    stream.close()
    while (data := peer.recvfrom(2048))[0][1] != 200:
        pass
    assert data[1] == (LOCAL, stream.port)


def test_a_pair_of_which_one_is_taken_is_passed_over(backend: str) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as holder:
        holder.bind((LOCAL, FEW + 3))
        plane = open_plane(backend, FEW + 1, FEW + 6)
        assert plane.open(1, 1, 1, CNAME).port == FEW + 4
        plane.close()


def test_our_keys_are_sent(plane: native.Plane, peer: socket.socket) -> None:
    stream = open_stream(plane, peer.getsockname())
    assert stream.send_dtmf("1#", tone_ms=40, gap_ms=20) == 2
    keys: list[bytes] = []
    while len(keys) < 8:
        packet = peer.recv(2048)
        if packet[1] & 0x7F == 101:
            keys.append(packet[12:])
    assert [key[0] for key in keys] == [1] * 4 + [11] * 4
    assert [key[1] >> 7 for key in keys] == [0, 1, 1, 1] * 2
    with pytest.raises(ValueError, match="not a DTMF digit"):
        stream.send_dtmf("x")


def test_another_codec_changes_the_rate(plane: native.Plane, drained: Drained, peer: socket.socket) -> None:
    stream = open_stream(plane, peer.getsockname())
    stream.tap(True)
    stream.send(bytes(8000))
    stream.connect(native.Params(peer.getsockname(), "l16", 16_000, 97))
    assert stream.queued_samples == 0
    drained.until(lambda out: any(frame[2] == 16_000 for frame in out.frames))
    assert len(drained.frames[-1][3]) == 640
    with pytest.raises(native.MediaError):
        stream.connect(native.Params(peer.getsockname(), "pcmu", 48_000, 0))


def test_close_gives_port_and_descriptor_back(plane: native.Plane, drained: Drained) -> None:
    before = len(os.listdir("/proc/self/fd"))
    ports, free = set(), plane.free_ports
    for times in (1, 2):
        streams = [open_stream(plane, (LOCAL, 9)) for _ in range(200)]
        assert len(os.listdir("/proc/self/fd")) == before + 400
        for stream in streams:
            stream.close()
            stream.close()
        drained.until_closed(200 * times)
        ports |= {stream.port for stream in streams}
        assert (plane.free_ports, plane.open_streams) == (free, 0)
        assert len(os.listdir("/proc/self/fd")) == before
    # The least recently used ports were next, so none was used twice.
    assert len(ports) == 400
    assert all(port % 2 == 0 for port in ports)


def test_a_closed_stream_is_inert(plane: native.Plane, drained: Drained, peer: socket.socket) -> None:
    stream = open_stream(plane, peer.getsockname())
    peer.recv(2048)
    stream.close()
    assert (stream.send(bytes(320)), stream.queued_samples, stream.send_dtmf("1")) == (0, 0, 0)
    stream.clear()
    stream.tap(True)
    stream.connect(native.Params(peer.getsockname(), "pcmu", 8000, 0))
    drained.until_closed(1)
    assert stream.stats().packets_sent >= 1
    assert "closed" in repr(stream)


def test_ports_run_out_and_foreign_ones_are_passed_over(backend: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind((LOCAL, FEW + 2))
        plane = open_plane(backend, FEW + 1, FEW + 6)
        assert [plane.open(1, 1, 1, CNAME).port for _ in range(2)] == [FEW + 4, FEW + 6]
        with pytest.raises(native.MediaError) as caught:
            plane.open(1, 1, 1, CNAME)
        assert caught.value.errno == errno.EADDRNOTAVAIL
        plane.close()


def test_a_plane_that_cannot_start_says_why() -> None:
    with pytest.raises(native.MediaError) as caught:
        native.Plane(LOCAL, 5001, 5001)
    assert caught.value.errno == errno.EINVAL
    with pytest.raises(native.MediaError):
        native.Plane("localhost", 5000, 5010)


@pytest.mark.parametrize(
    ("options", "number"),
    [
        (native.PlaneOptions("pigeon"), errno.ENOTSUP),
        (native.PlaneOptions("a-name-that-is-too-long"), errno.ENOTSUP),
        (native.PlaneOptions(interface="a-name-that-is-too-long"), errno.EINVAL),
        (native.PlaneOptions(cpu=100_000), errno.EINVAL),
        (native.PlaneOptions(cpu=1000), errno.EINVAL),
    ],
)
def test_options_that_no_machine_has(options: native.PlaneOptions, number: int) -> None:
    with pytest.raises(native.MediaError) as caught:
        native.Plane(LOCAL, *PORTS, options)
    assert caught.value.errno == number


def test_the_reactor_stays_on_its_cpu(plane_on_first_cpu: native.Plane) -> None:
    first = min(os.sched_getaffinity(0))
    assert [os.sched_getaffinity(thread) for thread in media_threads()] == [{first}]


def test_closing_the_plane_closes_everything(backend: str, peer: socket.socket) -> None:
    before = len(os.listdir("/proc/self/fd"))
    plane = open_plane(backend, *PORTS)
    stream = open_stream(plane, peer.getsockname())
    peer.recv(2048)
    plane.close()
    plane.close()
    assert len(os.listdir("/proc/self/fd")) == before
    assert stream.stats().packets_sent >= 1
    assert stream.send(bytes(320)) == 0
    stream.close()
    assert (plane.free_ports, plane.open_streams, plane.lost()) == (0, 0, (0, 0, 0))


def test_ipv6(backend: str) -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as peer:
        try:
            peer.bind(("::1", 0))
        except OSError as error:
            pytest.skip(f"no IPv6 loopback here: {error}")
        peer.settimeout(PATIENCE_S)
        plane = native.Plane("::1", *PORTS, native.PlaneOptions(backend))
        stream = open_stream(plane, peer.getsockname()[:2])
        packet, source = peer.recvfrom(2048)
        assert source[:2] == ("::1", stream.port)
        peer.sendto(packet, source[:2])
        while stream.stats().packets_received == 0:
            peer.recv(2048)
        plane.close()


def test_an_address_of_the_other_family_is_not_reached(plane: native.Plane, drained: Drained) -> None:
    stream = open_stream(plane, ("2001:db8::7", 4000))
    stream.tap(True)
    drained.until(lambda out: len(out.frames) >= 3)
    assert plane.lost()[2] >= 2
    assert stream.stats().packets_sent >= 2


def test_bridged_streams_exchange_packets(plane: native.Plane, drained: Drained, peer: socket.socket) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as other:
        other.bind((LOCAL, 0))
        other.settimeout(PATIENCE_S)
        near = open_stream(plane, peer.getsockname())
        far = plane.open(ssrc=0xAFFE, seq=7, timestamp=9, cname=CNAME)
        far.connect(native.Params(other.getsockname(), "pcmu", 8000, 0))
        near.bridge(far)
        for number in range(5):
            peer.sendto(rtp(number, bytes([0x10 * number]) * 160), (LOCAL, near.port))
        packets: list[bytes] = []
        while len(packets) < 5:
            packet = other.recv(2048)
            if packet[12:] != b"\xff" * 160:
                packets.append(packet)
        assert {packet[8:12] for packet in packets} == {b"\0\0\xaf\xfe"}
        numbers = [struct.unpack_from("!HI", packet, 2) for packet in packets]
        assert [number - numbers[0][0] for number, _ in numbers] == [0, 1, 2, 3, 4]
        assert [timestamp - numbers[0][1] for _, timestamp in numbers] == [0, 160, 320, 480, 640]
        assert (near.stats().relayed, near.stats().played) == (5, 0)
        near.unbridge()
        near.unbridge()
        far.tap(True)
        peer.sendto(rtp(5, b"\x10" * 160), (LOCAL, near.port))
        drained.until(lambda out: near.stats().played == 1)


def test_only_streams_that_can_be_bridged_are(plane: native.Plane, drained: Drained) -> None:
    one, other, closed = (open_stream(plane, (LOCAL, 9)) for _ in range(3))
    for changed in (
        native.Params((LOCAL, 9), "pcma", 8000, 8),
        native.Params((LOCAL, 9), "l16", 16_000, 97),
    ):
        other.connect(changed)
        with pytest.raises(native.MediaError) as caught:
            one.bridge(other)
        assert caught.value.errno == errno.EINVAL
    other.connect(native.Params((LOCAL, 9), "pcmu", 8000, 0))
    one.bridge(other)
    one.bridge(closed)
    closed.close()
    other.bridge(one)
    for stream, partner in ((one, one), (one, closed), (closed, one)):
        with pytest.raises(native.MediaError):
            stream.bridge(partner)
    closed.unbridge()
    drained.until_closed(1)


def test_the_ports_of_a_closed_stream_rest(peer: socket.socket) -> None:
    """Its peer goes on speaking, and nobody hears it."""
    options = native.PlaneOptions(quarantine_ms=3_600_000)
    plane = native.Plane(LOCAL, FEW, FEW + 3, options)
    drained = Drained(plane)
    before, other = (open_stream(plane, peer.getsockname()) for _ in range(2))
    other.tap(True)  # frames wake us, packets do not
    before.close()
    drained.until_closed(1)
    assert plane.free_ports == 0
    with pytest.raises(native.MediaError) as caught:
        plane.open(1, 1, 1, CNAME)
    assert caught.value.errno == errno.EADDRNOTAVAIL
    for number in range(8):
        peer.sendto(rtp(number, bytes(160)), (LOCAL, before.port))
        peer.sendto(rtp(number, bytes(160)), (LOCAL, other.port))
    drained.until(lambda out: other.stats().packets_received == 8)
    assert before.stats().packets_received == 0
    plane.close()
