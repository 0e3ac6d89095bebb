"""What a node tells its peers about where it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from trio.testing import MockClock

from clutch.net.memory import MemoryNetwork
from clutch.net.sip import Bind
from clutch.node.config import Config, MediaConfig, MoqtConfig, NodeConfig, RecordingConfig, SipConfig
from clutch.node.node import open_node


@pytest.mark.parametrize("tcp", [True, False])
async def test_the_public_address_is_advertised_on_every_transport(
    tmp_path: Path, autojump_clock: MockClock, tcp: bool
) -> None:
    config = Config(
        NodeConfig(tmp_path),
        sip=SipConfig(host="0.0.0.0", public_address="203.0.113.7", tcp=tcp),
        moqt=MoqtConfig(host="0.0.0.0"),
        media=MediaConfig("twin"),
        recording=RecordingConfig(enabled=False),
    )
    async with open_node(config, MemoryNetwork().host("192.0.2.1"), http=False) as node:
        transports = ("UDP", "TCP") if tcp else ("UDP",)
        assert node.endpoint.addresses == tuple(
            Bind(transport, "0.0.0.0", config.sip.port, "203.0.113.7") for transport in transports
        )
