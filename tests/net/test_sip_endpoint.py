"""What an endpoint does outside of calls: refusals, drain, faults, garbage."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from clutch.net.errors import AddressUnavailable, PortInUse
from clutch.net.memory import MemoryNetwork
from clutch.net.sip import Bind, Rejected, SipEndpoint, SipSession
from clutch.wire.sip.fields import NameAddr
from clutch.wire.sip.uri import Uri
from tests.net.sip_world import ALICE, BOB, OFFER, Peer, Phone, World, soon


async def test_options_say_what_we_can_do(autojump_clock: MockClock, peer: Peer) -> None:
    peer.ask("OPTIONS")
    response = await peer.response()
    assert response.status == 200
    assert response.headers.get("Allow") == "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO"
    assert response.headers.get("Accept") == "application/sdp"
    assert response.headers.get("Server") == "clutch"


@pytest.mark.parametrize("method", ["REGISTER", "SUBSCRIBE", "PUBLISH", "FROBNICATE"])
async def test_unknown_methods_are_405(autojump_clock: MockClock, peer: Peer, method: str) -> None:
    peer.ask(method)
    response = await peer.response()
    assert (response.status, "INVITE" in response.headers.get_all("Allow")) == (405, True)


@pytest.mark.parametrize("method", ["BYE", "INFO", "UPDATE"])
async def test_what_needs_a_dialog_is_481_without(autojump_clock: MockClock, peer: Peer, method: str) -> None:
    peer.ask(method)
    assert (await peer.response()).status == 481


async def test_a_required_extension_is_420(autojump_clock: MockClock, peer: Peer) -> None:
    peer.ask("INVITE", OFFER, headers=[("Require", "100rel, timer")])
    response = await peer.response()
    assert response.status == 420
    assert response.headers.get_all("Unsupported") == ["100rel", "timer"]


@pytest.mark.parametrize(
    ("kind", "headers", "status"),
    [
        ("text/plain", [], 415),
        ("multipart/mixed", [], 415),
        ("application/sdp", [("Content-Encoding", "gzip")], 415),
        ("nonsense", [], 400),
    ],
)
async def test_a_strange_body_is_refused(
    autojump_clock: MockClock, peer: Peer, kind: str, headers: list[tuple[str, str]], status: int
) -> None:
    peer.ask("INVITE", OFFER, kind=kind, headers=headers)
    response = await peer.response()
    assert response.status == status
    if status == 415:
        assert response.headers.get("Accept") == "application/sdp"


async def test_a_strange_scheme_is_416(autojump_clock: MockClock, peer: Peer) -> None:
    peer.ask("INVITE", OFFER, uri="http://example.com")
    assert (await peer.response()).status == 416


@pytest.mark.parametrize("contact", ["*", "nonsense"])
async def test_an_invite_without_a_contact_is_400(
    autojump_clock: MockClock, peer: Peer, contact: str
) -> None:
    peer.ask("INVITE", OFFER, contact=contact)
    assert (await peer.response()).status == 400
    assert peer.alice.endpoint.sessions == 0


async def test_draining_refuses_new_calls_and_keeps_the_old(autojump_clock: MockClock, world: World) -> None:
    caller, callee = await world.connected()
    world.bob.endpoint.draining = True
    refused = world.call()
    event = await soon(refused)
    assert isinstance(event, Rejected)
    assert event.status == 503
    caller.bye()
    await callee.wait_terminated()
    await world.assert_nothing_left()


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
async def test_draining_says_when_to_come_back(autojump_clock: MockClock, peer: Peer, method: str) -> None:
    peer.alice.endpoint.draining = True
    peer.ask(method)
    response = await peer.response()
    assert (response.status, response.headers.get("Retry-After")) == (503, "30")


async def test_garbage_is_counted_and_the_endpoint_lives(autojump_clock: MockClock, peer: Peer) -> None:
    for data in (b"\x00\x01\x02", b"\r\n\r\n", b"INVITE", b"\xff" * 2_000, b"SIP/2.0 999 x\r\n\r\n"):
        peer.send(data)
    peer.ask("OPTIONS")
    assert (await peer.response()).status == 200
    assert peer.alice.endpoint.counters.malformed == 4


@pytest.mark.parametrize("answered_first", [False, True])
async def test_a_handler_that_raises_costs_its_call_only(
    autojump_clock: MockClock, nursery: trio.Nursery, answered_first: bool
) -> None:
    def on_invite(session: SipSession) -> None:
        if answered_first:
            session.reject(486)
        raise ValueError("a bug in the dialplan")

    network = MemoryNetwork()
    endpoint = SipEndpoint(network.host(ALICE), [Bind("UDP", ALICE, 5060)], on_invite)
    await nursery.start(endpoint.run)
    world = World(network, nursery)
    world.alice = await world.phone(BOB, "UDP")
    for _ in range(2):
        event = await soon(world.call(uri=f"sip:alice@{ALICE}"))
        assert isinstance(event, Rejected)
        assert event.status == (486 if answered_first else 500)
    assert endpoint.sessions == 0


async def test_a_bug_in_a_session_is_answered_500(
    autojump_clock: MockClock, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, tag = await peer.call()

    def broken(*_: object) -> None:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(SipSession, "_on_info", broken)
    peer.ask("INFO", cseq=2, tag=tag)
    assert (await peer.response()).status == 500
    session.bye()
    assert (await peer.request()).method == "BYE"


async def test_a_bug_in_reading_a_message_costs_that_message_only(
    autojump_clock: MockClock, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug of ours")

    with monkeypatch.context() as patch:
        patch.setattr("clutch.wire.sip.layer.parse_message", broken)
        peer.ask("OPTIONS")
        await trio.sleep(1)
    peer.ask("OPTIONS")
    assert (await peer.response()).status == 200


async def test_a_repeated_call_is_offered_once(autojump_clock: MockClock, peer: Peer) -> None:
    invite = peer.ask("INVITE", OFFER)
    await peer.alice.next_call()
    peer.send(invite)
    await trio.sleep(1)
    assert peer.alice.endpoint.sessions == 1
    with pytest.raises(trio.WouldBlock):
        peer.alice.calls.receive_nowait()


async def test_the_wildcard_address_is_shown_as_the_one_that_peers_reach(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    network = MemoryNetwork()
    endpoint = SipEndpoint(
        network.host(ALICE), [Bind("UDP", "0.0.0.0", 5060)], lambda session: session.ring()
    )
    await nursery.start(endpoint.run)
    assert endpoint.addresses == (Bind("UDP", "0.0.0.0", 5060),)
    alice = Phone(endpoint, trio.open_memory_channel[SipSession](1)[1])
    peer = Peer(network.host(BOB).open_datagrams(BOB, 5060), alice)
    peer.ask("INVITE", OFFER)
    contact = (await peer.response()).contact
    assert contact is not None
    assert (contact.uri.host, contact.uri.user) == (ALICE, "alice")


@pytest.mark.parametrize("host", ["0.0.0.0", ALICE])
@pytest.mark.parametrize("transport", ["UDP", "TCP"])
async def test_the_advertised_address_is_what_peers_are_told(
    autojump_clock: MockClock, nursery: trio.Nursery, host: str, transport: str
) -> None:
    """The network translates addresses as a NAT does: what is sent to the public one comes to Alice."""
    network = MemoryNetwork()
    public = "203.0.113.7"
    send, receive = trio.open_memory_channel[SipSession](1)
    bind = Bind(transport, host, 5060, public)
    endpoint = SipEndpoint(network.host(ALICE), [bind], send.send_nowait)
    await nursery.start(endpoint.run)
    assert endpoint.addresses == (bind,)
    world = World(network, nursery)
    world.alice = Phone(endpoint, receive)
    world.bob = await world.phone(BOB, transport)
    caller = world.call(uri=f"sip:bob@{BOB};transport={transport.lower()}")
    callee = await world.bob.next_call()
    invite = callee.invite
    assert invite.contact is not None
    assert (invite.via.host, invite.contact.uri.host) == (public, public)
    assert invite.via.received == ALICE
    callee.answer(b"")
    await soon(caller)
    caller.bye()
    await caller.wait_terminated()
    back = world.bob.endpoint.invite(
        Uri.parse(f"sip:alice@{ALICE};transport={transport.lower()}"),
        from_uri=NameAddr(None, Uri.parse(f"sip:bob@{BOB}")),
        body=OFFER,
    )
    (await world.alice.next_call()).answer(b"")
    await soon(back)
    assert back.dialog is not None
    assert back.dialog.target.host == public
    nursery.cancel_scope.cancel()


async def test_a_bug_while_a_name_is_resolved_costs_its_call_only(
    autojump_clock: MockClock, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(SipSession, "_call", broken)
    peer.place(uri="sip:peer@nowhere.example")
    await trio.sleep(1)
    peer.ask("OPTIONS")
    assert (await peer.response()).status == 200


async def test_a_taken_port_is_named(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    host = MemoryNetwork().host(ALICE)
    host.open_datagrams(ALICE, 5060)
    endpoint = SipEndpoint(host, [Bind("TCP", ALICE, 5060), Bind("UDP", ALICE, 5060)], print)
    with pytest.raises(PortInUse, match=r"UDP 192\.0\.2\.1 port 5060 is in use"):
        await endpoint.run()
    assert host.network.open_sockets == 1  # the TCP listener was given back


async def test_a_foreign_address_is_named(autojump_clock: MockClock) -> None:
    endpoint = SipEndpoint(MemoryNetwork().host(ALICE), [Bind("UDP", BOB, 5060)], print)
    with pytest.raises(AddressUnavailable):
        await endpoint.run()


async def test_messages_too_big_for_a_datagram_are_read_as_far_as_they_came(
    autojump_clock: MockClock, peer: Peer
) -> None:
    data = peer.ask("OPTIONS").to_bytes().replace(b"Content-Length: 0", b"Content-Length: 9000")
    assert (await peer.response()).status == 200
    peer.send(data.replace(b"peer1", b"peer2"))
    assert (await peer.response()).status == 400
