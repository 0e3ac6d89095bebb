"""Malformed session descriptions, and packets that do not belong, against a running node."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from clutch.media.wav import read_wav
from clutch.wire.sdp.session import Session
from clutch.wire.sip.message import Request, Response
from tests.e2e.hearing import median_likeness
from tests.e2e.processes import (
    calling,
    clean,
    clutch,
    finish,
    footprint,
    summary,
    target,
    until,
    wait_for_footprint,
)
from tests.e2e.raw_sip import OFFER, Peer, follow, invite
from tests.interop.node import RunningNode, free_port, running_node
from tests.interop.sound import channels

FIRST_LINES, _, AUDIO = OFFER.partition("m=")
AUDIO = f"m={AUDIO}"


@pytest.fixture
def peer(attacked_node: RunningNode) -> Iterator[Peer]:
    """Somebody who talks to the shared node; after the test it is as it was before."""
    before = footprint(attacked_node)
    with Peer(attacked_node.sip_port) as peer:
        yield peer
    wait_for_footprint(attacked_node, before)
    assert clean(attacked_node), attacked_node.log()


UNREADABLE: dict[str, str | bytes] = {
    "words": "hello",
    "bytes": b"\x80\x00\xff\xfe" * 50,
    "only_line_breaks": "\n\n\n",
    "no_version": OFFER.removeprefix("v=0\n"),
    "another_version": OFFER.replace("v=0", "v=1"),
    "no_origin": OFFER.replace("o=- 1 1 IN IP4 127.0.0.1\n", ""),
    "lines_without_equals": OFFER.replace("t=0 0", "t 0 0"),
    "null_in_a_line": OFFER.replace("s=-", "s=\0"),
    "no_address": OFFER.replace("c=IN IP4 127.0.0.1\n", ""),
    "half_an_address": OFFER.replace("c=IN IP4 127.0.0.1", "c=IN IP4"),
    "address_of_another_network": OFFER.replace("c=IN IP4", "c=ATM NSAP"),
    "port_too_large": OFFER.replace("40000", "99999"),
    "port_of_words": OFFER.replace("40000", "many"),
    "port_below_zero": OFFER.replace("40000", "-1"),
    "no_formats": OFFER.replace(" 0 8 101", ""),
    "mapping_of_nonsense": OFFER.replace("a=rtpmap:8 PCMA/8000", "a=rtpmap:8"),
    "too_many_streams": FIRST_LINES + AUDIO * 200,
}
"""Refused with 400."""

UNUSABLE = {
    "no_streams": FIRST_LINES,
    "video_only": FIRST_LINES + "m=video 40000 RTP/AVP 31\n",
    "stream_switched_off": OFFER.replace("40000", "0"),
    "encrypted_only": OFFER.replace("RTP/AVP", "RTP/SAVP"),
    "codec_unknown": OFFER.replace("0 8 101", "77").replace("PCM", "SPEEX"),
    "events_only": OFFER.replace("0 8 101", "101"),
    "another_family": OFFER.replace("IP4 127.0.0.1", "IP6 ::1"),
    "name_for_an_address": OFFER.replace("c=IN IP4 127.0.0.1", "c=IN IP4 host.invalid"),
}
"""Refused with 488."""

ODD_BUT_RIGHT: dict[str, str | bytes] = {
    "line_feeds_only": OFFER.encode(),
    "a_session_line_unknown": OFFER.replace("s=-", "s=-\ni=a\nz=0 0\nk=clear:x"),
    "attributes_unknown": OFFER + "a=frobnicate:1 2 3\na=ptime:abc\na=fmtp:0\n",
    "another_stream_beside": OFFER + "m=video 40002 RTP/AVP 31\n",
    "no_time": OFFER.replace("t=0 0\n", ""),
    "on_hold": OFFER.replace("sendrecv", "inactive"),
    "on_hold_the_old_way": OFFER.replace("c=IN IP4 127.0.0.1", "c=IN IP4 0.0.0.0"),
    "twelve_thousand_lines": OFFER + "a=x\n" * 12_000,
    "bytes_that_are_no_text": OFFER.replace("s=-", "s=\udcff\udcfe"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_description_that_cannot_be_read_is_refused(peer: Peer, name: str) -> None:
    assert peer.ask(invite(body=UNREADABLE[name])).status == 400


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_description_that_cannot_be_used_is_refused_with_the_reason(peer: Peer, name: str) -> None:
    answer = peer.ask(invite(body=UNUSABLE[name]))
    assert answer.status == 488
    assert answer.headers.get("Warning")


@pytest.mark.parametrize("name", ODD_BUT_RIGHT)
def test_an_odd_description_that_is_right_makes_a_call(peer: Peer, name: str) -> None:
    answer = peer.ask(invite(body=ODD_BUT_RIGHT[name]))
    assert answer.status == 200
    assert Session.parse(answer.body).media[0].port
    peer.hang_up(answer)


@pytest.mark.parametrize("body", ["", "hello", UNUSABLE["codec_unknown"]])
def test_an_ack_without_a_usable_answer_ends_the_call(peer: Peer, body: str) -> None:
    """The INVITE had no offer, so ours is in the 200 and the answer belongs in the ACK."""
    offer = peer.ask(invite(body="", Contact=peer.contact))
    assert offer.status == 200
    peer.send(follow(offer, "ACK", body))
    bye = next(message for message in iter(peer.receive, None) if isinstance(message, Request))
    assert bye.method == "BYE"
    peer.send(Response(200, "OK", bye.headers).to_bytes())


@pytest.mark.parametrize("body", [UNREADABLE["words"], UNUSABLE["codec_unknown"]])
def test_a_change_that_cannot_be_made_leaves_the_call(
    peer: Peer, attacked_node: RunningNode, body: str
) -> None:
    answer = peer.ask(invite())
    peer.send(follow(answer, "ACK"))
    refused = peer.ask(follow(answer, "INVITE", body, step=1))
    assert refused.status in {400, 488}
    assert attacked_node.status()["calls"] == 1
    assert peer.ask(follow(answer, "BYE", step=2)).status == 200


def test_garbled_descriptions(peer: Peer) -> None:
    rng = random.Random(8866)
    for number in range(600):
        body = bytearray(OFFER.replace("\n", "\r\n").encode())
        for _ in range(rng.randrange(1, 5)):
            at = rng.randrange(len(body))
            body[at : at + rng.randrange(3)] = rng.choice(
                [rng.randbytes(1), b"", b"9" * 12, b"\r\n", b"m=audio 1 "]
            )
        peer.send(invite(body=bytes(body)))
        if number % 10 == 0:
            peer.catch_up()
    peer.catch_up()


@attrs.frozen
class Vandal:
    """Somebody at another address who sends to media ports what does not belong there."""

    socket: socket.socket
    ports: list[int]

    def throw(self, packet: bytes) -> None:
        """Send to every port."""
        for port in self.ports:
            self.socket.sendto(packet, ("127.0.0.1", port))


def packet(payload_type: int, seq: int, ssrc: int, payload: bytes) -> bytes:
    """An RTP packet."""
    head = bytes([0x80, payload_type]) + seq.to_bytes(2, "big") + (160 * seq).to_bytes(4, "big")
    return head + ssrc.to_bytes(4, "big") + payload


def rtcp(kind: int, ssrc: int) -> bytes:
    """An RTCP packet: a sender report (200) or a goodbye (203)."""
    body = ssrc.to_bytes(4, "big") + (bytes(20) if kind == 200 else b"")
    return bytes([0x81 if kind == 203 else 0x80, kind]) + (len(body) // 4).to_bytes(2, "big") + body


def rtp_ports(pid: int) -> list[int]:
    """The UDP ports of a process that are in the range of media ports."""
    inodes = {Path(f"/proc/{pid}/fd/{fd.name}").readlink().name for fd in Path(f"/proc/{pid}/fd").iterdir()}
    rows = [line.split() for line in Path("/proc/net/udp").read_text().splitlines()[1:]]
    ports = [int(row[1].partition(":")[2], 16) for row in rows if f"socket:[{row[9]}]" in inodes]
    return [port for port in ports if 33_000 <= port < 65_000]


def test_packets_that_do_not_belong_do_not_hurt_a_call(speech: Path, tmp_path: Path) -> None:
    """Everything from a foreign source: the call's own is fuzzed where the media plane is tested."""
    rng = random.Random(3550)
    ports = range(free_port(), 65_536)[:8]
    heard = tmp_path / "heard.wav"
    few = (f"rtp.first_port={ports[0]}", f"rtp.last_port={ports[-1]}")
    options = ("--play", str(speech), "--record", str(heard), "--codec", "pcmu")
    with (
        running_node(tmp_path / "data", *few) as node,
        socket.socket(type=socket.SOCK_DGRAM) as foreign,
    ):
        before = footprint(node)
        with calling(node, "echo", *options) as caller:
            until(heard.exists, "the caller hears something")
            vandal = Vandal(foreign, [*ports, *rtp_ports(caller.pid)])
            number = 0
            while caller.poll() is None:
                number += 1
                vandal.throw(rng.randbytes(rng.randrange(1, 400)))
                vandal.throw(b"")
                vandal.throw(packet(0, number, 7, b"\xff" * 160)[: rng.randrange(1, 14)])
                vandal.throw(packet(96, number, 7, b"\xff" * 160))
                vandal.throw(packet(0, number, 7, rng.randbytes(160)))
                vandal.throw(packet(0, number, number, rng.randbytes(rng.randrange(1400))))
                vandal.throw(packet(101, number, 7, bytes([number % 16, 0x80, 0, 160])))
                vandal.throw(rtcp(200, 7))
                vandal.throw(rtcp(203, 7))
                time.sleep(0.002)  # more than a packet each: the machine has other things to do
            done = finish(caller)
        wait_for_footprint(node, before)
        result = summary(done)
        print(number, result["media"])
        assert (done.returncode, result["status"], result["reason"]) == (0, "completed", "normal")
        assert all(result["media"][counter] > 0 for counter in ("malformed", "wrong_payload", "wrong_source"))
        assert result["media"]["ssrc_changes"] == 0
        assert median_likeness(read_wav(speech), read_wav(heard)) > 0.95
        (recording,) = node.recordings()
        for side in channels(recording):
            assert median_likeness(read_wav(speech), side) > 0.95
        assert node.stop() == 0
        assert clean(node), node.log()


def test_after_all_that_a_call_is_a_call(attacked_node: RunningNode) -> None:
    done = clutch("call", target(attacked_node, "echo"), "--duration", "0.5", "--json")
    assert (done.returncode, summary(done)["status"]) == (0, "completed")
