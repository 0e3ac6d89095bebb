"""Catalogs: what is published in each namespace, said by us; and what others say of theirs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import attrs

from clutch.client.errors import VoiceError
from clutch.client.publication import CATALOG as CATALOG_KIND
from clutch.client.publication import Publication
from clutch.client.roster import Roster
from clutch.client.search import Search, has_capability
from clutch.client.subscription import Subscription
from clutch.wire.errors import MalformedPacket
from clutch.wire.loc import PACKAGING
from clutch.wire.moqt.names import FullTrackName, Namespace
from clutch.wire.msf import CATALOG, Catalog, CatalogTrack
from clutch.wire.voice import VoiceForm
from clutch.wire.voice_catalog import voice_track

_ROLES = {"audio": "audio", "video": "video"}


@attrs.define(eq=False)
class Catalogs:
    """The track `catalog` of every namespace in which something is published (draft-ietf-moq-msf, 5)."""

    _roster: Roster
    _publish: Callable[[Namespace, bytes], Publication]
    """Makes the publication of a catalog."""
    _subscribe: Callable[[Namespace, bytes], Subscription]
    """Subscribes to a catalog, from its last group on."""
    _now_us: Callable[[], int]
    _own: dict[Namespace, Publication] = attrs.field(init=False, factory=dict)
    _read: dict[Subscription, Search] = attrs.field(init=False, factory=dict)
    """Those of others that are being read, and for whom."""

    def update(self, namespace: Namespace) -> None:
        """Say anew what there is in a namespace, or nothing more."""
        tracks = tuple(
            _entry(publication)
            for name, publication in self._roster.publications.items()
            if name.namespace == namespace and publication.kind is not CATALOG_KIND
        )
        own = self._own.get(namespace)
        if not tracks:
            if own is not None:
                del self._own[namespace]
                own.close()
        elif own is None and FullTrackName(namespace, CATALOG) in self._roster.publications:
            pass  # the program has one of its own
        else:
            if own is None:
                own = self._own[namespace] = self._publish(namespace, CATALOG)
            if not own.over:
                own.write(Catalog(tracks, self._now_us() // 1000).encode())

    async def look_up(self, search: Search, namespace: Namespace) -> None:
        """Hand a search what it wants of a catalog, until either ends."""
        if search.over or FullTrackName(namespace, CATALOG) in self._roster.subscriptions:
            return
        # It raises if there is none, or it is not ours to read.
        with suppress(VoiceError), self._subscribe(namespace, CATALOG) as subscription:
            self._read[subscription] = search
            try:
                await self._follow(search, namespace, subscription)
            finally:
                del self._read[subscription]

    def leave(self, search: Search) -> None:
        """A search was closed: read nothing for it any more."""
        for subscription in [read for read, reader in self._read.items() if reader is search]:
            subscription.close()

    async def _follow(self, search: Search, namespace: Namespace, subscription: Subscription) -> None:
        catalog: Catalog | None = None
        seen: set[str] = set()
        async for frame in subscription:
            if search.over:
                return
            try:
                if frame.keyframe or catalog is None:
                    catalog = Catalog.parse(frame.payload)
                else:
                    catalog = catalog.updated(frame.payload)
            except MalformedPacket:
                continue
            seen = {track.name for track in catalog.tracks if self._offer(search, namespace, track, seen)}

    def _offer(self, search: Search, namespace: Namespace, track: CatalogTrack, seen: set[str]) -> bool:
        """Whether the search has it: once, as long as the catalog has it, also if it was closed since."""
        name, capability = FullTrackName(namespace, track.name.encode()), track.capability or ""
        if track.packaging != PACKAGING or not track.is_live:
            return False
        if track.name in seen or name in self._roster.subscriptions:
            return True
        if search.full or not has_capability(capability, search.capability):
            return False
        self._roster.found(search, name, capability, False)
        return True


def _entry(publication: Publication) -> CatalogTrack:
    name = publication.name.name
    try:
        return voice_track(name, VoiceForm.of_capability(publication.capability))
    except ValueError:
        return CatalogTrack(
            name.decode(errors="replace"),
            PACKAGING,
            role=_ROLES.get(publication.kind.name, "data"),
            stated_capability=publication.capability or None,
        )
