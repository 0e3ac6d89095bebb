"""Who speaks to a caller by way of tracks: publishers of ``voice/<sid>/downlink``, under the call's lease."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Self

import attrs
import structlog
import trio

from actors import FRAME_MS, CallAudio, DownlinkTaken, Lease, Speaker
from clutch.media.playout import LEAD_MS, MOST_MS, URGENT_MS, Filler, Playout
from clutch.net.voice import BadPayload, VoiceDecoder, can_code, frame_bytes
from clutch.relay import (
    ACCEPTED,
    Claim,
    Decision,
    LocalSubscription,
    PublishAttempt,
    Relay,
    RequestRefused,
    TrackObject,
)
from clutch.wire.errors import MalformedPacket
from clutch.wire.loc import EMPTY_BLOCK, read_frame
from clutch.wire.moqt.codes import RequestError
from clutch.wire.moqt.names import FullTrackName, Namespace
from clutch.wire.moqt.properties import NONE
from clutch.wire.msf import CAPABILITY_PROPERTY, CATALOG
from clutch.wire.voice import AUDIO, VoiceForm, call_namespace

log = structlog.get_logger(__name__)

START_S = 2.0
"""How long a publisher that was let in may take until its track is there."""
RETRY_MS = 250
"""When a publisher that was refused because another speaks may ask again."""


@attrs.define(eq=False)
class Speaking:
    """The downlink of one call. A context manager: leaving it ends all talk, and the publishers are told."""

    _relay: Relay
    _audio: CallAudio
    _nursery: trio.Nursery
    _claim: Claim | None = None
    _interest: LocalSubscription | None = None
    _talks: dict[FullTrackName, Talk] = attrs.field(factory=dict)

    @property
    def _namespace(self) -> Namespace:
        return call_namespace(self._audio.sid, "downlink")

    def __enter__(self) -> Self:
        return self

    def begin(self) -> None:
        """From now on who publishes there is heard, or refused."""
        self._claim = self._relay.claim(self._namespace, self._decide)
        try:
            # So that a publisher who only announces the namespace is asked for its track.
            self._interest = self._relay.subscribe(FullTrackName(self._namespace, AUDIO), capacity=1)
        except RequestRefused as error:
            log.warning("call.no_track", sid=self._audio.sid, track="downlink", why=str(error))

    def __exit__(self, *_: object) -> None:
        if self._claim is not None:
            self._claim.close()
        if self._interest is not None:
            self._interest.close()
        for talk in tuple(self._talks.values()):
            talk.close()

    def _decide(self, attempt: PublishAttempt) -> Decision:
        name = attempt.name
        if name == FullTrackName(self._namespace, CATALOG):
            return ACCEPTED
        try:
            form = _form(attempt)
        except ValueError as error:
            return Decision(RequestError.UNINTERESTED, str(error))
        if name.namespace != self._namespace or not can_code(form.codec):
            return Decision(RequestError.UNINTERESTED, f"no {form.capability} can be heard here")
        talk = self._talks.get(name)
        try:
            if talk is not None and not talk.over:
                raise DownlinkTaken(Speaker.APP.value)
            lease = self._audio.lease(Speaker.APP)
        except DownlinkTaken as error:
            return Decision(RequestError.UNINTERESTED, str(error), RETRY_MS)
        try:
            subscription = self._relay.subscribe(name, rendezvous_s=START_S)
        except RequestRefused as error:
            lease.release()
            return Decision(RequestError.EXCESSIVE_LOAD, error.reason, error.retry_ms)
        talk = Talk(self._audio, form, lease, subscription, attempt)
        self._talks[name] = talk
        self._nursery.start_soon(self._hear, talk)
        return Decision(ended=talk.finish)

    async def _hear(self, talk: Talk) -> None:
        who = {"sid": self._audio.sid, "form": talk.form.capability, "subject": talk.attempt.subject}
        log.info("call.app_speaks", **who)
        try:
            await talk.run()
        finally:
            talk.close()
            if self._talks.get(talk.attempt.name) is talk:
                del self._talks[talk.attempt.name]
            log.info("call.app_spoke", **who, **talk.counters())


@attrs.define(eq=False)
class Talk:
    """What one publisher says, from its first object to its last."""

    _audio: CallAudio
    form: VoiceForm
    _lease: Lease
    _subscription: LocalSubscription
    attempt: PublishAttempt
    over: bool = False
    """Nothing more is heard of it: the publisher has gone, or was told to go."""
    bad: int = 0
    """Payloads that are not of the form; heard as what is missing is."""
    _playout: Playout[bytes] = attrs.field(factory=Playout)
    _decoder: VoiceDecoder | None = None
    _private: bool | None = None
    """Payloads begin with a block of private properties: not known before the first."""

    def counters(self) -> Mapping[str, int]:
        """For the log: objects that were not heard, and why."""
        playout, lost = self._playout, self._subscription.lost_total
        return {
            "late": playout.late,
            "missing": playout.missing,
            "trimmed": playout.trimmed + lost,
            "bad": self.bad,
        }

    async def run(self) -> None:
        """Let the caller hear it, until the publisher has gone or it is closed."""
        while True:
            with trio.move_on_after(self._patience_s()):
                try:
                    batch = await self._subscription.receive()
                except (trio.EndOfChannel, trio.ClosedResourceError):
                    break
                self._push(batch.items)
            self._play()

    def finish(self) -> None:
        """The publisher has gone: others may speak, after what has come of it."""
        if not self.over:
            self.over = True
            self._push(self._subscription.receive_nowait())
            self._play(to_the_end=True)
            self._lease.release()

    def close(self) -> None:
        """Let others speak; a publisher that is still there is told. Idempotent."""
        self._lease.release()
        if not self.over:
            self.over = True
            self.attempt.end("the call has no ear for it any more")
        self._subscription.close()

    def _push(self, items: Sequence[TrackObject]) -> None:
        for item in items:
            self._playout.push((item.group, item.object), item.payload)

    def _patience_s(self) -> float:
        """How long what is missing is waited for."""
        return max(0, self._lease.queued_ms - URGENT_MS) / 1000 if self._playout.waits else math.inf

    def _play(self, *, to_the_end: bool = False) -> None:
        """Queue what is due; to the end, also what waits for something missing."""
        rate_hz = self._audio.rate_hz
        if self._decoder is None or self._decoder.rate_hz != rate_hz:
            self._decoder = VoiceDecoder(self.form, rate_hz)
        longest_ms = URGENT_MS if to_the_end else MOST_MS + 1
        while (piece := self._playout.next(min(self._lease.queued_ms, longest_ms))) is not None:
            if piece is Filler.LEAD:
                pcm = bytes(frame_bytes(rate_hz) * LEAD_MS // FRAME_MS)
            elif piece is Filler.GAP:
                pcm = self._decoder.conceal()
            else:
                pcm = self._decode(piece)
            self._lease.send(pcm)

    def _decode(self, payload: bytes) -> bytes:
        assert self._decoder is not None
        if self._private is None:
            # Some publishers put the block in front, some do not, and nothing says which (LOC-04 section 2);
            # that audio begins with the bytes of an empty one is very unlikely.
            self._private = payload.startswith(EMPTY_BLOCK)
        try:
            return self._decoder.decode(read_frame(NONE, payload, private=self._private).payload)
        except (BadPayload, MalformedPacket):
            self.bad += 1
            return self._decoder.conceal()


def _form(attempt: PublishAttempt) -> VoiceForm:
    """What the publisher says that it sends, or else what the track's name says. Raises ValueError."""
    capability = attempt.properties.data(CAPABILITY_PROPERTY)
    if capability is None:
        return VoiceForm.of_track(attempt.name.name)
    return VoiceForm.of_capability(capability.decode(errors="replace"))
