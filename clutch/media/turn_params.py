"""What a turn detector is set to: times in milliseconds, levels in dBFS."""

from __future__ import annotations

import math
from typing import Any, Literal, TypeAlias, get_args

import attrs

Vad: TypeAlias = Literal["energy", "energy+model"]
AppendMode: TypeAlias = Literal["continuous", "gated"]
FalseInterruption: TypeAlias = Literal["resume", "reprompt", "none"]


def _ms(least: int, default: int) -> Any:
    """A whole number of milliseconds."""

    def check(_: object, field: attrs.Attribute[int], value: object) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ValueError(f"{field.name} must be a whole number of {least} or more, not {value!r}")

    return attrs.field(default=default, validator=check)


def _number(low: float, high: float, default: float) -> Any:
    def check(_: object, field: attrs.Attribute[float], value: object) -> None:
        if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"{field.name} must be a number from {low:g} to {high:g}, not {value!r}")

    return attrs.field(default=default, validator=check)


def _one_of(kind: object) -> Any:
    names = get_args(kind)

    def check(_: object, field: attrs.Attribute[str], value: object) -> None:
        if value not in names:
            raise ValueError(f"{field.name} must be one of {', '.join(names)}, not {value!r}")

    return check


def _flag(_: object, field: attrs.Attribute[bool], value: object) -> None:
    if not isinstance(value, bool):
        raise ValueError(f"{field.name} must be true or false, not {value!r}")


@attrs.frozen(kw_only=True)
class TurnParams:
    """The defaults suit a browser, which cancels the echo of its loudspeaker itself.

    A time that is no multiple of `frame_ms` acts as the next one that is. Raises ValueError, naming the field
    and the rule.
    """

    frame_ms: int = _ms(1, 20)
    """What one push stands for. The detector has no other clock."""
    vad: Vad = attrs.field(default="energy", validator=_one_of(Vad))
    """With a model, a frame is speech only if the model says so as well; where it gives no probability,
    energy alone decides."""
    model_threshold: float = _number(0, 1, 0.5)
    """Probability at which the model's speech starts …"""
    model_off_threshold: float = _number(0, 1, 0.35)
    """… and below which it ends."""
    quiet_gate_dbfs: float = _number(-120, 0, -45.0)
    """Level that is speech while the agent is silent."""
    tts_gate_dbfs: float = _number(-120, 0, -40.0)
    """Level that is speech while the agent plays, unless the quiet gate is higher, …"""
    tts_gate_tail_ms: int = _ms(0, 200)
    """… and for so long after its last frame. As long does the agent hold the floor."""
    echo_ref: bool = attrs.field(default=False, validator=_flag)
    """Raise the gate above the echo of what was just sent. For legs without echo cancellation."""
    echo_window_ms: int = _ms(1, 400)
    """How late an echo may come back."""
    echo_return_db: float = _number(-120, 60, -20.0)
    """How much louder than what we send the loudest echo is."""
    echo_margin_db: float = _number(0, 60, 6.0)
    """How much louder than that echo speech is."""
    aec_warmup_ms: int = _ms(0, 3000)
    """From the start of the agent's first utterance and within it, energy alone is not speech: the caller's
    echo canceller is still learning."""
    speech_on_ms: int = _ms(1, 60)
    """Speech in a row that starts a turn, or resumes it."""
    hangover_ms: int = _ms(0, 200)
    """Silence after which speech has stopped."""
    preroll_ms: int = _ms(0, 300)
    """Audio before an onset that belongs to it."""
    eot_silence_ms: int = _ms(1, 500)
    """Silence after which it is decided whether the turn counts."""
    eot_silence_max_ms: int = _ms(1, 3000)
    """Silence that ends the turn although the model of the end of turns says that more will come."""
    eager_silence_ms: int | None = None
    """Silence after which the turn is committed on probation until `eot_silence_ms`. None: never."""
    response_min_speech_ms: int = _ms(0, 600)
    """Speech that a turn needs to be answered, if it interrupted the agent or the agent holds the floor."""
    response_min_speech_quiet_ms: int = _ms(0, 250)
    """The same for any other turn: "yes" and "no" are short."""
    barge_confirm_ms: int = _ms(0, 300)
    """Speech over the agent, from the first frame of the burst, that interrupts it."""
    barge_gap_ms: int = _ms(0, 100)
    """Silence within it that does not start the measure anew."""
    prime_interval_ms: int = _ms(0, 0)
    """How often the model is primed again while the caller has the floor; 0: once."""
    append_mode: AppendMode = attrs.field(default="continuous", validator=_one_of(AppendMode))
    """Whether the model is given all of the uplink, or only speech with its pre-roll and hangover."""
    max_turn_ms: int = _ms(1, 30_000)
    """A turn ends so long after its onset, whatever the caller does."""
    reply_timeout_ms: int = _ms(0, 8000)
    """How long after a commit the reply is waited for; longer while a barge-in is pending; 0: for ever."""
    idle_timeout_ms: int = _ms(0, 0)
    """How long nobody speaks before this is reported, and again each time; 0: never."""
    false_interruption: FalseInterruption = attrs.field(
        default="resume", validator=_one_of(FalseInterruption)
    )
    """What the runtime does where the agent was interrupted and there is nothing to answer."""
    false_interruption_timeout_ms: int = _ms(0, 2000)
    """After which it does so."""

    def __attrs_post_init__(self) -> None:
        if not self.model_off_threshold <= self.model_threshold:
            raise ValueError("model_off_threshold must not be above model_threshold")
        if not self.hangover_ms <= self.eot_silence_ms <= self.eot_silence_max_ms:
            raise ValueError("it must be hangover_ms <= eot_silence_ms <= eot_silence_max_ms")
        if self.max_turn_ms < max(self.response_min_speech_ms, self.response_min_speech_quiet_ms):
            raise ValueError("max_turn_ms must not be below a minimum of speech: no turn would be answered")
        eager = self.eager_silence_ms
        if eager is not None:
            if not isinstance(eager, int) or isinstance(eager, bool):
                raise ValueError(f"eager_silence_ms must be a whole number, or none, not {eager!r}")
            if not self.hangover_ms <= eager < self.eot_silence_ms:
                raise ValueError("it must be hangover_ms <= eager_silence_ms < eot_silence_ms")

    @classmethod
    def browser(cls) -> TurnParams:
        """The defaults."""
        return cls()

    @classmethod
    def sip(cls) -> TurnParams:
        """For legs that return the echo of the agent."""
        return cls(
            vad="energy+model",
            quiet_gate_dbfs=-42.0,
            tts_gate_dbfs=-30.0,
            tts_gate_tail_ms=300,
            echo_ref=True,
            aec_warmup_ms=0,
        )

    @classmethod
    def seed_literal(cls) -> TurnParams:
        """No turn below 600 ms is ever answered, whoever holds the floor."""
        return cls(response_min_speech_quiet_ms=600)


NO_SPEECH = -math.inf
"""Level to push for what is no speech whatever its loudness: keys, comfort noise, music on hold."""
