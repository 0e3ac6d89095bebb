"""A relay that belongs to another one: what is not published here is asked for there, and the reverse.

They are joined by one session of MoQT, on which this one is the client. Tracks come and go on demand: this
relay subscribes there once for all who listen here, and announces there every namespace that is published
here, so that the other subscribes in turn. Tracks of a namespace that is announced here are looked for only
here. Watching namespaces and tracks does not reach across.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable

import attrs
import trio

from clutch.auth.grants import OPEN
from clutch.net.moqt.session import MoqtSession
from clutch.net.quic.engine import QuicSession, SessionHandler
from clutch.relay.asking import PastAsker, PastQuestion, StatusQuestion
from clutch.relay.gate import OpenGate
from clutch.relay.past import PastRange
from clutch.relay.peer import Peer
from clutch.relay.publishing import Publication
from clutch.relay.relay import Relay
from clutch.relay.track import Track
from clutch.wire.moqt.codes import SessionError
from clutch.wire.moqt.errors import LocalProtocolError
from clutch.wire.moqt.names import Namespace
from clutch.wire.moqt.parameters import GroupOrder, Parameters, Token
from clutch.wire.moqt.session_request import Request, State
from clutch.wire.moqt.setup import Options

RETRY_S = 0.5
"""How often a track that somebody waits for is asked for again: the other relay does not tell of new ones."""

Connect = Callable[[SessionHandler], Awaitable[QuicSession]]


@attrs.define(eq=False)
class Upstream:
    """The other relay, seen from here: an `Announcer` of everything, and a watcher of what is here."""

    _relay: Relay
    _peer: Peer
    _announced: dict[Namespace, Request] = attrs.field(init=False, factory=dict)
    _again_at: float = attrs.field(init=False, default=0.0)
    """When what was refused is announced again."""
    _news: trio.Event = attrs.field(init=False, factory=trio.Event)

    # Announcer

    def request_track(self, track: Track) -> bool:
        """See `Announcer.request_track`; not what it asks us for, nor what somebody here may have."""
        peer, announcers = self._peer, self._relay.router.announcers_of(track.name)
        if peer.full or len(announcers) > 1 or track.name in peer.subscribed:
            return False
        try:
            request = peer.session.subscribe(track.name, Parameters(forward=True))
        except LocalProtocolError:
            return False
        peer.play(request, Publication(peer, request, track.name, OPEN, self, track))
        return True

    def abandon(self, track: Track) -> None:
        """See `Announcer.abandon`."""
        for role in tuple(self._peer.roles.values()):
            if isinstance(role, Publication) and role.asked is track:
                role.abandon()

    def request_past(
        self, asker: PastAsker, past: PastRange, order: GroupOrder | None
    ) -> PastQuestion | None:
        """See `Announcer.request_past`."""
        peer = self._peer
        if asker.peer is peer:
            return None
        return PastQuestion.ask(peer, asker, past, order)

    def request_status(self, question: StatusQuestion) -> bool:
        """See `Announcer.request_status`."""
        peer = self._peer
        if question.peer is peer:
            return False
        try:
            request = peer.session.track_status(question.request.name)
        except LocalProtocolError:
            return False
        question.asked(peer, request)
        return True

    # Watcher

    def offer(self, track: Track) -> None:
        """See `TrackWatcher.offer`."""
        self._news.set()

    def found(self, namespace: Namespace) -> None:
        """See `NamespaceWatcher.found`."""
        self._news.set()

    def gone(self, namespace: Namespace) -> None:
        """See `NamespaceWatcher.gone`."""
        self._news.set()

    # Its task

    async def run(self) -> None:
        """Keep both sides informed until cancelled."""
        router = self._relay.router
        router.add_upstream(self)
        router.track_watchers.add((), self)
        router.namespace_watchers.add((), self)
        try:
            while True:
                self._announce()
                router.ask_again(self)
                self._news = trio.Event()
                with trio.move_on_after(RETRY_S):
                    await self._news.wait()
        finally:
            router.track_watchers.remove((), self)
            router.namespace_watchers.remove((), self)
            router.remove_upstream(self)

    def _announce(self) -> None:
        """Announce what is published here, and nothing else any more."""
        peer, router = self._peer, self._relay.router
        self._forget_refused()
        here = set(router.namespaces_under(()))
        for track in router.live_under(()):
            if any(source not in peer.uplinks for source in track.sources):
                here.add(track.name.namespace)
        for namespace in here - self._announced.keys():
            with contextlib.suppress(LocalProtocolError):  # it goes away, or has gone
                self._announced[namespace] = peer.session.publish_namespace(namespace)
        for namespace in self._announced.keys() - here:
            peer.session.cancel(self._announced.pop(namespace))

    def _forget_refused(self) -> None:
        now = trio.current_time()
        if now >= self._again_at:
            self._again_at = now + RETRY_S
            for namespace, request in tuple(self._announced.items()):
                if request.state is State.ENDED:
                    del self._announced[namespace]


async def join(
    relay: Relay,
    connect: Connect,
    token: bytes,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Belong to another relay, which the token opens, until the session with it ends.

    `connect` is what connects a handler to it. Started once it is connected. Raises `ConnectFailed`.
    """
    over = trio.Event()
    peer = Peer(relay.router, OpenGate(), 0, None, lambda _: over.set())
    options = Options(authorization=(Token.of(token),), implementation="clutch")
    peer.session = MoqtSession(peer, options, relay.limits.trusted)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(peer.session.run)
        await connect(peer.session)
        nursery.start_soon(Upstream(relay, peer).run)
        task_status.started()
        try:
            await over.wait()
        finally:
            peer.session.close(SessionError.NO_ERROR, "")
        nursery.cancel_scope.cancel()
