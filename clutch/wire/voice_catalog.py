"""How a catalog describes a form of audio."""

from __future__ import annotations

from clutch.wire.loc import PACKAGING
from clutch.wire.msf import CatalogTrack
from clutch.wire.voice import Codec, VoiceForm

_WEBCODECS = {
    Codec.OPUS: "opus",
    Codec.PCM16: "pcm-s16",
    Codec.G711_ULAW: "ulaw",
    Codec.G711_ALAW: "alaw",
}
"""What catalogs call a codec: its string in the WebCodecs registry."""


def voice_track(name: bytes, form: VoiceForm) -> CatalogTrack:
    """The entry of a track that carries audio in a form."""
    return CatalogTrack(
        name.decode(errors="replace"),
        PACKAGING,
        role="audio",
        codec=_WEBCODECS[form.codec],
        samplerate=form.rate_hz,
        channel_config=str(form.channels),
        max_group_ms=form.ptime_ms,
        stated_capability=form.capability,
    )
