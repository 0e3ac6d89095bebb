"""SIP over streams: connections made, reused, lost and let go; and both transports on real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import trio
from trio.testing import MockClock

from clutch.net.link import Stream, TrioNetwork
from clutch.net.memory import MemoryNetwork, MemoryStream
from clutch.net.sip import Answered, Bind, Bye, Failed, Failure, SipEndpoint, SipSession
from clutch.net.sip import transports as module
from clutch.wire.sip.fields import NameAddr
from clutch.wire.sip.framing import StreamFramer
from clutch.wire.sip.message import Message, Response
from clutch.wire.sip.uri import Uri
from tests.net.sip_world import ALICE, ANSWER, BOB, OFFER, Phone, World, soon

BOB_TCP = f"sip:bob@{BOB};transport=tcp"
OPTIONS = (
    f"OPTIONS sip:alice@{ALICE} SIP/2.0\r\n"
    f"Via: SIP/2.0/TCP {BOB}:5060;branch=z9hG4bKone\r\n"
    f"From: <sip:bob@{BOB}>;tag=b\r\n"
    f"To: <sip:alice@{ALICE}>\r\n"
    "Call-ID: one\r\n"
    "CSeq: 1 OPTIONS\r\n"
    "Content-Length: 0\r\n\r\n"
).encode()


async def test_a_whole_call_uses_one_connection(autojump_clock: MockClock, world: World) -> None:
    caller, callee = await world.connected(BOB_TCP)
    assert callee.flow is not None
    assert callee.flow.transport == "TCP"
    assert callee.invite.contact is not None
    assert callee.invite.contact.uri.param("transport") == "tcp"
    callee.bye()
    assert isinstance(await soon(caller), Bye)
    await callee.wait_terminated()
    assert (world.alice.endpoint.connections, world.bob.endpoint.connections) == (1, 1)
    assert world.log == []  # no datagram at all
    await world.assert_nothing_left()
    await trio.sleep(module.IDLE_S)
    assert (world.alice.endpoint.connections, world.bob.endpoint.connections) == (0, 0)


async def test_a_connection_with_a_call_on_it_is_kept(autojump_clock: MockClock, world: World) -> None:
    caller, callee = await world.connected(BOB_TCP)
    await trio.sleep(10 * module.IDLE_S)
    assert (world.alice.endpoint.connections, world.bob.endpoint.connections) == (1, 1)
    caller.bye()
    assert isinstance(await soon(callee), Bye)


async def test_nobody_listens(autojump_clock: MockClock, world: World) -> None:
    caller = world.call(uri="sip:bob@192.0.2.9:5999;transport=tcp")
    assert await soon(caller) == Failed(Failure.TRANSPORT)
    await world.assert_nothing_left()


@pytest.fixture
async def phone(nursery: trio.Nursery) -> Phone:
    """Alice on TCP."""
    return await World(MemoryNetwork(latency_s=0.01), nursery).phone(ALICE, "TCP")


@pytest.fixture
async def stream(phone: Phone) -> AsyncIterator[Stream]:
    """A connection to Alice."""
    core = phone.endpoint._core
    assert isinstance(core.network, object)
    connection = await core.network.connect_stream(ALICE, 5060)
    yield connection
    connection.close()


async def messages(stream: Stream, count: int) -> list[Message]:
    framer, found = StreamFramer(), list[Message]()
    with trio.fail_after(10):
        while len(found) < count:
            framer.receive(await stream.receive())
            while (message := framer.next()) is not None:
                assert isinstance(message, Response)
                found.append(message)
    return found


async def test_pings_and_pieces(autojump_clock: MockClock, stream: Stream) -> None:
    await stream.send(b"\r\n\r\n")
    assert await stream.receive() == b"\r\n"
    for at in range(0, len(OPTIONS), 50):
        await stream.send(OPTIONS[at : at + 50])
    (response,) = await messages(stream, 1)
    assert isinstance(response, Response)
    assert response.status == 200


async def test_a_broken_message_costs_itself_only(autojump_clock: MockClock, stream: Stream) -> None:
    await stream.send(OPTIONS.replace(b"CSeq: 1", b"CSeq: x") + OPTIONS)
    statuses = [m.status for m in await messages(stream, 2) if isinstance(m, Response)]
    assert statuses == [400, 200]


async def test_a_stream_that_cannot_be_read_any_further_is_answered_and_closed(
    autojump_clock: MockClock, stream: Stream, phone: Phone
) -> None:
    await stream.send(OPTIONS.replace(b"Content-Length: 0\r\n", b""))
    (response,) = await messages(stream, 1)
    assert isinstance(response, Response)
    assert response.status == 400
    assert await stream.receive() == b""
    await trio.sleep(1)
    assert phone.endpoint.connections == 0


@pytest.mark.parametrize(("first", "limit_s"), [(b"", module.FIRST_S), (OPTIONS, module.IDLE_S)])
async def test_a_dribble_is_not_life(
    autojump_clock: MockClock, stream: Stream, phone: Phone, first: bytes, limit_s: float
) -> None:
    await stream.send(first)
    for _ in range(int(limit_s) - 1):
        await stream.send(b"A")
        await trio.sleep(1)
    assert phone.endpoint.connections == 1
    await trio.sleep(2)
    assert phone.endpoint.connections == 0


async def test_one_connection_too_many_is_closed(
    autojump_clock: MockClock, stream: Stream, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_CONNECTIONS", 1)
    await stream.send(OPTIONS)
    await messages(stream, 1)
    second = await phone.endpoint._core.network.connect_stream(ALICE, 5060)
    assert await second.receive() == b""
    assert phone.endpoint.connections == 1


async def test_one_host_does_not_take_every_connection(
    autojump_clock: MockClock, stream: Stream, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_PER_HOST", 1)
    await stream.send(OPTIONS)
    await messages(stream, 1)
    second = await phone.endpoint._core.network.connect_stream(ALICE, 5060)
    assert await second.receive() == b""
    stream.close()
    await trio.sleep(1)
    third = await phone.endpoint._core.network.connect_stream(ALICE, 5060)
    await third.send(OPTIONS)
    assert len(await messages(third, 1)) == 1
    third.close()


async def test_one_connection_too_many_is_not_made(
    autojump_clock: MockClock, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_PER_HOST", 0)
    assert await soon(world.call(uri=BOB_TCP)) == Failed(Failure.TRANSPORT)
    assert trio.current_time() == 0
    await world.assert_nothing_left()


def pipelined(count: int) -> bytes:
    return b"".join(OPTIONS.replace(b"one", b"%04d" % number) for number in range(count))


async def test_a_burst_of_requests_is_answered_in_full(
    autojump_clock: MockClock, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "OUTBOX_BYTES", 10_000)
    count = 1_000
    await stream.send(pipelined(count))
    assert len(await messages(stream, count)) == count


async def test_a_peer_that_does_not_read_loses_its_connection(
    autojump_clock: MockClock, stream: Stream, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "OUTBOX_BYTES", 10_000)
    await stream.send(pipelined(100))

    async def stuck(*_: object) -> None:
        await trio.sleep_forever()

    monkeypatch.setattr(MemoryStream, "send", stuck)
    await trio.sleep(1)
    assert phone.endpoint.connections == 0


async def test_a_lost_connection_ends_what_waits_on_it(
    autojump_clock: MockClock, nursery: trio.Nursery, phone: Phone
) -> None:
    host = MemoryNetwork(latency_s=0.01)
    world = World(host, nursery)
    world.alice = await world.phone(ALICE, "TCP")
    listener = host.host(BOB).listen_streams(BOB, 5060)
    caller = world.call(uri=BOB_TCP)
    stream = await listener.accept()
    await stream.receive()
    stream.close()
    assert await soon(caller) == Failed(Failure.TRANSPORT)
    listener.close()


async def test_a_call_whose_caller_reconnects_is_answered_on_the_new_connection(
    autojump_clock: MockClock, world: World
) -> None:
    caller = world.call(uri=BOB_TCP)
    callee = await world.bob.next_call()
    (connection,) = world.bob.endpoint._core.transports._connections.values()
    connection.scope.cancel()
    await trio.sleep(1)
    callee.answer(ANSWER)
    # The answer went to the address in Via; its INVITE had failed by then, so it is a stray there.
    assert await soon(caller) == Failed(Failure.TRANSPORT)
    assert await soon(callee) == Failed(Failure.NO_ACK)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("transport", ["UDP", "TCP"])
async def test_a_call_on_real_sockets(nursery: trio.Nursery, transport: str, host: str) -> None:
    send, receive = trio.open_memory_channel[SipSession](1)
    bind = [Bind(transport, host, 0)]
    callee_side = SipEndpoint(TrioNetwork(), bind, send.send_nowait)
    caller_side = SipEndpoint(TrioNetwork(), bind, lambda session: session.reject(480))
    (there,) = await nursery.start(callee_side.run)
    await nursery.start(caller_side.run)
    me = NameAddr(None, Uri("sip", "alice", host=host))
    target = Uri("sip", "bob", host=host, port=there.port, params=(("transport", transport.lower()),))
    caller = caller_side.invite(target, from_uri=me, body=OFFER)
    callee = await receive.receive()
    callee.answer(ANSWER)
    assert await soon(caller) == Answered(ANSWER)
    await soon(callee)
    callee.bye()
    assert isinstance(await soon(caller), Bye)
    await callee.wait_terminated()
    assert (callee_side.sessions, caller_side.sessions) == (0, 0)
