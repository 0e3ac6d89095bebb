"""Objects in and out: streams, datagrams, and what comes too early or is not wanted."""

from __future__ import annotations

import math
from typing import Any

import pytest

from clutch.net.moqt.incoming import IncomingSubgroup
from clutch.net.quic.engine import Limits
from clutch.wire.moqt import messages as m
from clutch.wire.moqt.codes import DoneStatus, RequestError, ResetCode, SessionError
from clutch.wire.moqt.data import (
    Object,
    ObjectDatagram,
    SubgroupHeader,
    encode_datagram,
    encode_object,
    encode_subgroup_header,
)
from clutch.wire.moqt.drafts import DRAFTS, Draft
from clutch.wire.moqt.fetch import FetchObject
from clutch.wire.moqt.names import Location
from clutch.wire.moqt.session_events import SessionLimits
from clutch.wire.moqt.session_request import State
from tests.net.moqt.kit import OTHER, TRACK, Scribe, Two, Victim, victim

ALPN = pytest.mark.parametrize("alpn", ["moqt-18", "moqt-16"])


def frame(draft: Draft, alias: int | None, group: int, payload: bytes = b"opus") -> bytes:
    """A subgroup with one object."""
    header = SubgroupHeader(alias or 0, group)
    return encode_subgroup_header(draft, header) + encode_object(draft, header, Object(0, payload))


def names(scribe: Scribe) -> list[str]:
    """Which calls there were."""
    return [call[0] for call in scribe.take()]


def subscriber(alpn: str, **options: Any) -> Victim:
    """A client with a subscription that the puppet has not granted yet."""
    made = victim(alpn, server=False, limits=SessionLimits(**options))
    made.session.subscribe(TRACK)
    made.deliver()
    return made


@ALPN
def test_objects_that_come_before_the_answer(alpn: str) -> None:
    made = subscriber(alpn)
    draft = made.puppet.draft
    stream = made.puppet.session.open_uni(frame(draft, 5, 1, b"a"))
    made.puppet.session.open_uni(frame(draft, 5, 2), fin=True)
    made.puppet.session.send_datagram(encode_datagram(draft, ObjectDatagram(5, 3, 0, b"d")))
    reset = made.puppet.session.open_uni(frame(draft, 5, 4))
    assert stream is not None
    assert reset is not None
    made.deliver()
    stream.write(encode_object(draft, SubgroupHeader(5, 1), Object(1, b"b"), 0))
    reset.reset(ResetCode.DELIVERY_TIMEOUT)
    made.deliver()
    assert made.scribe.take() == []
    made.puppet.answer(m.SubscribeOk(5))
    made.deliver()
    calls = made.scribe.take()
    assert [call[0] for call in calls] == [
        "answered",
        *("subgroup_opened", "objects"),
        *("subgroup_opened", "objects", "subgroup_ended"),
        "datagram",
        *("subgroup_opened", "objects", "subgroup_ended"),
    ]
    assert [item.payload for item in calls[2][2]] == [b"a", b"b"]
    assert calls[9][2] == ResetCode.DELIVERY_TIMEOUT
    made.later(3)
    stream.write(encode_object(draft, SubgroupHeader(5, 1), Object(2, b"c"), 1), fin=True)
    made.deliver()
    assert names(made.scribe) == ["objects", "subgroup_ended"]


@ALPN
def test_objects_of_an_alias_that_stays_unknown(alpn: str) -> None:
    made = subscriber(alpn)
    stream = made.puppet.session.open_uni(frame(made.puppet.draft, 5, 1))
    made.deliver()
    made.later(2.5)
    assert made.puppet.stops == [(stream, ResetCode.CANCELLED)]
    assert made.session._inbox._early_bytes == 0


@ALPN
def test_more_early_objects_than_fit(alpn: str) -> None:
    made = subscriber(alpn, early_bytes=1_600)
    draft = made.puppet.draft
    first = made.puppet.session.open_uni(frame(draft, 5, 1, b"x" * 100))
    second = made.puppet.session.open_uni(frame(draft, 5, 2, b"x" * 100))
    third = made.puppet.session.open_uni(frame(draft, 5, 3, b"x" * 100))
    made.puppet.session.send_datagram(encode_datagram(draft, ObjectDatagram(5, 4, 0, b"d" * 100)))
    made.deliver()
    assert made.puppet.stops[0][0] is third
    assert first is not None
    first.write(encode_object(draft, SubgroupHeader(5, 1), Object(1, b"x" * 100), 0))
    made.deliver()
    assert made.puppet.stops[1][0] is first
    made.puppet.answer(m.SubscribeOk(5))
    made.deliver()
    (header,) = [call[1].header for call in made.scribe.take() if call[0] == "subgroup_opened"]
    assert header.group == 2
    assert second is not None


@ALPN
def test_many_small_early_objects_count_for_more_than_their_bytes(alpn: str) -> None:
    made = subscriber(alpn, early_bytes=2_000)
    draft, header = made.puppet.draft, SubgroupHeader(5, 1, properties=False)
    data = encode_subgroup_header(draft, header)
    for number in range(20):
        data += encode_object(draft, header, Object(number, b"x"), number - 1 if number else None)
    stream = made.puppet.session.open_uni(data)
    made.deliver()
    assert [stopped for stopped, _ in made.puppet.stops] == [stream]


@ALPN
def test_early_objects_of_a_subscription_that_ends_with_the_first(alpn: str) -> None:
    made = subscriber(alpn)
    draft = made.puppet.draft
    streams = [made.puppet.session.open_uni(frame(draft, 5, group)) for group in range(3)]
    made.puppet.session.send_datagram(encode_datagram(draft, ObjectDatagram(5, 4, 0, b"d")))
    made.deliver()
    made.scribe.on["subgroup_opened"] = lambda session, incoming: session.cancel(incoming.request)
    made.puppet.answer(m.SubscribeOk(5))
    made.deliver()
    assert names(made.scribe) == ["answered", "subgroup_opened"]
    for stream in streams:
        assert stream is not None
        stream.write(b"more")
    made.deliver()
    assert {stream for stream, _ in made.puppet.stops} >= set(streams)
    assert made.code is None


@ALPN
def test_what_has_waited_counts_no_more(alpn: str) -> None:
    made = subscriber(alpn, early_bytes=2_000)
    for alias in range(10, 40):  # there is always one that waits
        made.puppet.session.open_uni(frame(made.puppet.draft, alias, 1))
        made.deliver()
        made.later(1.5)
    assert {code for _, code in made.puppet.stops} == {ResetCode.CANCELLED}
    assert made.session._inbox._early_bytes < 1_200


@ALPN
def test_objects_of_a_publication_that_is_refused(alpn: str) -> None:
    made = victim(alpn)
    made.puppet.ask(m.Publish(0, TRACK, 9))
    early = made.puppet.session.open_uni(frame(made.puppet.draft, 9, 1))
    made.deliver()
    (request,) = made.scribe.one("requested")
    made.session.reject(request, RequestError.UNINTERESTED)
    late = made.puppet.session.open_uni(frame(made.puppet.draft, 9, 2))
    made.puppet.session.send_datagram(encode_datagram(made.puppet.draft, ObjectDatagram(9, 3, 0, b"d")))
    made.deliver()
    assert [stream for stream, _ in made.puppet.stops] == [early, late]
    assert made.scribe.take() == []
    assert made.session.deadline() is None


def test_objects_of_a_subscription_that_was_taken_back(both: Two) -> None:
    ours, theirs = both.subscribed()
    alias = theirs.alias
    both.client.cancel(ours)
    writer = both.server.open_subgroup(theirs, frame(both.draft, alias, 1))
    assert writer is not None
    both.deliver()
    assert both.at_client.take() == []
    assert writer.over
    assert writer.write(b"more")  # into the void
    assert both.client.deadline() is None


def test_a_subgroup_in_pieces(both: Two) -> None:
    _, theirs = both.subscribed()
    header = SubgroupHeader(theirs.alias or 0, 1, end_of_group=True)
    writer = both.server.open_subgroup(theirs, b"", priority=3)
    assert writer is not None
    data = encode_subgroup_header(both.draft, header)
    data += encode_object(both.draft, header, Object(0, b"abc"))
    data += encode_object(both.draft, header, Object(1, b"def"), 0)
    for byte in data:
        writer.write(bytes([byte]))
        both.deliver()
    assert writer.unsent == 0
    writer.finish()
    writer.finish()
    both.deliver()
    calls = both.at_client.take()
    assert [call[0] for call in calls] == ["subgroup_opened", "objects", "objects", "subgroup_ended"]
    assert calls[0][1].header == header
    assert both.client.deadline() is None


@ALPN
def test_an_object_that_does_not_end(alpn: str) -> None:
    for begin in (b"\x10", b"\x10\x05\0\x80\0\x09ab"):
        made = subscriber(alpn)
        made.puppet.answer(m.SubscribeOk(5))
        made.puppet.session.open_uni(begin)
        made.deliver()
        made.later(9)
        assert made.code is None
        made.later(2)
        assert made.code is SessionError.DATA_STREAM_TIMEOUT


@ALPN
def test_an_object_that_never_quite_ends(alpn: str) -> None:
    made = subscriber(alpn)
    made.puppet.answer(m.SubscribeOk(5))
    header = SubgroupHeader(5, 1)
    stream = made.puppet.session.open_uni(encode_subgroup_header(made.puppet.draft, header) + b"\0")
    assert stream is not None
    rest = encode_object(made.puppet.draft, header, Object(0, b"x" * 20))[1:]
    for _ in range(10):  # every time the end of one object and the beginning of the next
        made.deliver()
        made.later(5)
        assert made.code is None
        stream.write(rest + b"\0")
    for byte in rest[:4]:  # and then byte by byte
        made.deliver()
        made.later(3)
        stream.write(bytes([byte]))
    assert made.code is SessionError.DATA_STREAM_TIMEOUT


@ALPN
def test_a_fetched_object_that_does_not_end(alpn: str) -> None:
    made = victim(alpn, server=False)
    made.session.fetch(m.StandaloneFetch(TRACK, Location(0, 0), Location(1, 0)))
    made.deliver()
    stream = made.puppet.session.open_uni(b"\x05")
    assert stream is not None
    made.deliver()
    stream.write(b"\0\x1c")
    made.deliver()
    made.later(11)
    assert made.code is SessionError.DATA_STREAM_TIMEOUT


@ALPN
def test_a_fetch_stream_that_ends_within_an_object(alpn: str) -> None:
    made = victim(alpn, server=False)
    made.session.fetch(m.StandaloneFetch(TRACK, Location(0, 0), Location(1, 0)))
    made.deliver()
    made.puppet.session.open_uni(b"\x05\0\x1c", fin=True)
    assert made.code is SessionError.PROTOCOL_VIOLATION


@ALPN
def test_objects_of_a_fetch_that_was_taken_back(alpn: str) -> None:
    made = victim(alpn, server=False)
    made.session.cancel(made.session.fetch(m.StandaloneFetch(TRACK, Location(0, 0), Location(1, 0))))
    late = made.puppet.session.open_uni(b"\x05\0")
    made.deliver()
    assert made.puppet.stops[-1][0] is late
    assert made.code is None


@ALPN
def test_an_object_above_the_limit(alpn: str) -> None:
    made = subscriber(alpn, object_bytes=100)
    made.puppet.answer(m.SubscribeOk(5))
    made.puppet.session.open_uni(frame(made.puppet.draft, 5, 0, b"x" * 101))
    assert made.code is SessionError.INTERNAL_ERROR


def test_a_subgroup_that_the_subscriber_stops(both: Two) -> None:
    _, theirs = both.subscribed()
    writer = both.server.open_subgroup(theirs, frame(both.draft, theirs.alias, 1))
    assert writer is not None
    both.deliver()
    incoming = both.at_client.one("subgroup_opened")[0]
    assert isinstance(incoming, IncomingSubgroup)
    incoming.stop(ResetCode.CANCELLED)
    both.deliver()
    assert writer.over
    both.server.finish(theirs, DoneStatus.TRACK_ENDED)
    both.deliver()
    assert names(both.at_client) == ["finished"]


def test_a_subscriber_that_stops_in_the_middle_of_a_call(both: Two) -> None:
    ours, theirs = both.subscribed()
    both.at_client.on["subgroup_opened"] = lambda session, incoming: incoming.stop()
    both.server.open_subgroup(theirs, frame(both.draft, theirs.alias, 1), fin=True)
    both.deliver()
    assert names(both.at_client) == ["subgroup_opened"]
    both.at_client.on["subgroup_opened"] = lambda session, incoming: session.cancel(incoming.request)
    both.server.open_subgroup(theirs, frame(both.draft, theirs.alias, 2), fin=True)
    both.deliver()
    assert names(both.at_client) == ["subgroup_opened"]
    assert ours.state is theirs.state is State.ENDED


def test_a_subgroup_that_is_reset(both: Two) -> None:
    _, theirs = both.subscribed()
    writer = both.server.open_subgroup(theirs, frame(both.draft, theirs.alias, 1))
    assert writer is not None
    both.deliver()
    both.at_client.take()
    writer.reset(ResetCode.DELIVERY_TIMEOUT)
    writer.reset(ResetCode.CANCELLED)
    both.deliver()
    assert both.at_client.one("subgroup_ended")[1] == ResetCode.DELIVERY_TIMEOUT
    before = both.server.open_subgroup(theirs, b"\x10")
    assert before is not None
    both.deliver()
    before.reset()
    both.deliver()
    assert both.at_client.take() == []
    assert both.client.deadline() is None


def test_done_waits_for_streams_that_are_late(both: Two) -> None:
    _, theirs = both.subscribed()
    both.pair.server.credit = 0
    both.server.open_subgroup(theirs, frame(both.draft, theirs.alias, 1), fin=True, priority=9)
    both.server.open_subgroup(theirs, frame(both.draft, theirs.alias, 2), fin=True, priority=9)
    both.pair.server._waiting = dict(reversed(both.pair.server._waiting.items()))
    both.server.finish(theirs, DoneStatus.TRACK_ENDED)
    both.pair.server.credit = math.inf
    both.deliver()
    heard = names(both.at_client)
    assert heard.count("objects") == 2
    assert heard[-1] == "finished"


def test_done_does_not_wait_for_ever(both: Two) -> None:
    ours, theirs = both.subscribed()
    writer = both.server.open_subgroup(theirs, frame(both.draft, theirs.alias, 1))
    both.deliver()
    both.at_client.take()
    del theirs.open_streams[writer]  # a publisher that forgets a stream
    both.server.finish(theirs, DoneStatus.TRACK_ENDED)
    both.deliver()
    both.client.subscribe(TRACK)  # the old one is in nobody's way
    assert ours.state is State.DONE
    both.later(2.5)
    assert names(both.at_client) == ["finished"]
    assert ours not in both.client.requests


def test_an_alias_is_given_to_another_track_at_the_end(both: Two) -> None:
    first, theirs = both.subscribed()
    both.server.finish(theirs, DoneStatus.TRACK_ENDED, streams=9)
    both.deliver()
    assert first.state is State.DONE
    both.client.subscribe(OTHER)
    second = both.asked()
    both.server.accept(second, alias=first.alias)
    both.deliver()
    assert names(both.at_client) == ["finished", "answered"]


def test_datagrams(both: Two) -> None:
    ours, theirs = both.subscribed()
    datagram = ObjectDatagram(theirs.alias or 0, 7, 0, b"opus")
    assert both.server.send_datagram(encode_datagram(both.draft, datagram))
    both.deliver()
    assert both.at_client.take() == [("datagram", ours, datagram)]
    assert not both.server.send_datagram(b"x" * 2_000)


def test_padding_is_read_and_dropped(both18: Two) -> None:
    padding = DRAFTS["moqt-18"].integer.put(0x132B3E28)
    stream = both18.pair.server.open_uni(padding[:2])
    assert stream is not None
    both18.deliver()
    stream.write(padding[2:] + bytes(100))
    stream.write(bytes(100), fin=True)
    both18.pair.server.send_datagram(DRAFTS["moqt-18"].integer.put(0x132B3E29) + bytes(10))
    gone = both18.pair.server.open_uni(padding[:2])
    assert gone is not None
    both18.deliver()
    gone.reset(0)
    both18.deliver()
    assert both18.at_client.take() == []


def test_writes_that_are_refused(both: Two) -> None:
    _, theirs = both.subscribed()
    stack = both.pair.server
    stack.limits, stack.credit = Limits(stream_unsent=100, session_unsent=200), 0
    writer = both.server.open_subgroup(theirs, frame(both.draft, theirs.alias, 1, b"x" * 80))
    assert writer is not None
    assert writer.unsent > 80
    assert not writer.write(bytes(80))
    assert both.server.open_subgroup(theirs, bytes(180)) is None
    told: list[bool] = []
    both.at_server.on["writable"] = lambda session: told.append(writer.over)
    stack.limits = Limits(stream_unsent=1, session_unsent=200)
    writer.finish()  # waits for room by itself
    assert not writer.over
    stack.credit = math.inf
    both.deliver()
    assert told == [True]
    assert names(both.at_client) == ["subgroup_opened", "objects", "subgroup_ended"]


def test_a_fetch_stream_that_is_refused(both: Two) -> None:
    both.client.fetch(m.StandaloneFetch(TRACK, Location(0, 0), Location(9, 0)))
    theirs = both.asked()
    both.server.accept(theirs, end=Location(9, 0))
    stream = both.server.open_fetch(theirs, priority=5)
    assert stream is not None
    both.deliver()
    both.pair.server.limits = Limits(stream_unsent=10, session_unsent=1000)
    both.pair.server.credit = 0
    items = [FetchObject(1, number, b"x" * 30) for number in range(3)]
    assert stream.write(items[0])
    assert not stream.write(items[1])
    assert stream.unsent > 30
    both.pair.server.credit = math.inf
    assert stream.write(items[1])
    assert stream.write(items[2])
    stream.finish()
    assert stream.write(items[2])  # into the void
    both.deliver()
    fetched = [item for call in both.at_client.take() if call[0] == "fetched" for item in call[2]]
    assert fetched == items
