"""Whether a frame is speech: by level, against a gate that rises while the agent is heard, and by a model."""

from __future__ import annotations

from collections import deque

import attrs

from clutch.media.turn_params import NO_SPEECH, TurnParams


@attrs.define(eq=False)
class TurnGate:
    """Judges one frame at a time."""

    _params: TurnParams = attrs.field(repr=False)
    agent_holds_floor: bool = False
    """The agent plays, or stopped within the tail."""
    _tail_ms: int = 0
    """What is left of the tail."""
    _model_speech: bool = False
    _warmup_ms: int = attrs.field(init=False)
    """What is left of the first utterance's warm-up."""
    _sent: deque[float] | None = attrs.field(init=False, default=None, repr=False)
    """Levels of what was sent within the echo window."""

    def __attrs_post_init__(self) -> None:
        params = self._params
        self._warmup_ms = params.aec_warmup_ms
        if params.echo_ref:
            self._sent = deque(maxlen=-(-params.echo_window_ms // params.frame_ms))

    def is_speech(
        self,
        level_dbfs: float,
        agent: bool,
        tx_dbfs: float | None,
        probability: float | None,
        concealed: bool,
    ) -> bool:
        """Arguments as for `TurnDetector.push`."""
        params = self._params
        sent = self._sent
        if sent is not None:
            # The comparison also keeps NaN out.
            sent.append(tx_dbfs if tx_dbfs is not None and tx_dbfs > NO_SPEECH else NO_SPEECH)
        warming = self._follow(agent) if agent or self.agent_holds_floor else False
        if probability is not None and params.vad != "energy":
            off = params.model_off_threshold
            self._model_speech = probability >= (off if self._model_speech else params.model_threshold)
            if not self._model_speech:
                return False
        elif warming:
            return False
        if concealed or not level_dbfs >= params.quiet_gate_dbfs:
            return False
        return not self.agent_holds_floor or level_dbfs >= self._raised_gate()

    def _follow(self, agent: bool) -> bool:
        """Whom the floor belongs to after this frame; True while the echo canceller learns."""
        if agent:
            self._tail_ms = self._params.tts_gate_tail_ms
            self.agent_holds_floor = True
        else:
            self.agent_holds_floor = self._tail_ms > 0
            self._tail_ms -= self._params.frame_ms
        if not self.agent_holds_floor:
            self._warmup_ms = 0
        warming = self._warmup_ms > 0
        self._warmup_ms -= self._params.frame_ms
        return warming

    def _raised_gate(self) -> float:
        params = self._params
        if self._sent is None:
            return params.tts_gate_dbfs
        echo = max(self._sent) + params.echo_return_db
        return max(params.tts_gate_dbfs, echo + params.echo_margin_db)
