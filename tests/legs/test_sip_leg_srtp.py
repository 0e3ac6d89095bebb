"""Keys for SRTP through the life of a leg: agreed on, kept, changed, given up."""

from __future__ import annotations

import base64

import attrs
import pytest
import trio
from trio.testing import MockClock

from actors.call import LegEnded, Reason
from clutch.media.params import SrtpKeys
from clutch.wire.sdp import Crypto, Session
from clutch.wire.srtp import SUITES
from tests.legs.stage import Bench, never, sdp

CM_80, CM_32 = "AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32"


def key(number: int) -> bytes:
    """One of the peer's, for either suite."""
    return bytes([number]) * SUITES[CM_80].material_bytes


def secure(*keys: tuple[str, int], protocol: str = "RTP/SAVP", tag: int = 1) -> bytes:
    """The peer's description with keys."""
    body = sdp().replace(b"RTP/AVP", protocol.encode())
    for number, (suite, seed) in enumerate(keys, tag):
        inline = base64.b64encode(key(seed)).decode()
        body += f"a=crypto:{number} {suite} inline:{inline}\r\n".encode()
    return body


def crypto(body: bytes) -> Crypto:
    """The only key of ours in a description."""
    (found,) = Session.parse(body).media[0].cryptos
    return found


async def test_an_offer_with_a_key_is_answered_with_ours(autojump_clock: MockClock, bench: Bench) -> None:
    leg = await bench.ring_in(secure((CM_80, 1)))
    await leg.connect(never)
    body = (await bench.final()).body
    (params,) = bench.connects
    assert Session.parse(body).media[0].protocol == "RTP/SAVP"
    assert params.keys == SrtpKeys(CM_80, crypto(body).material or b"", key(1))
    assert leg.suite == CM_80


@pytest.mark.parametrize("must", [True, False])
async def test_plain_rtp_is_taken_unless_it_is_out_of_the_question(
    autojump_clock: MockClock, bench: Bench, must: bool
) -> None:
    bench.terms = attrs.evolve(bench.terms, must_encrypt=must)
    leg = await bench.ring_in(sdp())
    if must:
        with pytest.raises(LegEnded) as end:
            await leg.connect(never)
        assert end.value.cause.reason is Reason.NOT_ACCEPTABLE
    else:
        await leg.connect(never)
    response = await bench.final()
    assert response.status == (488 if must else 200)
    assert leg.suite is None


async def test_who_does_not_encrypt_refuses_who_must(autojump_clock: MockClock, bench: Bench) -> None:
    bench.terms = attrs.evolve(bench.terms, suites=())
    leg = await bench.ring_in(secure((CM_80, 1)))
    with pytest.raises(LegEnded):
        await leg.connect(never)
    assert (await bench.final()).status == 488


async def test_the_peer_changes_its_key_and_ours_stays(
    autojump_clock: MockClock, bench: Bench, nursery: trio.Nursery
) -> None:
    leg, tag = await bench.answered(secure((CM_80, 1)))
    nursery.start_soon(leg.ended)
    for number, seed in enumerate((1, 2), 2):
        bench.peer.ask("INVITE", secure((CM_80, seed)), cseq=number, tag=tag)
        await bench.final()
        bench.peer.ask("ACK", cseq=number, tag=tag)
    keys = [params.keys for params in bench.connects]
    ours = keys[0].send if keys[0] else b""
    assert keys == [SrtpKeys(CM_80, ours, key(seed)) for seed in (1, 1, 2)]


async def test_a_key_of_ours_is_never_taken_up_again(
    autojump_clock: MockClock, bench: Bench, nursery: trio.Nursery
) -> None:
    """Its packet index would begin anew, and so would its keystream."""
    leg, tag = await bench.answered(secure((CM_80, 1)))
    nursery.start_soon(leg.ended)
    changes = [secure((CM_32, 1)), secure((CM_80, 1)), sdp(), secure((CM_80, 1))]
    for number, body in enumerate(changes, 2):
        bench.peer.ask("INVITE", body, cseq=number, tag=tag)
        assert (await bench.final()).status == 200
        bench.peer.ask("ACK", cseq=number, tag=tag)
    used = [params.keys for params in bench.connects]
    assert [keys.suite if keys else None for keys in used] == [CM_80, CM_32, CM_80, None, CM_80]
    assert len({keys.send for keys in used if keys}) == 4


async def test_our_offer_in_mid_call_keeps_the_key(
    autojump_clock: MockClock, bench: Bench, nursery: trio.Nursery
) -> None:
    leg, tag = await bench.answered(secure((CM_32, 1)))
    nursery.start_soon(leg.ended)
    bench.peer.ask("INVITE", cseq=2, tag=tag)  # our turn to offer
    media = Session.parse((await bench.final()).body).media[0]
    assert media.protocol == "RTP/SAVP"
    assert (media.cryptos[0].tag, media.cryptos[0].suite) == (1, CM_32)
    bench.peer.ask("ACK", secure((CM_32, 3)), cseq=2, tag=tag)
    await trio.sleep(0.1)
    before, after = (params.keys for params in bench.connects)
    assert before is not None
    assert after == SrtpKeys(CM_32, before.send, key(3))
    assert media.cryptos[0].material == before.send


@pytest.mark.parametrize(
    ("must", "answer", "suite"),
    [
        (False, secure((CM_80, 1), protocol="RTP/AVP", tag=2), CM_80),
        (False, sdp(), None),
        (True, secure((CM_80, 1), tag=2), CM_80),
    ],
)
async def test_a_call_that_offers_keys(
    autojump_clock: MockClock,
    bench: Bench,
    nursery: trio.Nursery,
    must: bool,
    answer: bytes,
    suite: str | None,
) -> None:
    bench.terms = attrs.evolve(bench.terms, must_encrypt=must)
    leg = bench.dial()
    nursery.start_soon(leg.connect, lambda: None)
    invite = await bench.peer.request()
    media = Session.parse(invite.body).media[0]
    assert media.protocol == ("RTP/SAVP" if must else "RTP/AVP")
    assert [line.suite for line in media.cryptos] == ["AEAD_AES_128_GCM", CM_80]
    bench.peer.answer(invite, 200, body=answer)
    assert (await bench.peer.request()).method == "ACK"
    assert leg.suite == suite


@pytest.mark.parametrize("answer", [sdp(), secure(), secure((CM_32, 1)), secure((CM_80, 1))])
async def test_an_answer_without_a_key_of_our_offer_ends_the_call(
    autojump_clock: MockClock, bench: Bench, nursery: trio.Nursery, answer: bytes
) -> None:
    async def reply() -> None:
        bench.peer.answer(await bench.peer.request(), 200, body=answer)

    bench.terms = attrs.evolve(bench.terms, must_encrypt=True)
    nursery.start_soon(reply)
    leg = bench.dial()
    with pytest.raises(LegEnded) as end:
        await leg.connect(lambda: None)
    assert end.value.cause.reason is Reason.NOT_ACCEPTABLE
    leg.close()
