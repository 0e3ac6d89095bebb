"""What a bridged call costs among few and among many, and whether packets are lost under load.

Calls of two legs, 20 ms a packet: 100 packets a second each.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.bench.__main__ import Row
from tests.bench.figures import row
from tests.bench.load import Voice, build_programs, pcmu
from tests.bench.rounds import Contender, Round, Scene, Turn, measure, planes, play
from tests.bench.stage import obstacle

SIZES = (10, 100, 600, 2000)
MOST = 2600
"""Calls of which the load can play the far ends on a processor of its own, at the rates that were seen."""
PACKET_MS, SECONDS, WARM_UP_S, ROUNDS = 20, 6.0, 2.0, 3
PACKETS = 2 * 1000 // PACKET_MS
"""Of a call in a second."""
SHARE, NEAR, ATTEMPTS = 0.7, 0.03, 4


def per_call(voice: Voice) -> list[Row]:
    """Processor time of the plane for a second of one call, beside the smallest number of calls."""
    rows = []
    scenes = [Scene(calls, PACKET_MS, SECONDS, WARM_UP_S, (voice, voice)) for calls in SIZES]
    turns = [Turn(scene, contender) for contender in planes("bridge") for scene in scenes]
    results = measure(turns, ROUNDS)
    for turn in turns:
        smallest = Turn(scenes[0], turn.contender)
        mine, few = ([PACKETS * us for us in results.node_us(one)] for one in (turn, smallest))
        if mine:
            name = f"A second of one of {turn.scene.calls} calls, {turn.contender.name}"
            peer = f"one of {SIZES[0]}" if turn != smallest else ""
            rows.append(row(name, "us", mine, peer, few if peer else []))
    return rows


def loaded(contender: Contender, voice: Voice, folder: Path) -> Round:
    """Play as many calls as use the wanted share of a processor: found by trying."""
    calls = 600
    for _ in range(ATTEMPTS):
        done = play(Turn(Scene(calls, PACKET_MS, SECONDS, WARM_UP_S, (voice, voice)), contender), folder)
        wanted = min(MOST, int(calls * SHARE / done.core))
        if abs(done.core - SHARE) <= NEAR or wanted == calls:
            break
        calls = wanted
    return done


def without_loss(voice: Voice) -> list[Row]:
    """Packets that do not come out, with the plane at 70 % of a processor or the load at its end."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        build_programs(folder := Path(name))
        for contender in planes("bridge"):
            done = loaded(contender, voice, folder)
            of = f"of {done.sent}: {done.turn.scene.calls} calls, {done.core:.0%} of a processor"
            what = f"Lost under load, {contender.name}"
            rows.append(Row(name=what, value=done.lost, unit="packets", note=of))
    return rows


def run() -> list[Row]:
    """The rows of this benchmark; none where it cannot be run."""
    if why := obstacle():
        print(f"scale: not measured: {why}", file=sys.stderr)
        return []
    with tempfile.TemporaryDirectory() as folder:
        voice = pcmu(Path(folder), PACKET_MS)
    return [*per_call(voice), *without_loss(voice)]
