"""Contenders carry the same load in turns, so that a slow moment of the machine hits all of them.

The load by itself, with nothing to forward it, takes its turn too: what a contender's round cost more than
that, in all processes together, is its total cost.
"""

from __future__ import annotations

import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import attrs

import native
from tests.bench import cpu
from tests.bench.load import FIRST_PORT, Voice, build_programs, start_load
from tests.bench.stage import LOAD_IP, NODE_CPU, NODE_IP, Answer, open_stage

WAYS = ("udp", "io_uring", "af_xdp driver", "af_xdp generic")
"""Backends of our plane, with the XDP mode."""
SETTLE_S = 0.4
"""After the last packet, until all that is under way has arrived."""
ENOUGH = 0.995
"""This share of what was offered must be delivered, and in time; or the round is no measurement."""
DISTURBED = 0.05
"""This share of a round the contender may wait for its processor: who works off long queues works cheaper."""
ATTEMPTS = 3
"""How often a contender is tried in a round until that is so."""


@attrs.frozen
class Scene:
    """The load that every contender carries. The two sides of a call speak with the two voices."""

    calls: int
    packet_ms: int
    seconds: float
    warm_up_s: float
    voices: Sequence[Voice]
    stamp: bool = True
    """The payload is passed on as it is, and says when it was sent."""

    @property
    def packets_per_second(self) -> float:
        """Offered."""
        return 2000 * self.calls / self.packet_ms


@attrs.frozen
class Contender:
    """What is measured: a program of this folder that says where to send to, and carries the load."""

    name: str
    module: str
    arguments: tuple[str, ...] = ()
    forwards: bool = True

    def command(self, scene: Scene, sink: Path) -> list[str]:
        """How it is run."""
        common = ["--ip", NODE_IP, "--remote", LOAD_IP, "--first-port", str(FIRST_PORT), "--sink", str(sink)]
        codecs = [voice.codec for voice in scene.voices]
        calls = ["--calls", str(scene.calls), "--codecs", *codecs]
        return [sys.executable, "-m", f"tests.bench.{self.module}", *common, *calls, *self.arguments]


NOTHING = Contender("the load alone", "nothing", forwards=False)
RTPENGINE = Contender("rtpengine", "rtpengine")


def planes(mode: str) -> list[Contender]:
    """Our plane, once for every way that it was built with; see `forwarder` for the modes."""
    built = [way for way in WAYS if way.split()[0] in native.features()]
    return [Contender(f"clutch, {way}", "forwarder", (way, mode)) for way in built]


@attrs.frozen
class Turn:
    """A contender and what it carries."""

    scene: Scene
    contender: Contender


@attrs.frozen
class Round:
    """What happened in a turn."""

    turn: Turn
    sent: int
    delivered: int
    seconds: float
    """How long the load really took."""
    spent: cpu.Spent
    sink: Answer
    """What the far ends counted, see c/load.c."""
    node: Answer
    """What the contender counted, if it does."""
    about: str
    """What the contender says it is."""
    fault: str = attrs.field(init=False)
    """Why this is no measurement; empty if it is one."""

    @fault.default
    def _judge(self) -> str:
        arrived = min(self.delivered, self.node.get("packets_received", self.delivered))
        if self.turn.contender.forwards and arrived < ENOUGH * self.sent:
            return f"delivered {arrived / self.sent:.2%}"
        if self.seconds * ENOUGH > (planned_s := self.turn.scene.seconds):
            return f"the load took {self.seconds:.2f} s for {planned_s:.2f} s"
        if (waited := self.spent.waited_ns / self.seconds / 1e9) > DISTURBED:
            return f"others had its processor for {waited:.0%} of the time"
        return ""

    @property
    def node_us(self) -> float:
        """Processor time of the contender's own processes for each packet sent."""
        return self.spent.node_ns / self.sent / 1000

    @property
    def all_us(self) -> float:
        """Processor time of all that took part, the load included, for each packet sent."""
        return self.spent.total_ns / self.sent / 1000

    @property
    def lost(self) -> int:
        """Packets that were sent and not passed on."""
        return self.sent - self.delivered

    @property
    def core(self) -> float:
        """Share of one processor that the contender used."""
        return self.spent.node_ns / self.seconds / 1e9


@attrs.frozen
class Results:
    """Every round, also those that are none."""

    rounds: Sequence[Round]

    def of(self, turn: Turn) -> list[Round]:
        """The good rounds of one of the turns."""
        return [one for one in self.rounds if one.turn == turn and not one.fault]

    def node_us(self, turn: Turn) -> list[float]:
        """The contender's own processor time per packet, for each good round."""
        return [one.node_us for one in self.of(turn)]

    def total_us(self, turn: Turn) -> list[float]:
        """All processor time per packet beyond that of the load alone, for each good round."""
        alone = self.of(attrs.evolve(turn, contender=NOTHING))
        return [
            one.all_us - statistics.median(each.all_us for each in alone) for one in self.of(turn) if alone
        ]


def measure(turns: Sequence[Turn], rounds: int) -> Results:
    """Play them one after the other, again and again. One that is no measurement is repeated, a few times."""
    with tempfile.TemporaryDirectory() as name:
        folder, done = Path(name), list[Round]()
        build_programs(folder)
        for turn in [turn for _ in range(rounds) for turn in turns]:
            for _ in range(ATTEMPTS):
                done.append(play(turn, folder))
                if not (fault := done[-1].fault):
                    break
                print(f"discarded a round of {turn.contender.name}: {fault}", file=sys.stderr)
        return Results(done)


def play(turn: Turn, folder: Path) -> Round:
    """Play a turn once, on a stage of its own. Raises `StageError`."""
    scene = turn.scene
    with contextlib.ExitStack() as stack:
        stage = stack.enter_context(open_stage())
        node = stage.start("node", NODE_CPU, turn.contender.command(scene, folder / "sink.bpf.o"))
        stack.callback(node.close)
        ready = node.hear()
        load = start_load(stage, folder, ready["ports"], scene.voices, scene.packet_ms, stamp=scene.stamp)
        stack.callback(load.close)
        load.ask(f"send {int(1000 * scene.warm_up_s) // scene.packet_ms}")
        time.sleep(SETTLE_S)
        load.ask("count")
        counted, before = node.ask("stats"), cpu.spent(ready["pids"], load.pid)
        sent = load.ask(f"send {int(1000 * scene.seconds) // scene.packet_ms}")
        used = cpu.spent(ready["pids"], load.pid) - before
        time.sleep(SETTLE_S)
        sink, now = load.ask("count"), node.ask("stats")
        more = {name: now[name] - counted[name] for name in now}
    return Round(turn, sent["sent"], sink["rtp"], sent["seconds"], used, sink, more, ready["about"])
