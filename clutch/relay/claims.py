"""Owners of namespaces within this process: they decide who may publish there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import attrs

from clutch.wire.moqt.codes import RequestError
from clutch.wire.moqt.names import FullTrackName, Namespace
from clutch.wire.moqt.properties import NONE, Properties


@attrs.frozen
class PublishAttempt:
    """A peer is about to publish a track; its token allows it."""

    name: FullTrackName
    session: int
    """The session's number, as in `Relay.snapshot` and the log."""
    tenant: str
    subject: str
    end: Callable[[str], None]
    """Throw the publisher out later, with a reason that the peer is told. Nothing once it has gone."""
    properties: Properties = NONE
    """Of the track."""


@attrs.frozen
class Decision:
    """What the owner says."""

    refused: RequestError | None = None
    """None: it may publish."""
    reason: str = ""
    retry_ms: int | None = None
    """When a refused one may try again; None: never."""
    ended: Callable[[], None] | None = None
    """Called once when an accepted one publishes no more, whoever ended it."""


ACCEPTED = Decision()

Decide: TypeAlias = Callable[[PublishAttempt], Decision]


@attrs.define(eq=False)
class Claim:
    """A namespace prefix with an owner. Several owners of a track must all agree."""

    prefix: Namespace
    decide: Decide
    _release: Callable[[Claim], None]

    def close(self) -> None:
        """Give the namespace back; who publishes there goes on. Idempotent."""
        self._release(self)
