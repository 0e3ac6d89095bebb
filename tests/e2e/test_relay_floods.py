"""Floods at a node's relay: each is turned away, memory is bounded, a call beside loses nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
import trio

from clutch.net.link import TrioNetwork
from clutch.wire.moqt import messages as m
from clutch.wire.moqt.codes import SessionError
from clutch.wire.moqt.data import Object, SubgroupHeader, encode_object, encode_subgroup_header
from clutch.wire.moqt.names import FullTrackName
from tests.e2e.processes import PATIENCE_S, clean, until
from tests.e2e.relay_peers import peers_of, resident
from tests.interop.node import RunningNode, running_node
from tests.relay.brute import Brute

HANDSHAKES = 1_500
"""Of which the node takes no more than 1,000, as `Limits` say."""
ALL_OF_THEM = 250 << 20
"""Bytes for all handshakes that may be under way; aioquic needs about 200 kB for each."""
LITTLE = 40 << 20
"""Bytes that any other flood may cost."""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """It must have forgotten everybody at the end."""
    with running_node(tmp_path_factory.mktemp("node") / "data") as running:
        yield running
        until(lambda: running.status()["moqt"]["connections"] == 0, "all connections are over")
        assert running.stop() == 0, running.log()
        assert clean(running), running.log()


@pytest.fixture
def innocent(node: RunningNode) -> Iterator[Callable[[], int]]:
    """How much memory the node has taken since the beginning. In the end nobody may have lost anything."""
    with peers_of(node) as peers:
        peers.start("publish", "soak/innocent")
        listener = peers.start("listen", "soak/innocent")
        until(lambda: listener.report().heard, "it hears")
        before = resident(node)
        yield lambda: resident(node) - before
        assert listener.report().gaps == []
        until(lambda: (heard := listener.report()).heard and heard.gaps == [], "it hears on")


def brute(node: RunningNode) -> Brute:
    """A connection that has not begun."""
    return Brute.of(TrioNetwork(), ("127.0.0.1", node.moqt_port), "moqt-18")


async def test_garbage(node: RunningNode, innocent: Callable[[], int]) -> None:
    socket = TrioNetwork().open_datagrams("127.0.0.1", 0)
    for number in range(5_000):
        size = number % 1_300
        head = (b"\xc0\0\0\0\1\x08", b"\xc3\xff\xff\xff\xff\x08", b"\x40", b"\xff")[number % 4]
        socket.send((head + os.urandom(1_300))[:size], ("127.0.0.1", node.moqt_port))
        if number % 100 == 0:
            await trio.sleep(0.005)
    socket.close()
    assert innocent() < LITTLE
    assert node.status()["moqt"]["packets_of_no_connection"]["dropped"] > 1_000


async def test_handshakes_that_are_never_finished(node: RunningNode, innocent: Callable[[], int]) -> None:
    begun = []
    for number in range(HANDSHAKES):
        one = brute(node)
        one.quic.connect(one.server, trio.current_time())
        one.flush()
        begun.append(one)
        if number % 20 == 0:
            await trio.sleep(0.01)
    status = node.status()["moqt"]
    for one in begun:
        one.datagrams.close()
    assert status["connections"] <= 502
    assert status["packets_of_no_connection"]["retried"] > HANDSHAKES - 600
    assert innocent() < ALL_OF_THEM
    until(lambda: node.status()["moqt"]["connections"] == 2, "they are given up")


async def test_huge_tokens(node: RunningNode, innocent: Callable[[], int]) -> None:
    before = node.status()["moqt"]["gate"]["malformed"]
    with trio.fail_after(PATIENCE_S):
        for _ in range(20):
            async with trio.open_nursery() as nursery:
                one = brute(node)
                await nursery.start(one.run)
                one.setup(b"e30." * 15_000)
                assert await one.closed() == SessionError.MALFORMED_AUTH_TOKEN
    assert node.status()["moqt"]["gate"]["malformed"] == before + 20
    assert innocent() < LITTLE


async def test_a_publisher_of_far_too_much(node: RunningNode, innocent: Callable[[], int]) -> None:
    with trio.fail_after(PATIENCE_S):
        async with trio.open_nursery() as nursery:
            one = brute(node)
            await nursery.start(one.run)
            one.setup()
            one.ask(m.Publish(0, FullTrackName.parse("soak/much", "audio"), 1))
            for group in range(300):
                head = SubgroupHeader(1, group)
                item = encode_object(one.draft, head, Object(0, bytes(100_000)))
                one.open(encode_subgroup_header(one.draft, head) + item, fin=True)
                await trio.sleep(0.005)
            while (cached := node.status()["moqt"]["cached_bytes"]) < 3 << 20:  # noqa: ASYNC110 - asking is all
                await trio.sleep(0.05)
            assert cached < 5 << 20
            assert innocent() < LITTLE
            one.quic.close()
            one.flush()
            nursery.cancel_scope.cancel(reason="the test is over")
