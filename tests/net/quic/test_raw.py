"""What is different without WebTransport."""

from __future__ import annotations

import pytest
from trio.testing import MockClock

from clutch.net.errors import ConnectFailed
from clutch.net.quic.engine import Closed, Refused
from tests.net.quic.world import Recorder, World


async def test_a_refused_session_never_opens(autojump_clock: MockClock, world: World) -> None:
    world.answer = lambda incoming: Refused(403, 0x10, "not you")
    mine = Recorder()
    await world.client.connect(world.target(), mine)  # the client is done before the server can say so
    await mine.until(lambda: mine.end is not None)
    assert mine.end == Closed("peer", 0x10, "not you")


async def test_no_common_protocol(autojump_clock: MockClock, world: World) -> None:
    with pytest.raises(ConnectFailed, match="0x178"):
        await world.client.connect(world.target("other"), Recorder())
    assert world.asked == []
