"""Tokens: a JWT in, a `Grant` or a `TokenError` out; and the making of one."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import attrs
import jwt

from clutch.auth.errors import BadPattern, TokenError
from clutch.auth.grants import Grant
from clutch.auth.keys import Key, KeySet
from clutch.auth.patterns import Pattern

MAX_TOKEN_BYTES = 8192
"""A longer one is not looked at."""
CLOCK_SKEW_S = 5.0
"""How far the clock of who made a token may be ahead of ours: for `nbf`."""
_LAST_DATE = 1 << 53
_JWS = jwt.PyJWS(algorithms=["EdDSA", "ES256", "RS256"])


@attrs.define(eq=False)
class Verifier:
    """Says which tokens count, by keys and lists that may be exchanged while it is in use."""

    keys: KeySet
    revoked_ids: Collection[str] = frozenset()
    """The `jti` of tokens that count no more."""
    issuer: str | None = None
    """Who must have made it (`iss`), if set."""
    audience: str | None = None
    """Who it must be for (`aud`), if set. Without, a token that is for somebody counts for nobody here."""

    def verify(self, token: bytes, now: float) -> Grant:
        """What a token allows at `now`, Unix time in seconds. Raises `TokenError`."""
        if len(token) > MAX_TOKEN_BYTES:
            raise TokenError("malformed", f"the token is longer than {MAX_TOKEN_BYTES} bytes")
        key = self._key(token)
        try:
            payload = _JWS.decode(token, key.public, [key.algorithm])
        except jwt.InvalidAlgorithmError:
            raise TokenError("unauthorized", "the token is not signed as its key is meant to") from None
        except jwt.InvalidSignatureError:
            raise TokenError("unauthorized", "the signature of the token is wrong") from None
        except jwt.PyJWTError:
            raise _not_a_jwt() from None
        claims = _claims(payload)
        self._check(claims, now)
        grant = _grant(claims, key)
        if self.revoked(grant):
            raise TokenError("unauthorized", "the token was revoked")
        return grant

    def revoked(self, grant: Grant) -> bool:
        """Whether the token of a grant, or its key, counts no more. What needed no token is never revoked."""
        if grant.key_id is None:
            return False
        return grant.token_id in self.revoked_ids or grant.key_id not in self.keys.by_kid

    def _key(self, token: bytes) -> Key:
        try:
            kid = _JWS.get_unverified_header(token).get("kid")
        except jwt.PyJWTError:
            raise _not_a_jwt() from None
        if kid is None:
            raise TokenError("unauthorized", "the token does not name its key (kid)")
        key = self.keys.by_kid.get(kid)
        if key is None:
            raise TokenError("unauthorized", "the token is signed with a key that is not known here")
        return key

    def _check(self, claims: Mapping[str, Any], now: float) -> None:
        """Is it meant for here and now? (RFC 7519, 4.1)"""
        expires_at, starts_at = _date(claims, "exp"), _date(claims, "nbf")
        if expires_at is None:
            raise TokenError("malformed", "the token has no exp")
        if now >= expires_at:
            raise TokenError("expired", "the token has expired")
        if starts_at is not None and now < starts_at - CLOCK_SKEW_S:
            raise TokenError("unauthorized", "the token is not valid yet (nbf)")
        if self.issuer is not None and _text(claims, "iss") != self.issuer:
            raise TokenError("unauthorized", "the token is of another issuer (iss)")
        audience = claims.get("aud", [])
        if self.audience is None:
            meant = "aud" not in claims
        else:
            meant = self.audience in (audience if isinstance(audience, list) else [audience])
        if not meant:
            raise TokenError("unauthorized", "the token is for another audience (aud)")


def mint(
    key: Key,
    *,
    publish: Iterable[Pattern],
    subscribe: Iterable[Pattern],
    token_id: str,
    now: float,
    expires_at: float,
    tenant: str = "",
    subject: str = "",
    issuer: str | None = None,
    audience: str | None = None,
) -> str:
    """Make a token, with a key that has its private half."""
    claims: dict[str, Any] = {
        "jti": token_id,
        "iat": int(now),
        "exp": int(expires_at),
        "publish": [str(pattern) for pattern in publish],
        "subscribe": [str(pattern) for pattern in subscribe],
    }
    named = {"tenant": tenant, "sub": subject, "iss": issuer, "aud": audience}
    claims |= {name: value for name, value in named.items() if value}
    return _JWS.encode(json.dumps(claims).encode(), key.private, key.algorithm, {"kid": key.kid})


def _claims(payload: bytes) -> dict[str, Any]:
    try:
        claims = json.loads(payload)
    except (ValueError, RecursionError):
        claims = None
    if not isinstance(claims, dict):
        raise TokenError("malformed", "the claims of the token are no JSON object")
    return claims


def _grant(claims: Mapping[str, Any], key: Key) -> Grant:
    return Grant(
        _text(claims, "tenant") or "",
        _text(claims, "sub") or "",
        _patterns(claims, "publish"),
        _patterns(claims, "subscribe"),
        _date(claims, "exp"),
        _text(claims, "jti"),
        key.kid,
    )


def _text(claims: Mapping[str, Any], name: str) -> str | None:
    value = claims.get(name)
    if value is not None and not isinstance(value, str):
        raise TokenError("malformed", f"{name} in the token must be a string")
    return value


def _date(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if type(value) not in (int, float) or not 0 <= value < _LAST_DATE:
        raise TokenError("malformed", f"{name} in the token must be a Unix time in seconds")
    return float(value)


def _patterns(claims: Mapping[str, Any], name: str) -> tuple[Pattern, ...]:
    value = claims.get(name, [])
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise TokenError("malformed", f"{name} in the token must be a list of strings")
    try:
        return tuple(map(Pattern.parse, value))
    except BadPattern as error:
        raise TokenError("malformed", f"a pattern of {name} in the token {error}") from None


def _not_a_jwt() -> TokenError:
    return TokenError("malformed", "the token is not a signed JWT")
