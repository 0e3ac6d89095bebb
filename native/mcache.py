"""Rings that processes share: one writer, any number of readers, and a reader that is too slow knows it."""

from __future__ import annotations

import struct
from typing import NamedTuple

from native.errors import check
from native.library import load

FRAGMENTS_PER_READ = 256
LINE = struct.Struct("=QQII")
"""`struct mcache_fragment` of src/api.h: number, tag, kind, length."""


class Fragment(NamedTuple):
    """What was written at once."""

    number: int
    """From 0, one more for each; a gap is what this reader lost."""
    tag: int
    """64 bits, the writer's to give a meaning."""
    kind: int
    """32 bits, likewise."""
    data: bytes


class RingWriter:
    """The one that writes: never waits, overwrites what is old.

    Makes a ring of `depth` fragments and `data_bytes` for what is in them, both powers of two, each fragment
    at most `mtu` bytes; or takes over that of `fd` from a writer that is no more. Raises `MediaError`: EINVAL
    for sizes that cannot be; EPROTO, EPERM if `fd` is no such ring; ENOMEM.
    """

    def __init__(self, depth: int = 0, data_bytes: int = 0, mtu: int = 0, *, fd: int | None = None) -> None:
        self._ffi, self._lib = load()
        made = self._ffi.new("struct mcache **")
        if fd is None:
            check(self._lib.mcache_create(made, depth, data_bytes, mtu), "make a ring")
        else:
            check(self._lib.mcache_join(made, fd, True), "take over a ring")
        self._ring = self._ffi.gc(made[0], self._lib.mcache_leave)

    @property
    def fd(self) -> int:
        """The ring itself, to be handed to readers in this process or in others; belongs to this object."""
        return self._lib.mcache_fd(self._ring)

    def write(self, data: bytes, tag: int = 0, kind: int = 0) -> None:
        """Append a fragment. Raises `MediaError` (EMSGSIZE) if it is longer than `mtu`."""
        check(self._lib.mcache_write(self._ring, tag, kind, data, len(data)), "write to a ring")


class RingReader:
    """One that reads what is written from now on, at its own pace, unseen by the writer.

    `fd` is that of a `RingWriter`; it is not needed afterwards. Raises `MediaError`: EPROTO, EPERM if it is
    no such ring.
    """

    def __init__(self, fd: int) -> None:
        self._ffi, self._lib = load()
        made = self._ffi.new("struct mcache **")
        check(self._lib.mcache_join(made, fd, False), "join a ring")
        self._ring = self._ffi.gc(made[0], self._lib.mcache_leave)
        room = max(self._lib.mcache_mtu(self._ring), 65_536)
        self._lines = self._ffi.new("struct mcache_fragment[]", FRAGMENTS_PER_READ)
        self._data = self._ffi.new("uint8_t[]", room)
        self._room = room
        self._lost = self._ffi.new("uint64_t[]", 1)

    @property
    def lost(self) -> int:
        """Fragments that were overwritten before this reader came to them."""
        return self._lost[0]

    def read(self) -> list[Fragment]:
        """What there is, oldest first, at most a batch of it; empty if there is nothing new."""
        lib, buffer = self._lib, self._ffi.buffer
        count = lib.mcache_read(
            self._ring, self._lines, FRAGMENTS_PER_READ, self._data, self._room, self._lost
        )
        data, at, fragments = buffer(self._data), 0, []
        for number, tag, kind, length in LINE.iter_unpack(buffer(self._lines, count * LINE.size)[:]):
            fragments.append(Fragment(number, tag, kind, data[at : at + length]))
            at += -(-length // 8) * 8
        return fragments
