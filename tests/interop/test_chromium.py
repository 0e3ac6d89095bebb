"""Chromium as a peer: WebTransport with a pinned certificate, and MoQT through the relay."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import trio

from clutch.net.link import TrioNetwork
from clutch.net.quic.aioquic_engine import AioquicEngine
from clutch.net.quic.certificates import SelfSigned
from clutch.net.quic.engine import Accept, Closed, Incoming, QuicSession, QuicStream, Refused, SessionHandler
from clutch.relay import OpenGate, Relay
from clutch.wire.moqt.names import FullTrackName
from tests.interop.chromium import HOST, chromium

OBJECTS = 50
"""As in relay.js."""


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
        if heard == b"object" and len(self._heard) > 20:
            session.close(5, "enough")
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


async def serve(nursery: trio.Nursery, accept: Accept) -> dict[str, str]:
    """Run an engine; what a page must be told to find it."""
    certificates = SelfSigned((HOST,))
    engine = AioquicEngine(TrioNetwork(), (HOST, 0), certificates, ["moqt-18", "moqt-16"], accept)
    address = await nursery.start(engine.run)
    return {
        "url": f"https://{HOST}:{address[1]}",
        "fingerprint": certificates.current().fingerprint.hex(),
    }


async def test_webtransport_with_a_pinned_certificate(nursery: trio.Nursery, tmp_path: Path) -> None:
    asked: list[Incoming] = []
    handler = Obliging()

    def accept(incoming: Incoming) -> SessionHandler | Refused:
        asked.append(incoming)
        match incoming.path:
            case "/all?room=1":
                return handler
            case "/busy":
                return Obliging()
            case _:
                return Refused(404, 0, "nothing here")

    query = await serve(nursery, accept)
    with trio.fail_after(30), chromium(tmp_path) as browser, browser.page("transport.html", **query):
        report = await browser.report()
        assert "failed" not in report, str(report)
        await handler.end.wait()
    assert report == {
        "protocol": "moqt-18",
        "echo": "echo me",
        "uni": "here it is",
        "question": "question",
        "datagram": "datagram back",
        "reset": 77,
        "stopped": 33,
        "ends": ["5 enough"] * 10,
        "wrongProtocol": "WebTransportError",
        "noProtocol": "WebTransportError",
        "wrongPath": "WebTransportError",
    }
    assert handler.told == [
        ("finished", b"answered"),
        ("was_reset", 7),
        ("closed", Closed("peer", 9, "that is all")),
    ]
    assert {incoming.origin for incoming in asked} == {browser.origin}
    assert {f"https://{incoming.authority}" for incoming in asked} == {query["url"]}
    nursery.cancel_scope.cancel()


async def test_a_page_publishes_and_subscribes_through_the_relay(
    nursery: trio.Nursery, tmp_path: Path
) -> None:
    relay = Relay(OpenGate())
    await nursery.start(relay.run)
    query = await serve(nursery, relay.accept)
    listening = trio.Event()
    heard = {}
    up, down = (FullTrackName.parse("page/one", name) for name in ("up", "down"))
    with (
        trio.fail_after(30),
        relay.subscribe(up) as from_page,
        closing(relay.publish(down, wanted=lambda wanted: listening.set())) as to_page,
        chromium(tmp_path) as browser,
        browser.page("relay.html", **query),
    ):
        await listening.wait()
        for number in range(OBJECTS):
            to_page.write(f"to the page: {number}".encode(), timestamp_us=20_000 * number)
            item = await anext(from_page)
            heard[item.group] = item.payload.decode()
        report = await browser.report()
    said = {number: f"from the page: {number}" for number in range(OBJECTS)}
    assert "failed" not in report, str(report)
    assert report["protocol"] == "moqt-18"
    assert heard == said
    assert {item["group"]: item["payload"] for item in report["heard"]["up"]} == said
    assert sorted(item["payload"] for item in report["heard"]["down"]) == sorted(
        f"to the page: {number}" for number in range(OBJECTS)
    )
    nursery.cancel_scope.cancel()
