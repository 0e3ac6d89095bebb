"""Alice with media, and a scripted peer that calls her or is called."""

from __future__ import annotations

import attrs

from clutch.legs.sip import SipLeg, Terms
from clutch.media.params import RtpParams
from clutch.net.twin_plane import TwinPlane
from clutch.wire.sip.message import Response
from tests.net.sip_world import BOB, Peer


def sdp(direction: str = "sendrecv", formats: str = "0 8 101", host: str = BOB) -> bytes:
    lines = [
        "v=0",
        f"o=- 1 1 IN IP4 {host}",
        "s=-",
        f"c=IN IP4 {host}",
        "t=0 0",
        f"m=audio 4000 RTP/AVP {formats}",
        "a=rtpmap:101 telephone-event/8000",
        f"a={direction}",
    ]
    return "".join(line + "\r\n" for line in lines).encode()


@attrs.define(eq=False)
class Bench:
    """Alice with media, and the scripted peer."""

    peer: Peer
    plane: TwinPlane
    terms: Terms
    connects: list[RtpParams]
    """What the stream was connected with, each time."""

    async def ring_in(self, body: bytes = b"") -> SipLeg:
        self.peer.ask("INVITE", body)
        session = await self.peer.alice.next_call()
        return SipLeg.inbound(session, self.plane.open("in"), self.terms)

    def dial(self) -> SipLeg:
        return SipLeg.outbound(self.peer.place, self.plane.open("out"), self.terms)

    async def final(self) -> Response:
        while (response := await self.peer.response()).status < 200:
            pass
        return response

    async def answered(self, body: bytes) -> tuple[SipLeg, str]:
        """A call of the peer's that is up, and Alice's tag."""
        leg = await self.ring_in(body)
        await leg.connect(never)
        tag = (await self.final()).to.tag or ""
        self.peer.ask("ACK", tag=tag)
        return leg, tag


def never() -> None:
    raise AssertionError("an answering leg does not hear it ring")
