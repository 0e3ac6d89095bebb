"""A small relay for tests: what a client meets, with a knob for each thing that can go wrong."""

from __future__ import annotations

import attrs
import trio

from clutch.net.moqt.incoming import IncomingSubgroup
from clutch.net.moqt.session import MoqtSession
from clutch.net.quic.engine import Closed, Incoming, SessionHandler
from clutch.net.quic.memory import MemoryQuic
from clutch.wire.loc import timestamped
from clutch.wire.moqt.codes import DoneStatus
from clutch.wire.moqt.data import (
    Object,
    ObjectDatagram,
    SubgroupHeader,
    encode_object,
    encode_subgroup_header,
)
from clutch.wire.moqt.fetch import EndOfRange, FetchObject
from clutch.wire.moqt.messages import PublishDone, RequestError_, RequestOk
from clutch.wire.moqt.names import FullTrackName, Location, Namespace
from clutch.wire.moqt.parameters import Parameters
from clutch.wire.moqt.properties import Properties
from clutch.wire.moqt.session_request import Answer, Kind, Request
from clutch.wire.msf import CAPABILITY_PROPERTY

HOST, PORT = "node.test", 4443
URL = f"moqt://{HOST}:{PORT}"


@attrs.define(eq=False)
class Peer:
    """One node: a `MoqtHandler` for each of its sessions. It forwards every object to every subscriber."""

    quic: MemoryQuic
    port: int = PORT
    drafts: tuple[str, ...] = ("moqt-18", "moqt-16")
    takes_publish: bool = True
    refuse: dict[Kind, RequestError_] = attrs.field(factory=dict)
    """Refusals of requests of a kind."""
    refuse_names: dict[FullTrackName, RequestError_] = attrs.field(factory=dict)
    """Refusals of a PUBLISH of certain tracks."""
    asked_for_namespaces: list[Request] = attrs.field(factory=list)
    """SUBSCRIBE_NAMESPACE requests."""
    close_with: int | None = None
    """End every session at once, with this code."""
    sessions: list[MoqtSession] = attrs.field(factory=list)
    published: dict[FullTrackName, tuple[MoqtSession, Request]] = attrs.field(factory=dict)
    subscribed: dict[FullTrackName, tuple[MoqtSession, Request]] = attrs.field(factory=dict)
    searching: list[tuple[MoqtSession, Request]] = attrs.field(factory=list)
    own: dict[FullTrackName, Properties] = attrs.field(factory=dict)
    namespaces: list[Namespace] = attrs.field(factory=list)
    tokens: list[bytes] = attrs.field(factory=list)
    kept: dict[FullTrackName, dict[Location, Object]] = attrs.field(factory=dict)
    """Every object that came."""
    _stop: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    _nursery: trio.Nursery = attrs.field(init=False)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until `stop`; again after that is a node that was restarted, with nothing left."""
        engine = self.quic.engine(self._accept, host=HOST, port=self.port, protocols=self.drafts)
        self._stop = trio.CancelScope()
        with self._stop:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                await nursery.start(engine.run)
                task_status.started()
                await trio.sleep_forever()

    def stop(self) -> None:
        """End every session, as a node that is restarted does, and forget everything."""
        self._stop.cancel()
        self.own.clear()
        for memory in (self.sessions, self.published, self.subscribed, self.searching, self.namespaces):
            memory.clear()

    def vanish(self) -> None:
        """Be gone without a word."""
        for session in self.sessions:
            session.quic.vanish()  # type: ignore[attr-defined]

    def _accept(self, incoming: Incoming) -> SessionHandler:
        return MoqtSession(self)

    def send(self, name: FullTrackName, group: int, *objects: Object) -> None:
        """Objects of a whole group, to who subscribes; nowhere if nobody does."""
        if name not in self.subscribed:
            return
        session, request = self.subscribed[name]
        header = SubgroupHeader(request.alias or 0, group, properties=True)
        data, previous = encode_subgroup_header(session.draft, header), None
        for item in objects:
            data += encode_object(session.draft, header, item, previous)
            previous = item.id
        session.open_subgroup(request, data, fin=True)

    def publish(self, name: FullTrackName, capability: str) -> None:
        """A track of the node itself, which `send` feeds."""
        self.own[name] = Properties.of((CAPABILITY_PROPERTY, capability.encode()))
        self._meet(name)

    def offer(self, session: MoqtSession, name: FullTrackName, capability: str) -> None:
        """PUBLISH a track to a client that searches."""
        properties = Properties.of((CAPABILITY_PROPERTY, capability.encode())) if capability else Properties()
        request = session.publish(name, properties=properties)
        self.subscribed[name] = (session, request)

    def object(self, payload: bytes) -> Object:
        """An object of now."""
        return Object(0, payload, timestamped(round(1e15 + trio.current_time() * 1e6)))

    def done(self, name: FullTrackName, status: DoneStatus) -> None:
        """End a subscription."""
        session, request = self.subscribed.pop(name)
        session.finish(request, status)

    def payloads(self, name: FullTrackName) -> list[bytes]:
        """What came of a track."""
        return [item.payload for _, item in sorted(self.kept.get(name, {}).items())]

    # MoqtHandler

    def ready(self, session: MoqtSession) -> None:
        """Take the session, unless it is to be refused."""
        self.tokens += [token.value or b"" for token in session.tokens]
        self.sessions.append(session)
        if self.close_with is not None:
            session.close(self.close_with, "as the test wants")
        else:
            self._nursery.start_soon(session.run)

    def requested(self, session: MoqtSession, request: Request) -> None:
        """Grant everything that is not to be refused; hold a SUBSCRIBE until there is a publisher."""
        refusal = self.refuse.get(request.kind)
        if request.kind is Kind.PUBLISH:
            refusal = self.refuse_names.get(request.name, refusal)
        if refusal is not None:
            session.reject(request, refusal.code, refusal.reason, refusal.retry_ms)
            return
        match request.kind:
            case Kind.PUBLISH:
                session.accept(request)
                self.published[request.name] = (session, request)
                self._meet(request.name)
            case Kind.SUBSCRIBE:
                self.subscribed[request.name] = (session, request)
                self._meet(request.name)
            case Kind.SUBSCRIBE_TRACKS:
                session.accept(request)
                self.searching.append((session, request))
            case Kind.SUBSCRIBE_NAMESPACE:
                session.accept(request)
                self.asked_for_namespaces.append(request)
            case Kind.FETCH:
                self._fetch(session, request)
            case _:
                session.accept(request)
                self.namespaces.append(request.namespace)

    def _meet(self, name: FullTrackName) -> None:
        """Grant a SUBSCRIBE that has a publisher."""
        known = name in self.published or name in self.own
        if known and name in self.subscribed and self.subscribed[name][1].answer is None:
            session, request = self.subscribed[name]
            largest = max(self.kept.get(name, {}), default=None)
            properties = self.own.get(name) or self.published[name][1].properties
            session.accept(request, parameters=Parameters(largest=largest), properties=properties)

    def _fetch(self, session: MoqtSession, request: Request) -> None:
        kept = self.kept[request.name]
        last = max(kept)
        session.accept(request, end=Location(last.group, last.object + 1))
        stream = session.open_fetch(request)
        assert stream is not None
        for (group, _), item in sorted(kept.items()):
            stream.write(FetchObject(group, item.id, item.payload, properties=item.properties))
        stream.finish()

    def answered(self, session: MoqtSession, request: Request, message: Answer) -> None:
        """What this side asked."""

    def updated(self, session: MoqtSession, request: Request, parameters: Parameters) -> None:
        """Yes."""

    def update_answered(
        self, session: MoqtSession, request: Request, message: RequestOk | RequestError_
    ) -> None:
        """Fine."""

    def cancelled(self, session: MoqtSession, request: Request, code: int) -> None:
        """Forget it."""
        if request.kind is Kind.SUBSCRIBE:
            self.subscribed.pop(request.name, None)

    def finished(self, session: MoqtSession, request: Request, done: PublishDone) -> None:
        """A publisher has ended: so have its subscribers."""
        self.published.pop(request.name, None)
        if request.name in self.subscribed:
            self.done(request.name, DoneStatus.TRACK_ENDED)

    def announced(self, session: MoqtSession, request: Request, suffix: Namespace) -> None:
        """A client answers our SUBSCRIBE_NAMESPACE."""
        self.namespaces.append(request.namespace + suffix)

    def withdrawn(self, session: MoqtSession, request: Request, suffix: Namespace) -> None:
        """It has none there any more."""
        self.namespaces.remove(request.namespace + suffix)

    def blocked(self, session: MoqtSession, request: Request, suffix: Namespace, name: bytes) -> None:
        """Never."""

    def subgroup_opened(self, session: MoqtSession, incoming: IncomingSubgroup) -> None:
        """Its objects follow."""

    def objects(self, session: MoqtSession, incoming: IncomingSubgroup, objects: list[Object]) -> None:
        """Keep them, and send them on."""
        name, group = incoming.request.name, incoming.header.group
        self.kept.setdefault(name, {}).update((Location(group, item.id), item) for item in objects)
        self.send(name, group, *objects)

    def subgroup_ended(self, session: MoqtSession, incoming: IncomingSubgroup, code: int | None) -> None:
        """Nothing to do."""

    def datagram(self, session: MoqtSession, request: Request, datagram: ObjectDatagram) -> None:
        """As objects."""
        item = Object(datagram.id, datagram.payload, datagram.properties)
        self.kept.setdefault(request.name, {})[Location(datagram.group, item.id)] = item
        self.send(request.name, datagram.group, item)

    def fetched(self, session: MoqtSession, request: Request, items: list[FetchObject | EndOfRange]) -> None:
        """Never."""

    def fetch_ended(self, session: MoqtSession, request: Request, code: int | None) -> None:
        """Never."""

    def goaway(self, session: MoqtSession, uri: str, timeout_ms: int, request: Request | None) -> None:
        """Never."""

    def writable(self, session: MoqtSession) -> None:
        """Nothing waits."""

    def batch_end(self, session: MoqtSession) -> None:
        """Nothing to do."""

    def closed(self, session: MoqtSession, closed: Closed) -> None:
        """Forget the session and what it published."""
        if session in self.sessions:
            self.sessions.remove(session)
        for memory in (self.published, self.subscribed):
            for name in [name for name, (owner, _) in memory.items() if owner is session]:
                del memory[name]
