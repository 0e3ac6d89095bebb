"""Somebody else sends to our ports: in every mode none of it is heard, and nothing of the call goes to him.

Here what can be seen of streams; tests of the planes have the port of an ended call. The peer says 0x55 in
µ-law and nothing else, the attacker 0xAA, so that a single sample of his is seen.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest

from clutch.media.params import Address, RtpParams, SrtpKeys
from clutch.wire.rtcp import Bye, ReceiverReport, ReportBlock, RtcpPacket, SenderReport, serialise_compound
from clutch.wire.rtp import RtpPacket
from clutch.wire.srtp.context import SrtpContext
from clutch.wire.telephone_event import TelephoneEvent
from tests.contract.pair import FAR, FIRST, NEAR, PEERS, End, PairTrace, PlayPair
from tests.contract.trace import EVENTS, PCMU, TICK_US, Peer, arrival

TICKS = 120
SUITE = "AES_CM_128_HMAC_SHA1_80"
NEAR_KEYS = SrtpKeys(SUITE, b"s" * 30, b"r" * 30)
ATTACKER: Address = ("203.0.113.66", 6666)
NAT: Address = ("192.0.2.99", 33_333)
"""Where the peer's packets really come from, if it is behind one."""
OURS, HIS = b"\x55" * 160, b"\xaa" * 160
PEER_SSRC = 0xCAFE


@attrs.frozen(eq=False)
class Mode:
    """How the attacked stream is used."""

    bridged: bool
    tapped: bool = False
    natted: bool = False
    keys: SrtpKeys | None = None

    @property
    def source(self) -> Address:
        """Where the peer's packets come from."""
        return NAT if self.natted else PEERS[NEAR]

    @property
    def params(self) -> RtpParams:
        """Of the attacked stream."""
        return RtpParams(PEERS[NEAR], PCMU, EVENTS, timeout_ms=0, keys=self.keys)

    def trace(self, attack: Attack) -> PairTrace:
        """A call of a speaking peer, and the attack."""
        trace = PairTrace(TICKS)
        trace.connect(0, NEAR, self.params)
        trace.connect(0, FAR, RtpParams(PEERS[FAR], PCMU, EVENTS, timeout_ms=0))
        if self.bridged:
            trace.bridge(1)
        if self.tapped:
            trace.tap(2, NEAR)
        peer, sealer = Peer(ssrc=PEER_SSRC), SrtpContext.open(SUITE, b"r" * 30)
        for number in range(TICKS - 10):
            data = peer.audio(OURS)
            trace.receive(arrival(number), NEAR, sealer.protect(data) if self.keys else data, self.source)
        attack(trace, self)
        return trace


Attack = Callable[[PairTrace, Mode], None]
MODES = {
    "decoded": Mode(bridged=False),
    "bridged": Mode(bridged=True),
    "bridged and tapped": Mode(bridged=True, tapped=True),
    "decoded, behind a NAT": Mode(bridged=False, natted=True),
    "bridged, behind a NAT": Mode(bridged=True, natted=True),
    "encrypted": Mode(bridged=False, keys=NEAR_KEYS),
    "encrypted and bridged": Mode(bridged=True, keys=NEAR_KEYS),
}
ATTACKED = range(10, TICKS - 10)
"""Packets of the peer from which on the stream knows it, in every mode."""


def spray(trace: PairTrace, numbers: range, source: Address, ssrc: int, count: int = 8) -> None:
    """`count` packets of his beside each of the peer's, spread over 20 ms, with numbers close to its."""
    his = Peer(ssrc=ssrc)
    for number in numbers:
        his.sequence, his.timestamp = Peer().sequence + number + 1, Peer().timestamp + 160 * number
        for step in range(count):
            at_us = number * TICK_US + step * (TICK_US // count)
            trace.receive(at_us, NEAR, his.audio(HIS), source)


def after_the_lock(trace: PairTrace, mode: Mode) -> None:
    """From elsewhere, as somebody of his own."""
    spray(trace, ATTACKED, ATTACKER, 7)


def with_the_peers_ssrc(trace: PairTrace, mode: Mode) -> None:
    """From elsewhere, with the right SSRC and numbers."""
    spray(trace, ATTACKED, ATTACKER, PEER_SSRC)


def with_many_ssrcs(trace: PairTrace, mode: Mode) -> None:
    """From elsewhere, each packet as another source."""
    for number in ATTACKED:
        for ssrc in range(20):
            data = RtpPacket(0, number, number * 160, number * 20 + ssrc, HIS).to_bytes()
            trace.receive(number * TICK_US + ssrc * 900, NEAR, data, ATTACKER)


def from_the_signalled_address(trace: PairTrace, mode: Mode) -> None:
    """From where signalling said that the peer is: a forged address, unless the peer is behind a NAT."""
    spray(trace, ATTACKED, PEERS[NEAR], 7)


def with_keys(trace: PairTrace, mode: Mode) -> None:
    """Telephone events that nobody pressed."""
    for number in ATTACKED:
        payload = TelephoneEvent(9, True, 10, 800).to_bytes()
        data = RtpPacket(EVENTS, number, number * 160, PEER_SSRC, payload).to_bytes()
        trace.receive(arrival(number), NEAR, data, ATTACKER)


def with_reports(trace: PairTrace, mode: Mode) -> None:
    """RTCP on both ports: goodbyes, and reports of terrible reception."""
    block = ReportBlock(FIRST[NEAR][0], 255, 2**20, 9, 2**30, 1, 1)
    for number in ATTACKED:
        for first in (SenderReport(PEER_SSRC, 1, 2, 3, 4, (block,)), ReceiverReport(PEER_SSRC, (block,))):
            packets: list[RtcpPacket] = [first, Bye((PEER_SSRC,))]
            data = serialise_compound(packets)
            trace.receive(arrival(number), NEAR, data, ATTACKER)
            trace.receive_rtcp(arrival(number), NEAR, data, (ATTACKER[0], ATTACKER[1] + 1))


def at_a_reinvite(trace: PairTrace, mode: Mode) -> None:
    """Signalling repeats what it said, ten times, while he sprays: that opens nothing."""
    for number in ATTACKED[::5]:
        trace.connect(arrival(number) + 1, NEAR, mode.params)
    spray(trace, ATTACKED, ATTACKER, 7)


ATTACKS: list[Attack] = [
    after_the_lock,
    with_the_peers_ssrc,
    with_many_ssrcs,
    from_the_signalled_address,
    with_keys,
    with_reports,
    at_a_reinvite,
]


def heard(near: End, far: End) -> bytes:
    """All that reached somebody's ear: what was decoded, and what went on."""
    return b"".join(uplink.tobytes() for _, uplink, _ in near.frames) + b"".join(far.payloads)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_nothing_is_injected_and_nothing_leaks(play_pair: PlayPair, mode: Mode, attack: Attack) -> None:
    near, far = play_pair(mode.trace(attack))
    quiet_near, quiet_far = play_pair(mode.trace(lambda trace, mode: None))
    assert heard(near, far) == heard(quiet_near, quiet_far)
    assert near.events == quiet_near.events == []
    assert near.stats.remote_lost == near.stats.round_trips == near.stats.ssrc_changes == 0
    for wire, quiet in ((near.wire, quiet_near.wire), (far.wire, quiet_far.wire)):
        assert [packet.destination for packet in wire] == [packet.destination for packet in quiet]
    reports = {report.destination for end in (near, far) for _, report in end.reports}
    assert reports <= {mode.source, *PEERS}
    assert near.stats.packets_received == quiet_near.stats.packets_received


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_who_speaks_before_the_peer_loses_to_it(play_pair: PlayPair, mode: Mode) -> None:
    """He sprays while the stream learns, but each time as somebody else, or four times as one."""

    def attack(trace: PairTrace, mode: Mode) -> None:
        for number in range(4):
            trace.receive(number * 1000 + 10, NEAR, Peer(ssrc=number).audio(HIS), ATTACKER)
        spray(trace, range(1), ATTACKER, 9, 4)

    near, far = play_pair(mode.trace(attack))
    assert HIS not in heard(near, far)
    assert {packet.destination for packet in near.wire[ATTACKED.start :]} == {mode.source}


def test_without_the_key_nobody_is_learnt(play_pair: PlayPair) -> None:
    """Without keys the first steady one is believed: symmetric RTP has no other way."""
    mode = MODES["encrypted"]
    near, far = play_pair(mode.trace(lambda trace, mode: spray(trace, range(1), ATTACKER, 9)))
    assert near.stats.srtp_forged == 8
    assert HIS not in heard(near, far)
    assert {packet.destination for packet in near.wire} == {PEERS[NEAR]}
