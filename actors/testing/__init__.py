"""The testing kit: fakes on a virtual clock, traces, and the trial of a story at every checkpoint.

Public API, for users' own tests of call lifecycles as much as for ours.
"""

from actors.testing.everywhere import (
    InjectedError,
    Mode,
    Play,
    Report,
    Setting,
    Stage,
    Story,
    Trial,
    cancel_everywhere,
    on_fakes,
    run_story,
    strike_story,
)
from actors.testing.fakes import (
    NO_FAULT,
    FakeAgent,
    FakeError,
    FakeLeg,
    FakeMedia,
    FakeSink,
    FakeStream,
    FakeTracks,
    Fault,
    fake_agent,
)
from actors.testing.ledger import Ledger
from actors.testing.trace import ROAD_DOWN, Trace, leaves

__all__ = [
    "NO_FAULT",
    "ROAD_DOWN",
    "FakeAgent",
    "FakeError",
    "FakeLeg",
    "FakeMedia",
    "FakeSink",
    "FakeStream",
    "FakeTracks",
    "Fault",
    "InjectedError",
    "Ledger",
    "Mode",
    "Play",
    "Report",
    "Setting",
    "Stage",
    "Story",
    "Trace",
    "Trial",
    "cancel_everywhere",
    "fake_agent",
    "leaves",
    "on_fakes",
    "run_story",
    "strike_story",
]
