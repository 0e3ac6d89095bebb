"""Two sessions that do whatever they may, over streams that overtake one another, never accuse each other."""

from __future__ import annotations

import random
from collections import deque
from contextlib import suppress
from typing import Any

import pytest

from clutch.net.moqt.session import MoqtSession
from clutch.net.quic.memory import MemorySession, MemoryStream
from clutch.wire.moqt import messages as m
from clutch.wire.moqt.codes import DoneStatus, RequestError
from clutch.wire.moqt.data import (
    Object,
    ObjectDatagram,
    SubgroupHeader,
    encode_datagram,
    encode_object,
    encode_subgroup_header,
)
from clutch.wire.moqt.errors import LocalProtocolError
from clutch.wire.moqt.fetch import FetchObject
from clutch.wire.moqt.names import FullTrackName, Location
from clutch.wire.moqt.parameters import Parameters
from clutch.wire.moqt.session_books import Refusal
from clutch.wire.moqt.session_events import SessionLimits
from clutch.wire.moqt.session_request import Kind, Request, State
from tests.net.moqt.kit import Two, two

TRACKS = [FullTrackName((b"voice", b"%d" % number), b"audio") for number in range(6)]
SPACES = [(b"voice",), (b"voice", b"1"), (b"video",), (b"text",)]
STEPS = 400


def overtake(chance: random.Random, session: MemorySession) -> None:
    """Let something arrive before what was sent earlier on other streams."""
    mail = list(session._mail)
    later: list[Any] = []
    for item in reversed(mail):
        stream = item[2][0] if item[2] and isinstance(item[2][0], MemoryStream) else None
        movable = stream is not None and item[1] != session._end
        if movable and later and chance.random() < 0.5:
            same = [index for index, (_, _, args) in enumerate(later) if args and args[0] is stream]
            later.insert(chance.randint(0, min(same, default=len(later))), item)
        else:
            later.insert(0, item)
    if mail and mail[0][1] != session._end:
        session._mail = deque(later)


class Life:
    """What one side does, by chance."""

    def __init__(self, chance: random.Random, session: MoqtSession, other: MoqtSession) -> None:
        self.chance, self.session = chance, session
        self.writers: list[Any] = []
        self.client = session.client
        self.updates = lambda *_: chance.choice(
            [None, None, Parameters(), Refusal(RequestError.UNAUTHORIZED, "")]
        )

    def step(self) -> None:
        """One move."""
        moves = [
            self.ask,
            self.ask,
            self.answer,
            self.answer,
            self.publish,
            self.publish,
            self.end,
            self.tell,
        ]
        with suppress(LocalProtocolError):  # it knew better
            self.chance.choice(moves)()

    def pick(self, wanted: Any) -> Request | None:
        """One of the requests like this."""
        found = [request for request in self.session.requests if wanted(request)]
        return self.chance.choice(found) if found else None

    def ask(self) -> None:
        session, track = self.session, self.chance.choice(TRACKS)
        space = self.chance.choice(SPACES)
        match self.chance.randint(0, 7):
            case 0:
                session.subscribe(track)
            case 1:
                session.publish(track)
            case 2:
                session.fetch(m.StandaloneFetch(track, Location(0, 0), Location(9, 0)))
            case 3:
                session.track_status(track)
            case 4:
                session.publish_namespace(space)
            case 5:
                session.subscribe_namespace(space)
            case 6:
                session.subscribe_tracks(space)
            case _:
                if (joined := self.pick(lambda request: not request.publisher)) is not None:
                    session.fetch(m.JoiningFetch(joined.id, 1))

    def answer(self) -> None:
        request = self.pick(lambda request: not request.local and request.state is State.PENDING)
        if request is None:
            return
        if self.chance.random() < 0.3:
            self.session.reject(request, RequestError.DOES_NOT_EXIST)
        else:
            self.session.accept(request, end=Location(9, 0) if request.kind is Kind.FETCH else None)

    def publish(self) -> None:
        draft = self.session.draft
        fetch = self.pick(lambda request: request.kind is Kind.FETCH and not request.local)
        if fetch is not None and not fetch.streams and self.chance.random() < 0.5:
            stream = self.session.open_fetch(fetch)
            if stream is not None:
                stream.write(FetchObject(1, 0, b"past"))
                self.writers.append(stream)
            return
        request = self.pick(lambda request: request.publisher and request.alias is not None)
        if request is not None:
            header = SubgroupHeader(request.alias or 0, self.chance.randint(0, 9))
            data = encode_subgroup_header(draft, header) + encode_object(draft, header, Object(0, b"x" * 40))
            cut = self.chance.randint(1, len(data))
            writer = self.session.open_subgroup(request, data[:cut])
            if writer is not None and self.chance.random() < 0.8:
                writer.write(data[cut:], fin=self.chance.random() < 0.5)
            elif writer is not None:
                writer.reset()
            self.writers.append(writer)
            self.session.send_datagram(encode_datagram(draft, ObjectDatagram(request.alias or 0, 1, 0, b"d")))

    def end(self) -> None:
        if self.writers and self.chance.random() < 0.5:
            writer = self.writers.pop(self.chance.randrange(len(self.writers)))
            if writer is not None:
                writer.finish() if self.chance.random() < 0.5 else writer.reset()
            return
        request = self.pick(lambda request: True)
        if request is None:
            return
        if request.publisher and request.kind in (Kind.SUBSCRIBE, Kind.PUBLISH):
            self.session.finish(request, DoneStatus.TRACK_ENDED)
        elif request.local or request.kind in (Kind.PUBLISH, Kind.PUBLISH_NAMESPACE):
            self.session.cancel(request)

    def tell(self) -> None:
        space = self.pick(lambda request: not request.local and request.wants_namespaces)
        if space is not None and self.chance.random() < 0.5:
            suffix = (b"%d" % self.chance.randint(0, 3),)
            (self.session.announce if self.chance.random() < 0.6 else self.session.withdraw)(space, suffix)
            return
        request = self.pick(lambda request: True)
        if request is not None and request.kind is not Kind.TRACK_STATUS:
            self.session.update(request, Parameters())


def wind_up(both: Two) -> None:
    """Both sides end all that they have asked for or publish."""
    for session in (both.client, both.server):
        for request in session.requests:
            if request.local and not (request.publisher and request.kind is Kind.PUBLISH):
                session.cancel(request)
            elif request.local:
                session.finish(request, DoneStatus.TRACK_ENDED)
    for _ in range(4):
        both.later(3)
        for session in (both.client, both.server):
            for request in session.requests:
                if (
                    not request.local and request.state is State.PENDING
                ):  # draft 16 takes no TRACK_STATUS back
                    session.reject(request, RequestError.DOES_NOT_EXIST)
    both.deliver()


@pytest.mark.parametrize("alpn", ["moqt-18", "moqt-16"])
@pytest.mark.parametrize("seed", range(6))
def test_whatever_happens(alpn: str, seed: int) -> None:
    chance = random.Random(seed)
    both = two(alpn, limits=SessionLimits(requests=12, namespaces=4))
    lives = [Life(chance, both.client, both.server), Life(chance, both.server, both.client)]
    both.at_client.on["updated"], both.at_server.on["updated"] = lives[0].updates, lives[1].updates
    for _ in range(STEPS):
        chance.choice(lives).step()
        for session in (both.pair.client, both.pair.server):
            if chance.random() < 0.5:
                if alpn != "moqt-16" or chance.random() < 0.5:
                    overtake(chance, session)
                session.deliver()
        assert not both.client.over, both.at_client.heard[-1]
        assert not both.server.over, both.at_server.heard[-1]
    wind_up(both)
    assert not both.client.over, both.at_client.heard[-1]
    assert (both.client.requests, both.server.requests) == ([], [])
    assert both.client._inbox._early == both.server._inbox._early == {}
    assert both.client.deadline() is both.server.deadline() is None
