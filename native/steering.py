"""Steering: several sockets on one UDP port, each datagram to the shard that it belongs to."""

from __future__ import annotations

from native.errors import check
from native.library import load


class Steering:
    """A program in the kernel that deals the datagrams of one UDP port out to `shards` sockets.

    RTP and RTCP go to the owner of their SSRC; QUIC goes to the shard that the first byte of the destination
    connection id names, modulo `shards`; all else, and what belongs to nobody, where the kernel's hash of the
    addresses leads. No datagram is refused. At most `ssrcs` SSRCs have an owner at a time.

    Raises `MediaError`: EINVAL for no shard or more than 256, ENOTSUP if this build has no such program (the
    feature ``steering``), EPERM if this process may not load one (it needs CAP_BPF and CAP_NET_ADMIN).
    """

    def __init__(self, shards: int, *, ssrcs: int = 65_536) -> None:
        self._ffi, self._lib = load()
        made = self._ffi.new("struct steering **")
        check(self._lib.steering_open(made, shards, ssrcs), "load the steering program")
        self._steering = self._ffi.gc(made[0], self._lib.steering_close)
        self._shards = shards

    def add(self, shard: int, fd: int) -> None:
        """Let a shard have its datagrams by this socket, which is bound with SO_REUSEPORT; the program works
        for its group from now on. A socket that is closed leaves by itself.

        Raises `MediaError`: EINVAL for a shard or a socket that cannot be, EBUSY if this socket is steered
        already.
        """
        check(self._lib.steering_add(self._steering, shard, fd), f"steer to shard {shard}")

    def own(self, ssrc: int, shard: int) -> None:
        """Give an SSRC to a shard. Raises `MediaError`: E2BIG if too many have one, EINVAL."""
        check(self._lib.steering_own(self._steering, ssrc, shard), f"give SSRC {ssrc} to shard {shard}")

    def disown(self, ssrc: int) -> None:
        """Let an SSRC belong to nobody. Raises `MediaError` (ENOENT) if it does already."""
        check(self._lib.steering_disown(self._steering, ssrc), f"take SSRC {ssrc} from its shard")

    def connection_id(self, shard: int, random: bytes) -> bytes:
        """A QUIC connection id of that shard, made of random bytes: only the first of them is adapted.

        Raises ValueError for a shard that cannot be.
        """
        if not 0 <= shard < self._shards:
            raise ValueError(f"there are {self._shards} shards, and {shard} is none of them")
        first = random[0] - random[0] % self._shards + shard
        return bytes([first if first < 256 else first - self._shards]) + random[1:]
