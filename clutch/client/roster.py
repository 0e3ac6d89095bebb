"""What a `Voice` publishes and subscribes, whichever connection carries it at the moment."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from clutch.client.errors import PublicationClosed, VoiceError
from clutch.client.names import track_path
from clutch.client.publication import Publication
from clutch.client.search import Search
from clutch.client.subscription import Subscription
from clutch.wire.moqt.names import FullTrackName, Namespace


@attrs.define(eq=False)
class Roster:
    """Every track at most once in each direction, as the draft has it (draft-ietf-moq-transport-18, 5.1).

    What is over stays until it is closed, or taken the place of.
    """

    publications: dict[FullTrackName, Publication] = attrs.field(init=False, factory=dict)
    subscriptions: dict[FullTrackName, Subscription] = attrs.field(init=False, factory=dict)
    searches: dict[Namespace, Search] = attrs.field(init=False, factory=dict)
    found: Callable[[Search, FullTrackName, str, bool], Subscription] = attrs.field(init=False, repr=False)
    """Hands a search a track with this capability, that was offered or must be asked for."""
    look_up: Callable[[Search, Namespace], None] = attrs.field(init=False, repr=False)
    """Looks for tracks in the catalog of a namespace."""

    def publish(self, publication: Publication) -> None:
        """Add. Raises `VoiceError` if the track is published already."""
        if (known := self.publications.get(publication.name)) is not None and not known.over:
            raise VoiceError(f"{track_path(publication.name)} is published already")
        self.publications[publication.name] = publication

    def subscribe(self, subscription: Subscription) -> None:
        """Add. Raises `VoiceError` if the track is subscribed already."""
        if (known := self.subscriptions.get(subscription.name)) is not None and not known.over:
            raise VoiceError(f"{track_path(subscription.name)} is subscribed already")
        self.subscriptions[subscription.name] = subscription

    def search(self, search: Search) -> None:
        """Add. Raises `VoiceError` if one prefix begins with the other."""
        for prefix in self.searches:
            shorter = min(len(prefix), len(search.prefix))
            if prefix[:shorter] == search.prefix[:shorter]:
                raise VoiceError("there is a search for a prefix of it, or for one that it is a prefix of")
        self.searches[search.prefix] = search

    def searching(self, namespace: Namespace) -> Search | None:
        """Who searches where this namespace is."""
        return next(
            (found for prefix, found in self.searches.items() if namespace[: len(prefix)] == prefix), None
        )

    def remove(self, item: Publication | Search | Subscription) -> None:
        """Forget it, if it is there."""
        if isinstance(item, Search):
            self.searches.pop(item.prefix, None)
        elif isinstance(item, Publication):
            if self.publications.get(item.name) is item:
                del self.publications[item.name]
        elif self.subscriptions.get(item.name) is item:
            del self.subscriptions[item.name]

    def items(self) -> list[Publication | Search | Subscription]:
        """All that a new connection is to carry."""
        return [*self.publications.values(), *self.searches.values(), *self.subscriptions.values()]

    def end(self, failure: VoiceError | None) -> None:
        """Nothing more will come, or can be published."""
        for item in self.items():
            if isinstance(item, Publication):
                item.fail(failure or PublicationClosed("the connection was closed"))
            else:
                item.end(failure)

    def wake(self) -> None:
        """There is a connection, or there is none any more."""
        for publication in self.publications.values():
            publication.wake()

    def namespaces(self) -> set[Namespace]:
        """Where something is published."""
        return {name.namespace for name in self.publications}
