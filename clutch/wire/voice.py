"""The names of a call's audio as tracks of MoQT: namespaces, track names, capabilities.

Every call has two namespaces, ``voice/<sid>/uplink`` (what the caller says) and ``voice/<sid>/downlink``
(what the caller hears). In each the track ``audio`` is Opus at 48 kHz, and the same audio in another form is
the track ``audio.<codec>[.<rate>]`` beside it: ``audio.pcm16.16000``, ``audio.g711_ulaw``. An object is one
packet of audio in LOC packaging: an Opus packet (RFC 6716), G.711 octets, or 16-bit little-endian samples
whose channels alternate. Each object is a group, and a subgroup stream, of its own.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Literal, TypeAlias

import attrs

ROOT = b"voice"
AUDIO = b"audio"

Direction: TypeAlias = Literal["uplink", "downlink"]


class Codec(enum.Enum):
    """How the audio is coded. The value is the codec's name in track names and capabilities."""

    OPUS = "opus"
    PCM16 = "pcm16"
    G711_ULAW = "g711_ulaw"
    G711_ALAW = "g711_alaw"


RATES_HZ: Mapping[Codec, tuple[int, ...]] = {
    Codec.OPUS: (48_000,),  # whatever it was made from, or is decoded to (RFC 7587 section 4.1)
    Codec.PCM16: (48_000, 8000, 16_000, 24_000),
    Codec.G711_ULAW: (8000,),
    Codec.G711_ALAW: (8000,),
}
"""The sampling rates that a codec may have; the first is its default."""
MAX_PTIME_MS = 120


@attrs.frozen
class VoiceForm:
    """One form of a call's audio. Raises ValueError, on construction, for what no codec can be."""

    codec: Codec = Codec.OPUS
    rate_hz: int = attrs.field()
    channels: int = 1
    """1 or 2."""
    ptime_ms: int = 20
    """How much audio an object holds, 1 to `MAX_PTIME_MS`. Readers go by what an object holds in fact."""

    @rate_hz.default
    def _default_rate(self) -> int:
        return RATES_HZ[self.codec][0]

    def __attrs_post_init__(self) -> None:
        if self.rate_hz not in RATES_HZ[self.codec]:
            raise ValueError(f"{self.codec.value} is not sampled at {self.rate_hz} Hz")
        if self.channels not in (1, 2) or not 1 <= self.ptime_ms <= MAX_PTIME_MS:
            raise ValueError(f"audio has no {self.channels} channels and {self.ptime_ms} ms in an object")

    @property
    def track(self) -> bytes:
        """The name of the track that carries it; channels and ptime are not in it."""
        if self.rate_hz != RATES_HZ[self.codec][0]:
            return b"%b.%b.%d" % (AUDIO, self.codec.value.encode(), self.rate_hz)
        return AUDIO if self.codec is Codec.OPUS else b"%b.%b" % (AUDIO, self.codec.value.encode())

    @property
    def capability(self) -> str:
        """As property 0x3841 and the catalog say it: ``voice/pcm16;rate=16000``; defaults are left out."""
        plain = VoiceForm(self.codec)
        given = {"rate": self.rate_hz, "channels": self.channels, "ptime": self.ptime_ms}
        usual = {"rate": plain.rate_hz, "channels": plain.channels, "ptime": plain.ptime_ms}
        more = "".join(f";{key}={value}" for key, value in given.items() if value != usual[key])
        return f"{ROOT.decode()}/{self.codec.value}{more}"

    @classmethod
    def of_track(cls, name: bytes) -> VoiceForm:
        """The form that a track name stands for. Raises ValueError for the name of anything else."""
        words = name.decode("ascii", "replace").split(".")[1:]
        try:
            form = cls(Codec(words[0]) if words else Codec.OPUS, *map(int, words[1:2]))
        except ValueError:
            form = None
        # A form has one name: `audio.opus` and `audio.pcm16.016000` name nothing.
        if form is None or form.track != name:
            raise ValueError(f"{name!r} names no form of a call's audio")
        return form

    @classmethod
    def of_capability(cls, capability: str) -> VoiceForm:
        """The form that a capability stands for; parameters that are not known are ignored.

        Raises ValueError for a capability that is no audio of a call, or of a form that cannot be.
        """
        kind, *parameters = (word.strip() for word in capability.split(";"))
        root, _, codec = kind.partition("/")
        names = {"rate": "rate_hz", "channels": "channels", "ptime": "ptime_ms"}
        pairs = (word.partition("=") for word in parameters)
        try:
            if root != ROOT.decode():
                raise ValueError("not a voice")
            return cls(Codec(codec), **{names[key]: int(value) for key, _, value in pairs if key in names})
        except ValueError as error:
            raise ValueError(f"{capability!r} is no capability of a call's audio: {error}") from error


DEFAULT_FORM = VoiceForm()
"""Opus at 48 kHz, mono, 20 ms: the track ``audio``."""
FORMS = tuple(VoiceForm(codec, rate_hz) for codec, rates in RATES_HZ.items() for rate_hz in rates)
"""All forms of mono and 20 ms: those that an uplink is published in. The default is the first."""


def call_namespace(sid: str, direction: Direction) -> tuple[bytes, ...]:
    """The namespace of one direction of a call."""
    return ROOT, sid.encode(), direction.encode()
