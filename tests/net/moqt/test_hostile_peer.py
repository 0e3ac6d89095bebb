"""A peer that says anything at all: the session ends by a rule, or goes on; it never breaks."""

from __future__ import annotations

import contextlib
import random
from typing import Any

import pytest

from clutch.wire.moqt import messages as m
from clutch.wire.moqt.codes import SessionError
from clutch.wire.moqt.errors import LocalProtocolError
from clutch.wire.moqt.names import FullTrackName, Location
from clutch.wire.moqt.parameters import AliasType, Parameters, Token
from clutch.wire.moqt.properties import Properties
from clutch.wire.moqt.session_events import SessionLimits
from clutch.wire.moqt.setup import Options
from tests.net.moqt.kit import Victim, victim

SPACES = [(), (b"a",), (b"a", b"b"), (b".",), (b".session",)]


def anything(chance: random.Random) -> m.Message:
    """A well-formed message, sensible or not."""
    number, other = chance.choice([0, 1, 2, 3, 4, 6, 8, 50]), chance.randint(0, 9)
    track = FullTrackName(chance.choice(SPACES[1:]), b"t%d" % chance.randint(0, 2))
    space, where = chance.choice(SPACES), Location(chance.randint(0, 3), chance.randint(0, 3))
    token = chance.choice(
        [
            Token.of(b"x"),
            Token(AliasType.REGISTER, other, 0, b"x"),
            Token(AliasType.USE_ALIAS, other),
            Token(AliasType.DELETE, other),
        ]
    )
    tokens = Parameters(authorization=(token,)) if chance.random() < 0.2 else Parameters()
    strange = Properties.of((0x4000, 1)) if chance.random() < 0.1 else Properties()
    messages: list[m.Message] = [
        m.Subscribe(number, track, tokens),
        m.Publish(number, track, other, tokens, strange),
        m.Fetch(number, m.StandaloneFetch(track, Location(0, 0), where), tokens),
        m.Fetch(number, m.JoiningFetch(other, 1), tokens),
        m.TrackStatus(number, track, tokens),
        m.PublishNamespace(number, space or (b"a",), tokens),
        m.SubscribeNamespace(number, space, tokens, options=chance.randint(0, 2)),
        m.SubscribeTracks(number, space, tokens),
        m.SubscribeOk(other, Parameters(), strange, other),
        m.FetchOk(False, where, Parameters(), strange, other),
        m.RequestOk(request_id=other),
        m.PublishOk(other),
        m.RequestError_(other, None, "no", m.Redirect("moqt://x", track), other),
        m.RequestUpdate(number, Parameters(prefix=space) if other < 3 else Parameters(), other),
        m.PublishDone(other, other, "", other),
        m.NamespaceFound(space),
        m.NamespaceDone(space),
        m.PublishBlocked(space, b"t"),
        m.Goaway("moqt://x" if other < 2 else "", other, number),
        m.MaxRequestId(100 * other),
        m.RequestsBlocked(other),
        m.Unsubscribe(other),
        m.FetchCancel(other),
        m.PublishNamespaceDone(other),
        m.PublishNamespaceCancel(other, 1),
        m.Setup(Options(), client=other < 5),
    ]
    return chance.choice(messages)


def push(chance: random.Random, made: Victim) -> None:
    """The peer does one thing."""
    puppet = made.puppet
    streams = [*puppet.requests, *made.puppet.session.context]
    data = b""
    while not data:
        try:
            data = puppet.draft.encode(anything(chance))
        except LocalProtocolError:
            continue  # not of this draft
    if chance.random() < 0.1:
        data = bytes(data[chance.randrange(len(data)) :])
    fin = chance.random() < 0.1
    match chance.randint(0, 9):
        case 0 | 1 | 2:
            made.puppet.session.context.append(puppet.session.open_bidi(data, fin=fin))
        case 3 | 4 if puppet.control is not None:
            puppet.control.write(data)
        case 5 | 6 if streams:
            chance.choice(streams).write(data, fin=fin)
        case 7:
            head = bytes([chance.choice([0x05, 0x10, 0x11, 0x14, 0x30]), chance.randint(0, 9)])
            made.puppet.session.context.append(puppet.session.open_uni(head + chance.randbytes(9), fin=fin))
        case 8:
            puppet.session.send_datagram(bytes([chance.randint(0, 0x2F), 1]) + chance.randbytes(5))
        case 9 if streams:
            stream = chance.choice(streams)
            chance.choice([stream.reset, stream.stop])(chance.randint(0, 9))


def live(chance: random.Random, made: Victim) -> Any:
    """The victim does one thing."""
    session = made.session
    track = FullTrackName((b"a",), b"t%d" % chance.randint(0, 2))
    requests = session.requests
    request = chance.choice(requests) if requests else None
    match chance.randint(0, 7):
        case 0:
            session.subscribe(track)
        case 1:
            session.publish(track)
        case 2:
            session.fetch(m.StandaloneFetch(track, Location(0, 0), Location(2, 0)))
        case 3:
            session.subscribe_namespace((b"a",))
        case 4 if request is not None:
            session.accept(request, end=Location(2, 0))
        case 5 if request is not None:
            session.reject(request, 1)
        case 6 if request is not None:
            session.cancel(request)
        case 7 if request is not None:
            session.update(request, Parameters())


@pytest.mark.parametrize("alpn", ["moqt-18", "moqt-16"])
@pytest.mark.parametrize("server", [True, False])
def test_whatever_is_said(alpn: str, server: bool, caplog: pytest.LogCaptureFixture) -> None:
    ends: set[SessionError] = set()
    for seed in range(60):
        chance = random.Random(seed)
        made = victim(alpn, server=server, limits=SessionLimits(requests=6, namespaces=2, token_bytes=40))
        made.puppet.session.context = []
        for _ in range(40):
            with contextlib.suppress(LocalProtocolError):
                live(chance, made)
            push(chance, made)
            if made.code is not None:
                break
            made.later(chance.choice([0, 0, 0, 1]))
        if made.code is not None:
            ends.add(made.code)
    assert not caplog.records  # no handler, and no part of the session, has raised
    assert len(ends) >= 3
