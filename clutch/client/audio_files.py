"""Files of audio as frames of a track, and the other way round."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Protocol

import attrs
import numpy as np

from clutch.client.values import Gap
from clutch.media.audio import Sound
from clutch.media.errors import AudioError
from clutch.media.ogg import OggReader, OggWriter, opus_duration_us
from clutch.media.wav import MAX_DATA_BYTES, parse_wav, wav_header
from clutch.net.voice import FRAME_MS, BadPayload, VoiceDecoder, VoiceEncoder, frame_bytes
from clutch.wire.voice import RATES_HZ, Codec, VoiceForm

SILENCE = b"\xf8\xff\xfe"
"""An Opus packet of 20 ms of silence."""
MAX_GAP_FRAMES = 3_000
"""No more than a minute of silence is written for a gap."""
_CONCEALED = 5
"""So many frames of a gap are made up; the rest is silence."""
_OPUS_HZ = 48_000
_FRAME_US = FRAME_MS * 1000


def read_frames(data: bytes, form: VoiceForm) -> Iterator[tuple[bytes, int]]:
    """The payloads of a WAV or Ogg Opus file in a form, each with its length in microseconds.

    Opus of a file goes as it is into a track of Opus. Raises `AudioError` for any other file, and
    `native.MediaError` for what this build cannot code.
    """
    if not data.startswith(b"OggS"):
        yield from _coded(parse_wav(data), form)
        return
    packets = OggReader().feed(data)
    if form.codec is Codec.OPUS:
        yield from ((packet, opus_duration_us(packet)) for packet in packets if opus_duration_us(packet))
        return
    decoder = VoiceDecoder(VoiceForm(), _OPUS_HZ)
    try:
        pcm = b"".join(map(decoder.decode, packets))
    except BadPayload as error:
        raise AudioError(f"a packet is not of Opus: {error}") from error
    yield from _coded(Sound(np.frombuffer(pcm, np.int16), _OPUS_HZ), form)


def _coded(sound: Sound, form: VoiceForm) -> Iterator[tuple[bytes, int]]:
    if sound.rate_hz not in RATES_HZ[Codec.OPUS]:
        sound = sound.at(_OPUS_HZ)
    encoder, size = VoiceEncoder(form), frame_bytes(sound.rate_hz)
    pcm = sound.pcm
    for at in range(0, len(pcm), size):
        yield encoder.encode(pcm[at : at + size].ljust(size, b"\0"), sound.rate_hz), _FRAME_US


class AudioFile(Protocol):
    """Where the frames of a track are kept."""

    seconds: float
    """How much is in it."""
    bad: int
    """Payloads that were not of the form, and were left out."""

    def add(self, payload: bytes, gap: Gap | None) -> None:
        """The next frame, with what is missing before it. Raises OSError."""

    def finish(self) -> None:
        """Nothing more comes. Raises OSError."""


@attrs.define(eq=False)
class WavFile:
    """A WAV file of what a track decodes to; also on a pipe, where its header says that it never ends.

    Raises `native.MediaError` for what this build cannot code.
    """

    _file: BinaryIO
    form: VoiceForm
    seconds: float = attrs.field(init=False, default=0.0)
    bad: int = attrs.field(init=False, default=0)
    _decoder: VoiceDecoder = attrs.field(init=False)
    _bytes: int = attrs.field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        self._decoder = VoiceDecoder(self.form, self.form.rate_hz)
        self._file.write(wav_header(self.form.rate_hz, 1, MAX_DATA_BYTES))

    def add(self, payload: bytes, gap: Gap | None) -> None:
        """See `AudioFile.add`. The first 100 ms of a gap are made up, the rest is silent."""
        missing = min(gap.frames, MAX_GAP_FRAMES) if gap else 0
        for _ in range(min(missing, _CONCEALED)):
            self._write(self._decoder.conceal())
        self._write(bytes(frame_bytes(self.form.rate_hz) * max(0, missing - _CONCEALED)))
        try:
            self._write(self._decoder.decode(payload))
        except BadPayload:
            self.bad += 1

    def finish(self) -> None:
        """See `AudioFile.finish`."""
        if self._file.seekable():
            self._file.seek(0)
            self._file.write(wav_header(self.form.rate_hz, 1, self._bytes))
        self._file.flush()

    def _write(self, pcm: bytes) -> None:
        self._file.write(pcm)
        self._bytes += len(pcm)
        self.seconds = self._bytes / 2 / self.form.rate_hz


@attrs.define(eq=False)
class OggFile:
    """An Ogg file of the packets of a track of Opus, as they are; missing ones are silent."""

    _file: BinaryIO
    seconds: float = attrs.field(init=False, default=0.0)
    bad: int = attrs.field(init=False, default=0)
    _writer: OggWriter = attrs.field(init=False, factory=OggWriter)

    def __attrs_post_init__(self) -> None:
        self._file.write(self._writer.begin())

    def add(self, payload: bytes, gap: Gap | None) -> None:
        """See `AudioFile.add`."""
        missing = min(gap.frames, MAX_GAP_FRAMES) if gap else 0
        for packet in (*[SILENCE] * missing, payload):
            try:
                self._file.write(self._writer.add(packet))
            except AudioError:
                self.bad += 1
            else:
                self.seconds += opus_duration_us(packet) / 1e6

    def finish(self) -> None:
        """See `AudioFile.finish`."""
        self._file.write(self._writer.end())
        self._file.flush()
