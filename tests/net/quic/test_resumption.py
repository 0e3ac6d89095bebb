"""Tickets, early data, and what a replay of it gets."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from clutch.net.link import Address
from clutch.net.quic.engine import QuicSession
from tests.net.quic.world import CLIENT, PORT, SERVER, Recorder, World


class Early(Recorder):
    """Writes at once, and notes whether that may be a replay."""

    def __init__(self) -> None:
        super().__init__()
        self.was_early = False
        self.opened_at = 0.0

    def opened(self, session: QuicSession) -> None:
        self.was_early, self.opened_at = session.early, trio.current_time()
        super().opened(session)
        if session.client:
            session.open_uni(b"early", fin=True)


async def test_the_second_session_sends_with_its_first_packet(
    autojump_clock: MockClock, world: World
) -> None:
    await world.pair()
    await trio.sleep(0.1)
    world.answer = lambda incoming: servers.append(Early()) or servers[-1]  # type: ignore[func-returns-value]
    servers: list[Early] = []
    began, mine = trio.current_time(), Early()
    session = await world.client.connect(world.target(), mine)
    assert mine.was_early
    assert mine.opened_at == began
    assert not session.early
    assert servers[0].data == {2: b"early"}
    assert servers[0].was_early
    assert round(servers[0].opened_at - began, 6) == 0.01
    assert session.protocol == servers[0].open.protocol == "moqt-18"
    await trio.sleep(0.1)
    assert not servers[0].open.early
    again = Early()
    await world.client.connect(world.target(), again)  # every session brings a ticket for the next
    assert again.was_early


async def test_a_replayed_first_flight_is_not_taken_as_early_data(
    autojump_clock: MockClock, world: World
) -> None:
    await world.pair()
    await trio.sleep(0.1)
    flight: list[bytes] = []

    def see(data: bytes, source: Address, to: Address) -> bool:
        if source[0] == CLIENT and len(flight) < 3:
            flight.append(data)
        return False

    world.network.lost = see
    await world.client.connect(world.target(), Early())
    known = len(world.accepted)
    assert known == 2
    await trio.sleep(20)
    attacker = world.network.host("192.0.2.66").open_datagrams("192.0.2.66", 1)
    for data in flight:
        attacker.send(data, (SERVER, PORT))
    await trio.sleep(20)
    assert len(world.accepted) == known
    attacker.close()


async def test_a_server_that_forgot_takes_the_data_after_the_handshake(
    autojump_clock: MockClock, world: World
) -> None:
    await world.pair()
    await trio.sleep(0.1)
    await world.stop_server()
    await world.start_server()
    mine = Early()
    await world.client.connect(world.target(), mine)
    assert mine.was_early
    await trio.sleep(0.1)
    assert world.accepted[1].data == {2: b"early"}
