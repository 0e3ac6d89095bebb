"""The I/O seam: one contract for real sockets and the network in memory, and what only one of them does."""

from __future__ import annotations

import os
import socket

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from clutch.net.errors import AddressUnavailable, BrokenStream, ConnectFailed, PortInUse, ResolveFailed
from clutch.net.link import Network, TrioNetwork
from clutch.net.memory import MemoryNetwork

HOST = "127.0.0.1"


@pytest.fixture(params=["trio", "memory"])
def network(request: pytest.FixtureRequest) -> Network:
    """Each implementation in turn."""
    return TrioNetwork() if request.param == "trio" else MemoryNetwork().host(HOST)


async def test_datagrams_arrive_with_their_source(network: Network) -> None:
    one, two = network.open_datagrams(HOST, 0), network.open_datagrams(HOST, 0)
    one.send(b"hello", two.address)
    assert await two.receive() == (b"hello", one.address)
    one.close()
    two.close()


async def test_what_has_arrived_is_read_in_one_batch(network: Network) -> None:
    one, two = network.open_datagrams(HOST, 0), network.open_datagrams(HOST, 0)
    for data in (b"1", b"2", b"3"):
        one.send(data, two.address)
    assert [data for data, _ in await two.receive_batch(2)] == [b"1", b"2"]
    assert await two.receive_batch(64) == [(b"3", one.address)]
    one.close()
    two.close()


async def test_a_closed_datagram_socket_wakes_its_reader(network: Network, nursery: trio.Nursery) -> None:
    datagrams = network.open_datagrams(HOST, 0)

    async def read() -> None:
        with pytest.raises(trio.ClosedResourceError):
            await datagrams.receive()

    async with trio.open_nursery() as readers:
        readers.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        datagrams.close()
        datagrams.close()
    with pytest.raises(trio.ClosedResourceError):
        await datagrams.receive()
    with pytest.raises(trio.ClosedResourceError):
        datagrams.send(b"", (HOST, 9))


async def test_what_nobody_receives_is_lost(network: Network) -> None:
    datagrams = network.open_datagrams(HOST, 0)
    gone = network.open_datagrams(HOST, 0)
    gone.close()
    for _ in range(3):
        datagrams.send(b"hello", gone.address)
    datagrams.send(b"still there", datagrams.address)
    assert await datagrams.receive() == (b"still there", datagrams.address)
    datagrams.close()


async def test_a_datagram_waits_for_a_reader_that_was_cancelled(network: Network) -> None:
    datagrams = network.open_datagrams(HOST, 0)
    with trio.move_on_after(0):
        await datagrams.receive()
    datagrams.send(b"hello", datagrams.address)
    assert (await datagrams.receive())[0] == b"hello"
    datagrams.close()


async def test_a_port_is_free_again_after_close(network: Network) -> None:
    first = network.open_datagrams(HOST, 0)
    with pytest.raises(PortInUse):
        network.open_datagrams(*first.address)
    first.close()
    network.open_datagrams(*first.address).close()
    listener = network.listen_streams(HOST, 0)
    with pytest.raises(PortInUse):
        network.listen_streams(*listener.address)
    listener.close()
    listener.close()
    network.listen_streams(*listener.address).close()


async def test_streams_carry_bytes_both_ways_and_end(network: Network) -> None:
    listener = network.listen_streams(HOST, 0)
    client = await network.connect_stream(*listener.address)
    server = await listener.accept()
    assert client.remote == listener.address
    await client.send(b"question")
    assert await server.receive() == b"question"
    await server.send(b"answer")
    assert await client.receive() == b"answer"
    client.close()
    client.close()
    assert await server.receive() == b""
    with pytest.raises(trio.ClosedResourceError):
        await client.send(b"late")
    with pytest.raises(trio.ClosedResourceError):
        await client.receive()
    server.close()
    listener.close()


async def test_sending_to_a_peer_that_has_gone_breaks(network: Network) -> None:
    listener = network.listen_streams(HOST, 0)
    client = await network.connect_stream(*listener.address)
    server = await listener.accept()
    server.close()

    async def send_for_ever() -> None:
        while True:
            await client.send(b"x" * 10_000)

    with pytest.raises(BrokenStream):
        await send_for_ever()
    client.close()
    listener.close()


async def test_nobody_listens(network: Network) -> None:
    listener = network.listen_streams(HOST, 0)
    listener.close()
    with pytest.raises(ConnectFailed, match="cannot connect to 127"):
        await network.connect_stream(*listener.address)


async def test_addresses(network: Network) -> None:
    assert await network.resolve(HOST) == HOST
    assert network.source_for(HOST) == HOST
    with pytest.raises(AddressUnavailable):
        network.open_datagrams("203.0.113.1", 0)


async def test_names() -> None:
    with pytest.raises(ResolveFailed):
        await MemoryNetwork().host(HOST).resolve("nobody.example")
    with pytest.raises(ResolveFailed):
        await TrioNetwork().resolve("no such name")
    for impossible in ("a" * 64 + ".example", "a..example", "."):
        with pytest.raises(ResolveFailed, match="is not a host name"):
            await TrioNetwork().resolve(impossible)
    assert await TrioNetwork().resolve("localhost") == HOST


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
async def test_the_owner_of_a_port_is_named(transport: str) -> None:
    kind = socket.SOCK_DGRAM if transport == "UDP" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind((HOST, 0))
        if transport == "TCP":
            taken.listen()
        port = taken.getsockname()[1]
        network = TrioNetwork()
        take = network.open_datagrams if transport == "UDP" else network.listen_streams
        with pytest.raises(PortInUse, match=rf"{transport} {HOST} port {port} is in use") as error:
            take(HOST, port)
    assert (error.value.owner or "").endswith(f"(pid {os.getpid()})")


async def test_memory_latency_is_exact_and_loss_is_chosen(autojump_clock: MockClock) -> None:
    network = MemoryNetwork(latency_s=0.25)
    one = network.host("192.0.2.1").open_datagrams("192.0.2.1", 1)
    two = network.host("192.0.2.2").open_datagrams("0.0.0.0", 2)
    assert two.address == ("192.0.2.2", 2)
    network.lost = lambda data, source, to: data == b"lost" and source == one.address
    for data in (b"first", b"lost", b"second"):
        one.send(data, two.address)
    assert [(await two.receive())[0] for _ in range(2)] == [b"first", b"second"]
    assert trio.current_time() == 0.25


async def test_memory_streams_have_latency_too(autojump_clock: MockClock) -> None:
    network = MemoryNetwork(latency_s=0.1)
    listener = network.host("192.0.2.2").listen_streams("192.0.2.2", 2)
    client = await network.host("192.0.2.1").connect_stream("192.0.2.2", 2)
    server = await listener.accept()
    assert trio.current_time() == pytest.approx(0.2)
    await client.send(b"x")
    client.close()
    assert await server.receive() == b"x"
    assert await server.receive() == b""
    assert trio.current_time() == pytest.approx(0.3)
