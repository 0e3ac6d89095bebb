"""A node and a phone on a network in memory: whole calls over real SIP and RTP, on a virtual clock."""

from __future__ import annotations

import itertools
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import structlog.testing
import trio
import trio.testing

from actors.call import AgentPort, Call, Calls, CallSpec, Cause, Party, Reason
from actors.runtime import System, open_lossy_channels, open_system
from actors.testing import Play, Setting, Story, Trace, Trial, run_story
from clutch.legs.sip import SipLeg, Terms
from clutch.net.link import Address
from clutch.net.memory import MemoryNetwork
from clutch.net.plane import MediaPlane
from clutch.net.sip import Bind, Failure, SipEndpoint, SipSession
from clutch.net.twin_plane import TwinPlane
from clutch.node.config import Config, MediaConfig, MoqtConfig, RecordingConfig, RtpConfig, SipConfig
from clutch.node.node import Node, open_node
from clutch.node.services import start_service
from clutch.wire.sip.fields import NameAddr
from clutch.wire.sip.message import Message, Request, parse_message
from clutch.wire.sip.uri import Uri

NODE, PHONE, PEER = "192.0.2.1", "192.0.2.5", "192.0.2.9"
"""Whose address is whose. At `PEER` is nobody, unless a test puts somebody there."""

CONFIG = Config(
    sip=SipConfig(host=NODE),
    moqt=MoqtConfig(host=NODE),
    rtp=RtpConfig(10_000, 10_199, timeout_s=5.0),
    media=MediaConfig("twin"),
    recording=RecordingConfig(enabled=False),  # files are written by threads, which know no virtual clock
)
SIGNALLED = ["leg", "agent", "bridge"]
"""The road down when the far side or a hang-up ended the call."""
QUIET_PHONE = ["leg", "bridge"]
"""The same for a phone without anybody who talks."""
FROM_ABOVE = ["agent", "bridge", "leg"]
"""The road down when the node went."""
UNANSWERED = ["leg"]
"""The road down of a call that had nothing but a leg."""
TIMERS_S = 32.1
"""What the longest timer of a transaction takes (64*T1), and a little for the way of a message."""


@attrs.frozen
class Sent:
    """A SIP message that was sent, whether or not it arrived."""

    at: float
    """Trio time, in seconds."""
    host: str
    """Who sent it."""
    message: Message

    @property
    def what(self) -> str:
        """``INVITE``, or ``200 INVITE`` for a response."""
        message = self.message
        return message.method if isinstance(message, Request) else f"{message.status} {message.cseq.method}"


@attrs.define(eq=False)
class Wire:
    """The network, the SIP that was sent on it, and what gets lost."""

    network: MemoryNetwork = attrs.field(init=False)
    sent: list[Sent] = attrs.field(factory=list)
    heard: Counter[Address] = attrs.field(factory=Counter)
    """RTP packets that arrived, by destination."""
    loses: Callable[[Sent], bool] = lambda _sent: False
    """Which SIP is lost."""
    loses_rtp: Callable[[str], bool] = lambda _host: False
    """Whether a host's next RTP packet is lost."""
    taps_rtp: Callable[[bytes], None] = lambda _data: None
    """Sees every datagram of media that is sent."""

    def __attrs_post_init__(self) -> None:
        self.network = MemoryNetwork(latency_s=0.01, lost=self._carry)

    def said(self, host: str, skip: Sequence[str] = ("100 INVITE",)) -> list[str]:
        """What a host sent, in order."""
        return [sent.what for sent in self.sent if sent.host == host and sent.what not in skip]

    def times(self, host: str, what: str) -> list[float]:
        """When a host sent this, in seconds since it did first."""
        times = [sent.at for sent in self.sent if (sent.host, sent.what) == (host, what)]
        return [round(at - times[0], 3) for at in times]

    def last(self, host: str, what: str) -> Sent:
        """The last message of this kind."""
        return [sent for sent in self.sent if (sent.host, sent.what) == (host, what)][-1]

    async def quiet(self) -> None:
        """Wait until no transaction can be left of anything that was sent."""
        due = trio.current_time() + TIMERS_S
        while trio.current_time() < due:
            await trio.sleep_until(due)
            due = self.sent[-1].at + TIMERS_S if self.sent else due

    def _carry(self, data: bytes, source: Address, to: Address) -> bool:
        if 5060 not in (source[1], to[1]):
            self.taps_rtp(data)
            lost = self.loses_rtp(source[0])
            self.heard[to] += not lost
            return lost
        sent = Sent(trio.current_time(), source[0], parse_message(data))
        self.sent.append(sent)
        return self.loses(sent)


@attrs.define(eq=False)
class Phone:
    """The far end: a user agent with media of its own that places calls."""

    system: System
    endpoint: SipEndpoint
    plane: TwinPlane
    calls: Calls
    trace: Trace
    _numbers: itertools.count[int] = attrs.field(factory=itertools.count)

    def dial(
        self,
        extension: str = "echo",
        host: str = NODE,
        *,
        agent: Callable[[], AgentPort] | None = None,
        terms: Terms | None = None,
        **spec: Any,
    ) -> Call:
        """Place a call; the keywords are fields of `CallSpec`."""
        sid = f"out{next(self._numbers)}"
        stream = self.plane.open(sid)
        target, own = Uri.parse(f"sip:{extension}@{host}"), NameAddr(None, Uri.parse(f"sip:me@{PHONE}"))

        def place(offer: bytes) -> SipSession:
            return self.endpoint.invite(target, from_uri=own, body=offer)

        leg = SipLeg.outbound(place, stream, terms or Terms(("pcmu",), suites=()))
        return self.calls.start(CallSpec(sid, leg, stream, inbound=False, agent=agent, **spec))


@attrs.define(eq=False)
class SipStage:
    """What a story plays on."""

    wire: Wire
    phone: Phone
    node: Node = attrs.field(init=False)
    trace: Trace = attrs.field(init=False)
    """The node's; `phone.trace` is the other side's."""
    _leave: trio.Event = attrs.field(factory=trio.Event)
    _gone: trio.Event = attrs.field(factory=trio.Event)

    @property
    def gone(self) -> bool:
        """True once the node is down."""
        return self._gone.is_set()

    @property
    def call(self) -> Call:
        """The node's only call."""
        (call,) = self.node.calls.all()
        return call

    async def idle(self) -> None:
        """Wait until neither side has a call."""
        await self.phone.calls.idle()
        await self.node.calls.idle()

    async def close_node(self) -> None:
        """Stop the node, as the end of `open_node` does, and wait until it is gone."""
        self._leave.set()
        await self._gone.wait()

    async def run_node(
        self, config: Config, trial: Trial, *, task_status: trio.TaskStatus[bool] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """The node's task: what a trial strikes. Reports as started whether the node came up."""
        up = False
        try:
            with tempfile.TemporaryDirectory() as folder, trial.target():
                config = attrs.evolve(config, node=attrs.evolve(config.node, data=Path(folder)))
                async with open_node(config, self.wire.network.host(NODE), http=False) as self.node:
                    self.trace = trial.trace = Trace.of(self.node.system)
                    up = True
                    task_status.started(up)
                    await self._leave.wait()
        finally:
            self._gone.set()
        if not up:
            task_status.started(up)

    def problems(self) -> list[str]:
        """What is left on both sides; of a node that is gone, only what its calls had."""
        found = self.phone.trace.problems() + _held("the phone", self.phone.endpoint, self.phone.plane)
        endpoint, plane = self.node.endpoint, self.node.plane
        if self.gone:
            return found + _left("the node", sessions=endpoint.sessions, media_ports=plane.ports_in_use)
        return found + _held("the node", endpoint, plane) + _left("both", channels=open_lossy_channels())

    def untold(self) -> list[str]:
        """Calls that the node had begun to answer, and left without a last word."""
        if not self.wire.said(NODE, skip=()):
            return []
        ends = [(event.sid, event.cause) for event in self.phone.trace.finals]
        return [
            f"{sid} was not told: {cause}"
            for sid, cause in ends
            if cause and (cause.by is Party.NODE or cause.text == Failure.TIMEOUT.value)
        ]


def ended(
    trace: Trace,
    status: str,
    reason: Reason,
    by: Party,
    road: Sequence[str] = SIGNALLED,
    *,
    sid: str | None = None,
) -> Cause:
    """Check how a side's call ended, and on which road; without a `sid` it must have been its only one."""
    if sid is None:
        (sid,) = trace.opened
    got, cause = trace.final(sid)
    assert (got, cause.reason, cause.by) == (status, reason, by), trace.lines
    assert trace.road(sid) == [*road], trace.lines
    return cause


def on_network(**tables: Any) -> Setting:
    """A setting with a node, of whose configuration `tables` replace some. The node alone is struck."""
    config = attrs.evolve(CONFIG, **tables)

    async def setting(trial: Trial, play: Play) -> None:
        wire = Wire()
        with structlog.testing.capture_logs() as logs:
            async with open_phone(wire) as phone, trio.open_nursery() as nursery:
                stage = SipStage(wire, phone)
                if await nursery.start(stage.run_node, config, trial):
                    await _perform(stage, trial, play)
        trial.problems += _left("the network", sockets=wire.network.open_sockets)
        # An actor that crashed is in the trace; what is only logged is an error that somebody caught.
        caught = [
            entry for entry in logs if entry["log_level"] == "error" and entry["event"] != "actor.crashed"
        ]
        trial.problems += [f"logged {entry}" for entry in caught]

    return setting


async def _perform(stage: SipStage, trial: Trial, play: Play) -> None:
    await trio.testing.wait_all_tasks_blocked()
    tasks = trio.lowlevel.current_statistics().tasks_living
    await play(stage)
    await stage.phone.calls.idle()
    await stage.wire.quiet()
    trial.problems += stage.problems()
    if trial.struck and trial.mode == "cancel":
        trial.problems += stage.untold()
    if not stage.gone:
        trial.problems += _left("the story", tasks=trio.lowlevel.current_statistics().tasks_living - tasks)
        await stage.close_node()


@asynccontextmanager
async def open_phone(wire: Wire) -> AsyncIterator[Phone]:
    """A phone for the length of a block."""
    host = wire.network.host(PHONE)
    plane = TwinPlane(host, PHONE, range(20_000, 20_200))
    endpoint = SipEndpoint(host, [Bind("UDP", PHONE, 5060)], lambda session: session.reject(486))
    calls = Calls(strict=True)
    async with open_system("phone") as system:
        await start_service(system, "media", plane.run)
        await start_service(system, "sip", endpoint.run)
        await system.start(calls.spec())
        trace = Trace("phone/calls/")
        system.observe.subscribe(trace.note)
        yield Phone(system, endpoint, plane, calls, trace)


def whole_call(
    times: int = 10, **tables: Any
) -> Callable[[Callable[[SipStage], Awaitable[None]]], Callable[[], None]]:
    """Make a test of a story: it is played on so many schedules. `tables` are for `on_network`."""

    def decorate(play: Callable[[SipStage], Awaitable[None]]) -> Callable[[], None]:
        story = Story(play.__name__, play, setting=on_network(**tables))

        def test() -> None:
            for _ in range(times):
                run_story(story)

        test.__name__, test.__doc__ = play.__name__, play.__doc__
        return test

    return decorate


def _held(who: str, endpoint: SipEndpoint, plane: MediaPlane) -> list[str]:
    """What an endpoint and a media plane still have of calls, and of transactions."""
    layer = endpoint._core.layer
    return _left(
        who,
        sessions=endpoint.sessions,
        transactions=endpoint.transactions,
        dialogs=len(layer._dialogs),
        timers=layer.next_timer() is not None,
        media_ports=plane.ports_in_use,
    )


def _left(who: str, **counts: int) -> list[str]:
    return [f"{who} left {count} {what}" for what, count in counts.items() if count]
