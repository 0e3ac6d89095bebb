"""What each rule of turn-taking does, and each of its parameters."""

from __future__ import annotations

from typing import Any, Final

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clutch.media.loudness import level_dbfs
from clutch.media.turn import TurnDetector
from clutch.media.turn_events import SpeechStarted, TurnEvent, TurnResumed
from clutch.media.turn_params import NO_SPEECH, TurnParams
from tests.media.turn_world import PLAIN, SPEECH_DBFS, Scene, Span, words

MODEL: Final = attrs.evolve(PLAIN, vad="energy+model")
EAGER: Final = attrs.evolve(PLAIN, eager_silence_ms=200)
SIP: Final = attrs.evolve(TurnParams.sip(), vad="energy")


@attrs.frozen
class Says:
    """A model of the end of turns with one opinion."""

    opinion: float | None

    def probability(self, t_ms: int) -> float | None:
        return self.opinion


SECOND: Final = Scene(speech=[(1000, 2000)])
OVER_AGENT: Final = Scene(agent=[(0, 5000)], speech=[(2000, 2700)])
AFTER_AGENT: Final = Scene(agent=[(0, 1000)], speech=[(1040, 1640)], level=-42.0)
ECHO: Final = Scene(params=SIP, agent=[(0, 1000)], tx=-8.0, speech=[(800, 2000)], level=-24.0)

# What is said with the default, then with the changed value.
CHANGES: Final[dict[str, tuple[Any, Scene, str, str]]] = {
    "frame_ms": (
        10,
        Scene(speech=[(1000, 1070)]),
        "on@1060 prime@1060 off@1280 discard@1580(short,80)",
        "on@1060 prime@1060 off@1270 discard@1570(short,70)",
    ),
    "vad": (
        "energy+model",
        Scene(noise=(1000, 1300), noise_probability=0.1),
        "on@1060 prime@1060 off@1500 COMMIT@1800(300)",
        "",
    ),
    "model_threshold": (
        0.6,
        Scene(params=MODEL, speech=[(1000, 1300)], probability=0.55),
        "on@1060 prime@1060 off@1500 COMMIT@1800(300)",
        "",
    ),
    "model_off_threshold": (
        0.45,
        Scene(
            params=MODEL, noise=(1000, 1100), noise_probability=0.9, speech=[(1100, 1300)], probability=0.4
        ),
        "on@1060 prime@1060 off@1500 COMMIT@1800(300)",
        "on@1060 prime@1060 off@1300 discard@1600(short,100)",
    ),
    "quiet_gate_dbfs": (
        -24.0,
        SECOND,
        "on@1060 prime@1060 off@2200 COMMIT@2500(1000)",
        "",
    ),
    "tts_gate_dbfs": (
        -24.0,
        OVER_AGENT,
        "on@2060 pend@2060 CANCEL@2300 prime@2300 off@2900 COMMIT@3200(700)",
        "",
    ),
    "tts_gate_tail_ms": (
        100,
        AFTER_AGENT,
        "on@1260 prime@1260 off@1840 COMMIT@2140(440)",
        "on@1160 prime@1160 off@1840 COMMIT@2140(540)",
    ),
    "echo_ref": (
        False,
        ECHO,
        "on@1360 prime@1360 off@2200 COMMIT@2500(700)",
        "on@860 pend@860 drop@1020(agent_finished) prime@1020 off@2200 COMMIT@2500(1200)",
    ),
    "echo_window_ms": (
        100,
        ECHO,
        "on@1360 prime@1360 off@2200 COMMIT@2500(700)",
        "on@1140 prime@1140 off@2200 COMMIT@2500(920)",
    ),
    "echo_return_db": (
        -23.0,
        ECHO,
        "on@1360 prime@1360 off@2200 COMMIT@2500(700)",
        "on@860 pend@860 drop@1020(agent_finished) prime@1020 off@2200 COMMIT@2500(1200)",
    ),
    "echo_margin_db": (
        3.0,
        ECHO,
        "on@1360 prime@1360 off@2200 COMMIT@2500(700)",
        "on@860 pend@860 drop@1020(agent_finished) prime@1020 off@2200 COMMIT@2500(1200)",
    ),
    "aec_warmup_ms": (
        2100,
        OVER_AGENT,
        "on@2060 pend@2060 CANCEL@2300 prime@2300 off@2900 COMMIT@3200(700)",
        "on@2160 pend@2160 CANCEL@2400 prime@2400 off@2900 COMMIT@3200(600)",
    ),
    "speech_on_ms": (
        100,
        SECOND,
        "on@1060 prime@1060 off@2200 COMMIT@2500(1000)",
        "on@1100 prime@1100 off@2200 COMMIT@2500(1000)",
    ),
    "hangover_ms": (
        300,
        SECOND,
        "on@1060 prime@1060 off@2200 COMMIT@2500(1000)",
        "on@1060 prime@1060 off@2300 COMMIT@2500(1000)",
    ),
    "eot_silence_ms": (
        700,
        SECOND,
        "on@1060 prime@1060 off@2200 COMMIT@2500(1000)",
        "on@1060 prime@1060 off@2200 COMMIT@2700(1000)",
    ),
    "eot_silence_max_ms": (
        1000,
        attrs.evolve(SECOND, end_of_turn=Says(0.1), until=6000),
        "on@1060 prime@1060 off@2200 COMMIT@5000(1000)",
        "on@1060 prime@1060 off@2200 COMMIT@3000(1000)",
    ),
    "eager_silence_ms": (
        240,
        SECOND,
        "on@1060 prime@1060 off@2200 COMMIT@2500(1000)",
        "on@1060 prime@1060 off@2200 COMMIT@2240(eager,1000)",
    ),
    "response_min_speech_ms": (
        720,
        OVER_AGENT,
        "on@2060 pend@2060 CANCEL@2300 prime@2300 off@2900 COMMIT@3200(700)",
        "on@2060 pend@2060 CANCEL@2300 prime@2300 off@2900 discard@3200(after_barge_in,700)",
    ),
    "response_min_speech_quiet_ms": (
        1020,
        SECOND,
        "on@1060 prime@1060 off@2200 COMMIT@2500(1000)",
        "on@1060 prime@1060 off@2200 discard@2500(short,1000)",
    ),
    "barge_confirm_ms": (
        0,
        OVER_AGENT,
        "on@2060 pend@2060 CANCEL@2300 prime@2300 off@2900 COMMIT@3200(700)",
        "on@2060 pend@2060 CANCEL@2060 prime@2060 off@2900 COMMIT@3200(700)",
    ),
    "barge_gap_ms": (
        60,
        attrs.evolve(OVER_AGENT, speech=[(2000, 2160), (2240, 2900)]),
        "on@2060 pend@2060 CANCEL@2300 prime@2300 off@3100 COMMIT@3400(820)",
        "on@2060 pend@2060 CANCEL@2540 prime@2540 off@3100 COMMIT@3400(820)",
    ),
    "prime_interval_ms": (
        600,
        SECOND,
        "on@1060 prime@1060 off@2200 COMMIT@2500(1000)",
        "on@1060 prime@1060 prime@1660 off@2200 prime@2260 COMMIT@2500(1000)",
    ),
    "max_turn_ms": (
        900,
        SECOND,
        "on@1060 prime@1060 off@2200 COMMIT@2500(1000)",
        "on@1060 prime@1060 off@1900 COMMIT@1900(max_turn,900) "
        "on@1960 pend@1960 off@2200 drop@2200(short) discard@2200(backchannel,100)",
    ),
    "reply_timeout_ms": (
        300,
        SECOND,
        "on@1060 prime@1060 off@2200 COMMIT@2500(1000)",
        "on@1060 prime@1060 off@2200 COMMIT@2500(1000) reply_timeout@2800",
    ),
    "idle_timeout_ms": (
        700,
        Scene(agent=[(0, 1000)], speech=[(1800, 2200)], until=2700),
        "on@1860 prime@1860 off@2400 COMMIT@2700(400)",
        "idle_timeout@1700 on@1860 prime@1860 off@2400 COMMIT@2700(400)",
    ),
}
ELSEWHERE: Final = {"preroll_ms", "append_mode"}
RUNTIME: Final = {"false_interruption", "false_interruption_timeout_ms"}


@pytest.mark.parametrize(("name", "change"), CHANGES.items(), ids=CHANGES)
def test_each_parameter_matters(name: str, change: tuple[Any, Scene, str, str]) -> None:
    value, scene, before, after = change
    assert scene.said == before
    assert attrs.evolve(scene, params=attrs.evolve(scene.params, **{name: value})).said == after


def test_no_parameter_is_left_out() -> None:
    assert {field.name for field in attrs.fields(TurnParams)} == {*CHANGES, *ELSEWHERE, *RUNTIME}


def prerolls(params: TurnParams) -> list[tuple[int, int]]:
    """Onset and start of the pre-roll of a turn, and of its second half."""
    events = Scene(params=params, speech=[(1000, 1800), (2100, 3000)]).play()
    return [
        (event.onset_ms, event.preroll_from_ms)
        for event in events
        if isinstance(event, SpeechStarted | TurnResumed)
    ]


def test_preroll_ends_where_audio_was_appended_already() -> None:
    assert prerolls(PLAIN) == [(1000, 700), (2100, 2000)]
    assert prerolls(attrs.evolve(PLAIN, preroll_ms=40)) == [(1000, 960), (2100, 2060)]
    assert prerolls(attrs.evolve(PLAIN, preroll_ms=2000)) == [(1000, 0), (2100, 2000)]


def test_gated_appending_covers_speech_and_hangover() -> None:
    gated = TurnDetector(attrs.evolve(PLAIN, append_mode="gated"))
    always = TurnDetector(PLAIN)
    appended = []
    for start in range(0, 3000, 20):
        level = SPEECH_DBFS if 1000 <= start < 1800 else NO_SPEECH
        gated.push(level, agent=False)
        always.push(level, agent=False)
        assert always.appends
        if gated.appends:
            appended.append(start)
    # The pre-roll, 700 to 1040, comes with SpeechStarted; the frame that ends the hangover is silent.
    assert appended == [*range(1040, 1980, 20)]


lengths = st.integers(3, 100).map(lambda frames: 20 * frames)


@given(lengths)
def test_moments_of_a_turn(length: int) -> None:
    end = 1000 + length
    last = f"COMMIT@{end + 500}({length})" if length >= 250 else f"discard@{end + 500}(short,{length})"
    assert Scene(speech=[(1000, end)]).said == f"on@1060 prime@1060 off@{end + 200} {last}"


@given(lengths)
def test_moments_of_an_interruption(length: int) -> None:
    end = 1000 + length
    said = Scene(agent=[(0, 4000)], speech=[(1000, end)]).said
    if length < 300:
        over = f"off@{end + 200} drop@{end + 200}(short) discard@{end + 200}(backchannel,{length})"
    else:
        over = f"CANCEL@1300 prime@1300 off@{end + 200} "
        over += (
            f"COMMIT@{end + 500}({length})"
            if length >= 600
            else f"discard@{end + 500}(after_barge_in,{length})"
        )
    assert said == f"on@1060 pend@1060 {over}"


@pytest.mark.parametrize(
    ("click", "decided"), [((2280, 2300), 2320), ((2280, 2320), 2340), ((2300, 2340), 2300)]
)
def test_a_click_defers_the_decision_and_does_not_count(click: tuple[int, int], decided: int) -> None:
    said = Scene(speech=[(1000, 1800), click]).said
    assert said == f"on@1060 prime@1060 off@2000 COMMIT@{decided}(800)"


@pytest.mark.parametrize(
    ("opinion", "commit"), [(None, 2500), (0.5, 2500), (0.49, 5000)], ids=["none", "yes", "no"]
)
def test_the_end_of_turn_model_is_asked_at_the_decision(opinion: float | None, commit: int) -> None:
    scene = attrs.evolve(SECOND, end_of_turn=Says(opinion), until=6000)
    assert scene.said == f"on@1060 prime@1060 off@2200 COMMIT@{commit}(1000)"


def test_what_is_too_short_is_discarded_without_asking() -> None:
    scene = Scene(speech=[(1000, 1200)], end_of_turn=Says(0.0))
    assert scene.said == "on@1060 prime@1060 off@1400 discard@1700(short,200)"


@pytest.mark.parametrize(
    ("scene", "said"),
    [
        pytest.param(
            Scene(params=EAGER, speech=[(1000, 2000), (2300, 2600)]),
            "on@1060 prime@1060 off@2200 COMMIT@2200(eager,1000) "
            "resume@2360(cancel) prime@2360 off@2800 COMMIT@2800(eager,1300)",
            id="taken back",
        ),
        pytest.param(
            Scene(params=EAGER, speech=[(1000, 2000), (2480, 2600)]),
            "on@1060 prime@1060 off@2200 COMMIT@2200(eager,1000) "
            "resume@2540(cancel) prime@2540 off@2800 COMMIT@2800(eager,1120)",
            id="at the last moment",
        ),
        pytest.param(
            Scene(params=EAGER, speech=[(1000, 2000), (2500, 2620)]),
            "on@1060 prime@1060 off@2200 COMMIT@2200(eager,1000) "
            "on@2560 pend@2560 off@2820 drop@2820(short) discard@2820(backchannel,120)",
            id="too late",
        ),
        pytest.param(
            Scene(params=EAGER, speech=[(1000, 2000), (2300, 2420)], reply_after_ms=100),
            "on@1060 prime@1060 off@2200 COMMIT@2200(eager,1000) "
            "on@2360 pend@2360 off@2620 drop@2620(short) discard@2620(backchannel,120)",
            id="the reply is heard",
        ),
        pytest.param(
            Scene(params=EAGER, speech=[(1000, 1200)]),
            "on@1060 prime@1060 off@1400 discard@1700(short,200)",
            id="too short",
        ),
        pytest.param(
            Scene(params=EAGER, speech=[(1000, 2000)], end_of_turn=Says(0.1), until=6000),
            "on@1060 prime@1060 off@2200 COMMIT@5000(1000)",
            id="incomplete",
        ),
        pytest.param(
            Scene(params=attrs.evolve(EAGER, reply_timeout_ms=1000), speech=[(1000, 2000)]),
            "on@1060 prime@1060 off@2200 COMMIT@2200(eager,1000) reply_timeout@3200",
            id="no reply",
        ),
    ],
)
def test_an_eager_commit_is_on_probation(scene: Scene, said: str) -> None:
    assert scene.said == said


def test_warm_up_is_of_the_first_utterance_and_of_energy_alone() -> None:
    warming = TurnParams()
    assert Scene(params=warming, agent=[(0, 2500)], speech=[(1000, 1800)]).said == ""
    again = Scene(params=warming, agent=[(0, 500), (1000, 2500)], speech=[(1200, 2000)])
    assert again.said == "on@1260 pend@1260 CANCEL@1500 prime@1500 off@2200 COMMIT@2500(800)"
    model = attrs.evolve(warming, vad="energy+model")
    heard = Scene(params=model, agent=[(0, 2500)], speech=[(1000, 1800)], probability=0.9)
    assert heard.said == "on@1060 pend@1060 CANCEL@1300 prime@1300 off@2000 COMMIT@2300(800)"


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        ([(1020, 1080)], "on@1120 prime@1120 off@1400 discard@1700(short,140)"),
        ([(1020, 1060), (1080, 1120)], "on@1140 prime@1140 off@1400 discard@1700(short,120)"),
        ([(1020, 1100)], "on@1160 prime@1160 off@1400 discard@1700(short,100)"),
    ],
)
def test_concealment_is_no_speech_and_for_60_ms_no_silence(lost: list[Span], said: str) -> None:
    assert Scene(speech=[(1000, 1200)], concealed=lost).said == said


def test_the_agent_speaks_up_while_the_caller_has_the_floor() -> None:
    assert Scene(speech=[(1000, 1400)], agent=[(1500, 3000)]).said == (
        "on@1060 prime@1060 off@1600 discard@1900(short,400)"
    )


def test_a_pending_barge_in_ends_as_well() -> None:
    params = attrs.evolve(PLAIN, max_turn_ms=700, barge_gap_ms=0)
    stutter = [(start, start + 60) for start in range(1000, 1800, 100)]
    assert Scene(params=params, agent=[(0, 5000)], speech=stutter).said == (
        "on@1060 pend@1060 off@1700 drop@1700(short) discard@1700(backchannel,420) "
        "on@1760 pend@1760 off@1960 drop@1960(short) discard@1960(backchannel,60)"
    )


@pytest.mark.parametrize(("timeout", "reported"), [(1000, 3500), (300, 2940)])
def test_a_backchannel_leaves_the_reply_due(timeout: int, reported: int) -> None:
    params = attrs.evolve(PLAIN, reply_timeout_ms=timeout)
    assert Scene(params=params, speech=[(1000, 2000), (2600, 2720)]).said == (
        "on@1060 prime@1060 off@2200 COMMIT@2500(1000) "
        f"on@2660 pend@2660 off@2920 drop@2920(short) discard@2920(backchannel,120) reply_timeout@{reported}"
    )


def test_an_onset_across_the_end_of_a_long_turn_starts_there() -> None:
    params = attrs.evolve(PLAIN, max_turn_ms=900)
    assert Scene(params=params, speech=[(1000, 1600), (1880, 2100)]).said == (
        "on@1060 prime@1060 off@1800 COMMIT@1900(max_turn,600) "
        "on@1960 pend@1960 off@2300 drop@2300(short) discard@2300(backchannel,200)"
    )


def test_idle_counts_from_the_last_turn_or_the_reply_that_was_waited_for() -> None:
    params = attrs.evolve(PLAIN, idle_timeout_ms=1200, reply_timeout_ms=1000)
    assert Scene(params=params, speech=[(1000, 1200)], until=3000).said == (
        "on@1060 prime@1060 off@1400 discard@1700(short,200) idle_timeout@2900"
    )
    assert Scene(params=params, speech=[(1000, 1400)], until=4200).said == (
        "on@1060 prime@1060 off@1600 COMMIT@1900(400) reply_timeout@2900 idle_timeout@4100"
    )


def test_nobody_speaks_again_and_again() -> None:
    params = attrs.evolve(PLAIN, idle_timeout_ms=700)
    assert Scene(params=params, until=2200).said == "idle_timeout@700 idle_timeout@1400 idle_timeout@2100"


@pytest.mark.parametrize("level", [float("nan"), NO_SPEECH, -1e9])
def test_what_is_no_number_is_no_speech(level: float) -> None:
    detector = TurnDetector(SIP)
    events: list[TurnEvent] = []
    for _ in range(100):
        events += detector.push(level, agent=True, tx_dbfs=float("nan"), probability=float("nan"))
    assert words(events) == ""
    for _ in range(3):
        events += detector.push(SPEECH_DBFS, agent=True, tx_dbfs=None)
    assert words(events) == "on@2060 pend@2060"


def test_what_was_sent_is_known_beside_what_is_no_number() -> None:
    detector = TurnDetector(SIP)
    detector.push(NO_SPEECH, agent=True, tx_dbfs=float("nan"))
    assert not any(detector.push(-24.0, agent=True, tx_dbfs=-8.0) for _ in range(10))


def test_the_state_is_seen_from_outside() -> None:
    detector = TurnDetector(PLAIN)
    for _ in range(3):
        detector.push(SPEECH_DBFS, agent=False)
    assert "state=<TurnState.SPEECH: 'speech'>, has_floor=True, now_ms=60, speech_ms=60" in repr(detector)


def test_level_of_samples() -> None:
    assert level_dbfs(np.full(160, -32768, np.int16)) == 0
    assert level_dbfs(np.full(160, 3277, np.int16)) == pytest.approx(-20, abs=0.01)
    assert level_dbfs(np.zeros(160, np.int16)) == NO_SPEECH
