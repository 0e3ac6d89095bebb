"""Messages and objects as bytes, written down by hand from the text of drafts 18 and 16."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from clutch.wire.moqt.codes import DoneStatus, RequestError, ResetCode
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
)
from clutch.wire.moqt.drafts import DRAFT16, DRAFT18, DRAFT20, DRAFTS, Draft
from clutch.wire.moqt.errors import RemoteProtocolError
from clutch.wire.moqt.fetch import EndOfRange, FetchObject, FetchParser, FetchWriter
from clutch.wire.moqt.fetch_filter import WHATEVER_IS_LAST
from clutch.wire.moqt.framing import ControlParser
from clutch.wire.moqt.messages import (
    Fetch,
    FetchCancel,
    FetchOk,
    Goaway,
    JoiningFetch,
    MaxRequestId,
    Message,
    NamespaceDone,
    NamespaceFound,
    Publish,
    PublishBlocked,
    PublishDone,
    PublishNamespace,
    PublishNamespaceCancel,
    PublishNamespaceDone,
    PublishOk,
    PublishStateNotify,
    Redirect,
    RequestError_,
    RequestOk,
    RequestsBlocked,
    RequestUpdate,
    Setup,
    StandaloneFetch,
    Subscribe,
    SubscribeNamespace,
    SubscribeOk,
    SubscribeTracks,
    TrackStatus,
    Unsubscribe,
)
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
from clutch.wire.moqt.properties import Properties
from clutch.wire.moqt.setup import Options

TRACK = FullTrackName((b"a", b"bc"), b"t")
NAME = "02 01 61 02 6263 01 74"
SUBSCRIBED = Parameters(
    delivery_timeout_ms=100,
    authorization=(Token.of(b"ab"), Token(AliasType.USE_ALIAS, 9)),
    forward=False,
    subscriber_priority=200,
    filter=Filter(FilterType.ABSOLUTE_RANGE, Location(3, 4), 9),
    group_order=GroupOrder.DESCENDING,
    new_group_request=0,
)
LARGEST = Parameters(largest=Location(300, 2), expires_ms=5)
TAGGED = Properties.of((0x3841, b"v"), (0x0E, 3))


def starting(type_: FilterType, **fields: Any) -> Parameters:
    return Parameters(filter=Filter(type_, **fields))


MESSAGES_18: list[tuple[str, str, Message]] = [
    ("af00", "", Setup(Options())),
    (
        "af00",
        "01 02 2f78  02 04 03 00 6162  01 c04000  01 01 68  02 02 6d79",
        Setup(
            Options(
                path="/x",
                authorization=(Token.of(b"ab"),),
                max_auth_token_cache_size=16384,
                authority="h",
                implementation="my",
            )
        ),
    ),
    ("10", "00 64 05", Goaway("", 100, 5)),
    ("10", "01 78 8080", Goaway("x", 128)),
    ("03", f"04 {NAME} 00", Subscribe(4, TRACK)),
    (
        "03",
        f"04 {NAME} 0a  02 64  01 04 03 00 6162  00 02 02 09  01 8400  02 01  0a 00  10 c8"
        "  01 04 04 03 04 06  01 02  10 00",
        Subscribe(
            4,
            TRACK,
            attrs.evolve(SUBSCRIBED, rendezvous_timeout_ms=1024, subgroup_delivery_timeout_ms=1),
        ),
    ),
    ("04", "07  02 08 05 01 812c 02  0e 03 b833 01 76", SubscribeOk(7, LARGEST, TAGGED)),
    (
        "1d",
        f"02 {NAME} 09  01 10 01  02 01",
        Publish(2, TRACK, 9, Parameters(forward=True), Properties.of((2, 1))),
    ),
    ("07", "00", RequestOk()),
    ("07", "01 09 03 04  02 05", RequestOk(Parameters(largest=Location(3, 4)), Properties.of((2, 5)))),
    ("05", "10 06 02 6e6f", RequestError_(RequestError.DOES_NOT_EXIST, 5, "no")),
    (
        "05",
        f"34 00 00 01 78 {NAME}",
        RequestError_(RequestError.REDIRECT, redirect=Redirect("x", TRACK)),
    ),
    ("05", "809d 01 00", RequestError_(0x9D, 0)),
    ("02", "06  01 34 01 01 78", RequestUpdate(6, Parameters(prefix=(b"x",)))),
    ("0b", "05 ff3fffffffffffffff 04 6c617465", PublishDone(DoneStatus.TOO_FAR_BEHIND, None, "late")),
    ("0b", "06 03 00", PublishDone(DoneStatus.EXPIRED, 3)),
    ("16", f"08 01 {NAME} 01 00 02 03 00", Fetch(8, StandaloneFetch(TRACK, Location(1, 0), Location(2, 3)))),
    ("16", "08 02 04 02 00", Fetch(8, JoiningFetch(4, 2))),
    (
        "16",
        "08 03 04 02  03 0a 00 16 05 02 01",
        Fetch(
            8,
            JoiningFetch(4, 2, relative=False),
            Parameters(fill_timeout_ms=0, subscriber_priority=5, group_order=GroupOrder.ASCENDING),
        ),
    ),
    ("18", "01 02 00  00", FetchOk(end_of_track=True, end=Location(2, 0))),
    ("0d", f"0a {NAME} 00", TrackStatus(10, TRACK)),
    ("06", "0c 01 01 61 00", PublishNamespace(12, (b"a",))),
    ("50", "00 00 00", SubscribeNamespace(0, ())),
    ("51", "02 01 01 71  01 10 00", SubscribeTracks(2, (b"q",), Parameters(forward=False))),
    ("08", "01 01 73", NamespaceFound((b"s",))),
    ("0e", "00", NamespaceDone(())),
    ("0f", "01 01 73 01 6e", PublishBlocked((b"s",), b"n")),
]

MESSAGES_16: list[tuple[str, str, Message]] = [
    (
        "20",
        "02  02 4064  05 02 6d79",
        Setup(Options(max_request_id=100, implementation="my"), client=True),
    ),
    ("21", "00", Setup(Options(), client=False)),
    ("10", "01 78", Goaway("x")),
    ("15", "4064", MaxRequestId(100)),
    ("1a", "0a", RequestsBlocked(10)),
    (
        "03",
        f"04 {NAME} 08  02 4064  01 04 03 00 6162  00 02 02 09  0d 00  10 40c8"
        "  01 04 04 03 04 09  01 02  10 00",
        Subscribe(4, TRACK, SUBSCRIBED),
    ),
    (
        "04",
        "04 07  02 08 05 01 03 412c 02  0e 03 7833 01 76",
        SubscribeOk(7, LARGEST, TAGGED, request_id=4),
    ),
    ("02", "06 04 00", RequestUpdate(6, existing_request_id=4)),
    ("0a", "04", Unsubscribe(4)),
    (
        "1d",
        f"02 {NAME} 09  01 10 01  02 01",
        Publish(2, TRACK, 9, Parameters(forward=True), Properties.of((2, 1))),
    ),
    ("1e", "04  01 10 01", PublishOk(4, Parameters(forward=True))),
    ("07", "04  01 09 02 03 04", RequestOk(Parameters(largest=Location(3, 4)), request_id=4)),
    ("05", "04 10 06 02 6e6f", RequestError_(RequestError.DOES_NOT_EXIST, 5, "no", request_id=4)),
    (
        "0b",
        "04 06 ffffffffffffffff 04 6c617465",
        PublishDone(DoneStatus.TOO_FAR_BEHIND, None, "late", request_id=4),
    ),
    ("0b", "04 05 03 00", PublishDone(DoneStatus.EXPIRED, 3, request_id=4)),
    ("16", f"08 01 {NAME} 01 00 02 03 00", Fetch(8, StandaloneFetch(TRACK, Location(1, 0), Location(2, 3)))),
    ("18", "08 01 02 00  00", FetchOk(end_of_track=True, end=Location(2, 0), request_id=8)),
    ("17", "08", FetchCancel(8)),
    ("0d", f"0a {NAME} 00", TrackStatus(10, TRACK)),
    ("06", "0c 01 01 61 00", PublishNamespace(12, (b"a",))),
    ("09", "0c", PublishNamespaceDone(12)),
    ("0c", "0c 01 01 78", PublishNamespaceCancel(12, RequestError.UNAUTHORIZED, "x")),
    ("11", "00 00 02 00", SubscribeNamespace(0, (), options=2)),
    ("08", "01 01 73", NamespaceFound((b"s",))),
    ("0e", "00", NamespaceDone(())),
]

MESSAGES_20: list[tuple[str, str, Message]] = [
    ("af00", "06 05 02 09", Setup(Options(max_filter_ranges=5, max_request_updates=9))),
    ("10", "00 64", Goaway("", 100)),
    (
        "03",
        f"04 {NAME} 04  21 04 03 04 06 07  02 02 21 01  02 02 00 03  01 02 00 09",
        Subscribe(
            4,
            TRACK,
            Parameters(
                filter=Filter(FilterType.ABSOLUTE_RANGE, Location(3, 4), 9, 7),
                fill=b"\x21\x01",
                range_filters=(RangeFilter(0x25, b"\0\x03"), RangeFilter(0x26, b"\0\x09")),
            ),
        ),
    ),
    ("03", f"04 {NAME} 01  21 01 00", Subscribe(4, TRACK, starting(FilterType.NEXT_GROUP))),
    ("03", f"04 {NAME} 01  21 02 00 00", Subscribe(4, TRACK, starting(FilterType.LARGEST_OBJECT))),
    ("03", f"04 {NAME} 01  21 01 02", Subscribe(4, TRACK, starting(FilterType.RELATIVE_START, groups=2))),
    (
        "02",
        "06 01 21 00",
        RequestUpdate(6, starting(FilterType.ABSOLUTE_START, start=Location(0, 0))),
    ),
    ("22", "02 09 03 04 07 00", PublishStateNotify(Parameters(largest=Location(3, 4), forward=False))),
    (
        "16",
        f"08 {NAME} 02 20 05 01 04 01 00 01 02",
        Fetch(8, StandaloneFetch(TRACK, Location(1, 0), Location(2, 3)), Parameters(subscriber_priority=5)),
    ),
    ("16", f"08 {NAME} 01 21 03 01 00 01", Fetch(8, StandaloneFetch(TRACK, Location(1, 0), Location(2, 0)))),
    (
        "16",
        f"08 {NAME} 01 21 01 03",
        Fetch(8, StandaloneFetch(TRACK, Location(0, 0), WHATEVER_IS_LAST, groups=3)),
    ),
    (
        "16",
        f"08 {NAME} 01 21 01 00",
        Fetch(8, StandaloneFetch(TRACK, Location(0, 0), WHATEVER_IS_LAST, groups=0)),
    ),
    (
        "16",
        f"08 {NAME} 01 21 02 01 02",
        Fetch(8, StandaloneFetch(TRACK, Location(1, 2), WHATEVER_IS_LAST)),
    ),
    ("16", f"08 {NAME} 00", Fetch(8, StandaloneFetch(TRACK, Location(0, 0), WHATEVER_IS_LAST))),
    ("18", "00 02 04 00", FetchOk(end_of_track=False, end=Location(2, 5))),
    ("18", "00 02 ffffffffffffffffff 00", FetchOk(end_of_track=False, end=Location(2, 0))),
    ("05", "36 00 00", RequestError_(RequestError.INVALID_FILTER)),
]


def framed(type_: str, payload: str) -> bytes:
    data = bytes.fromhex(payload)
    return bytes.fromhex(type_) + len(data).to_bytes(2, "big") + data


@pytest.mark.parametrize(
    ("draft", "type_", "payload", "message"),
    [(DRAFT18, *vector) for vector in MESSAGES_18]
    + [(DRAFT16, *vector) for vector in MESSAGES_16]
    + [(DRAFT20, *vector) for vector in MESSAGES_20],
)
def test_messages(draft: Draft, type_: str, payload: str, message: Message) -> None:
    data = framed(type_, payload)
    assert ControlParser(draft).feed(data) == [message]
    assert draft.encode(message) == data


@pytest.mark.parametrize(
    ("draft", "vectors"), [(DRAFT16, MESSAGES_16), (DRAFT18, MESSAGES_18), (DRAFT20, MESSAGES_20)]
)
def test_a_stream_of_messages_in_single_bytes(draft: Draft, vectors: list[tuple[str, str, Message]]) -> None:
    parser = ControlParser(draft)
    found = []
    for type_, payload, _ in vectors:
        for byte in framed(type_, payload):
            found += parser.feed(bytes((byte,)))
        assert not parser.partial
    assert found == [message for _, _, message in vectors]


def test_publish_ok_by_its_listed_type_is_read_in_draft_18() -> None:
    assert ControlParser(DRAFT18).feed(framed("1e", "01 10 00")) == [RequestOk(Parameters(forward=False))]


def test_what_draft_16_has_no_number_for() -> None:
    def code(value: RequestError) -> int:
        return DRAFT16.encode(RequestError_(value, request_id=0))[4]

    assert code(RequestError.GOING_AWAY) == RequestError.INTERNAL_ERROR
    assert code(RequestError.UNSUPPORTED_EXTENSION) == RequestError.NOT_SUPPORTED
    assert code(RequestError.REDIRECT) == RequestError.DOES_NOT_EXIST
    assert DRAFT16.reset_codes.to_wire(ResetCode.UNKNOWN_OBJECT_STATUS) == 0x4
    assert DRAFT16.reset_codes.from_wire(0x4) is ResetCode.UNKNOWN_OBJECT_STATUS
    assert DRAFT18.reset_codes.from_wire(0x4) is ResetCode.GOING_AWAY
    assert DRAFT18.reset_codes.from_wire(0x9D) == 0x9D


def test_the_subgroup_of_the_drafts_example() -> None:
    # Section 11.6, first example: the subgroup is written although it is 0.
    parser = SubgroupParser(DRAFT18)
    objects = parser.feed(bytes.fromhex("14 02 00 00 00  00 04 61626364  00 04 65666768"))
    assert parser.header == SubgroupHeader(2, 0, 0, priority=0)
    assert objects == [Object(0, b"abcd"), Object(1, b"efgh")]
    assert not parser.partial


def test_the_properties_of_the_drafts_example() -> None:
    # Section 11.6, second example, with the lengths that its values have.
    data = bytes.fromhex("35 02 00 00  00 16 04 f082580fd3 49 0e") + b"traceID:123456"
    parser = SubgroupParser(DRAFT18)
    objects = parser.feed(data + bytes.fromhex("04 61626364  00 00 04 65666768"))
    assert parser.header == SubgroupHeader(2, 0, 0, properties=True)
    properties = Properties(((4, 0x82580FD3), (77, b"traceID:123456")))
    assert objects == [Object(0, b"abcd", properties), Object(1, b"efgh")]


@pytest.mark.parametrize(
    ("draft", "data", "header"),
    [
        (DRAFT18, "14 02 03 05 80", SubgroupHeader(2, 3, 5, priority=128)),
        (DRAFT18, "33 02 812c", SubgroupHeader(2, 300, None, properties=True)),
        (DRAFT18, "78 02 03", SubgroupHeader(2, 3, end_of_group=True, first_object=True)),
        (DRAFT16, "14 02 03 05 80", SubgroupHeader(2, 3, 5, priority=128)),
        (DRAFT16, "3b 02 412c", SubgroupHeader(2, 300, None, properties=True, end_of_group=True)),
    ],
)
def test_subgroup_headers(draft: Draft, data: str, header: SubgroupHeader) -> None:
    raw = bytes.fromhex(data)
    assert encode_subgroup_header(draft, header) == raw
    parser = SubgroupParser(draft)
    assert parser.feed(raw) == []
    assert parser.header == header


def test_objects_of_a_subgroup() -> None:
    header = SubgroupHeader(2, 3, properties=True)
    objects = [
        Object(3, b"hi", Properties.of((2, 1))),
        Object(5),
        Object(6, status=Status.END_OF_GROUP),
    ]
    vectors = ["03 02 02 01 02 6869", "01 00 00 00", "00 00 00 03"]
    previous = None
    for each, vector in zip(objects, vectors, strict=True):
        assert encode_object(DRAFT18, header, each, previous) == bytes.fromhex(vector)
        previous = each.id
    parser = SubgroupParser(DRAFT18)
    assert parser.feed(encode_subgroup_header(DRAFT18, header) + bytes.fromhex("".join(vectors))) == objects


@pytest.mark.parametrize("draft", DRAFTS.values())
@pytest.mark.parametrize(
    ("data", "datagram"),
    [
        ("00 07 09 03 80 6869", ObjectDatagram(7, 9, 3, b"hi", priority=128)),
        ("0c 07 09 6869", ObjectDatagram(7, 9, 0, b"hi")),
        ("0f 07 09 02 02 01 68", ObjectDatagram(7, 9, 0, b"h", Properties.of((2, 1)), end_of_group=True)),
        ("2c 07 09 04", ObjectDatagram(7, 9, 0, status=Status.END_OF_TRACK)),
        ("28 07 09 05 00", ObjectDatagram(7, 9, 5)),
        ("0a 07 09 05", ObjectDatagram(7, 9, 5, end_of_group=True)),
    ],
)
def test_datagrams(draft: Draft, data: str, datagram: ObjectDatagram) -> None:
    raw = bytes.fromhex(data)
    assert decode_datagram(draft, raw) == datagram
    assert encode_datagram(draft, datagram) == raw


def test_padding_is_nothing() -> None:
    assert decode_datagram(DRAFT18, bytes.fromhex("f0132b3e29 0000")) is None


FETCHED: list[tuple[FetchObject | EndOfRange, str, str]] = [
    (FetchObject(10, 3, b"a", 1), "1f 0a 01 03 80 01 61", "1f 0a 01 03 80 01 61"),
    (FetchObject(10, 4, b"b", 1), "01 01 62", "01 01 62"),
    (FetchObject(10, 9, b"c", 1), "05 05 01 63", "05 09 01 63"),
    (FetchObject(12, 0, b"d", 1), "0d 01 00 01 64", "0d 0c 00 01 64"),
    (EndOfRange(12, 5, unknown=True), "810c 0c 05", "410c 0c 05"),
    (FetchObject(12, 6, b"e", None), "40 01 65", "4040 01 65"),
    (EndOfRange(13, 0, unknown=False), "808c 0d 00", "408c 0d 00"),
    (FetchObject(13, 1, b"", 0, 7, Properties.of((2, 1))), "30 07 02 02 01 00", "30 07 02 02 01 00"),
]


@pytest.mark.parametrize(("draft", "column"), [(DRAFT18, 1), (DRAFT16, 2)])
def test_fetched_objects(draft: Draft, column: int) -> None:
    writer = FetchWriter(draft)
    data = writer.header(4)
    assert data == b"\x05\x04"
    for row in FETCHED:
        item = row[0]
        piece = writer.end_of_range(item) if isinstance(item, EndOfRange) else writer.encode(item)
        assert piece == bytes.fromhex(str(row[column]))
        data += piece
    parser = FetchParser(draft, lambda request_id: request_id != 4)
    assert parser.feed(data) == [row[0] for row in FETCHED]
    assert parser.request_id == 4


def test_ranges_that_timed_out_are_draft_20s() -> None:
    stream = bytes.fromhex("05 04 820c 0c 05")
    assert FetchParser(DRAFT20, lambda _: False).feed(stream) == [EndOfRange(12, 5, unknown=True)]
    with pytest.raises(RemoteProtocolError):
        FetchParser(DRAFT18, lambda _: False).feed(stream)


def test_fetched_groups_in_descending_order() -> None:
    writer = FetchWriter(DRAFT18, descending=True)
    items = [FetchObject(10, 3, b"a"), FetchObject(7, 1, b"b")]
    assert b"".join(map(writer.encode, items)) == bytes.fromhex("1c 0a 03 80 01 61  0d 02 01 01 62")
    parser = FetchParser(DRAFT18, lambda request_id: True)
    assert parser.feed(bytes.fromhex("05 04 1c 0a 03 80 01 61  0d 02 01 01 62")) == items
