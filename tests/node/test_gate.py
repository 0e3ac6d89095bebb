"""Who gets into the relay."""

from __future__ import annotations

import attrs
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from structlog.testing import capture_logs

from clutch.auth.errors import TokenError
from clutch.auth.grants import OPEN, TRUSTED
from clutch.auth.keys import KeySet, read_keys, write_key
from clutch.auth.patterns import Pattern
from clutch.auth.tokens import Verifier, mint
from clutch.node.gate import TokenGate
from clutch.relay.gate import SessionInfo

KEYS = read_keys(write_key(Ed25519PrivateKey.generate()).encode())
NOW = 1_800_000_000.0


def make_token(token_id: str = "t1") -> bytes:
    """A token for a minute."""
    assert KEYS.signing is not None
    everything = [Pattern.parse("**")]
    made = mint(
        KEYS.signing,
        publish=everything,
        subscribe=[],
        token_id=token_id,
        now=NOW,
        expires_at=NOW + 60,
        tenant="acme",
        subject="bot",
    )
    return made.encode()


def gate(*, now: float = NOW, open_loopback: bool = True) -> TokenGate:
    """A gate at a moment."""
    return TokenGate(Verifier(KEYS), open_loopback, now=lambda: now)


def peer(host: str, origin: str | None = None) -> SessionInfo:
    """Who comes."""
    return SessionInfo(7, "webtransport", "moqt-18", (host, 4711), origin=origin)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1"])
@pytest.mark.parametrize("origin", [None, "http://localhost:8080", "https://127.0.0.1", "http://[::1]:80"])
def test_this_machine_needs_no_token(host: str, origin: str | None) -> None:
    here = gate()
    assert here.admit(None, peer(host, origin)) is OPEN
    assert here.counters.without_token == 1
    with pytest.raises(TokenError, match=r"^a token is needed$"):
        gate(open_loopback=False).admit(None, peer(host, origin))


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("192.0.2.7", None),
        ("192.0.2.7", "http://localhost"),
        ("2001:db8::1", None),
        ("127.0.0.1", "https://example.com"),
        ("127.0.0.1", "https://localhost.example.com"),
        ("127.0.0.1", "https://127.0.0.1.example.com"),
        ("127.0.0.1", "https://localhost@example.com"),
        ("127.0.0.1", "null"),
        ("127.0.0.1", ""),
        ("127.0.0.1", "http://["),
    ],
)
def test_all_others_do(host: str, origin: str | None) -> None:
    here = gate()
    with pytest.raises(TokenError, match=r"^a token is needed$") as caught:
        here.admit(None, peer(host, origin))
    assert caught.value.kind == "unauthorized"
    assert here.counters.unauthorized == 1
    assert here.admit(make_token(), peer(host, origin)).tenant == "acme"
    assert here.counters.with_token == 1


def test_a_bad_token_is_not_better_than_none() -> None:
    here = gate(now=NOW + 60)
    with pytest.raises(TokenError):
        here.admit(make_token(), peer("127.0.0.1"))
    with pytest.raises(TokenError):
        here.admit(b"", peer("127.0.0.1"))
    assert (here.counters.expired, here.counters.malformed) == (1, 1)


def test_the_log_says_who_came_with_whose_token() -> None:
    with capture_logs() as lines:
        gate().admit(make_token(), peer("192.0.2.7"))
    assert lines == [
        {
            "event": "moqt.admitted",
            "log_level": "info",
            "session": 7,
            "peer": "192.0.2.7",
            "kind": "webtransport",
            "tenant": "acme",
            "subject": "bot",
            "jti": "t1",
        },
    ]


def test_the_secret_of_the_nodes_own_process() -> None:
    gate = TokenGate(Verifier(KEYS), False, trusted=b"secret")
    assert gate.admit(b"secret", peer("127.0.0.1")) is TRUSTED
    assert "secret" not in repr(gate)
    with pytest.raises(TokenError):
        gate.admit(b"secret2", peer("127.0.0.1"))


def test_what_counts_no_more() -> None:
    now = NOW
    here = TokenGate(Verifier(KEYS), True, now=lambda: now)
    one, two = (here.admit(make_token(name), peer("192.0.2.7")) for name in ("one", "two"))
    for grant in (OPEN, one, two):
        here.check(grant)
    here.verifier.revoked_ids = {"one"}
    here.check(two)
    with pytest.raises(TokenError, match=r"^the token was revoked$") as caught:
        here.check(one)
    assert caught.value.kind == "unauthorized"
    now = NOW + 60
    with pytest.raises(TokenError, match=r"^the token has expired$") as caught:
        here.check(two)
    assert caught.value.kind == "expired"
    here.verifier.keys = KeySet({})
    with pytest.raises(TokenError, match=r"^the token was revoked$"):
        here.check(two)
    here.check(OPEN)
    assert attrs.asdict(here.counters) == {
        "with_token": 2,
        "without_token": 0,
        "malformed": 0,
        "unauthorized": 0,
        "expired": 1,
        "revoked": 2,
    }
