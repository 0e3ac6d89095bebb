"""Mixing, a frame at a time: the Python twin of native/src/mixer.c, to the bit.

The head of native/src/mixer.h says what is heard.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np

from clutch.media.g711 import Samples
from clutch.media.params import FRAMES_PER_SECOND
from clutch.media.resample import Resampler, Wave, to_samples, to_wave

AUDIBLE = 128
"""This or more, or less than its negative, is no mere noise of the line."""
DUCK_TICKS = 15
"""For which a member stays ducked after the last audible frame."""


@attrs.frozen
class MixParams:
    """How a member takes part. Gains are factors of the amplitude."""

    gain: float = 1.0
    """How much louder the others hear it."""
    duck: float = 1.0
    """How much louder it hears the others while something is audible that is for it alone."""
    muted: bool = False
    """Nobody hears it."""
    whispers: bool = False
    """At most one member hears it."""

    @property
    def heard_gain(self) -> float:
        """The gain that counts."""
        return 0.0 if self.muted else self.gain


@attrs.define(eq=False)
class _Fader:
    """A gain that changes within a frame, not at its edge."""

    _now: np.float32

    def run(self, wave: Wave, gain: float) -> Wave:
        """The frame, from the last frame's gain to this one."""
        start, target = self._now, np.float32(gain)
        self._now = target
        if start == target:
            return wave if target == 1 else wave * target
        step = (target - start) / np.float32(len(wave))
        return wave * (start + step * np.arange(1, len(wave) + 1, dtype=np.float32))


@attrs.define(eq=False)
class Member:
    """One who takes part in a `Mixer`."""

    params: MixParams
    ear: Member | None = None
    """Who hears it if it whispers; None: nobody."""
    uplink: Samples | None = None
    """What it says in this tick: one frame. None: it takes no part."""
    downlink: Samples = attrs.field(factory=lambda: np.empty(0, np.int16))
    """What is for it alone, a frame of the same rate; `Mixer.mix` puts what it hears in its place."""
    _said: Wave = attrs.field(init=False, factory=lambda: np.empty(0, np.float32))
    _rates_hz: tuple[int, int] = (0, 0)
    _to_bus: Resampler | None = None
    _from_bus: Resampler | None = None
    _gain: _Fader = attrs.field(init=False)
    _duck: _Fader = attrs.field(init=False, factory=lambda: _Fader(np.float32(1)))
    _duck_ticks: int = 0

    def __attrs_post_init__(self) -> None:
        self._gain = _Fader(np.float32(self.params.heard_gain))

    @property
    def rate_hz(self) -> int:
        """Of its frames; 0 if it takes no part."""
        return 0 if self.uplink is None else len(self.uplink) * FRAMES_PER_SECOND

    def _say(self, uplink: Samples, bus_hz: int) -> None:
        rates_hz = self.rate_hz, bus_hz
        if rates_hz != self._rates_hz:
            self._rates_hz = rates_hz
            differ = rates_hz[0] != rates_hz[1]
            self._to_bus = Resampler.open(*rates_hz) if differ else None
            self._from_bus = Resampler.open(*rates_hz[::-1]) if differ else None
        wave = to_wave(uplink)
        on_bus = self._to_bus.run(wave) if self._to_bus else wave
        self._said = self._gain.run(on_bus, self.params.heard_gain)

    def _hear(self, total: Wave, whispered: Wave | None) -> None:
        alone = to_wave(self.downlink)
        if _is_audible(alone) or (whispered is not None and _is_audible(whispered)):
            self._duck_ticks = DUCK_TICKS
        elif self._duck_ticks > 0:
            self._duck_ticks -= 1
        others = total if self.params.whispers else total - self._said
        heard = self._duck.run(others, self.params.duck if self._duck_ticks > 0 else 1.0)
        if whispered is not None:
            heard = heard + whispered
        wave = self._from_bus.run(heard) if self._from_bus else heard
        self.downlink = to_samples(wave + alone)


@attrs.define(eq=False)
class Mixer:
    """Each member hears all the others."""

    _members: list[Member] = attrs.field(init=False, factory=list)

    def join(self, params: MixParams) -> Member:
        """A new member, at its gain at once."""
        self._members.append(Member(params))
        return self._members[-1]

    def leave(self, member: Member) -> None:
        """What was whispered to it is heard by nobody from now on."""
        self._members.remove(member)
        for other in self._members:
            if other.ear is member:
                other.ear = None

    def mix(self) -> None:
        """One tick: from every `Member.uplink` to every `Member.downlink`."""
        members = [member for member in self._members if member.uplink is not None]
        bus_hz = max((member.rate_hz for member in members), default=0)
        total = _silence(bus_hz)
        for member in members:
            if member.uplink is not None:
                member._say(member.uplink, bus_hz)
            if not member.params.whispers:
                total += member._said
        whisperers = [member for member in members if member.params.whispers]
        for member in members:
            member._hear(total, _whispered(whisperers, member, bus_hz) if whisperers else None)


def _silence(rate_hz: int) -> Wave:
    return np.zeros(rate_hz // FRAMES_PER_SECOND, np.float32)


def _is_audible(wave: Wave) -> bool:
    return bool(np.any((wave >= AUDIBLE) | (wave < -AUDIBLE)))


def _whispered(whisperers: list[Member], ear: Member, bus_hz: int) -> Wave:
    wave = _silence(bus_hz)
    for member in whisperers:
        if member.ear is ear:
            wave += member._said
    return wave


def add_pcm(frames: Sequence[bytes]) -> bytes:
    """Add frames of 16-bit PCM, all of one length, sample by sample; what is too loud is clipped."""
    if len(frames) == 1:
        return frames[0]
    total = np.sum([np.frombuffer(frame, np.int16) for frame in frames], axis=0, dtype=np.int32)
    return np.clip(total, -32_768, 32_767).astype(np.int16).tobytes()
