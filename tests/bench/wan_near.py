"""The near end of a long line: calls say words, and how long each commit waits for its answer is noted.

``wan_near PORTS WAY CALLS SECONDS`` prints the delays in milliseconds. A way is ``tcp one`` (a connection for
all calls), ``tcp each`` (one for each), or a congestion control and ``datagram`` (audio as datagrams, each
commit on a stream of its own), ``stream`` (audio on one stream a call) or ``object`` (on a stream a frame: as
MoQT does). With the way ``fresh`` each commit comes on a connection of its own, CALLS of them one by one, by
``tcp``, ``quic`` or ``resumed`` QUIC (0-RTT).
"""

from __future__ import annotations

import itertools
import json
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import attrs
import structlog
import trio

from clutch.net.link import TrioNetwork
from clutch.net.quic.aioquic_engine import AioquicEngine
from clutch.net.quic.engine import Closed, QuicSession, QuicStream, Target, Trust
from tests.bench.wan import FAR_IP
from tests.bench.wan_words import ALPN, AUDIO, COMMIT, SIZE, set_congestion, word, words

FRAME_S = 0.02
COMMIT_EVERY = 25
"""Frames between two commits of a call."""
WARM_UP_S = 2.0
"""Commits of the first seconds do not count: windows grow."""


@attrs.define(eq=False)
class Notes:
    """When each commit was said, and how long its answer took."""

    sent: dict[int, float] = attrs.field(factory=dict)
    delays_ms: list[float] = attrs.field(factory=list)
    from_s: float = 0.0
    _numbers: itertools.count[int] = attrs.field(factory=itertools.count)

    def commit(self, since_s: float | None = None) -> int:
        """A number for a commit that is said now, or counts since then."""
        self.sent[number := next(self._numbers)] = trio.current_time() if since_s is None else since_s
        return number

    def answered(self, number: int) -> None:
        """Its answer has come."""
        if (at := self.sent.pop(number, None)) is not None and at >= self.from_s:
            self.delays_ms.append(1000 * (trio.current_time() - at))


@attrs.define(eq=False)
class Near:
    """A QUIC session of ours."""

    notes: Notes
    session: QuicSession | None = None
    heard: trio.Event = attrs.field(factory=trio.Event)
    """The first answer."""

    def commit(self, session: QuicSession, call: int, since_s: float | None = None) -> None:
        """Say a commit on a stream of its own."""
        number = self.notes.commit(since_s)
        if (stream := session.open_bidi(word(number, call, COMMIT), fin=True)) is not None:
            stream.context = number

    def opened(self, session: QuicSession) -> None:
        """See `SessionHandler`, as for all below."""
        self.session = session

    def stream_opened(self, stream: QuicStream) -> None:
        """Audio, which nobody listens to."""

    def received(self, stream: QuicStream, data: bytes, fin: bool) -> None:
        """On a two-way stream this is the answer to a commit."""
        if stream.bidirectional and data:
            self.heard.set()
            self.notes.answered(stream.context)

    def was_reset(self, stream: QuicStream, code: int) -> None:
        """Nothing to do."""

    def was_stopped(self, stream: QuicStream, code: int) -> None:
        """Nothing to do."""

    def writable(self) -> None:
        """Nothing to do."""

    def datagram(self, data: bytes) -> None:
        """Audio."""

    def batch_end(self) -> None:
        """Nothing to do."""

    def closed(self, closed: Closed) -> None:
        """Nothing to do."""


async def talk(calls: int, seconds: float, say: Callable[[int, int], Awaitable[None]]) -> None:
    """Let every call say a frame in its turn, evenly over each 20 ms, and now and then a commit after it."""
    start = trio.current_time()
    for tick in range(int(seconds / FRAME_S)):
        for call in range(calls):
            await trio.sleep_until(start + (tick + call / calls) * FRAME_S)
            await say(call, AUDIO)
            if (tick + call) % COMMIT_EVERY == 0:
                await say(call, COMMIT)


def insecure() -> ssl.SSLContext:
    """TLS to whoever is there: the far end makes its certificate itself."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def open_tls(port: int) -> trio.SSLStream[trio.SocketStream]:
    """A connection, with its handshake done."""
    plain = await trio.open_tcp_stream(FAR_IP, port)
    set_congestion(plain.socket)
    stream = trio.SSLStream(plain, insecure())
    await stream.do_handshake()
    return stream


async def over_tcp(port: int, calls: int, seconds: float, notes: Notes, *, each: bool) -> None:
    """All words in order, on one connection or one a call."""
    streams = [await open_tls(port) for _ in range(calls if each else 1)]

    async def listen(stream: trio.SSLStream[trio.SocketStream]) -> None:
        rest = b""
        async for data in stream:
            whole = len(rest + data) // SIZE * SIZE
            said, rest = (rest + data)[:whole], (rest + data)[whole:]
            for number, _, kind in words(said):
                if kind == COMMIT:
                    notes.answered(number)

    async def write(stream: trio.SSLStream[trio.SocketStream], out: trio.MemoryReceiveChannel[bytes]) -> None:
        async for data in out:
            await stream.send_all(data)

    async with trio.open_nursery() as nursery:
        outs = []
        for stream in streams:
            out, queue = trio.open_memory_channel[bytes](10_000)
            outs.append(out)
            nursery.start_soon(listen, stream)
            nursery.start_soon(write, stream, queue)

        async def say(call: int, kind: int) -> None:
            number = notes.commit() if kind == COMMIT else 0
            outs[call % len(outs)].send_nowait(word(number, call, kind))

        notes.from_s = trio.current_time() + WARM_UP_S
        await talk(calls, seconds, say)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def quic_engine(congestion: str) -> AsyncIterator[AioquicEngine]:
    """An engine that only connects."""
    engine = AioquicEngine(TrioNetwork(), congestion=congestion)
    async with trio.open_nursery() as nursery:
        await nursery.start(engine.run)
        yield engine
        nursery.cancel_scope.cancel()


def target(port: int) -> Target:
    """The far end."""
    return Target(FAR_IP, port, [ALPN], trust=Trust(insecure=True))


async def over_quic(port: int, calls: int, seconds: float, notes: Notes, congestion: str, lane: str) -> None:
    """All calls on one connection; commits on streams of their own."""
    async with quic_engine(congestion) as engine:
        near = Near(notes)
        session = await engine.connect(target(port), near)
        lanes: dict[int, QuicStream | None] = {}

        async def say(call: int, kind: int) -> None:
            if kind == COMMIT:
                near.commit(session, call)
            elif lane == "datagram":
                session.send_datagram(word(0, call, kind))
            elif lane == "object":
                session.open_uni(word(0, call, kind), fin=True)
            elif (stream := lanes.get(call)) is None:
                lanes[call] = session.open_uni(word(0, call, kind))
            else:
                stream.write(word(0, call, kind))

        notes.from_s = trio.current_time() + WARM_UP_S
        await talk(calls, seconds, say)
        await trio.sleep(1)


async def fresh(ports: dict[str, int], how: str, count: int, notes: Notes) -> None:
    """A new connection for each commit."""
    async with quic_engine("media") as known:
        for turn in range(count + 1):
            if how == "tcp":
                await ask_by_tls(ports["tcp"], notes)
            elif how == "resumed":
                await ask_by_quic(known, ports["media"], notes)
            else:
                async with quic_engine("media") as stranger:
                    await ask_by_quic(stranger, ports["media"], notes)
            if turn == 0:
                notes.delays_ms.clear()  # the first of all cannot be resumed


async def ask_by_tls(port: int, notes: Notes) -> None:
    """Connect, say a commit, and hear the answer."""
    number = notes.commit()
    stream = await open_tls(port)
    await stream.send_all(word(number, 0, COMMIT))
    await stream.receive_some()
    notes.answered(number)
    await trio.aclose_forcefully(stream)


async def ask_by_quic(engine: AioquicEngine, port: int, notes: Notes) -> None:
    """The same; with an engine that was here before, the commit comes with the first packet."""
    near, started = Near(notes), trio.current_time()
    session = await engine.connect(target(port), near)
    near.commit(session, 0, started)
    await near.heard.wait()
    await trio.sleep(0.15)  # until the ticket for the next one is here
    session.close()
    await trio.sleep(0.05)


async def main(ports: dict[str, int], way: str, calls: int, seconds: float) -> None:
    """Say everything, and print the delays."""
    notes = Notes()
    first, second = way.split()
    if first == "fresh":
        await fresh(ports, second, calls, notes)
    elif first == "tcp":
        await over_tcp(ports["tcp"], calls, seconds, notes, each=second == "each")
    else:
        await over_quic(ports[first], calls, seconds, notes, first, second)
    print(json.dumps({"ms": notes.delays_ms, "unanswered": len(notes.sent)}), flush=True)


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # answers go to the output
    trio.run(main, json.loads(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
