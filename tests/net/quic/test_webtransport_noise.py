"""Noise on the streams of HTTP/3: it costs the peer its connection, and the server nothing."""

from __future__ import annotations

import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from trio.testing import MockClock

from clutch.net.memory import MemoryNetwork
from clutch.net.quic.engine import INTERNAL_ERROR
from clutch.wire.webtransport import CloseSession
from tests.net.quic import web
from tests.net.quic.world import World

UNI, BIDI = b"\x40\x54", b"\x40\x41"

pieces = some.one_of(
    some.sampled_from(
        [
            UNI,
            BIDI,
            b"\x00",
            b"\x04",
            web.settings(web.OURS),
            web.request(),
            web.frame(0, CloseSession(1, "x").to_bytes()),
            web.headers((b":status", b"200")),
        ]
    ),
    some.binary(max_size=12),
)
streams = some.lists(
    some.tuples(
        some.sampled_from(["uni", "bidi", "datagram"]),
        some.lists(pieces, max_size=4),
        some.sampled_from(["open", "fin", "reset", "stop"]),
    ),
    max_size=6,
)


async def survive(noise: list[tuple[str, list[bytes], str]], greet: bool) -> None:
    async with trio.open_nursery() as nursery:
        world = World(MemoryNetwork(latency_s=0.001), nursery)
        await world.start()
        peer = await web.ByHand.connect(world)
        if greet:
            peer.uni(web.settings(web.OURS))
            peer.bidi(web.request())
        for kind, data, end in noise:
            if kind == "datagram":
                peer.quic.send_datagram(b"".join(data))
            elif (stream := (peer.quic.open_uni if kind == "uni" else peer.quic.open_bidi)()) is not None:
                for piece in data:
                    stream.write(piece)
                    await trio.sleep(0.005)
                if end == "fin":
                    stream.write(b"", fin=True)
                elif end == "reset":
                    stream.reset(0x10C)
                elif kind == "bidi" and end == "stop":
                    stream.stop(0x10C)
        await trio.sleep(0.1)
        assert peer.told.end is None or peer.told.end.code != INTERNAL_ERROR, peer.told.end
        world.kind = "webtransport"
        await world.pair()
        nursery.cancel_scope.cancel()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(streams, some.booleans())
def test_noise(noise: list[tuple[str, list[bytes], str]], greet: bool) -> None:
    trio.run(survive, noise, greet, clock=MockClock(autojump_threshold=0))
