"""Chromium as a peer: WebTransport with a pinned certificate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import trio

from clutch.net.link import TrioNetwork
from clutch.net.quic.aioquic_engine import AioquicEngine
from clutch.net.quic.certificates import SelfSigned
from clutch.net.quic.engine import Closed, Incoming, QuicSession, QuicStream, Refused, SessionHandler
from tests.interop.chromium import HOST, chromium


@attrs.define(eq=False)
class Obliging:
    """Does what the page asks for."""

    told: list[tuple[Any, ...]] = attrs.field(factory=list)
    end: trio.Event = attrs.field(factory=trio.Event)
    _session: QuicSession | None = None
    _begun: QuicStream | None = None
    _heard: dict[QuicStream, bytes] = attrs.field(factory=dict)

    def opened(self, session: QuicSession) -> None:
        self._session = session

    def stream_opened(self, stream: QuicStream) -> None:
        self._heard[stream] = b""

    def received(self, stream: QuicStream, data: bytes, fin: bool) -> None:
        session = self._session
        assert session is not None
        heard = self._heard[stream] = self._heard.get(stream, b"") + data
        if heard == b"stop me":
            stream.stop(33)
        if not fin:
            return
        if stream.bidirectional and not stream.local:
            stream.write(heard, fin=True)
        elif heard == b"uni, please":
            session.open_uni(b"here it is", fin=True)
        elif heard == b"bidi, please":
            session.open_bidi(b"question")
        elif heard == b"begin, please":
            self._begun = session.open_uni(b"begun")
        elif heard == b"reset, please":
            assert self._begun is not None
            self._begun.reset(77)
        elif heard == b"close, please":
            session.close(5, "enough")
        else:
            self.told.append(("finished", heard))

    def was_reset(self, stream: QuicStream, code: int) -> None:
        self.told.append(("was_reset", code))

    def was_stopped(self, stream: QuicStream, code: int) -> None:
        self.told.append(("was_stopped", code))

    def writable(self) -> None:
        pass

    def datagram(self, data: bytes) -> None:
        assert self._session is not None
        self._session.send_datagram(data + b" back")

    def batch_end(self) -> None:
        pass

    def closed(self, closed: Closed) -> None:
        self.told.append(("closed", closed))
        self.end.set()


async def test_webtransport_with_a_pinned_certificate(nursery: trio.Nursery, tmp_path: Path) -> None:
    asked: list[Incoming] = []
    handlers = {"/all?room=1": Obliging(), "/other": Obliging()}

    def accept(incoming: Incoming) -> SessionHandler | Refused:
        asked.append(incoming)
        return handlers.get(incoming.path) or Refused(404, 0, "nothing here")

    certificates = SelfSigned((HOST,))
    engine = AioquicEngine(TrioNetwork(), (HOST, 0), certificates, ["moqt-18", "moqt-16"], accept)
    address = await nursery.start(engine.run)
    query = {
        "url": f"https://{HOST}:{address[1]}",
        "fingerprint": certificates.current().fingerprint.hex(),
    }
    with trio.fail_after(30), chromium(tmp_path) as browser, browser.page("transport.html", **query):
        report = await browser.report()
        assert "failed" not in report, str(report)
        for handler in handlers.values():
            await handler.end.wait()
    assert report == {
        "protocol": "moqt-18",
        "echo": "echo me",
        "uni": "here it is",
        "question": "question",
        "datagram": "datagram back",
        "reset": 77,
        "stopped": 33,
        "closed": {"closeCode": 5, "reason": "enough"},
        "wrongProtocol": "WebTransportError",
        "noProtocol": "WebTransportError",
        "wrongPath": "WebTransportError",
    }
    assert handlers["/all?room=1"].told == [
        ("finished", b"answered"),
        ("was_reset", 7),
        ("closed", Closed("local", 5, "enough")),
    ]
    assert handlers["/other"].told == [("closed", Closed("peer", 9, "that is all"))]
    assert {incoming.origin for incoming in asked} == {browser.origin}
    assert {incoming.authority for incoming in asked} == {f"{HOST}:{address[1]}"}
    nursery.cancel_scope.cancel()
