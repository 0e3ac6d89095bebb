"""Talk that nobody thought of, and what must be true of any."""

from __future__ import annotations

import random
from collections.abc import Iterator

import attrs

from clutch.media.turn import TurnDetector
from clutch.media.turn_events import (
    TURN_MOVES,
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
    TurnState,
)
from clutch.media.turn_params import NO_SPEECH, TurnParams

FRAMES = 300
"""Of each timeline: six seconds."""
PROFILES = (TurnParams.browser(), TurnParams.sip(), TurnParams.seed_literal())

Moves = set[tuple[TurnState, TurnState]]


def some_params(chance: random.Random) -> TurnParams:
    """A profile; half of the time with other limits, short enough to be reached."""
    params = attrs.evolve(chance.choice(PROFILES), aec_warmup_ms=chance.choice((0, 500)))
    if chance.random() < 0.5:
        return params
    return attrs.evolve(
        params,
        hangover_ms=chance.choice((0, 40, 200)),
        eager_silence_ms=chance.choice((None, 200, 300)),
        barge_confirm_ms=chance.choice((0, 60, 300)),
        barge_gap_ms=chance.choice((0, 100)),
        prime_interval_ms=chance.choice((0, 400)),
        max_turn_ms=chance.choice((700, 2000, 30_000)),
        reply_timeout_ms=chance.choice((0, 300, 1000)),
        idle_timeout_ms=chance.choice((0, 500)),
    )


class Talk:
    """Two sides that speak and pause at random; a barge-in silences the agent."""

    def __init__(self, seed: int) -> None:
        self._chance = chance = random.Random(seed)
        self.params = some_params(chance)
        self._speaks = self._agent = False
        self._caller_left = self._agent_left = self._lost_left = 0

    def frames(self) -> Iterator[tuple[float, bool, float | None, bool]]:
        """Level, agent, probability and concealed of each frame."""
        chance = self._chance
        for _ in range(FRAMES):
            if not self._caller_left:
                self._speaks = not self._speaks
                self._caller_left = chance.choice((1, 2, 3, 5, 8, 14, 20, 40))
            if not self._agent_left:
                self._agent = chance.random() < 0.4
                self._agent_left = chance.choice((1, 10, 30, 100))
            if not self._lost_left and chance.random() < 0.02:
                self._lost_left = chance.choice((1, 2, 3, 4, 20))
            concealed = self._lost_left > 0
            self._caller_left -= 1
            self._agent_left -= 1
            self._lost_left -= concealed
            level = chance.choice((-25.0, -25.0, -35.0)) if self._speaks else NO_SPEECH
            yield level, self._agent, 0.9 if level == -25.0 else None, concealed

    def heed(self, event: TurnEvent) -> None:
        """The agent does as it is told."""
        if isinstance(event, BargeIn):
            self._agent, self._agent_left = False, self._chance.choice((3, 30, 100))


class Watcher:
    """Knows the rules and not the detector: raises AssertionError."""

    def __init__(self, params: TurnParams) -> None:
        self._params = params
        self._open = self._speaks = self._primed = self._pending = self._barged = False
        self._eager = self._reply_due = False
        self._end = self._onset = 0
        self._agent_until = -1_000_000

    def frame(self, now: int, agent: bool, events: tuple[TurnEvent, ...]) -> None:
        """What came with the frame that ends now."""
        if agent:
            self._agent_until = now
            self._eager = self._reply_due = False
        for event in events:
            assert event.t_ms == now
            self._event(event)
        if self._open:
            assert now - self._onset < self._params.max_turn_ms

    def _event(self, event: TurnEvent) -> None:
        match event:
            case SpeechStarted(onset_ms=onset, preroll_from_ms=preroll):
                assert not self._open
                assert self._end <= onset
                assert max(0, onset - self._params.preroll_ms) <= preroll <= onset
                self._onset = onset
                self._open = self._speaks = True
                self._primed = self._pending = self._barged = self._eager = False
            case TurnResumed(onset_ms=onset, cancel=cancel):
                assert self._eager if cancel else self._open
                assert self._primed
                assert not self._speaks
                assert self._end <= onset
                self._open = self._speaks = True
                self._eager = False
            case SpeechStopped(t_ms=now, offset_ms=offset):
                assert self._speaks
                assert self._onset < offset <= now
                self._speaks, self._end = False, offset
            case Commit() | TurnDiscarded():
                self._turn_ends(event)
            case _:
                self._floor(event)

    def _turn_ends(self, event: Commit | TurnDiscarded) -> None:
        assert self._open
        assert not self._speaks
        assert not self._pending
        assert event.speech_ms <= self._end - self._onset
        from_agent = self._barged or event.t_ms - self._agent_until <= self._params.tts_gate_tail_ms
        params = self._params
        least = params.response_min_speech_ms if from_agent else params.response_min_speech_quiet_ms
        if isinstance(event, Commit):
            assert self._primed
            assert event.speech_ms >= least
            assert event.offset_ms == self._end
            self._reply_due, self._eager = True, event.reason == "eager"
        elif event.reason == "backchannel":
            assert not self._primed
        else:
            assert self._primed
            assert event.speech_ms < least
            assert (event.reason == "after_barge_in") == self._barged
        self._open = False

    def _floor(self, event: TurnEvent) -> None:
        match event:
            case BargeInPending():
                assert self._speaks
                assert not self._primed
                self._pending = True
            case BargeIn(t_ms=now):
                assert self._pending
                assert now - self._onset >= self._params.barge_confirm_ms
                self._pending, self._barged = False, True
            case BargeInDropped():
                assert self._pending
                self._pending = False
            case Prime():
                assert self._open
                assert not self._pending
                self._primed = True
            case ReplyTimeout():
                assert self._reply_due
                assert not self._open
                self._reply_due = False
            case IdleTimeout():
                assert not self._open


def watch(seed: int) -> Moves:
    """Play one timeline; the moves that were seen. Raises AssertionError."""
    talk = Talk(seed)
    detector, watcher = TurnDetector(talk.params), Watcher(talk.params)
    seen = Moves()
    for level, agent, probability, concealed in talk.frames():
        old = detector.state
        events = detector.push(
            level, agent=agent, tx_dbfs=-20.0 if agent else None, probability=probability, concealed=concealed
        )
        watcher.frame(detector.now_ms, agent, events)
        for event in events:
            talk.heed(event)
        if (move := (old, detector.state)) in TURN_MOVES or old is not detector.state:
            by_agent = move == (TurnState.AWAIT, TurnState.IDLE) and agent
            assert by_agent or any(isinstance(event, TURN_MOVES[move]) for event in events), move
            seen.add(move)
    return seen
