"""Tracks of this process that are made when they are wanted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import attrs

from clutch.relay.asking import PastAsker, StatusQuestion
from clutch.relay.past import PastRange
from clutch.relay.router import Router
from clutch.relay.track import Track
from clutch.wire.moqt.names import FullTrackName, Namespace
from clutch.wire.moqt.parameters import GroupOrder

Make: TypeAlias = Callable[[FullTrackName], None]


@attrs.define(eq=False)
class Offer:
    """A namespace of which this process publishes a track as soon as there is a subscriber for it."""

    namespace: Namespace
    _router: Router
    _make: Make
    _closed: bool = False

    def close(self) -> None:
        """Make nothing more; what was published goes on. Idempotent."""
        if not self._closed:
            self._closed = True
            self._router.withdraw(self.namespace, self)

    def request_track(self, track: Track) -> bool:
        """See `Announcer.request_track`: it is there now, or there is none; no answer follows."""
        if not track.live:
            self._make(track.name)
        return False

    def abandon(self, track: Track) -> None:
        """See `Announcer.abandon`: nothing is under way."""

    def request_past(self, asker: PastAsker, past: PastRange, order: GroupOrder | None) -> None:
        """See `Announcer.request_past`: the past of our own tracks is in the relay's cache."""

    def request_status(self, question: StatusQuestion) -> bool:
        """See `Announcer.request_status`: as `request_past`."""
        return False
