from __future__ import annotations

import pytest

from clutch.wire.errors import MalformedPacket
from clutch.wire.loc import EMPTY_BLOCK, Frame, LocProperty, frame_properties, read_frame, timestamped
from clutch.wire.moqt.properties import Properties

NOW_US = 1_700_000_000_123_456
OPUS = b"\x78opus"


def test_an_audio_frame_with_a_time() -> None:
    assert timestamped(NOW_US).items == ((0x10, NOW_US),)
    assert read_frame(timestamped(NOW_US), OPUS) == Frame(OPUS, NOW_US)


def test_all_that_a_frame_can_say() -> None:
    properties = frame_properties(
        NOW_US, audio_level=30, voice=True, independent=True, video_config=b"cfg", audio_config=b"asc"
    )
    types = [type_ for type_, _ in properties]
    assert types == sorted(types)
    assert properties.data(LocProperty.VIDEO_FRAME_MARKING) == b"\xe0"
    assert properties.number(LocProperty.AUDIO_LEVEL) == 0x80 | 30
    assert read_frame(properties, OPUS) == Frame(OPUS, NOW_US, False, 30, True, True, b"cfg")
    audio = frame_properties(NOW_US, audio_config=b"asc", independent=False)
    assert read_frame(audio, OPUS) == Frame(OPUS, NOW_US, independent=False, config=b"asc")


def test_without_any_property() -> None:
    assert read_frame(Properties(), OPUS) == Frame(OPUS)


def test_units_of_the_track_and_of_the_object() -> None:
    ticks = Properties.of((LocProperty.TIMESTAMP, 96_000))
    assert read_frame(ticks, OPUS, timescale=48_000) == Frame(OPUS, 2_000_000, media_time=True)
    own = Properties.of((LocProperty.TIMESTAMP, 96_000), (LocProperty.TIMESCALE, 96_000))
    assert read_frame(own, OPUS, timescale=48_000) == Frame(OPUS, 1_000_000, media_time=True)


def test_an_empty_block_of_private_properties() -> None:
    assert read_frame(timestamped(NOW_US), EMPTY_BLOCK + OPUS, private=True) == Frame(OPUS, NOW_US)
    # Where the block is not agreed on, the same bytes are media.
    assert read_frame(timestamped(NOW_US), EMPTY_BLOCK + OPUS).payload == EMPTY_BLOCK + OPUS


def test_private_properties_stand_in_for_public_ones() -> None:
    payload = b"\x0a\x04\x0c\x1e\x04\x07" + OPUS
    assert read_frame(Properties(), payload, private=True) == Frame(OPUS, 7, audio_level=30)
    assert read_frame(timestamped(9), payload, private=True).timestamp_us == 9


@pytest.mark.parametrize("payload", [b"", b"\x0a", b"\x0b\x00", b"\x0a\x05\x10", b"\x0a\x02\x0d\x09x"])
def test_a_block_that_cannot_be_read(payload: bytes) -> None:
    with pytest.raises(MalformedPacket):
        read_frame(Properties(), payload, private=True)


def test_a_timescale_of_nothing() -> None:
    with pytest.raises(MalformedPacket):
        read_frame(Properties.of((LocProperty.TIMESCALE, 0), (LocProperty.TIMESTAMP, 1)), OPUS)
