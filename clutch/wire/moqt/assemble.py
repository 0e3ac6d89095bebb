"""Putting together what the chunks of a stream cut apart."""

from __future__ import annotations


class Assembler:
    """Holds the item that is not complete, and joins it in linear time however small the chunks are.

    Who reads items raises IndexError where the data ends too soon, if possible with the length that the data
    must have at least: nothing is tried again before.
    """

    __slots__ = ("_buffer", "_need")

    def __init__(self) -> None:
        self._buffer: bytes | bytearray = b""
        self._need = 0

    def __bool__(self) -> bool:
        return bool(self._buffer)

    def join(self, data: bytes) -> bytes:
        """What was kept and `data` behind it; empty as long as that is too little."""
        if not self._buffer:
            return data
        self._buffer += data
        if len(self._buffer) < self._need:
            return b""
        data = bytes(self._buffer)
        self._buffer = b""
        return data

    def keep(self, data: bytes, offset: int, error: IndexError) -> None:
        """Keep `data` from `offset` on, because reading an item there ended in `error`."""
        need = error.args[0]
        self._need = (need if isinstance(need, int) else len(data) + 1) - offset
        self._buffer = bytearray(data[offset:])
