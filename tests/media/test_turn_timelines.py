"""Nineteen scenes of talk, to the millisecond."""

from __future__ import annotations

from typing import Final

import attrs
import pytest

from clutch.media.turn_params import TurnParams
from tests.media.turn_world import PLAIN, Scene

SEED: Final = attrs.evolve(TurnParams.seed_literal(), aec_warmup_ms=0)
MODEL: Final = attrs.evolve(PLAIN, vad="energy+model")
LONG_AGENT: Final = [(0, 5000)]

TIMELINES: Final[dict[str, tuple[Scene, str]]] = {
    "S1 plain turn": (
        Scene(speech=[(1000, 2200)]),
        "on@1060 prime@1060 off@2400 COMMIT@2700(1200)",
    ),
    "S2 short burst, literal": (
        Scene(params=SEED, speech=[(1000, 1400)]),
        "on@1060 prime@1060 off@1600 discard@1900(short,400)",
    ),
    "S3 short answer": (
        Scene(speech=[(1000, 1400)]),
        "on@1060 prime@1060 off@1600 COMMIT@1900(400)",
    ),
    "S4 pause within a turn": (
        Scene(speech=[(1000, 1800), (2200, 3000)]),
        "on@1060 prime@1060 off@2000 resume@2260 off@3200 COMMIT@3500(1600)",
    ),
    "S5 pause between turns": (
        Scene(speech=[(1000, 1800), (2500, 3300)]),
        "on@1060 prime@1060 off@2000 COMMIT@2300(800) "
        "on@2560 pend@2560 CANCEL@2800 prime@2800 off@3500 COMMIT@3800(800)",
    ),
    "S6 two short bursts add up": (
        Scene(speech=[(1000, 1400), (1700, 2100)]),
        "on@1060 prime@1060 off@1600 resume@1760 off@2300 COMMIT@2600(800)",
    ),
    "S7 click": (Scene(speech=[(1000, 1040)], level=-20.0), ""),
    "S8 backchannel": (
        Scene(agent=LONG_AGENT, speech=[(2000, 2280)]),
        "on@2060 pend@2060 off@2480 drop@2480(short) discard@2480(backchannel,280)",
    ),
    "S9 barge-in": (
        Scene(agent=LONG_AGENT, speech=[(2000, 3200)]),
        "on@2060 pend@2060 CANCEL@2300 prime@2300 off@3400 COMMIT@3700(1200)",
    ),
    "S10 long enough to interrupt, too short to answer": (
        Scene(agent=LONG_AGENT, speech=[(2000, 2440)]),
        "on@2060 pend@2060 CANCEL@2300 prime@2300 off@2640 discard@2940(after_barge_in,440)",
    ),
    "S11 mhm, mhm, mhm": (
        Scene(agent=[(0, 6000)], speech=[(1000, 1240), (1800, 2040), (2600, 2840)]),
        "on@1060 pend@1060 off@1440 drop@1440(short) discard@1440(backchannel,240) "
        "on@1860 pend@1860 off@2240 drop@2240(short) discard@2240(backchannel,240) "
        "on@2660 pend@2660 off@3040 drop@3040(short) discard@3040(backchannel,240)",
    ),
    "S12 echo, sip": (
        Scene(
            params=TurnParams.sip(),
            agent=[(0, 4000)],
            tx=-18.0,
            echo=(60, 4060),
            speech=[(2000, 3000)],
            level=-22.0,
        ),
        "on@2060 pend@2060 CANCEL@2300 prime@2300 off@3200 COMMIT@3500(1000)",
    ),
    "S12b the same echo, browser": (
        Scene(agent=[(0, 4000)], tx=-18.0, echo=(60, 4060)),
        "on@120 pend@120 CANCEL@360 prime@360 off@620 discard@920(after_barge_in,360)",
    ),
    "S13 agent ends while pending": (
        Scene(agent=[(0, 2160)], speech=[(2000, 3000)]),
        "on@2060 pend@2060 drop@2180(agent_finished) prime@2180 off@3200 COMMIT@3500(1000)",
    ),
    "S14 goes on before the reply": (
        Scene(speech=[(1000, 2000), (2600, 3600)], reply_after_ms=400),
        "on@1060 prime@1060 off@2200 COMMIT@2500(1000) "
        "on@2660 pend@2660 CANCEL@2900 prime@2900 off@3800 COMMIT@4100(1000)",
    ),
    "S15 onset races the end of turn": (
        Scene(speech=[(1000, 1800), (2280, 2900)]),
        "on@1060 prime@1060 off@2000 resume@2340 off@3100 COMMIT@3400(1420)",
    ),
    "S16 noise, with a model": (
        Scene(
            params=MODEL, noise=(1000, 2000), noise_probability=0.1, speech=[(3000, 4000)], probability=0.9
        ),
        "on@3060 prime@3060 off@4200 COMMIT@4500(1000)",
    ),
    "S17 stutter": (
        Scene(agent=LONG_AGENT, speech=[(2000, 2160), (2240, 2500)]),
        "on@2060 pend@2060 CANCEL@2300 prime@2300 off@2700 discard@3000(after_barge_in,420)",
    ),
    "S18 no reply": (
        Scene(speech=[(1000, 2000)], until=12_000),
        "on@1060 prime@1060 off@2200 COMMIT@2500(1000) reply_timeout@10500",
    ),
}


@pytest.mark.parametrize(("scene", "said"), TIMELINES.values(), ids=TIMELINES)
def test_timeline(scene: Scene, said: str) -> None:
    assert scene.said == said
