"""Malformed SIP against a running node: the RFC's answer or silence, a counter, and nothing left behind."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from clutch.wire.sip.message import Response
from tests.e2e.processes import clean, clutch, footprint, summary, target, wait_for_footprint
from tests.e2e.raw_sip import OFFER, Peer, crlf, draft, invite
from tests.interop.node import RunningNode
from tests.wire.test_sip_torture_invalid import BIGCODE, REFUSED, SCALARLG

SEED = 4475


@pytest.fixture
def peer(attacked_node: RunningNode) -> Iterator[Peer]:
    """Somebody who talks to the shared node; after the test it is as it was before."""
    before = footprint(attacked_node)
    with Peer(attacked_node.sip_port) as peer:
        yield peer
        peer.catch_up()
    wait_for_footprint(attacked_node, before)
    assert clean(attacked_node), attacked_node.log()


MALFORMED = {
    "no_call_id": draft("OPTIONS", Call_ID=None),
    "no_from": draft("OPTIONS", From=None),
    "no_to": draft("OPTIONS", To=None),
    "no_cseq": draft("OPTIONS", CSeq=None),
    "cseq_of_another_method": draft("OPTIONS", CSeq="1 INVITE"),
    "cseq_too_large": draft("OPTIONS", CSeq="4294967296 OPTIONS"),
    "two_call_ids": draft("OPTIONS", call_id="another"),
    "content_length_of_words": draft("OPTIONS", Content_Length="many"),
    "content_length_below_zero": draft("OPTIONS", Content_Length="-1"),
    "content_length_beyond_the_datagram": draft("OPTIONS", Content_Length="10"),
    "max_forwards_too_large": draft("OPTIONS", Max_Forwards="256"),
    "request_uri_in_brackets": draft("OPTIONS", uri="<sip:echo@127.0.0.1>"),
    "request_uri_with_headers": draft("OPTIONS", uri="sip:echo@127.0.0.1?Subject=x"),
    "from_without_an_end": draft("OPTIONS", From='"Tester <sip:tester@127.0.0.1>'),
    "contact_of_nonsense": invite(Contact="<<>>"),
    "no_contact": invite(Contact=None),
    "description_of_nonsense": invite(body="hello"),
}
"""All answered with 400 (RFC 3261 section 21.4.1)."""

REFUSALS: dict[str, tuple[bytes, int, str, str | None]] = {
    "not_a_method_of_ours": (draft("REGISTER"), 405, "Allow", "INVITE"),
    "not_a_method_at_all": (draft("FROBNICATE"), 405, "Allow", "INVITE"),
    "text_instead_of_a_description": (
        invite(body="hi", Content_Type="text/plain"),
        415,
        "Accept",
        "application/sdp",
    ),
    "no_type": (invite(Content_Type=None), 415, "Accept", "application/sdp"),
    "packed": (invite(Content_Encoding="gzip"), 415, "Accept-Encoding", "identity"),
    "not_a_scheme_of_ours": (draft("OPTIONS", uri="http://127.0.0.1/"), 416, "To", None),
    "not_an_option_of_ours": (invite(Require="100rel, teleport"), 420, "Unsupported", "teleport"),
    "bye_to_nothing": (draft("BYE"), 481, "To", None),
    "cancel_of_nothing": (draft("CANCEL"), 481, "To", None),
    "change_of_nothing": (invite(To="<sip:echo@127.0.0.1>;tag=never"), 481, "To", None),
    "nobody_of_that_name": (invite("nobody"), 404, "To", None),
    "codecs_that_nobody_has": (
        invite(body=OFFER.replace("0 8 101", "18").replace("PCM", "G729")),
        488,
        "Warning",
        "305",
    ),
    "another_version": (draft("OPTIONS").replace(b"SIP/2.0\r\n", b"SIP/3.0\r\n", 1), 505, "To", None),
}
"""Requests, the status that refuses each, and what that response says about it."""


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_request_is_answered(peer: Peer, attacked_node: RunningNode, name: str) -> None:
    answer = peer.ask(MALFORMED[name])
    assert answer.status == 400
    assert answer.reason


@pytest.mark.parametrize("name", REFUSALS)
def test_a_request_that_we_cannot_serve_is_refused(peer: Peer, name: str) -> None:
    request, status, field, said = REFUSALS[name]
    answer = peer.ask(request)
    assert answer.status == status
    assert (said or "") in ", ".join(answer.headers.get_all(field))
    assert ";tag=" in (answer.headers.get("To") or "")


def test_the_same_request_by_two_ways_is_a_loop(peer: Peer) -> None:
    twice = invite("echo", From="<sip:tester@127.0.0.1>;tag=loop", Call_ID="loop")
    answer = peer.ask(twice)
    assert answer.status == 200
    again = peer.ask(twice.replace(b"branch=z9hG4bK", b"branch=z9hG4bKagain"))
    assert again.status == 482
    peer.hang_up(answer)


@pytest.fixture(scope="module")
def torture_host() -> str:
    """A loopback address of this test run alone: the messages of RFC 4475 ask for answers at port 5060."""
    return f"127.{os.getpid() >> 16 & 255 | 1}.{os.getpid() >> 8 & 255}.{os.getpid() & 255 or 1}"


@pytest.mark.parametrize("name", sorted(REFUSED.keys() - {"quotbal"}))
def test_the_invalid_messages_of_rfc_4475(attacked_node: RunningNode, torture_host: str, name: str) -> None:
    text, status = REFUSED[name]
    before = attacked_node.status()["sip"]["malformed"]
    with Peer(attacked_node.sip_port, torture_host, 5060) as peer:
        peer.send(crlf(text))
        answer = peer.receive()
        peer.catch_up()
    assert isinstance(answer, Response)
    assert answer.status == status
    assert attacked_node.status()["sip"]["malformed"] == before + 1


SILENT = {
    "nothing_readable": b"\x00\x01\x02\x03" * 40,
    "text": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "no_via": draft("OPTIONS", Via=None),
    "via_of_nonsense": draft("OPTIONS", Via="somewhere"),
    "ack_of_nothing": draft("ACK"),
    "broken_ack": draft("ACK", CSeq="1 INVITE"),
    "response_to_nothing": draft("OPTIONS").replace(
        b"OPTIONS sip:echo@127.0.0.1 SIP/2.0", b"SIP/2.0 200 OK", 1
    ),
    "response_with_a_huge_code": crlf(BIGCODE),
    "response_with_a_huge_cseq": crlf(SCALARLG),
    "rtp": bytes.fromhex("80000001000000a0deadbeef") + bytes(160),
    "stun": bytes.fromhex("000100002112a442") + bytes(12),
}


@pytest.mark.parametrize("name", SILENT)
def test_what_cannot_or_must_not_be_answered_is_counted_in_silence(
    peer: Peer, attacked_node: RunningNode, name: str
) -> None:
    before = attacked_node.status()["sip"]
    peer.send(SILENT[name])
    answers: list[Response] = []
    peer.catch_up(answers.append)
    after = attacked_node.status()["sip"]
    assert answers == []
    assert after["malformed"] + after["stray"] == before["malformed"] + before["stray"] + 1


@pytest.mark.parametrize("ping", [b"", b"\r\n\r\n", b"\0", b"    "])
def test_keep_alives_are_not_counted(peer: Peer, attacked_node: RunningNode, ping: bytes) -> None:
    before = attacked_node.status()["sip"]["malformed"]
    peer.send(ping)
    peer.catch_up()
    assert attacked_node.status()["sip"]["malformed"] == before


Mutation = Callable[[random.Random], bytes]


def noise(rng: random.Random) -> bytes:
    """Bytes, sometimes with a beginning that looks right."""
    start = rng.choice([b"", b"", b"INVITE sip:echo@127.0.0.1 SIP/2.0\r\n", b"SIP/2.0 ", b"\r\n"])
    return start + rng.randbytes(rng.randrange(1, 1500))


def whole_invite(rng: random.Random, user: str = "nobody") -> bytes:
    """An INVITE that is the same for the same seed, whatever else was made before."""
    number = f"{rng.getrandbits(32):08x}"
    return invite(
        user,
        Via=f"SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK{number};rport",
        From=f"<sip:tester@127.0.0.1>;tag={number}",
        Call_ID=number,
    )


def cut(rng: random.Random) -> bytes:
    """An INVITE that ends too early."""
    whole = whole_invite(rng, "echo")
    return whole[: rng.randrange(len(whole))]


def garbled(rng: random.Random) -> bytes:
    """An INVITE with some bytes changed, removed or doubled; not in its Via, so that its answers find us."""
    whole = whole_invite(rng, rng.choice(["echo", "nobody", "nobody"]))
    kept = whole.index(b"Max-Forwards")
    data = bytearray(whole)
    for _ in range(rng.randrange(1, 6)):
        at = rng.choice([rng.randrange(12), rng.randrange(kept, len(data))])
        match rng.randrange(4):
            case 0:
                data[at] = rng.randrange(256)
            case 1:
                del data[at : at + rng.randrange(1, 30)]
            case 2:
                data[at:at] = data[at : at + rng.randrange(1, 30)]
            case _:
                data[at:at] = rng.choice(
                    [b"\0", b"\r\n", b",", b";;", b"\xff\xfe", b"%", b'"', b"<", b": ", b"9" * 40]
                )
    return bytes(data)


def shuffled(rng: random.Random) -> bytes:
    """An INVITE with its header fields in another order, and perhaps one or two lost."""
    head, _, body = whole_invite(rng, "echo").partition(b"\r\n\r\n")
    first, via, *lines = head.split(b"\r\n")
    rng.shuffle(lines)
    return b"\r\n".join([first, via, *lines[rng.randrange(3) :], b"", body])


@pytest.mark.parametrize(("make", "times"), [(noise, 1500), (cut, 1000), (garbled, 1500), (shuffled, 500)])
def test_thousands_of_them(peer: Peer, attacked_node: RunningNode, make: Mutation, times: int) -> None:
    rng = random.Random(SEED)
    before = attacked_node.status()["sip"]["malformed"]
    seen: Counter[int] = Counter()
    for number in range(times):
        peer.send(make(rng))
        if number % 20 == 0:
            peer.catch_up(lambda response: seen.update([response.status]))
    peer.catch_up(lambda response: seen.update([response.status]))
    print(make.__name__, dict(sorted(seen.items())))
    assert not seen[500]
    assert attacked_node.status()["sip"]["malformed"] > before + times // 10


def test_after_all_that_a_call_is_a_call(attacked_node: RunningNode) -> None:
    done = clutch("call", target(attacked_node, "echo"), "--duration", "0.5", "--json")
    assert (done.returncode, summary(done)["status"]) == (0, "completed")
