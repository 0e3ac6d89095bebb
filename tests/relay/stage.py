"""A relay that can be restarted, and clients of it by the SDK, over a network in memory."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal, TypeAlias

import attrs
import trio
import trio.testing

from clutch.client.voice import IDLE_S, Voice
from clutch.net.memory import MemoryNetwork
from clutch.net.quic.aioquic_engine import AioquicEngine
from clutch.net.quic.certificates import SelfSigned
from clutch.net.quic.engine import Engine, Limits, Trust
from clutch.net.quic.memory import MemoryQuic
from clutch.relay import OpenGate, Relay
from clutch.wire.moqt.drafts import OFFERED

HOST, PORT = "192.0.2.1", 4443
CLIENT = "192.0.2.2"
LATENCY_S = 0.01

Kind: TypeAlias = Literal["memory", "aioquic"]
"""Sessions without QUIC, or real QUIC over packets in memory."""


@attrs.define(eq=False)
class Stage:
    """A relay at `HOST`. Made by `open_stage`, and on a virtual clock for nothing to be slow."""

    kind: Kind
    _nursery: trio.Nursery = attrs.field(repr=False)
    relay: Relay = attrs.field(init=False)
    clients: Engine = attrs.field(init=False)
    """Of all clients."""
    network: MemoryNetwork = attrs.field(init=False, factory=lambda: MemoryNetwork(LATENCY_S))
    """What real QUIC goes over."""
    _quic: MemoryQuic = attrs.field(init=False, factory=lambda: MemoryQuic(LATENCY_S))
    _certificates: SelfSigned = attrs.field(init=False, factory=lambda: SelfSigned((HOST,)))
    _scope: trio.CancelScope = attrs.field(init=False)

    async def start(self) -> None:
        """Start a relay, or a new one after `stop`."""
        self._scope = trio.CancelScope()
        await self._nursery.start(self._serve)

    async def stop(self, *, killed: bool = False) -> None:
        """End the relay; if it is killed no client is told, which takes real QUIC."""
        if killed:
            self.network.lost = lambda data, source, to: source[0] == HOST
        self._scope.cancel()
        await trio.testing.wait_all_tasks_blocked()
        self.network.lost = lambda data, source, to: False

    def voice(self) -> Voice:
        """A client, whose waits are always the same."""
        return Voice(
            f"moqt://{HOST}:{PORT}/",
            engine=self.clients,
            trust=Trust(insecure=True),
            random=random.Random(1),
            now_us=lambda: round(1e15 + trio.current_time() * 1e6),
        )

    async def _serve(self, task_status: trio.TaskStatus[None]) -> None:
        self.relay = Relay(OpenGate())
        with self._scope:
            async with trio.open_nursery() as nursery:
                await nursery.start(self.relay.run)
                await nursery.start(self._engine().run)
                task_status.started()

    def _engine(self) -> Engine:
        accept, where = self.relay.accept, (HOST, PORT)
        if self.kind == "memory":
            return self._quic.engine(accept, host=HOST, port=PORT, protocols=OFFERED)
        return AioquicEngine(self.network.host(HOST), where, self._certificates, list(OFFERED), accept)

    async def start_clients(self) -> None:
        """Start the engine of the clients."""
        limits = Limits(idle_s=IDLE_S)
        if self.kind == "memory":
            self.clients = self._quic.engine(host=CLIENT, limits=limits)
        else:
            self.clients = AioquicEngine(self.network.host(CLIENT), limits=limits)
        await self._nursery.start(self.clients.run)


@asynccontextmanager
async def open_stage(kind: Kind) -> AsyncIterator[Stage]:
    """A relay that runs, and nobody there yet."""
    async with trio.open_nursery() as nursery:
        stage = Stage(kind, nursery)
        await stage.start()
        await stage.start_clients()
        yield stage
        nursery.cancel_scope.cancel()
