"""The relay stops: everybody is asked to go, then told to."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from clutch.net.quic.engine import Incoming, Refused
from clutch.wire.moqt.codes import RequestError, SessionError
from tests.relay.conftest import AUDIO
from tests.relay.world import World


async def test_who_goes_is_waited_for(autojump_clock: MockClock, world: World) -> None:
    one, two = world.connect(), world.connect()
    start = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.relay.drain, 10.0)
        await world.later(1)
        ((uri, timeout_ms, request),) = one.take("goaway")
        assert (uri, request) == ("", None)
        if world.alpn != "moqt-16":
            assert timeout_ms == 10_000
        one.leave()
        await world.later(1)
        two.leave()
    assert trio.current_time() - start < 3


async def test_who_stays_is_closed(autojump_clock: MockClock, world: World) -> None:
    client = world.connect()
    client.announce(AUDIO)
    await world.relay.drain(2.0)
    ((closed,),) = client.take("closed")
    assert closed.code == SessionError.GOAWAY_TIMEOUT


async def test_nobody_and_nothing_new(autojump_clock: MockClock, world: World) -> None:
    client = world.connect()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.relay.drain, 5.0)
        await trio.testing.wait_all_tasks_blocked()
        refused = world.relay.accept(Incoming("quic", world.alpn, ("127.0.0.1", 1)))
        assert isinstance(refused, Refused)
        request = client.session.publish_namespace(AUDIO.namespace)
        old = world.alpn == "moqt-16"
        assert client.answer().code == (RequestError.INTERNAL_ERROR if old else RequestError.GOING_AWAY)
        assert not request.open
        client.leave()


async def test_with_nobody_there_it_is_done_at_once(autojump_clock: MockClock, world: World) -> None:
    start = trio.current_time()
    await world.relay.drain(5.0)
    assert trio.current_time() == start
