"""SRTP in offer and answer."""

from __future__ import annotations

import base64
import random

import attrs
import pytest

from clutch.wire.sdp import (
    PCMU,
    Agreed,
    Crypto,
    Keys,
    LocalMedia,
    NotAcceptable,
    SdpParseError,
    Session,
    accept_answer,
    answer,
    make_offer,
)
from clutch.wire.srtp import SUITES

CM_80, CM_32, GCM = "AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32", "AEAD_AES_128_GCM"
HEAD = "v=0\no=- 1 1 IN IP4 192.0.2.9\ns=-\nc=IN IP4 192.0.2.9\nt=0 0\n"


def key_of(owner: str, suite: str) -> bytes:
    """A master key and its salt."""
    return random.Random(owner + suite).randbytes(SUITES[suite].material_bytes)


def local(name: str, *suites: str, must: bool = False) -> LocalMedia:
    """One side, with keys for these suites, or for all of them."""
    keys = {suite: key_of(name, suite) for suite in suites or SUITES}
    return LocalMedia("192.0.2.1", 4000, (PCMU,), session_id=7, keys=keys, must_encrypt=must)


ALICE, BOB = local("alice", GCM, CM_80, CM_32), local("bob")
STRICT = local("strict", must=True)
OPEN = attrs.evolve(ALICE, keys={})


def inline(material: bytes) -> str:
    """As it stands in SDP."""
    return f"inline:{base64.b64encode(material).decode()}"


KEY = inline(key_of("peer", CM_80))


def offer_of(*cryptos: str, protocol: str = "RTP/SAVP") -> Session:
    """A peer's offer with these keys."""
    lines = [f"m=audio 6000 {protocol} 0", *(f"a=crypto:{crypto}" for crypto in cryptos)]
    return Session.parse((HEAD + "\n".join(lines)).encode())


def cryptos(session: Session) -> list[str]:
    """Tags and suites of a description."""
    return [f"{crypto.tag} {crypto.suite}" for crypto in session.media[0].cryptos]


def round_trip(caller: LocalMedia, callee: LocalMedia) -> tuple[Session, Agreed, Agreed]:
    """The answer, and what caller and callee think, over the wire."""
    offer = make_offer(caller)
    described, callee_agreed = answer(Session.parse(offer.to_bytes()), callee)
    return described, accept_answer(offer, Session.parse(described.to_bytes()), caller), callee_agreed


def test_the_grammar() -> None:
    crypto = Crypto.parse(f"1 {CM_80} {KEY}|2^20 KDR=1  WSH=60")
    assert (crypto.tag, crypto.suite, crypto.session_params) == (1, CM_80, ("KDR=1", "WSH=60"))
    assert str(crypto) == f"1 {CM_80} {KEY}|2^20 KDR=1 WSH=60"


@pytest.mark.parametrize("text", ["", "1", f"1 {CM_80}", f"x {CM_80} {KEY}", f"1 {CM_80} key", "1  a b:"])
def test_a_line_that_is_none_is_refused_without_showing_its_key(text: str) -> None:
    with pytest.raises(SdpParseError) as caught:
        offer_of(text)
    assert caught.value.status == 400
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("size", ["", "|2^20", "|1048576", "|2^48"])
def test_a_key_may_have_a_lifetime(size: str) -> None:
    assert Crypto.parse(f"1 {CM_80} {KEY}{size}").material == key_of("peer", CM_80)


@pytest.mark.parametrize(
    "text",
    [
        f"1 {CM_80} {KEY}|2^20|1:4",
        f"1 {CM_80} {KEY}|1:4",
        f"1 {CM_80} {KEY};{KEY}",
        f"1 {CM_80} {inline(bytes(29))}",
        f"1 {CM_80} inline:####",
        f"1 {CM_80} inline:AAA",
        f"1 {CM_80} uri:https://192.0.2.9/",
        f"1 F8_128_HMAC_SHA1_80 {KEY}",
        f"1 {CM_80} {KEY} UNENCRYPTED_SRTP",
        f"1 {CM_80} {KEY} KDR=20",
    ],
)
def test_what_we_cannot_do_is_passed_over(text: str) -> None:
    assert Crypto.parse(text).material is None
    with pytest.raises(NotAcceptable, match="no key for SRTP"):
        answer(offer_of(text), BOB)
    _, agreed = answer(offer_of(text, f"2 {CM_80} {KEY} WSH=64 -X"), BOB)
    assert agreed.keys == Keys(CM_80, key_of("bob", CM_80), key_of("peer", CM_80))


def test_an_offer_has_what_we_like_best() -> None:
    offer = make_offer(ALICE)
    assert offer.media[0].protocol == "RTP/AVP"
    assert cryptos(offer) == [f"1 {GCM}", f"2 {CM_80}"]
    assert make_offer(STRICT).media[0].protocol == "RTP/SAVP"
    assert cryptos(make_offer(OPEN)) == []


@pytest.mark.parametrize(("caller", "callee"), [(ALICE, BOB), (ALICE, STRICT), (STRICT, BOB)])
def test_each_side_says_its_key(caller: LocalMedia, callee: LocalMedia) -> None:
    described, asked, answered = round_trip(caller, callee)
    assert asked.keys is not None
    assert answered.keys is not None
    assert asked.keys.suite == answered.keys.suite
    assert (asked.keys.send, asked.keys.receive) == (answered.keys.receive, answered.keys.send)
    assert asked.keys.send != asked.keys.receive
    assert len(described.media[0].cryptos) == 1


@pytest.mark.parametrize(("caller", "callee"), [(ALICE, OPEN), (OPEN, BOB), (OPEN, OPEN)])
def test_without_keys_on_one_side_it_is_plain(caller: LocalMedia, callee: LocalMedia) -> None:
    described, asked, answered = round_trip(caller, callee)
    assert (asked.keys, answered.keys) == (None, None)
    assert (described.media[0].protocol, cryptos(described)) == ("RTP/AVP", [])


@pytest.mark.parametrize(("caller", "callee"), [(STRICT, OPEN), (OPEN, STRICT)])
def test_plain_rtp_can_be_out_of_the_question(caller: LocalMedia, callee: LocalMedia) -> None:
    with pytest.raises(NotAcceptable) as caught:
        answer(make_offer(caller), callee)
    assert caught.value.status == 488


def test_the_offerer_is_asked_which_suite_it_likes_best() -> None:
    offer = offer_of(f"5 {CM_32} {KEY}", f"6 {CM_80} {KEY}")
    described, agreed = answer(offer, BOB)
    assert cryptos(described) == [f"5 {CM_32}"]
    assert agreed.keys is not None
    assert agreed.keys.suite == CM_32
    assert described.media[0].protocol == "RTP/SAVP"


def test_the_first_stream_that_can_be_had_is_taken() -> None:
    lines = ["m=audio 6000 RTP/SAVP 0", f"a=crypto:1 NO {KEY}", "m=audio 6002 RTP/AVP 0"]
    offer = Session.parse((HEAD + "\n".join(lines)).encode())
    described, agreed = answer(offer, BOB)
    assert [media.port for media in described.media] == [0, 4000]
    assert (agreed.remote, agreed.keys) == (("192.0.2.9", 6002), None)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ([], "one key for SRTP must be answered, not 0"),
        ([f"1 {GCM} {{}}", f"2 {CM_80} {KEY}"], "not 2"),
        ([f"2 {GCM} {{}}"], "was not offered under the tag 2"),
        ([f"1 {CM_32} {KEY}"], "was not offered"),
        ([f"1 {GCM} {KEY}"], "cannot be used"),
    ],
)
def test_an_answer_must_take_one_of_our_lines(change: list[str], why: str) -> None:
    offer = make_offer(local("alice", GCM, CM_80, must=True))
    assert cryptos(offer) == [f"1 {GCM}", f"2 {CM_80}"]
    given = offer_of(*(text.format(inline(key_of("peer", GCM))) for text in change))
    with pytest.raises(NotAcceptable, match=why):
        accept_answer(offer, given, STRICT)


def test_an_answer_keeps_the_protocol() -> None:
    with pytest.raises(NotAcceptable, match="RTP/AVP was offered, RTP/SAVP answered"):
        accept_answer(make_offer(ALICE), offer_of(f"1 {CM_80} {KEY}"), ALICE)


def test_keys_that_were_not_asked_for_are_not_used() -> None:
    given = offer_of(f"1 {CM_80} {KEY}", protocol="RTP/AVP")
    assert accept_answer(make_offer(OPEN), given, OPEN).keys is None


def test_an_offer_after_an_answer_keeps_the_protocol() -> None:
    described, _ = answer(offer_of(f"9 {CM_32} {KEY}"), BOB)
    again = make_offer(BOB, described).media[0]
    assert again.protocol == "RTP/SAVP"
    assert [line.material for line in again.cryptos] == [key_of("bob", line.suite) for line in again.cryptos]


def test_no_repr_shows_a_key() -> None:
    offer = offer_of(f"1 {CM_80} {KEY}")
    described, agreed = answer(offer, BOB)
    ours = base64.b64encode(key_of("bob", CM_80)).decode()
    for value in (offer, described, agreed, BOB, offer.media[0].cryptos):
        shown = repr(value)
        assert KEY not in shown
        assert ours not in shown
        assert repr(key_of("bob", CM_80)) not in shown
