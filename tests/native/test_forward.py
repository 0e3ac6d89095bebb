"""Bridged streams whose packets the kernel carries on, and takes part in no more when somebody listens."""

from __future__ import annotations

import select
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise

import attrs
import numpy as np
import pytest

import native
from clutch.media.g711 import encode_ulaw
from tests.native.cable import PATIENCE_S, Cable, End, OpenPlane

pytestmark = pytest.mark.usefixtures("native_library")

CNAME = b"0123456789abcdef"
FRAME = 160
SILENCE = b"\xff" * FRAME
MANY = 600
"""Rounds of talk that last longer than a bridge must be plain before the kernel gets it."""


@attrs.define
class Phone:
    """A peer at the far end, and what it heard: numbers and timestamps."""

    ssrc: int
    sock: socket.socket
    stream: native.Stream
    ip: str
    said: int = 0
    heard: list[tuple[int, int]] = attrs.field(factory=list)

    def say(self, payload: bytes = b"", kind: int = 0) -> bytes:
        """Send the next packet; returns its payload."""
        self.said += 1
        payload = payload or struct.pack("!IH", self.ssrc, self.said % 65536) * (FRAME // 8)
        header = struct.pack("!BBHII", 0x80, kind, self.said % 65536, self.said * FRAME, self.ssrc)
        self.sock.sendto(header + payload, (self.ip, self.stream.port))
        return payload

    def hear(self, payload: bytes, kind: int = 0) -> None:
        """Receive until this payload comes."""
        packet = b""
        while packet[12:] != payload:
            packet = self.sock.recv(2048)
            self.heard.append(struct.unpack_from("!HI", packet, 2))
        assert packet[1] & 0x7F == kind

    def heard_without_a_gap(self) -> bool:
        """No number is missing, doubled or out of order."""
        numbers = [number for number, _ in self.heard]
        return all((after - before) % 65536 == 1 for before, after in pairwise(numbers))


@attrs.define
class Talk:
    """Two phones, bridged."""

    plane: native.Plane
    one: Phone
    other: Phone

    def round(self) -> None:
        """Each says a packet, and the other hears it."""
        for speaker, listener in ((self.one, self.other), (self.other, self.one)):
            listener.hear(speaker.say())

    def until(self, enough: Callable[[], bool]) -> None:
        """Talk until there is enough."""
        end = time.monotonic() + PATIENCE_S
        while not enough():
            assert time.monotonic() < end, (self.plane.forwarded, self.one.stream.stats())
            self.round()

    def until_forwarded(self, packets: int) -> None:
        """Talk until the kernel has carried on so many more."""
        before = self.plane.forwarded
        self.until(lambda: self.plane.forwarded >= before + packets)


@pytest.fixture
def talk(open_plane: OpenPlane, cable: Cable) -> Iterator[Talk]:
    """A call that the kernel carries: two phones at the far end, whose checksums are their own."""
    offload(cable, "off")
    with talking(open_plane("generic"), cable) as talk:
        yield talk


def offload(cable: Cable, state: str) -> None:
    """Whether packets from the far end lack the checksum that hardware would add."""
    command = ["ethtool", "-K", cable.far.interface, "tx", state]
    subprocess.run([*cable.far.enter, *command], check=True, capture_output=True)


@contextmanager
def talking(plane: native.Plane, cable: Cable) -> Iterator[Talk]:
    """Two phones, bridged, in the midst of a call."""
    with ExitStack() as sockets:
        phones = [make_phone(plane, cable, number, sockets) for number in (1, 2)]
        phones[0].stream.bridge(phones[1].stream)
        talk = Talk(plane, *phones)
        talk.round()
        yield talk


def make_phone(plane: native.Plane, cable: Cable, number: int, sockets: ExitStack) -> Phone:
    """A phone that talks PCMU."""
    sock = sockets.enter_context(cable.far.udp_socket())
    stream = plane.open(number, 65_000 * number % 65_536, number * 1000, CNAME)
    stream.connect(native.Params(sock.getsockname(), "pcmu", 8000, 0, 101))
    return Phone(number + 10, sock, stream, cable.near.ip)


def settle(plane: native.Plane, *phones: Phone) -> None:
    """Wait until the plane has counted everything that they said."""
    end = time.monotonic() + PATIENCE_S
    for phone in phones:
        while phone.stream.stats().packets_received < phone.said:
            assert time.monotonic() < end, phone.stream.stats()
            select.select([plane.wake_fd], [], [], 0.01)


def test_the_kernel_carries_a_call_and_the_books_are_kept(talk: Talk, near: End) -> None:
    talk.until_forwarded(500)
    before = near.counters()
    talk.until_forwarded(500)
    settle(talk.plane, talk.one, talk.other)
    after = near.counters()
    assert after["InDatagrams"] == before["InDatagrams"]
    for phone, peer in ((talk.one, talk.other), (talk.other, talk.one)):
        stats = phone.stream.stats()
        assert (stats.packets_received, stats.lost, stats.wrong_source) == (phone.said, 0, 0)
        assert stats.packets_sent == len(phone.heard)
        assert stats.relayed > phone.said - 10 <= peer.stream.stats().packets_sent
        assert phone.heard_without_a_gap()
    assert talk.plane.dropped == 0


def test_whoever_listens_gets_everything_and_nobody_hears_it(talk: Talk) -> None:
    talk.until_forwarded(100)
    talk.one.stream.tap(True)
    frames: list[native.FrameTuple] = []
    until_played = talk.one.stream.stats().played + 20

    def played() -> bool:
        talk.plane.begin_drain()
        frames.extend(talk.plane.frames())
        return talk.one.stream.stats().played >= until_played

    talk.until(played)
    forwarded = talk.plane.forwarded
    for _ in range(20):
        talk.round()
    assert talk.plane.forwarded == forwarded
    assert frames
    talk.one.stream.tap(False)
    talk.until_forwarded(100)
    assert talk.one.heard_without_a_gap()
    assert talk.other.heard_without_a_gap()


def test_a_key_is_heard_and_goes_on(talk: Talk) -> None:
    talk.until_forwarded(100)
    key = b"\x05\x80\x03\x20"
    talk.other.hear(talk.one.say(key, 101), 101)
    talk.until_forwarded(100)
    talk.plane.begin_drain()
    digits = [event.digit for _, event in talk.plane.events() if isinstance(event, native.Dtmf)]
    assert digits == ["5"]
    assert talk.other.heard_without_a_gap()


def test_strangers_are_counted_and_change_nothing(talk: Talk, cable: Cable) -> None:
    talk.until_forwarded(100)
    with cable.far.udp_socket() as stranger:
        for number in range(50):
            packet = struct.pack("!BBHII", 0x80, 0, number, number * FRAME, talk.one.ssrc) + bytes(FRAME)
            stranger.sendto(packet, (cable.near.ip, talk.one.stream.port))
    forwarded = talk.plane.forwarded
    for _ in range(50):
        talk.round()
    settle(talk.plane, talk.one, talk.other)
    assert talk.plane.forwarded >= forwarded + 100
    assert talk.one.stream.stats().wrong_source == 50
    assert talk.other.heard_without_a_gap()


def test_own_words_take_their_place(talk: Talk) -> None:
    """PCM that is queued is sent, with the next numbers, instead of what the other says."""
    words = np.full(FRAME, 12_000, np.int16)
    talk.until_forwarded(100)
    talk.other.stream.send(words.tobytes())
    talk.other.hear(encode_ulaw(words))
    talk.other.hear(SILENCE)  # when neither has said anything for a while
    talk.until_forwarded(100)
    assert talk.other.heard_without_a_gap()


def test_unbridged_both_speak_for_themselves(talk: Talk) -> None:
    talk.until_forwarded(100)
    talk.one.stream.unbridge()
    for phone in (talk.one, talk.other):
        phone.hear(SILENCE)
        assert phone.heard_without_a_gap()
    forwarded = talk.plane.forwarded
    assert talk.one.say()
    settle(talk.plane, talk.one, talk.other)
    assert talk.plane.forwarded == forwarded


def test_a_closed_stream_ends_it(talk: Talk) -> None:
    talk.until_forwarded(100)
    talk.one.stream.close()
    while talk.plane.open_streams > 1:
        select.select([talk.plane.wake_fd], [], [], PATIENCE_S)
        talk.plane.begin_drain()
        list(talk.plane.events())
    talk.other.hear(SILENCE)
    forwarded = talk.plane.forwarded
    talk.other.say()
    settle(talk.plane, talk.other)
    assert talk.plane.forwarded == forwarded
    assert talk.other.heard_without_a_gap()


def test_not_by_a_veth_in_driver_mode(open_plane: OpenPlane, cable: Cable) -> None:
    """It would take the packets and lose them: its other end has no program."""
    offload(cable, "off")
    plane = open_plane("driver")
    assert "forwarding" not in plane.backend
    with talking(plane, cable) as talk:
        for _ in range(MANY):
            talk.round()
    assert plane.forwarded == 0


def test_not_what_has_no_checksum(open_plane: OpenPlane, cable: Cable) -> None:
    offload(cable, "on")
    plane = open_plane("generic")
    with talking(plane, cable) as talk:
        for _ in range(MANY):
            talk.round()
    assert plane.forwarded == 0
