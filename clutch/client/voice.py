"""`Voice`: a node from outside. It is connected in the background, and again whenever that is lost."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Self, overload

import attrs
import trio

from actors.runtime import LossyReceiver, LossySender, last_words, open_lossy
from clutch.client.address import parse_address
from clutch.client.backoff import Backoff
from clutch.client.bridge import AudioBridges
from clutch.client.catalogs import Catalogs
from clutch.client.connector import Connector, GetToken
from clutch.client.errors import VoiceError
from clutch.client.names import full_name_of, namespace_of
from clutch.client.order import Order
from clutch.client.publication import (
    AUDIO,
    CATALOG,
    FRAME,
    FRAME_DATAGRAM,
    TEXT,
    VIDEO,
    Kind,
    Publication,
    unix_us,
)
from clutch.client.roster import Roster
from clutch.client.search import Search
from clutch.client.subscription import Subscription
from clutch.client.values import State, StateChanged
from clutch.net.link import TrioNetwork
from clutch.net.quic.aioquic_engine import AioquicEngine
from clutch.net.quic.engine import Engine, Limits, Trust
from clutch.wire.moqt.names import FullTrackName, Namespace
from clutch.wire.voice import VoiceForm

EVENTS = 64
"""States that wait for a slow reader; the oldest go."""
CAPACITY = 50
"""Frames that wait for a slow reader: a second of audio."""
TEXT_PATIENCE_S = 2.0
"""How long a message waits for one before it."""
IDLE_S = 3.0
"""After so much silence a node is gone; it is asked for a sign of life three times before."""
HANDSHAKE_S = 2.5
"""How long one attempt to connect may take. A node that starts meanwhile is found by the second packet, after
one second, or by the next attempt."""
DRAIN_S = 1.0
"""How long leaving waits for what was not sent yet."""


@attrs.define(eq=False)
class Voice:
    """A connection to a node, as an async context manager, from which tracks are published and subscribed.

    ``moqt://host:4443`` is raw QUIC, ``https://host:4443/moq`` is WebTransport. Entering does not wait for
    the connection: tracks may be opened before there is one. It is made in the background, and again after
    every loss, after waits that grow to a second; then everything is published and subscribed anew, and
    each track says with one `Gap` what it lost. A node that goes away and says where to is followed.

    `token` may be a function that is asked with each connection, as tokens expire. Leaving ends all tracks,
    and waits for at most a second until what was written is sent.
    """

    url: str
    _token: str | GetToken = attrs.field(default="", kw_only=True, repr=False)
    _trust: Trust = attrs.field(factory=Trust, kw_only=True, repr=False)
    _engine: Engine | None = attrs.field(default=None, kw_only=True, repr=False)
    """None: an engine of our own; else one that the caller runs."""
    _random: random.Random = attrs.field(factory=random.Random, kw_only=True, repr=False)
    """Decides how long to wait before trying again."""
    _now_us: Callable[[], int] = attrs.field(default=unix_us, kw_only=True, repr=False)
    """The clock of timestamps: microseconds since the Unix epoch."""
    audio_bridge: AudioBridges = attrs.field(init=False, repr=False)
    _catalogs: Catalogs = attrs.field(init=False, repr=False)
    _nursery: trio.Nursery = attrs.field(init=False, repr=False)
    _roster: Roster = attrs.field(init=False, factory=Roster, repr=False)
    _connector: Connector = attrs.field(init=False, repr=False)
    _readers: list[LossySender[StateChanged]] = attrs.field(init=False, factory=list, repr=False)
    _changed: trio.lowlevel.ParkingLot = attrs.field(init=False, factory=trio.lowlevel.ParkingLot, repr=False)
    _scope: AbstractAsyncContextManager[None] = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self.audio_bridge = AudioBridges(self)
        self._roster.found = self._found
        self._roster.look_up = self._look_up
        self._catalogs = Catalogs(
            self._roster,
            lambda namespace, name: self._publish(CATALOG, namespace, name.decode(), ""),
            lambda namespace, name: self._subscribe(namespace, name.decode(), Order(CAPACITY), past_groups=0),
            self._now_us,
        )

    async def __aenter__(self) -> Self:
        """Begin to connect. Raises `AddressError`."""
        parse_address(self.url)
        self._scope = self._open()
        await self._scope.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._scope.__aexit__(kind, error, trace)

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[None]:
        failure: Exception | None = None
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            engine = self._engine
            if engine is None:
                engine = AioquicEngine(TrioNetwork(), limits=Limits(idle_s=IDLE_S, handshake_s=HANDSHAKE_S))
                await nursery.start(engine.run)
            token = self._token
            self._connector = Connector(
                parse_address(self.url),
                engine.connect,
                _always(token) if isinstance(token, str) else token,
                callable(token),
                self._trust,
                lambda: Backoff(self._random),
                self._roster,
                self._report,
            )
            nursery.start_soon(self._connector.run)
            try:
                yield
            except Exception as error:  # raised again as it is, not in a group
                failure = error
            finally:
                with last_words(DRAIN_S):
                    await self._leave()
                nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure

    @property
    def state(self) -> State:
        """Of the connection, now."""
        return self._connector.state.state

    def events(self) -> LossyReceiver[StateChanged]:
        """The state now, and every change of it: an async iterator, and a context manager that closes it."""
        sender: LossySender[StateChanged]
        sender, receiver = open_lossy(EVENTS)
        sender.send(self._connector.state)
        self._readers.append(sender)
        return receiver

    async def connected(self) -> None:
        """Wait for a connection. Raises `ConnectionRefused` if there will be none, `VoiceError` once left."""
        await trio.lowlevel.checkpoint()
        while self.state is not State.CONNECTED:
            if self.state is State.CLOSED:
                raise VoiceError("the connection was closed")
            if self._connector.refused is not None:
                raise self._connector.refused
            await self._changed.park()

    # Publish

    def publish_audio(
        self, namespace: str | Namespace, name: str, *, capability: str = "", frame_ms: int = 20
    ) -> Publication:
        """Publish audio: each frame goes alone, and what is late is dropped.

        `send` lets frames of `frame_ms` through in real time, `write` at once. `capability` says what a
        payload is, as in ``voice/pcm16;rate=16000``, for those who search. A namespace is text with slashes,
        or a tuple of bytes. Raises `VoiceError` if this `Voice` publishes the track already.
        """
        return self._publish(AUDIO, namespace, name, capability, frame_ms)

    def publish_frame(
        self, namespace: str | Namespace, name: str, *, capability: str = "", datagram: bool = False
    ) -> Publication:
        """Publish data of which each frame goes alone, with its own priority; as a datagram it goes once."""
        return self._publish(FRAME_DATAGRAM if datagram else FRAME, namespace, name, capability)

    def publish_video(self, namespace: str | Namespace, name: str, *, capability: str = "") -> Publication:
        """Publish video: a keyframe and what needs it go in order, or are dropped up to the next keyframe."""
        return self._publish(VIDEO, namespace, name, capability)

    def publish_text(self, namespace: str | Namespace, name: str, *, capability: str = "") -> Publication:
        """Publish messages, in order, and none is dropped: `send` waits for a connection, and for room.

        What was written last before a loss is sent again after it; whoever joins gets the last 64 or more.
        """
        return self._publish(TEXT, namespace, name, capability)

    # Subscribe

    @overload
    def subscribe_audio(
        self, namespace: str | Namespace, name: str, *, frame_ms: int = 20, capacity: int = CAPACITY
    ) -> Subscription: ...

    @overload
    def subscribe_audio(self, namespace: str | Namespace, *, capability: str) -> Search: ...

    def subscribe_audio(
        self,
        namespace: str | Namespace,
        name: str | None = None,
        *,
        capability: str = "",
        frame_ms: int = 20,
        capacity: int = CAPACITY,
    ) -> Subscription | Search:
        """Subscribe to audio: one track by its name, or every track under a prefix with a capability.

        A track that nobody publishes yet is waited for. `frame_ms` is how long a frame is, to measure gaps;
        of tracks that are found, the capability says it. Raises `VoiceError` if this `Voice` subscribes to
        the track already, or searches under a prefix that begins like this one.
        """
        if name is not None:
            return self._subscribe(namespace, name, Order(capacity, frame_ms))
        search = Search(namespace_of(namespace), capability, self._drop)
        self._roster.search(search)
        self._add(search)
        return search

    def subscribe_frame(
        self, namespace: str | Namespace, name: str, *, capacity: int = CAPACITY
    ) -> Subscription:
        """Subscribe to data: frames come as they arrive, the urgent ones before others."""
        return self._subscribe(namespace, name, Order(capacity, ordered=False))

    def subscribe_video(
        self, namespace: str | Namespace, name: str, *, capacity: int = CAPACITY
    ) -> Subscription:
        """Subscribe to video: after a gap wait for a frame that is a `keyframe`."""
        return self._subscribe(namespace, name, Order(capacity))

    def subscribe_text(self, namespace: str | Namespace, name: str, *, capacity: int = 1_024) -> Subscription:
        """Subscribe to messages, beginning with the last ones that there were."""
        order = Order(capacity, patience_s=TEXT_PATIENCE_S)
        return self._subscribe(namespace, name, order, past_groups=1)

    # Inside

    def _publish(
        self, kind: Kind, namespace: str | Namespace, name: str, capability: str, frame_ms: int = 0
    ) -> Publication:
        publication = Publication(
            full_name_of(namespace, name),
            kind,
            capability,
            self._is_connected,
            frame_ms,
            self._drop,
            self._now_us,
        )
        self._check_open()
        self._roster.publish(publication)
        self._add(publication)
        if kind is not CATALOG:
            self._catalogs.update(publication.name.namespace)
        return publication

    def _subscribe(
        self, namespace: str | Namespace, name: str, order: Order, past_groups: int | None = None
    ) -> Subscription:
        self._check_open()
        subscription = Subscription(full_name_of(namespace, name), order, self._drop, past_groups=past_groups)
        self._roster.subscribe(subscription)
        self._add(subscription)
        return subscription

    def _found(self, search: Search, name: FullTrackName, capability: str, offered: bool) -> Subscription:
        order = Order(CAPACITY, _frame_ms(capability))
        subscription = Subscription(name, order, self._drop, was_found=offered)
        subscription.capability = capability
        self._roster.subscribe(subscription)
        if not offered:
            self._add(subscription)
        search.found(subscription)
        return subscription

    def _add(self, item: Publication | Subscription | Search) -> None:
        if (link := self._connector.link) is not None:
            link.add(item)

    def _look_up(self, search: Search, namespace: Namespace) -> None:
        self._nursery.start_soon(self._catalogs.look_up, search, namespace)

    def _drop(self, item: Publication | Subscription | Search) -> None:
        self._roster.remove(item)
        if isinstance(item, Publication) and item.kind is not CATALOG:
            self._catalogs.update(item.name.namespace)
        if isinstance(item, Search):
            self._catalogs.leave(item)
        for link in self._connector.links:
            link.drop(item)

    def _is_connected(self) -> bool:
        return self._connector.link is not None

    def _check_open(self) -> None:
        if self._connector.refused is not None:
            raise self._connector.refused

    def _report(self, change: StateChanged) -> None:
        self._readers = [reader for reader in self._readers if reader.send(change)]
        self._changed.unpark_all()

    async def _leave(self) -> None:
        """End every track, send what waits, and go."""
        for item in self._roster.items():
            item.close()
        await self._connector.close()
        for reader in self._readers:
            reader.close()


def _always(token: str) -> GetToken | None:
    async def same() -> str:
        return token

    return same if token else None


def _frame_ms(capability: str) -> int:
    try:
        return VoiceForm.of_capability(capability).ptime_ms
    except ValueError:
        return 20
