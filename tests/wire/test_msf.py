from __future__ import annotations

import json
from typing import Any

import pytest

from clutch.wire.errors import MalformedPacket
from clutch.wire.msf import CAPABILITY_FIELD, Catalog, CatalogTrack

AUDIO = CatalogTrack(
    "audio",
    "loc",
    role="audio",
    codec="opus",
    samplerate=48_000,
    channel_config="1",
    bitrate=32_000,
    max_group_ms=20,
    stated_capability="voice/opus",
)
CATALOG = Catalog((AUDIO,), generated_at_ms=1_746_104_606_044)


def payload(**fields: Any) -> bytes:
    return json.dumps({"version": "draft-01", "tracks": []} | fields).encode()


def test_what_is_written() -> None:
    assert json.loads(CATALOG.encode()) == {
        "version": "draft-01",
        "generatedAt": 1_746_104_606_044,
        "tracks": [
            {
                "name": "audio",
                "packaging": "loc",
                "isLive": True,
                "role": "audio",
                "codec": "opus",
                "samplerate": 48_000,
                "channelConfig": "1",
                "bitrate": 32_000,
                "maxGroupDuration": 20,
                CAPABILITY_FIELD: "voice/opus",
            }
        ],
    }
    assert Catalog.parse(CATALOG.encode()) == CATALOG


def test_unknown_fields_are_kept() -> None:
    data = payload(
        tracks=[{"name": "v", "packaging": "loc", "isLive": False, "com.example-tier": [1], "width": 1920.0}],
        initDataList=[],
        isComplete=True,
    )
    catalog = Catalog.parse(data)
    assert catalog.complete
    assert catalog.tracks[0].other == {"com.example-tier": [1], "width": 1920.0}
    assert Catalog.parse(catalog.encode()) == catalog


@pytest.mark.parametrize(
    ("fields", "capability"),
    [
        ({"packaging": "loc", "role": "audio", "codec": "opus"}, "voice/opus"),
        ({"packaging": "loc", CAPABILITY_FIELD: "voice/pcm16;rate=16000"}, "voice/pcm16;rate=16000"),
        ({"packaging": "legacy", "role": "audio", "codec": "opus"}, None),
        ({"packaging": "loc", "role": "video", "codec": "av01"}, None),
    ],
)
def test_capabilities(fields: dict[str, str], capability: str | None) -> None:
    (track,) = Catalog.parse(payload(tracks=[{"name": "x", **fields}])).tracks
    assert track.capability == capability


def test_updates() -> None:
    # After the examples of section 5.6.
    catalog = Catalog.parse(payload(tracks=[{"name": "video-1080", "packaging": "loc", "bitrate": 1}]))
    update = {
        "generatedAt": 5,
        "deltaUpdate": [
            {"op": "update", "tracks": [{"name": "video-1080", "bitrate": 4_000_000}]},
            {"op": "add", "tracks": [{"name": "slides", "packaging": "loc", "isLive": True}]},
            {"op": "clone", "tracks": [{"parentName": "video-1080", "name": "video-720", "width": 1280}]},
        ],
    }
    new = catalog.updated(json.dumps(update).encode())
    assert [(track.name, track.bitrate) for track in new.tracks] == [
        ("video-1080", 4_000_000),
        ("slides", None),
        ("video-720", 4_000_000),
    ]
    assert new.generated_at_ms == 5
    assert new.tracks[2].other == {"width": 1280}
    removal = {"deltaUpdate": [{"op": "remove", "tracks": [{"name": "slides"}, {"name": "video-720"}]}]}
    assert [track.name for track in new.updated(json.dumps(removal).encode()).tracks] == ["video-1080"]
    assert len(catalog.tracks) == 1


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "add", "tracks": [{"name": "audio", "packaging": "loc"}]},
        {"op": "clone", "tracks": [{"parentName": "audio"}]},
        {"op": "remove", "tracks": [{"name": "nobody"}]},
        {"op": "remove", "tracks": [{"name": ["audio"]}]},
        {"op": "shuffle", "tracks": [{"name": "audio"}]},
        {"op": "add"},
    ],
)
def test_updates_that_do_not_fit(operation: dict[str, Any]) -> None:
    with pytest.raises(MalformedPacket):
        CATALOG.updated(json.dumps({"deltaUpdate": [operation]}).encode())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b"[" * 100_000,
        b"9" * 10_000,
        payload(version="draft-09"),
        payload(version=1),
        payload(tracks={}),
        payload(tracks=["audio"]),
        payload(tracks=[{"packaging": "loc"}]),
        payload(tracks=[{"name": "x"}]),
        payload(tracks=[{"name": 1, "packaging": "loc"}]),
        payload(tracks=[{"name": "x", "packaging": "loc", "samplerate": "48000"}]),
        payload(tracks=[{"name": "x", "packaging": "loc", "samplerate": True}]),
        payload(tracks=[{"name": "x", "packaging": "loc", "isLive": "yes"}]),
        payload(generatedAt="now"),
        payload(deltaUpdate=[]),
    ],
)
def test_what_is_no_catalog(data: bytes) -> None:
    with pytest.raises(MalformedPacket):
        Catalog.parse(data)
