"""What a peer must not send, and the code that the draft answers it with; what we must not send either."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from clutch.wire.moqt.codes import SessionError
from clutch.wire.moqt.data import (
    Object,
    ObjectDatagram,
    Status,
    StreamKind,
    SubgroupHeader,
    SubgroupParser,
    decode_datagram,
    encode_datagram,
    encode_object,
    encode_subgroup_header,
    stream_kind,
)
from clutch.wire.moqt.drafts import DRAFT16, DRAFT18, DRAFT20, Draft
from clutch.wire.moqt.errors import LocalProtocolError, RemoteProtocolError
from clutch.wire.moqt.fetch import FetchObject, FetchParser, FetchWriter
from clutch.wire.moqt.framing import ControlParser
from clutch.wire.moqt.messages import (
    Fetch,
    Goaway,
    JoiningFetch,
    Message,
    PublishNamespace,
    PublishOk,
    RequestError_,
    RequestOk,
    RequestUpdate,
    Setup,
    StandaloneFetch,
    Subscribe,
    SubscribeOk,
    SubscribeTracks,
    Unsubscribe,
)
from clutch.wire.moqt.names import FullTrackName, Location
from clutch.wire.moqt.parameters import AliasType, Filter, FilterType, Parameters, Token
from clutch.wire.moqt.properties import Properties
from clutch.wire.moqt.setup import Options

TRACK = FullTrackName((b"a",), b"t")
NAME = "01 01 61 01 74"
NAME_4097 = "02 01 61 01 62 9000" + "78" * 4096
VIOLATION = SessionError.PROTOCOL_VIOLATION
FORMATTING = SessionError.KEY_VALUE_FORMATTING_ERROR


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (f"03: 04 {NAME}", VIOLATION),  # cut short
        (f"03: 04 {NAME} 00 00", VIOLATION),  # too long
        ("03: 04 21" + "0161" * 33 + "0174 00", VIOLATION),  # 33 namespace fields
        ("03: 04 01 00 01 74 00", VIOLATION),  # an empty field
        (f"03: 04 {NAME_4097} 00", VIOLATION),
        ("06: 04 02 9000" + "78" * 4096 + "0178 00", VIOLATION),  # a namespace of 4097 bytes
        (f"03: 04 {NAME} 01 05 00", VIOLATION),  # unknown parameter
        (f"03: 04 {NAME} 01 08 00", VIOLATION),  # EXPIRES in SUBSCRIBE
        (f"03: 04 {NAME} 02 02 05 00 05", VIOLATION),  # the same parameter twice
        (f"03: 04 {NAME} 02 02 05 ffffffffffffffffff 05", VIOLATION),  # its type overflows
        (f"03: 04 {NAME} 01 10 02", VIOLATION),  # FORWARD 2
        (f"03: 04 {NAME} 01 22 00", VIOLATION),  # GROUP_ORDER 0
        (f"03: 04 {NAME} 01 21 01 05", VIOLATION),  # filter type 5
        (f"03: 04 {NAME} 01 21 02 01 00", VIOLATION),  # filter with too much
        (f"03: 04 {NAME} 01 21 02 03 00", VIOLATION),  # filter with too little
        (f"03: 04 {NAME} 01 21 0c 04 05 00 ffffffffffffffffff", VIOLATION),  # filter that ends behind 2^64
        (f"03: 04 {NAME} 01 03 01 04", FORMATTING),  # alias type 4
        (f"03: 04 {NAME} 01 03 01 03", FORMATTING),  # USE_VALUE without a type
        (f"03: 04 {NAME} 01 03 03 02 01 00", FORMATTING),  # USE_ALIAS with something behind
        ("04: 07 00 22 03", VIOLATION),  # DEFAULT_PUBLISHER_GROUP_ORDER 3
        ("04: 07 00 30 02", VIOLATION),  # DYNAMIC_GROUPS 2
        ("04: 07 00 0e 8100", VIOLATION),  # DEFAULT_PUBLISHER_PRIORITY 256
        ("04: 07 00 0b 05 01", VIOLATION),  # a property cut short
        ("04: 07 00 02 01 ffffffffffffffffff 00", VIOLATION),  # a property type that overflows
        ("04: 07 00 01 c10000 00", VIOLATION),  # a value of 65536 bytes
        ("05: 10 00 8401" + "78" * 1025, VIOLATION),  # a reason of 1025 bytes
        ("05: 10 00 00 00 00 00", VIOLATION),  # a redirect without REDIRECT
        ("05: 34 00 00", VIOLATION),  # REDIRECT without a redirect
        ("10: a001" + "78" * 8193 + "00", VIOLATION),  # a URI of 8193 bytes
        ("10: 01 ff 00", VIOLATION),  # no URI
        ("16: 08 04 00 00 00", VIOLATION),  # fetch type 4
        ("18: 02 00 00 00", VIOLATION),  # end of track 2
        ("20: 00", VIOLATION),  # CLIENT_SETUP is of draft 16
        ("0a: 04", VIOLATION),  # and so is UNSUBSCRIBE
        ("af00: 04 00 00 00", VIOLATION),  # a known option twice
        ("af00: 01 01 78", SessionError.MALFORMED_PATH),
        ("af00: 01 03 2f2578", SessionError.MALFORMED_PATH),
        ("af00: 05 01 20", SessionError.MALFORMED_AUTHORITY),
        ("af00: 05 00", SessionError.MALFORMED_AUTHORITY),
        ("af00: 03 01 09", FORMATTING),
    ],
)
def test_messages_of_draft_18(payload: str, code: SessionError) -> None:
    refused(DRAFT18, payload, code)


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        ("03: 04 00 01 74 00", VIOLATION),  # a track without a namespace
        ("06: 04 00 00", VIOLATION),
        (f"03: 04 {NAME} 01 04 00", VIOLATION),  # RENDEZVOUS_TIMEOUT is of later drafts
        (f"03: 04 {NAME} 01 02 00", VIOLATION),  # DELIVERY_TIMEOUT 0
        (f"03: 04 {NAME} 01 20 4100", VIOLATION),  # a priority of 256
        (f"03: 04 {NAME} 01 21 04 04 05 00 04", VIOLATION),  # a filter that ends before it starts
        ("04: 04 07 01 09 03 05 05 05", VIOLATION),  # LARGEST_OBJECT with too much
        ("20: 01 02 05 05 01 78", VIOLATION),  # more setup parameters than announced
        ("20: 02 02 05", VIOLATION),  # fewer
        ("04: 04 07 00 02 00", VIOLATION),  # a track with DELIVERY_TIMEOUT 0
        ("6f00: 00", VIOLATION),  # SETUP is of later drafts
        ("4051: 02 00 00", VIOLATION),
    ],
)
def test_messages_of_draft_16(payload: str, code: SessionError) -> None:
    refused(DRAFT16, payload, code)


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (f"03: 04 {NAME} 01 21 05 00 00 00 00 00", VIOLATION),  # a filter of five numbers
        (f"03: 04 {NAME} 01 21 0b 01 00 ffffffffffffffffff", VIOLATION),  # that ends behind 2^64
        (f"03: 04 {NAME} 01 29 00", VIOLATION),  # TRACK_PROPERTY_FILTER in SUBSCRIBE
        (f"03: 04 {NAME} 02 23 00 00 00", VIOLATION),  # FILL_PARAMETERS twice
        ("1e: 00", VIOLATION),  # PUBLISH_OK is of earlier drafts
        ("07: 01 10 01", VIOLATION),  # and has no FORWARD any more
        ("10: 00 00 05", VIOLATION),  # nor has GOAWAY a request ID
    ],
)
def test_messages_of_draft_20(payload: str, code: SessionError) -> None:
    refused(DRAFT20, payload, code)


def refused(draft: Draft, payload: str, code: SessionError) -> None:
    type_, _, body = payload.partition(":")
    data = bytes.fromhex(body)
    with pytest.raises(RemoteProtocolError) as caught:
        ControlParser(draft).feed(bytes.fromhex(type_) + len(data).to_bytes(2, "big") + data)
    assert caught.value.code is code
    assert code.name in str(caught.value)


def test_an_unknown_type_is_told_before_its_payload_has_come() -> None:
    with pytest.raises(RemoteProtocolError):
        ControlParser(DRAFT18).feed(b"\x47")


def test_draft_16_ignores_parameters_that_are_out_of_place() -> None:
    # EXPIRES and LARGEST_OBJECT in SUBSCRIBE, beside one that belongs there.
    payload = bytes.fromhex(f"04 {NAME} 03 08 05 01 02 ffff 07 01")
    assert DRAFT16.decode_control(0x3, payload) == Subscribe(4, TRACK, Parameters(forward=True))


def test_unknown_setup_options_are_kept_and_may_repeat() -> None:
    message = ControlParser(DRAFT18).feed(bytes.fromhex("af00 0006 02 01 00 02 2b 00"))
    assert message == [Setup(Options(unknown=((2, 1), (2, 2), (0x2D, b""))))]


@pytest.mark.parametrize(
    ("request_name", "answer", "fits"),
    [
        ("PUBLISH", RequestOk(Parameters(forward=True, expires_ms=1)), True),
        ("PUBLISH_NAMESPACE", RequestOk(Parameters(expires_ms=1)), False),
        ("TRACK_STATUS", RequestOk(Parameters(largest=Location(0, 0)), Properties.of((2, 1))), True),
        ("REQUEST_UPDATE", RequestOk(Parameters(), Properties.of((2, 1))), False),
    ],
)
def test_answers_that_fit_their_request(request_name: str, answer: RequestOk, fits: bool) -> None:
    if fits:
        DRAFT18.check_answer(request_name, answer)
    else:
        with pytest.raises(RemoteProtocolError):
            DRAFT18.check_answer(request_name, answer)


@pytest.mark.parametrize(
    ("draft", "data"),
    [
        (DRAFT18, "16 02 03 00"),  # reserved subgroup mode
        (DRAFT18, "8090 02 03 00"),
        (DRAFT18, "0f 02 03 00"),
        (DRAFT16, "4050 02 03 00"),  # FIRST_OBJECT is of later drafts
        (DRAFT18, "10 02 03 00  00 00 01"),  # status 1
        (DRAFT18, "11 02 03 00  00 02 02 05 00 03"),  # END_OF_GROUP with properties
        (DRAFT18, "11 02 03 00  00 02 0d 05 01 78"),  # properties cut short
        (DRAFT18, "10 02 03 00  ffffffffffffffffff 01 78 00 01 78"),  # object IDs overflow
    ],
)
def test_subgroup_streams(draft: Draft, data: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        SubgroupParser(draft).feed(bytes.fromhex(data))
    assert caught.value.code is VIOLATION


@pytest.mark.parametrize(
    "data", ["", "10", "22 07 09 00 00", "0d 07 09 00", "2c 07 09 01", "2c 07 09 00 00", "0d 07 09 05 02"]
)
def test_datagrams(data: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        decode_datagram(DRAFT18, bytes.fromhex(data))
    assert caught.value.code is VIOLATION


@pytest.mark.parametrize(
    "data",
    [
        "06 04",
        "05 04 17 03 80 00",  # the first object without a group ID
        "05 04 1b 0a 80 00",  # without an object ID
        "05 04 0c 0a 03 00",  # without a priority
        "05 04 1d 0a 03 80 00",  # with the subgroup of nothing
        "05 04 8080 00",  # unknown flags
        "05 04 1c ffffffffffffffffff 00 80 00 08 00 00",  # group IDs overflow
        "05 04 1c 00 ffffffffffffffffff 80 00 00 00",  # object IDs overflow
        "05 04 1f 00 ffffffffffffffffff 00 80 00 02 00",  # subgroup IDs overflow
        "05 04 808c 05 00 1c 00 00 80 00 5d 00 00 80 00 0d 00 00 00",  # subgroup of a datagram
    ],
)
def test_fetch_streams(data: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        FetchParser(DRAFT18, lambda _: False).feed(bytes.fromhex(data))
    assert caught.value.code is VIOLATION


def test_descending_groups_below_nothing() -> None:
    with pytest.raises(RemoteProtocolError):
        FetchParser(DRAFT18, lambda _: True).feed(bytes.fromhex("05 04 1c 00 00 80 00  0c 00 00 00"))


@pytest.mark.parametrize(
    "parse",
    [
        lambda: SubgroupParser(DRAFT18, limit=100).feed(bytes.fromhex("30 02 03  00 65")),
        lambda: SubgroupParser(DRAFT18, limit=100).feed(bytes.fromhex("31 02 03  00 65")),
        lambda: FetchParser(DRAFT18, lambda _: False, 100).feed(bytes.fromhex("05 04 1c 00 00 80 65")),
    ],
)
def test_objects_above_the_limit_are_refused_by_their_length(parse: Callable[[], object]) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        parse()
    assert caught.value.code is SessionError.INTERNAL_ERROR


def test_kinds_of_streams() -> None:
    def kind(data: str, draft: Draft = DRAFT18) -> StreamKind | None:
        return stream_kind(draft, bytes.fromhex(data))

    assert kind("") is None
    assert kind("af") is None
    assert kind("af00") is StreamKind.CONTROL
    assert kind("05") is StreamKind.FETCH
    assert kind("50") is StreamKind.SUBGROUP
    assert kind("f0132b3e28") is StreamKind.PADDING
    assert kind("30", DRAFT16) is StreamKind.SUBGROUP
    for data, draft in (("06", DRAFT18), ("8090", DRAFT18), ("4050", DRAFT16), ("6f00", DRAFT16)):
        with pytest.raises(RemoteProtocolError):
            kind(data, draft)


@pytest.mark.parametrize(
    ("items", "malformed"),
    [
        ("0b 02 0c 1e", False),
        ("0b 02 0d 05", True),  # cannot be read
        ("0b 02 0b 00", True),  # holds itself
        ("0b 00 00 00", True),  # twice
        ("3c 01 00 01", True),  # PRIOR_GROUP_ID_GAP twice
        ("c04000 01", True),  # a mandatory track property
        ("b841 01 78", False),
    ],
)
def test_malformed_tracks_are_no_errors_of_the_session(items: str, malformed: bool) -> None:
    properties = bytes.fromhex(items)
    data = bytes.fromhex("31 02 03 00") + bytes((len(properties),)) + properties + b"\x01x"
    (found,) = SubgroupParser(DRAFT18).feed(data)
    assert found.properties.malformed is malformed
    if items.startswith("0b 02 0c"):
        assert found.properties.number(0x0C) == 0x1E


@pytest.mark.parametrize(
    ("draft", "message"),
    [
        (DRAFT18, Unsubscribe(4)),
        (DRAFT18, PublishOk(4)),
        (DRAFT16, SubscribeTracks(4, ())),
        (DRAFT16, Setup(Options())),
        (DRAFT16, RequestOk()),
        (DRAFT16, PublishNamespace(4, ())),
        (DRAFT18, PublishNamespace(4, (b"",))),
        (DRAFT18, PublishNamespace(4, (b"a",) * 33)),
        (DRAFT18, Subscribe(4, FullTrackName((b"a",), b"x" * 4096))),
        (DRAFT18, Subscribe(1 << 64, TRACK)),
        (DRAFT16, Subscribe(1 << 62, TRACK)),
        (DRAFT18, Subscribe(4, TRACK, Parameters(expires_ms=5))),
        (DRAFT18, Subscribe(4, TRACK, Parameters(subscriber_priority=256))),
        (DRAFT18, Subscribe(4, TRACK, Parameters(filter=Filter(FilterType.ABSOLUTE_START)))),
        (
            DRAFT18,
            Subscribe(4, TRACK, Parameters(filter=Filter(FilterType.ABSOLUTE_RANGE, Location(5, 0), 4))),
        ),
        (DRAFT18, Subscribe(4, TRACK, Parameters(authorization=(Token(AliasType.USE_ALIAS),)))),
        (DRAFT18, Subscribe(4, TRACK, Parameters(authorization=(Token(AliasType.REGISTER, 1),)))),
        (DRAFT18, Subscribe(4, TRACK, Parameters(authorization=(Token.of(b"x" * 65_535),)))),
        (DRAFT18, RequestError_(0x34)),
        (DRAFT18, Subscribe(4, TRACK, Parameters(filter=Filter(FilterType.RELATIVE_START, groups=1)))),
        (DRAFT20, Subscribe(4, TRACK, Parameters(filter=Filter(FilterType.RELATIVE_START)))),
        (DRAFT20, Fetch(4, JoiningFetch(2, 1))),
        (DRAFT20, Fetch(4, StandaloneFetch(TRACK, Location(5, 0), Location(4, 0)))),
        (DRAFT18, Goaway("x" * 8193)),
        (DRAFT18, Goaway("ä")),
        (DRAFT18, RequestOk(properties=Properties(((4, 1), (2, 1))))),
        (DRAFT18, RequestOk(properties=Properties(((4, b""),)))),
        (DRAFT18, RequestOk(properties=Properties(((5, 1),)))),
        (DRAFT18, RequestOk(properties=Properties(((5, b"x" * 65_535),)))),
    ],
)
def test_what_we_must_not_say(draft: Draft, message: Message) -> None:
    with pytest.raises(LocalProtocolError):
        draft.encode(message)


def test_what_draft_16_has_no_word_for_is_left_out() -> None:
    full = Subscribe(4, TRACK, Parameters(rendezvous_timeout_ms=5, forward=True))
    assert DRAFT16.encode(full) == DRAFT16.encode(Subscribe(4, TRACK, Parameters(forward=True)))
    assert DRAFT16.encode(Goaway("x", 5, 7)) == DRAFT16.encode(Goaway("x"))
    timeless = SubscribeOk(7, properties=Properties.of((2, 0), (4, 1)), request_id=4)
    assert DRAFT16.encode(timeless).endswith(b"\x04\x07\x00\x04\x01")
    update = RequestUpdate(6, Parameters(), existing_request_id=4)
    assert DRAFT18.encode(update) == DRAFT18.encode(RequestUpdate(6))


@pytest.mark.parametrize(
    "encode",
    [
        lambda: encode_subgroup_header(DRAFT18, SubgroupHeader(1, 2, priority=256)),
        lambda: encode_object(DRAFT18, SubgroupHeader(1, 2), Object(0, b"", Properties.of((2, 1)))),
        lambda: encode_object(DRAFT18, SubgroupHeader(1, 2), Object(0, b"x", status=Status.END_OF_GROUP)),
        lambda: encode_object(DRAFT18, SubgroupHeader(1, 2), Object(3, b"x"), previous=3),
        lambda: encode_datagram(DRAFT18, ObjectDatagram(1, 2, 3, b"x", status=Status.END_OF_TRACK)),
    ],
)
def test_objects_that_we_must_not_send(encode: Callable[[], bytes]) -> None:
    with pytest.raises(LocalProtocolError):
        encode()


def test_fetched_objects_must_go_out_in_order() -> None:
    writer = FetchWriter(DRAFT18)
    writer.encode(FetchObject(3, 5, b"x"))
    for item in (FetchObject(3, 5, b"x"), FetchObject(2, 0, b"x")):
        with pytest.raises(LocalProtocolError):
            writer.encode(item)


def test_a_reason_is_cut_between_characters() -> None:
    (message,) = ControlParser(DRAFT18).feed(DRAFT18.encode(RequestError_(1, reason="ä" * 600)))
    assert message == RequestError_(1, reason="ä" * 512)


def test_names_in_logs() -> None:
    # Section 1.5.
    name = FullTrackName((b"example.net", b"team2", b"project_x"), b"report")
    assert str(name) == "example.2enet-team2-project_x--report"
    assert FullTrackName.parse("voice/ab12/uplink", "audio").namespace == (b"voice", b"ab12", b"uplink")
    with pytest.raises(ValueError, match="empty field"):
        FullTrackName.parse("voice//uplink", "audio")


def test_a_token_is_not_in_its_repr() -> None:
    assert "secret" not in repr(Subscribe(4, TRACK, Parameters(authorization=(Token.of(b"secret"),))))
