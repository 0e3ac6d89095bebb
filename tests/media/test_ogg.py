"""Ogg Opus files: ours are read by others, theirs by us, and rubbish by nobody."""

from __future__ import annotations

import io
import random

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clutch.media.errors import AudioError
from clutch.media.ogg import OggReader, OggWriter, opus_duration_us

SILENCE = b"\xf8\xff\xfe"
"""20 ms of silence, as libopus makes it."""


def foreign(seconds: float = 1.0) -> bytes:
    """A tone as ffmpeg writes it."""
    file = io.BytesIO()
    with av.open(file, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=48_000, layout="mono")
        time_s = np.arange(round(seconds * 48_000)) / 48_000
        tone = (8000 * np.sin(2 * np.pi * 440 * time_s)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(tone.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = 48_000
        container.mux([*stream.encode(frame), *stream.encode(None)])
    return file.getvalue()


def written(packets: list[bytes]) -> bytes:
    writer = OggWriter()
    return writer.begin() + b"".join(writer.add(packet) for packet in packets) + writer.end()


def test_what_others_write_is_read() -> None:
    reader = OggReader()
    packets = reader.feed(foreign())
    assert (reader.channels, reader.pre_skip) == (1, 312)
    assert sum(map(opus_duration_us, packets)) in range(1_000_000, 1_040_001)


def test_what_we_write_is_read_by_others() -> None:
    reader = OggReader()
    packets = reader.feed(foreign())
    with av.open(io.BytesIO(written(packets)), "r") as container:
        sound = np.concatenate([frame.to_ndarray().ravel() for frame in container.decode(audio=0)])
    expected = sum(map(opus_duration_us, packets)) * 48 // 1000 - 312
    assert len(sound) == expected
    assert np.abs(sound).max() > 0.2


@given(st.lists(st.binary(min_size=1, max_size=600).map(lambda tail: b"\x08" + tail), max_size=80), st.data())
def test_every_packet_comes_back_however_it_is_cut(packets: list[bytes], data: st.DataObject) -> None:
    file, reader = written(packets), OggReader()
    found: list[bytes] = []
    while file:
        size = data.draw(st.integers(1, len(file)))
        found += reader.feed(file[:size])
        file = file[size:]
    assert found == packets


def test_a_page_holds_a_second() -> None:
    writer = OggWriter()
    writer.begin()
    pages = [bool(writer.add(SILENCE)) for _ in range(101)]
    assert [number for number, page in enumerate(pages) if page] == [50, 100]


def test_two_files_one_after_the_other() -> None:
    reader = OggReader()
    assert reader.feed(written([SILENCE]) + written([SILENCE, SILENCE])) == [SILENCE] * 3


@pytest.mark.parametrize(
    ("packet", "duration_us"),
    [
        (b"\xf8", 20_000),
        (b"\xe1", 5_000),
        (b"\x0b\x03", 60_000),
        (b"\x1b\x03", 0),
        (b"", 0),
        (b"\xfb", 0),
        (b"\x18", 60_000),
        (b"\x6a", 40_000),
    ],
)
def test_durations(packet: bytes, duration_us: int) -> None:
    assert opus_duration_us(packet) == duration_us


@pytest.mark.parametrize("damage", [lambda f: b"RIFF" + f[4:], lambda f: f[:100] + b"?" + f[101:]])
def test_damage_is_found(damage: object) -> None:
    assert callable(damage)
    with pytest.raises(AudioError):
        OggReader().feed(damage(foreign()))


def test_any_bytes_are_read_or_refused() -> None:
    chance, file = random.Random(1), foreign(0.2)
    for _ in range(300):
        broken = bytearray(file)
        for _ in range(chance.randrange(1, 4)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        try:
            OggReader().feed(bytes(broken))
        except AudioError:
            continue


def test_only_opus_can_be_written() -> None:
    with pytest.raises(AudioError):
        OggWriter().add(b"")
