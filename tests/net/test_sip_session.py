"""Sessions against a scripted peer: changes in mid-call, authentication, forks, bad manners."""

from __future__ import annotations

import itertools

import pytest
import trio
from trio.testing import MockClock

from clutch.net.memory import MemoryNetwork
from clutch.net.sip import (
    Acked,
    Answered,
    Bye,
    Cancelled,
    Failed,
    Failure,
    Info,
    Offer,
    Rejected,
    SessionState,
    SipSession,
)
from clutch.net.sip.session import MAX_CHALLENGES
from clutch.wire.sip.dialog import Dialog
from clutch.wire.sip.digest import DigestClient, DigestServer, Verified
from clutch.wire.sip.message import Request, response_to
from tests.net.sip_world import ALICE, ANSWER, BOB, OFFER, Peer, World, soon


async def offer_of(session: SipSession) -> Offer:
    event = await soon(session)
    assert isinstance(event, Offer)
    return event


# --- The session changes.


async def test_a_reinvite_is_offered_answered_and_acknowledged(autojump_clock: MockClock, peer: Peer) -> None:
    session, tag = await peer.call()
    peer.ask("INVITE", b"hold", cseq=2, tag=tag)
    offer = await offer_of(session)
    assert offer.body == b"hold"
    offer.accept(b"held")
    response = await peer.response()
    assert (response.status, response.body, response.content_type) == (200, b"held", "application/sdp")
    assert response.contact is not None
    peer.ask("ACK", cseq=2, tag=tag)
    assert await soon(session) == Acked(b"")
    offer.refuse(488)  # answered already: nothing happens
    assert session.state is SessionState.UP


async def test_a_refused_reinvite_leaves_the_session_as_it_was(autojump_clock: MockClock, peer: Peer) -> None:
    session, tag = await peer.call()
    peer.ask("INVITE", b"video", cseq=2, tag=tag)
    (await offer_of(session)).refuse(488)
    assert (await peer.response()).status == 488
    peer.ask("ACK", cseq=2, tag=tag)
    session.bye()
    assert (await peer.request()).method == "BYE"


async def test_a_reinvite_that_is_never_acknowledged_ends_the_call(
    autojump_clock: MockClock, peer: Peer
) -> None:
    session, tag = await peer.call()
    peer.ask("INVITE", b"hold", cseq=2, tag=tag)
    (await offer_of(session)).accept(b"held")
    assert await soon(session) == Failed(Failure.NO_ACK)
    assert (await peer.request()).method == "BYE"


async def test_a_second_change_before_the_first_is_answered_is_500(
    autojump_clock: MockClock, peer: Peer
) -> None:
    session, tag = await peer.call()
    peer.ask("INVITE", b"hold", cseq=2, tag=tag)
    await offer_of(session)
    peer.ask("UPDATE", b"more", cseq=3, tag=tag)
    response = await peer.response()
    assert response.status == 500
    assert 0 <= int(response.headers.get("Retry-After") or "x") <= 10


async def test_an_offer_while_ours_has_no_answer_is_491(autojump_clock: MockClock, peer: Peer) -> None:
    peer.ask("INVITE")
    session = await peer.alice.next_call()
    assert session.invite.body == b""
    session.answer(OFFER)
    tag = (await peer.response()).to.tag
    peer.ask("UPDATE", b"mine", cseq=2, tag=tag)
    assert (await peer.response()).status == 491
    ack = peer.ask("ACK", ANSWER, tag=tag)
    assert await soon(session) == Acked(ack.body)
    peer.ask("UPDATE", b"mine", cseq=3, tag=tag)
    (await offer_of(session)).accept(b"agreed")
    assert (await peer.response()).body == b"agreed"


async def test_a_reinvite_without_body_wants_our_offer(autojump_clock: MockClock, peer: Peer) -> None:
    session, tag = await peer.call()
    peer.ask("INVITE", cseq=2, tag=tag)
    offer = await offer_of(session)
    assert offer.body == b""
    offer.accept(OFFER)
    assert (await peer.response()).body == OFFER
    peer.ask("UPDATE", b"mine", cseq=3, tag=tag)
    assert (await peer.response()).status == 491
    peer.ask("ACK", ANSWER, cseq=2, tag=tag)
    assert await soon(session) == Acked(ANSWER)


async def test_an_update_without_body_only_moves_the_target(autojump_clock: MockClock, peer: Peer) -> None:
    session, tag = await peer.call()
    peer.ask("UPDATE", cseq=2, tag=tag, contact=f"<sip:moved@{BOB}>")
    assert (await peer.response()).status == 200
    session.bye()
    assert str((await peer.request()).uri) == f"sip:moved@{BOB}"


async def test_a_cancelled_reinvite_leaves_the_call_up(autojump_clock: MockClock, peer: Peer) -> None:
    session, tag = await peer.call()
    peer.ask("INVITE", b"hold", cseq=2, tag=tag)
    offer = await offer_of(session)
    peer.ask("CANCEL", cseq=2, tag=tag)
    assert {(await peer.response()).status, (await peer.response()).status} == {200, 487}
    offer.accept(b"late")
    assert session.state is SessionState.UP


async def test_hanging_up_refuses_the_change_in_progress(autojump_clock: MockClock, peer: Peer) -> None:
    session, tag = await peer.call()
    peer.ask("INVITE", b"hold", cseq=2, tag=tag)
    offer = await offer_of(session)
    session.bye()
    assert (await peer.response()).status == 487
    offer.accept(b"late")
    peer.ask("INFO", cseq=3, tag=tag)
    while (response := await peer.response()).cseq.method != "INFO":
        pass
    assert response.status == 481


async def test_a_late_ack_does_not_answer_another_offer(autojump_clock: MockClock, peer: Peer) -> None:
    peer.ask("INVITE", OFFER)
    session = await peer.alice.next_call()
    session.answer(ANSWER)
    tag = (await peer.response()).to.tag
    peer.ask("INVITE", cseq=2, tag=tag)
    (await offer_of(session)).accept(OFFER)
    peer.ask("ACK", cseq=1, tag=tag)
    assert await soon(session) == Acked(b"")
    peer.ask("UPDATE", b"mine", cseq=3, tag=tag)
    while (response := await peer.response()).cseq.method != "UPDATE":
        pass
    assert response.status == 491


# --- Other requests in the dialog.


async def test_info_is_answered_and_passed_on(autojump_clock: MockClock, peer: Peer) -> None:
    session, tag = await peer.call()
    peer.ask("INFO", b"Signal=5", cseq=2, tag=tag, kind="application/dtmf-relay")
    assert await soon(session) == Info("application/dtmf-relay", b"Signal=5")
    assert (await peer.response()).status == 200


async def test_what_a_holder_does_not_read_is_refused(autojump_clock: MockClock, peer: Peer) -> None:
    session, tag = await peer.call()
    statuses = []
    for number in range(20):
        peer.ask("INFO", b"x", cseq=2 + number, tag=tag, kind="text/plain")
        statuses.append((await peer.response()).status)
    assert statuses == [200] * 16 + [503] * 4
    peer.ask("INVITE", b"hold", cseq=30, tag=tag)
    assert (await peer.response()).status == 503
    peer.ask("BYE", cseq=31, tag=tag)
    assert (await peer.response()).status in {200, 503}
    events = [await soon(session) for _ in range(17)]
    assert events[-1] == Bye(())


async def test_a_lower_cseq_is_500_and_an_unknown_method_405(autojump_clock: MockClock, peer: Peer) -> None:
    _, tag = await peer.call()
    peer.ask("OPTIONS", cseq=9, tag=tag)
    assert (await peer.response()).status == 200
    peer.ask("INFO", cseq=8, tag=tag)
    assert (await peer.response()).status == 500
    peer.ask("REFER", cseq=10, tag=tag)
    assert (await peer.response()).status == 405


async def test_a_caller_may_end_an_early_dialog_with_bye(autojump_clock: MockClock, peer: Peer) -> None:
    peer.ask("INVITE", OFFER)
    session = await peer.alice.next_call()
    session.ring()
    tag = (await peer.response()).to.tag
    peer.ask("INVITE", b"too early", cseq=2, tag=tag)
    assert (await peer.response()).status == 500
    peer.ask("BYE", cseq=3, tag=tag)
    assert {(await peer.response()).status, (await peer.response()).status} == {200, 487}
    assert isinstance(await soon(session), Bye)
    assert session.over


async def test_bye_before_the_ack_ends_the_call(autojump_clock: MockClock, peer: Peer) -> None:
    peer.ask("INVITE", OFFER)
    session = await peer.alice.next_call()
    session.answer(ANSWER)
    tag = (await peer.response()).to.tag
    peer.ask("BYE", cseq=2, tag=tag)
    assert isinstance(await soon(session), Bye)
    assert session.over


async def test_cancel_and_answer_at_the_same_moment(autojump_clock: MockClock, peer: Peer) -> None:
    peer.ask("INVITE", OFFER)
    session = await peer.alice.next_call()
    peer.ask("CANCEL")
    await trio.sleep(0.015)
    session.answer(ANSWER)
    assert await soon(session) == Cancelled()


# --- Calling.


def challenge(peer: Peer, invite: Request, server: DigestServer) -> None:
    response = response_to(invite, 401, to_tag="challenge")
    for value in server.challenges(trio.current_time()):
        response.headers.add("WWW-Authenticate", value)
    peer.send(response)


async def next_invite(peer: Peer) -> Request:
    while (request := await peer.request()).method != "INVITE":
        pass
    return request


def digest_client(password: str) -> DigestClient:
    numbers = itertools.count()
    return DigestClient("alice", password, lambda: f"cnonce{next(numbers)}")


async def test_a_challenge_is_answered(autojump_clock: MockClock, peer: Peer) -> None:
    server = DigestServer("example", b"key")
    session = peer.place(auth=digest_client("secret"))
    first = await next_invite(peer)
    challenge(peer, first, server)
    second = await next_invite(peer)
    verdict = server.verify(second, {"alice": "secret"}.get, trio.current_time())
    assert isinstance(verdict, Verified)
    assert (second.cseq.number, second.call_id, second.from_.tag) == (2, first.call_id, first.from_.tag)
    assert second.via.branch != first.via.branch
    assert len(second.contacts) == 1
    peer.answer(second, 200, body=ANSWER)
    ack = await peer.request()
    assert (ack.method, ack.cseq.number) == ("ACK", 2)
    assert ack.headers.get("Authorization") == second.headers.get("Authorization")
    assert await soon(session) == Answered(ANSWER)


async def test_a_wrong_password_is_tried_once(autojump_clock: MockClock, peer: Peer) -> None:
    server = DigestServer("example", b"key")
    session = peer.place(auth=digest_client("wrong"))
    challenge(peer, await next_invite(peer), server)
    challenge(peer, await next_invite(peer), server)
    event = await soon(session)
    assert isinstance(event, Rejected)
    assert event.status == 401


async def test_a_challenged_bye_is_sent_again(autojump_clock: MockClock, peer: Peer) -> None:
    server = DigestServer("example", b"key")
    session = peer.place(auth=digest_client("secret"))
    peer.answer(await next_invite(peer), 200, body=ANSWER)
    await soon(session)
    session.bye()
    while (first := await peer.request()).method != "BYE":
        pass
    challenge(peer, first, server)
    second = await peer.request()
    assert isinstance(server.verify(second, {"alice": "secret"}.get, trio.current_time()), Verified)
    challenge(peer, second, server)  # and again: then it is over
    await session.wait_terminated()
    assert (second.method, second.cseq.number) == ("BYE", first.cseq.number + 1)


async def test_a_bye_has_credentials_of_its_own(autojump_clock: MockClock, peer: Peer) -> None:
    server = DigestServer("example", b"key")
    session = peer.place(auth=digest_client("secret"))
    challenge(peer, await next_invite(peer), server)
    invite = await next_invite(peer)
    now, passwords = trio.current_time(), {"alice": "secret"}.get
    assert isinstance(server.verify(invite, passwords, now), Verified)
    for tag in ("one", "two"):
        peer.answer(invite, 200, tag=tag, body=ANSWER)
    await soon(session)
    session.bye()
    requests = [await peer.request() for _ in range(4)]
    byes = [request for request in requests if request.method == "BYE"]
    assert len({bye.to.tag for bye in byes}) == 2
    for bye in byes:  # each (nonce, count) is taken once, and the digest covers the method
        assert isinstance(server.verify(bye, passwords, now), Verified)


async def test_challenges_without_end_are_not_answered_without_end(
    autojump_clock: MockClock, peer: Peer
) -> None:
    """A new realm each time looks like one more proxy on the way."""
    session = peer.place(auth=digest_client("secret"))
    for number in range(1 + MAX_CHALLENGES):
        challenge(peer, await next_invite(peer), DigestServer(f"realm{number}", b"key"))
    assert isinstance(await soon(session), Rejected)


async def test_without_credentials_a_challenge_is_a_rejection(autojump_clock: MockClock, peer: Peer) -> None:
    session = peer.place()
    challenge(peer, await next_invite(peer), DigestServer("example", b"key"))
    assert isinstance(await soon(session), Rejected)


async def test_one_more_answer_of_a_fork_is_acknowledged_and_hung_up(
    autojump_clock: MockClock, peer: Peer
) -> None:
    session = peer.place()
    invite = await next_invite(peer)
    peer.answer(invite, 200, tag="one", body=ANSWER)
    peer.answer(invite, 200, tag="two", body=ANSWER)
    requests = [await peer.request() for _ in range(3)]
    assert [(r.method, r.to.tag) for r in requests] == [("ACK", "one"), ("ACK", "two"), ("BYE", "two")]
    assert await soon(session) == Answered(ANSWER)
    assert session.state is SessionState.UP


@pytest.mark.parametrize(
    ("method", "body", "status"),
    [
        ("OPTIONS", b"", 200),
        ("INFO", b"x", 200),
        ("UPDATE", b"", 200),
        ("UPDATE", b"mine", 491),
        ("BYE", b"", 481),
    ],
)
async def test_requests_in_an_early_dialog_of_a_call_of_ours(
    autojump_clock: MockClock, peer: Peer, method: str, body: bytes, status: int
) -> None:
    session = peer.place()
    invite = await next_invite(peer)
    peer.answer(invite, 180)
    await soon(session)
    dialog = Dialog.as_uas(invite, "peer")

    async def asked(cseq: int) -> int:
        dialog.local_cseq = cseq - 1
        headers = [
            ("Contact", f"<sip:moved@{BOB}>"),
            *([("Content-Type", "application/sdp")] if body else []),
        ]
        request = dialog.request(method, headers, body)
        request.headers.prepend("Via", f"SIP/2.0/UDP {BOB}:5060;branch=z9hG4bKearly{cseq}")
        peer.send(request)
        return (await peer.response()).status

    assert await asked(5) == status
    assert await asked(4) == 500
    assert session.state is SessionState.CALLING
    peer.answer(invite, 200, body=ANSWER)
    while not isinstance(await soon(session), Answered):
        pass
    assert await asked(4) == 500


async def test_early_dialogs_end_with_their_call(autojump_clock: MockClock, peer: Peer) -> None:
    session = peer.place()
    invite = await next_invite(peer)
    layer = peer.alice.endpoint._core.layer
    for number in range(30):
        peer.answer(invite, 180, tag=f"fork{number}")
    await trio.sleep(1)
    assert len(layer._dialogs) == 16
    peer.answer(invite, 200, tag="fork20", body=ANSWER)
    await trio.sleep(1)
    assert [dialog.remote_tag for dialog in layer._dialogs] == ["fork20"]
    second = peer.place()
    peer.answer(await next_invite(peer), 180)
    await soon(second)
    assert len(layer._dialogs) == 2
    second.abandon()
    session.abandon()
    assert layer._dialogs == {}


async def test_a_peer_behind_a_nat_is_reached_where_it_came_from(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    network = MemoryNetwork()
    public = network.host("1.2.3.4").open_datagrams("1.2.3.4", 5060)
    peer = Peer(public, await World(network, nursery).phone(ALICE, "UDP"))
    peer.ask("INVITE", OFFER, contact="<sip:peer@10.0.0.5>")
    session = await peer.alice.next_call()
    session.answer(ANSWER)
    peer.ask("ACK", tag=(await peer.response()).to.tag)
    await soon(session)
    session.bye()
    bye = await peer.request()
    assert (bye.method, str(bye.uri)) == ("BYE", "sip:peer@10.0.0.5")
    nursery.cancel_scope.cancel()


async def test_an_answer_after_a_rejection_is_hung_up(autojump_clock: MockClock, peer: Peer) -> None:
    session = peer.place()
    invite = await next_invite(peer)
    peer.answer(invite, 180)
    await soon(session)
    session.cancel()
    peer.answer(invite, 200, body=ANSWER)
    methods = {(await peer.request()).method for _ in range(3)}
    assert methods == {"CANCEL", "ACK", "BYE"}


async def test_an_answer_without_a_contact_and_an_unknown_proxy(
    autojump_clock: MockClock, peer: Peer
) -> None:
    session = peer.place()
    response = response_to(await next_invite(peer), 200, to_tag="peer")
    response.headers.add("Contact", "*")
    response.headers.add("Record-Route", "<sip:proxy.example;lr>")
    peer.send(response)
    assert await soon(session) == Answered(b"")
    # The recorded proxy has no address, so ACK and BYE take the way that the INVITE took.
    assert (await peer.request()).method == "ACK"
    session.bye()
    bye = await peer.request()
    assert (bye.method, str(bye.uri)) == ("BYE", f"sip:peer@{BOB}")


@pytest.mark.parametrize("status", [302, 404, 486, 500, 603])
async def test_every_refusal_ends_the_call(autojump_clock: MockClock, peer: Peer, status: int) -> None:
    session = peer.place()
    peer.answer(await next_invite(peer), status)
    event = await soon(session)
    assert isinstance(event, Rejected)
    assert event.status == status
    assert (await peer.request()).method == "ACK"
    assert session.over
