"""The keys of tokens: JSON Web Keys (RFC 7517) of three algorithms."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

import attrs
import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from jwt.algorithms import OKPAlgorithm

from clutch.auth.errors import BadKeys

MIN_RSA_BITS = 2048
"""RFC 7518, 3.3."""
_ALGORITHMS = {"OKP Ed25519": "EdDSA", "EC P-256": "ES256", "RSA None": "RS256"}


@attrs.frozen
class Key:
    """One key, under the name that tokens call it by."""

    kid: str
    algorithm: str
    """``EdDSA`` (Ed25519), ``ES256`` or ``RS256``: the only one that it is used with."""
    public: Any = attrs.field(repr=False)
    private: Any = attrs.field(default=None, repr=False)
    """None if only the public half is known."""


@attrs.frozen
class KeySet:
    """The keys that count."""

    by_kid: Mapping[str, Key]
    """In the order of the file."""
    ignored: tuple[str, ...] = ()
    """Why others in the file do not count, one line each (RFC 7517, 5)."""

    @property
    def signing(self) -> Key | None:
        """The first key that can sign."""
        return next((key for key in self.by_kid.values() if key.private is not None), None)


def read_keys(text: bytes) -> KeySet:
    """Read a JWKS: ``{"keys": [...]}``. Raises `BadKeys` if no key can be used, or two have one kid."""
    try:
        entries = json.loads(text)["keys"]
    except (ValueError, RecursionError, TypeError, KeyError):
        entries = None
    if not isinstance(entries, list):
        raise BadKeys('must be a JSON Web Key Set: {"keys": [...]}')
    keys: dict[str, Key] = {}
    ignored = []
    for number, entry in enumerate(entries, start=1):
        try:
            key = _read(entry)
        except BadKeys as error:
            ignored.append(f"key {number} {error}")
            continue
        if key.kid in keys:
            raise BadKeys(f"key {number} has the kid of another")
        keys[key.kid] = key
    if not keys:
        raise BadKeys("; ".join(["has no key that can be used", *ignored]))
    return KeySet(keys, tuple(ignored))


def _read(entry: object) -> Key:
    if not isinstance(entry, dict):
        raise BadKeys("is no JSON object")
    kid, use = entry.get("kid"), entry.get("use", "sig")
    algorithm = _ALGORITHMS.get(f"{entry.get('kty')} {entry.get('crv')}")
    if not isinstance(kid, str) or not kid:
        raise BadKeys("has no kid")
    if use != "sig" or algorithm is None or entry.get("alg", algorithm) != algorithm:
        raise BadKeys("is not for signatures with EdDSA (Ed25519), ES256 or RS256")
    try:
        found = jwt.PyJWK(entry, algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError):
        raise BadKeys("is damaged") from None
    private = isinstance(found, Ed25519PrivateKey | EllipticCurvePrivateKey | RSAPrivateKey)
    public = found.public_key() if private else found
    if isinstance(public, RSAPublicKey) and public.key_size < MIN_RSA_BITS:
        raise BadKeys(f"has fewer than {MIN_RSA_BITS} bits")
    return Key(kid, algorithm, public, found if private else None)


def write_key(private: Ed25519PrivateKey) -> str:
    """A JWKS with one private key, which is called by its thumbprint. Keep it secret."""
    entry = OKPAlgorithm.to_jwk(private, as_dict=True)
    return json.dumps({"keys": [{"kid": thumbprint(entry), "alg": "EdDSA", **entry}]}, indent=2) + "\n"


def thumbprint(entry: Mapping[str, Any]) -> str:
    """What makes an Ed25519 key what it is, in SHA-256 and base64url (RFC 7638; RFC 8037, A.3)."""
    members = {name: entry[name] for name in ("crv", "kty", "x")}
    canonical = json.dumps(members, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode()
