"""A relay that belongs to another one."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from clutch.auth.grants import TRUSTED, Grant
from clutch.net.memory import MemoryNetwork
from clutch.net.quic.aioquic_engine import AioquicEngine
from clutch.net.quic.certificates import SelfSigned
from clutch.net.quic.engine import QuicSession, SessionHandler, Target, Trust
from clutch.relay import Relay, RelayLimits
from clutch.relay.gate import OpenGate, SessionInfo
from clutch.relay.local import LocalPublication
from clutch.relay.upstream import join
from clutch.wire.moqt.names import FullTrackName
from clutch.wire.moqt.session_events import SessionLimits

NODE, WORKER = "192.0.2.1", "192.0.2.2"
NAME = FullTrackName.parse("voice/ab12/uplink", "audio")


class FamilyGate(OpenGate):
    """Takes everybody for a relay of its own."""

    def admit(self, token: bytes | None, session: SessionInfo) -> Grant:
        """See `Gate.admit`."""
        return TRUSTED


@pytest.fixture
async def relays(nursery: trio.Nursery) -> tuple[Relay, Relay]:
    """The other relay, and the one that belongs to it."""
    return await open_relays(nursery, Relay(OpenGate()))


async def open_relays(nursery: trio.Nursery, node: Relay) -> tuple[Relay, Relay]:
    """A relay, and one that belongs to it."""
    network, worker = MemoryNetwork(latency_s=0.001), Relay(OpenGate())
    certificates = SelfSigned((NODE,))
    server = AioquicEngine(network.host(NODE), (NODE, 4443), certificates, ["moqt-18"], node.accept)
    client = AioquicEngine(network.host(WORKER))
    for start in (node.run, worker.run, server.run, client.run):
        await nursery.start(start)
    target = Target(NODE, 4443, ["moqt-18"], trust=Trust(insecure=True))

    async def connect(handler: SessionHandler) -> QuicSession:
        return await client.connect(target, handler)

    await nursery.start(join, worker, connect, b"secret")
    return node, worker


async def pass_on(publisher: Relay, subscriber: Relay, *, late: bool) -> None:
    """Publish here, and hear it there."""
    subscription = subscriber.subscribe(NAME) if late else None
    await trio.sleep(2)
    publication = publisher.publish(NAME, capability="voice/opus")
    await trio.sleep(2)
    if subscription is None:
        subscription = subscriber.subscribe(NAME)
        await trio.sleep(2)
    assert publication.subscribers == 1
    for number in range(20):
        publication.write(b"%d" % number, timestamp_us=number * 20_000)
        await trio.sleep(0.02)
    await trio.sleep(0.1)
    batch = await subscription.receive()
    assert [item.payload for item in batch.items] == [b"%d" % number for number in range(20)]
    subscription.close()
    await trio.sleep(5)
    assert publication.subscribers == 0
    publication.close()
    await trio.sleep(5)
    for relay in (publisher, subscriber):
        assert relay.router.tracks == {}
        assert relay.router.namespaces_under(()) == []


@pytest.mark.parametrize("late", [False, True], ids=["published first", "subscribed first"])
@pytest.mark.parametrize("there", [False, True], ids=["to the node", "to the worker"])
async def test_a_track_is_heard_on_the_other_relay(
    autojump_clock: MockClock, relays: tuple[Relay, Relay], there: bool, late: bool
) -> None:
    node, worker = relays
    await (pass_on(node, worker, late=late) if there else pass_on(worker, node, late=late))


async def test_without_the_other_relay_nothing_is_left_of_it(
    autojump_clock: MockClock, relays: tuple[Relay, Relay]
) -> None:
    node, worker = relays
    node.publish(NAME)
    subscription = worker.subscribe(NAME)
    await trio.sleep(2)
    assert worker.router.tracks[NAME].live
    (peer,) = node.peers.values()
    peer.session.close(0, "gone")
    await trio.sleep(1)
    assert not worker.router.tracks[NAME].live
    subscription.close()
    assert worker.router.tracks == {}
    assert worker.router.announcers_of(NAME) == []


async def test_what_comes_while_the_other_relay_goes_away_is_no_harm(
    autojump_clock: MockClock, relays: tuple[Relay, Relay]
) -> None:
    node, worker = relays
    await trio.sleep(1)
    (peer,) = node.peers.values()
    peer.session.goaway()
    await trio.sleep(1)
    publication = worker.publish(NAME)
    await trio.sleep(1)
    with worker.subscribe(NAME) as subscription:
        assert subscription.live
    publication.close()


def _publish(relay: Relay, count: int) -> list[LocalPublication]:
    names = [FullTrackName.parse(f"voice/{number}/uplink", "audio") for number in range(count)]
    return [relay.publish(name) for name in names]


async def test_its_session_is_not_limited_as_that_of_one_peer(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    few = SessionLimits(requests=8, namespaces=4)
    trusted = SessionLimits(requests=80, namespaces=40)
    node, worker = await open_relays(nursery, Relay(FamilyGate(), RelayLimits(session=few, trusted=trusted)))
    _publish(worker, 20)
    await trio.sleep(1)
    assert len(node.router.namespaces_under(())) == 20


async def test_what_was_refused_is_announced_again(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    few = RelayLimits(session=SessionLimits(namespaces=2))
    node, worker = await open_relays(nursery, Relay(OpenGate(), few))
    publications = _publish(worker, 4)
    await trio.sleep(1)
    refused = {item.name.namespace for item in publications} - set(node.router.namespaces_under(()))
    assert len(refused) == 2
    for publication in publications:
        if publication.name.namespace not in refused:
            publication.close()
    await trio.sleep(2)
    assert set(node.router.namespaces_under(())) == refused
