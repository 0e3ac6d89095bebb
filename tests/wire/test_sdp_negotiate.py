"""Offer and answer."""

from __future__ import annotations

from contextlib import suppress

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clutch.wire.sdp import (
    CODECS,
    L16_8000,
    L16_16000,
    OPUS,
    PCMA,
    PCMU,
    Agreed,
    CodecOffer,
    Direction,
    LocalMedia,
    NotAcceptable,
    RtpMap,
    SdpParseError,
    Session,
    accept_answer,
    answer,
    make_offer,
)

ALICE = LocalMedia("192.0.2.1", 4000, (OPUS, PCMU, PCMA, L16_16000, L16_8000), session_id=7)
BOB = LocalMedia("192.0.2.2", 5000, (PCMA, PCMU), session_id=9, session_version=5)
HEAD = "v=0\no=- 1 1 IN IP4 192.0.2.9\ns=-\nc=IN IP4 192.0.2.9\nt=0 0\n"


def offer_of(*lines: str, head: str = HEAD) -> Session:
    """A peer's description with these lines after the session's."""
    return Session.parse((head + "\n".join(lines)).encode())


def text(session: Session) -> list[str]:
    """A description, line by line."""
    return session.to_bytes().decode().splitlines()


def test_an_offer_lists_what_we_have_by_preference() -> None:
    assert text(make_offer(ALICE)) == [
        "v=0",
        "o=- 7 1 IN IP4 192.0.2.1",
        "s=-",
        "c=IN IP4 192.0.2.1",
        "t=0 0",
        "m=audio 4000 RTP/AVP 96 0 8 97 98 102 101 103",
        "a=rtpmap:96 opus/48000/2",
        "a=fmtp:96 useinbandfec=1;stereo=0;sprop-stereo=0",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:97 L16/16000",
        "a=rtpmap:98 L16/8000",
        "a=rtpmap:102 telephone-event/48000",
        "a=fmtp:102 0-15",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-15",
        "a=rtpmap:103 telephone-event/16000",
        "a=fmtp:103 0-15",
        "a=ptime:20",
        "a=maxptime:20",
        "a=rtcp-mux",
        "a=sendrecv",
    ]


def test_the_answer_takes_our_favourite_under_the_number_of_the_offer() -> None:
    offer = offer_of(
        "m=audio 6000 RTP/AVP 0 8 111 100 101",
        "a=rtpmap:111 OPUS/48000/2",
        "a=rtpmap:100 telephone-event/48000",
        "a=rtpmap:101 telephone-event/8000",
    )
    session, agreed = answer(offer, attrs.evolve(ALICE, codecs=(OPUS, PCMU)))
    assert agreed == Agreed(
        ("192.0.2.9", 6000),
        OPUS,
        111,
        100,
        send=True,
        receive=True,
        rtcp=("192.0.2.9", 6001),
        event_clock_hz=48_000,
    )
    assert text(session)[5:] == [
        "m=audio 4000 RTP/AVP 111 100",
        "a=rtpmap:111 OPUS/48000/2",
        "a=fmtp:111 useinbandfec=1;stereo=0;sprop-stereo=0",
        "a=rtpmap:100 telephone-event/48000",
        "a=fmtp:100 0-15",
        "a=ptime:20",
        "a=maxptime:20",
        "a=sendrecv",
    ]
    _, agreed = answer(offer, BOB)
    assert (agreed.codec, agreed.payload_type, agreed.telephone_event) == (PCMA, 8, 101)
    assert agreed.event_clock_hz == 8000


def test_rtcp_shares_the_port_if_both_say_so() -> None:
    offer = make_offer(ALICE)
    session, agreed = answer(offer, BOB)
    assert "a=rtcp-mux" in text(session)
    assert agreed.rtcp is None
    assert accept_answer(offer, session, ALICE).rtcp is None
    alone = Session.parse(b"\r\n".join(x for x in session.to_bytes().split(b"\r\n") if x != b"a=rtcp-mux"))
    assert accept_answer(offer, alone, ALICE).rtcp == (BOB.address, BOB.port + 1)


@pytest.mark.parametrize(
    ("lines", "rtcp"),
    [
        ([], ("192.0.2.9", 6001)),
        (["a=rtcp:7000"], ("192.0.2.9", 7000)),
        (["a=rtcp:7000 IN IP4 192.0.2.10"], ("192.0.2.10", 7000)),
        (["a=rtcp:7000 IN IP6 2001:db8::1"], ("192.0.2.9", 7000)),
        (["a=rtcp:7000 IN IP4 host.example"], ("192.0.2.9", 7000)),
        (["a=rtcp:0"], ("192.0.2.9", 6001)),
        (["a=rtcp-mux", "a=rtcp:6000"], None),
    ],
)
def test_where_the_peer_receives_rtcp(lines: list[str], rtcp: tuple[str, int] | None) -> None:
    session, agreed = answer(offer_of("m=audio 6000 RTP/AVP 0", *lines), BOB)
    assert agreed.rtcp == rtcp
    assert ("a=rtcp-mux" in text(session)) == (rtcp is None)


def test_rtcp_stays_within_the_ports() -> None:
    _, agreed = answer(offer_of("m=audio 65535 RTP/AVP 0"), BOB)
    assert agreed.rtcp == ("192.0.2.9", 65_535)


@pytest.mark.parametrize("value", ["", "x", "70000", "7000 IP4 192.0.2.1", "7000 IN IP5 x", "7000 "])
def test_an_rtcp_address_that_is_none(value: str) -> None:
    with pytest.raises(SdpParseError) as caught:
        offer_of("m=audio 6000 RTP/AVP 0", f"a=rtcp:{value}")
    assert caught.value.line == 7


def test_static_payload_types_need_no_rtpmap() -> None:
    session, agreed = answer(offer_of("m=audio 6000 RTP/AVP 18 0"), BOB)
    assert (agreed.codec, agreed.payload_type, agreed.telephone_event) == (PCMU, 0, None)
    assert text(session)[5:7] == ["m=audio 5000 RTP/AVP 0", "a=rtpmap:0 PCMU/8000"]


def test_a_stated_mapping_beats_the_static_one() -> None:
    _, agreed = answer(offer_of("m=audio 6000 RTP/AVP 8 0", "a=rtpmap:0 PCMA/8000", "a=rtpmap:8 X/1"), BOB)
    assert (agreed.codec, agreed.payload_type) == (PCMA, 0)


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_both_sides_of_every_codec_agree(codec: CodecOffer) -> None:
    everything = attrs.evolve(ALICE, codecs=tuple(CODECS.values()))
    offer = make_offer(everything)
    received = Session.parse(offer.to_bytes())
    session, bob = answer(received, attrs.evolve(BOB, codecs=(codec,)))
    alice = accept_answer(offer, Session.parse(session.to_bytes()), everything)
    assert attrs.evolve(alice, remote=bob.remote) == bob
    assert (alice.remote, bob.remote) == (("192.0.2.2", 5000), ("192.0.2.1", 4000))
    assert alice.codec == codec
    assert alice.telephone_event == {8000: 101, 48_000: 102, 16_000: 103}[codec.clock_hz]


@pytest.mark.parametrize(
    ("events", "number", "clock_hz"),
    [
        (["101 telephone-event/8000", "100 telephone-event/48000"], 100, 48_000),
        (["101 telephone-event/8000"], 101, 8000),
        (["101 Telephone-Event/16000"], 101, 16_000),
        (["101 telephone-event/11025", "100 telephone-event/8000/2"], None, None),
    ],
)
def test_events_prefer_the_clock_of_the_codec(
    events: list[str], number: int | None, clock_hz: int | None
) -> None:
    maps = [f"a=rtpmap:{item}" for item in ["96 opus/48000/2", *events]]
    offer = offer_of("m=audio 6000 RTP/AVP 101 100 96", *maps)
    session, agreed = answer(offer, ALICE)
    assert (agreed.telephone_event, agreed.event_clock_hz) == (number, clock_hz)
    assert ("a=fmtp:101 0-15" in text(session)) == (number == 101)


def test_events_at_8000_hz_are_always_offered() -> None:
    offer = make_offer(attrs.evolve(ALICE, codecs=(OPUS,)))
    assert offer.media[0].formats == ("96", "102", "101")
    agreed = accept_answer(
        offer,
        offer_of(
            "m=audio 6000 RTP/AVP 96 101", "a=rtpmap:96 opus/48000/2", "a=rtpmap:101 telephone-event/8000"
        ),
        ALICE,
    )
    assert (agreed.telephone_event, agreed.event_clock_hz) == (101, 8000)


def test_format_parameters_of_the_codec_are_told() -> None:
    offer = offer_of(
        "m=audio 6000 RTP/AVP 96 0",
        "a=rtpmap:96 opus/48000/2",
        "a=fmtp:96 useInbandFec=1; maxplaybackrate = 16000;;odd",
        "a=fmtp:0 x=y",
    )
    assert answer(offer, ALICE)[1].parameters == {
        "useinbandfec": "1",
        "maxplaybackrate": "16000",
        "": "",
        "odd": "",
    }
    assert accept_answer(make_offer(ALICE), offer, ALICE).parameters["maxplaybackrate"] == "16000"
    assert answer(offer_of("m=audio 6000 RTP/AVP 0"), ALICE)[1].parameters == {}


def test_comfort_noise_needs_the_wish_of_both_sides_and_its_clock() -> None:
    quiet = attrs.evolve(ALICE, comfort_noise=True)
    offer = make_offer(quiet)
    assert offer.media[0].formats == ("96", "0", "8", "97", "98", "13", "102", "101", "103")
    assert "a=rtpmap:13 CN/8000" in text(offer)
    session, agreed = answer(offer, attrs.evolve(BOB, comfort_noise=True))
    assert agreed.comfort_noise == 13
    assert session.media[0].formats == ("8", "13", "101")
    assert accept_answer(offer, session, quiet).comfort_noise == 13
    assert answer(offer, BOB)[1].comfort_noise is None
    assert answer(offer, attrs.evolve(quiet, codecs=(OPUS,)))[1].comfort_noise is None
    unmapped = offer_of("m=audio 6000 RTP/AVP 13 0")
    assert answer(unmapped, quiet)[1].comfort_noise == 13
    assert make_offer(attrs.evolve(quiet, codecs=(OPUS,))).media[0].formats == ("96", "102", "101")


def test_events_need_the_wish_of_both_sides() -> None:
    offer = make_offer(ALICE)
    session, agreed = answer(offer, attrs.evolve(BOB, telephone_event=False))
    assert agreed.telephone_event is None
    assert session.media[0].formats == ("8",)
    offer = make_offer(attrs.evolve(ALICE, telephone_event=False))
    assert offer.media[0].formats == ("96", "0", "8", "97", "98")


@pytest.mark.parametrize(
    ("stated", "wanted", "answered"),
    [
        ("sendrecv", "sendrecv", "sendrecv"),
        ("sendonly", "sendrecv", "recvonly"),
        ("recvonly", "sendrecv", "sendonly"),
        ("inactive", "sendrecv", "inactive"),
        ("sendrecv", "sendonly", "sendonly"),
        ("sendonly", "sendonly", "inactive"),
        ("recvonly", "sendonly", "sendonly"),
        ("sendrecv", "inactive", "inactive"),
    ],
)
def test_directions_are_mirrored(stated: str, wanted: str, answered: str) -> None:
    bob = attrs.evolve(BOB, direction=Direction(wanted))
    session, agreed = answer(offer_of("m=audio 6000 RTP/AVP 8", f"a={stated}"), bob)
    assert session.direction(session.media[0]).value == answered
    assert agreed.send is (answered in ("sendrecv", "sendonly"))
    assert agreed.receive is (answered in ("sendrecv", "recvonly"))


def test_a_direction_of_the_session_counts_for_its_streams() -> None:
    session, _ = answer(offer_of("a=sendonly", "m=audio 6000 RTP/AVP 8"), BOB)
    assert session.direction(session.media[0]) is Direction.RECVONLY


def test_hold_the_old_way() -> None:
    offer = offer_of("m=audio 6000 RTP/AVP 8", "c=IN IP4 0.0.0.0")
    session, agreed = answer(offer, BOB)
    assert (agreed.send, agreed.receive) == (False, True)
    assert agreed.remote == ("0.0.0.0", 6000)
    assert session.direction(session.media[0]) is Direction.RECVONLY


def test_the_offerer_hears_of_a_hold_in_the_answer() -> None:
    offer = make_offer(attrs.evolve(ALICE, direction=Direction.SENDONLY))
    session, _ = answer(offer, BOB)
    agreed = accept_answer(offer, session, ALICE)
    assert (agreed.send, agreed.receive) == (True, False)


def test_other_streams_are_rejected_in_their_places() -> None:
    offer = offer_of(
        "m=video 6002/2 RTP/AVP 99",
        "a=rtpmap:99 H264/90000",
        "m=audio 6004 RTP/SAVP 8",
        "m=audio 6006 RTP/AVP 8",
        "m=audio 6008 RTP/AVP 8",
        "m=image 6010 udptl t38",
    )
    session, agreed = answer(offer, BOB)
    assert [line for line in text(session) if line.startswith("m=")] == [
        "m=video 0 RTP/AVP 99",
        "m=audio 0 RTP/SAVP 8",
        "m=audio 5000 RTP/AVP 8",
        "m=audio 0 RTP/AVP 8",
        "m=image 0 udptl t38",
    ]
    assert agreed.remote == ("192.0.2.9", 6006)


def test_the_times_of_the_offer_are_repeated() -> None:
    offer = offer_of("m=audio 6000 RTP/AVP 8", head=HEAD.replace("t=0 0", "t=5 9"))
    assert "t=5 9" in text(answer(offer, BOB)[0])


def test_ipv6() -> None:
    alice = attrs.evolve(ALICE, address="2001:db8::1")
    bob = attrs.evolve(BOB, address="2001:db8::2")
    offer = make_offer(alice)
    assert text(offer)[1::2][:2] == ["o=- 7 1 IN IP6 2001:db8::1", "c=IN IP6 2001:db8::1"]
    session, agreed = answer(offer, bob)
    assert agreed.remote == ("2001:db8::1", 4000)
    assert accept_answer(offer, session, alice).remote == ("2001:db8::2", 5000)
    long = offer_of("m=audio 6000 RTP/AVP 8", "c=IN IP6 2001:0DB8:0::0001")
    assert answer(long, bob)[1].remote == ("2001:db8::1", 6000)


@pytest.mark.parametrize(
    ("lines", "code", "said"),
    [
        ([], 304, "no audio"),
        (["m=video 6000 RTP/AVP 8"], 304, "no audio"),
        (["m=audio 0 RTP/AVP 8"], 304, "no audio"),
        (["m=audio 6000 RTP/SAVP 8"], 302, "RTP/SAVP"),
        (["m=audio 6000 RTP/AVP 18 99"], 305, "nothing known"),
        (["m=audio 6000 RTP/AVP 99", "a=rtpmap:99 G726-32/8000"], 305, "G726-32/8000"),
        (["m=audio 6000 RTP/AVP 99", "a=rtpmap:99 PCMA/16000"], 305, "PCMA/16000"),
        (["m=audio 6000 RTP/AVP 99", "a=rtpmap:99 PCMA/8000/2"], 305, "no codec"),
        (["m=audio 6000 RTP/AVP 8", "a=maxptime:10"], 305, "maxptime"),
        (["m=audio 6000 RTP/AVP 8", "c=IN IP4 phone.example"], 301, "phone.example"),
        (["m=audio 6000 RTP/AVP 8", "c=IN IP4 224.2.1.1/127"], 301, "224.2.1.1/127"),
        (["m=audio 6000 RTP/AVP 8", "c=IN IP4 224.2.1.1"], 301, "224.2.1.1"),
        (["m=audio 6000 RTP/AVP 8", "c=IN IP6 2001:db8::1"], 301, "IP4 is needed"),
    ],
)
def test_what_cannot_be_agreed_gets_a_warning(lines: list[str], code: int, said: str) -> None:
    with pytest.raises(NotAcceptable, match=said) as caught:
        answer(offer_of(*lines), BOB)
    assert (caught.value.status, caught.value.code) == (488, code)
    assert caught.value.warning("node.example").startswith(f'{code} node.example "')


def test_a_warning_is_quoted() -> None:
    assert NotAcceptable(399, 'a "b" \\').warning("x") == '399 x "a \\"b\\" \\\\"'


ANSWER = "m=audio 6000 RTP/AVP 8"


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([], 399),
        ([ANSWER, ANSWER], 399),
        (["m=audio 0 RTP/AVP 8"], 304),
        (["m=video 6000 RTP/AVP 8"], 304),
        (["m=audio 6000 RTP/SAVP 8"], 302),
        (["m=audio 6000 RTP/AVP 18"], 305),
        ([ANSWER, "c=IN IP6 ::1"], 301),
    ],
)
def test_an_answer_that_does_not_fit(lines: list[str], code: int) -> None:
    offer = make_offer(ALICE)
    with pytest.raises(NotAcceptable) as caught:
        accept_answer(offer, offer_of(*lines), ALICE)
    assert caught.value.code == code


def test_an_answer_with_many_codecs_means_its_first() -> None:
    agreed = accept_answer(make_offer(ALICE), offer_of("m=audio 6000 RTP/AVP 101 8 0 96"), ALICE)
    assert (agreed.codec, agreed.payload_type, agreed.telephone_event) == (PCMA, 8, 101)


def test_an_answer_may_use_numbers_of_its_own() -> None:
    lines = [
        "m=audio 6000 RTP/AVP 120 121",
        "a=rtpmap:120 opus/48000/2",
        "a=rtpmap:121 telephone-event/48000",
    ]
    agreed = accept_answer(make_offer(ALICE), offer_of(*lines), ALICE)
    assert (agreed.codec, agreed.payload_type, agreed.telephone_event) == (OPUS, 120, 121)


def test_a_new_offer_without_changes_is_the_old_one() -> None:
    offer = make_offer(ALICE)
    assert make_offer(ALICE, offer) == offer
    first, _ = answer(offer, BOB)
    again, _ = answer(offer, BOB, first)
    assert again == first


def test_a_changed_description_counts_its_version() -> None:
    offer = make_offer(ALICE)
    held = make_offer(attrs.evolve(ALICE, direction=Direction.SENDONLY), offer)
    assert (held.origin.session_id, held.origin.version) == (7, 2)
    first, _ = answer(offer, BOB)
    second, _ = answer(held, BOB, first)
    assert (first.origin.version, second.origin.version) == (5, 6)
    resumed = make_offer(ALICE, held)
    assert (resumed.origin.version, resumed.media) == (3, offer.media)


def test_an_offer_after_an_answer_keeps_numbers_and_places() -> None:
    theirs = offer_of(
        "m=video 6002 RTP/AVP 99",
        "m=audio 6000 RTP/AVP 96 97",
        "a=rtpmap:96 PCMA/8000",
        "a=rtpmap:97 telephone-event/8000",
    )
    first, _ = answer(theirs, BOB)
    offer = make_offer(attrs.evolve(BOB, codecs=(OPUS, PCMA)), first)
    video, audio = offer.media
    assert (video.kind, video.port) == ("video", 0)
    assert audio.rtpmaps() == {
        127: RtpMap(127, "opus", 48_000, 2),
        96: RtpMap(96, "PCMA", 8000),
        102: RtpMap(102, "telephone-event", 48_000),
        97: RtpMap(97, "telephone-event", 8000),
    }
    assert offer.origin.version == first.origin.version + 1


MEDIA_LINES = st.sampled_from(
    [
        "m=audio 6000 RTP/AVP 0 8 96",
        "m=audio 0 RTP/AVP 0",
        "m=audio 1 RTP/AVP x 300 " + "9" * 5000,
        "m=video 6002 RTP/AVP 99",
        "a=rtpmap:96 opus/48000/2",
        "a=rtpmap:0 telephone-event/8000",
        "a=sendonly",
        "a=inactive",
        "a=maxptime:" + "1" * 5000,
        "a=maxptime:10",
        "c=IN IP4 0.0.0.0",
        "c=IN IP6 ::1",
        "c=IN IP4 x",
    ]
)


@given(st.lists(MEDIA_LINES, max_size=8), st.lists(MEDIA_LINES, max_size=8))
def test_any_two_descriptions_agree_or_say_why_not(first: list[str], second: list[str]) -> None:
    try:
        offer, reply = offer_of(*first), offer_of(*second)
    except SdpParseError:
        return
    with suppress(NotAcceptable):
        assert answer(offer, ALICE)[1].codec in ALICE.codecs
    with suppress(NotAcceptable):
        assert accept_answer(make_offer(ALICE), reply, ALICE).codec in ALICE.codecs
