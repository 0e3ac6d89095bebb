"""Real QUIC with malice above it: the draft's own answer, nothing kept, and a call beside loses nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

import attrs
import pytest
import trio
from trio.testing import MockClock

from clutch.client.publication import Publication
from clutch.client.subscription import Subscription
from clutch.relay import CacheLimits
from clutch.wire.moqt import messages as m
from clutch.wire.moqt.codes import DoneStatus, RequestError, SessionError
from clutch.wire.moqt.data import (
    Object,
    ObjectDatagram,
    SubgroupHeader,
    encode_datagram,
    encode_object,
    encode_subgroup_header,
)
from clutch.wire.moqt.names import FullTrackName
from clutch.wire.moqt.parameters import AliasType, Parameters, Token
from tests.relay.brute import Brute, Stingy
from tests.relay.stage import CLIENT, HOST, PORT, Stage, open_stage

ALPNS = ["moqt-18", "moqt-16"]
TRACK = FullTrackName.parse("abuse/track", "audio")
HEARD = FullTrackName.parse("voice/ab12/uplink", "audio")
Move: TypeAlias = Callable[[Brute], object]


@attrs.define(eq=False)
class Scene:
    """A call that goes on, and whoever means no good."""

    stage: Stage
    nursery: trio.Nursery

    async def brute(self, alpn: str, **options: object) -> Brute:
        """Connect."""
        brute = Brute.of(self.stage.network.host(CLIENT), (HOST, PORT), alpn, **options)  # type: ignore[arg-type]
        await self.nursery.start(brute.run)
        return brute


@asynccontextmanager
async def open_scene() -> AsyncIterator[Scene]:
    """At the end the call must have lost nothing, and nobody else be left."""
    async with open_stage("aioquic") as stage, stage.voice() as speaker, stage.voice() as listener:
        said = speaker.publish_audio(HEARD.namespace, "audio")
        heard = listener.subscribe_audio(HEARD.namespace, "audio")
        await heard.established.wait()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(speak, said)
            nursery.start_soon(lose_nothing, heard)
            before = stage.relay.snapshot()
            yield Scene(stage, nursery)
            await trio.sleep(5)
            after = stage.relay.snapshot()
            nursery.cancel_scope.cancel()
    for key in ("sessions", "tracks", "live", "subscribers", "waiting"):
        assert after[key] == before[key], key


async def speak(said: Publication) -> None:
    while True:
        await said.send(bytes(80))


async def lose_nothing(heard: Subscription) -> None:
    async for frame in heard:
        assert frame.gap is None


def control(*data: bytes, fin: bool = False) -> Move:
    return lambda brute: brute.write(brute.control, b"".join(data), fin=fin)


def uni(text: str, *, fin: bool = False) -> Move:
    return lambda brute: brute.open(bytes.fromhex(text), fin=fin)


def request(text: str) -> Move:
    """The first message of a request: on a stream of its own, or on the one for all."""

    def move(brute: Brute) -> None:
        data = bytes.fromhex(text)
        if brute.draft.request_streams:
            brute.open(data, both=True)
        else:
            brute.write(brute.control, data)

    return move


def datagram(text: str) -> Move:
    return lambda brute: brute.datagram(bytes.fromhex(text))


def register_too_much(brute: Brute) -> None:
    token = Token(AliasType.REGISTER, 1, 0, bytes(60_000))
    brute.ask(m.Subscribe(0, TRACK, Parameters(authorization=(token,))))


def cut_object(brute: Brute) -> None:
    """A track of its own, and a stream of it that ends amid an object."""
    brute.ask(m.Publish(0, TRACK, 1))
    head = SubgroupHeader(1, 0)
    data = encode_subgroup_header(brute.draft, head) + encode_object(brute.draft, head, Object(0, bytes(99)))
    brute.open(data[:-9], fin=True)


VIOLATION = SessionError.PROTOCOL_VIOLATION
MOVES: dict[str, tuple[Move, SessionError]] = {
    "control: a message that nobody knows": (control(b"\x3f\x00\x01\x00"), VIOLATION),
    "control: a message longer than its length": (control(b"\x10\x00\x01\x05"), VIOLATION),
    "control: the end": (control(fin=True), VIOLATION),
    "request: a message that nobody knows": (request("3f 0000"), VIOLATION),
    "request: a namespace of 33 fields": (request("03 0006 00 21 01 61 01 62"), VIOLATION),
    "request: a varint that is cut short": (request("03 0001 ff"), VIOLATION),
    "request: an ID of the other side": (
        lambda brute: brute.ask(m.Subscribe(1, TRACK)),
        SessionError.INVALID_REQUEST_ID,
    ),
    "request: a token for which there is no room": (
        register_too_much,
        SessionError.AUTH_TOKEN_CACHE_OVERFLOW,
    ),
    "data: a stream that nobody knows": (uni("07 00 00"), VIOLATION),
    "data: a subgroup that is cut short": (uni("10 01", fin=True), VIOLATION),
    "data: an object that is cut short": (cut_object, VIOLATION),
    "data: a fetch that nobody asked for": (uni("05 01 00 00 00 00"), VIOLATION),
    "datagram: a type that nobody knows": (datagram("40 01 00 00 00"), VIOLATION),
    "datagram: cut short": (datagram("00 01"), VIOLATION),
}


@pytest.mark.parametrize("alpn", ALPNS)
async def test_malformed_everything(autojump_clock: MockClock, alpn: str) -> None:
    async with open_scene() as scene:
        for what, (move, code) in MOVES.items():
            brute = await scene.brute(alpn)
            brute.setup()
            move(brute)
            with trio.move_on_after(20):
                await brute.closed()
            assert (what, brute.end and brute.end.error_code) == (what, code)
            assert brute.end is not None
            assert brute.end.reason_phrase


def codes(brute: Brute, streams: list[int]) -> list[int | None]:
    """How requests were answered: None for yes."""
    found = [answer for number in dict.fromkeys(streams) for answer in brute.answers(number)]
    answers = [item for item in found if isinstance(item, m.RequestOk | m.RequestError_ | m.SubscribeOk)]
    return [answer.code if isinstance(answer, m.RequestError_) else None for answer in answers]


@pytest.mark.parametrize("alpn", ALPNS)
async def test_a_flood_of_namespaces(autojump_clock: MockClock, alpn: str) -> None:
    async with open_scene() as scene:
        brute = await scene.brute(alpn)
        brute.setup()
        most = scene.stage.relay.limits.session.namespaces
        asks = [
            brute.ask(m.PublishNamespace(2 * number, (b"abuse", b"%d" % number)))
            for number in range(most + 50)
        ]
        await trio.sleep(5)
        no = RequestError.EXCESSIVE_LOAD if brute.draft.request_streams else RequestError.INTERNAL_ERROR
        assert Counter(codes(brute, asks)) == {None: most, no: 50}
        brute.quic.close()
        brute.flush()


@pytest.mark.parametrize("alpn", ALPNS)
async def test_a_flood_of_tracks(autojump_clock: MockClock, alpn: str) -> None:
    async with open_scene() as scene:
        brute = await scene.brute(alpn)
        brute.quic._remote_max_streams_bidi = 1 << 60  # it does not care
        brute.setup()
        for number in range(1_500):
            brute.ask(m.Publish(2 * number, FullTrackName((b"abuse",), b"%d" % number), number))
        await brute.closed()
        assert brute.end is not None
        if brute.draft.request_streams:
            assert "stream" in brute.end.reason_phrase.lower()  # QUIC's own limit
        else:
            assert brute.end.error_code == SessionError.TOO_MANY_REQUESTS


@pytest.mark.parametrize("alpn", ALPNS)
async def test_a_flood_of_streams_and_datagrams_of_no_track(autojump_clock: MockClock, alpn: str) -> None:
    async with open_scene() as scene:
        brute = await scene.brute(alpn)
        brute.setup()
        head = encode_subgroup_header(brute.draft, SubgroupHeader(77, 0))
        item = encode_object(brute.draft, SubgroupHeader(77, 0), Object(0, bytes(5_000)))
        streams = [brute.open(head + item) for _ in range(300)]
        for number in range(2_000):
            brute.datagram(encode_datagram(brute.draft, ObjectDatagram(77, number, 0, bytes(900))))
            if number % 50 == 0:
                await trio.sleep(0.01)
        await trio.sleep(10)
        assert brute.end is None
        assert len(brute.stopped) == len(streams)  # some at once, as there is no room; the others in time
        brute.quic.close()
        brute.flush()


@pytest.mark.parametrize("alpn", ALPNS)
async def test_a_flood_of_objects(autojump_clock: MockClock, alpn: str) -> None:
    cache = CacheLimits()
    async with open_scene() as scene:
        brute = await scene.brute(alpn)
        brute.setup()
        brute.ask(m.Publish(0, TRACK, 1))
        for group in range(200):
            head = SubgroupHeader(1, group)
            item = encode_object(brute.draft, head, Object(0, bytes(50_000)))
            brute.open(encode_subgroup_header(brute.draft, head) + item, fin=True)
            if group % 20 == 0:
                await trio.sleep(0.2)
                assert scene.stage.relay.snapshot()["cached_bytes"] < cache.track_bytes + (1 << 20)
        await trio.sleep(20)
        assert brute.end is None
        assert scene.stage.relay.router.tracks[TRACK].largest == (199, 0)
        brute.quic.close()
        brute.flush()


@pytest.mark.parametrize("alpn", ALPNS)
async def test_a_subscriber_that_lets_nothing_through(autojump_clock: MockClock, alpn: str) -> None:
    """It lives, and reads nothing: skipped, and then its subscription ends; the session does not."""
    async with open_scene() as scene:
        brute = await scene.brute(alpn, kind=Stingy, max_data=20_000, max_stream_data=10_000)
        brute.setup()
        ask = brute.ask(m.Subscribe(0, HEARD))
        await brute.until(lambda: any(isinstance(answer, m.PublishDone) for answer in brute.answers(ask)))
        (done,) = [answer for answer in brute.answers(ask) if isinstance(answer, m.PublishDone)]
        assert done.status == DoneStatus.TOO_FAR_BEHIND
        counters = scene.stage.relay.router.counters
        assert (counters.skips > 0, counters.too_far_behind) == (True, 1)
        assert brute.end is None
        brute.quic.close()
        brute.flush()
