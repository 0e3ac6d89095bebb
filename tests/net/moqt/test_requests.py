"""Every request, from asking to its end, in both drafts."""

from __future__ import annotations

import pytest

from clutch.wire.moqt import messages as m
from clutch.wire.moqt.codes import DoneStatus, RequestError, ResetCode
from clutch.wire.moqt.errors import LocalProtocolError
from clutch.wire.moqt.fetch import EndOfRange, FetchObject
from clutch.wire.moqt.names import FullTrackName, Location
from clutch.wire.moqt.parameters import GroupOrder, Parameters
from clutch.wire.moqt.properties import Properties
from clutch.wire.moqt.session_books import Refusal
from clutch.wire.moqt.session_request import Kind, State
from clutch.wire.moqt.setup import Options
from tests.net.moqt.kit import OTHER, TRACK, Two, two, victim

VOICE = (b"voice",)
CALL = (b"voice", b"ab12")
ITEMS: list[FetchObject | EndOfRange] = [
    FetchObject(4, 0, b"a"),
    FetchObject(4, 1, b"b"),
    EndOfRange(5, 7, unknown=True),
    FetchObject(6, 0, b"c"),
]


DRAFTS = pytest.mark.parametrize("alpn", ["moqt-18", "moqt-16"])


def nothing_left(both: Two) -> None:
    """Both sides have forgotten every request, and nothing waits."""
    assert both.client.requests == both.server.requests == []
    both.pair.deliver()
    assert both.client.deadline() is both.server.deadline() is None


def test_a_fetch(both: Two) -> None:
    ours = both.client.fetch(m.StandaloneFetch(TRACK, Location(4, 0), Location(7, 0)))
    theirs = both.asked()
    assert (theirs.kind, theirs.name) == (Kind.FETCH, TRACK)
    stream = both.server.open_fetch(theirs)
    assert stream is not None
    assert all(stream.write(item) for item in ITEMS)
    both.deliver()
    assert both.at_client.take() == [("fetched", ours, [item]) for item in ITEMS]  # before FETCH_OK
    both.server.accept(theirs, end=Location(7, 0), properties=Properties.of((0x30, 1)))
    stream.finish()
    both.deliver()
    request, answer = both.at_client.heard[0][1:]
    assert (request, answer.end) == (ours, Location(7, 0))
    assert ours.properties.number(0x30) == 1
    assert both.at_client.heard[1] == ("fetch_ended", ours, None)
    nothing_left(both)


def test_a_fetch_of_the_last_group_first(both: Two) -> None:
    down = Parameters(group_order=GroupOrder.DESCENDING)
    ours = both.client.fetch(m.StandaloneFetch(TRACK, Location(0, 0), Location(9, 0)), down)
    theirs = both.asked()
    both.server.accept(theirs, end=Location(9, 0))
    stream = both.server.open_fetch(theirs)
    assert stream is not None
    for group in (9, 7, 2):
        stream.write(FetchObject(group, 0, b"x"))
    stream.finish()
    both.deliver()
    fetched = [item for call in both.at_client.take() if call[0] == "fetched" for item in call[2]]
    assert [item.group for item in fetched] == [9, 7, 2]
    assert ours.state is State.ENDED
    nothing_left(both)


def test_a_fetch_that_fails_after_its_first_objects(both: Two) -> None:
    ours = both.client.fetch(m.StandaloneFetch(TRACK, Location(0, 0), Location(9, 0)))
    theirs = both.asked()
    stream = both.server.open_fetch(theirs)
    assert stream is not None
    stream.write(FetchObject(1, 0, b"x"))
    both.deliver()
    both.server.reject(theirs, RequestError.INTERNAL_ERROR)
    both.deliver()
    assert stream.over
    assert both.at_client.one("answered")[1].code == RequestError.INTERNAL_ERROR
    assert ours.state is State.ENDED
    nothing_left(both)


def test_a_fetch_that_is_reset(both: Two) -> None:
    ours = both.client.fetch(m.StandaloneFetch(TRACK, Location(0, 0), Location(9, 0)))
    theirs = both.asked()
    both.server.accept(theirs, end=Location(9, 0))
    stream = both.server.open_fetch(theirs)
    assert stream is not None
    both.deliver()
    stream.reset(ResetCode.UNKNOWN_OBJECT_STATUS)
    both.deliver()
    assert both.at_client.one("fetch_ended") == (ours, ResetCode.UNKNOWN_OBJECT_STATUS)
    nothing_left(both)


def test_a_fetch_that_is_taken_back(both: Two) -> None:
    ours = both.client.fetch(m.StandaloneFetch(TRACK, Location(0, 0), Location(9, 0)))
    theirs = both.asked()
    both.server.accept(theirs, end=Location(9, 0))
    stream = both.server.open_fetch(theirs)
    both.deliver()
    both.client.cancel(ours)
    both.deliver()
    assert both.at_server.one("cancelled")[0] is theirs
    assert stream is not None
    assert stream.over
    nothing_left(both)


def test_a_fetch_that_joins_a_subscription(both: Two) -> None:
    ours, theirs = both.subscribed()
    if both.draft.number == 20:  # it has another way
        with pytest.raises(LocalProtocolError):
            both.client.fetch(m.JoiningFetch(ours.id, 2))
        return
    joining = both.client.fetch(m.JoiningFetch(ours.id, 2))
    asked = both.asked()
    assert asked.joined is theirs
    assert asked.name == joining.name == TRACK


@DRAFTS
def test_a_fetch_that_joins_nothing(alpn: str) -> None:
    made = victim(alpn)
    made.puppet.ask(m.Subscribe(0, TRACK, Parameters(forward=False)))
    made.puppet.ask(m.Publish(2, OTHER, 1))
    for number, wanted in ((4, 0), (6, 2), (8, 98)):
        made.puppet.ask(m.Fetch(number, m.JoiningFetch(wanted, 3)))
    made.deliver()
    nothing = RequestError.INVALID_JOINING_REQUEST_ID
    assert made.puppet.errors() == [RequestError.INVALID_RANGE, nothing, nothing]
    with pytest.raises(LocalProtocolError, match="no such subscription"):
        made.session.fetch(m.JoiningFetch(98, 2))


def test_the_status_of_a_track(both: Two) -> None:
    ours = both.client.track_status(TRACK)
    theirs = both.asked()
    both.server.accept(theirs, parameters=Parameters(largest=Location(3, 1)))
    both.deliver()
    answer = both.at_client.one("answered")[1]
    assert answer.parameters.largest == ours.parameters.largest == Location(3, 1)
    nothing_left(both)


def test_the_publisher_gives_up(both: Two) -> None:
    for answered in (True, False):
        ours = both.client.subscribe(TRACK)
        theirs = both.asked()
        if answered:
            both.server.accept(theirs)
        both.server.cancel(theirs)
        both.deliver()
        last = both.at_client.take()[-1]
        if both.draft.request_streams:
            assert last[:2] == ("cancelled", ours)
        else:
            assert last[:2] == ("finished" if answered else "answered", ours)
        nothing_left(both)


def test_a_subscriber_gives_up_a_publication(both: Two) -> None:
    ours = both.client.publish(TRACK)
    theirs = both.asked()
    both.server.accept(theirs)
    both.server.cancel(theirs)
    both.deliver()
    assert both.at_client.take()[-1][:2] == ("cancelled", ours)
    nothing_left(both)


def test_a_namespace_that_is_withdrawn(both: Two) -> None:
    ours = both.client.publish_namespace(CALL)
    theirs = both.asked()
    assert theirs.namespace == CALL
    both.server.accept(theirs)
    both.deliver()
    assert ours.state is State.ESTABLISHED
    both.client.cancel(ours)
    both.deliver()
    assert both.at_server.one("cancelled")[0] is theirs
    nothing_left(both)


def test_a_namespace_that_is_wanted_no_more(both: Two) -> None:
    ours = both.client.publish_namespace(CALL)
    theirs = both.asked()
    both.server.accept(theirs)
    both.server.cancel(theirs)
    both.deliver()
    assert both.at_client.one("cancelled")[0] is ours
    nothing_left(both)


def test_namespaces_come_and_go(both: Two) -> None:
    ours = both.client.subscribe_namespace(VOICE)
    theirs = both.asked()
    assert (theirs.prefix, theirs.wants_namespaces, theirs.wants_tracks) == (VOICE, True, False)
    both.server.accept(theirs)
    both.server.announce(theirs, (b"a",))
    both.server.announce(theirs, (b"a",))  # once is enough
    both.server.announce(theirs, ())
    both.server.withdraw(theirs, (b"a",))
    both.server.withdraw(theirs, (b"never",))
    both.deliver()
    assert [call[:1] + call[2:] for call in both.at_client.take()[1:]] == [
        ("announced", (b"a",)),
        ("announced", ()),
        ("withdrawn", (b"a",)),
    ]
    both.client.cancel(ours)
    both.deliver()
    assert both.at_server.one("cancelled")[0] is theirs
    nothing_left(both)


def test_a_subscription_to_tracks(both: Two) -> None:
    both.client.subscribe_tracks(VOICE)
    theirs = both.asked()
    assert (theirs.kind, theirs.wants_namespaces, theirs.wants_tracks) == (Kind.SUBSCRIBE_TRACKS, False, True)
    both.server.accept(theirs)
    both.server.publish(TRACK)
    both.deliver()
    (offered,) = both.at_client.one("requested")
    both.client.accept(offered)
    both.deliver()
    assert both.at_server.one("answered")[0].name == TRACK


def test_a_track_that_cannot_be_published(both18: Two) -> None:
    both18.client.subscribe_tracks(VOICE)
    theirs = both18.asked()
    both18.server.accept(theirs)
    both18.server.block(theirs, (b"ab12",), b"audio")
    both18.deliver()
    assert both18.at_client.one("blocked")[1:] == ((b"ab12",), b"audio")


def test_prefixes_that_overlap(both: Two) -> None:
    both.client.subscribe_namespace(CALL)
    both.server.accept(both.asked())
    with pytest.raises(LocalProtocolError, match="overlaps"):
        both.client.subscribe_namespace(VOICE)
    if both.draft.request_streams:  # each kind has its own space
        both.client.subscribe_tracks(VOICE)
        assert both.asked().prefix == VOICE
    both.client.subscribe_namespace((b"voice", b"cd34"))
    assert both.asked().prefix == (b"voice", b"cd34")


@DRAFTS
def test_a_prefix_that_overlaps_is_refused(alpn: str) -> None:
    made = victim(alpn)
    options = None if made.puppet.draft.request_streams else 1
    made.puppet.ask(m.SubscribeNamespace(0, CALL, options=options))
    made.puppet.ask(m.SubscribeNamespace(2, VOICE, options=options))
    made.deliver()
    assert made.puppet.errors() == [RequestError.PREFIX_OVERLAP]


def test_a_prefix_that_changes(both18: Two) -> None:
    first = both18.client.subscribe_namespace(CALL)
    theirs = both18.asked()
    both18.server.accept(theirs)
    both18.client.update(first, Parameters(prefix=()))
    both18.deliver()
    assert (first.prefix, theirs.prefix) == ((), ())
    assert both18.at_client.take()[-1][0] == "update_answered"


def test_a_prefix_that_changes_into_another(both18: Two) -> None:
    first = both18.client.subscribe_namespace(CALL)
    both18.server.accept(both18.asked())
    both18.client.subscribe_namespace((b"other",))
    both18.server.accept(both18.asked())
    both18.client.update(first, Parameters(prefix=()))
    both18.deliver()
    names = [call[0] for call in both18.at_client.take()]
    assert names == ["answered", "answered", "update_answered", "cancelled"]
    assert both18.at_server.one("cancelled")[0].id == first.id
    assert first not in both18.client.requests


@DRAFTS
@pytest.mark.parametrize("namespace", [(b".",), (b".session", b"x")])
def test_reserved_namespaces(alpn: str, namespace: tuple[bytes, ...]) -> None:
    made = victim(alpn)
    name = FullTrackName(namespace, b"t")
    with pytest.raises(LocalProtocolError, match="reserved"):
        made.session.subscribe(name)
    made.puppet.ask(m.Subscribe(0, name))
    made.deliver()
    assert made.puppet.errors() == [RequestError.DOES_NOT_EXIST]
    assert made.scribe.take() == []


@DRAFTS
def test_one_subscription_to_a_track_is_enough(alpn: str) -> None:
    made = victim(alpn)
    made.puppet.ask(m.Subscribe(0, TRACK))
    made.puppet.ask(m.Subscribe(2, TRACK))
    made.puppet.ask(m.Publish(4, OTHER, 1))
    made.puppet.ask(m.Publish(6, OTHER, 2))
    made.deliver()
    assert made.puppet.errors() == [RequestError.DUPLICATE_SUBSCRIPTION] * 2
    with pytest.raises(LocalProtocolError, match="there is a subscription"):
        made.session.publish(TRACK)
    with pytest.raises(LocalProtocolError, match="there is a subscription"):
        made.session.subscribe(OTHER)


def test_subscribe_and_publish_that_cross(both: Two) -> None:
    wanted = both.client.subscribe(TRACK)
    offered = both.server.publish(TRACK)
    both.deliver()
    # The SUBSCRIBE has met the PUBLISH of its track, and lost; the PUBLISH is there to be accepted.
    assert both.at_server.take() == []
    calls = both.at_client.take()
    assert [call[0] for call in calls] in (["answered", "requested"], ["requested", "answered"])
    theirs = next(call[1] for call in calls if call[0] == "requested")
    both.client.accept(theirs)
    both.deliver()
    assert (wanted.state, offered.state, theirs.state) == (
        State.ENDED,
        State.ESTABLISHED,
        State.ESTABLISHED,
    )
    both.server.finish(offered, DoneStatus.TRACK_ENDED)
    both.deliver()
    nothing_left(both)


def test_a_publish_is_accepted_instead_of_a_subscribe(both: Two) -> None:
    wanted = both.client.subscribe(TRACK)
    both.pair.client.twin._mail.clear()  # the SUBSCRIBE is long on its way
    both.server.publish(TRACK)
    both.deliver()
    theirs = both.at_client.one("requested")[0]
    both.client.accept(theirs)
    request, answer = both.at_client.one("answered")
    assert request is wanted
    assert (answer.code, wanted.state) == (RequestError.DUPLICATE_SUBSCRIPTION, State.ENDED)


def test_an_update(both: Two) -> None:
    ours, theirs = both.subscribed()
    both.at_server.on["updated"] = lambda session, request, parameters: Parameters(largest=Location(8, 0))
    both.client.update(ours, Parameters(forward=False))
    both.deliver()
    assert both.at_server.one("updated") == (theirs, Parameters(forward=False))
    assert (ours.forward, theirs.forward) == (False, False)
    request, answer = both.at_client.one("update_answered")
    assert request is ours
    assert answer.parameters.largest == ours.parameters.largest == Location(8, 0)


def test_an_update_before_the_answer(both: Two) -> None:
    ours = both.client.subscribe(TRACK)
    both.client.update(ours, Parameters(forward=False))
    theirs = both.asked()
    both.server.accept(theirs)
    both.deliver()
    assert both.at_server.one("updated")[0] is theirs
    assert [call[0] for call in both.at_client.take()] == ["answered", "update_answered"]
    assert (ours.forward, theirs.forward) == (False, False)


def test_a_refused_update_ends_the_subscription(both: Two) -> None:
    ours, theirs = both.subscribed()
    no = Refusal(RequestError.INVALID_RANGE, "too late")
    both.at_server.on["updated"] = lambda session, request, parameters: no
    both.client.update(ours, Parameters(forward=False))
    both.deliver()
    (_, request, error), (name, _, done) = both.at_client.take()
    assert (request, error.code, name) == (ours, RequestError.INVALID_RANGE, "finished")
    assert done.status == DoneStatus.UPDATE_FAILED
    assert theirs.state is State.ENDED
    nothing_left(both)


def test_a_subscriber_updates_a_publication(both: Two) -> None:
    ours = both.client.publish(TRACK)
    with pytest.raises(LocalProtocolError):
        both.server.update(both.asked(), Parameters(forward=False))
    (theirs,) = both.server.requests
    both.server.accept(theirs)
    both.server.update(theirs, Parameters(forward=False))
    both.deliver()
    assert both.at_client.heard[-1] == ("updated", ours, Parameters(forward=False))
    assert both.at_server.one("update_answered")[0] is theirs
    assert not ours.forward


def test_a_refused_update_of_a_namespace_ends_it(both: Two) -> None:
    ours = both.client.publish_namespace(CALL)
    theirs = both.asked()
    both.server.accept(theirs)
    both.at_server.on["updated"] = lambda *_: Refusal(RequestError.UNAUTHORIZED, "no")
    both.client.update(ours, Parameters())
    both.deliver()
    assert theirs.state is State.ENDED
    assert both.at_client.take()[1][0] == "update_answered"
    if both.draft.request_streams:
        nothing_left(both)


def test_a_redirect(both18: Two) -> None:
    both18.client.subscribe(TRACK)
    there = m.Redirect("moqt://else", OTHER)
    both18.server.reject(both18.asked(), RequestError.REDIRECT, "moved", 1000, there)
    both18.deliver()
    answer = both18.at_client.one("answered")[1]
    assert (answer.redirect, answer.retry_ms, answer.reason) == (there, 1000, "moved")


def test_a_track_that_must_be_understood(both18: Two) -> None:
    strange = Properties.of((0x4000, 1))
    both18.client.publish(TRACK, properties=strange)
    both18.deliver()
    assert both18.at_client.one("answered")[1].code == RequestError.UNSUPPORTED_EXTENSION
    wanted = both18.client.subscribe(OTHER)
    theirs = both18.asked()
    both18.server.accept(theirs, properties=strange)
    both18.deliver()
    assert both18.at_client.one("answered")[1].code == RequestError.UNSUPPORTED_EXTENSION
    assert both18.at_server.one("cancelled")[0] is theirs
    assert wanted.state is State.ENDED
    nothing_left(both18)


def test_what_must_not_be_asked_or_answered(both: Two) -> None:
    ours, theirs = both.subscribed()
    both.client.fetch(m.StandaloneFetch(OTHER, Location(0, 0), Location(1, 0)))
    fetch = both.asked()
    both.client.subscribe(OTHER)
    other = both.asked()
    for wrong in (
        lambda: both.server.accept(fetch),
        lambda: both.server.accept(other, alias=theirs.alias),
        lambda: both.server._core.requests.answer_update(theirs),
        lambda: both.client.accept(ours),
        lambda: both.server.accept(theirs),
        lambda: both.client.finish(ours, 0),
        lambda: both.server.announce(theirs, ()),
        lambda: both.client.subscribe(FullTrackName((b"",), b"")),
        lambda: both.server.open_fetch(theirs),
        lambda: both.client.goaway("moqt://else"),
    ):
        with pytest.raises(LocalProtocolError):
            wrong()
    status = both.client.track_status(OTHER)
    with pytest.raises(LocalProtocolError):
        both.client.update(status, Parameters())
    both.server.subscribe(OTHER)
    both.deliver()
    (asked,) = [call[1] for call in both.at_client.take() if call[0] == "requested"]
    with pytest.raises(LocalProtocolError):
        both.client.finish(asked, 0)
    both.client.cancel(ours)
    both.client.cancel(ours)  # again: nothing
    both.deliver()
    both.server.accept(theirs)
    both.server.reject(theirs, 0)
    both.server.finish(theirs, 0)
    assert both.server.open_subgroup(theirs, b"") is None
    assert both.client.requests


def test_nothing_happens_when_the_session_is_over(both: Two) -> None:
    ours, theirs = both.subscribed()
    both.client.close(0, "bye")
    both.deliver()
    assert both.at_client.one("closed")[0].by == "local"
    assert both.at_server.one("closed")[0].reason == "bye"
    both.client.cancel(ours)
    both.client.update(ours, Parameters())
    both.client.goaway()
    both.client.close()
    both.server.accept(theirs)
    both.server.reject(theirs, 0)
    both.server.finish(theirs, 0)
    both.server.announce(theirs, ())
    both.server.withdraw(theirs, ())
    both.server.block(theirs, (), b"")
    with pytest.raises(LocalProtocolError):
        both.client.subscribe(OTHER)
    assert both.client.deadline() is None
    assert both.client.over


def test_a_handler_that_fails_ends_its_session_only(both: Two, caplog: pytest.LogCaptureFixture) -> None:
    def fail(*_: object) -> None:
        raise ValueError("a bug")

    both.at_server.on["requested"] = fail
    both.client.subscribe(TRACK)
    both.deliver()
    closed = both.at_client.one("closed")[0]
    assert (closed.by, closed.code) == ("peer", 1)
    assert "a bug" in caplog.text


def test_a_handler_that_fails_harms_nobody_who_calls_its_session(
    both: Two, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("a bug")

    wanted = both.client.subscribe(TRACK)
    both.server.publish(TRACK)
    while not both.client.requests[1:]:
        both.pair.client.deliver()
    both.at_client.on["answered"] = fail
    both.client.accept(both.client.requests[1])  # by somebody else; the SUBSCRIBE is answered by that
    assert "a bug" in caplog.text
    assert wanted.state is State.ENDED
    both.deliver()
    assert both.at_server.take()[-1][0] == "closed"


def test_nothing_is_said_about_what_was_taken_back(both: Two) -> None:
    first, second = both.client.subscribe(TRACK), both.client.subscribe(OTHER)
    both.deliver()
    both.at_client.on["answered"] = lambda session, *_: session.cancel(second)
    for call in both.at_server.take():
        both.server.accept(call[1])
    both.deliver()
    if both.draft.request_streams:  # else both answers come with one batch of bytes, too
        assert both.at_client.one("answered")[0] is first
    both.deliver()
    assert second.state is State.ENDED


def test_a_long_reason_is_cut(both: Two) -> None:
    both.client.close(3, "x" * 5_000)
    both.deliver()
    assert both.at_server.one("closed")[0].reason == "x" * 256


def test_path_and_authority() -> None:
    options = Options(path="/moq?x", authority="sip.example:443", implementation="clutch")
    raw = two("moqt-18", options=options)
    assert (raw.server.path, raw.server.authority) == ("/moq?x", "sip.example:443")
    assert raw.server.peer is not None
    assert raw.server.peer.implementation == "clutch"
    web = two("moqt-18", kind="webtransport", options=options)
    assert web.server.peer is not None
    assert (web.server.peer.path, web.server.peer.authority) == (None, None)
