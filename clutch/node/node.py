"""The node: a tree of services with the pool of calls on top, wired from a configuration.

Start order: media plane, SIP endpoint, relay, MoQT, HTTP, calls. So calls are the first to stop and the
endpoint is still there for their goodbyes; the endpoint refuses new calls until everything is up.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import structlog
import trio

from actors import (
    Calls,
    CallSpec,
    MediaUnavailable,
    System,
    open_system,
)
from clutch import __version__
from clutch.legs.opus import OpusTerms
from clutch.legs.sip import SipLeg, Terms
from clutch.media.mixer import add_pcm
from clutch.net.link import Network, TrioNetwork
from clutch.net.plane import MediaPlane
from clutch.net.sip.endpoint import RETRY_AFTER_S, SipEndpoint
from clutch.net.sip.session import SipSession
from clutch.net.sip.transports import Bind
from clutch.node.config import Config
from clutch.node.dialplan import Dialplan, make_dialplan
from clutch.node.doctor import available, probe
from clutch.node.errors import NodeError
from clutch.node.http import serve_http
from clutch.node.journal import Journal
from clutch.node.moqt import Moqt, make_moqt
from clutch.node.planes import check_srtp, make_plane
from clutch.node.quality import summarise
from clutch.node.services import start_service
from clutch.node.tracks import CallTracks
from clutch.record.wav import prove_writable, record_wav, thread_writer
from native import OpusOptions

log = structlog.get_logger(__name__)

SIDS_SHOWN = 100
"""Of how many calls, the latest ones, the status names the sid."""

_GOODBYE_S = 1.0
"""How long the peers of the relay have to go by themselves."""


def new_sid() -> str:
    """A call identifier: 64 random bits in hex."""
    return secrets.token_hex(8)


@attrs.define(eq=False)
class Node:
    """A running node. Made by `open_node`."""

    config: Config
    system: System
    plane: MediaPlane
    calls: Calls
    moqt: Moqt
    _dialplan: Dialplan
    _network: Network
    _sid: Callable[[], str]
    endpoint: SipEndpoint = attrs.field(init=False)
    http_urls: list[str] = attrs.field(factory=list)
    features: list[str] = attrs.field(factory=lambda: available(probe()))
    journal: Journal = attrs.field(init=False)
    _tracks: CallTracks = attrs.field(init=False)
    _started_at: float = attrs.field(factory=time.monotonic)
    _write: Any = attrs.field(factory=thread_writer)

    def __attrs_post_init__(self) -> None:
        self.journal = Journal(self._quality)
        opus = self.config.opus
        self._tracks = CallTracks(self.moqt.relay, OpusOptions(opus.bitrate, opus.complexity))
        sip = self.config.sip
        binds = [
            Bind(transport, sip.host, sip.port, sip.public_address)
            for transport in (("UDP", "TCP") if sip.tcp else ("UDP",))
        ]
        self.endpoint = SipEndpoint(
            self._network, binds, self._on_invite, f"clutch/{__version__}", draining=True
        )

    @property
    def extensions(self) -> list[str]:
        """What this node answers to: the user parts of its SIP addresses."""
        return self._dialplan.extensions

    def snapshot(self) -> Mapping[str, Any]:
        """What ``GET /v1/status`` answers."""
        return {
            "version": __version__,
            "calls": len(self.calls),
            "sids": [call.sid for call in self.calls.all()[-SIDS_SHOWN:]],
            "tasks": trio.lowlevel.current_statistics().tasks_living,
            "fds": len(os.listdir("/proc/self/fd")),
            "media": self.plane.backend,
            "rtp_ports": self.plane.ports_in_use,
            "media_dropped": self.plane.dropped,
            "uptime_s": round(time.monotonic() - self._started_at, 1),
            "draining": self.endpoint.draining,
            "features": self.features,
            "ended": self.journal.ended,
            "sip": {
                "addresses": [str(bind) for bind in self.endpoint.addresses],
                "transactions": self.endpoint.transactions,
                "connections": self.endpoint.connections,
                **attrs.asdict(self.endpoint.counters),
            },
            "moqt": self.moqt.snapshot(),
        }

    async def drain(self) -> None:
        """Refuse new calls with 503 and wait until the living ones have ended, at most `node.drain_s`.

        Then the peers of the relay are asked to go. They are asked so late because calls are heard by them.

        If cancelled, it returns at once: a shorter deadline, the same order. Leaving `open_node` after it
        hangs up what is left.
        """
        self.endpoint.draining = True
        log.info("node.draining", calls=len(self.calls), deadline_s=self.config.node.drain_s)
        with trio.move_on_after(self.config.node.drain_s):
            await self.calls.idle()
        await self.moqt.relay.drain(_GOODBYE_S)

    def reload(self) -> None:
        """Read the files of keys and certificates again, for SIGHUP. What is broken is logged, not taken."""
        self.moqt.reload()

    def _quality(self, sid: str) -> Mapping[str, Any]:
        """The quality of a call's media, if it ever had any."""
        call = self.calls.get(sid)
        if call is None or not isinstance(call.spec.leg, SipLeg) or call.spec.leg.codec is None:
            return {}
        quality = summarise(call.spec.stream.stats(), call.spec.leg.codec)
        return {**quality, "srtp": call.spec.leg.suite}

    def _on_invite(self, session: SipSession) -> None:
        """A new call: find who answers it, give it media, start its tree. Never blocks."""
        extension = session.invite.uri.username or ""
        if extension not in self.extensions:
            log.info("call.unknown_extension", extension=extension)
            session.reject(404)
            return
        if len(self.calls) >= self.config.limits.max_calls:
            self._busy(session, "limits.max_calls")
            return
        sid = self._sid()
        try:
            stream = self.plane.open(sid)
        except MediaUnavailable as error:
            self._busy(session, str(error))
            return
        config = self.config
        leg = SipLeg.inbound(session, stream, self._terms())
        path = config.recordings / f"{sid}.wav"
        spec = CallSpec(
            sid,
            leg,
            stream,
            agent=self._dialplan.agent(extension),
            tracks=self._tracks,
            mix=add_pcm if config.tracks.second_speaker == "mix" else None,
            recording=((lambda: record_wav(stream, path, self._write)) if config.recording.enabled else None),
            ring_timeout_s=config.limits.ring_timeout_s,
            max_duration_s=config.limits.max_duration_s,
            caller=str(attrs.evolve(session.invite.from_.uri, password=None)),
            callee=extension,
        )
        self.calls.start(spec)
        log.info("call.incoming", sid=sid, caller=spec.caller, callee=extension)

    def _terms(self) -> Terms:
        """On what terms calls are answered."""
        config = self.config
        terms = Terms(
            timeout_ms=round(config.rtp.timeout_s * 1000),
            address=config.sip.public_address,
            must_encrypt=config.rtp.srtp == "required",
            opus=OpusTerms(**attrs.asdict(config.opus)),
            comfort_noise=config.rtp.comfort_noise,
            detect_speech=config.rtp.detect_speech,
            detect_tones=config.rtp.detect_tones,
        )
        return terms.only(self.plane.codecs, () if config.rtp.srtp == "off" else self.plane.suites)

    def _busy(self, session: SipSession, why: str) -> None:
        log.warning("call.refused", why=why)
        session.reject(503, headers=[("Retry-After", str(RETRY_AFTER_S))])

    async def start(self, *, http: bool = True) -> None:
        """Bring every service up, in order. Raises `NodeError` if one cannot be.

        Without `http`, all else is as it was: only that server has sockets and a clock beyond `network`.
        """
        await start_service(self.system, "media", self.plane.run)
        await start_service(self.system, "sip", self.endpoint.run)
        await start_service(self.system, "relay", self.moqt.relay.run)
        await start_service(self.system, "moqt", self.moqt.engine.run)
        if self.moqt.fast is not None:
            await start_service(self.system, "moqt.fast", self.moqt.fast.run)
        self.moqt.announce()
        if http:
            serve = partial(serve_http, self.config.http, self.snapshot)
            self.http_urls = await start_service(self.system, "http", serve)
        await self.system.start(self.calls.spec())
        self.endpoint.draining = False


@asynccontextmanager
async def open_node(
    config: Config, network: Network | None = None, *, http: bool = True
) -> AsyncIterator[Node]:
    """Run a node for the length of a block; leaving it hangs up every call and stops every service in order.

    `network` is where its sockets are opened, the machine's own if None; for `http` see `Node.start`. Raises
    `NodeError` (`ConfigError` is one), inside an ExceptionGroup, if it cannot come up.
    """
    network = network or TrioNetwork()
    dialplan = make_dialplan(config.dialplan)
    ports = range(config.rtp.first_port, config.rtp.last_port + 1)
    plane = make_plane(config.media, network, config.sip.host, ports, config.rtp.quarantine_s)
    if config.rtp.srtp == "required":
        check_srtp(plane)
    if config.recording.enabled:
        _make_folder(config.recordings)
    async with open_system() as system:
        calls, moqt = Calls(config.limits.max_calls), make_moqt(config, network)
        node = Node(config, system, plane, calls, moqt, dialplan, network, new_sid)
        system.observe.subscribe(node.journal.note)
        await node.start(http=http)
        sip = [str(bind) for bind in node.endpoint.addresses]
        log.info("node.up", sip=sip, http=node.http_urls, moqt=moqt.address, media=plane.backend)
        try:
            yield node
        finally:
            node.endpoint.draining = True  # the pool of calls is closed first
    log.info("node.down")


def _make_folder(path: Path) -> None:
    """Make the folder of the recordings, and see that files can be made in it."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        prove_writable(path)
    except OSError as error:
        raise NodeError(
            f"cannot record into {path}: {error.strerror}; choose another folder with --data or "
            "--set recording.dir=FOLDER, or --set recording.enabled=false"
        ) from error
