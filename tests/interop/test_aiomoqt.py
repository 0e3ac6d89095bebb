"""MoQT with aiomoqt: its conformance client, and tracks between its peers and ours, through either relay."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import trio

from clutch.client.publication import Publication
from clutch.client.voice import Voice
from clutch.net.quic.engine import Trust
from clutch.wire.msf import CAPABILITY_PROPERTY
from tests.interop import aiomoqt
from tests.interop.aiomoqt import needs_aiomoqt
from tests.interop.node import running_node

SCHEMES = ("moqt", "https")
"""Raw QUIC, and WebTransport."""
DRAFTS = (18, 16)
PROPERTY = hex(CAPABILITY_PROPERTY)
NAMESPACE = "voice/4f2a/uplink"
RATE = 50
"""Objects a second, here and in peers/publish.py."""

pytestmark = needs_aiomoqt


@pytest.fixture(scope="module")
def our_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a node's relay."""
    with running_node(tmp_path_factory.mktemp("node")) as node:
        yield node.moqt_port
        assert "crashed" not in node.log(), node.log()


@pytest.fixture(scope="module")
def their_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of aiomoqt's relay."""
    with aiomoqt.relay(tmp_path_factory.mktemp("relay")) as relay:
        yield relay.port


@pytest.mark.parametrize("draft", DRAFTS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_our_relay_conforms(our_port: int, scheme: str, draft: int) -> None:
    results = aiomoqt.conformance(f"{scheme}://127.0.0.1:{our_port}/", draft)
    assert all(results.values()), results


@pytest.mark.parametrize("announce", [False, True], ids=["PUBLISH", "PUBLISH_NAMESPACE"])
@pytest.mark.parametrize("draft", DRAFTS)
def test_through_our_relay(our_port: int, draft: int, announce: bool) -> None:
    url, name = f"moqt://127.0.0.1:{our_port}/", f"{draft}-{announce}"
    with (
        aiomoqt.publisher(url, draft, NAMESPACE, name, 5, announce=announce),
        aiomoqt.subscriber(url, draft, NAMESPACE, name, 2) as process,
    ):
        heard = aiomoqt.heard(process)
    assert len(heard.groups) > 1.5 * RATE
    assert heard.missing == 0
    assert bytes.fromhex(heard.properties[PROPERTY]) == b"voice/opus"


@pytest.fixture(params=["ours", "theirs"])
def port(request: pytest.FixtureRequest, our_port: int, their_port: int) -> int:
    """The port of either relay."""
    return our_port if request.param == "ours" else their_port


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_they_publish_and_we_subscribe(port: int, scheme: str) -> None:
    url, name = f"{scheme}://127.0.0.1:{port}/", f"{scheme}-theirs"
    with aiomoqt.publisher(url, 18, NAMESPACE, name, 6):
        async with Voice(url, trust=Trust(insecure=True)) as voice:
            sequences = []
            with trio.fail_after(20):
                async for frame in voice.subscribe_audio(NAMESPACE, name):
                    assert frame.gap is None
                    sequences.append(frame.sequence)
                    if len(sequences) == RATE:
                        break
    assert sequences == list(range(sequences[0], sequences[0] + RATE))


@pytest.mark.parametrize("draft", DRAFTS)
@pytest.mark.parametrize("scheme", SCHEMES)
async def test_we_publish_and_they_subscribe(port: int, scheme: str, draft: int) -> None:
    url, name = f"{scheme}://127.0.0.1:{port}/", f"{scheme}-{draft}-ours"
    async with Voice(url, trust=Trust(insecure=True)) as voice, trio.open_nursery() as nursery:
        await voice.connected()
        publication = voice.publish_audio(NAMESPACE, name, capability="voice/opus")
        nursery.start_soon(_talk, publication)
        await trio.sleep(0.3)
        heard = await trio.to_thread.run_sync(_hear, url, draft, name)
        nursery.cancel_scope.cancel()
    assert len(heard.groups) > 1.5 * RATE
    assert heard.missing == 0
    assert bytes.fromhex(heard.properties[PROPERTY]) == b"voice/opus"


async def _talk(publication: Publication) -> None:
    while True:
        await publication.send(bytes(80))


def _hear(url: str, draft: int, name: str) -> aiomoqt.Heard:
    with aiomoqt.subscriber(url, draft, NAMESPACE, name, 2) as process:
        return aiomoqt.heard(process)
