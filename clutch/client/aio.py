"""The SDK for asyncio: the same names as in `clutch.client`, run by a Trio thread of their own.

What opens a track is an async context manager here, and every method of a track is awaited.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeAlias, overload

import attrs

from clutch.client import publication as _publication
from clutch.client import search as _search
from clutch.client import subscription as _subscription
from clutch.client import voice as _voice
from clutch.client.portal import Portal, open_portal
from clutch.client.values import Frame, State, StateChanged
from clutch.net.quic.engine import Trust
from clutch.wire.moqt.names import FullTrackName, Namespace


@attrs.frozen
class Subscription:
    """See `clutch.client.Subscription`: an async iterator of frames. A frame is lost if a cancel meets it."""

    _inner: _subscription.Subscription
    _portal: Portal = attrs.field(repr=False)

    @property
    def name(self) -> FullTrackName:
        """The track."""
        return self._inner.name

    @property
    def capability(self) -> str:
        """What the publisher says of the track."""
        return self._inner.capability

    def __aiter__(self) -> Self:
        """Iterate over frames."""
        return self

    async def __anext__(self) -> Frame:
        """The next frame."""
        return await self._portal.call(self._inner.__anext__)


@attrs.frozen
class Publication:
    """See `clutch.client.Publication`."""

    _inner: _publication.Publication
    _portal: Portal = attrs.field(repr=False)

    @property
    def name(self) -> FullTrackName:
        """The track."""
        return self._inner.name

    @property
    def wanted(self) -> bool:
        """Whether anybody wants it now."""
        return self._inner.wanted

    async def send(self, item: Frame | bytes | str) -> None:
        """Send in good time."""
        await self._portal.call(self._inner.send, item)

    async def write(self, payload: bytes, timestamp_us: int | None = None, **options: Any) -> bool:
        """Send now or not at all; the options are `keyframe` and `priority`."""
        return await self._portal.call_sync(self._inner.write, payload, timestamp_us, **options)


@attrs.frozen
class Search:
    """See `clutch.client.Search`: an async iterator of subscriptions."""

    _inner: _search.Search
    _portal: Portal = attrs.field(repr=False)

    def __aiter__(self) -> Self:
        """Iterate over what is found."""
        return self

    async def __anext__(self) -> Subscription:
        """The next track that is found."""
        return Subscription(await self._portal.call(self._inner.__anext__), self._portal)


Publishing: TypeAlias = AbstractAsyncContextManager[Publication]
Subscribing: TypeAlias = AbstractAsyncContextManager[Subscription]


@attrs.frozen
class AudioBridge:
    """See `clutch.client.AudioBridge`."""

    uplink: Subscription
    downlink: Publication


@attrs.frozen
class CallerBridge:
    """See `clutch.client.CallerBridge`."""

    uplink: Publication
    downlink: Subscription


@attrs.frozen
class AudioBridges:
    """`Voice.audio_bridge`; the options are those of `clutch.client.bridge.AudioBridges`."""

    _voice: _voice.Voice
    _portal: Portal

    @asynccontextmanager
    async def attach(self, sid: str, **options: Any) -> AsyncIterator[AudioBridge]:
        """Hear the caller and speak to him."""
        async with self._portal.inside(self._voice.audio_bridge.attach(sid, **options)) as bridge:
            yield AudioBridge(
                Subscription(bridge.uplink, self._portal), Publication(bridge.downlink, self._portal)
            )

    @asynccontextmanager
    async def attach_caller(self, sid: str, **options: Any) -> AsyncIterator[CallerBridge]:
        """Be the caller."""
        async with self._portal.inside(self._voice.audio_bridge.attach_caller(sid, **options)) as bridge:
            yield CallerBridge(
                Publication(bridge.uplink, self._portal), Subscription(bridge.downlink, self._portal)
            )


@attrs.define(eq=False)
class Voice:
    """See `clutch.client.Voice`. `token` may be an async function of asyncio."""

    url: str
    _token: str | Callable[[], Awaitable[str]] = attrs.field(default="", kw_only=True, repr=False)
    _trust: Trust = attrs.field(factory=Trust, kw_only=True, repr=False)
    _portal: Portal = attrs.field(init=False, repr=False)
    _voice: _voice.Voice = attrs.field(init=False, repr=False)
    _stack: AsyncExitStack = attrs.field(init=False, factory=AsyncExitStack, repr=False)

    async def __aenter__(self) -> Self:
        """Begin to connect. Raises `AddressError`."""
        async with AsyncExitStack() as stack:
            self._portal = await stack.enter_async_context(open_portal())
            token = self._token
            given = token if isinstance(token, str) else partial(self._portal.from_trio, token)
            voice = _voice.Voice(self.url, token=given, trust=self._trust)
            self._voice = await stack.enter_async_context(self._portal.inside(voice))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def state(self) -> State:
        """Of the connection, now."""
        return self._voice.state

    @property
    def audio_bridge(self) -> AudioBridges:
        """Ties this side to calls."""
        return AudioBridges(self._voice, self._portal)

    async def connected(self) -> None:
        """Wait for a connection. Raises `ConnectionRefused` if there will be none."""
        await self._portal.call(self._voice.connected)

    async def events(self) -> AsyncIterator[StateChanged]:
        """The state now, and every change of it."""
        receiver = await self._portal.call_sync(self._voice.events)
        try:
            while True:
                yield await self._portal.call(receiver.__anext__)
        except StopAsyncIteration:
            pass
        finally:
            await self._portal.call_sync(receiver.close)

    def publish_audio(self, namespace: str | Namespace, name: str, **options: Any) -> Publishing:
        """See `clutch.client.Voice.publish_audio`."""
        return self._publishing(self._voice.publish_audio, namespace, name, options)

    def publish_frame(self, namespace: str | Namespace, name: str, **options: Any) -> Publishing:
        """See `clutch.client.Voice.publish_frame`."""
        return self._publishing(self._voice.publish_frame, namespace, name, options)

    def publish_video(self, namespace: str | Namespace, name: str, **options: Any) -> Publishing:
        """See `clutch.client.Voice.publish_video`."""
        return self._publishing(self._voice.publish_video, namespace, name, options)

    def publish_text(self, namespace: str | Namespace, name: str, **options: Any) -> Publishing:
        """See `clutch.client.Voice.publish_text`."""
        return self._publishing(self._voice.publish_text, namespace, name, options)

    @overload
    def subscribe_audio(self, namespace: str | Namespace, name: str, **options: Any) -> Subscribing: ...

    @overload
    def subscribe_audio(
        self, namespace: str | Namespace, *, capability: str
    ) -> AbstractAsyncContextManager[Search]: ...

    def subscribe_audio(
        self, namespace: str | Namespace, name: str | None = None, **options: Any
    ) -> Subscribing | AbstractAsyncContextManager[Search]:
        """See `clutch.client.Voice.subscribe_audio`."""
        if name is None:
            return self._searching(namespace, options)
        return self._subscribing(self._voice.subscribe_audio, namespace, name, options)

    def subscribe_frame(self, namespace: str | Namespace, name: str, **options: Any) -> Subscribing:
        """See `clutch.client.Voice.subscribe_frame`."""
        return self._subscribing(self._voice.subscribe_frame, namespace, name, options)

    def subscribe_video(self, namespace: str | Namespace, name: str, **options: Any) -> Subscribing:
        """See `clutch.client.Voice.subscribe_video`."""
        return self._subscribing(self._voice.subscribe_video, namespace, name, options)

    def subscribe_text(self, namespace: str | Namespace, name: str, **options: Any) -> Subscribing:
        """See `clutch.client.Voice.subscribe_text`."""
        return self._subscribing(self._voice.subscribe_text, namespace, name, options)

    @asynccontextmanager
    async def _publishing(
        self,
        publish: Callable[..., _publication.Publication],
        namespace: str | Namespace,
        name: str,
        options: dict[str, Any],
    ) -> AsyncIterator[Publication]:
        inner = await self._portal.call_sync(publish, namespace, name, **options)
        try:
            yield Publication(inner, self._portal)
        finally:
            await self._portal.call_sync(inner.close)

    @asynccontextmanager
    async def _subscribing(
        self,
        subscribe: Callable[..., _subscription.Subscription],
        namespace: str | Namespace,
        name: str,
        options: dict[str, Any],
    ) -> AsyncIterator[Subscription]:
        inner = await self._portal.call_sync(subscribe, namespace, name, **options)
        try:
            yield Subscription(inner, self._portal)
        finally:
            await self._portal.call_sync(inner.close)

    @asynccontextmanager
    async def _searching(self, namespace: str | Namespace, options: dict[str, Any]) -> AsyncIterator[Search]:
        inner: _search.Search = await self._portal.call_sync(
            self._voice.subscribe_audio, namespace, **options
        )
        try:
            yield Search(inner, self._portal)
        finally:
            await self._portal.call_sync(inner.close)
