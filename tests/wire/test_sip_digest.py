"""Digest authentication: known answers, the client's choices, the server's memory."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

import attrs
import pytest

from clutch.wire.sip import digest as digest_module
from clutch.wire.sip.auth import Challenge, Credentials
from clutch.wire.sip.digest import (
    DigestClient,
    DigestServer,
    Rejected,
    Verified,
    choose,
    digest,
    supported,
)
from clutch.wire.sip.errors import AuthFailed, LocalProtocolError, SipParseError
from clutch.wire.sip.headers import Headers
from clutch.wire.sip.message import Request, Response, parse_message
from clutch.wire.sip.uri import Uri

MUFASA = Credentials(
    username="Mufasa",
    realm="http-auth@example.org",
    uri="/dir/index.html",
    nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
    nc="00000001",
    cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    qop="auth",
    opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS",
    response="",
)
"""RFC 7616 section 3.9.1."""

JASON = Credentials(
    username="Jäsøn Doe",
    realm="api@example.org",
    uri="/doe.json",
    algorithm="SHA-512-256",
    nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
    nc="00000001",
    cnonce="NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
    qop="auth",
    response="",
)
"""RFC 7616 section 3.9.2."""

KNOWN = {
    "7616-md5": (MUFASA, "Circle of Life", "8ca523f5e9506fed4657c9700eebdbec"),
    "7616-sha256": (
        attrs.evolve(MUFASA, algorithm="SHA-256"),
        "Circle of Life",
        "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
    ),
    # The digest printed in the RFC is that of a truncated SHA-512; this is the one of erratum 4897.
    "7616-sha512-256": (
        JASON,
        "Secret, or not?",
        "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5",
    ),
    "2617": (
        Credentials(
            username="Mufasa",
            realm="testrealm@host.com",
            nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",
            uri="/dir/index.html",
            response="",
            qop="auth",
            nc="00000001",
            cnonce="0a4f113b",
        ),
        "Circle Of Life",
        "6629fae49393a05397450978507c4ef1",
    ),
    "2069": (
        Credentials(
            username="Mufasa",
            realm="testrealm@host.com",
            nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",
            uri="/dir/index.html",
            response="",
        ),
        "CircleOfLife",
        "1949323746fe6a43ef61f9606e7febea",
    ),
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_answers(name: str) -> None:
    credentials, password, expected = KNOWN[name]
    assert digest(credentials, "GET", password) == expected


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "SHA-512-256"])
def test_session_digests_depend_on_the_cnonce_twice(algorithm: str) -> None:
    """HA1 of -sess is H(HA1:nonce:cnonce): the plain digest with that in place of the user's own HA1."""
    plain = attrs.evolve(MUFASA, algorithm=algorithm)
    session = attrs.evolve(plain, algorithm=f"{algorithm}-sess")
    assert digest(session, "GET", "x") != digest(plain, "GET", "x")
    assert digest(session, "GET", "x") == digest(
        attrs.evolve(session, algorithm=algorithm.lower() + "-SESS"), "GET", "x"
    )


def test_challenge_with_a_list_of_qops() -> None:
    challenge = Challenge.parse(
        'Digest realm="a \\"b\\", c", nonce="n", qop="auth, auth-int",algorithm=MD5-sess , stale=TRUE, '
        'opaque="", domain="sip:a sip:b", charset=UTF-8, x=y'
    )
    assert challenge == Challenge(
        'a "b", c', "n", "MD5-sess", ("auth", "auth-int"), opaque="", stale=True, domain="sip:a sip:b"
    )
    assert str(challenge) == (
        'Digest realm="a \\"b\\", c", domain="sip:a sip:b", nonce="n", opaque="", stale=true, '
        'algorithm=MD5-sess, qop="auth,auth-int"'
    )


def test_credentials_are_written_as_rfc_7616_wants_them() -> None:
    text = str(attrs.evolve(MUFASA, response="00ff"))
    assert text == (
        'Digest username="Mufasa", realm="http-auth@example.org", '
        'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", uri="/dir/index.html", response="00ff", '
        'algorithm=MD5, cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", '
        'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS", qop=auth, nc=00000001'
    )
    quoted = text.replace("qop=auth", 'qop="auth"').replace("algorithm=MD5", 'algorithm="MD5"')
    assert Credentials.parse(quoted) == Credentials.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Digest",
        'Basic realm="a", nonce="b"',
        'Digest realm="a"',
        'Digest realm="a", nonce',
        'Digest realm="a", nonce=',
        'Digest realm="a", nonce="b',
        'Digest realm="a", nonce="b"c',
        'Digest realm="a", nonce="b", realm="c"',
        'Digest realm="a", no nce="b"',
        'Digest realm="a", nonce=b"c"',
    ],
)
def test_broken_challenges(text: str) -> None:
    with pytest.raises(SipParseError):
        Challenge.parse(text)


@pytest.mark.parametrize("change", [{"nc": None}, {"nc": "1"}, {"nc": "0000000g"}, {"cnonce": None}])
def test_qop_needs_count_and_cnonce(change: dict[str, Any]) -> None:
    with pytest.raises(SipParseError):
        Credentials.parse(str(attrs.evolve(MUFASA, **change)))


def test_choose_takes_the_first_that_is_supported() -> None:
    unknown = Challenge("r", "n", "AKAv1-MD5", ("auth",))
    integrity = Challenge("r", "n", "SHA-256", ("auth-int",))
    good, fallback = Challenge("r", "n", "sha-512-256", ("auth",)), Challenge("r", "n")
    assert choose([unknown, integrity, good, fallback]) is good
    assert choose([fallback, good]) is fallback
    assert choose([unknown, integrity]) is None
    assert not supported(unknown)


def invite(headers: Sequence[tuple[str, str]] = ()) -> Request:
    return Request("INVITE", Uri.parse("sip:bob@biloxi.com"), Headers(headers))


def refusal(*challenges: Challenge, proxy: bool = False) -> Response:
    name = "Proxy-Authenticate" if proxy else "WWW-Authenticate"
    headers = Headers((name, str(challenge)) for challenge in challenges)
    return Response(407 if proxy else 401, "", headers)


def client() -> DigestClient:
    numbers = count()
    return DigestClient("alice", "secret", lambda: f"c{next(numbers)}")


def checked(field: tuple[str, str], method: str = "INVITE") -> Credentials:
    """The credentials in a field that the client made, after their digest has been checked."""
    credentials = Credentials.parse(field[1])
    assert credentials.response == digest(credentials, method, "secret")
    return credentials


def test_client_answers_a_challenge() -> None:
    [field] = client().answer(refusal(Challenge("r", "n", "SHA-256", ("auth",), "o")), invite())
    assert field[0] == "Authorization"
    given = checked(field)
    assert (given.username, given.realm, given.nonce, given.uri) == ("alice", "r", "n", "sip:bob@biloxi.com")
    assert (given.algorithm, given.qop, given.nc, given.cnonce, given.opaque) == (
        "SHA-256",
        "auth",
        "00000001",
        "c0",
        "o",
    )


def test_client_answers_a_server_without_qop() -> None:
    given = checked(client().answer(refusal(Challenge("r", "n")), invite())[0])
    assert (given.qop, given.nc, given.cnonce) == (None, None, None)
    assert checked(client().answer(refusal(Challenge("r", "n", "MD5-sess")), invite())[0]).cnonce == "c0"


def test_client_takes_the_first_supported_challenge_of_each_realm() -> None:
    fields = client().answer(
        refusal(
            Challenge("one", "a", "X", ("auth",)),
            Challenge("two", "b", "MD5", ("auth",)),
            Challenge("one", "c", "SHA-256", ("auth",)),
            Challenge("one", "d", "MD5", ("auth",)),
            proxy=True,
        ),
        invite(),
    )
    assert [name for name, _ in fields] == ["Proxy-Authorization"] * 2
    assert [checked(field).nonce for field in fields] == ["c", "b"]


def test_client_skips_other_schemes() -> None:
    response = refusal(Challenge("r", "n"))
    response.headers.prepend("WWW-Authenticate", "Bearer realm=r")
    response.headers.add("WWW-Authenticate", 'Digest realm="broken')
    assert checked(client().answer(response, invite())[0]).realm == "r"


def test_client_gathers_the_credentials_of_a_chain_of_proxies() -> None:
    alice, qop = client(), ("auth",)
    first = alice.answer(refusal(Challenge("proxy", "p", qop=qop), proxy=True), invite())
    second = alice.answer(refusal(Challenge("home", "h", qop=qop)), invite(first))
    assert [(name, checked((name, value)).nc) for name, value in second] == [
        ("Proxy-Authorization", "00000002"),
        ("Authorization", "00000001"),
    ]


def test_client_counts_the_uses_of_a_nonce() -> None:
    alice, challenge = client(), Challenge("r", "n", qop=("auth",))
    counts = [checked(alice.answer(refusal(challenge), invite())[0]).nc for _ in range(11)]
    assert counts[0] == "00000001"
    assert counts[10] == "0000000b"
    again = checked(alice.answer(refusal(attrs.evolve(challenge, nonce="m")), invite())[0])
    assert again.nc == "00000001"


def test_client_gives_up_when_its_credentials_are_refused() -> None:
    alice, challenge = client(), Challenge("r", "n", qop=("auth",))
    fields = alice.answer(refusal(challenge), invite())
    with pytest.raises(AuthFailed, match="refused"):
        alice.answer(refusal(challenge), invite(fields))
    with pytest.raises(AuthFailed, match="refused"):
        alice.answer(refusal(attrs.evolve(challenge, nonce="another")), invite(fields))
    assert checked(alice.answer(refusal(challenge), invite())[0]).nc == "00000002"


def test_client_follows_stale_nonces_but_not_for_ever() -> None:
    alice, challenge = client(), Challenge("r", "0", qop=("auth",))
    request = invite(alice.answer(refusal(challenge), invite()))
    for number in range(1, 3):
        fields = alice.answer(refusal(attrs.evolve(challenge, nonce=str(number), stale=True)), request)
        assert checked(fields[0]).nonce == str(number)
        request = invite(fields)
    with pytest.raises(AuthFailed):
        alice.answer(refusal(attrs.evolve(challenge, nonce="3", stale=True)), request)


def test_client_renews_credentials_for_a_later_request() -> None:
    alice, challenge = client(), Challenge("r", "n", qop=("auth",))
    first = invite(alice.answer(refusal(challenge, proxy=True), invite()))
    bye = attrs.evolve(invite(), method="BYE")
    [(name, value)] = alice.renew(first, bye)
    assert (name, checked((name, value), "BYE").nc) == ("Proxy-Authorization", "00000002")
    assert alice.renew(invite(), bye) == []
    # A server that takes each nonce once is followed, one time.
    bye.headers.add(name, value)
    once = refusal(attrs.evolve(challenge, nonce="m"), proxy=True)
    assert Credentials.parse(alice.answer(once, bye)[0][1]).nonce == "m"
    with pytest.raises(AuthFailed):
        alice.answer(once, bye)


@pytest.mark.parametrize(
    "challenges", [[], [Challenge("r", "n", "X")], [Challenge("r", "n", "MD5", ("auth-int",))]]
)
def test_client_cannot_answer_everything(challenges: list[Challenge]) -> None:
    with pytest.raises(AuthFailed):
        client().answer(refusal(*challenges), invite())


def test_passwords_and_keys_are_not_in_the_repr() -> None:
    alice = client()
    alice.answer(refusal(Challenge("r", "n")), invite())
    assert "secret" not in repr(alice)
    assert "key" not in repr(DigestServer("r", b"key"))


PASSWORDS = {"alice": "secret"}


def nobody(_username: str) -> None:
    """The password of a user who does not exist."""


def server() -> DigestServer:
    return DigestServer("r", b"key")


def attempt(challenge: str, alice: DigestClient | None = None) -> Request:
    """A request of Alice's that answers this challenge."""
    response = Response(401, "", Headers([("WWW-Authenticate", challenge)]))
    return invite((alice or client()).answer(response, invite()))


def test_server_offers_its_algorithms_in_order() -> None:
    offered = [Challenge.parse(text) for text in server().challenges(1000.0)]
    assert [(found.algorithm, found.qop, found.stale) for found in offered] == [
        ("SHA-256", ("auth",), False),
        ("MD5", ("auth",), False),
    ]
    assert all(Challenge.parse(text).stale for text in server().challenges(1000.0, stale=True))
    with pytest.raises(LocalProtocolError):
        DigestServer("r", b"key", algorithms=("SHA-1",))


def test_server_makes_each_nonce_once() -> None:
    home = server()
    nonces = {Challenge.parse(home.challenges(1000.0)[0]).nonce for _ in range(10)}
    assert len(nonces) == 10


@pytest.mark.parametrize(
    "algorithm", ["MD5", "MD5-sess", "SHA-256", "SHA-256-sess", "SHA-512-256", "SHA-512-256-sess"]
)
def test_server_verifies_what_the_client_answers(algorithm: str) -> None:
    home = DigestServer("r", b"key", (algorithm,))
    request = attempt(home.challenges(1000.0)[0])
    sent = parse_message(request.to_bytes())
    assert isinstance(sent, Request)
    assert home.verify(sent, PASSWORDS.get, 1000.5) == Verified("alice")


def test_server_rejects_wrong_passwords_and_unknown_users_alike() -> None:
    home = server()
    request = attempt(home.challenges(1000.0)[0])
    assert home.verify(request, lambda _: "other", 1000.0) == Rejected(False, "alice")
    assert home.verify(request, nobody, 1000.0) == Rejected(False, "alice")
    blank = DigestClient("alice", "", lambda: "c")
    assert home.verify(attempt(home.challenges(1000.0)[0], blank), nobody, 1000.0) == Rejected(False, "alice")


@pytest.mark.parametrize(
    "value", [None, "Basic YTpi", "Digest", 'Digest username="alice', str(attrs.evolve(MUFASA, response="0"))]
)
def test_server_sees_nothing_in_what_is_not_for_its_realm(value: str | None) -> None:
    request = invite([("Authorization", value)] if value else [])
    assert server().verify(request, PASSWORDS.get, 1000.0) == Rejected(False, None)


def forged(home: DigestServer, **change: Any) -> Request:
    """A request with right digest over changed credentials."""
    header = attempt(home.challenges(1000.0)[0]).headers.get("Authorization")
    credentials = attrs.evolve(Credentials.parse(str(header)), **change)
    credentials = attrs.evolve(credentials, response=digest(credentials, "INVITE", "secret"))
    return invite([("Authorization", str(credentials))])


def test_server_demands_qop_and_an_algorithm_that_it_offered() -> None:
    home = server()
    weaker = forged(home, qop=None, nc=None, cnonce=None)
    assert home.verify(weaker, PASSWORDS.get, 1000.0) == Rejected(False, "alice")
    other = forged(home, algorithm="SHA-512-256")
    assert home.verify(other, PASSWORDS.get, 1000.0) == Rejected(False, "alice")
    unknown = invite(
        [("Authorization", str(forged(home).headers.get("Authorization")).replace("SHA-256", "X"))]
    )
    assert home.verify(unknown, PASSWORDS.get, 1000.0) == Rejected(False, "alice")


@pytest.mark.parametrize(
    "nonce", ["", ".", "a.b", "3e8.0.00000000000000000000000000000000", "\udcff", "ü.0.x", "-1.0.x"]
)
def test_server_calls_nonces_that_it_did_not_make_stale(nonce: str) -> None:
    home = server()
    assert home.verify(forged(home, nonce=nonce), PASSWORDS.get, 1000.0) == Rejected(True, "alice")


def test_server_binds_nonces_to_its_key_and_realm() -> None:
    request = attempt(DigestServer("r", b"another").challenges(1000.0)[0])
    assert server().verify(request, PASSWORDS.get, 1000.0) == Rejected(True, "alice")
    request = attempt(DigestServer("r", b"key").challenges(1000.0)[0])
    assert server().verify(request, PASSWORDS.get, 1000.0) == Verified("alice")


@pytest.mark.parametrize(("now", "good"), [(999.0, False), (1000.0, True), (1299.9, True), (1300.0, False)])
def test_server_nonces_age(now: float, good: bool) -> None:
    home = server()
    verdict = home.verify(attempt(home.challenges(1000.9)[0]), PASSWORDS.get, now)
    assert verdict == (Verified("alice") if good else Rejected(True, "alice"))


def test_server_takes_each_count_once() -> None:
    home, alice = server(), client()
    challenge = home.challenges(1000.0)[0]
    first, second, third = (attempt(challenge, alice) for _ in range(3))
    assert home.verify(first, PASSWORDS.get, 1000.0) == Verified("alice")
    assert home.verify(first, PASSWORDS.get, 1000.0) == Rejected(True, "alice")
    assert home.verify(third, PASSWORDS.get, 1000.0) == Verified("alice")
    assert home.verify(second, PASSWORDS.get, 1000.0) == Rejected(True, "alice")


def test_server_memory_is_bounded_and_forgetting_opens_no_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest_module, "_MAX_NONCES", 2)
    home = server()
    requests = [attempt(home.challenges(1000.0 + second)[0]) for second in range(3)]
    for request in requests:
        assert home.verify(request, PASSWORDS.get, 1010.0) == Verified("alice")
    for request in requests:
        assert home.verify(request, PASSWORDS.get, 1010.0) == Rejected(True, "alice")
    assert home.verify(attempt(home.challenges(1000.0)[0]), PASSWORDS.get, 1010.0) == Rejected(True, "alice")
    assert home.verify(attempt(home.challenges(1001.0)[0]), PASSWORDS.get, 1010.0) == Verified("alice")
