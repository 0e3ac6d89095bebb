"""A phone for one outgoing call: the stack of the node, without the node."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import attrs

from actors import (
    AgentPort,
    Call,
    Calls,
    CallSpec,
    MediaStats,
    MediaUnavailable,
    Recording,
    open_system,
)
from clutch import __version__
from clutch.legs.sip import SipLeg, Terms
from clutch.net.errors import NetworkError
from clutch.net.link import Network, TrioNetwork
from clutch.net.plane import MediaPlane, RtpStream
from clutch.net.sip.endpoint import SipEndpoint
from clutch.net.sip.session import SipSession
from clutch.net.sip.transports import Bind
from clutch.node.config import MediaConfig
from clutch.node.errors import NodeError
from clutch.node.journal import Journal
from clutch.node.planes import check_srtp, make_plane
from clutch.node.services import start_service
from clutch.record.wav import Writer, prove_writable, record_wav, thread_writer
from clutch.wire.sip.digest import DigestClient
from clutch.wire.sip.errors import SipParseError
from clutch.wire.sip.fields import NameAddr
from clutch.wire.sip.uri import Uri, escape_user

PORTS = range(33_000, 65_000)
"""Where the phone looks for a media port; above those of a node on the same machine."""

CODECS_OFFERED = ("opus", "g722", "pcmu", "pcma")
"""What is offered if nothing is asked for, best first."""


@attrs.frozen
class Dial:
    """What to call, and how."""

    target: str
    """A SIP URI."""
    codecs: tuple[str, ...] = CODECS_OFFERED
    """Names of `clutch.wire.sdp.codecs.CODECS` to offer, best first."""
    record: Path | None = None
    """Where to keep what is heard, as mono WAV; an older file is replaced."""
    user: str = "clutch"
    """The user part of our own address, and the name for digest authentication."""
    password: str | None = attrs.field(default=None, repr=False)
    ring_timeout_s: float = 30.0
    srtp: bool = False
    """Whether to encrypt the media, or not to call."""


@attrs.define(eq=False)
class Phone:
    """A call that has been placed. Made by `open_phone`."""

    call: Call
    leg: SipLeg

    @property
    def stats(self) -> MediaStats:
        """The counters of the call's stream."""
        return self.call.spec.stream.stats()


@contextlib.asynccontextmanager
async def open_phone(dial: Dial, caller: AgentPort, network: Network | None = None) -> AsyncIterator[Phone]:
    """Place a call for the length of a block; leaving it hangs up. `caller` is who talks.

    Raises `NodeError`, inside an ExceptionGroup, if the call cannot even be tried.
    """
    network = network or TrioNetwork()
    target, host = await _target(dial.target, network)
    plane = make_plane(MediaConfig(), network, host, PORTS)
    if dial.srtp:
        check_srtp(plane)
    terms = Terms(dial.codecs, must_encrypt=dial.srtp).only(plane.codecs, plane.suites if dial.srtp else ())
    if not terms.codecs:
        raise NodeError(f"this build cannot code {', '.join(dial.codecs)}; see: clutch doctor")
    endpoint = SipEndpoint(network, [Bind("UDP", host, 0), Bind("TCP", host, 0)], _refuse, _AGENT)
    calls = Calls()
    async with open_system("phone") as system:
        system.observe.subscribe(Journal().note)
        await start_service(system, "media", plane.run)
        await start_service(system, "sip", endpoint.run)
        await system.start(calls.spec())
        leg, spec = _spec(dial, caller, target, host, endpoint, plane, terms)
        yield Phone(calls.start(spec), leg)


_AGENT = f"clutch/{__version__}"


def _spec(
    dial: Dial,
    caller: AgentPort,
    target: Uri,
    host: str,
    endpoint: SipEndpoint,
    plane: MediaPlane,
    terms: Terms,
) -> tuple[SipLeg, CallSpec]:
    sid = secrets.token_hex(8)
    try:
        stream = plane.open(sid)
    except MediaUnavailable as error:
        raise NodeError(str(error)) from error
    own = NameAddr(None, Uri("sip", escape_user(dial.user) or None, host=host))
    auth = None
    if dial.password is not None:
        auth = DigestClient(dial.user, dial.password, lambda: secrets.token_hex(8))

    def place(offer: bytes) -> SipSession:
        return endpoint.invite(target, from_uri=own, body=offer, auth=auth)

    leg = SipLeg.outbound(place, stream, terms)
    recording = None
    if dial.record is not None:
        _check_room(dial.record)
        recording = partial(_replace, stream, dial.record, thread_writer(1))
    return leg, CallSpec(
        sid,
        leg,
        stream,
        inbound=False,
        agent=lambda: caller,
        recording=recording,
        ring_timeout_s=dial.ring_timeout_s,
        caller=str(own.uri),
        callee=str(attrs.evolve(target, password=None)),
    )


async def _target(text: str, network: Network) -> tuple[Uri, str]:
    """The URI to call, and the address of ours that leads there."""
    try:
        target = Uri.parse(text)
    except SipParseError as error:
        raise NodeError(f"{text}: {error.reason}; write it like sip:echo@127.0.0.1") from error
    if target.scheme != "sip" or (target.param("transport") or "udp").lower() not in {"udp", "tcp"}:
        raise NodeError(f"{text}: only sip: by UDP or TCP can be called")
    try:
        return target, network.source_for(await network.resolve(target.host))
    except NetworkError as error:
        raise NodeError(f"{text}: {error}") from error


def _check_room(path: Path) -> None:
    """See that a recording can be made. It may replace an older file, but no folder and no device."""
    if path.exists() and not path.is_file():
        raise NodeError(f"cannot record to {path}: it is not a file")
    try:
        prove_writable(path.parent)
    except OSError as error:
        raise NodeError(f"cannot record to {path}: {error.strerror}") from error


def _replace(stream: RtpStream, path: Path, write: Writer) -> Recording:
    """Record what is heard. Recordings write over nothing, but a person who names a file means it."""
    path.unlink(missing_ok=True)
    return record_wav(stream, path, write, ("uplink",))


def _refuse(session: SipSession) -> None:
    """A phone that calls takes no calls."""
    session.reject(486)
