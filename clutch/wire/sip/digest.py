"""Digest authentication, client and server (RFC 3261 section 22, RFC 7616, RFC 8760).

MD5, SHA-256 and SHA-512-256, each also as -sess, with ``qop=auth``. Nothing here draws random numbers or
reads a clock: the client is given a source of cnonces, the server the time.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import count
from typing import TypeVar

import attrs

from clutch.wire.sip.auth import Challenge, Credentials
from clutch.wire.sip.errors import AuthFailed, LocalProtocolError, SipParseError
from clutch.wire.sip.message import Request, Response

T = TypeVar("T")

_HASHES = {"md5": "md5", "sha-256": "sha256", "sha-512-256": "sha512_256"}
_FIELDS = {"WWW-Authenticate": "Authorization", "Proxy-Authenticate": "Proxy-Authorization"}
_MAX_TRIES = 3
"""Answers to one realm that keeps calling our fresh nonces stale."""
_MAX_NONCES = 10_000
"""Nonces whose counts a server remembers."""


def supported(challenge: Challenge) -> bool:
    """True if we have the algorithm and a quality of protection that the challenge asks for."""
    return _hash_name(challenge.algorithm) in _HASHES and (not challenge.qop or "auth" in challenge.qop)


def choose(challenges: Sequence[Challenge]) -> Challenge | None:
    """The first challenge that we support: the server lists them best first (RFC 8760 section 2.4)."""
    return next(filter(supported, challenges), None)


def digest(credentials: Credentials, method: str, password: str) -> str:
    """The `response` that these credentials should have (RFC 7616 section 3.4.1), in lower-case hexadecimal.

    Raises KeyError for an algorithm that `supported` refuses.
    """
    name = _HASHES[_hash_name(credentials.algorithm)]

    def hashed(*parts: str | None) -> str:
        text = ":".join(part or "" for part in parts)
        return hashlib.new(name, _raw(text), usedforsecurity=False).hexdigest()

    given = credentials
    secret = hashed(given.username, given.realm, password)
    if given.algorithm.lower().endswith("-sess"):
        secret = hashed(secret, given.nonce, given.cnonce)
    request = hashed(method, given.uri)
    if given.qop is None:
        return hashed(secret, given.nonce, request)
    return hashed(secret, given.nonce, given.nc, given.cnonce, given.qop, request)


def _hash_name(algorithm: str) -> str:
    return algorithm.lower().removesuffix("-sess")


@attrs.define(eq=False)
class _Session:
    """What a client knows of one realm."""

    challenge: Challenge
    uses: int = 0
    """How often its nonce has been used."""
    tries: int = 0
    """Answers given since a request came without credentials."""


@attrs.define(eq=False)
class DigestClient:
    """Answers challenges for one account. Keeps the last nonce of each realm and counts its uses."""

    username: str
    password: str = attrs.field(repr=False)
    cnonce: Callable[[], str] = attrs.field(repr=False)
    """Gives a fresh, unguessable cnonce at each call."""
    _sessions: dict[tuple[str, str], _Session] = attrs.field(factory=dict, init=False, repr=False)

    def answer(self, response: Response, request: Request) -> list[tuple[str, str]]:
        """All Authorization and Proxy-Authorization fields for the next attempt at a challenged request.

        They replace those that `request` had: realms that have not complained are answered anew too. Raises
        AuthFailed if a realm refused our credentials themselves (not stale), never gets enough, or asks for
        something that we do not support, or if nobody asks; nothing is changed then.
        """
        asked = {
            (given, realm): challenges
            for name, given in _FIELDS.items()
            for realm, challenges in _by_realm(
                _readable(response.headers.get_all(name), Challenge.parse)
            ).items()
        }
        if not asked:
            raise AuthFailed("challenged without a Digest challenge")
        used = _used(request)
        sessions = {key: self._next(key, challenges, key in used) for key, challenges in asked.items()}
        self._sessions |= sessions
        keys = dict.fromkeys([key for key in used if key in self._sessions]) | dict.fromkeys(asked)
        return [(key[0], str(self._credentials(self._sessions[key], request))) for key in keys]

    def renew(self, earlier: Request, request: Request) -> list[tuple[str, str]]:
        """Credentials of its own for a request that follows an `earlier` one (section 22.3).

        A server that takes a nonce only once may challenge them without calling it stale: `answer` then tries
        once more, for the password was right before.
        """
        keys = [key for key in _used(earlier) if key in self._sessions]
        for key in keys:
            self._sessions[key].tries = 0
        return [(key[0], str(self._credentials(self._sessions[key], request))) for key in keys]

    def _next(self, key: tuple[str, str], challenges: list[Challenge], used: bool) -> _Session:
        challenge, old = choose(challenges), self._sessions.get(key)
        if challenge is None:
            raise AuthFailed(f"realm {key[1]!r} offers no algorithm and qop that we support")
        tries = old.tries if old and used else 0
        if tries and (not challenge.stale or tries >= _MAX_TRIES):
            raise AuthFailed(f"realm {key[1]!r} refused the credentials of {self.username!r}")
        uses = old.uses if old and old.challenge.nonce == challenge.nonce else 0
        return _Session(challenge, uses, tries + 1)

    def _credentials(self, session: _Session, request: Request) -> Credentials:
        session.uses += 1
        challenge = session.challenge
        protected = bool(challenge.qop)
        needs_cnonce = protected or challenge.algorithm.lower().endswith("-sess")
        blank = Credentials(
            self.username,
            challenge.realm,
            challenge.nonce,
            str(request.uri),
            "",
            challenge.algorithm,
            "auth" if protected else None,
            f"{session.uses:08x}" if protected else None,
            self.cnonce() if needs_cnonce else None,
            challenge.opaque,
        )
        return attrs.evolve(blank, response=digest(blank, request.method, self.password))


def _used(request: Request) -> list[tuple[str, str]]:
    """Field and realm of all credentials in a request."""
    return [
        (name, found.realm)
        for name in _FIELDS.values()
        for found in _readable(request.headers.get_all(name), Credentials.parse)
    ]


def _by_realm(challenges: Iterable[Challenge]) -> dict[str, list[Challenge]]:
    realms: dict[str, list[Challenge]] = {}
    for challenge in challenges:
        realms.setdefault(challenge.realm, []).append(challenge)
    return realms


def _readable(values: Iterable[str], parse: Callable[[str], T]) -> list[T]:
    """The values that are Digest; other schemes, and what nobody can read, count as absent."""
    found = []
    for value in values:
        with suppress(SipParseError):
            found.append(parse(value))
    return found


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


@attrs.frozen
class Verified:
    """The request comes from this user."""

    username: str


@attrs.frozen
class Rejected:
    """The request proves nothing: challenge it (401), with `stale` as given here."""

    stale: bool
    """True if the password was right and only the nonce is too old or was used before."""
    username: str | None
    """Who it claims to be; None if it gave no credentials for this realm that can be read."""


@attrs.define(eq=False)
class DigestServer:
    """Challenges requests and checks their Authorization.

    Nonces carry their own proof, so a challenge costs no memory. Counts are kept of nonces that were used
    rightly, `_MAX_NONCES` at most; then the oldest is forgotten, and all nonces of its age or more are stale.
    """

    realm: str
    secret: bytes = attrs.field(repr=False)
    """Key of the nonces. Servers that share it accept each other's."""
    algorithms: tuple[str, ...] = ("SHA-256", "MD5")
    """Offered in this order."""
    nonce_lifetime_s: float = 300
    _serial: count[int] = attrs.field(factory=count, init=False, repr=False)
    _counts: dict[str, int] = attrs.field(factory=dict, init=False, repr=False)
    _stale_until: int = attrs.field(default=-1, init=False, repr=False)
    """Nonces made up to this time are stale."""

    def __attrs_post_init__(self) -> None:
        for algorithm in self.algorithms:
            if _hash_name(algorithm) not in _HASHES:
                raise LocalProtocolError(f"digest algorithm {algorithm!r} is not supported")

    def challenges(self, now: float, stale: bool = False) -> list[str]:
        """One WWW-Authenticate value for each algorithm. `now` is in seconds, of one clock for all calls."""
        nonce = self._sign(f"{int(now):x}.{next(self._serial):x}")
        return [
            str(Challenge(self.realm, nonce, algorithm, ("auth",), stale=stale))
            for algorithm in self.algorithms
        ]

    def verify(
        self, request: Request, password_of: Callable[[str], str | None], now: float
    ) -> Verified | Rejected:
        """Check a request. `password_of` gives the password of a user name, None if there is no such user.

        The digest URI is not compared with the Request-URI, which proxies may change. Each (nonce, count) is
        accepted once and in rising order, so call this once per request, not for its retransmissions.
        """
        offers = _readable(request.headers.get_all("Authorization"), Credentials.parse)
        given = next((offer for offer in offers if offer.realm == self.realm), None)
        if given is None:
            return Rejected(stale=False, username=None)
        offered = given.algorithm.lower() in map(str.lower, self.algorithms)
        password = password_of(given.username)
        if not offered or given.qop != "auth" or not self._proves(given, request.method, password):
            return Rejected(stale=False, username=given.username)
        if not self._use(given, now):
            return Rejected(stale=True, username=given.username)
        return Verified(given.username)

    def _proves(self, given: Credentials, method: str, password: str | None) -> bool:
        """True for the right digest. An unknown user takes as long as a wrong password."""
        expected = digest(given, method, password or "")
        same = hmac.compare_digest(_raw(expected), _raw(given.response.lower()))
        return same and password is not None

    def _use(self, given: Credentials, now: float) -> bool:
        made, uses = self._made(given.nonce), int(given.nc or "0", 16)
        if made is None or made <= self._stale_until or not made <= now < made + self.nonce_lifetime_s:
            return False
        if uses <= self._counts.get(given.nonce, 0):
            return False
        self._counts[given.nonce] = uses
        if len(self._counts) > _MAX_NONCES:
            oldest = next(iter(self._counts))
            del self._counts[oldest]
            self._stale_until = max(self._stale_until, self._made(oldest) or 0)
        return True

    def _sign(self, text: str) -> str:
        proof = hmac.new(self.secret, _raw(f"{self.realm}:{text}"), hashlib.sha256).hexdigest()
        return f"{text}.{proof[:32]}"

    def _made(self, nonce: str) -> int | None:
        """When we made this nonce, None if we did not."""
        text, _, _ = nonce.rpartition(".")
        if not hmac.compare_digest(_raw(self._sign(text)), _raw(nonce)):
            return None
        return int(text.partition(".")[0], 16)
