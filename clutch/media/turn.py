"""Who has the floor: when the caller's turn starts, whether it interrupts the agent, and when to answer it.

A state machine whose clock is the number of frames pushed; lost and late ones are pushed as well, concealed.
What the agent plays is an input, never a state. docs/decisions/0024-turns.md says why the rules are so.
"""

from __future__ import annotations

from typing import Protocol

import attrs

from clutch.media.turn_events import (
    BargeIn,
    BargeInDropped,
    BargeInPending,
    Commit,
    CommitReason,
    DiscardReason,
    DropReason,
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
from clutch.media.turn_gate import TurnGate
from clutch.media.turn_params import TurnParams

CONCEALED_MS = 60
"""So much concealment in a row does not break a run of speech."""
END_OF_TURN = 0.5
"""Probability from which on the model of the end of turns says that the caller has finished."""

IDLE, SPEECH, TRAILING, AWAIT = TurnState


class EndOfTurn(Protocol):
    """A model that tells a pause from the end of a turn."""

    def probability(self, t_ms: int) -> float | None:
        """That the caller has finished, judging by what was heard before `t_ms`; None counts as yes.

        Asked in every silent frame from the decision on until it says yes. Must answer at once, with what it
        found out since `SpeechStopped`.
        """


@attrs.define(eq=False)
class TurnDetector:
    """Follows one caller. Any input is fine: what is not a number is no speech."""

    params: TurnParams = attrs.field(factory=TurnParams, repr=False)
    _end_of_turn: EndOfTurn | None = attrs.field(default=None, repr=False)
    state: TurnState = attrs.field(default=IDLE, init=False)
    has_floor: bool = attrs.field(default=False, init=False)
    """The open turn is the caller's; False in SPEECH: a barge-in is pending."""
    now_ms: int = attrs.field(default=0, init=False)
    """Frames pushed so far."""
    speech_ms: int = attrs.field(default=0, init=False)
    """Of the open or the last turn."""
    _gate: TurnGate = attrs.field(init=False, repr=False)
    _events: list[TurnEvent] = attrs.field(factory=list, init=False, repr=False)
    _run_ms: int = attrs.field(default=0, init=False)
    """Speech in a row."""
    _run_start: int = attrs.field(default=0, init=False)
    _concealed_ms: int = attrs.field(default=0, init=False)
    """In a row."""
    _onset: int = attrs.field(default=0, init=False)
    _last_speech: int = attrs.field(default=0, init=False)
    _burst_start: int = attrs.field(default=0, init=False)
    """From where a barge-in is confirmed."""
    _barged: bool = attrs.field(default=False, init=False)
    """The open turn interrupted the agent."""
    _reply_due: bool = attrs.field(default=False, init=False)
    """The open turn began over a reply that was due, and still is."""
    _primed: int = attrs.field(default=0, init=False)
    _committed: int = attrs.field(default=0, init=False)
    _probation_end: int = attrs.field(default=0, init=False)
    """Speech that starts before it takes back the last commit."""
    _appended: int = attrs.field(default=0, init=False)
    """End of the last speech and its hangover."""
    _idle_since: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._gate = TurnGate(self.params)

    @property
    def appends(self) -> bool:
        """Whether the frame that was just pushed is to be given to the model."""
        return self.params.append_mode == "continuous" or self.state is SPEECH

    def push(
        self,
        level_dbfs: float,
        *,
        agent: bool,
        tx_dbfs: float | None = None,
        probability: float | None = None,
        concealed: bool = False,
    ) -> tuple[TurnEvent, ...]:
        """The next frame of the uplink; returns what it brings, in order.

        `level_dbfs` is its power (`clutch.media.loudness.level_dbfs`), `NO_SPEECH` for what cannot be speech;
        `agent` says whether playout emitted a frame of the agent in the same time, and `tx_dbfs` how loud all
        was that was sent in it, after ducking. `probability` is the model's that the frame is speech. A
        `concealed` frame is time and not speech.
        """
        self.now_ms += self.params.frame_ms
        speech = self._gate.is_speech(level_dbfs, agent, tx_dbfs, probability, concealed)
        if speech or self._run_ms:
            self._follow_run(speech, concealed)
        state = self.state
        if state is SPEECH:
            self._speech(speech, agent)
        elif state is TRAILING:
            self._trailing()
        else:
            self._between_turns(agent)
        if not self._events:
            return ()
        events = tuple(self._events)
        self._events.clear()
        return events

    def _follow_run(self, speech: bool, concealed: bool) -> None:
        if speech:
            if not self._run_ms:
                self._run_start = self.now_ms - self.params.frame_ms
            self._run_ms += self.params.frame_ms
            self._concealed_ms = 0
            return
        self._concealed_ms += self.params.frame_ms
        if not concealed or self._concealed_ms > CONCEALED_MS:
            self._run_ms = self._concealed_ms = 0

    def _between_turns(self, agent: bool) -> None:
        now, params = self.now_ms, self.params
        if self.state is AWAIT:
            self._idle_since = now
            if agent:
                self.state = IDLE
            elif params.reply_timeout_ms and now - self._committed >= params.reply_timeout_ms:
                self.state = IDLE
                self._events.append(ReplyTimeout(now))
        elif agent:
            self._idle_since = now
        elif params.idle_timeout_ms and now - self._idle_since >= params.idle_timeout_ms:
            self._idle_since = now
            self._events.append(IdleTimeout(now))
        if self._run_ms >= params.speech_on_ms:
            self._onset_reached(agent)

    def _onset_reached(self, agent: bool) -> None:
        """Enough speech in a row, between turns."""
        self._reply_due = self.state is AWAIT
        self.state = SPEECH
        self._last_speech = self.now_ms
        if self._reply_due and self._run_start < self._probation_end:
            self._resume(cancel=True)
            self._give_floor()
            self._go_on()
            return
        self._onset = self._burst_start = self._run_start
        self.speech_ms = self._run_ms
        self._barged = False
        self._events.append(SpeechStarted(self.now_ms, self._onset, self._preroll_from()))
        if agent or self._reply_due:
            self.has_floor = False
            self._events.append(BargeInPending(self.now_ms))
            self._confirm()
        else:
            self._give_floor()

    def _resume(self, *, cancel: bool) -> None:
        self.state = SPEECH
        self.speech_ms += self._run_ms
        self._last_speech = self.now_ms
        self._events.append(TurnResumed(self.now_ms, self._run_start, self._preroll_from(), cancel))

    def _preroll_from(self) -> int:
        return max(self._run_start - self.params.preroll_ms, self._appended)

    def _give_floor(self) -> None:
        self.has_floor, self._reply_due = True, False
        self._prime()

    def _prime(self) -> None:
        self._primed = self.now_ms
        self._events.append(Prime(self.now_ms))

    def _speech(self, speech: bool, agent: bool) -> None:
        now, params = self.now_ms, self.params
        if speech:
            if now - params.frame_ms - self._last_speech > params.barge_gap_ms:
                self._burst_start = now - params.frame_ms
            self.speech_ms += params.frame_ms
            self._last_speech = now
        if not self.has_floor:
            self._pending(speech, agent)
        if now - self._last_speech >= params.hangover_ms and not speech:
            self._stop()
        else:
            self._go_on()

    def _pending(self, speech: bool, agent: bool) -> None:
        """The caller speaks without the floor."""
        if agent:
            self._reply_due = False
        elif not self._reply_due:
            self._drop("agent_finished")
            self._give_floor()
            return
        if speech:
            self._confirm()

    def _confirm(self) -> None:
        """Interrupt the agent, if the caller spoke for long enough."""
        if self.now_ms - self._burst_start >= self.params.barge_confirm_ms:
            self._barged = True
            self._events.append(BargeIn(self.now_ms))
            self._give_floor()

    def _drop(self, reason: DropReason) -> None:
        self._events.append(BargeInDropped(self.now_ms, reason))

    def _stop(self) -> None:
        """The hangover is over."""
        self._report_stop()
        if self.has_floor:
            self.state = TRAILING
            self._trailing()
        else:
            self._drop("short")
            self._discard("backchannel")

    def _report_stop(self) -> None:
        self._appended = self.now_ms
        self._run_ms = self._concealed_ms = 0
        self._events.append(SpeechStopped(self.now_ms, self._last_speech))

    def _trailing(self) -> None:
        if self._run_ms >= self.params.speech_on_ms:
            self._resume(cancel=False)
        elif not self._run_ms and (reason := self._end()):
            self._finish(reason)
            return
        self._go_on()

    def _go_on(self) -> None:
        """The turn stays open, if it may."""
        now, params = self.now_ms, self.params
        if now - self._onset >= params.max_turn_ms:
            self._cut()
        elif params.prime_interval_ms and self.has_floor and now - self._primed >= params.prime_interval_ms:
            self._prime()

    def _end(self) -> CommitReason | None:
        """Whether the silence ends the turn, and how."""
        params = self.params
        silence = self.now_ms - self._last_speech
        if silence >= params.eot_silence_ms:
            late = silence >= params.eot_silence_max_ms or not self._is_long_enough()
            return "silence" if late or self._has_finished() else None
        eager = params.eager_silence_ms
        if eager is not None and silence >= eager and self._is_long_enough() and self._has_finished():
            return "eager"
        return None

    def _has_finished(self) -> bool:
        if self._end_of_turn is None:
            return True
        probability = self._end_of_turn.probability(self.now_ms)
        return probability is None or probability >= END_OF_TURN

    def _is_long_enough(self) -> bool:
        params = self.params
        from_agent = self._barged or self._gate.agent_holds_floor
        least = params.response_min_speech_ms if from_agent else params.response_min_speech_quiet_ms
        return self.speech_ms >= least

    def _cut(self) -> None:
        """The turn is too long."""
        if self.state is SPEECH:
            self._report_stop()
        if self.has_floor:
            self._finish("max_turn")
        else:
            self._drop("short")
            self._discard("backchannel")

    def _finish(self, reason: CommitReason) -> None:
        """The caller's turn is over: it is answered if it is long enough."""
        if not self._is_long_enough():
            self._discard("after_barge_in" if self._barged else "short")
            return
        eager = reason == "eager"
        self._probation_end = self._last_speech + self.params.eot_silence_ms if eager else 0
        self._committed = self.now_ms
        self._events.append(Commit(self.now_ms, self.speech_ms, self._last_speech, reason))
        self._close(AWAIT)

    def _discard(self, reason: DiscardReason) -> None:
        self._events.append(TurnDiscarded(self.now_ms, self.speech_ms, reason))
        self._close(AWAIT if self._reply_due else IDLE)

    def _close(self, state: TurnState) -> None:
        self.state = state
        self.has_floor = False
        self._run_ms = self._concealed_ms = 0
        self._idle_since = self.now_ms
