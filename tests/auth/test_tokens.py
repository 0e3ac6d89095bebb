"""Tokens, good ones and all the bad ones."""

from __future__ import annotations

import base64
import contextlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

import attrs
import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from clutch.auth.errors import TokenError
from clutch.auth.grants import OPEN, Grant
from clutch.auth.keys import Key, KeySet
from clutch.auth.patterns import Pattern
from clutch.auth.tokens import CLOCK_SKEW_S, MAX_TOKEN_BYTES, Verifier, mint

NOW = 1_800_000_000.0
CLAIMS = {"publish": ["voice/*/uplink"], "subscribe": ["**"], "exp": NOW + 60, "jti": "t1", "tenant": "acme"}


@pytest.fixture(scope="session")
def verifier(keys: Mapping[str, Key]) -> Verifier:
    """Knows the public halves."""
    return Verifier(KeySet({key.kid: attrs.evolve(key, private=None) for key in keys.values()}))


def sign(key: Key, claims: object, **header: Any) -> bytes:
    """A token with any claims."""
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    jws = jwt.PyJWS()
    return jws.encode(payload, key.private, key.algorithm, {"kid": key.kid, **header}).encode()


def part(value: object) -> bytes:
    """One part of a token, made by hand."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")


def refusal(verifier: Verifier, token: bytes, now: float = NOW) -> tuple[str, str]:
    """Kind and text of the one error; checks that it does not hold the token or a piece of it."""
    with pytest.raises(TokenError) as caught:
        verifier.verify(token, now)
    error: BaseException | None = caught.value
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    shown = f"{error!r} {error} {caught.value.args}"
    assert not any(piece and piece.decode("latin-1") in shown for piece in token.split(b"."))
    return caught.value.kind, str(caught.value)


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
def test_what_is_minted_is_granted(keys: Mapping[str, Key], verifier: Verifier, algorithm: str) -> None:
    key = keys[algorithm]
    publish, subscribe = [Pattern.parse("voice/*/uplink")], [Pattern.parse("a/**"), Pattern.parse("b")]
    token = mint(
        key,
        publish=publish,
        subscribe=subscribe,
        token_id="t1",
        now=NOW,
        expires_at=NOW + 60,
        tenant="acme",
        subject="bot",
    )
    grant = verifier.verify(token.encode(), NOW + 59)
    assert (grant.tenant, grant.subject, grant.token_id, grant.key_id) == ("acme", "bot", "t1", key.kid)
    assert (grant.publish, grant.subscribe) == (tuple(publish), tuple(subscribe))
    assert grant.expires_at == NOW + 60
    assert jwt.get_unverified_header(token) == {"alg": algorithm, "kid": key.kid, "typ": "JWT"}


def test_what_a_token_need_not_say(keys: Mapping[str, Key], verifier: Verifier) -> None:
    grant = verifier.verify(sign(keys["EdDSA"], {"exp": NOW + 1, "unknown": {}}), NOW)
    assert grant == Grant("", "", (), (), NOW + 1, None, keys["EdDSA"].kid)


def test_time(keys: Mapping[str, Key], verifier: Verifier) -> None:
    token = sign(keys["EdDSA"], {**CLAIMS, "nbf": NOW})
    assert verifier.verify(token, NOW - CLOCK_SKEW_S)
    assert verifier.verify(token, NOW + 59.9)
    assert refusal(verifier, token, NOW + 60) == ("expired", "the token has expired")
    early = refusal(verifier, token, NOW - CLOCK_SKEW_S - 1)
    assert early == ("unauthorized", "the token is not valid yet (nbf)")


def test_nothing_is_signed_with_no_algorithm(keys: Mapping[str, Key], verifier: Verifier) -> None:
    for name in ("none", "None", "NONE"):
        header = part({"alg": name, "typ": "JWT", "kid": keys["EdDSA"].kid})
        kind, text = refusal(verifier, header + b"." + part(CLAIMS) + b".")
        assert (kind, text) == ("unauthorized", "the token is not signed as its key is meant to")


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
def test_a_public_key_is_no_secret(keys: Mapping[str, Key], verifier: Verifier, algorithm: str) -> None:
    key = keys[algorithm]
    pem = key.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = part({"alg": "HS256", "typ": "JWT", "kid": key.kid}) + b"." + part(CLAIMS)
    signature = base64.urlsafe_b64encode(hmac.digest(pem, signed, "sha256")).rstrip(b"=")
    expected = ("unauthorized", "the token is not signed as its key is meant to")
    assert refusal(verifier, signed + b"." + signature) == expected


def test_keys_of_others(keys: Mapping[str, Key], verifier: Verifier) -> None:
    key, other = keys["EdDSA"], keys["ES256"]
    unknown = ("unauthorized", "the token is signed with a key that is not known here")
    assert refusal(verifier, sign(key, CLAIMS, kid="else")) == unknown
    mixed = ("unauthorized", "the token is not signed as its key is meant to")
    assert refusal(verifier, sign(key, CLAIMS, kid=other.kid)) == mixed
    nameless = jwt.PyJWS().encode(json.dumps(CLAIMS).encode(), key.private, key.algorithm).encode()
    assert refusal(verifier, nameless) == ("unauthorized", "the token does not name its key (kid)")


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
def test_a_changed_token(keys: Mapping[str, Key], verifier: Verifier, algorithm: str) -> None:
    header, _, signature = sign(keys[algorithm], CLAIMS).split(b".")
    forged = b".".join([header, part({**CLAIMS, "publish": ["**"]}), signature])
    assert refusal(verifier, forged) == ("unauthorized", "the signature of the token is wrong")
    cut = b".".join([header, part(CLAIMS), b""])
    assert refusal(verifier, cut) == ("unauthorized", "the signature of the token is wrong")


NOT_A_JWT = ("malformed", "the token is not a signed JWT")


@pytest.mark.parametrize(
    "token",
    [
        b"",
        b".",
        b"..",
        b"...",
        b"\xff\xfe",
        b"secret",
        b"secret.secret.secret",
        part(7) + b"." + part(CLAIMS) + b".c2VjcmV0",
        part({"alg": "EdDSA", "kid": 7}) + b"." + part(CLAIMS) + b".c2VjcmV0",
        base64.urlsafe_b64encode(b"[" * 3000) + b"." + part(CLAIMS) + b".c2VjcmV0",
    ],
)
def test_no_jwt(verifier: Verifier, token: bytes) -> None:
    assert refusal(verifier, token) == NOT_A_JWT


@pytest.mark.parametrize("header", [{"crit": ["exp"]}, {"crit": 7}, {"crit": ["b64"], "b64": False}])
def test_extensions_that_must_be_understood(
    keys: Mapping[str, Key], verifier: Verifier, header: dict[str, Any]
) -> None:
    named = part({"alg": "EdDSA", "kid": keys["EdDSA"].kid, **header})
    assert refusal(verifier, named + b"." + part(CLAIMS) + b".c2VjcmV0") == NOT_A_JWT


def test_a_huge_token_costs_nothing(verifier: Verifier) -> None:
    kind, text = refusal(verifier, b"A" * (MAX_TOKEN_BYTES + 1))
    assert (kind, text) == ("malformed", "the token is longer than 8192 bytes")


@pytest.mark.parametrize("payload", [b"", b"secret", b"[]", b"7", b"\xff", b"[" * 3000, b"9" * 5000])
def test_claims_that_are_no_object(keys: Mapping[str, Key], verifier: Verifier, payload: bytes) -> None:
    expected = ("malformed", "the claims of the token are no JSON object")
    assert refusal(verifier, sign(keys["EdDSA"], payload)) == expected


DATE = "in the token must be a Unix time in seconds"


@pytest.mark.parametrize(
    ("claim", "value", "text"),
    [
        ("exp", None, "the token has no exp"),
        ("exp", "tomorrow", f"exp {DATE}"),
        ("exp", True, f"exp {DATE}"),
        ("exp", float("nan"), f"exp {DATE}"),
        ("exp", float("inf"), f"exp {DATE}"),
        ("exp", -1, f"exp {DATE}"),
        ("exp", 10**400, f"exp {DATE}"),
        ("nbf", [], f"nbf {DATE}"),
        ("publish", "voice/**", "publish in the token must be a list of strings"),
        ("publish", {"voice": 1}, "publish in the token must be a list of strings"),
        ("subscribe", ["voice", 7], "subscribe in the token must be a list of strings"),
        ("subscribe", None, "subscribe in the token must be a list of strings"),
        ("subscribe", ["**/secret"], "a pattern of subscribe in the token has ** before its end"),
        ("publish", ["a\ud800"], "a pattern of publish in the token has half a surrogate pair"),
        ("tenant", 7, "tenant in the token must be a string"),
        ("sub", {}, "sub in the token must be a string"),
        ("jti", 7, "jti in the token must be a string"),
    ],
)
def test_a_claim_of_a_wrong_type(
    keys: Mapping[str, Key], verifier: Verifier, claim: str, value: object, text: str
) -> None:
    assert refusal(verifier, sign(keys["EdDSA"], {**CLAIMS, claim: value})) == ("malformed", text)


def test_issuer_and_audience(keys: Mapping[str, Key], verifier: Verifier) -> None:
    key = keys["EdDSA"]
    strict = Verifier(verifier.keys, issuer="https://id", audience="clutch")
    named = {**CLAIMS, "iss": "https://id"}
    assert strict.verify(sign(key, {**named, "aud": "clutch"}), NOW)
    assert strict.verify(sign(key, {**named, "aud": ["else", "clutch"]}), NOW)
    other_issuer = ("unauthorized", "the token is of another issuer (iss)")
    assert refusal(strict, sign(key, {**CLAIMS, "aud": "clutch"})) == other_issuer
    assert refusal(strict, sign(key, {**CLAIMS, "aud": "clutch", "iss": "https://id2"})) == other_issuer
    other = ("unauthorized", "the token is for another audience (aud)")
    for audience in ("else", ["else"], [], 7, {"clutch": 1}, "clutch2"):
        assert refusal(strict, sign(key, {**named, "aud": audience})) == other
    assert refusal(strict, sign(key, named)) == other
    assert verifier.verify(sign(key, named), NOW)
    assert refusal(verifier, sign(key, {**CLAIMS, "aud": "clutch"})) == other


def test_revocation_and_rotation(keys: Mapping[str, Key]) -> None:
    old, new = keys["ES256"], keys["EdDSA"]
    verifier = Verifier(KeySet({old.kid: old}))
    first = verifier.verify(sign(old, CLAIMS), NOW)
    assert not verifier.revoked(first)
    verifier.keys = KeySet({new.kid: new, old.kid: old})
    second = verifier.verify(sign(new, {**CLAIMS, "jti": "t2"}), NOW)
    assert not verifier.revoked(first)
    verifier.revoked_ids = {"t2"}
    assert verifier.revoked(second)
    assert not verifier.revoked(first)
    assert refusal(verifier, sign(new, {**CLAIMS, "jti": "t2"})) == ("unauthorized", "the token was revoked")
    verifier.keys = KeySet({new.kid: new})
    assert verifier.revoked(first)
    assert not verifier.revoked(OPEN)


@given(st.binary(max_size=200))
def test_no_other_error(verifier: Verifier, token: bytes) -> None:
    with pytest.raises(TokenError):
        verifier.verify(token, NOW)


@given(st.data())
def test_no_byte_can_be_changed(keys: Mapping[str, Key], verifier: Verifier, data: st.DataObject) -> None:
    token = bytearray(sign(keys["EdDSA"], CLAIMS))
    token[data.draw(st.integers(0, len(token) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(TokenError):
        verifier.verify(bytes(token), NOW)


SCALARS = st.none() | st.booleans() | st.floats() | st.sampled_from(["", "**", "a/b", "a*", 10**20, -1])
JSON = SCALARS | st.lists(SCALARS, max_size=2) | st.fixed_dictionaries({"a": SCALARS})
NAMES = st.sampled_from(["exp", "nbf", "jti", "sub", "iss", "aud", "tenant", "publish", "subscribe"])


@given(st.dictionaries(NAMES, JSON, max_size=3))
def test_no_other_error_of_signed_claims(
    keys: Mapping[str, Key], verifier: Verifier, claims: dict[str, Any]
) -> None:
    token = sign(keys["EdDSA"], {"exp": NOW + 1, **claims})
    with contextlib.suppress(TokenError):
        verifier.verify(token, NOW)
