"""Two streams bridged: what either accepts leaves through the other, undecoded.

native/src/bridge.h describes it in full: what goes on, who sends when nothing does, who listens, and how a
bridge begins and ends without a gap.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import attrs
import numpy as np

from clutch.media.content import Content
from clutch.media.downlink import Downlink, Outgoing
from clutch.media.errors import CannotBridge
from clutch.media.g711 import Samples
from clutch.media.params import Address, RtpParams
from clutch.media.relay import Numbers, Relay
from clutch.media.uplink import Uplink

QUIET_TICKS = 25
"""After so many ticks without a packet the stream sends silence: Opus in DTX sends every 400 ms."""
PARTING_TICKS = 6
"""A bridge that is to end does so after this many ticks at the latest."""


class Relayed(NamedTuple):
    """A packet that the bridged stream is to send."""

    packet: Outgoing
    destination: Address


class End(Protocol):
    """What a bridge asks of the stream at either end."""

    @property
    def params(self) -> RtpParams:
        """As last connected."""

    @property
    def uplink(self) -> Uplink:
        """What it receives."""

    @property
    def destination(self) -> Address:
        """Where its packets go."""


def check_bridge(one: RtpParams | None, other: RtpParams | None) -> None:
    """Raises `CannotBridge` unless both are connected, with one codec."""
    if one is None or other is None:
        raise CannotBridge("a stream that was never connected cannot be bridged")
    if not one.codec.same_pcm(other.codec):
        names = [f"{params.codec.name} at {params.codec.rate_hz} Hz" for params in (one, other)]
        raise CannotBridge(f"{names[0]} cannot be bridged with {names[1]}")


@attrs.define(eq=False)
class Bridge:
    """One stream's share of a bridge. Each direction is by itself."""

    _downlink: Downlink
    tapped: bool = False
    """Somebody wants frames of this stream."""
    _end: End | None = None
    _to: Bridge | None = None
    """Sends what this one accepts."""
    _origin: Bridge | None = None
    """Whose packets this one sends."""
    _relay: Relay = attrs.field(factory=lambda: Relay(0))
    _quiet: int = 0
    """Ticks since one came."""
    _parting: int = 0
    """Ticks until `_origin` is let go at the latest; 0: it is not."""
    _busy: bool = False
    """The last tick had own words."""
    _played: Samples | None = None
    """The last frame, for the other one's tap."""

    def attach(self, end: End) -> None:
        """The stream was connected for the first time."""
        self._end = end

    @property
    def listens(self) -> bool:
        """True if the stream's packets are to be decoded."""
        to = self._to
        return to is None or self.tapped or to.tapped or to._parting > 0

    def tap(self, *, on: bool) -> None:
        """Somebody wants frames of this stream, or nobody does."""
        self.tapped = on
        self._settle()
        if self._origin is not None:
            self._origin._settle()

    def join(self, other: Bridge, now_us: int) -> tuple[list[Relayed], list[Relayed]]:
        """Begin. Returns what this one and what the other is to send at once."""
        self.cut()
        other.cut()
        for one, two in ((self, other), (other, self)):
            one._to, two._origin, one._played = two, one, None
            two._relay = Relay(two._live.params.codec.frame_ticks)
            two._quiet, two._parting, two._busy = QUIET_TICKS, 0, False
        return other._flush(now_us), self._flush(now_us)

    def unjoin(self) -> None:
        """Each direction ends as soon as the jitter buffer behind it plays."""
        for end in (self, self._to):
            if end is not None and end._origin is not None and not end._parting:
                end._parting = PARTING_TICKS

    def cut(self) -> None:
        """End both directions now."""
        self._part()
        if self._to is not None:
            self._to._part()

    def new_source(self) -> None:
        """The sender of what comes is another one from now on."""
        if self._to is not None:
            self._to._relay.interrupt()

    def relay(
        self, came: Numbers, payload: bytes, now_us: int, content: Content, *, marker: bool
    ) -> Relayed | None:
        """An accepted packet goes on, if anything does."""
        to = self._to
        if to is None:
            return None
        params = to._live.params
        payload_type = self._type_towards(params, content)
        if payload_type is not None or content is Content.KEY:
            to._quiet = 0
        if not params.send or to._busy:
            return None
        if payload_type is None:
            to._relay.skip(came.sequence)
            return None
        down = to._downlink
        following = Numbers(down.sequence, down.timestamp)
        placed = to._relay.place(came, following, now_us, audio=content is not Content.KEY)
        if placed is None:
            return None
        sent, following = placed
        outgoing = down.relay(payload_type, sent, following, payload, content, marker=marker)
        return Relayed(outgoing, to._live.destination)

    def tick(self) -> bool:
        """20 ms passed. True if the stream is to send something itself."""
        origin, params = self._origin, self._live.params
        if origin is None:
            return True
        self._busy = self._downlink.has_words(params)
        self._quiet = min(self._quiet + 1, QUIET_TICKS)
        speaks = self._busy or not params.send or self._quiet == QUIET_TICKS
        if self._parting:
            self._parting -= 1
            if not self._parting or speaks or origin._live.uplink.is_playing:
                self._part()
                return True
        if speaks:
            self._relay.interrupt()
        return speaks

    def keep(self, frame: Samples) -> None:
        """What was played in this tick."""
        if self._to is not None:
            self._played = frame

    def hear(self) -> bytes:
        """What the bridged stream's peer said: the PCM that goes with packets that the tick did not send."""
        played = self._origin._played if self._origin is not None else None
        silence = np.zeros(self._live.params.codec.frame_samples, np.int16)
        return (silence if played is None else played).tobytes()

    @property
    def _live(self) -> End:
        assert self._end is not None
        return self._end

    def _type_towards(self, towards: RtpParams, content: Content) -> int | None:
        """The payload type that a packet goes on with."""
        if content is Content.AUDIO:
            return towards.codec.payload_type
        if content is Content.NOISE:
            return towards.comfort_noise if towards.dtx else None
        same_clock = self._live.params.duration_clock_hz == towards.duration_clock_hz
        return towards.telephone_event if same_clock else None

    def _part(self) -> None:
        """Send for itself again."""
        if self._origin is not None:
            self._origin._to = None
            self._origin, self._parting = None, 0

    def _flush(self, now_us: int) -> list[Relayed]:
        """What waits in the jitter buffer goes ahead."""
        sent = []
        for sequence, timestamp, payload, noise in self._live.uplink.waiting:
            content = Content.NOISE if noise else Content.AUDIO
            sent.append(self.relay(Numbers(sequence, timestamp), payload, now_us, content, marker=False))
        self._settle()
        return [item for item in sent if item is not None]

    def _settle(self) -> None:
        """If nobody listens any more, what waits has gone on already."""
        if self._end is not None and not self.listens:
            self._end.uplink.leave()
            self._played = None
