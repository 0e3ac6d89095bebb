"""The C mixer without a plane: frames in, frames out. `Room` of a plane is the same with packets."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, NamedTuple

from native.errors import MediaError
from native.library import load

if TYPE_CHECKING:
    from native._native import FFI
    from native._native import MixParams as CMixParams

FRAMES_PER_SECOND = 50
SAMPLE_BYTES = 2


class MixParams(NamedTuple):
    """How a member takes part (src/mixer.h). Gains are factors of the amplitude."""

    gain: float = 1.0
    """How much louder the others hear it."""
    duck: float = 1.0
    """How much louder it hears the others while something is audible that is for it alone."""
    muted: bool = False
    """Nobody hears it."""
    whispers: bool = False
    """At most one member hears it."""


class Member:
    """One who takes part in a `Mixer`, made by `Mixer.join`. Not to be used after `Mixer.leave`."""

    def __init__(self, mixer: Mixer, params: MixParams) -> None:
        self._ffi, self._lib = load()
        self._mixer = mixer  # which frees what is joined to it
        self._member = self._lib.mixer_join(mixer._mixer, write_mix(params, self._ffi))
        if self._member == self._ffi.NULL:
            raise MediaError(errno.ENOMEM, "join a mixer")
        self._bytes = 0

    def set(self, params: MixParams, ear: Member | None = None) -> None:
        """Take part like this from now on; if it whispers, into that ear."""
        there = self._ffi.NULL if ear is None else ear._member
        self._lib.mixer_set(self._member, write_mix(params, self._ffi), there)

    def speak(self, uplink: bytes, downlink: bytes) -> None:
        """What it says in this tick, and what is for it alone: frames of PCM of one rate; empty: it takes no
        part."""
        rate_hz = len(uplink) // SAMPLE_BYTES * FRAMES_PER_SECOND
        self._bytes = len(uplink)
        self._ffi.memmove(self._lib.mixer_uplink(self._member, rate_hz), uplink, len(uplink))
        self._ffi.memmove(self._lib.mixer_downlink(self._member), downlink, len(downlink))

    def heard(self) -> bytes:
        """What it hears in this tick, after `Mixer.mix`."""
        return self._ffi.buffer(self._lib.mixer_downlink(self._member), self._bytes)[:]


class Mixer:
    """Each member hears all the others. For one thread. Raises `MediaError` (ENOTSUP, ENOMEM)."""

    def __init__(self) -> None:
        self._ffi, self._lib = ffi, lib = load()
        made = lib.mixer_new()
        if made == ffi.NULL:
            raise MediaError(errno.ENOMEM, "make a mixer")
        self._mixer = ffi.gc(made, lib.mixer_free)

    def join(self, params: MixParams) -> Member:
        """A new member, at its gain at once. Raises `MediaError` (ENOMEM)."""
        return Member(self, params)

    def leave(self, member: Member) -> None:
        """What was whispered to it is heard by nobody from now on."""
        self._lib.mixer_leave(self._mixer, member._member)

    def mix(self) -> None:
        """One tick."""
        self._lib.mixer_mix(self._mixer)


def write_mix(params: MixParams, ffi: FFI) -> CMixParams:
    """The C form of parameters."""
    made = ffi.new("struct mix_params *")
    made.gain, made.duck, made.muted, made.whispers = params
    return made
