"""What holds for every message and every heap of bytes of MoQT."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clutch.wire.moqt.codes import DoneStatus, RequestError
from clutch.wire.moqt.data import (
    Object,
    ObjectDatagram,
    Status,
    SubgroupHeader,
    SubgroupParser,
    decode_datagram,
    encode_datagram,
    encode_object,
    encode_subgroup_header,
    stream_kind,
)
from clutch.wire.moqt.drafts import DRAFT16, DRAFT18, DRAFT20, DRAFTS, Draft
from clutch.wire.moqt.errors import RemoteProtocolError
from clutch.wire.moqt.fetch import EndOfRange, FetchObject, FetchParser, FetchWriter
from clutch.wire.moqt.fetch_filter import FIRST, WHATEVER_IS_LAST
from clutch.wire.moqt.framing import ControlParser
from clutch.wire.moqt.layout import Layout
from clutch.wire.moqt.messages import JoiningFetch, Message, Redirect, StandaloneFetch
from clutch.wire.moqt.names import FullTrackName, Location
from clutch.wire.moqt.parameters import (
    AliasType,
    Filter,
    FilterType,
    GroupOrder,
    Parameters,
    RangeFilter,
    Token,
)
from clutch.wire.moqt.properties import Properties, Property
from clutch.wire.moqt.setup import Options
from clutch.wire.moqt.varint import QUIC, VI64, Varint

PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=60)
"""The same examples each time, and no wall clock."""
OFTEN = settings(PROPERTY, max_examples=200)

EDGES = [0, 1, 63, 64, 127, 128, 16383, 16384, 1 << 21, 1 << 30, 1 << 35, 1 << 49, 1 << 56, (1 << 62) - 1]
NUMBER = st.sampled_from(EDGES) | st.integers(0, (1 << 62) - 1)
"""What both kinds of integers can say."""
SMALL = st.integers(0, 1 << 30)
BYTES = st.binary(max_size=20)
TEXT = st.text(max_size=20)
URI = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20)
LOCATION = st.builds(Location, NUMBER, NUMBER)
DRAFT = st.sampled_from(list(DRAFTS.values()))
TOKEN = st.one_of(
    st.builds(Token, st.just(AliasType.USE_VALUE), st.none(), NUMBER, BYTES),
    st.builds(Token, st.just(AliasType.REGISTER), NUMBER, NUMBER, BYTES),
    st.builds(Token, st.sampled_from([AliasType.DELETE, AliasType.USE_ALIAS]), NUMBER),
)
FILTER = st.one_of(
    st.builds(Filter, st.sampled_from([FilterType.NEXT_GROUP, FilterType.LARGEST_OBJECT])),
    st.builds(Filter, st.just(FilterType.ABSOLUTE_START), LOCATION),
    st.builds(
        lambda start, more: Filter(FilterType.ABSOLUTE_RANGE, start, start.group + more),
        st.builds(Location, SMALL, NUMBER),
        SMALL,
    ),
)
FILTER_20 = st.one_of(
    st.builds(Filter, st.sampled_from([FilterType.NEXT_GROUP, FilterType.LARGEST_OBJECT])),
    st.builds(Filter, st.just(FilterType.RELATIVE_START), groups=NUMBER.filter(bool)),
    st.builds(Filter, st.just(FilterType.ABSOLUTE_START), LOCATION),
    st.builds(
        lambda start, more, last: Filter(FilterType.ABSOLUTE_RANGE, start, start.group + more, last),
        st.builds(Location, SMALL, NUMBER),
        SMALL,
        st.none() | NUMBER,
    ),
)
PROPERTY_ITEM: st.SearchStrategy[Property] = st.one_of(
    st.tuples(st.integers(0x1000, 0x3FFF).map(lambda n: n & ~1), NUMBER),
    st.tuples(st.integers(0x1000, 0x3FFF).map(lambda n: n | 1), BYTES),
)
PROPERTIES = st.lists(PROPERTY_ITEM, max_size=4).map(lambda items: Properties.of(*items))


def namespace(fewest: int) -> st.SearchStrategy[tuple[bytes, ...]]:
    return st.lists(st.binary(min_size=1, max_size=9), min_size=fewest, max_size=4).map(tuple)


def track(fewest: int) -> st.SearchStrategy[FullTrackName]:
    return st.builds(FullTrackName, namespace(fewest), BYTES)


def parameters(layout: Layout, draft: Draft) -> st.SearchStrategy[Parameters]:
    values: dict[str, st.SearchStrategy[Any]] = {
        "delivery_timeout_ms": st.integers(1, 1 << 40),
        "authorization": st.lists(TOKEN, max_size=3).map(tuple),
        "largest": LOCATION,
        "forward": st.booleans(),
        "subscriber_priority": st.integers(0, 255),
        "filter": FILTER_20 if draft is DRAFT20 else FILTER,
        "group_order": st.sampled_from(GroupOrder),
        "prefix": namespace(0),
        "fill": BYTES,
        "range_filters": st.lists(st.builds(RangeFilter, st.integers(0x25, 0x28), BYTES), max_size=3).map(
            lambda filters: tuple(sorted(filters, key=lambda each: each.type))
        ),
        "include_properties": st.booleans(),
    }
    names = {layout.name}
    if layout.name == "REQUEST_OK":
        names = {"REQUEST_UPDATE_OK", "TRACK_STATUS_OK"}
    allowed = [each.field for each in draft.parameters.parameters.values() if each.messages & names]
    if draft is DRAFT20 and layout.name == "FETCH":
        allowed.remove("filter")  # the message says it as a range
    return st.fixed_dictionaries({}, optional={field: values.get(field, NUMBER) for field in allowed}).map(
        lambda chosen: Parameters(**chosen)
    )


def options(draft: Draft) -> st.SearchStrategy[Options]:
    return st.builds(
        Options,
        path=st.none() | st.sampled_from(["", "/", "/a/b%20?q=/x"]),
        authorization=st.lists(TOKEN, max_size=2).map(tuple),
        max_auth_token_cache_size=NUMBER,
        authority=st.none() | st.sampled_from(["example.org", "[::1]:4443"]),
        implementation=st.none() | TEXT,
        max_request_id=NUMBER if draft is DRAFT16 else st.just(0),
        max_filter_ranges=NUMBER if draft is DRAFT20 else st.just(0),
        max_request_updates=NUMBER if draft is DRAFT20 else st.just(0),
        unknown=st.lists(PROPERTY_ITEM, max_size=2).map(lambda items: Properties.of(*items).items),
    )


def values_of(field: str, layout: Layout, draft: Draft) -> st.SearchStrategy[Any]:
    fewest = 1 if draft is DRAFT16 else 0
    standalone = st.builds(StandaloneFetch, track(fewest), LOCATION, LOCATION)
    later = st.builds(
        lambda name, start, more, last: StandaloneFetch(name, start, Location(start.group + more, last)),
        track(0),
        st.builds(Location, SMALL, NUMBER),
        SMALL,
        NUMBER,
    ) | st.builds(StandaloneFetch, track(0), st.just(FIRST), st.just(WHATEVER_IS_LAST), st.none() | NUMBER)
    joining = st.builds(JoiningFetch, NUMBER, NUMBER, st.booleans())
    by_name: dict[str, st.SearchStrategy[Any]] = {
        "options": NUMBER if layout.name == "SUBSCRIBE_NAMESPACE" else options(draft),
        "uri": URI,
        "name": BYTES if layout.name == "PUBLISH_BLOCKED" else track(fewest),
        "namespace": namespace(fewest),
        "prefix": namespace(0),
        "suffix": namespace(0),
        "parameters": parameters(layout, draft),
        "properties": PROPERTIES,
        "code": st.sampled_from([each for each in RequestError if each < 0x6]),
        "status": st.sampled_from([each for each in DoneStatus if each != DoneStatus.EXCESSIVE_LOAD]),
        "retry_ms": st.none() | SMALL,
        "reason": TEXT,
        "redirect": st.none(),
        "stream_count": st.none() | SMALL,
        "range": later if draft is DRAFT20 else standalone | joining,
        "end": LOCATION,
        "end_of_track": st.booleans(),
    }
    return by_name.get(field, NUMBER)


@st.composite
def drafts_and_messages(draw: st.DrawFn) -> tuple[Draft, Message]:
    draft = draw(DRAFT)
    layout = draw(st.sampled_from(list(draft.layouts.values())))
    names = ("request_id", "range", "parameters") if layout.join else (field.name for field in layout.fields)
    chosen = {name: draw(values_of(name, layout, draft)) for name in names}
    return draft, layout.message(**layout.fixed, **chosen)


@OFTEN
@given(drafts_and_messages(), st.integers(1, 40))
def test_what_is_written_is_read(pair: tuple[Draft, Message], size: int) -> None:
    draft, message = pair
    data = draft.encode(message)
    parser = ControlParser(draft)
    found: list[Message] = []
    for start in range(0, len(data), size):
        found += parser.feed(data[start : start + size])
    assert found == [message]
    assert not parser.partial


@PROPERTY
@given(st.none() | track(1), URI)
def test_redirects(name: FullTrackName | None, uri: str) -> None:
    message = DRAFT18.layout(0x5).message(code=RequestError.REDIRECT, redirect=Redirect(uri, name), reason="")
    assert ControlParser(DRAFT18).feed(DRAFT18.encode(message)) == [message]


@PROPERTY
@given(st.sampled_from([VI64, QUIC]), NUMBER, BYTES)
def test_integers(integer: Varint, value: int, more: bytes) -> None:
    data = integer.put(value)
    assert integer.get(data + more, 0) == (value, len(data))
    with pytest.raises(IndexError):
        integer.get(data[:-1], 0)


@st.composite
def objects_of(draw: st.DrawFn, header: SubgroupHeader) -> list[Object]:
    ids = sorted(draw(st.sets(NUMBER, max_size=5)))
    found = []
    for id_ in ids:
        properties = draw(PROPERTIES) if header.properties else Properties()
        status = Status.NORMAL if properties else draw(st.sampled_from(Status))
        payload = draw(BYTES) if status is Status.NORMAL else b""
        found.append(Object(id_, payload, properties, status))
    return found


PRIORITY = st.none() | st.integers(0, 255)
HEADER = st.builds(
    SubgroupHeader,
    NUMBER,
    NUMBER,
    st.none() | NUMBER,
    PRIORITY,
    st.booleans(),
    st.booleans(),
    st.booleans(),
)


@PROPERTY
@given(DRAFT, HEADER, st.data(), st.integers(1, 30))
def test_subgroups(draft: Draft, header: SubgroupHeader, data: st.DataObject, size: int) -> None:
    objects = data.draw(objects_of(header))
    stream = encode_subgroup_header(draft, header)
    previous = None
    for each in objects:
        stream += encode_object(draft, header, each, previous)
        previous = each.id
    parser = SubgroupParser(draft)
    found: list[Object] = []
    for start in range(0, len(stream), size):
        found += parser.feed(stream[start : start + size])
    expected = header if draft is not DRAFT16 else header._replace(first_object=False)
    assert (parser.header, found, parser.partial) == (expected, objects, False)


@st.composite
def datagrams(draw: st.DrawFn) -> ObjectDatagram:
    alias, group, id_ = draw(NUMBER), draw(NUMBER), draw(st.just(0) | NUMBER)
    status = draw(st.sampled_from(Status))
    if status:
        return ObjectDatagram(alias, group, id_, status=status, priority=draw(PRIORITY))
    payload, properties, last = draw(BYTES), draw(PROPERTIES), draw(st.booleans())
    return ObjectDatagram(alias, group, id_, payload, properties, status, draw(PRIORITY), last)


@PROPERTY
@given(DRAFT, datagrams())
def test_object_datagrams(draft: Draft, datagram: ObjectDatagram) -> None:
    assert decode_datagram(draft, encode_datagram(draft, datagram)) == datagram


@st.composite
def fetched(draw: st.DrawFn) -> tuple[bool, list[FetchObject | EndOfRange]]:
    descending = draw(st.booleans())
    items: list[FetchObject | EndOfRange] = []
    for group in sorted(draw(st.sets(NUMBER, max_size=4)), reverse=descending):
        for id_ in sorted(draw(st.sets(NUMBER, max_size=3))):
            if draw(st.integers(0, 4)):
                subgroup = draw(st.none() | st.integers(0, 2) | NUMBER)
                priority = draw(st.integers(0, 1) | st.integers(0, 255))
                items.append(FetchObject(group, id_, draw(BYTES), subgroup, priority, draw(PROPERTIES)))
            else:
                items.append(EndOfRange(group, id_, draw(st.booleans())))
    return descending, items


@PROPERTY
@given(DRAFT, NUMBER, fetched(), st.integers(1, 30))
def test_fetch_streams(
    draft: Draft, request_id: int, case: tuple[bool, list[FetchObject | EndOfRange]], size: int
) -> None:
    descending, items = case
    writer = FetchWriter(draft, descending=descending)
    stream = writer.header(request_id)
    for item in items:
        stream += writer.end_of_range(item) if isinstance(item, EndOfRange) else writer.encode(item)
    parser = FetchParser(draft, lambda _: descending)
    found: list[FetchObject | EndOfRange] = []
    for start in range(0, len(stream), size):
        found += parser.feed(stream[start : start + size])
    assert (parser.request_id, found, parser.partial) == (request_id, items, False)


@OFTEN
@given(drafts_and_messages(), st.data())
def test_broken_messages_are_the_peers_fault(pair: tuple[Draft, Message], data: st.DataObject) -> None:
    draft, message = pair
    frame = bytearray(draft.encode(message))
    for _ in range(data.draw(st.integers(1, 3))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    with suppress(RemoteProtocolError):
        for each in ControlParser(draft).feed(bytes(frame)):
            assert attrs.has(type(each))
    for layout in draft.layouts.values():
        with suppress(RemoteProtocolError):
            draft.decode_control(layout.type, bytes(frame[3:]))


@OFTEN
@given(DRAFT, st.binary(max_size=60), st.integers(1, 60), st.sampled_from([10, 1 << 20]))
def test_noise_is_the_peers_fault(draft: Draft, noise: bytes, size: int, limit: int) -> None:
    with suppress(RemoteProtocolError):
        stream_kind(draft, noise)
    with suppress(RemoteProtocolError):
        decode_datagram(draft, noise)
    for parser, start in (
        (ControlParser(draft), b""),
        (SubgroupParser(draft, limit), b""),
        (SubgroupParser(draft, limit), b"\x11\0\0\0"),
        (FetchParser(draft, lambda _: False, limit), b""),
        (FetchParser(draft, lambda _: True, limit), b"\x05\0"),
    ):
        parser.feed(start)
        with suppress(RemoteProtocolError):
            for at in range(0, len(noise), size):
                parser.feed(noise[at : at + size])
