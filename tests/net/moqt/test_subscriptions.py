"""SUBSCRIBE and PUBLISH, and the objects that follow them, in both drafts."""

from __future__ import annotations

from clutch.wire.moqt import messages as m
from clutch.wire.moqt.codes import DoneStatus, RequestError
from clutch.wire.moqt.data import Object, SubgroupHeader, encode_object, encode_subgroup_header
from clutch.wire.moqt.drafts import Draft
from clutch.wire.moqt.parameters import Parameters
from clutch.wire.moqt.session_request import Request, State
from tests.net.moqt.kit import TRACK, Two, two


def frame(draft: Draft, alias: int | None, group: int, payload: bytes = b"opus") -> bytes:
    """One object in a subgroup of its own."""
    header = SubgroupHeader(alias or 0, group)
    return encode_subgroup_header(draft, header) + encode_object(draft, header, Object(0, payload))


def test_setup_makes_both_sides_ready() -> None:
    for alpn in ("moqt-18", "moqt-16"):
        both = two(alpn)
        assert both.at_client.take() == [("ready",)]
        assert both.at_server.take() == [("ready",)]


def test_a_subscription_and_its_objects(both: Two) -> None:
    ours = both.client.subscribe(TRACK, Parameters(subscriber_priority=3))
    theirs = both.asked()
    assert (theirs.name, theirs.parameters.subscriber_priority) == (TRACK, 3)
    both.server.accept(theirs, alias=7)
    both.deliver()
    request, answer = both.at_client.one("answered")
    assert request is ours
    assert isinstance(answer, m.SubscribeOk)
    assert ours.alias == 7
    assert both.server.open_subgroup(theirs, frame(both.draft, 7, 5), fin=True) is not None
    both.deliver()
    heard = both.at_client.take()
    assert [call[0] for call in heard] == ["subgroup_opened", "objects", "subgroup_ended"]
    assert heard[0][1].request is ours
    assert heard[0][1].header.group == 5
    assert heard[1][2] == [Object(0, b"opus")]
    assert heard[2][2] is None


def test_a_refused_subscription(both: Two) -> None:
    ours = both.client.subscribe(TRACK)
    both.server.reject(both.asked(), RequestError.DOES_NOT_EXIST, "no such call")
    both.deliver()
    request, answer = both.at_client.one("answered")
    assert request is ours
    assert ours.state is State.ENDED
    assert (answer.code, answer.reason) == (RequestError.DOES_NOT_EXIST, "no such call")
    assert both.client.requests == both.server.requests == []


def test_an_unsubscribe_resets_what_is_open(both: Two) -> None:
    ours, theirs = both.subscribed()
    writer = both.server.open_subgroup(theirs, frame(both.draft, theirs.alias, 1))
    assert writer is not None
    both.deliver()
    both.client.cancel(ours)
    both.deliver()
    assert both.at_server.one("cancelled")[0] is theirs
    assert writer.over
    assert theirs.state is State.ENDED
    assert both.client.requests == both.server.requests == []


def test_done_comes_behind_the_last_object(both: Two) -> None:
    ours, theirs = both.subscribed()
    both.pair.server.credit = 0  # the stream of the object is held back, PUBLISH_DONE is as well
    both.server.open_subgroup(theirs, frame(both.draft, theirs.alias, 1), fin=True, priority=9)
    both.server.finish(theirs, DoneStatus.TRACK_ENDED)
    both.pair.server.credit = float("inf")
    both.deliver()
    names = [call[0] for call in both.at_client.take()]
    assert names == ["subgroup_opened", "objects", "subgroup_ended", "finished"]
    assert ours.state is State.ENDED


def test_what_a_publication_forwards(both: Two) -> None:
    ours = both.client.publish(TRACK, Parameters(forward=False))
    theirs = both.asked()
    assert (ours.forward, theirs.forward) == (False, False)
    both.server.accept(theirs)  # without a word about it
    both.deliver()
    says_so = both.draft.number < 20
    assert (ours.forward, theirs.forward) == (says_so, says_so)


def test_a_publication_and_its_objects(both: Two) -> None:
    ours = both.client.publish(TRACK)
    theirs = both.asked()
    assert isinstance(theirs, Request)
    assert theirs.alias == ours.alias
    both.client.open_subgroup(ours, frame(both.draft, ours.alias, 1), fin=True)
    both.deliver()
    assert both.at_server.take() == []  # not accepted yet
    both.server.accept(theirs, parameters=Parameters(forward=True))
    names = [call[0] for call in both.at_server.take()]
    assert names == ["subgroup_opened", "objects", "subgroup_ended"]
    both.deliver()
    assert both.at_client.take()[0][:2] == ("answered", ours)
    assert ours.parameters.forward is True  # draft 20 says so in an update
    both.client.finish(ours, DoneStatus.TRACK_ENDED, "bye")
    both.deliver()
    request, done = both.at_server.one("finished")
    assert request is theirs
    assert (done.status, done.reason) == (DoneStatus.TRACK_ENDED, "bye")
