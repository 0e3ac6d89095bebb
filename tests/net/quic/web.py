"""HTTP/3 by hand: what a peer of any manners could send."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import pylsqpack

from clutch.net.quic.engine import QuicSession, QuicStream, Target, Trust
from clutch.wire.varint import encode_varint, read_varint
from clutch.wire.webtransport import SETTINGS
from tests.net.quic.world import PORT, SERVER, Recorder, World

OURS = {0x8: 1, **SETTINGS}


def frame(kind: int, payload: bytes) -> bytes:
    """A frame (RFC 9114 section 7.1)."""
    return encode_varint(kind) + encode_varint(len(payload)) + payload


def settings(values: Mapping[int, int]) -> bytes:
    """The beginning of a control stream."""
    pairs = b"".join(encode_varint(name) + encode_varint(value) for name, value in values.items())
    return b"\x00" + frame(4, pairs)


def headers(*fields: tuple[bytes, bytes]) -> bytes:
    """A HEADERS frame that needs no dynamic table."""
    return frame(1, pylsqpack.Encoder().encode(0, list(fields))[1])


def request(*more: tuple[bytes, bytes], protocols: bytes = b'"moqt-18"') -> bytes:
    """A HEADERS frame that asks for a session."""
    return headers(
        (b":method", b"CONNECT"),
        (b":protocol", b"webtransport"),
        (b":scheme", b"https"),
        (b":authority", b"relay.example"),
        (b":path", b"/"),
        (b"wt-available-protocols", protocols),
        *more,
    )


def answer(data: bytes) -> tuple[dict[bytes, bytes], bytes]:
    """Of the bytes of a request stream: the header, and the data after it."""
    decoder = pylsqpack.Decoder(0, 0)
    fields: dict[bytes, bytes] = {}
    body = b""
    while data:
        kind = read_varint(data)
        assert kind is not None
        length = read_varint(data, kind[1])
        assert length is not None
        payload, data = data[length[1] : length[1] + length[0]], data[length[1] + length[0] :]
        if kind[0] == 1:
            fields |= dict(decoder.feed_header(0, payload)[1])
        elif kind[0] == 0:
            body += payload
    return fields, body


@attrs.define(eq=False)
class ByHand:
    """A connection to a server of HTTP/3, as raw QUIC."""

    quic: QuicSession
    told: Recorder

    @classmethod
    async def connect(cls, world: World) -> ByHand:
        """To the world's server."""
        told = Recorder()
        target = Target(SERVER, PORT, ["h3"], trust=Trust(insecure=True))
        return cls(await world.client.connect(target, told), told)

    def uni(self, data: bytes, *, fin: bool = False) -> QuicStream:
        """A new stream of ours, one way."""
        stream = self.quic.open_uni(data, fin=fin)
        assert stream is not None
        return stream

    def bidi(self, data: bytes, *, fin: bool = False) -> QuicStream:
        """The same, both ways."""
        stream = self.quic.open_bidi(data, fin=fin)
        assert stream is not None
        return stream

    async def answered(self, stream: QuicStream) -> tuple[dict[bytes, bytes], bytes]:
        """The whole answer on a stream."""
        await self.told.until(lambda: stream.number in self.told.finished)
        return answer(self.told.data[stream.number])

    async def until_closed(self) -> tuple[int, str]:
        """Code and reason with which the peer closed the connection."""
        await self.told.until(lambda: self.told.end is not None)
        assert self.told.end is not None
        assert self.told.end.by == "peer"
        return self.told.end.code, self.told.end.reason
