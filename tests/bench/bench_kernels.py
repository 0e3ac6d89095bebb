"""G.711, resampler, mixer and Opus: 20 ms of one voice, or of all that are mixed, by us and by libraries."""

from __future__ import annotations

import importlib
import itertools
import subprocess
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clutch.media import g711
from clutch.media.wav import read_wav
from tests.bench.__main__ import Row
from tests.bench.programs import C, with_plane
from tests.interop.sound import speak

ROUNDS, TIMES = 5, 2000
OURS = "clutch"
Figure: TypeAlias = tuple[str, str, float]
"""What was done, by whom, in how many nanoseconds."""


def in_c(program: str, speech: Path) -> Iterator[Figure]:
    """Our kernels, speexdsp and libopus."""
    output = subprocess.run([program, str(speech)], check=True, capture_output=True, text=True).stdout
    for line in output.splitlines():
        ns, who, what = line.split("\t")
        yield what, who, float(ns)


def timed(work: Callable[[], object]) -> float:
    """Nanoseconds that it takes."""
    start = time.perf_counter_ns()
    for _ in range(TIMES):
        work()
    return (time.perf_counter_ns() - start) / TIMES


def optional(name: str) -> Any:
    """A module that this Python may not have; None then."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # audioop left the library with Python 3.13
        try:
            return importlib.import_module(name)
        except ImportError:
            print(f"kernels: without {name}, which is not installed", file=sys.stderr)
            return None


def in_numpy(pcm: bytes) -> Iterator[Figure]:
    """Look-up in tables with numpy, as our Python twin does it."""
    codes = pcm[:160]
    samples = g711.decode_ulaw(codes)
    yield "mu-law encode", "numpy", timed(partial(g711.encode_ulaw, samples))
    yield "mu-law decode", "numpy", timed(partial(g711.decode_ulaw, codes))
    yield "A-law encode", "numpy", timed(partial(g711.encode_alaw, samples))
    yield "A-law decode", "numpy", timed(partial(g711.decode_alaw, codes))
    for members, rate_hz, what in (
        (3, 8000, "3 at 8 kHz"),
        (32, 8000, "32 at 8 kHz"),
        (8, 48_000, "8 at 48 kHz"),
    ):
        said = np.ones((members, rate_hz // 50), np.int16)
        yield f"mix {what}", "numpy", timed(partial(mix_minus, said))


def mix_minus(said: NDArray[np.int16]) -> NDArray[np.int16]:
    """For each row, all the others; clipped."""
    wide = said.astype(np.int32)
    others: NDArray[np.int32] = np.clip(wide.sum(axis=0) - wide, -32_768, 32_767)
    return others.astype(np.int16)


def in_audioop(audioop: Any, pcm: bytes) -> Iterator[Figure]:
    """The C functions that Python had."""
    codes = pcm[:160]
    yield "mu-law encode", "audioop", timed(partial(audioop.lin2ulaw, pcm, 2))
    yield "mu-law decode", "audioop", timed(partial(audioop.ulaw2lin, codes, 2))
    yield "A-law encode", "audioop", timed(partial(audioop.lin2alaw, pcm, 2))
    yield "A-law decode", "audioop", timed(partial(audioop.alaw2lin, codes, 2))


def in_pyav(av: Any, pcm: bytes) -> Iterator[Figure]:
    """FFmpeg's codecs and resampler, by its Python package."""
    for law, name in (("mu-law", "pcm_mulaw"), ("A-law", "pcm_alaw")):
        encoder, decoder = (av.CodecContext.create(name, mode) for mode in "wr")
        for codec in (encoder, decoder):
            codec.sample_rate, codec.format, codec.layout = 8000, "s16", "mono"
        yield f"{law} encode", "PyAV", timed(partial(encoder.encode, pyav_frame(av, pcm, 8000)))
        yield f"{law} decode", "PyAV", timed(partial(decoder.decode, av.Packet(pcm[:160])))
    for source, target in itertools.permutations((8, 16, 48), 2):
        resampler = av.AudioResampler("s16", "mono", 1000 * target)
        frame = pyav_frame(av, bytes(40 * source), 1000 * source)
        yield f"{source} to {target} kHz", "PyAV", timed(partial(resampler.resample, frame))


def pyav_frame(av: Any, pcm: bytes, rate_hz: int) -> Any:
    """A frame of mono samples."""
    frame = av.AudioFrame(format="s16", layout="mono", samples=len(pcm) // 2)
    frame.planes[0].update(pcm)
    frame.sample_rate = rate_hz
    return frame


def run() -> list[Row]:
    """The rows of this benchmark."""
    audioop, av = optional("audioop"), optional("av")
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program = with_plane(C / "bench_kernels.c", folder, ["-lspeexdsp", "-lopus"])
        samples = read_wav(speak(folder / "speech.wav", 48_000)).samples
        (folder / "speech").write_bytes(samples.tobytes())
        pcm = samples[48_000:48_160].tobytes()
        for _ in range(ROUNDS):  # in turns, so that a slow moment of the machine hits all
            in_python = [in_numpy(pcm)]
            in_python += [in_audioop(audioop, pcm)] if audioop else []
            in_python += [in_pyav(av, pcm)] if av else []
            for what, who, ns in itertools.chain(in_c(program, folder / "speech"), *in_python):
                found[what][who].append(ns)
    return [row for what, figures in found.items() for row in compared(what, figures)]


def compared(what: str, figures: dict[str, list[float]]) -> Iterator[Row]:
    """The fastest round of each, beside ours; where there is none of ours, alone."""
    best = {who: min(each) for who, each in figures.items()}
    for who, value in best.items():
        row = Row(name=f"{what}, {who}", value=value, unit="ns", rounds=figures[who])
        if who != OURS and OURS in best:
            row |= {"peer": OURS, "ratio": value / best[OURS]}
        yield row
