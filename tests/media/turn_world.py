"""A caller and an agent as spans of time, and what the turn detector makes of them, in short words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

import attrs

from clutch.media.turn import EndOfTurn, TurnDetector
from clutch.media.turn_events import (
    BargeIn,
    BargeInDropped,
    BargeInPending,
    Commit,
    IdleTimeout,
    Prime,
    ReplyTimeout,
    SpeechStarted,
    SpeechStopped,
    TurnDiscarded,
    TurnEvent,
    TurnResumed,
)
from clutch.media.turn_params import NO_SPEECH, TurnParams

SPEECH_DBFS = -25.0
PLAIN: Final = TurnParams(aec_warmup_ms=0)
"""The browser's, after its warm-up."""
WORDS = {
    SpeechStarted: "on",
    SpeechStopped: "off",
    Prime: "prime",
    TurnResumed: "resume",
    BargeInPending: "pend",
    BargeInDropped: "drop",
    BargeIn: "CANCEL",
    ReplyTimeout: "reply_timeout",
    IdleTimeout: "idle_timeout",
    Commit: "COMMIT",
    TurnDiscarded: "discard",
}

Span: TypeAlias = tuple[int, int]


def word(event: TurnEvent) -> str:
    """As in `on@1060`, `discard@1900(short,400)`."""
    said = f"{WORDS[type(event)]}@{event.t_ms}"
    match event:
        case Commit(speech_ms=speech, reason="silence"):
            return f"{said}({speech})"
        case Commit(speech_ms=speech, reason=reason):
            return f"{said}({reason},{speech})"
        case TurnDiscarded(speech_ms=speech, reason=reason):
            return f"{said}({reason},{speech})"
        case BargeInDropped(reason=reason):
            return f"{said}({reason})"
        case TurnResumed(cancel=True):
            return f"{said}(cancel)"
    return said


def words(events: Iterable[TurnEvent]) -> str:
    """All of them, in their order."""
    return " ".join(map(word, events))


@attrs.frozen(kw_only=True)
class Scene:
    """Who makes which sound, in spans of ms. Where nothing sounds, nothing is heard."""

    params: TurnParams = PLAIN
    speech: Sequence[Span] = ()
    level: float = SPEECH_DBFS
    probability: float | None = None
    """The model's, of speech."""
    noise: Span = (0, 0)
    noise_level: float = -30.0
    noise_probability: float | None = None
    concealed: Sequence[Span] = ()
    agent: Sequence[Span] = ()
    """Until a barge-in."""
    reply_after_ms: int | None = None
    """So long after a commit the agent plays for a second, if it is not cancelled."""
    tx: float | None = None
    echo: Span = (0, 0)
    """Ends 60 ms after a barge-in."""
    echo_level: float = -36.0
    end_of_turn: EndOfTurn | None = None
    until: int | None = None
    """None: three seconds after the last sound."""

    def play(self) -> list[TurnEvent]:
        """What the detector reports."""
        detector = TurnDetector(self.params, self.end_of_turn)
        events: list[TurnEvent] = []
        agent, echo = [*self.agent], self.echo
        ends = [end for _, end in (*self.speech, *agent, self.noise, echo)]
        for start in range(0, self.until or max(ends) + 3000, self.params.frame_ms):
            plays = within(agent, start)
            level, probability = self._sound(start, echo)
            new = detector.push(
                level,
                agent=plays,
                tx_dbfs=self.tx if plays else None,
                probability=probability,
                concealed=within(self.concealed, start),
            )
            for event in new:
                if isinstance(event, BargeIn) or (isinstance(event, TurnResumed) and event.cancel):
                    agent = []
                    echo = echo[0], min(echo[1], event.t_ms + 60)
                elif isinstance(event, Commit) and self.reply_after_ms is not None:
                    reply = event.t_ms + self.reply_after_ms
                    agent = [(reply, reply + 1000)]
            events += new
        return events

    def _sound(self, start: int, echo: Span) -> tuple[float, float | None]:
        if within(self.speech, start):
            return self.level, self.probability
        if within([self.noise], start):
            return self.noise_level, self.noise_probability
        return self.echo_level if within([echo], start) else NO_SPEECH, None

    @property
    def said(self) -> str:
        """The same in words."""
        return words(self.play())


def within(spans: Sequence[Span], start: int) -> bool:
    """Whether the frame that starts then is in one of them."""
    return any(begin <= start < end for begin, end in spans)
