"""A scripted peer of the node, with audio: it does only what a test says, right or wrong."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager

import attrs
import trio

from clutch.net.link import Address, Datagrams
from clutch.net.sip import SipSession
from clutch.wire.rtp import RtpPacket
from clutch.wire.sdp import Session
from clutch.wire.sip.matching import ack_for
from clutch.wire.sip.message import Response
from tests.e2e.sip_stage import NODE, PEER, SipStage
from tests.net.sip_world import Peer, Phone

ECHO = f"sip:echo@{NODE}"


def sdp(port: int = 4000, *, host: str = PEER, direction: str = "sendrecv", formats: str = "0 101") -> bytes:
    """A description of one audio stream."""
    return "".join(
        line + "\r\n"
        for line in (
            "v=0",
            f"o=- 1 1 IN IP4 {PEER}",
            "s=-",
            f"c=IN IP4 {host}",
            "t=0 0",
            f"m=audio {port} RTP/AVP {formats}",
            "a=rtpmap:101 telephone-event/8000",
            f"a={direction}",
        )
    ).encode()


@attrs.define(eq=False)
class Script:
    """What the peer can do."""

    stage: SipStage
    peer: Peer
    nursery: trio.Nursery
    _sockets: Mapping[int, Datagrams]
    """Where audio can be sent from and heard, by port: 4000 and 4002."""
    remote: Address = ("", 0)
    """Where the node receives audio, as it said last."""
    tag: str = ""
    """The node's, once it has answered."""
    cseq: int = 0
    _audio: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    _numbers: Iterator[int] = attrs.field(factory=itertools.count)

    async def invite(self, body: bytes, *, answer: bytes = b"") -> Response:
        """Call the node, or change the call; the final response has been acknowledged, with `answer`."""
        self.cseq += 1
        invite = self.peer.ask("INVITE", body, cseq=self.cseq, tag=self.tag or None, uri=ECHO)
        while (final := await self.peer.response()).status < 200:
            pass
        self.tag = final.to.tag or ""
        if final.status == 200:
            media = Session.parse(final.body).media[0]
            self.remote = (NODE, media.port)
            self.peer.ask("ACK", answer, cseq=self.cseq, tag=self.tag, uri=ECHO)
        else:
            self.peer.send(ack_for(invite, final))
        return final

    async def bye(self) -> None:
        """Hang up."""
        self.cseq += 1
        self.peer.ask("BYE", cseq=self.cseq, tag=self.tag, uri=ECHO)
        assert (await self.peer.response()).status == 200

    def talk(self, port: int = 4000) -> None:
        """Send a packet of silence every 20 ms from this port on, and from no other."""
        self.silence()
        self._audio = trio.CancelScope()
        self.nursery.start_soon(self._talk, self._sockets[port], self._audio)

    def silence(self) -> None:
        """Send no audio."""
        self._audio.cancel()

    def heard(self, port: int = 4000) -> int:
        """How many packets have come to this port."""
        return self.stage.wire.heard[PEER, port]

    async def hears(self, port: int = 4000) -> int:
        """How many come to this port within a second, once those on their way have come."""
        await trio.sleep(0.055)
        before = self.heard(port)
        await trio.sleep(1)
        return self.heard(port) - before

    async def _talk(self, datagrams: Datagrams, scope: trio.CancelScope) -> None:
        with scope:
            for number in self._numbers:
                packet = RtpPacket(0, number, number * 160, 7, b"\xff" * 160)
                datagrams.send(packet.to_bytes(), self.remote)
                await trio.sleep(0.02)


@asynccontextmanager
async def open_script(stage: SipStage) -> AsyncIterator[Script]:
    """A peer for the length of a block."""
    host = stage.wire.network.host(PEER)
    signalling, *audio = sockets = [host.open_datagrams(PEER, port) for port in (5060, 4000, 4002)]
    _, receive = trio.open_memory_channel[SipSession](0)
    peer = Peer(signalling, Phone(stage.node.endpoint, receive))
    try:
        async with trio.open_nursery() as nursery:
            yield Script(stage, peer, nursery, {end.address[1]: end for end in audio})
            nursery.cancel_scope.cancel()
    finally:
        for end in sockets:
            end.close()
