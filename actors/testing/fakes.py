"""Fake ports: a leg, media, an agent and a sink that do what a script says, on Trio time.

Each can be told to hang or to fail at one of its phases (`Fault`), each keeps account in a `Ledger`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import attrs
import trio

from actors.call import (
    AgentPort,
    CallAudio,
    Cause,
    Conversation,
    DownlinkTaken,
    Dtmf,
    LegEnded,
    MediaEvent,
    MediaFrame,
    MediaStats,
    MediaTimeout,
    MediaUnavailable,
    Party,
    Reason,
    Speaker,
    SpeechEnded,
    SpeechStarted,
)
from actors.runtime import Context, LossyReceiver, LossySender, open_lossy
from actors.testing.ledger import Ledger


class FakeError(Exception):
    """The error that a `Fault` raises."""


@attrs.frozen
class Fault:
    """Go wrong at a phase: wait forever, or raise `FakeError`."""

    phase: str
    how: Literal["hang", "fail"] = "hang"
    after_s: float = 0.0
    """How long the phase goes well first."""

    async def strike(self, phase: str) -> None:
        """Called by the fakes when they come to a phase; always a checkpoint."""
        await trio.lowlevel.checkpoint()
        if phase == self.phase:
            await trio.sleep(self.after_s)
            if self.how == "fail":
                raise FakeError(phase)
            await trio.sleep_forever()


NO_FAULT = Fault("none")
_HUNG_UP = Cause(Reason.NORMAL, Party.CALLER, sip=200)


@attrs.define(eq=False)
class FakeLeg:
    """A LegPort on a script. Phases: ``connect``, ``ended``, ``goodbye``."""

    ledger: Ledger
    sid: str
    ring_after_s: float | None = None
    """When the far side rings; None if it never says so."""
    answer_after_s: float | None = 0.0
    """When it answers; None if it never does."""
    refusal: Cause | None = None
    """Given at the time of the answer instead of it: busy, rejected, cancelled by the caller …"""
    end_after_s: float | None = None
    """When the far side hangs up, counted from the answer; None if it never does."""
    end_cause: Cause = _HUNG_UP
    confirms_goodbye: bool = True
    """False for a peer that vanished: a BYE is never answered."""
    fault: Fault = NO_FAULT
    said: list[str] = attrs.field(factory=list)
    """What this leg signalled to its far side, in order."""
    _open: bool = True
    _over: bool = False

    def __attrs_post_init__(self) -> None:
        self.ledger.take("leg", self.sid)

    async def connect(self, ringing: Callable[[], None]) -> None:
        """Ring, then answer or refuse, as scripted."""
        await self.fault.strike("connect")
        if self.ring_after_s is not None:
            await trio.sleep(self.ring_after_s)
            ringing()
        if self.answer_after_s is None:
            await trio.sleep_forever()
        else:
            await trio.sleep(self.answer_after_s)
        if self.refusal is not None:
            self._over = True
            raise LegEnded(self.refusal)
        self.said.append("answer")

    async def ended(self) -> Cause:
        """Hang up from the far side, as scripted."""
        await self.fault.strike("ended")
        if self.end_after_s is None:
            await trio.sleep_forever()
        else:
            await trio.sleep(self.end_after_s)
        self._over = True
        return self.end_cause

    async def goodbye(self, cause: Cause) -> None:
        """Say BYE, or a final response before the answer, once; wait for its confirmation."""
        if self._over:
            return
        self._over = True
        self.said.append("bye" if "answer" in self.said else f"refuse {cause.sip}")
        await self.fault.strike("goodbye")
        if not self.confirms_goodbye:
            await trio.sleep_forever()

    def close(self) -> None:
        """Give the leg back."""
        if self._open:
            self._open = False
            self.ledger.give_back("leg", self.sid)


@attrs.define(eq=False)
class FakeStream:
    """A MediaStream without packets. `FakeMedia` ticks it; the test is the far side. Phase: ``event``."""

    ledger: Ledger
    sid: str
    rate_hz: int = 8000
    timeout_after_s: float | None = None
    """When a `MediaTimeout` event comes, counted from the opening."""
    fault: Fault = NO_FAULT
    uplink: bytearray = attrs.field(factory=bytearray)
    """PCM that the caller is going to say; silence when it runs out."""
    heard: bytearray = attrs.field(factory=bytearray)
    """PCM that the caller has heard: one frame per tick."""
    keys_sent: str = ""
    _queue: bytearray = attrs.field(factory=bytearray)
    _taps: list[LossySender[MediaFrame]] = attrs.field(factory=list)
    _events_in: LossySender[MediaEvent] = attrs.field(init=False)
    _events: LossyReceiver[MediaEvent] = attrs.field(init=False)
    _opened_at: float = attrs.field(factory=trio.current_time)
    _ticks: int = 0
    _open: bool = True

    def __attrs_post_init__(self) -> None:
        self.ledger.take("port", self.sid)
        self._events_in, self._events = open_lossy(16)

    @property
    def queued_ms(self) -> int:
        """Downlink audio not yet heard."""
        return len(self._queue) * 1000 // (2 * self.rate_hz)

    def tap(self, capacity: int = 50) -> LossyReceiver[MediaFrame]:
        """See `MediaStream.tap`."""
        sender: LossySender[MediaFrame]
        sender, receiver = open_lossy(capacity)
        if self._open:
            self._taps.append(sender)
        else:
            sender.close()
        return receiver

    async def next_event(self) -> MediaEvent:
        """See `MediaStream.next_event`."""
        await self.fault.strike("event")
        try:
            return await self._events.__anext__()
        except StopAsyncIteration:
            raise trio.ClosedResourceError from None

    def send(self, pcm: bytes) -> int:
        """Takes everything while open, nothing once closed."""
        if not self._open:
            return 0
        self._queue += pcm
        return len(pcm)

    def clear(self) -> None:
        """See `MediaStream.clear`."""
        self._queue.clear()

    def send_dtmf(self, digits: str, *, tone_ms: int = 100, gap_ms: int = 60) -> None:
        """Keeps the digits in `keys_sent`."""
        self.keys_sent += digits

    def press(self, digit: str) -> None:
        """The caller presses a key."""
        self._events_in.send(Dtmf(digit, 100))

    def speak(self, ms: int) -> None:
        """The caller says something that took so long."""
        self._events_in.send(SpeechStarted())
        self._events_in.send(SpeechEnded(ms))

    def stats(self) -> MediaStats:
        """Ticks as packets."""
        return MediaStats(packets_sent=self._ticks, packets_received=self._ticks, played=self._ticks)

    def close(self) -> None:
        """See `MediaStream.close`."""
        if self._open:
            self._open = False
            for tap in self._taps:
                tap.close()
            self._events_in.close()
            self._events.close()
            self.ledger.give_back("port", self.sid)

    def tick(self) -> None:
        """20 ms pass."""
        size = self.rate_hz // 50 * 2
        downlink = bytes(self._queue[:size]).ljust(size, b"\0")
        uplink = bytes(self.uplink[:size]).ljust(size, b"\0")
        del self._queue[:size], self.uplink[:size]
        self.heard += downlink
        frame = MediaFrame(self._ticks, self.rate_hz, uplink, downlink, False)
        self._ticks += 1
        self._taps = [tap for tap in self._taps if tap.send(frame)]
        due = self.timeout_after_s
        if due is not None and trio.current_time() - self._opened_at >= due:
            self.timeout_after_s = None
            self._events_in.send(MediaTimeout(round(due * 1000)))


@attrs.define(eq=False)
class FakeMedia:
    """A MediaPort with a number of ports, and the clock of its streams: run it as an actor."""

    ledger: Ledger
    ports: int = 1000
    streams: list[FakeStream] = attrs.field(factory=list)

    def open(self, sid: str, **script: Any) -> FakeStream:
        """Open a stream; keywords are fields of `FakeStream`. Raises `MediaUnavailable` if none is left."""
        self.streams = [stream for stream in self.streams if stream._open]
        if len(self.streams) >= self.ports:
            raise MediaUnavailable(f"all {self.ports} ports are taken")
        stream = FakeStream(self.ledger, sid, **script)
        self.streams.append(stream)
        return stream

    async def run(self, ctx: Context[Any]) -> None:
        """Tick every open stream each 20 ms of Trio time."""
        ctx.started()
        due = trio.current_time()
        while True:
            due += 0.02
            await trio.sleep_until(due)
            for stream in self.streams:
                if stream._open:
                    stream.tick()


@attrs.define(eq=False)
class FakeAgent:
    """An AgentPort that echoes. Phases: ``start``, ``talk`` (after the first frame), ``end``."""

    fault: Fault = NO_FAULT
    hangup_after_frames: int | None = None
    frames: int = 0

    async def run(self, conversation: Conversation) -> None:
        """Echo until the call ends or the script says hang up."""
        await self.fault.strike("start")
        async for frame in conversation.uplink:
            self.frames += 1
            await self.fault.strike("talk")
            await conversation.say(frame.uplink)
            if self.hangup_after_frames is not None and self.frames >= self.hangup_after_frames:
                conversation.hangup()
        await self.fault.strike("end")


@attrs.define(eq=False)
class FakeTracks:
    """A TracksPort that counts frames and speaks for an app. Phases: ``open``, ``talk`` (after it spoke)."""

    ledger: Ledger
    says: bytes = b""
    """PCM that the app says as soon as the tracks are there, if it may."""
    fault: Fault = NO_FAULT
    frames: int = 0
    refused_by: str | None = None
    """Who spoke when the app wanted to."""

    async def run(self, audio: CallAudio) -> None:
        """Serve one call."""
        sides = [f"{audio.sid}/uplink", f"{audio.sid}/downlink"]
        for side in sides:
            self.ledger.take("track", side)
        try:
            await self.fault.strike("open")
            with audio.tap() as frames:
                await self._speak(audio)
                await self.fault.strike("talk")
                async for _ in frames:
                    self.frames += 1
        finally:
            for side in sides:
                self.ledger.give_back("track", side)

    async def _speak(self, audio: CallAudio) -> None:
        if not self.says:
            return
        try:
            lease = audio.lease(Speaker.APP)
        except DownlinkTaken as error:
            self.refused_by = error.by
            return
        with lease:
            await lease.say(self.says)


@attrs.define(eq=False)
class FakeSink:
    """A RecordSink in memory. Phases: ``write``, ``close``."""

    ledger: Ledger
    name: str
    fault: Fault = NO_FAULT
    ticks: list[int] = attrs.field(factory=list)
    """The ticks that were written."""
    _open: bool = True

    def __attrs_post_init__(self) -> None:
        self.ledger.take("file", self.name)

    async def write(self, frames: Sequence[MediaFrame]) -> None:
        """Remember the frames' ticks."""
        await self.fault.strike("write")
        self.ticks += [frame.tick for frame in frames]

    async def aclose(self) -> None:
        """Give the file back, whatever happens."""
        if self._open:
            self._open = False
            self.ledger.give_back("file", self.name)
            await self.fault.strike("close")


def fake_agent(*agents: AgentPort) -> Callable[[], AgentPort]:
    """A factory for `CallSpec.agent` with one agent per generation; the last one is used again."""
    waiting = list(agents)
    return lambda: waiting.pop(0) if len(waiting) > 1 else waiting[0]
