"""Who may do what: tokens of sessions and of requests, their end, and owners of namespaces."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import attrs
import pytest
import trio
from trio.testing import MockClock

from clutch.auth.errors import TokenError
from clutch.auth.grants import Grant
from clutch.auth.patterns import Pattern
from clutch.relay import ACCEPTED, Decision, PublishAttempt, Relay, RelayLimits, SessionInfo
from clutch.wire.moqt import messages as m
from clutch.wire.moqt.codes import DoneStatus, RequestError, SessionError
from clutch.wire.moqt.names import FullTrackName, Location
from clutch.wire.moqt.parameters import Token
from clutch.wire.moqt.session_request import Kind
from tests.relay.conftest import AUDIO, OTHER
from tests.relay.world import Client, World

DOWNLINK = FullTrackName.parse("voice/a1/downlink", "audio")


@attrs.define
class Words:
    """A gate whose tokens are words."""

    gone: str = ""
    """Tokens that do not count any more."""
    seen: list[SessionInfo] = attrs.field(factory=list)

    def admit(self, token: bytes | None, session: SessionInfo) -> Grant:
        """See `Gate.admit`."""
        self.seen.append(session)
        word = (token or b"").decode()
        if word not in ("uplink", "downlink", "all"):
            raise TokenError("malformed" if word == "???" else "unauthorized", "no such word")
        everything = (Pattern.parse("**"),)
        mine = everything if word == "all" else (Pattern.parse(f"voice/*/{word}"),)
        return Grant("tenant", word, mine, everything if word == "all" else mine)

    def check(self, grant: Grant) -> None:
        """See `Gate.check`."""
        if grant.subject in self.gone:
            raise TokenError("expired", "the token has expired")


@pytest.fixture
def gate() -> Words:
    """Who decides."""
    return Words()


@pytest.fixture
async def guarded(gate: Words, limits: RelayLimits) -> AsyncIterator[World]:
    """A relay that asks for tokens."""
    relay = Relay(gate, limits)
    async with trio.open_nursery() as nursery:
        await nursery.start(relay.run)
        world = World(relay, "moqt-18")
        yield world
        world.close()
        nursery.cancel_scope.cancel()
    assert (relay.peers, relay.router.tracks, relay.router.timers.waiting) == ({}, {}, 0)


def _closed(client: Client) -> tuple[int, str]:
    ((closed,),) = client.take("closed")
    return closed.code, closed.reason


@pytest.mark.parametrize(
    ("token", "code"),
    [
        (None, SessionError.UNAUTHORIZED),
        (b"nonsense", SessionError.UNAUTHORIZED),
        (b"???", SessionError.MALFORMED_AUTH_TOKEN),
    ],
)
async def test_who_has_no_right_to_be_here(
    autojump_clock: MockClock, guarded: World, token: bytes | None, code: SessionError
) -> None:
    client = guarded.connect(token=token)
    assert _closed(client) == (code, "no such word")
    assert guarded.relay.snapshot()["sessions"] == 0


async def test_everything_is_gated(autojump_clock: MockClock, guarded: World) -> None:
    client = guarded.connect(token=b"uplink")
    session = client.session
    client.publish(AUDIO)
    assert isinstance(client.answer(), m.RequestOk)
    session.publish(DOWNLINK)
    assert client.answer().code == RequestError.UNAUTHORIZED
    session.publish_namespace((b"video",))
    assert client.answer().code == RequestError.UNAUTHORIZED
    session.publish_namespace((b"voice",))  # of which some may be its own
    assert isinstance(client.answer(), m.RequestOk)
    session.subscribe(DOWNLINK)
    assert client.answer().code == RequestError.UNAUTHORIZED
    session.fetch(m.StandaloneFetch(DOWNLINK, Location(0, 0), Location(0, 0)))
    assert client.answer().code == RequestError.UNAUTHORIZED
    session.track_status(DOWNLINK)
    assert client.answer().code == RequestError.UNAUTHORIZED
    for ask in (session.subscribe_namespace, session.subscribe_tracks):
        ask((b"video",))
        assert client.answer().code == RequestError.UNAUTHORIZED


async def test_what_is_found_is_only_what_may_be_heard(autojump_clock: MockClock, guarded: World) -> None:
    publisher, watcher = guarded.connect(token=b"all"), guarded.connect(token=b"uplink")
    watcher.session.subscribe_namespace((b"voice",))
    watcher.session.subscribe_tracks((b"voice",))
    guarded.settle()
    for name in (AUDIO, DOWNLINK):
        publisher.announce(name)
        publisher.publish(name)
    assert [suffix for _, suffix in watcher.take("announced")] == [(b"a1", b"uplink")]
    assert [request.name for (request,) in watcher.take("requested")] == [AUDIO]


async def test_a_namespace_brings_only_tracks_that_may_be_published(
    autojump_clock: MockClock, guarded: World
) -> None:
    publisher, subscriber = guarded.connect(token=b"uplink"), guarded.connect(token=b"all")
    publisher.announce(FullTrackName((b"voice",), b""))
    subscriber.subscribe(DOWNLINK)
    assert subscriber.answer().code == RequestError.DOES_NOT_EXIST
    subscriber.subscribe(AUDIO)
    assert isinstance(subscriber.answer(), m.SubscribeOk)


async def test_a_request_may_have_its_own_token(autojump_clock: MockClock, guarded: World) -> None:
    client = guarded.connect(token=b"uplink")
    client.publish(DOWNLINK, authorization=(Token.of(b"downlink"),))
    client.session.publish(
        OTHER, m.Publish(0, OTHER, 0).parameters.__class__(authorization=(Token.of(b"no"),))
    )
    assert client.answer().code == RequestError.UNAUTHORIZED


async def test_a_grant_that_ends_ends_the_session(
    autojump_clock: MockClock, guarded: World, gate: Words
) -> None:
    one, two = guarded.connect(token=b"uplink"), guarded.connect(token=b"all")
    one.publish(AUDIO)
    two.subscribe(AUDIO)
    await guarded.later(5)
    gate.gone = "uplink"
    await guarded.later(1.5)
    assert _closed(one) == (SessionError.EXPIRED_AUTH_TOKEN, "the token has expired")
    ((_, done),) = two.take("finished")
    assert done.status == DoneStatus.TRACK_ENDED
    assert two.take("closed") == []


async def test_the_gate_knows_who_asks(autojump_clock: MockClock, guarded: World, gate: Words) -> None:
    guarded.connect(token=b"all")
    guarded.connect(token=b"all")
    assert [info.number for info in gate.seen] == [1, 2]
    assert (gate.seen[0].protocol, gate.seen[0].kind) == ("moqt-18", "quic")


def _one_at_a_time() -> tuple[list[PublishAttempt], Callable[[PublishAttempt], Decision]]:
    """A downlink: one publisher at a time."""
    here: list[PublishAttempt] = []

    def decide(attempt: PublishAttempt) -> Decision:
        if here:
            return Decision(RequestError.UNINTERESTED, "somebody speaks", retry_ms=500)
        here.append(attempt)
        return Decision(ended=here.clear)

    return here, decide


async def test_an_owner_of_a_namespace_decides(autojump_clock: MockClock, world: World) -> None:
    here, decide = _one_at_a_time()
    claim = world.relay.claim(DOWNLINK.namespace, decide)
    one, two = world.connect(), world.connect()
    track = one.publish(DOWNLINK)
    assert (here[0].name, here[0].session) == (DOWNLINK, 1)
    two.session.publish(DOWNLINK)
    answer = two.answer()
    assert (answer.code, answer.reason) == (RequestError.UNINTERESTED, "somebody speaks")
    assert answer.retry_ms == 500
    one.session.finish(track, DoneStatus.TRACK_ENDED)
    world.settle()
    assert here == []
    two.publish(DOWNLINK)
    assert here[0].session == 2
    two.leave()
    assert here == []
    one.publish(AUDIO)  # of which nobody is the owner
    claim.close()
    claim.close()
    one.publish(DOWNLINK)
    assert here == []


async def test_an_owner_throws_a_publisher_out(autojump_clock: MockClock, world: World) -> None:
    here, decide = _one_at_a_time()
    claim = world.relay.claim(DOWNLINK.namespace, decide)
    peer = world.connect()
    with world.relay.subscribe(DOWNLINK) as heard:
        track = peer.publish(DOWNLINK)
        peer.send(track, 0, b"x")
        world.settle()
        attempt = here[0]
        attempt.end("the agent speaks")
        attempt.end("again")
        assert (here, heard.live) == ([], False)
        assert len(peer.take("cancelled")) == 1
        peer.publish(DOWNLINK)
        assert heard.live
    claim.close()


async def test_an_owner_decides_about_tracks_of_namespaces_as_well(
    autojump_clock: MockClock, world: World
) -> None:
    here, decide = _one_at_a_time()
    claim = world.relay.claim(DOWNLINK.namespace, decide)
    one, two = world.connect(), world.connect()
    with world.relay.subscribe(DOWNLINK) as heard:
        one.announce(DOWNLINK, serve=False)
        two.announce(DOWNLINK, serve=False)
        for peer in (one, two):
            request = peer.asked()
            assert request.kind is Kind.SUBSCRIBE
            peer.session.accept(request)
            world.settle()
        assert len(here) == 1
        assert heard.live
        assert one.take("cancelled") == []
        assert len(two.take("cancelled")) == 1
    await world.later(3)
    assert here == []
    claim.close()


async def test_a_new_owner_decides_about_those_who_are_there(autojump_clock: MockClock, world: World) -> None:
    here, decide = _one_at_a_time()
    one, two, other = world.connect(), world.connect(), world.connect()
    one.publish(DOWNLINK)
    two.publish(FullTrackName(DOWNLINK.namespace, b"second"))
    other.publish(AUDIO)
    claim = world.relay.claim(DOWNLINK.namespace, decide)
    assert [attempt.session for attempt in here] == [1]
    assert len(two.take("cancelled")) == 1
    assert other.take("cancelled") == []
    one.leave()
    assert here == []
    claim.close()


async def test_all_owners_must_agree(autojump_clock: MockClock, world: World) -> None:
    here, decide = _one_at_a_time()
    claims = [
        world.relay.claim((), lambda attempt: ACCEPTED),
        world.relay.claim((b"voice",), decide),
        world.relay.claim(DOWNLINK.namespace, lambda attempt: Decision(RequestError.UNAUTHORIZED, "no")),
    ]
    peer = world.connect()
    peer.session.publish(DOWNLINK)
    assert peer.answer().reason == "no"
    assert here == []  # its yes was taken back
    for claim in claims:
        claim.close()
