"""What the relay may hold, and what a peer may cost it."""

from __future__ import annotations

import attrs

from clutch.wire.moqt.session_events import SessionLimits


@attrs.frozen
class CacheLimits:
    """How much of the past is kept. What is over a limit goes, oldest group first."""

    groups: int = 128
    """Of one track."""
    track_bytes: int = 4 << 20
    total_bytes: int = 64 << 20
    """Of all tracks together."""
    age_s: float = 10.0
    """The newest group of a track stays, however old it is."""


@attrs.frozen
class QueueLimits:
    """How far a subscriber may fall behind before it is moved to the next group; see `Downlink`."""

    streams: int = 25
    """Data streams that wait to be sent; of voice, each is a group."""
    unsent_bytes: int = 1 << 20
    skips: int = 50
    """More often than that, and the subscription ends (TOO_FAR_BEHIND)."""
    patience_s: float = 5.0
    """After this time without a skip all are forgiven. If the next group takes that long, it ends as well."""


@attrs.frozen
class RelayLimits:
    """All of it."""

    cache: CacheLimits = CacheLimits()
    queue: QueueLimits = QueueLimits()
    tracks: int = 20_000
    """That are published, subscribed to or waited for."""
    session: SessionLimits = attrs.field(factory=SessionLimits)
    """Of each session: its requests, among other things."""
    trusted: SessionLimits = attrs.field(
        factory=lambda: SessionLimits(requests=20_000, namespaces=10_000),
    )
    """Of a session between relays that belong together (`Grant.trusted`): all peers of one are behind it."""
    subscriptions: int = 1_000
    """Tracks that one session hears; what SUBSCRIBE_TRACKS finds beyond is not published to it."""
    matches: int = 10_000
    """Namespaces, or tracks, under a prefix when it is asked for: more is NAMESPACE_TOO_LARGE."""
    rendezvous_s: float = 60.0
    """Longest wait for a publisher, whatever a subscriber asks for."""
    upstream_s: float = 5.0
    """How long a publisher may take to answer a request of ours."""
    linger_s: float = 2.0
    """How long a track stays subscribed upstream after its last subscriber."""
