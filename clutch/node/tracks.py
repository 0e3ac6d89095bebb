"""A call's audio as tracks of the relay: the TracksPort of calls.

`voice/<sid>/uplink` has the track `audio` and, for whoever asks, the same in other forms. What nobody listens
to is not encoded, nor even read from the call; and each form is encoded once, however many listen.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Self

import attrs
import structlog
import trio

import native
from actors import FRAME_MS, CallAudio, LossyReceiver, MediaFrame
from clutch.net.voice import PLAIN_OPUS, VoiceEncoder, can_code
from clutch.node.speaking import Speaking
from clutch.relay import Claim, Decision, LocalPublication, Offer, Relay, RequestRefused
from clutch.wire.moqt.codes import RequestError
from clutch.wire.moqt.names import FullTrackName, Namespace
from clutch.wire.msf import CATALOG, Catalog
from clutch.wire.voice import DEFAULT_FORM, FORMS, VoiceForm, call_namespace
from clutch.wire.voice_catalog import voice_track

log = structlog.get_logger(__name__)

NOT_THE_CALLER = Decision(RequestError.UNAUTHORIZED, "what the caller says is published by the call")


def unix_us() -> int:
    """Microseconds since the Unix epoch."""
    return time.time_ns() // 1000


@attrs.frozen
class CallTracks:
    """Puts the audio of every call on a relay."""

    _relay: Relay
    _opus: native.OpusOptions = PLAIN_OPUS
    _now_us: Callable[[], int] = unix_us

    async def run(self, audio: CallAudio) -> None:
        """See `TracksPort.run`."""
        async with trio.open_nursery() as nursery:
            with (
                Hearing(self._relay, audio, self._opus, self._now_us) as hearing,
                Speaking(self._relay, audio, nursery) as speaking,
            ):
                hearing.begin()
                speaking.begin()
                await hearing.run()
                nursery.cancel_scope.cancel(reason="the call's audio has ended")


@attrs.define(eq=False)
class _Track:
    encoder: VoiceEncoder
    publication: LocalPublication | None = None
    """None only while it is being published."""
    wanted: bool = False


@attrs.define(eq=False)
class Hearing:
    """The uplink of one call. A context manager: leaving it ends its tracks."""

    _relay: Relay
    _audio: CallAudio
    _opus: native.OpusOptions
    _now_us: Callable[[], int]
    _tracks: dict[VoiceForm, _Track] = attrs.field(factory=dict)
    _claim: Claim | None = None
    _offer: Offer | None = None
    _catalog: LocalPublication | None = None
    _asked: trio.Event = attrs.field(factory=trio.Event)

    @property
    def _namespace(self) -> Namespace:
        return call_namespace(self._audio.sid, "uplink")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        publications = [track.publication for track in self._tracks.values()]
        for end in (self._claim, self._offer, self._catalog, *publications):
            if end is not None:
                end.close()

    def begin(self) -> None:
        """Be there to be subscribed to, and nobody else in the caller's name."""
        self._claim = self._relay.claim(self._namespace, lambda attempt: NOT_THE_CALLER)
        if can_code(DEFAULT_FORM.codec):
            self._publish(DEFAULT_FORM)
        self._offer = self._relay.offer(self._namespace, self._make)
        try:
            self._catalog = self._relay.publish(FullTrackName(self._namespace, CATALOG), kind="frame")
        except RequestRefused as error:
            self._refused(CATALOG, error)
        else:
            now_us = self._now_us()
            self._catalog.write(_catalog(now_us).encode(), timestamp_us=now_us)

    async def run(self) -> None:
        """Publish what is wanted, until cancelled or the call's audio ends."""
        while True:
            await self._asked.wait()
            self._asked = trio.Event()
            with self._audio.tap() as frames:
                try:
                    await self._pump(frames)
                except trio.EndOfChannel:
                    return

    async def _pump(self, frames: LossyReceiver[MediaFrame]) -> None:
        """Until nobody listens."""
        began_us: int | None = None
        while wanted := [track for track in self._tracks.values() if track.wanted]:
            batch = await frames.receive()
            if began_us is None:
                began_us = self._now_us() - batch.items[-1].tick * FRAME_MS * 1000
            for frame in batch.items:
                for track in wanted:
                    if track.publication is not None:
                        payload = track.encoder.encode(frame.uplink, frame.rate_hz)
                        at_us = began_us + frame.tick * FRAME_MS * 1000
                        track.publication.write(payload, timestamp_us=at_us)

    def _make(self, name: FullTrackName) -> None:
        """Somebody asks for a track."""
        try:
            form = VoiceForm.of_track(name.name)
        except ValueError:
            return
        if name.namespace == self._namespace and can_code(form.codec):
            self._publish(form)

    def _publish(self, form: VoiceForm) -> None:
        track = self._tracks[form] = _Track(VoiceEncoder(form, self._opus))
        name = FullTrackName(self._namespace, form.track)
        try:
            track.publication = self._relay.publish(
                name, capability=form.capability, wanted=partial(self._wanted, form)
            )
        except RequestRefused as error:
            del self._tracks[form]
            self._refused(form.track, error)

    def _refused(self, track: bytes, error: RequestRefused) -> None:
        log.warning("call.no_track", sid=self._audio.sid, track=track.decode(), why=str(error))

    def _wanted(self, form: VoiceForm, wanted: bool) -> None:
        track = self._tracks[form]
        track.wanted = wanted
        if wanted:
            self._asked.set()
        elif form != DEFAULT_FORM and track.publication is not None and not track.publication.subscribers:
            del self._tracks[form]
            track.publication.close()


def _catalog(now_us: int) -> Catalog:
    """Of every uplink: each form that it can be had in."""
    tracks = [voice_track(form.track, form) for form in FORMS if can_code(form.codec)]
    return Catalog(tuple(tracks), now_us // 1000)
