"""Media frames as MoQT objects: LOC, draft-ietf-moq-loc-04, for audio and video.

What relays may see of a frame stands in the object's properties; its payload is the codec's own bitstream.
The draft puts a block of private properties in front of that, and peers disagree whether an empty one may be
left out. Nothing in the object tells (an Opus packet may begin with the same bytes): both sides must know.
"""

from __future__ import annotations

from enum import IntEnum

import attrs

from clutch.wire.errors import MalformedPacket
from clutch.wire.moqt.errors import MoqtError
from clutch.wire.moqt.fields import read_pairs
from clutch.wire.moqt.properties import Properties, Property
from clutch.wire.moqt.varint import VI64

PACKAGING = "loc"
"""What a catalog calls it."""


class LocProperty(IntEnum):
    """Types of properties (section 2.3)."""

    TIMESCALE = 0x08
    VIDEO_FRAME_MARKING = 0x09
    AUDIO_LEVEL = 0x0C
    VIDEO_CONFIG = 0x0D
    AUDIO_CONFIG = 0x0F
    TIMESTAMP = 0x10


EMPTY_BLOCK = b"\x0a\x00"
"""The block of private properties (type 0x0A, length) without any; what goes in front of the payload."""

# RFC 9626, short form: start and end of the frame, which one object is, and "needs no other frame".
_WHOLE_FRAME = 0xC0
_INDEPENDENT = 0x20

_VOICE = 0x80


@attrs.frozen
class Frame:
    """A frame as it came."""

    payload: bytes
    """The codec's bitstream."""
    timestamp_us: int | None = None
    """Microseconds since the Unix epoch, or with `media_time` since one of the application's own."""
    media_time: bool = False
    audio_level: int | None = None
    """-dBov: 0 (loudest) to 127 (silence); RFC 6464."""
    voice: bool = False
    """Of an audio level: the sender believes that somebody speaks."""
    independent: bool | None = None
    """Of video: it needs no other frame; None: not said."""
    config: bytes | None = None
    """Of the decoder, as WebCodecs' `description`."""


def timestamped(timestamp_us: int) -> Properties:
    """The properties of a frame that has only a time: microseconds since the Unix epoch."""
    return Properties(((0x10, timestamp_us),))


def frame_properties(
    timestamp_us: int,
    *,
    audio_level: int | None = None,
    voice: bool = False,
    independent: bool | None = None,
    video_config: bytes | None = None,
    audio_config: bytes | None = None,
) -> Properties:
    """The properties of a frame; the fields are `Frame`'s."""
    items: list[Property] = []
    if independent is not None:
        marking = _WHOLE_FRAME | (_INDEPENDENT if independent else 0)
        items.append((LocProperty.VIDEO_FRAME_MARKING, bytes((marking,))))
    if audio_level is not None:
        level = min(max(audio_level, 0), 127) | (_VOICE if voice else 0)
        items.append((LocProperty.AUDIO_LEVEL, level))
    if video_config is not None:
        items.append((LocProperty.VIDEO_CONFIG, video_config))
    if audio_config is not None:
        items.append((LocProperty.AUDIO_CONFIG, audio_config))
    items.append((LocProperty.TIMESTAMP, timestamp_us))
    return Properties(tuple(items))


def read_frame(
    properties: Properties, payload: bytes, *, private: bool = False, timescale: int | None = None
) -> Frame:
    """The frame in an object.

    `private`: the payload begins with a block of private properties; what stands there counts where the
    public ones say nothing. `timescale`: the track's, units of its timestamps per second, if it has one.
    Raises MalformedPacket for a block that cannot be read, or a timescale of 0.
    """
    hidden = Properties()
    if private:
        hidden, payload = _split(payload)

    def number(type_: LocProperty) -> int | None:
        value = properties.number(type_)
        return hidden.number(type_) if value is None else value

    def data(type_: LocProperty) -> bytes | None:
        value = properties.data(type_)
        return hidden.data(type_) if value is None else value

    scale = number(LocProperty.TIMESCALE)
    scale = timescale if scale is None else scale
    if scale == 0:
        raise MalformedPacket("LOC timescale of 0")
    timestamp = number(LocProperty.TIMESTAMP)
    if timestamp is not None and scale is not None:
        timestamp = timestamp * 1_000_000 // scale
    level = number(LocProperty.AUDIO_LEVEL)
    marking = data(LocProperty.VIDEO_FRAME_MARKING)
    config = data(LocProperty.VIDEO_CONFIG)
    return Frame(
        payload,
        timestamp,
        scale is not None,
        None if level is None else level & 0x7F,
        level is not None and bool(level & _VOICE),
        bool(marking[0] & _INDEPENDENT) if marking else None,
        data(LocProperty.AUDIO_CONFIG) if config is None else config,
    )


def _split(payload: bytes) -> tuple[Properties, bytes]:
    try:
        type_, offset = VI64.get(payload, 0)
        size, offset = VI64.get(payload, offset)
        end = offset + size
        if type_ != EMPTY_BLOCK[0] or end > len(payload):
            raise MalformedPacket("LOC payload without its block of private properties")
        return Properties(read_pairs(payload[offset:end], 0, VI64)), payload[end:]
    except (IndexError, MoqtError) as error:
        raise MalformedPacket("LOC private properties cannot be read") from error
