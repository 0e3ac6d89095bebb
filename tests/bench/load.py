"""The load: what the far ends of calls say, the programs that say and count it, and how to drive them."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

import attrs

import native
from clutch.media.g711 import encode_ulaw
from clutch.media.wav import read_wav
from tests.bench.programs import C, alone, for_the_kernel
from tests.bench.stage import LOAD_CPU, NODE_IP, Actor, Stage
from tests.interop.sound import speak

FIRST_PORT = 16_384
"""SINK_FIRST_PORT of c/sink.h: leg k sends from this port + 2k."""
PEER = ("127.0.0.1", 9)


@attrs.frozen
class Voice:
    """How one side of the calls speaks."""

    codec: str
    payload_type: int
    step: int
    """RTP timestamp units of a packet."""
    payloads: Sequence[bytes]
    """Speech, to be said over and over."""


def pcmu(folder: Path, packet_ms: int) -> Voice:
    """Speech in G.711 mu-law."""
    data = encode_ulaw(read_wav(speak(folder / "pcmu.wav", 8000)).samples)
    size = 8 * packet_ms
    return Voice("pcmu", 0, size, [data[i : i + size] for i in range(0, len(data) - size + 1, size)])


def opus(folder: Path) -> Voice:
    """The same speech in Opus, 20 ms a packet, as our own encoder makes it."""
    pcm = read_wav(speak(folder / "opus.wav", 48_000)).samples.tobytes()
    core = native.Core(1, 0, 0, bytes(16))
    core.connect(native.Params(PEER, "opus", 48_000, 96), 0)
    payloads = []
    for tick in range(len(pcm) // 1920):
        core.send(pcm[1920 * tick : 1920 * (tick + 1)])
        if (packet := core.tick(20_000 * tick).packet) is not None:
            payloads.append(packet[12:])
    return Voice("opus", 96, 960, payloads)


def build_programs(folder: Path) -> None:
    """Compile the load and its sink into `folder`. Raises `build.BuildError`."""
    for_the_kernel(C / "sink.bpf.c", folder)
    alone(C / "load.c", folder, ["-lbpf"])


def start_load(
    stage: Stage, folder: Path, ports: Iterable[int], voices: Sequence[Voice], packet_ms: int, *, stamp: bool
) -> Actor:
    """One leg for every port of the node; the voices take turns. See c/load.c for what it can be asked."""
    traces = []
    for number, voice in enumerate(voices):
        traces.append(folder / f"trace{number}")
        traces[-1].write_bytes(b"".join(struct.pack("=H", len(one)) + one for one in voice.payloads))
    lines = []
    for leg, port in enumerate(ports):
        voice = voices[number := leg % len(voices)]
        lines.append(f"{port} {number} {voice.payload_type} {voice.step}\n")
    (folder / "legs").write_text("".join(lines))
    program, sink, legs = (str(folder / name) for name in ("load", "sink.bpf.o", "legs"))
    timing = [str(1000 * packet_ms), str(int(stamp))]
    return stage.start("load", LOAD_CPU, [program, "load", sink, NODE_IP, legs, *timing, *map(str, traces)])
