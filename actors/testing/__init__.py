"""The testing kit: fakes on a virtual clock, traces, and the trial of a story at every checkpoint.

Public API, for users' own tests of call lifecycles as much as for ours.
"""

from actors.testing.everywhere import (
    InjectedError,
    Report,
    Stage,
    Story,
    cancel_everywhere,
    run_story,
)
from actors.testing.fakes import (
    NO_FAULT,
    FakeAgent,
    FakeError,
    FakeLeg,
    FakeMedia,
    FakeSink,
    FakeStream,
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
    "Fault",
    "InjectedError",
    "Ledger",
    "Report",
    "Stage",
    "Story",
    "Trace",
    "cancel_everywhere",
    "fake_agent",
    "leaves",
    "run_story",
]
