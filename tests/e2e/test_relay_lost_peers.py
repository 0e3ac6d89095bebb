"""Clients of a node's relay that are killed or stand still: nothing of them stays, nobody else notices."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.processes import calling, clean, events, until
from tests.e2e.relay_peers import Ledger, PeerProcess, Peers, peers_of, resident
from tests.interop.node import RunningNode, running_node

LARGE = 1_920
"""20 ms of pcm16: 77 kB a second with its headers, so that what waits fills up soon."""
RATE = 50


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """Its own default is to wait 30 s for a peer; clients of the SDK ask for 3 s themselves."""
    with running_node(tmp_path_factory.mktemp("node") / "data", "tracks.second_speaker=mix") as running:
        yield running
        assert running.stop() == 0, running.log()
        assert clean(running), running.log()


@pytest.fixture
def peers(node: RunningNode) -> Iterator[Peers]:
    with peers_of(node) as peers:
        yield peers


def test_kill_9_leaves_no_more_than_goodbye(node: RunningNode, peers: Peers) -> None:
    peers.start("publish", "soak/innocent")
    innocent = peers.start("listen", "soak/innocent")
    with calling(node, "echo"):
        sid = events(node, "call.status")[-1]["sid"]
        witness = peers.start("listen", f"voice/{sid}/uplink")
        until(lambda: witness.report().heard, "the call is up")
        for peer in _visit(node, peers, sid):
            peer.leave()
        until(lambda: node.status()["moqt"]["connections"] == 3, "all have said goodbye")
        before = Ledger.of(node)
        victims = _visit(node, peers, sid)
        innocent.report(), witness.report()
        for victim in victims:
            victim.kill()
        until(lambda: Ledger.of(node).within(before), f"no more than {before}")
        assert events(node, "call.status")[-1]["status"] == "in_progress"
        for heard in (innocent.report(), witness.report()):
            assert (heard.gaps, heard.heard > 2 * RATE) == ([], True)


def _visit(node: RunningNode, peers: Peers, sid: str) -> list[PeerProcess]:
    """A publisher, subscribers, and an app in the middle of a call."""
    sessions = node.status()["moqt"]["sessions"]
    found = [
        peers.start("publish", "soak/victim"),
        peers.start("listen", "soak/victim"),
        peers.start("listen", "soak/innocent"),
        peers.start("bridge", sid),
    ]
    until(lambda: found[-1].report().heard, "the caller is heard")
    assert node.status()["moqt"]["sessions"] == sessions + len(found)
    return found


def test_a_subscriber_that_stands_still_is_skipped(node: RunningNode, peers: Peers) -> None:
    peers.start("publish", "soak/large", LARGE)
    others = [peers.start("listen", "soak/large") for _ in range(2)]
    slow = peers.start("listen", "soak/large")
    until(lambda: slow.report().heard, "it hears")
    skips, memory = node.status()["moqt"]["skips"], resident(node)
    for other in others:
        other.report()
    with slow.stopped():
        until(lambda: node.status()["moqt"]["skips"] > skips, "what waits for it is given up")
        assert resident(node) - memory < 8 << 20
    until(lambda: slow.report().gaps, "it hears again, and knows that something is missing")
    assert [other.report().gaps for other in others] == [[], []]


def test_a_subscriber_that_stands_still_for_long_is_gone(node: RunningNode, peers: Peers) -> None:
    peers.start("publish", "soak/large", LARGE)
    other, slow = peers.start("listen", "soak/large"), peers.start("listen", "soak/large")
    until(lambda: slow.report().heard, "it hears")
    sessions, memory = node.status()["moqt"]["sessions"], resident(node)
    with slow.stopped():
        until(lambda: node.status()["moqt"]["sessions"] == sessions - 1, "the node has given it up")
        assert resident(node) - memory < 8 << 20
    until(lambda: slow.report().gaps, "it is back")
    assert node.status()["moqt"]["sessions"] == sessions
    assert other.report().gaps == []
