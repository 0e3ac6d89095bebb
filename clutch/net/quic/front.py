"""What a server does with a packet of no connection (RFC 9000, 5.2.2, 6, 8.1)."""

from __future__ import annotations

import os

import attrs
from aioquic._buffer import Buffer
from aioquic.quic.packet import (
    STATELESS_RESET_TOKEN_SIZE,
    QuicErrorCode,
    QuicHeader,
    QuicPacketType,
    encode_quic_retry,
    encode_quic_version_negotiation,
    pull_quic_header,
)
from aioquic.quic.retry import QuicRetryTokenHandler

from clutch.net.link import Address
from clutch.net.quic.aioquic_private import CID_BYTES, initial_close, new_cid, reset_token

_INITIAL_BYTES = 1200
_RESET_LEAST, _RESET_MOST = 21, 41
"""Bytes of a stateless reset: as long as a small packet (RFC 9000, 10.3)."""


@attrs.frozen
class Welcome:
    """A connection may begin."""

    destination: bytes
    """Where this packet went to; packets before the answer go there, too."""
    original_destination: bytes
    retry_source: bytes | None
    """If the client has proven its address."""


@attrs.define
class Counters:
    """What a server did with packets of no connection."""

    begun: int = 0
    retried: int = 0
    """Clients that were asked to prove their address."""
    refused: int = 0
    reset: int = 0
    """Peers of lost connections that were told so."""
    dropped: int = 0


@attrs.define(eq=False)
class Front:
    """Decides whether a connection begins; keeps nothing of those that do not."""

    _versions: list[int]
    _shard: int
    _reset_key: bytes = attrs.field(repr=False)
    counters: Counters = attrs.field(init=False, factory=Counters)
    _tokens: QuicRetryTokenHandler = attrs.field(init=False, factory=QuicRetryTokenHandler, repr=False)

    def meet(
        self, data: bytes, source: Address, now: float, *, full: bool, prove: bool
    ) -> Welcome | bytes | None:
        """What to do with a packet: begin, answer with bytes, or nothing.

        `full`: refuse. `prove`: only clients that have shown that they are where they say (Retry).
        """
        answer = self._decide(data, source, now, full, prove)
        if answer is None:
            self.counters.dropped += 1
        return answer

    def _decide(
        self, data: bytes, source: Address, now: float, full: bool, prove: bool
    ) -> Welcome | bytes | None:
        try:
            header = pull_quic_header(Buffer(data=data), host_cid_length=CID_BYTES)
        except ValueError:
            return None
        if (
            len(data) < _INITIAL_BYTES
            or header.version is None
            or header.packet_type is QuicPacketType.VERSION_NEGOTIATION
        ):
            return None
        if header.version not in self._versions:
            return encode_quic_version_negotiation(
                source_cid=header.destination_cid,
                destination_cid=header.source_cid,
                supported_versions=self._versions,
            )
        if header.packet_type is not QuicPacketType.INITIAL:
            return None
        if full:
            return self._refuse(header, QuicErrorCode.CONNECTION_REFUSED)
        if header.token:
            return self._proven(header, source, now)
        if prove:
            return self._retry(header, source, now)
        self.counters.begun += 1
        return Welcome(header.destination_cid, header.destination_cid, None)

    def reset(self, data: bytes) -> bytes | None:
        """The answer to a short packet of a connection that is not known, if it is one of ours: a stateless
        reset, which looks like any other packet and is shorter than what it answers (RFC 9000, 10.3)."""
        cid = data[1 : 1 + CID_BYTES]
        length = min(_RESET_MOST, len(data) - 1)
        if length < _RESET_LEAST or cid[0] != self._shard:
            self.counters.dropped += 1
            return None
        self.counters.reset += 1
        noise = bytearray(os.urandom(length - STATELESS_RESET_TOKEN_SIZE))
        noise[0] = 0x40 | noise[0] & 0x3F
        return bytes(noise) + reset_token(self._reset_key, cid)

    def _proven(self, header: QuicHeader, source: Address, now: float) -> Welcome | bytes:
        try:
            original = self._tokens.validate_token(
                address=source, destination_cid=header.destination_cid, token=header.token, now=now
            )
        except ValueError:
            return self._refuse(header, QuicErrorCode.INVALID_TOKEN)
        self.counters.begun += 1
        return Welcome(header.destination_cid, original, header.destination_cid)

    def _retry(self, header: QuicHeader, source: Address, now: float) -> bytes:
        self.counters.retried += 1
        cid = new_cid(self._shard)
        token = self._tokens.create_token(
            address=source,
            original_destination_connection_id=header.destination_cid,
            retry_source_connection_id=cid,
            now=now,
        )
        assert header.version is not None
        return encode_quic_retry(
            version=header.version,
            source_cid=cid,
            destination_cid=header.source_cid,
            original_destination_cid=header.destination_cid,
            retry_token=token,
        )

    def _refuse(self, header: QuicHeader, code: QuicErrorCode) -> bytes:
        """Close a connection that never began."""
        self.counters.refused += 1
        assert header.version is not None
        return initial_close(header.version, header.destination_cid, header.source_cid, code)
