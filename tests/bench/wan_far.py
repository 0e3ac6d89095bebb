"""The far end of a long line: gives all audio back and answers each commit at once, by QUIC and by TCP.

Says which ports it serves, and serves until its standard input ends. See `wan_near` for what is said.
"""

from __future__ import annotations

import json
import ssl
import sys
import tempfile

import attrs
import structlog
import trio
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from clutch.net.link import TrioNetwork
from clutch.net.quic.aioquic_engine import AioquicEngine
from clutch.net.quic.certificates import Certificate, SelfSigned
from clutch.net.quic.engine import Closed, Incoming, QuicSession, QuicStream
from tests.bench.wan import FAR_IP
from tests.bench.wan_words import ALPN, SIZE, set_congestion


@attrs.define(eq=False)
class Mirror:
    """A QUIC session: datagrams and one-way streams come back, a two-way stream is answered."""

    session: QuicSession | None = None
    _back: dict[QuicStream, QuicStream | None] = attrs.field(factory=dict)

    def opened(self, session: QuicSession) -> None:
        """See `SessionHandler`, as for all below."""
        self.session = session

    def stream_opened(self, stream: QuicStream) -> None:
        """A stream for each of theirs."""

    def received(self, stream: QuicStream, data: bytes, fin: bool) -> None:
        """Give it back; a commit is answered with its own bytes."""
        assert self.session is not None
        if stream.bidirectional:
            stream.write(data, fin=fin)
        elif (back := self._back.get(stream)) is not None:
            back.write(data, fin=fin)
        else:
            self._back[stream] = self.session.open_uni(data, fin=fin)
        if fin:
            self._back.pop(stream, None)

    def was_reset(self, stream: QuicStream, code: int) -> None:
        """Nothing to do."""

    def was_stopped(self, stream: QuicStream, code: int) -> None:
        """Nothing to do."""

    def writable(self) -> None:
        """Nothing to do."""

    def datagram(self, data: bytes) -> None:
        """Give it back."""
        assert self.session is not None
        self.session.send_datagram(data)

    def batch_end(self) -> None:
        """Nothing to do."""

    def closed(self, closed: Closed) -> None:
        """Nothing to do."""


async def mirror_tcp(stream: trio.SSLStream[trio.SocketStream]) -> None:
    """Both kinds of words come back as they are."""
    set_congestion(stream.transport_stream.socket)
    rest = b""
    try:
        async for data in stream:
            whole = len(rest + data) // SIZE * SIZE
            said, rest = (rest + data)[:whole], (rest + data)[whole:]
            if said:
                await stream.send_all(said)
    except (trio.BrokenResourceError, ssl.SSLError):
        pass


def tls(certificate: Certificate) -> ssl.SSLContext:
    """TLS 1.3 with that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    key = certificate.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with tempfile.NamedTemporaryFile() as file:
        file.write(certificate.chain[0].public_bytes(Encoding.PEM) + key)
        file.flush()
        context.load_cert_chain(file.name)
    return context


async def main() -> None:
    """Serve."""
    certificates = SelfSigned((FAR_IP,))
    engines = {
        name: AioquicEngine(
            TrioNetwork(),
            (FAR_IP, 0),
            certificates,
            [ALPN],
            accept,
            congestion=name,
        )
        for name in ("media", "cubic")
    }
    async with trio.open_nursery() as nursery:
        ports = {name: (await nursery.start(engine.run))[1] for name, engine in engines.items()}
        serve = trio.serve_ssl_over_tcp
        context = tls(certificates.current())
        (listener,) = await nursery.start(
            lambda task_status: serve(mirror_tcp, 0, context, host=FAR_IP, task_status=task_status)
        )
        ports["tcp"] = listener.transport_listener.socket.getsockname()[1]
        print(json.dumps(ports), flush=True)
        await trio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)
        nursery.cancel_scope.cancel()


def accept(incoming: Incoming) -> Mirror:
    """Everybody may come."""
    return Mirror()


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # answers go to the output
    trio.run(main)
