"""JWKS files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from clutch.auth.errors import BadKeys
from clutch.auth.keys import Key, read_keys, thumbprint, write_key


def entry(key: Key, **members: Any) -> dict[str, Any]:
    """The public half as a JWK."""
    algorithm: Any = {"EdDSA": OKPAlgorithm, "ES256": ECAlgorithm, "RS256": RSAAlgorithm}[key.algorithm]
    return {"kid": key.kid, **algorithm.to_jwk(key.public, as_dict=True), **members}


def jwks(*entries: Any) -> bytes:
    """A file."""
    return json.dumps({"keys": entries}).encode()


def test_the_thumbprint_of_rfc_8037() -> None:
    key = {"crv": "Ed25519", "kid": "1", "kty": "OKP", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    assert thumbprint(key) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_public_keys_of_every_algorithm(keys: Mapping[str, Key]) -> None:
    found = read_keys(jwks(*(entry(key) for key in keys.values())))
    assert [key.algorithm for key in found.by_kid.values()] == ["EdDSA", "ES256", "RS256"]
    assert list(found.by_kid) == [key.kid for key in keys.values()]
    assert found.signing is None
    assert found.ignored == ()


def test_a_key_that_is_written_can_sign_when_read() -> None:
    private = ed25519.Ed25519PrivateKey.generate()
    text = write_key(private)
    signing = read_keys(text.encode()).signing
    assert signing is not None
    assert signing.kid == thumbprint(json.loads(text)["keys"][0])
    assert signing.private.private_bytes_raw() == private.private_bytes_raw()


def test_no_repr_shows_a_key(keys: Mapping[str, Key]) -> None:
    assert repr(keys["EdDSA"]) == f"Key(kid={keys['EdDSA'].kid!r}, algorithm='EdDSA')"


def test_what_is_not_for_us_is_ignored_and_said(keys: Mapping[str, Key]) -> None:
    known = keys["ES256"]
    small = RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 1024).public_key(), as_dict=True)
    k384 = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP384R1()).public_key(), as_dict=True)
    found = read_keys(
        jwks(
            {**small, "kid": "a"},
            {**k384, "kid": "b"},
            entry(known, use="enc"),
            entry(known, alg="RS256"),
            entry(known, x="!"),
            entry(known, kid=None),
            entry(known, kid=7),
            {"kty": "oct", "k": "c2VjcmV0", "kid": "c"},
            {"kty": ["EC"], "kid": "d"},
            "key",
            entry(known),
        )
    )
    assert list(found.by_kid) == [known.kid]
    other = "is not for signatures with EdDSA (Ed25519), ES256 or RS256"
    assert found.ignored == (
        "key 1 has fewer than 2048 bits",
        f"key 2 {other}",
        f"key 3 {other}",
        f"key 4 {other}",
        "key 5 is damaged",
        "key 6 has no kid",
        "key 7 has no kid",
        f"key 8 {other}",
        f"key 9 {other}",
        "key 10 is no JSON object",
    )


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"keys": {}}', b"\xff", b"[" * 100_000])
def test_no_set(text: bytes) -> None:
    with pytest.raises(BadKeys, match=r"^must be a JSON Web Key Set"):
        read_keys(text)


def test_a_set_without_a_usable_key() -> None:
    with pytest.raises(BadKeys, match=r"^has no key that can be used; key 1 has no kid$"):
        read_keys(jwks({}))


def test_two_of_one_name(keys: Mapping[str, Key]) -> None:
    with pytest.raises(BadKeys, match=r"^key 2 has the kid of another$"):
        read_keys(jwks(entry(keys["ES256"]), entry(keys["EdDSA"], kid=keys["ES256"].kid)))
