"""A certificate that is wrong from the start is not tried again and again."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from clutch.client import ConnectionRefused, State, Trust, Voice
from clutch.client.connector import PROTOCOLS
from clutch.net.memory import MemoryNetwork
from clutch.net.quic.aioquic_engine import AioquicEngine
from clutch.net.quic.certificates import SelfSigned
from clutch.relay import Relay
from tests.client.nodes import OpenGate
from tests.net.quic.pem import write

HOST = "192.0.2.1"


@pytest.fixture
async def client(nursery: trio.Nursery) -> AioquicEngine:
    """The engine of a client, beside a node that made its certificate itself."""
    network, relay = MemoryNetwork(latency_s=0.01), Relay(OpenGate())
    server = AioquicEngine(network.host(HOST), (HOST, 4443), SelfSigned([HOST]), PROTOCOLS, relay.accept)
    client = AioquicEngine(network.host("192.0.2.2"))
    for run in (relay.run, server.run, client.run):
        await nursery.start(run)
    return client


def own_ca(folder: Path) -> Path:
    """Another certificate than that of the node."""
    return write(SelfSigned([HOST]).current(), folder)[0]


@pytest.mark.parametrize("scheme", ["moqt", "https"])
@pytest.mark.parametrize("how", ["system", "fingerprint", "ca_file"])
async def test_a_wrong_certificate_fails_for_good(
    autojump_clock: MockClock, client: AioquicEngine, tmp_path: Path, scheme: str, how: str
) -> None:
    trust = {
        "system": Trust(),
        "fingerprint": Trust(fingerprint=bytes(32)),
        "ca_file": Trust(ca_file=own_ca(tmp_path)),
    }[how]
    async with Voice(f"{scheme}://{HOST}:4443/", trust=trust, engine=client) as voice:
        with trio.fail_after(20), pytest.raises(ConnectionRefused, match=r"Trust\(fingerprint=.*ca_file="):
            await voice.connected()
        assert voice.state is State.FAILED


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
async def test_authorities_that_cannot_be_read_fail_for_good(
    autojump_clock: MockClock, client: AioquicEngine, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    async with Voice(f"moqt://{HOST}:4443", trust=Trust(ca_file=path), engine=client) as voice:
        with (
            trio.fail_after(20),
            pytest.raises(ConnectionRefused, match=r"cannot use the authorities .*ca\.pem"),
        ):
            await voice.connected()
