"""SRTP and SRTCP at the boundary of a stream, against libsrtp2 in the one core and our own in the other."""

from __future__ import annotations

import attrs
import pytest

from clutch.media.params import RtpParams, SrtpKeys
from clutch.wire.rtcp import ReceiverReport, serialise_compound
from clutch.wire.rtp import RtpPacket
from clutch.wire.srtp import MAX_SOURCES, SUITES, SrtpContext
from tests.contract.pair import FAR, NEAR, PEERS, PairTrace, PlayPair
from tests.contract.trace import SSRC, TICK_US, Outcome, Peer, Play, Trace, arrival, params, payloads

SUITE = "AES_CM_128_HMAC_SHA1_80"
OURS, THEIRS, OTHER = 1, 2, 3
TICKS = 50


def key(number: int, suite: str = SUITE) -> bytes:
    """Master key and salt."""
    return bytes([number]) * SUITES[suite].material_bytes


def keyed(suite: str = SUITE, send: int = OURS, receive: int = THEIRS, *, sending: bool = True) -> RtpParams:
    """Parameters with keys."""
    return attrs.evolve(params(send=sending), keys=SrtpKeys(suite, key(send, suite), key(receive, suite)))


def context(number: int, suite: str = SUITE) -> SrtpContext:
    """The other end's."""
    return SrtpContext.open(suite, key(number, suite))


def packets(peer: Peer, sealer: SrtpContext, count: int = TICKS) -> list[bytes]:
    """Sealed audio of the peer's."""
    return [sealer.protect(peer.audio(payload)) for payload in payloads(peer, count)]


def opened(outcome: Outcome, opener: SrtpContext) -> list[bytes]:
    """What was sent, unsealed: every packet must be authentic."""
    return [opener.unprotect(frame.packet) for frame in outcome.frames if frame.packet is not None]


@pytest.mark.parametrize("suite", SUITES)
def test_both_ways(play: Play, suite: str) -> None:
    """Our sequence number and timestamp roll over within the trace (SEQUENCE, TIMESTAMP)."""
    trace = Trace(6 * TICKS)
    trace.connect(0, keyed(suite))
    for at, data in enumerate(packets(Peer(), context(THEIRS, suite), 6 * TICKS)):
        trace.receive(arrival(at), data)
    trace.bye(6 * TICKS * TICK_US - 1)
    outcome, theirs = play(trace), context(OURS, suite)
    assert len(opened(outcome, theirs)) == 6 * TICKS
    assert outcome.stats.packets_received == 6 * TICKS
    assert (outcome.stats.srtp_forged, outcome.stats.srtp_replayed, outcome.stats.malformed) == (0, 0, 0)
    for _, report in outcome.reports:
        assert theirs.unprotect_report(report.data)[4:8] == SSRC.to_bytes(4)
    assert outcome.reports


def test_plain_audio_is_not_taken_under_a_key(play: Play) -> None:
    """It is neither heard nor learnt from."""
    peer, stranger = Peer(), ("203.0.113.5", 61_000)
    trace = Trace(TICKS)
    trace.connect(0, keyed())
    for at, payload in enumerate(payloads(peer, TICKS)):
        trace.receive(arrival(at), peer.audio(payload), stranger)
    trace.receive(100, b"\x80\0", stranger)
    outcome = play(trace)
    assert (outcome.stats.srtp_forged, outcome.stats.malformed) == (TICKS, 1)
    assert (outcome.stats.packets_received, outcome.stats.wrong_source) == (0, 0)
    assert {frame.destination for frame in outcome.frames} == {params().remote}


def test_replays_are_counted_and_dropped(play: Play) -> None:
    trace = Trace(TICKS)
    trace.connect(0, keyed())
    for at, data in enumerate(packets(Peer(), context(THEIRS))):
        trace.receive(arrival(at), data)
        trace.receive(arrival(at) + 1, data, ("203.0.113.5", 61_000))
    stats = play(trace).stats
    assert (stats.packets_received, stats.srtp_replayed, stats.duplicate) == (TICKS, TICKS, 0)


def test_the_wrong_key_is_silence(play: Play) -> None:
    trace = Trace(TICKS)
    trace.connect(0, keyed())
    for at, data in enumerate(packets(Peer(), context(OTHER))):
        trace.receive(arrival(at), data)
    stats = play(trace).stats
    assert (stats.packets_received, stats.srtp_forged) == (0, TICKS)


def test_the_peers_rollover(play: Play) -> None:
    trace = Trace(TICKS)
    trace.connect(0, keyed())
    for at, data in enumerate(packets(Peer(sequence=0xFFF0), context(THEIRS))):
        trace.receive(arrival(at), data)
    assert play(trace).stats.packets_received == TICKS


def test_a_hold_keeps_the_window_and_the_rollover_counter(play: Play) -> None:
    """What is not listened to still counts; and a replay from before the hold is one after it."""
    trace, sealed = Trace(TICKS), packets(Peer(sequence=0xFFFA), context(THEIRS))
    trace.connect(0, keyed())
    trace.connect(5 * TICK_US, attrs.evolve(keyed(), receive=False))
    trace.connect(20 * TICK_US, keyed())
    for at, data in enumerate(sealed):
        trace.receive(arrival(at), data)
    trace.receive(arrival(21), sealed[1])
    stats = play(trace).stats
    assert (stats.srtp_replayed, stats.srtp_forged) == (1, 0)
    assert stats.packets_received == TICKS - 15


def test_a_new_key_in_one_direction(play: Play) -> None:
    """Ours goes on counting; theirs begins anew, whatever its sequence number."""
    peer, half = Peer(), TICKS // 2
    trace = Trace(TICKS)
    trace.connect(0, keyed())
    trace.connect(half * TICK_US, keyed(receive=OTHER))
    for at, data in enumerate(packets(peer, context(THEIRS), half) + packets(peer, context(OTHER), half)):
        trace.receive(arrival(at), data)
    outcome = play(trace)
    assert len(opened(outcome, context(OURS))) == TICKS
    assert (outcome.stats.packets_received, outcome.stats.srtp_forged) == (TICKS, 0)


def test_a_key_given_up_and_plain_again(play: Play) -> None:
    peer, half = Peer(), TICKS // 2
    trace = Trace(TICKS)
    trace.connect(0, keyed())
    trace.connect(half * TICK_US, params())
    plain = [peer.audio(payload) for payload in payloads(peer, half)]
    for at, data in enumerate(packets(Peer(), context(THEIRS), half) + plain):
        trace.receive(arrival(at), data)
    assert play(trace).stats.packets_received >= half


def test_reports(play: Play) -> None:
    """Replayed, forged, unencrypted, cut short and right ones, on both ports."""
    report, sealer = serialise_compound([ReceiverReport(7, ())]), context(THEIRS)
    sealed = [sealer.protect_report(report) for _ in range(2)]
    trace = Trace(2)
    trace.connect(0, keyed())
    for data in (sealed[0], sealed[0], report, report + bytes(14), report + bytes([0x80, *range(13)])):
        trace.receive(100, data)
    trace.receive_rtcp(100, sealed[1])
    stats = play(trace).stats
    assert (stats.reports_received, stats.reports_malformed) == (2, 1)
    assert (stats.srtp_replayed, stats.srtp_forged) == (1, 2)


def test_each_side_of_a_bridge_has_keys_of_its_own(play_pair: PlayPair) -> None:
    """Lost, late and copied packets included."""
    peer, suites = Peer(), ("AEAD_AES_128_GCM", SUITE)
    trace, parts = PairTrace(12), payloads(Peer(), 12)
    for side, suite in zip((FAR, NEAR), suites, strict=True):
        trace.connect(0, side, attrs.evolve(keyed(suite), remote=PEERS[side]))
    trace.bridge(1)
    sealer = context(THEIRS, SUITE)
    sealed = [sealer.protect(peer.audio(part)) for part in parts]
    for at, number in enumerate([0, 1, 3, 2, 5, 5, 6, 11]):
        trace.receive(arrival(at), NEAR, sealed[number])
    near, far = play_pair(trace)
    opener = context(OURS, suites[0])
    heard = [RtpPacket.parse(opener.unprotect(packet.data)).payload for packet in far.wire]
    relayed = [payload for payload in heard if payload != b"\xff" * 160]
    assert relayed == [parts[number] for number in [0, 1, 3, 2, 5, 6, 11]]
    assert (near.stats.srtp_replayed, near.stats.relayed) == (1, 7)
    theirs = context(OURS, suites[1])
    assert len([theirs.unprotect(packet.data) for packet in near.wire]) == 12


def test_a_peer_has_a_number_of_sources(play: Play) -> None:
    trace, sealer = Trace(MAX_SOURCES + 2), context(THEIRS)
    trace.connect(0, keyed())
    for ssrc in range(MAX_SOURCES + 2):
        trace.receive(arrival(ssrc), sealer.protect(Peer(ssrc=ssrc).audio(bytes(160))))
    stats = play(trace).stats
    assert (stats.packets_received, stats.srtp_forged) == (MAX_SOURCES, 2)
