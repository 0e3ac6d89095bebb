"""Calls from leg to leg: processor time for each packet passed on, beside rtpengine in userspace.

Both track SSRC, sequence and RTCP of every leg, learn where its far end is, and then take packets from there
only. 600 calls at 100,000 packets a second: what 1,000 calls of 20 ms packets offer.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.bench.__main__ import Row
from tests.bench.figures import costs, delays
from tests.bench.load import pcmu
from tests.bench.rounds import NOTHING, RTPENGINE, Scene, Turn, measure, planes
from tests.bench.stage import obstacle

CALLS, PACKET_MS, SECONDS, WARM_UP_S, ROUNDS = 600, 12, 10.0, 4.0, 3
"""rtpengine settles on a far end three seconds after its first packet, hence the warm-up."""


def run() -> list[Row]:
    """The rows of this benchmark; none where it cannot be run."""
    if why := obstacle("rtpengine"):
        print(f"bridge: not measured: {why}", file=sys.stderr)
        return []
    with tempfile.TemporaryDirectory() as folder:
        voice = pcmu(Path(folder), PACKET_MS)
    scene = Scene(CALLS, PACKET_MS, SECONDS, WARM_UP_S, (voice, voice))
    turns = [Turn(scene, contender) for contender in [RTPENGINE, *planes("bridge")]]
    results = measure([Turn(scene, NOTHING), *turns], ROUNDS)
    what = f"Bridge of {CALLS} calls"
    return [*costs(results, what, turns, turns[0]), *delays(results, what, turns)]
