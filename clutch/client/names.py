"""Tracks as people write them."""

from __future__ import annotations

from clutch.wire.moqt.names import FullTrackName, Namespace, parse_namespace


def track_path(name: FullTrackName) -> str:
    """For messages: ``voice/ab12/uplink/audio``."""
    return "/".join(field.decode(errors="replace") for field in (*name.namespace, name.name))


def namespace_of(namespace: str | Namespace) -> Namespace:
    """The fields of a namespace, which may be text with slashes. Raises ValueError for an empty field."""
    return parse_namespace(namespace) if isinstance(namespace, str) else namespace
