"""The node's side of MoQT: the relay, the engine that brings it sessions, and the gate between them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import attrs
import structlog

from clutch.net.link import Network
from clutch.net.quic.aioquic_engine import AioquicEngine
from clutch.net.quic.certificates import Certificates
from clutch.net.quic.engine import Limits
from clutch.node.certificates import make_certificates
from clutch.node.config import Config
from clutch.node.errors import NodeError
from clutch.node.fast import FastPort
from clutch.node.gate import TokenGate
from clutch.node.keys import make_verifier, reload_verifier
from clutch.relay import Relay
from clutch.wire.moqt.drafts import OFFERED
from clutch.wire.sip.grammar import format_host_port

log = structlog.get_logger(__name__)


@attrs.define(eq=False)
class Moqt:
    """What belongs together. Made by `make_moqt`; `relay.run` and `engine.run` must run."""

    relay: Relay
    engine: AioquicEngine
    gate: TokenGate
    certificates: Certificates
    _config: Config
    fast: FastPort | None
    """The second listener; None if there is none."""

    @property
    def address(self) -> str:
        """Where it listens."""
        return format_host_port(*self.engine.address)

    def announce(self) -> None:
        """Say in the log where it listens, and with what certificate: browsers take one by its hash."""
        log.info("moqt.up", address=self.address, certificate_sha256=self._fingerprint)

    def snapshot(self) -> Mapping[str, Any]:
        """For the status page."""
        return {
            "address": self.address,
            "engine": self.engine.name,
            "certificate_sha256": self._fingerprint,
            "connections": self.engine.connections,
            "packets_of_no_connection": attrs.asdict(self.engine.counters),
            "gate": attrs.asdict(self.gate.counters),
            **({} if self.fast is None else {"fast": self.fast.snapshot()}),
            **self.relay.snapshot(),
        }

    def reload(self) -> None:
        """Read keys, revoked tokens and certificates again; what is broken is logged, and stays as it was."""
        try:
            reload_verifier(self.gate.verifier, self._config)
        except NodeError as error:
            log.error("auth.not_reloaded", error=str(error))
        else:
            log.info("auth.reloaded", keys=list(self.gate.verifier.keys.by_kid))
        log.info("moqt.certificate", sha256=self._fingerprint)

    @property
    def _fingerprint(self) -> str:
        return self.certificates.current().fingerprint.hex()


def make_moqt(config: Config, network: Network) -> Moqt:
    """Wire it, inside a Trio run. Raises `NodeError` if keys or certificates cannot be used."""
    moqt = config.moqt
    gate = TokenGate(make_verifier(config), moqt.open_loopback)
    certificates = make_certificates(config)
    certificates.current()
    relay = Relay(gate)
    engine = AioquicEngine(
        network,
        (moqt.host, moqt.port),
        certificates,
        list(OFFERED),
        relay.accept,
        Limits(sessions=moqt.max_sessions, idle_s=moqt.idle_timeout_s),
        keylog=moqt.keylog,
        qlog=moqt.qlog,
    )
    fast = None
    if moqt.fast_port is not None:
        gate.trusted = secrets.token_bytes(32)
        fast = FastPort(config, engine, certificates, gate.trusted)
    return Moqt(relay, engine, gate, certificates, config, fast)
