"""Calls between PCMU and Opus: how many legs a processor carries, beside rtpengine in userspace.

Both encode mono at 48 kHz and 32 kb/s, with complexity 10, a variable bit rate and no FEC: rtpengine knows no
other complexity. Both sides of a call say a sentence again and again.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.bench.__main__ import Row
from tests.bench.figures import row
from tests.bench.load import opus, pcmu
from tests.bench.rounds import NOTHING, RTPENGINE, Scene, Turn, measure, planes
from tests.bench.stage import obstacle

CALLS, PACKET_MS, SECONDS, WARM_UP_S, ROUNDS = 20, 20, 10.0, 4.0, 3
PACKETS = 1000 // PACKET_MS
"""Of a leg in a second."""


def run() -> list[Row]:
    """The rows of this benchmark; none where it cannot be run."""
    if why := obstacle("rtpengine"):
        print(f"transcode: not measured: {why}", file=sys.stderr)
        return []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scene = Scene(
            CALLS, PACKET_MS, SECONDS, WARM_UP_S, (pcmu(folder, PACKET_MS), opus(folder)), stamp=False
        )
    turns = [Turn(scene, contender) for contender in [RTPENGINE, planes("room")[0]]]
    results = measure([Turn(scene, NOTHING), *turns], ROUNDS)
    what, rows = f"PCMU to and from Opus, {CALLS} calls", []
    for turn in turns:
        mine, peer = ([1e6 / PACKETS / us for us in results.node_us(one)] for one in (turn, turns[0]))
        if mine:
            name = f"{what}, {turn.contender.name}: legs of one processor"
            rows.append(row(name, "legs", mine, RTPENGINE.name, peer if turn != turns[0] else []))
    return rows
