"""The engine on real sockets: a session, its data, and its end."""

from __future__ import annotations

import trio

from clutch.net.link import TrioNetwork
from clutch.net.quic.aioquic_engine import AioquicEngine
from clutch.net.quic.certificates import SelfSigned
from clutch.net.quic.engine import Closed, Target, Trust
from tests.net.quic.world import Recorder

HOST = "127.0.0.1"


async def test_a_session_over_loopback(nursery: trio.Nursery) -> None:
    mine, theirs = Recorder(), Recorder()
    certificates = SelfSigned((HOST,))
    server = AioquicEngine(TrioNetwork(), (HOST, 0), certificates, ["moqt-18"], lambda incoming: theirs)
    client = AioquicEngine(TrioNetwork())
    address = await nursery.start(server.run)
    await nursery.start(client.run)
    trust = Trust(fingerprint=certificates.current().fingerprint)
    session = await client.connect(Target(HOST, address[1], ["moqt-18"], trust=trust), mine)
    with trio.fail_after(10):
        for number in range(200):
            assert session.open_uni(bytes([number]) * 1000, fin=True) is not None
        assert session.send_datagram(b"datagram")
        await theirs.until(lambda: len(theirs.finished) == 200 and theirs.datagrams == [b"datagram"])
        assert set(theirs.data.values()) == {bytes([number]) * 1000 for number in range(200)}
        theirs.open.close(5, "enough")
        await mine.until(lambda: mine.end is not None)
    assert mine.end == Closed("peer", 5, "enough")
    nursery.cancel_scope.cancel()
