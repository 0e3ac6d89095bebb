"""SETUP, early data, limits, time and the end of a session."""

from __future__ import annotations

import math

import pytest
import trio

from clutch.net.moqt.session import MoqtSession
from clutch.net.quic.engine import Limits
from clutch.net.quic.memory import MemoryStream, join
from clutch.wire.moqt import messages as m
from clutch.wire.moqt.codes import DoneStatus, RequestError, ResetCode, SessionError
from clutch.wire.moqt.errors import LocalProtocolError
from clutch.wire.moqt.names import FullTrackName
from clutch.wire.moqt.parameters import AliasType, Parameters, Token
from clutch.wire.moqt.session_events import SessionLimits
from clutch.wire.moqt.session_request import State
from clutch.wire.moqt.setup import Options
from tests.net.moqt.kit import OTHER, TRACK, Scribe, Two, two, victim

DRAFTS = pytest.mark.parametrize("alpn", ["moqt-18", "moqt-16"])
TOKEN = Token.of(b"secret")


def track(number: int) -> FullTrackName:
    """One of many."""
    return FullTrackName((b"voice", b"%d" % number), b"audio")


@DRAFTS
def test_requests_before_setup_wait_for_it(alpn: str) -> None:
    """The client asks at once; draft 16 has no leave to ask before SERVER_SETUP, draft 18 needs none."""
    made = two(alpn)
    fresh = join(
        MoqtSession(client := Scribe(), clock=made.clock),
        MoqtSession(server := Scribe(), clock=made.clock),
        protocol=alpn,
    )
    session = fresh.client.handler
    assert isinstance(session, MoqtSession)
    ours = session.subscribe(TRACK)
    fresh.server._mail.reverse()  # the request overtakes SETUP, if they are on two streams
    fresh.deliver()
    assert [call[0] for call in server.take()] == ["ready", "requested"]
    assert client.take() == [("ready",)]
    assert ours.state is State.PENDING


def test_too_much_before_setup() -> None:
    made = victim("moqt-18", limits=SessionLimits(early_bytes=380), setup=False)
    first = made.puppet.ask(m.Subscribe(0, TRACK))
    second = made.puppet.ask(m.Subscribe(2, FullTrackName((b"x" * 100,), b"")))
    made.deliver()
    assert made.puppet.resets == [(second, ResetCode.EXCESSIVE_LOAD)]
    third = made.puppet.ask(m.Subscribe(4, OTHER))
    made.deliver()
    third.reset(1)
    made.puppet.setup()
    made.deliver()
    assert [call[0] for call in made.scribe.take()] == ["ready", "requested"]
    assert made.session.requests[0].id == 0
    assert first.unsent == 0


def test_too_many_small_messages_before_setup() -> None:
    made = victim("moqt-18", limits=SessionLimits(early_bytes=1_000), setup=False)
    stream = made.puppet.ask(m.Subscribe(0, TRACK))
    for number in range(2, 22, 2):
        stream.write(made.puppet.draft.encode(m.RequestUpdate(number)))
    made.deliver()
    assert made.puppet.resets == [(stream, ResetCode.EXCESSIVE_LOAD)]
    assert isinstance(stream, MemoryStream)
    assert (stream.twin.context.held, stream.twin.context.finished) == ([], True)


@DRAFTS
def test_no_setup(alpn: str) -> None:
    made = victim(alpn, setup=False)
    made.later(9.9)
    assert made.code is None
    made.later(0.2)
    assert made.code is SessionError.CONTROL_MESSAGE_TIMEOUT


def test_a_server_of_draft_16_asks_only_after_setup() -> None:
    made = victim("moqt-16", setup=False)
    with pytest.raises(LocalProtocolError, match="SETUP"):
        made.session.subscribe(TRACK)
    made.session.goaway()  # nothing yet to say it on
    assert made.session.deadline() == 10.0


def test_replayed_requests_are_marked(both18: Two) -> None:
    both18.pair.server.early = True
    both18.client.subscribe(TRACK)
    assert both18.asked().early
    both18.pair.server.early = False
    both18.client.subscribe(OTHER)
    assert not both18.asked().early


@DRAFTS
def test_tokens(alpn: str) -> None:
    made = victim(alpn, setup=False)
    made.deliver()
    register = Token(AliasType.REGISTER, 1, 0, b"secret")
    made.puppet.setup(Options(authorization=(register, TOKEN), max_request_id=100))
    made.deliver()
    assert made.session.tokens == (TOKEN, TOKEN)
    use, delete = Token(AliasType.USE_ALIAS, 1), Token(AliasType.DELETE, 1)
    made.puppet.ask(m.Subscribe(0, TRACK, Parameters(authorization=(use,))))
    made.puppet.ask(m.Subscribe(2, OTHER, Parameters(authorization=(use, TOKEN))))
    made.puppet.ask(m.Subscribe(4, track(1), Parameters(authorization=(delete,))))
    made.puppet.ask(m.Subscribe(6, track(2), Parameters(authorization=(register,))))
    made.deliver()
    assert [call[1].tokens for call in made.scribe.take()[1:]] == [(TOKEN,), (), (TOKEN,)]
    assert made.puppet.errors() == [RequestError.MALFORMED_AUTH_TOKEN]  # one token, twice
    assert "secret" not in repr(made.session)
    assert made.code is None


@DRAFTS
def test_a_token_that_does_not_fit_into_setup_is_used_once(alpn: str) -> None:
    made = victim(alpn, setup=False, limits=SessionLimits(token_bytes=0))
    made.deliver()
    made.puppet.setup(Options(authorization=(Token(AliasType.REGISTER, 1, 0, b"secret"),)))
    made.deliver()
    assert made.session.tokens == (TOKEN,)


def test_an_update_brings_a_new_token(both: Two) -> None:
    ours, theirs = both.subscribed()
    both.client.update(ours, Parameters(authorization=(TOKEN,)))
    both.deliver()
    assert theirs.tokens == (TOKEN,)


def test_too_many_requests(both18: Two) -> None:
    made = two("moqt-18", limits=SessionLimits(requests=3, namespaces=2))
    for number in range(4):
        made.client.subscribe(track(number))
    made.deliver()
    refused = [call[2] for call in made.at_client.take() if call[0] == "answered"]
    assert [(answer.code, answer.retry_ms) for answer in refused] == [(RequestError.EXCESSIVE_LOAD, 1000)]
    made.client.cancel(made.client.requests[0])
    made.client.subscribe(track(9))
    made.deliver()
    assert made.at_client.take() == []


@DRAFTS
def test_too_many_namespaces(alpn: str) -> None:
    made = two(alpn, limits=SessionLimits(namespaces=2))
    made.at_client.take()
    for number in range(3):
        made.client.publish_namespace(track(number).namespace)
    made.deliver()
    assert len(made.server.requests) == 2
    assert made.at_client.one("answered")[0].state is State.ENDED


@DRAFTS
def test_more_namespaces_than_this_side_cares_to_hear_of(alpn: str) -> None:
    made = two(alpn, client_limits=SessionLimits(announced=2))
    ours = made.client.subscribe_namespace(())
    theirs = made.asked()
    made.server.accept(theirs)
    for number in range(3):
        made.server.announce(theirs, (b"%d" % number,))
    made.deliver()
    assert [call[0] for call in made.at_client.take()][-3:] == ["announced", "announced", "cancelled"]
    assert ours.state is theirs.state is State.ENDED


def test_max_request_id_grows_as_requests_end() -> None:
    made = two("moqt-16", limits=SessionLimits(requests=4))
    made.at_client.take()
    asked = [made.client.subscribe(track(number)) for number in range(6)]
    made.deliver()
    waiting = [call[1] for call in made.at_server.take() if call[0] == "requested"]
    assert [request.id for request in waiting] == [0, 2, 4, 6]  # the rest waits at the client
    made.server.reject(waiting[0], RequestError.DOES_NOT_EXIST)
    made.deliver()
    assert made.at_server.take() == []  # half a window at a time
    made.server.reject(waiting[1], RequestError.DOES_NOT_EXIST)
    made.deliver()
    assert [call[1].id for call in made.at_server.take()] == [8, 10]
    made.client.cancel(asked[4])
    made.client.cancel(asked[5])
    made.deliver()
    assert [call[0] for call in made.at_server.take()] == ["cancelled", "cancelled"]


def test_requests_blocked_is_said_once() -> None:
    made = victim("moqt-16", server=False, setup=False)
    for number in range(3):
        made.session.subscribe(track(number))
    made.session.cancel(made.session.requests[2])
    made.deliver()
    made.puppet.setup(Options(max_request_id=2))
    made.deliver()
    assert made.puppet.heard(m.RequestsBlocked) == [m.RequestsBlocked(2)]
    assert [message.request_id for message in made.puppet.heard(m.Subscribe)] == [0]
    made.puppet.say(made.puppet.control, m.MaxRequestId(100), m.RequestsBlocked(7))
    made.deliver()
    assert [message.request_id for message in made.puppet.heard(m.Subscribe)] == [0, 2, 4]
    assert made.puppet.heard(m.Unsubscribe) == [m.Unsubscribe(4)]  # in its turn
    assert made.code is None


def test_requests_that_no_stream_is_free_for(both18: Two) -> None:
    both18.pair.client.limits = Limits(session_unsent=200)
    both18.pair.client.credit = 0
    asked = [both18.client.subscribe(track(number)) for number in range(12)]
    both18.client.cancel(asked[-1])
    both18.client.update(asked[-2], Parameters(forward=False))
    both18.deliver()
    assert both18.at_server.take() == []
    both18.pair.client.credit = math.inf
    both18.deliver()
    assert len([call for call in both18.at_server.take() if call[0] == "requested"]) == 11
    assert len(both18.server.requests) == 11


@DRAFTS
def test_a_peer_that_takes_no_requests(alpn: str) -> None:
    made = victim(alpn, server=False, setup=False, limits=SessionLimits(requests=3))
    made.pair.client.limits = Limits(session_unsent=1)
    made.pair.client.credit = 0
    for number in range(4 if made.puppet.draft.request_streams else 3):  # one goes into the stack
        made.session.subscribe(track(number))
    with pytest.raises(LocalProtocolError, match="no more requests"):
        made.session.subscribe(TRACK)


@DRAFTS
def test_an_answer_that_does_not_come(alpn: str) -> None:
    made = victim(alpn, server=False)
    made.session.subscribe(TRACK, Parameters(rendezvous_timeout_ms=20_000))
    made.deliver()
    made.later(49)
    assert made.code is None
    made.later(2)
    assert made.code is SessionError.CONTROL_MESSAGE_TIMEOUT


@DRAFTS
def test_an_answer_to_an_update_that_does_not_come(alpn: str) -> None:
    made = victim(alpn, server=False)
    ours = made.session.subscribe(TRACK)
    made.deliver()
    made.puppet.answer(m.SubscribeOk(1))
    made.deliver()
    made.later(60)
    made.session.update(ours, Parameters(forward=False))
    made.later(31)
    assert made.code is SessionError.CONTROL_MESSAGE_TIMEOUT


@DRAFTS
def test_a_message_that_does_not_end(alpn: str) -> None:
    made = victim(alpn)
    assert made.puppet.control is not None
    made.puppet.control.write(b"\x10")
    made.deliver()
    made.later(11)
    assert made.code is SessionError.CONTROL_MESSAGE_TIMEOUT


@DRAFTS
def test_messages_that_never_quite_end(alpn: str) -> None:
    made = victim(alpn)
    assert made.puppet.control is not None
    goaway = made.puppet.draft.encode(m.Goaway(request_id=1))
    made.puppet.control.write(goaway[:1])
    for byte in goaway[1:4]:
        made.deliver()
        made.later(4)
        made.puppet.control.write(bytes([byte]))
    assert made.code is SessionError.CONTROL_MESSAGE_TIMEOUT


def test_a_request_stream_without_a_request() -> None:
    made = victim("moqt-18")
    stream = made.puppet.session.open_bidi(b"")
    assert stream is not None
    made.deliver()
    stream.write(b"", fin=True)
    made.deliver()
    made.later(11)
    assert made.code is None  # it has ended, and asked for nothing
    made.puppet.session.open_bidi(b"\3")
    made.deliver()
    made.later(11)
    assert made.code is SessionError.CONTROL_MESSAGE_TIMEOUT


def test_answers_wait_for_room(both: Two) -> None:
    first, second = both.client.track_status(TRACK), both.client.track_status(OTHER)
    both.deliver()
    asked = [call[1] for call in both.at_server.take()]
    stack = both.pair.server
    stack.limits, stack.credit = Limits(stream_unsent=2, session_unsent=3), 0
    for request in asked:
        both.server.accept(request)
    both.deliver()
    assert both.at_client.take() == []
    stack.credit = 5
    both.deliver()
    stack.credit = math.inf
    both.deliver()
    assert [call[1] for call in both.at_client.take()] == [first, second]
    assert both.client.requests == both.server.requests == []
    assert not both.server._link._unsent


def test_a_peer_that_does_not_read_its_answers(both18: Two) -> None:
    made = two("moqt-18", limits=SessionLimits(control_unsent=500))
    made.client.subscribe_namespace(())
    theirs = made.asked()
    made.server.accept(theirs)
    made.deliver()
    made.pair.server.limits = Limits(stream_unsent=100)
    made.pair.server.credit = 0
    for number in range(100):
        made.server.announce(theirs, (b"%d" % number,))
    assert made.at_server.one("cancelled") == (theirs, ResetCode.EXCESSIVE_LOAD)
    made.pair.server.credit = math.inf
    made.deliver()
    assert made.at_client.one("cancelled")[1] == ResetCode.EXCESSIVE_LOAD


def test_a_peer_that_does_not_read_at_all() -> None:
    made = two("moqt-16", limits=SessionLimits(control_unsent=500))
    made.pair.server.limits = Limits(stream_unsent=100)
    made.pair.server.credit = 0
    for number in range(100):
        if not made.server.over:
            made.server.subscribe(track(number))
    made.deliver()
    assert made.at_server.one("closed")[0].code == SessionError.INTERNAL_ERROR


@DRAFTS
def test_going_away(alpn: str) -> None:
    made = two(alpn)
    ours, theirs = made.subscribed()
    made.server.goaway("moqt://else", 5_000)
    made.server.goaway("moqt://third")  # once is enough
    late = made.client.subscribe(OTHER)  # before it has heard
    made.deliver()
    calls = made.at_client.take()
    said = 5_000 if made.draft.request_streams else 0
    assert ("goaway", "moqt://else", said, None) in calls
    assert made.client.going_away
    assert made.server.going_away
    assert late.state is State.ENDED
    with pytest.raises(LocalProtocolError, match="going away"):
        made.client.subscribe(OTHER)
    made.later(4)
    assert not made.client.over
    made.later(2)
    assert made.at_client.one("closed")[0].code == SessionError.GOAWAY_TIMEOUT
    assert ours.state is theirs.state is State.ENDED


@DRAFTS
def test_going_away_with_nothing_left(alpn: str) -> None:
    made = two(alpn)
    made.server.goaway("", 1_000)
    made.deliver()
    made.later(2)
    assert made.at_client.one("closed")[0].code == SessionError.NO_ERROR


def test_a_client_goes_away(both: Two) -> None:
    both.client.goaway()
    both.deliver()
    assert both.at_server.one("goaway")[0] == ""


def test_a_request_is_to_go_on_elsewhere() -> None:
    made = victim("moqt-18", server=False)
    ours = made.session.subscribe(TRACK)
    made.deliver()
    made.puppet.answer(m.SubscribeOk(1), m.Goaway("moqt://else", 100))
    made.deliver()
    assert made.scribe.take()[-1] == ("goaway", "moqt://else", 100, ours)


def test_many_ids_left_out() -> None:
    """Requests that were reset before they were read leave holes; that is no crime."""
    made = victim("moqt-18", limits=SessionLimits(requests=10_000))
    for number in range(2, 9_000, 2):
        made.puppet.ask(m.TrackStatus(number, track(number)))
    made.deliver()
    assert made.code is None


@DRAFTS
def test_updates_of_a_request_that_is_not_answered(alpn: str) -> None:
    made = victim(alpn)
    stream = made.puppet.ask(m.Subscribe(0, TRACK))
    existing = None if made.puppet.draft.request_streams else 0
    for number in range(2, 140, 2):
        if number < 100 or existing is None:
            made.puppet.say(stream, m.RequestUpdate(number, existing_request_id=existing))
    made.deliver()
    if existing is None:
        assert made.puppet.errors() == [RequestError.EXCESSIVE_LOAD]
        assert [call[0] for call in made.scribe.take()] == ["requested", "cancelled"]
    assert made.code is None


async def test_run_keeps_the_deadlines(autojump_clock: trio.testing.MockClock) -> None:
    server = MoqtSession(scribe := Scribe())
    client = MoqtSession(Scribe())
    pair = join(client, server, protocol="moqt-18", clock=trio.current_time)
    pair.deliver()
    scribe.take()
    begun = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.run)
        await trio.testing.wait_all_tasks_blocked()
        server.subscribe(TRACK)
        server.goaway("", 3_000)  # sooner than the answer is due
        await trio.sleep(4)
        pair.deliver()
    assert scribe.one("closed")[0].code == SessionError.GOAWAY_TIMEOUT
    assert trio.current_time() - begun == 4


def test_an_error_at_a_deadline_ends_the_session(both: Two, caplog: pytest.LogCaptureFixture) -> None:
    def fail(*_: object) -> None:
        raise ValueError("a bug")

    ours, theirs = both.subscribed()
    both.server.finish(theirs, DoneStatus.TRACK_ENDED, streams=9)  # more than there were: wait for them
    both.deliver()
    both.at_client.on["finished"] = fail
    assert ours.state is State.DONE
    both.later(5)
    assert "a bug" in caplog.text
    assert both.at_client.take()[-1][0] == "closed"


def test_before_it_is_opened_there_is_nothing_to_end() -> None:
    session = MoqtSession(Scribe())
    session.goaway()
    session.close()
    assert not session.over
