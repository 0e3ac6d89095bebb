"""Steering on loopback: four sockets on one port, and who gets what."""

from __future__ import annotations

import errno
import random
import select
import socket
import struct
from collections.abc import Iterator

import attrs
import pytest

import native

pytestmark = pytest.mark.usefixtures("native_library")

SHARDS = 4
PATIENCE_S = 10.0
RTP, RTCP_REPORT = 0x80, 201
INITIAL = 0xC3
SHORT = 0x40


@attrs.define
class Group:
    """Four shards on one port, and a client."""

    steering: native.Steering
    shards: dict[int, socket.socket]
    client: socket.socket

    def who_gets(self, datagram: bytes) -> int:
        """Send one datagram, and see to which shard it comes."""
        self.client.send(datagram)
        ready, _, _ = select.select(list(self.shards.values()), [], [], PATIENCE_S)
        (got,) = ready
        assert got.recv(2048) == datagram
        (shard,) = [number for number, sock in self.shards.items() if sock is got]
        return shard


@pytest.fixture
def group() -> Iterator[Group]:
    """A group on a free port of loopback."""
    if "steering" not in native.features():
        pytest.skip("this build has no programs for the kernel")
    try:
        steering = native.Steering(SHARDS, ssrcs=8)
    except native.MediaError as error:
        if error.errno != errno.EPERM:
            raise
        pytest.skip(str(error))
    shards: dict[int, socket.socket] = {}
    port = 0
    for number in range(SHARDS):
        shard = shards[number] = socket.socket(type=socket.SOCK_DGRAM)
        shard.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        shard.bind(("127.0.0.1", port))
        port = shard.getsockname()[1]
        steering.add(number, shard.fileno())
    with socket.socket(type=socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", port))
        yield Group(steering, shards, client)
    for shard in shards.values():
        shard.close()


def rtp(ssrc: int, payload: bytes = bytes(160)) -> bytes:
    """A packet."""
    return struct.pack("!BBHII", RTP, 0, 1, 2, ssrc) + payload


def rtcp(ssrc: int) -> bytes:
    """An empty receiver report: the shortest datagram that is steered."""
    return struct.pack("!BBHI", RTP, RTCP_REPORT, 1, ssrc)


def initial(connection_id: bytes) -> bytes:
    """The front of a QUIC packet with a long header."""
    return struct.pack("!BIB", INITIAL, 1, len(connection_id)) + connection_id + bytes(1200)


def short(connection_id: bytes) -> bytes:
    """A QUIC packet with a short header."""
    return bytes([SHORT]) + connection_id + bytes(30)


def test_rtp_and_rtcp_go_to_the_owner_of_their_ssrc(group: Group) -> None:
    for shard in range(SHARDS):
        group.steering.own(0xA000_0000 + shard, shard)
    for _ in range(10):
        for shard in range(SHARDS):
            assert group.who_gets(rtp(0xA000_0000 + shard)) == shard
            assert group.who_gets(rtcp(0xA000_0000 + shard)) == shard


def test_an_ssrc_changes_hands(group: Group) -> None:
    whoever = group.who_gets(rtp(7))
    assert [group.who_gets(rtp(7)) for _ in range(5)] == [whoever] * 5
    for shard in range(SHARDS):
        group.steering.own(7, shard)
        assert group.who_gets(rtp(7)) == shard
    group.steering.disown(7)
    assert group.who_gets(rtp(7)) == whoever


def test_quic_goes_where_its_connection_id_says(group: Group) -> None:
    seeded = random.Random(1)
    for _ in range(25):
        for shard in range(SHARDS):
            connection_id = group.steering.connection_id(shard, seeded.randbytes(8))
            assert group.who_gets(initial(connection_id)) == shard
            assert group.who_gets(short(connection_id)) == shard


def test_clients_that_are_new_spread_and_stay_together(group: Group) -> None:
    seeded = random.Random(2)
    met = set()
    for _ in range(40):
        first = seeded.randbytes(8)
        shard = group.who_gets(initial(first))
        assert group.who_gets(initial(first)) == shard
        met.add(shard)
    assert met == set(range(SHARDS))


@pytest.mark.parametrize("first", [0, 3, 20, 63, SHORT, RTP, RTP + 1, 191, INITIAL, 255])
def test_what_is_too_short_or_of_no_kind_still_comes_to_somebody(group: Group, first: int) -> None:
    for length in (1, 2, 7, 8, 9, 11, 12, 200):
        group.who_gets(bytes([first]) * length)
    group.who_gets(bytes([first]) + bytes(7))


def test_a_shard_that_is_gone_leaves_its_peers_to_another(group: Group) -> None:
    group.steering.own(9, 2)
    assert group.who_gets(rtp(9)) == 2
    group.shards.pop(2).close()
    assert group.who_gets(rtp(9)) != 2
    assert group.who_gets(short(bytes([2]) * 8)) != 2
    assert group.who_gets(short(bytes([3]) * 8)) == 3


def test_it_goes_on_when_its_maker_is_gone(group: Group) -> None:
    group.steering.own(9, 1)
    del group.steering
    assert [group.who_gets(rtp(9)) for _ in range(3)] == [1, 1, 1]
    assert group.who_gets(short(bytes([3]) * 8)) == 3


def refusal(attempt: object, *arguments: int) -> int | None:
    """The errno of a call that must fail."""
    assert callable(attempt)
    with pytest.raises(native.MediaError) as caught:
        attempt(*arguments)
    return caught.value.errno


def test_what_cannot_be_says_why(group: Group) -> None:
    steering = group.steering
    assert refusal(steering.add, SHARDS, group.client.fileno()) == errno.EINVAL
    assert refusal(steering.add, 0, -1) is not None
    assert refusal(steering.own, 1, SHARDS) == errno.EINVAL
    assert refusal(steering.disown, 1) == errno.ENOENT
    with pytest.raises(ValueError, match="there are 4 shards"):
        steering.connection_id(SHARDS, bytes(8))
    for shards in (0, 257):
        assert refusal(native.Steering, shards) == errno.EINVAL


def test_owners_are_bounded(group: Group) -> None:
    for ssrc in range(8):
        group.steering.own(ssrc, 0)
    assert refusal(group.steering.own, 8, 0) == errno.E2BIG
