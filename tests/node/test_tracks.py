"""A call's audio on the relay, without a network: who hears the caller, and who is heard by him."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import attrs
import numpy as np
import pytest
import trio
from trio.testing import MockClock

from actors.call import Call, Calls, Cause, Party, Reason, Speaker
from actors.runtime import ChildSpec, open_system
from actors.testing import (
    FakeMedia,
    FakeStream,
    Ledger,
    Mode,
    Play,
    Stage,
    Story,
    Trace,
    Trial,
    cancel_everywhere,
    on_fakes,
    run_story,
)
from clutch.media.audio import Sound
from clutch.net.voice import VoiceDecoder, VoiceEncoder, can_code
from clutch.node.speaking import RETRY_MS
from clutch.node.tracks import CallTracks
from clutch.relay import LocalSubscription, OpenGate, PublishAttempt, Relay, RequestRefused
from clutch.relay.claims import Decision
from clutch.relay.router import release
from clutch.wire.loc import EMPTY_BLOCK
from clutch.wire.moqt.codes import RequestError
from clutch.wire.moqt.names import FullTrackName
from clutch.wire.moqt.properties import NONE, Properties
from clutch.wire.msf import CAPABILITY_PROPERTY, CATALOG, Catalog
from clutch.wire.voice import DEFAULT_FORM, Codec, Direction, VoiceForm, call_namespace
from tests.interop.sound import compare
from tests.relay.world import World

PCM = VoiceForm(Codec.PCM16, 8000)
FRAME = 320
UNIX_US = 1_700_000_000_000_000

opus = pytest.mark.skipif(not can_code(Codec.OPUS), reason="built without Opus")


def uplink(form: VoiceForm = DEFAULT_FORM) -> FullTrackName:
    return FullTrackName(call_namespace("s1", "uplink"), form.track)


def speech(seconds: float) -> bytes:
    """Telephone speech of a sort."""
    time_s = np.arange(round(8000 * seconds)) / 8000
    phase = 2 * np.pi * np.cumsum(150 + 50 * np.sin(2 * np.pi * 1.5 * time_s)) / 8000
    return (
        sum((np.sin(k * phase) * 3000 / k for k in range(1, 8)), np.zeros(len(time_s)))
        .astype(np.int16)
        .tobytes()
    )


@attrs.define(eq=False)
class App:
    """A publisher of the downlink, as a session of the relay is one."""

    relay: Relay
    form: VoiceForm = PCM
    name: bytes = attrs.field()
    capability: str = ""
    direction: Direction = "downlink"
    told: list[str] = attrs.field(factory=list)
    _decisions: list[Decision] = attrs.field(factory=list)
    _publication: Any = None

    @name.default
    def _name(self) -> bytes:
        return self.form.track

    def publish(self) -> App:
        """Raises `RequestRefused`."""
        name = FullTrackName(call_namespace("s1", self.direction), self.name)
        properties = (
            Properties(((CAPABILITY_PROPERTY, self.capability.encode()),)) if self.capability else NONE
        )
        attempt = PublishAttempt(name, 1, "", "app", self.told.append, properties)
        self._decisions = self.relay.router.decide(attempt)
        self._publication = self.relay.publish(name, properties=properties)
        return self

    async def say(self, *payloads: bytes) -> None:
        """In real time."""
        for payload in payloads:
            self.write(payload)
            await trio.sleep(0.02)

    def write(self, payload: bytes) -> None:
        self._publication.write(payload, timestamp_us=0)

    def close(self) -> None:
        self._publication.close()
        release(self._decisions)


@attrs.define(eq=False)
class Scene:
    relay: Relay
    stage: Stage

    def call(self, **more: Any) -> tuple[Call, FakeStream]:
        more = {"agents": None, **more}
        call, _, stream = self.stage.call(tracks=CallTracks(self.relay, now_us=lambda: UNIX_US), **more)
        return call, stream


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    """A test must itself ask for `autojump_clock`."""
    ledger, relay = Ledger(), Relay(OpenGate())
    async with trio.open_nursery() as nursery, open_system() as system:
        await nursery.start(relay.run)
        trace = Trace.of(system)
        media, calls = FakeMedia(ledger), Calls()
        await system.start(ChildSpec("media", media.run))
        await system.start(calls.spec())
        yield Scene(relay, Stage(system, ledger, media, calls, trace))
        await system.stop("calls", "the test is over")
        nursery.cancel_scope.cancel()
    assert trace.crashed() == []
    assert ledger.leftovers() == []
    assert relay.router.tracks == {}
    assert len(relay.router.claims) == 0


async def heard(subscription: LocalSubscription, objects: int) -> list[bytes]:
    with trio.fail_after(objects):
        return [(await subscription.__anext__()).payload for _ in range(objects)]


async def test_a_subscriber_hears_the_caller(autojump_clock: MockClock, scene: Scene) -> None:
    _, stream = scene.call()
    said = stream.uplink[:] = speech(0.4)
    with scene.relay.subscribe(uplink(PCM)) as subscription:
        items = [await subscription.__anext__() for _ in range(25)]
        assert subscription.capability == "voice/pcm16;rate=8000"
    assert said in b"".join(item.payload for item in items)
    times = [item.timestamp_us or 0 for item in items]
    assert np.diff(times).tolist() == [20_000] * 24
    assert times[0] == UNIX_US


@opus
async def test_by_default_in_opus(autojump_clock: MockClock, scene: Scene) -> None:
    _, stream = scene.call()
    said = stream.uplink[:] = speech(1.0)
    decoder = VoiceDecoder(DEFAULT_FORM, 8000)
    with scene.relay.subscribe(uplink()) as subscription:
        pcm = b"".join(decoder.decode(payload) for payload in await heard(subscription, 60))
        assert subscription.capability == "voice/opus"
    sent, got = (Sound(np.frombuffer(data, np.int16), 8000) for data in (said, pcm))
    assert compare(sent, got).correlation > 0.9


async def test_others_come_and_go_without_a_gap(autojump_clock: MockClock, scene: Scene) -> None:
    scene.call()
    with scene.relay.subscribe(uplink(PCM)) as staying:
        first = (await staying.__anext__()).group
        with scene.relay.subscribe(uplink(PCM)) as going:
            await heard(going, 5)
        await heard(staying, 10)
        assert (await staying.__anext__()).group == first + 11
        assert staying.lost_total == 0


async def test_what_nobody_hears_is_not_even_read(autojump_clock: MockClock, scene: Scene) -> None:
    _, stream = scene.call()
    await trio.sleep(0.1)
    assert len(stream._taps) == 1  # the recorder's
    with scene.relay.subscribe(uplink(PCM)) as subscription:
        await heard(subscription, 1)
        assert len(stream._taps) == 2
    await trio.sleep(0.1)
    assert len(stream._taps) == 1
    assert uplink(PCM) not in scene.relay.router.tracks


async def test_a_form_that_cannot_be_does_not_exist(autojump_clock: MockClock, scene: Scene) -> None:
    scene.call()
    await trio.sleep(0.1)
    for name in (b"audio.mp3", b"video"):
        track = FullTrackName(call_namespace("s1", "uplink"), name)
        with scene.relay.subscribe(track, rendezvous_s=0) as subscription:
            assert [item async for item in subscription] == []


async def test_the_catalog_lists_every_form(autojump_clock: MockClock, scene: Scene) -> None:
    scene.call()
    await trio.sleep(0.1)
    track = scene.relay.router.tracks[FullTrackName(call_namespace("s1", "uplink"), CATALOG)]
    ((flow,),) = (group.flows.values() for group in track.cache.groups.values())
    catalog = Catalog.parse(flow.objects[0].payload)
    assert catalog.generated_at_ms == UNIX_US // 1000
    for entry in catalog.tracks:
        form = VoiceForm.of_capability(entry.capability or "")
        assert (form.track.decode(), form.rate_hz) == (entry.name, entry.samplerate)
    assert {entry.codec for entry in catalog.tracks} >= {"pcm-s16", "ulaw", "alaw"}


async def test_the_tracks_end_with_the_call(autojump_clock: MockClock, scene: Scene) -> None:
    call, _ = scene.call(leg={"end_after_s": 0.5})
    with scene.relay.subscribe(uplink(PCM), rendezvous_s=5) as subscription:
        await trio.sleep(0.1)
        app = App(scene.relay).publish()
        assert len([item async for item in subscription]) > 20
    assert subscription.why == "TRACK_ENDED: the track has ended"
    assert app.told == ["the call has no ear for it any more"]
    await call.wait()
    app.close()


async def test_an_app_is_heard(autojump_clock: MockClock, scene: Scene) -> None:
    call, stream = scene.call()
    await trio.sleep(0.1)
    app = App(scene.relay).publish()
    said = speech(0.4)
    await app.say(*(said[at : at + FRAME] for at in range(0, len(said), FRAME)))
    app.close()
    await trio.sleep(0.1)
    assert said in stream.heard
    assert call.downlink.speakers == []


@pytest.mark.parametrize(
    "form",
    [VoiceForm(codec) for codec in Codec if can_code(codec)] + [VoiceForm(Codec.PCM16, 16_000)],
)
async def test_in_any_form(autojump_clock: MockClock, scene: Scene, form: VoiceForm) -> None:
    _, stream = scene.call()
    await trio.sleep(0.1)
    # As the track's name says, or as the capability does: then any name will do.
    app = App(scene.relay, form, b"audio", form.capability).publish()
    encoder, said = VoiceEncoder(form), speech(1.0)
    await app.say(*(encoder.encode(said[at : at + FRAME], 8000) for at in range(0, len(said), FRAME)))
    await trio.sleep(0.2)
    sent, got = (Sound(np.frombuffer(bytes(data), np.int16), 8000) for data in (said, stream.heard))
    assert compare(sent, got).correlation > 0.9
    app.close()


async def test_an_app_is_refused_while_the_agent_speaks(autojump_clock: MockClock, scene: Scene) -> None:
    call, _ = scene.call(agents=())
    await trio.sleep(0.1)
    assert call.downlink.speakers == [Speaker.AGENT]
    with pytest.raises(RequestRefused, match="taken by an agent") as refusal:
        App(scene.relay).publish()
    assert (refusal.value.code, refusal.value.retry_ms) == (RequestError.UNINTERESTED, RETRY_MS)


async def test_nobody_speaks_in_the_callers_name(autojump_clock: MockClock, scene: Scene) -> None:
    scene.call()
    await trio.sleep(0.1)
    for name in (b"audio", b"anything"):
        with pytest.raises(RequestRefused, match="UNAUTHORIZED"):
            App(scene.relay, name=name, direction="uplink").publish()


async def test_one_app_at_a_time(autojump_clock: MockClock, scene: Scene) -> None:
    call, stream = scene.call()
    await trio.sleep(0.1)
    first = App(scene.relay).publish()
    for form in (PCM, VoiceForm(Codec.G711_ULAW)):
        with pytest.raises(RequestRefused, match="taken by an app"):
            App(scene.relay, form).publish()
    first.write(b"\1\0" * 160)
    first.close()
    second = App(scene.relay).publish()  # at once: a publisher that reconnects
    assert call.downlink.speakers == [Speaker.APP]
    await second.say(b"\2\0" * 160)
    await trio.sleep(0.1)
    assert b"\1\0" * 160 + b"\2\0" * 160 in stream.heard
    assert second.told == []
    second.close()


async def test_app_and_agent_may_be_mixed(autojump_clock: MockClock, scene: Scene) -> None:
    call, stream = scene.call(agents=(), mix=lambda frames: frames[-1])
    await trio.sleep(0.1)
    app = App(scene.relay).publish()
    with pytest.raises(RequestRefused, match="taken by an app"):
        App(scene.relay).publish()  # the same track
    assert call.downlink.speakers == [Speaker.AGENT, Speaker.APP]
    await app.say(b"\2\0" * 160)
    await trio.sleep(0.1)
    assert 2 in stream.heard
    app.close()


@pytest.mark.parametrize(
    ("name", "capability"),
    [(b"audio.mp3", ""), (b"chat", ""), (b"audio", "video/h264"), (b"audio", "voice/pcm16;rate=44100"),
     (b"audio", "voice/\xff")],
)  # fmt: skip
async def test_what_cannot_be_heard_is_refused(
    autojump_clock: MockClock, scene: Scene, name: bytes, capability: str
) -> None:
    scene.call()
    await trio.sleep(0.1)
    with pytest.raises(RequestRefused) as refusal:
        App(scene.relay, name=name, capability=capability).publish()
    # NOT_SUPPORTED would be about PUBLISH itself (draft-ietf-moq-transport-18, 10.6.2).
    assert refusal.value.code == RequestError.UNINTERESTED


async def test_a_catalog_of_the_downlink_is_its_publishers(autojump_clock: MockClock, scene: Scene) -> None:
    call, _ = scene.call()
    await trio.sleep(0.1)
    catalog = App(scene.relay, name=b"catalog").publish()
    assert call.downlink.speakers == []
    catalog.close()


async def test_bad_payloads_are_heard_as_silence(autojump_clock: MockClock, scene: Scene) -> None:
    _, stream = scene.call()
    await trio.sleep(0.1)
    app = App(scene.relay).publish()
    await app.say(b"\1\0" * 160, b"odd", b"", b"\2\0" * 160)
    await trio.sleep(0.1)
    assert b"\1\0" * 160 + bytes(640) + b"\2\0" * 160 in stream.heard
    app.close()


async def test_a_sender_in_a_hurry_does_not_make_the_talk_late(
    autojump_clock: MockClock, scene: Scene
) -> None:
    _, stream = scene.call()
    await trio.sleep(0.1)
    app = App(scene.relay).publish()
    for _ in range(50):
        app.write(b"\1\0" * 160)
    await trio.sleep(0.04)
    assert 200 <= stream.queued_ms <= 320
    app.close()


async def test_an_app_may_put_an_empty_block_of_properties_in_front(
    autojump_clock: MockClock, scene: Scene
) -> None:
    _, stream = scene.call()
    await trio.sleep(0.1)
    app = App(scene.relay).publish()
    await app.say(*(EMPTY_BLOCK + level * 160 for level in (b"\1\0", b"\2\0")), b"no block")
    await trio.sleep(0.1)
    assert b"\1\0" * 160 + b"\2\0" * 160 + bytes(320) in stream.heard
    app.close()


DOWNLINK = FullTrackName(call_namespace("s1", "downlink"), PCM.track)


@pytest.fixture(params=["moqt-18", "moqt-16"])
def world(request: pytest.FixtureRequest, scene: Scene) -> Iterator[World]:
    """Peers of the relay."""
    world = World(scene.relay, request.param)
    yield world
    world.close()


async def test_peers_take_turns(autojump_clock: MockClock, scene: Scene, world: World) -> None:
    call, stream = scene.call()
    await trio.sleep(0.1)
    one, two = world.connect(), world.connect()
    track = one.publish(DOWNLINK)
    two.session.publish(DOWNLINK)
    refusal = two.answer()
    assert (refusal.code, refusal.retry_ms) == (RequestError.UNINTERESTED, RETRY_MS)
    one.send(track, 7, b"\1\0" * 160)
    world.settle()
    one.leave()
    track = two.publish(DOWNLINK)
    two.send(track, 7, b"\2\0" * 160)
    await world.later(0.2)
    assert b"\2\0" * 160 in stream.heard
    assert call.downlink.speakers == [Speaker.APP]
    call.hangup(Cause(Reason.NORMAL, Party.NODE))
    await call.wait()
    assert len(two.take("cancelled")) == 1


async def test_who_came_before_the_call_is_heard(
    autojump_clock: MockClock, scene: Scene, world: World
) -> None:
    one, two = world.connect(), world.connect()
    track = one.publish(DOWNLINK)
    two.publish(FullTrackName(DOWNLINK.namespace, b"audio.g711_ulaw"))
    _, stream = scene.call()
    await world.later(0.1)
    assert len(two.take("cancelled")) == 1
    one.send(track, 1, b"\1\0" * 160)
    await world.later(0.2)
    assert b"\1\0" * 160 in stream.heard


@opus
async def test_a_publisher_of_the_namespace_is_asked(
    autojump_clock: MockClock, scene: Scene, world: World
) -> None:
    call, stream = scene.call()
    await trio.sleep(0.1)
    peer = world.connect()
    peer.announce(FullTrackName(DOWNLINK.namespace, b"audio"), serve=False)
    asked = peer.asked()
    peer.session.accept(asked)
    world.settle()
    assert call.downlink.speakers == [Speaker.APP]
    encoder, said = VoiceEncoder(DEFAULT_FORM), speech(0.5)
    for group, at in enumerate(range(0, len(said), FRAME)):
        peer.send(asked, group, encoder.encode(said[at : at + FRAME], 8000))
        await world.later(0.02)
    await trio.sleep(0.2)
    sent, got = (Sound(np.frombuffer(bytes(data), np.int16), 8000) for data in (said, stream.heard))
    assert compare(sent, got).correlation > 0.9


async def _with_relay(trial: Trial, play: Play) -> None:
    """A stage and a relay, which must be empty at the end."""
    relay = Relay(OpenGate())
    await on_fakes(trial, lambda stage: play(Scene(relay, stage)))
    if relay.router.tracks or len(relay.router.claims):
        trial.problems.append(f"left on the relay: {list(relay.router.tracks)}")


async def _both_ways(scene: Scene) -> None:
    call, _ = scene.call(leg={"end_after_s": 0.2})
    with scene.relay.subscribe(uplink(PCM), rendezvous_s=1) as subscription, trio.move_on_after(1):
        async for _ in subscription:
            break
        app = App(scene.relay).publish()
        try:
            await app.say(b"\1\0" * 160, b"\2\0" * 160)
        finally:
            app.close()
    await call.wait()


BOTH_WAYS = Story("tracks both ways", _both_ways, setting=_with_relay)


def test_the_story_of_both_tracks() -> None:
    run_story(BOTH_WAYS)


@pytest.mark.parametrize("mode", ["cancel", "raise"])
def test_nothing_is_left_wherever_it_is_struck(mode: Mode) -> None:
    report = cancel_everywhere(BOTH_WAYS, mode)
    assert not report.leftovers, str(report)
    assert report.checkpoints > 30
