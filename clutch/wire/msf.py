"""The catalog of a namespace: what tracks there are (draft-ietf-moq-msf, version "draft-01").

The catalog is the track `catalog` of the namespace. The first object of each of its groups is a whole
catalog, those behind it are updates. Fields that are not known here are kept as they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from clutch.wire.errors import MalformedPacket

CATALOG = b"catalog"
"""Name of the track."""
VERSION = "draft-01"
CAPABILITY_FIELD = "dev.clutch.capability"
"""Our own field of a track: what it is, as `clutch.wire.voice` writes it."""
CAPABILITY_PROPERTY = 0x3841
"""Track property of MoQT with the same text, for relays that read no catalogs; in the applications' range."""

_FIELDS = {
    "name": "name",
    "namespace": "namespace",
    "packaging": "packaging",
    "is_live": "isLive",
    "role": "role",
    "codec": "codec",
    "samplerate": "samplerate",
    "channel_config": "channelConfig",
    "bitrate": "bitrate",
    "max_group_ms": "maxGroupDuration",
    "label": "label",
    "language": "lang",
    "stated_capability": CAPABILITY_FIELD,
}


@attrs.frozen
class CatalogTrack:
    """One track (section 5.2). None: not said."""

    name: str
    packaging: str
    is_live: bool = True
    namespace: str | None = None
    """None: the catalog's own."""
    role: str | None = None
    codec: str | None = None
    samplerate: int | None = None
    """Hz."""
    channel_config: str | None = None
    """`"1"`: mono."""
    bitrate: int | None = None
    """Largest, in bits per second."""
    max_group_ms: int | None = None
    """How long a group is at most; with an object per group, how long an object is."""
    label: str | None = None
    language: str | None = None
    stated_capability: str | None = None
    other: Mapping[str, Any] = attrs.field(factory=dict)
    """Fields that are not known here, as JSON has them."""

    @property
    def capability(self) -> str | None:
        """As stated; without, what codec and role say of a track that packs audio as we do."""
        if self.stated_capability is None and (self.role, self.packaging, self.codec) == (
            "audio",
            "loc",
            "opus",
        ):
            return "voice/opus"
        return self.stated_capability

    def fields(self) -> dict[str, Any]:
        """The track as JSON has it."""
        known = {key: getattr(self, name) for name, key in _FIELDS.items()}
        return {key: value for key, value in known.items() if value is not None} | dict(self.other)


@attrs.frozen
class Catalog:
    """A whole catalog (section 5.1)."""

    tracks: tuple[CatalogTrack, ...]
    generated_at_ms: int | None = None
    """Since the Unix epoch."""
    complete: bool = False
    """There will be nothing more, in no track."""
    other: Mapping[str, Any] = attrs.field(factory=dict)

    @classmethod
    def parse(cls, payload: bytes) -> Catalog:
        """A whole catalog. Raises MalformedPacket, also for an update or another version."""
        document = _load(payload)
        if document.get("version") != VERSION:
            raise MalformedPacket(f"catalog of version {document.get('version')!r}")
        if "deltaUpdate" in document:
            raise MalformedPacket("catalog that begins with an update")
        return cls(
            tuple(_track(fields) for fields in _objects(document, "tracks")),
            _typed(document.get("generatedAt"), int, "generatedAt"),
            document.get("isComplete") is True,
            {key: value for key, value in document.items() if key not in _ROOT},
        )

    def encode(self) -> bytes:
        """The payload of the first object of a group."""
        document: dict[str, Any] = {"version": VERSION}
        if self.generated_at_ms is not None:
            document["generatedAt"] = self.generated_at_ms
        if self.complete:
            document["isComplete"] = True
        document["tracks"] = [track.fields() for track in self.tracks]
        return json.dumps(document | dict(self.other), separators=(",", ":")).encode()

    def updated(self, payload: bytes) -> Catalog:
        """The catalog after an update (section 5.3). Raises MalformedPacket; this one stays as it is."""
        document = _load(payload)
        tracks = {(track.namespace, track.name): track for track in self.tracks}
        for operation in _objects(document, "deltaUpdate"):
            for fields in _objects(operation, "tracks"):
                _apply(operation.get("op"), fields, tracks)
        generated = _typed(document.get("generatedAt"), int, "generatedAt")
        return attrs.evolve(self, tracks=tuple(tracks.values()), generated_at_ms=generated)


_ROOT = frozenset({"version", "generatedAt", "isComplete", "tracks"})
_Key = tuple[str | None, str]


def _apply(op: Any, fields: dict[str, Any], tracks: dict[_Key, CatalogTrack]) -> None:
    """One track of one operation."""
    if op == "add":
        track = _track(fields)
        if (track.namespace, track.name) in tracks:
            raise MalformedPacket(f"catalog adds {track.name!r} a second time")
        tracks[track.namespace, track.name] = track
        return
    # The text names the old track by `parentName`, its examples of updates by `name`.
    prefix = "parentN" if "parentName" in fields else "n"
    name, namespace = fields.get(prefix + "ame"), fields.get(prefix + "amespace")
    old = (
        tracks.get((namespace, name)) if isinstance(name, str) and isinstance(namespace, str | None) else None
    )
    if old is None:
        raise MalformedPacket(f"catalog changes {name!r}, which it does not have")
    changed = {key: value for key, value in fields.items() if key not in ("parentName", "parentNamespace")}
    if op == "remove":
        del tracks[old.namespace, old.name]
    elif op == "update":
        new = _track(old.fields() | changed)
        if (new.namespace, new.name) != (old.namespace, old.name):
            raise MalformedPacket(f"catalog gives {old.name!r} another name")
        tracks[new.namespace, new.name] = new
    elif op == "clone":
        _apply("add", old.fields() | changed, tracks)
    else:
        raise MalformedPacket(f"catalog update {op!r} is unknown")


def _load(payload: bytes) -> dict[str, Any]:
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise MalformedPacket("catalog is no JSON") from error
    if not isinstance(document, dict):
        raise MalformedPacket("catalog is no JSON object")
    return document


def _objects(document: Mapping[str, Any], key: str) -> Iterable[dict[str, Any]]:
    values = document.get(key)
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise MalformedPacket(f"catalog whose {key} is no list of objects")
    return values


_TYPES: Mapping[str, type] = {
    "is_live": bool,
    "samplerate": int,
    "bitrate": int,
    "max_group_ms": int,
}


def _track(fields: Mapping[str, Any]) -> CatalogTrack:
    known = {
        name: _typed(fields[key], _TYPES.get(name, str), key)
        for name, key in _FIELDS.items()
        if key in fields
    }
    for required in ("name", "packaging"):
        if known.get(required) is None:
            raise MalformedPacket(f"catalog with a track without {required}")
    keys = frozenset(_FIELDS.values())
    return CatalogTrack(**known, other={key: value for key, value in fields.items() if key not in keys})


def _typed(value: Any, kind: type, what: str) -> Any:
    """The value if it is of the kind, a number without its fraction; None stays None."""
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if value is not None and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
        raise MalformedPacket(f"catalog whose {what} is {type(value).__name__}, not {kind.__name__}")
    return value
