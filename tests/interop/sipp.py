"""sipp as a load of callers with audio, and as a single odd caller."""

from __future__ import annotations

import subprocess
from pathlib import Path

from clutch.media.g711 import encode_ulaw
from clutch.media.wav import read_wav
from tests.native.cable import End

SCENARIO = Path(__file__).parent / "scenarios"
OPTIONS = ["-nostdin", "-trace_err"]


def raw_ulaw(wav: Path, path: Path, seconds: float) -> Path:
    """The beginning of a wav as raw G.711 µ-law, which is what sipp plays."""
    samples = read_wav(wav).at(8000).samples[: round(8000 * seconds)]
    path.write_bytes(encode_ulaw(samples))
    return path


def run(
    scenario: str,
    target: str,
    folder: Path,
    *arguments: str,
    timeout_s: float = 120,
    end: End | None = None,
) -> str:
    """Run a scenario to its end in a folder; raises AssertionError with sipp's errors if a call failed.

    sipp is at `end` of a cable, if not on loopback.
    """
    ip, enter = (end.ip, end.enter) if end else ("127.0.0.1", [])
    done = subprocess.run(
        [*enter, "sipp", target, "-i", ip, "-sf", str(SCENARIO / f"{scenario}.xml"), *OPTIONS, *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=timeout_s,
        check=False,
        text=True,
        errors="replace",
    )
    errors = "".join(path.read_text(errors="replace")[-2000:] for path in folder.glob("*errors.log"))
    assert done.returncode == 0, f"sipp returned {done.returncode}\n{errors}\n{done.stdout[-3000:]}"
    return done.stdout
