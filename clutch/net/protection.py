"""SRTP where a Python stream meets the network: unsealed before anything looks, sealed as the last step."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from clutch.media.counters import Counters
from clutch.media.params import SrtpKeys
from clutch.wire.errors import MalformedPacket
from clutch.wire.srtp.context import SrtpContext
from clutch.wire.srtp.errors import Replayed, Unauthentic


@attrs.define(eq=False)
class Protection:
    """Both directions of one stream; plain RTP until `adopt` says otherwise. Counts what it drops."""

    _counters: Counters
    _keys: SrtpKeys | None = None
    _sealer: SrtpContext | None = None
    _opener: SrtpContext | None = None

    def adopt(self, keys: SrtpKeys | None) -> None:
        """Go on under these keys. A direction whose key stays keeps its packet index and replay window.

        Raises ValueError for a suite that is not known or a key of another length, and then changes nothing.
        """
        sealer = opener = None
        if keys is not None:
            before = self._keys if self._keys and self._keys.suite == keys.suite else None
            same_send = before is not None and before.send == keys.send
            same_receive = before is not None and before.receive == keys.receive
            sealer = self._sealer if same_send else SrtpContext.open(keys.suite, keys.send)
            opener = self._opener if same_receive else SrtpContext.open(keys.suite, keys.receive)
        self._keys, self._sealer, self._opener = keys, sealer, opener

    def seal(self, packet: bytes) -> bytes:
        """An RTP packet as it goes out."""
        return self._sealer.protect(packet) if self._sealer else packet

    def seal_report(self, packet: bytes) -> bytes:
        """An RTCP compound as it goes out."""
        return self._sealer.protect_report(packet) if self._sealer else packet

    def unseal(self, data: bytes) -> bytes | None:
        """The RTP packet in a datagram; None if it is to be dropped."""
        if self._opener is None:
            return data
        try:
            return self._count(self._opener.unprotect, data)
        except MalformedPacket:
            self._counters.malformed += 1
        return None

    def unseal_report(self, data: bytes) -> bytes | None:
        """The RTCP compound in a datagram; None if it is to be dropped."""
        if self._opener is None:
            return data
        try:
            return self._count(self._opener.unprotect_report, data)
        except MalformedPacket:
            self._counters.reports_malformed += 1
        return None

    def _count(self, unprotect: Callable[[bytes], bytes], data: bytes) -> bytes | None:
        try:
            return unprotect(data)
        except Unauthentic:
            self._counters.srtp_forged += 1
        except Replayed:
            self._counters.srtp_replayed += 1
        return None
