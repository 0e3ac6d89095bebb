"""Both directions of a call's audio, for who talks to the caller or is the caller."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs

from clutch.client.publication import Publication
from clutch.client.subscription import Subscription
from clutch.wire.voice import Codec, Direction, VoiceForm, call_namespace

if TYPE_CHECKING:
    from clutch.client.voice import Voice


@attrs.frozen
class AudioBridge:
    """What an app holds of a call: it hears the caller and speaks to him."""

    uplink: Subscription
    """What the caller says."""
    downlink: Publication
    """What the caller hears."""


@attrs.frozen
class CallerBridge:
    """What a caller's device holds of a call: the mirror of `AudioBridge`."""

    uplink: Publication
    """What the caller says."""
    downlink: Subscription
    """What the caller hears."""


@attrs.frozen
class AudioBridges:
    """`Voice.audio_bridge`: ties this side to a call, by its sid.

    `codec` is ``opus``, ``pcm16`` (little endian), ``g711_ulaw`` or ``g711_alaw``; the node transcodes.
    Frames are payloads of that codec; the usual `sample_rate` is 48000, of G.711 8000. Leaving the block ends
    both tracks. A call that does not exist yet is waited for; when it ends, so does the iteration over what
    is heard.
    """

    _voice: Voice

    @asynccontextmanager
    async def attach(
        self,
        sid: str,
        *,
        codec: str = "opus",
        sample_rate: int | None = None,
        channels: int = 1,
        frame_ms: int = 20,
    ) -> AsyncIterator[AudioBridge]:
        """Hear the caller and speak to him. Raises ValueError for a form of audio that there is not."""
        form = _form(codec, sample_rate, channels, frame_ms)
        with self._subscribe(sid, "uplink", form) as uplink, self._publish(sid, "downlink", form) as downlink:
            yield AudioBridge(uplink, downlink)

    @asynccontextmanager
    async def attach_caller(
        self,
        sid: str,
        *,
        codec: str = "opus",
        sample_rate: int | None = None,
        channels: int = 1,
        frame_ms: int = 20,
    ) -> AsyncIterator[CallerBridge]:
        """Be the caller: speak, and hear what is said to him. Raises ValueError as `attach` does."""
        form = _form(codec, sample_rate, channels, frame_ms)
        with self._subscribe(sid, "downlink", form) as downlink, self._publish(sid, "uplink", form) as uplink:
            yield CallerBridge(uplink, downlink)

    def _subscribe(self, sid: str, direction: Direction, form: VoiceForm) -> Subscription:
        namespace = call_namespace(sid, direction)
        return self._voice.subscribe_audio(namespace, form.track.decode(), frame_ms=form.ptime_ms)

    def _publish(self, sid: str, direction: Direction, form: VoiceForm) -> Publication:
        namespace = call_namespace(sid, direction)
        return self._voice.publish_audio(
            namespace, form.track.decode(), capability=form.capability, frame_ms=form.ptime_ms
        )


def _form(codec: str, sample_rate: int | None, channels: int, frame_ms: int) -> VoiceForm:
    if sample_rate is None:
        return VoiceForm(Codec(codec), channels=channels, ptime_ms=frame_ms)
    return VoiceForm(Codec(codec), sample_rate, channels, frame_ms)
