"""Tracks as people write them."""

from __future__ import annotations

from clutch.wire.moqt.names import MAX_FIELDS, MAX_NAME, FullTrackName, Namespace, parse_namespace


def track_path(name: FullTrackName) -> str:
    """For messages: ``voice/ab12/uplink/audio``."""
    return "/".join(field.decode(errors="replace") for field in (*name.namespace, name.name))


def namespace_of(namespace: str | Namespace) -> Namespace:
    """The fields of a namespace, which may be text with slashes. Raises ValueError if MoQT has none such."""
    fields = parse_namespace(namespace) if isinstance(namespace, str) else namespace
    if b"" in fields or len(fields) > MAX_FIELDS or sum(map(len, fields)) > MAX_NAME:
        raise ValueError(
            f"a namespace has at most {MAX_FIELDS} fields and {MAX_NAME} bytes, and no empty field"
        )
    return fields


def full_name_of(namespace: str | Namespace, name: str) -> FullTrackName:
    """The name of a track. Raises ValueError for what MoQT cannot carry."""
    found = FullTrackName(namespace_of(namespace), name.encode())
    if sum(map(len, found.namespace)) + len(found.name) > MAX_NAME:
        raise ValueError(f"a track's namespace and name have at most {MAX_NAME} bytes together")
    return found
