"""What a peer may do."""

from __future__ import annotations

import attrs

from clutch.auth.patterns import Pattern


@attrs.frozen
class Grant:
    """What one token allows, or the lack of one."""

    tenant: str
    subject: str
    """Who it was given to, for logs; empty if it does not say."""
    publish: tuple[Pattern, ...]
    subscribe: tuple[Pattern, ...]
    expires_at: float | None = None
    """Unix time from which it counts no more; None for never."""
    token_id: str | None = None
    """The `jti`, by which it can be revoked."""
    key_id: str | None = None
    """The `kid` of the key that signed it; None if there was no token."""
    trusted: bool = False
    """It is of a process of this node, which speaks for many peers: its session may cost as much."""

    def may_publish(self, namespace: tuple[bytes, ...]) -> bool:
        """Whether tracks of this namespace may be published."""
        return any(pattern.matches(namespace) for pattern in self.publish)

    def may_subscribe(self, namespace: tuple[bytes, ...]) -> bool:
        """Whether tracks of this namespace may be subscribed, fetched, and known of."""
        return any(pattern.matches(namespace) for pattern in self.subscribe)

    def may_publish_prefix(self, prefix: tuple[bytes, ...]) -> bool:
        """Whether anything with this prefix may be published; ask `may_publish` of every track below it."""
        return any(pattern.overlaps(prefix) for pattern in self.publish)

    def may_subscribe_prefix(self, prefix: tuple[bytes, ...]) -> bool:
        """Whether anything with this prefix may be subscribed; ask `may_subscribe` of all that is found."""
        return any(pattern.overlaps(prefix) for pattern in self.subscribe)


_EVERYTHING = (Pattern.parse("**"),)
OPEN = Grant("", "", _EVERYTHING, _EVERYTHING)
"""Everything, for ever: for peers that need no token."""
TRUSTED = attrs.evolve(OPEN, trusted=True)
"""As `OPEN`, for a process of this node."""
