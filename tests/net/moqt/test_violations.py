"""What a peer must not do, and the code of the draft that it is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from clutch.wire.moqt import messages as m
from clutch.wire.moqt.codes import RequestError, SessionError
from clutch.wire.moqt.data import SubgroupHeader, encode_subgroup_header
from clutch.wire.moqt.names import Location
from clutch.wire.moqt.parameters import AliasType, Parameters, Token
from clutch.wire.moqt.properties import Properties
from clutch.wire.moqt.session_events import SessionLimits
from clutch.wire.moqt.setup import Options
from tests.net.moqt.kit import OTHER, TRACK, Victim, victim

VIOLATION = SessionError.PROTOCOL_VIOLATION
INVALID_ID = SessionError.INVALID_REQUEST_ID
Move = Callable[[Victim], object]


def ask(*messages: m.Message) -> Move:
    """The puppet asks; each message on a stream of its own, where the draft has them."""
    return lambda made: [made.puppet.ask(message) for message in messages]


def control(*messages: m.Message) -> Move:
    """The puppet says something on the control stream."""
    return lambda made: made.puppet.say(made.puppet.control, *messages)


def uni(data: bytes, *, fin: bool = False) -> Move:
    """The puppet opens a unidirectional stream."""
    return lambda made: made.puppet.session.open_uni(data, fin=fin)


def token(kind: AliasType, alias: int) -> Parameters:
    """Parameters with one token."""
    if kind is AliasType.REGISTER:
        return Parameters(authorization=(Token(kind, alias, 0, b"secret"),))
    return Parameters(authorization=(Token(kind, alias),))


def subscribes(*answers: m.Message, then: Callable[[Victim], object] | None = None) -> Move:
    """The victim subscribes, the puppet answers."""

    def move(made: Victim) -> None:
        made.session.subscribe(TRACK)
        made.deliver()
        made.puppet.answer(*answers)
        made.deliver()
        if then is not None:
            then(made)

    return move


def update_of_other(made: Victim) -> None:
    """Draft 16: an update of a request that never was."""
    made.puppet.say(made.puppet.control, m.RequestUpdate(0, existing_request_id=8))


def fetch_then(made: Victim) -> None:
    """The victim fetches, the answer ends before the question begins."""
    made.session.fetch(m.StandaloneFetch(TRACK, Location(4, 0), Location(9, 0)))
    made.deliver()
    made.puppet.answer(m.FetchOk(False, Location(3, 5)))


def same_alias(made: Victim) -> None:
    """Two subscriptions of the victim get the same alias."""
    for number, name in enumerate((TRACK, OTHER)):
        made.session.subscribe(name)
        made.deliver()
        made.puppet.answer(m.SubscribeOk(5), to=2 * number)


def redirected_namespace(made: Victim) -> None:
    """The victim publishes a namespace, and is sent to a track."""
    made.session.publish_namespace((b"voice",))
    made.deliver()
    redirect = m.Redirect("moqt://else", TRACK)
    made.puppet.answer(m.RequestError_(RequestError.REDIRECT, None, "", redirect))


def accepted(**answer: Any) -> Move:
    """The victim publishes a namespace, the puppet grants it."""

    def move(made: Victim) -> None:
        made.session.publish_namespace((b"voice",))
        made.deliver()
        made.puppet.answer(m.RequestOk(**answer))

    return move


def announced(*answers: m.Message) -> Move:
    """The victim subscribes to namespaces, the puppet answers."""

    def move(made: Victim) -> None:
        made.session.subscribe_namespace((b"voice",))
        made.deliver()
        number = None if made.puppet.draft.request_streams else 0
        made.puppet.say(made.puppet.requests[-1], m.RequestOk(request_id=number), *answers)

    return move


def reset_control(made: Victim) -> None:
    """The puppet resets its control stream."""
    assert made.puppet.control is not None
    made.puppet.control.reset(0)


# What a client does to a server.
BY_CLIENT: dict[str, tuple[str, Move, SessionError]] = {
    "a server's request ID": ("both", ask(m.Subscribe(1, TRACK)), INVALID_ID),
    "a request ID twice": ("both", ask(m.Subscribe(0, TRACK), m.Subscribe(0, OTHER)), INVALID_ID),
    "an ID that was not granted": ("16", ask(m.Subscribe(4096, TRACK)), SessionError.TOO_MANY_REQUESTS),
    "an answer to nothing": ("16", control(m.RequestOk(request_id=1)), VIOLATION),
    "a stream that begins with an answer": ("18", ask(m.RequestOk()), VIOLATION),
    "a request on the control stream": ("18", control(m.Subscribe(0, TRACK)), VIOLATION),
    "a namespace subscription on the control stream": (
        "16",
        control(m.SubscribeNamespace(0, (), options=1)),
        VIOLATION,
    ),
    "a second SETUP": ("18", control(m.Setup(Options())), VIOLATION),
    "a second CLIENT_SETUP": ("16", control(m.Setup(Options(), client=True)), VIOLATION),
    "a second control stream": ("18", uni(bytes.fromhex("af000000")), VIOLATION),
    "a closed control stream": ("both", lambda made: made.puppet.control.write(b"", fin=True), VIOLATION),  # type: ignore
    "a control stream that is reset": ("both", reset_control, VIOLATION),
    "an unknown message": ("both", lambda made: made.puppet.control.write(b"\x3f\0\0"), VIOLATION),  # type: ignore
    "a message cut short": (
        "18",
        lambda made: made.puppet.session.open_bidi(b"\3\0\7\0", fin=True),
        VIOLATION,
    ),
    "an unknown stream": ("both", uni(b"\x02"), VIOLATION),
    "a stream that ends within its type": ("18", uni(b"\xc0", fin=True), VIOLATION),
    "an unknown datagram": ("both", lambda made: made.puppet.session.send_datagram(b"\x3e\0\0"), VIOLATION),
    "a URI for a server": ("both", control(m.Goaway("moqt://else", request_id=1)), VIOLATION),
    "two GOAWAYs": ("both", control(m.Goaway(request_id=1), m.Goaway(request_id=1)), VIOLATION),
    "a GOAWAY with its sender's ID": ("18", control(m.Goaway(request_id=2)), INVALID_ID),
    "a MAX_REQUEST_ID that does not grow": ("16", control(m.MaxRequestId(100)), VIOLATION),
    "a fetch that nobody asked for": ("both", uni(b"\x05\x01"), VIOLATION),
    "an alias that is registered": (
        "both",
        ask(
            m.Subscribe(0, TRACK, token(AliasType.REGISTER, 1)),
            m.Subscribe(2, OTHER, token(AliasType.REGISTER, 1)),
        ),
        SessionError.DUPLICATE_AUTH_TOKEN_ALIAS,
    ),
    "an alias that is not registered": (
        "both",
        ask(m.Subscribe(0, TRACK, token(AliasType.USE_ALIAS, 1))),
        SessionError.UNKNOWN_AUTH_TOKEN_ALIAS,
    ),
    "more tokens than fit": (
        "both",
        ask(
            m.Subscribe(0, TRACK, token(AliasType.REGISTER, 1)),
            m.Subscribe(2, OTHER, token(AliasType.REGISTER, 2)),
        ),
        SessionError.AUTH_TOKEN_CACHE_OVERFLOW,
    ),
    "subscribe options that nobody knows": ("16", ask(m.SubscribeNamespace(0, (), options=3)), VIOLATION),
    "a URI for a server and one request": (
        "18",
        lambda made: made.puppet.say(made.puppet.ask(m.Subscribe(0, TRACK)), m.Goaway("moqt://else")),
        VIOLATION,
    ),
    "an update of nothing": ("16", update_of_other, VIOLATION),
    "an UNSUBSCRIBE of nothing": ("16", control(m.Unsubscribe(0)), VIOLATION),
    "a prefix for a subscription": (
        "18",
        lambda made: made.puppet.say(
            made.puppet.ask(m.Subscribe(0, TRACK)), m.RequestUpdate(2, Parameters(prefix=(b"a",)))
        ),
        VIOLATION,
    ),
    "an update of a track status": (
        "18",
        lambda made: made.puppet.say(made.puppet.ask(m.TrackStatus(0, TRACK)), m.RequestUpdate(2)),
        VIOLATION,
    ),
}

# What a server does to a client.
BY_SERVER: dict[str, tuple[str, Move, SessionError]] = {
    "a second answer": ("both", subscribes(m.SubscribeOk(5), m.SubscribeOk(5)), VIOLATION),
    "the wrong answer": ("both", subscribes(m.FetchOk(False, Location(1, 1))), VIOLATION),
    "the answer to an update that was none": ("both", subscribes(m.SubscribeOk(5), m.RequestOk()), VIOLATION),
    "PUBLISH_DONE instead of an answer": ("both", subscribes(m.PublishDone(2)), VIOLATION),
    "two tracks of one alias": ("both", same_alias, SessionError.DUPLICATE_TRACK_ALIAS),
    "a fetch that ends before it starts": ("both", fetch_then, VIOLATION),
    "a namespace of too many fields": ("both", announced(m.NamespaceFound((b"a",) * 32)), VIOLATION),
    "properties of a namespace": ("18", accepted(properties=Properties.of((0x30, 1))), VIOLATION),
    "the largest object of a namespace": (
        "18",
        accepted(parameters=Parameters(largest=Location(1, 1))),
        VIOLATION,
    ),
    "NAMESPACE_DONE without NAMESPACE": ("both", announced(m.NamespaceDone((b"a",))), VIOLATION),
    "PUBLISH_BLOCKED for namespaces": ("18", announced(m.PublishBlocked((b"a",), b"t")), VIOLATION),
    "two GOAWAYs of a request": ("18", subscribes(m.Goaway(), m.Goaway()), VIOLATION),
    "a stream that ends within an object": (
        "both",
        subscribes(m.SubscribeOk(5), then=uni(b"\x10\x05\0\x80\0\x09ab", fin=True)),
        VIOLATION,
    ),
    "a redirect to a track of a namespace": (
        "18",
        redirected_namespace,
        VIOLATION,
    ),
}


def cases(table: dict[str, tuple[str, Move, SessionError]]) -> list[object]:
    """Each move in each draft that has it."""
    return [
        pytest.param(f"moqt-{draft}", move, code, id=f"{draft}: {name}")
        for name, (drafts, move, code) in table.items()
        for draft in (("18", "16") if drafts == "both" else (drafts,))
    ]


@pytest.mark.parametrize(("alpn", "move", "code"), cases(BY_CLIENT))
def test_a_client_that_breaks_the_rules(alpn: str, move: Move, code: SessionError) -> None:
    made = victim(alpn, limits=SessionLimits(token_bytes=30))
    move(made)
    assert made.code is code
    assert made.scribe.take()[-1][0] == "closed"


@pytest.mark.parametrize(("alpn", "move", "code"), cases(BY_SERVER))
def test_a_server_that_breaks_the_rules(alpn: str, move: Move, code: SessionError) -> None:
    made = victim(alpn, server=False)
    move(made)
    assert made.code is code
    assert made.scribe.take()[-1][0] == "closed"


def test_a_server_that_is_redirected() -> None:
    made = victim("moqt-18")
    made.session.subscribe(TRACK)
    made.deliver()
    made.puppet.answer(m.RequestError_(RequestError.REDIRECT, None, "", m.Redirect("moqt://else")))
    assert made.code is VIOLATION


@pytest.mark.parametrize("alpn", ["moqt-18", "moqt-16"])
@pytest.mark.parametrize(
    ("kind", "server", "options", "code"),
    [
        ("webtransport", True, Options(path="/a"), SessionError.INVALID_PATH),
        ("webtransport", True, Options(authority="a"), SessionError.INVALID_AUTHORITY),
        ("quic", False, Options(path="/a"), SessionError.INVALID_PATH),
        ("quic", False, Options(authority="a"), SessionError.INVALID_AUTHORITY),
        ("quic", True, Options(path="a b"), SessionError.MALFORMED_PATH),
        ("quic", True, Options(authority="a/b"), SessionError.MALFORMED_AUTHORITY),
        ("quic", True, Options(authorization=(Token(AliasType.USE_ALIAS, 1),)), VIOLATION),
        ("quic", True, Options(authorization=(Token(AliasType.DELETE, 1),)), VIOLATION),
    ],
)
def test_options_that_may_not_be(
    alpn: str, kind: str, server: bool, options: Options, code: SessionError
) -> None:
    made = victim(alpn, server=server, kind=kind, setup=False)
    made.deliver()
    made.puppet.setup(options)
    assert made.code is code


def test_a_draft_that_nobody_knows() -> None:
    made = victim("moqt-18", setup=False)
    made.pair.server.protocol = "moqt-99"
    made.session.opened(made.pair.server)
    assert made.code is SessionError.VERSION_NEGOTIATION_FAILED


def test_a_subgroup_stream_of_another_draft() -> None:
    made = victim("moqt-16")
    header = encode_subgroup_header(made.puppet.draft, SubgroupHeader(1, 2))
    made.puppet.session.open_uni(bytes([header[0] | 0x40]) + header[1:])
    assert made.code is VIOLATION


def test_a_client_that_speaks_as_a_server() -> None:
    made = victim("moqt-16", setup=False)
    made.puppet.session.open_bidi(made.puppet.draft.encode(m.Setup(Options(), client=False)))
    assert made.code is VIOLATION


def test_a_server_that_does_not_begin_with_setup() -> None:
    made = victim("moqt-16", server=False, setup=False)
    made.deliver()
    made.puppet.say(made.puppet.control, m.MaxRequestId(7))
    assert made.code is VIOLATION


def test_a_control_stream_that_is_not_read() -> None:
    made = victim("moqt-18")
    made.puppet.streams[0].stop(0)
    assert made.code is VIOLATION
