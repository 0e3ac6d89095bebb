"""Who gets into the relay: tokens, and this machine without one."""

from __future__ import annotations

import hmac
import ipaddress
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import attrs
import structlog

from clutch.auth.errors import TokenError
from clutch.auth.grants import OPEN, TRUSTED, Grant
from clutch.auth.tokens import Verifier
from clutch.relay.gate import SessionInfo

log = structlog.get_logger(__name__)


@attrs.define
class GateCounters:
    """What became of those who came, since the start."""

    with_token: int = 0
    without_token: int = 0
    """From this machine, where `moqt.open_loopback` lets them in."""
    malformed: int = 0
    unauthorized: int = 0
    expired: int = 0
    """Also sessions that were open when their token ended."""
    revoked: int = 0
    """Sessions that were open when their token was revoked."""


@attrs.define(eq=False)
class TokenGate:
    """`Gate`: decides by a token, and later whether it still counts. The relay logs whom it turns away."""

    verifier: Verifier
    open_loopback: bool
    """Whether peers on this machine need none."""
    counters: GateCounters = attrs.field(factory=GateCounters)
    _now: Callable[[], float] = time.time
    trusted: bytes | None = attrs.field(default=None, repr=False)
    """What opens everything: the secret of a process that belongs to this node."""

    def admit(self, token: bytes | None, session: SessionInfo) -> Grant:
        """See `Gate.admit`."""
        if token is None and self.open_loopback and _on_this_machine(session):
            self.counters.without_token += 1
            return OPEN
        if token is not None and self.trusted is not None and hmac.compare_digest(token, self.trusted):
            return TRUSTED
        try:
            if token is None:
                raise TokenError("unauthorized", "a token is needed")
            grant = self.verifier.verify(token, self._now())
        except TokenError as error:
            setattr(self.counters, error.kind, getattr(self.counters, error.kind) + 1)
            raise
        self.counters.with_token += 1
        log.info(
            "moqt.admitted",
            session=session.number,
            peer=session.peer[0],
            kind=session.kind,
            tenant=grant.tenant,
            subject=grant.subject,
            jti=grant.token_id,
        )
        return grant

    def check(self, grant: Grant) -> None:
        """See `Gate.check`."""
        if self.verifier.revoked(grant):
            self.counters.revoked += 1
            raise TokenError("unauthorized", "the token was revoked")
        if grant.expires_at is not None and self._now() >= grant.expires_at:
            self.counters.expired += 1
            raise TokenError("expired", "the token has expired")


def _on_this_machine(session: SessionInfo) -> bool:
    """A process of this machine; of browsers only those that show a page of this machine."""
    page = session.origin
    return _is_loopback(session.peer[0]) and (page is None or _is_loopback(_host(page)))


def _host(origin: str) -> str:
    try:
        return urlsplit(origin).hostname or ""
    except ValueError:
        return ""


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
