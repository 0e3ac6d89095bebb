"""Profiles, and settings that make no sense."""

from __future__ import annotations

import re
from typing import Any

import attrs
import pytest

from clutch.media.turn_params import TurnParams


def changes(params: TurnParams) -> dict[str, Any]:
    """What differs from the defaults."""
    mine, defaults = attrs.asdict(params), attrs.asdict(TurnParams())
    return {name: value for name, value in mine.items() if value != defaults[name]}


def test_profiles() -> None:
    assert changes(TurnParams.browser()) == {}
    assert changes(TurnParams.seed_literal()) == {"response_min_speech_quiet_ms": 600}
    assert changes(TurnParams.sip()) == {
        "vad": "energy+model",
        "quiet_gate_dbfs": -42.0,
        "tts_gate_dbfs": -30.0,
        "tts_gate_tail_ms": 300,
        "echo_ref": True,
        "aec_warmup_ms": 0,
    }


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        ({"frame_ms": 0}, "frame_ms must be a whole number of 1 or more, not 0"),
        ({"hangover_ms": -1}, "hangover_ms must be a whole number of 0 or more, not -1"),
        ({"preroll_ms": 0.3}, "preroll_ms must be a whole number of 0 or more, not 0.3"),
        ({"max_turn_ms": True}, "max_turn_ms must be a whole number of 1 or more, not True"),
        ({"vad": "silero"}, "vad must be one of energy, energy+model, not 'silero'"),
        ({"append_mode": ""}, "append_mode must be one of continuous, gated, not ''"),
        ({"false_interruption": None}, "false_interruption must be one of resume, reprompt, none, not None"),
        ({"quiet_gate_dbfs": 3}, "quiet_gate_dbfs must be a number from -120 to 0, not 3"),
        ({"tts_gate_dbfs": float("nan")}, "tts_gate_dbfs must be a number from -120 to 0, not nan"),
        ({"echo_margin_db": "6"}, "echo_margin_db must be a number from 0 to 60, not '6'"),
        ({"echo_ref": "on"}, "echo_ref must be true or false, not 'on'"),
        ({"model_threshold": 1.5}, "model_threshold must be a number from 0 to 1, not 1.5"),
        ({"model_off_threshold": 0.6}, "model_off_threshold must not be above model_threshold"),
        ({"hangover_ms": 600}, "it must be hangover_ms <= eot_silence_ms <= eot_silence_max_ms"),
        ({"eot_silence_ms": 4000}, "it must be hangover_ms <= eot_silence_ms <= eot_silence_max_ms"),
        ({"eager_silence_ms": 100}, "it must be hangover_ms <= eager_silence_ms < eot_silence_ms"),
        ({"eager_silence_ms": 500}, "it must be hangover_ms <= eager_silence_ms < eot_silence_ms"),
        ({"eager_silence_ms": 250.0}, "eager_silence_ms must be a whole number, or none, not 250.0"),
        ({"max_turn_ms": 599}, "max_turn_ms must not be below a minimum of speech"),
    ],
)
def test_a_bad_setting_is_named(bad: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(complaint)):
        TurnParams(**bad)
