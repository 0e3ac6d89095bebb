"""Sounds and recordings: of any usual kind, of no kind at all, missing, or in places that take none."""

from __future__ import annotations

import os
import resource
import signal
import struct
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from clutch.media.g711 import encode_ulaw
from clutch.media.wav import read_wav
from tests.e2e.hearing import median_likeness
from tests.e2e.processes import (
    calling,
    clean,
    clutch,
    complaint,
    events,
    finish,
    start,
    summary,
    target,
    until,
)
from tests.interop.node import CLUTCH, RunningNode, running_node
from tests.interop.sound import speak

PCM, ULAW = 1, 7
WITHOUT_PRIVILEGE = (
    ("setpriv", "--bounding-set=-dac_override,-dac_read_search", CLUTCH) if os.geteuid() == 0 else (CLUTCH,)
)
"""The command as somebody whom file permissions stop."""


def wav(path: Path, tag: int, bits: int, rate_hz: int, data: bytes) -> Path:
    """Write a mono file."""
    block = bits // 8
    layout = struct.pack("<4sIHHIIHH", b"fmt ", 16, tag, 1, rate_hz, rate_hz * block, block, bits)
    body = b"WAVE" + layout + struct.pack("<4sI", b"data", len(data)) + data
    path.write_bytes(struct.pack("<4sI", b"RIFF", len(body)) + body)
    return path


def sounds(folder: Path, speech: Path) -> dict[str, Path]:
    """The sentence in four kinds of file."""
    samples = read_wav(speech).samples
    upper = (samples.astype(np.int32) << 8).astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3]
    return {
        "44.1 kHz stereo": speak(folder / "stereo.wav", 44_100, channels=2),
        "8 bits": wav(folder / "8.wav", PCM, 8, 8000, ((samples >> 8) + 128).astype(np.uint8).tobytes()),
        "24 bits": wav(folder / "24.wav", PCM, 24, 8000, upper.tobytes()),
        "mu-law": wav(folder / "ulaw.wav", ULAW, 8, 8000, encode_ulaw(samples)),
    }


def test_usual_sounds_are_played_whatever_their_rate_and_width(
    shared_node: RunningNode, speech: Path, tmp_path: Path
) -> None:
    played = sounds(tmp_path, speech)
    with ExitStack() as stack:
        calls = {}
        for number, (kind, path) in enumerate(played.items()):
            heard = tmp_path / f"heard{number}.wav"
            options = ("--play", str(path), "--record", str(heard), "--codec", "pcmu")
            calls[kind] = heard, stack.enter_context(calling(shared_node, "echo", *options))
        for kind, (heard, process) in calls.items():
            assert summary(finish(process))["status"] == "completed"
            assert median_likeness(read_wav(played[kind]), read_wav(heard)) > 0.95, kind


def test_twenty_callers_at_once_all_hear_themselves(
    shared_node: RunningNode, speech: Path, tmp_path: Path
) -> None:
    heard = [tmp_path / f"heard{number}.wav" for number in range(20)]

    def said_all(path: Path) -> bool:
        return path.exists() and read_wav(path).seconds > read_wav(speech).seconds + 1

    with ExitStack() as stack:
        calls = [
            stack.enter_context(
                calling(
                    *(shared_node, "echo", "--play", str(speech), "--record", str(path)),
                    *("--codec", ("pcmu", "pcma")[number % 2], "--duration", "600"),
                )
            )
            for number, path in enumerate(heard)
        ]
        assert shared_node.status()["calls"] == 20
        until(lambda: said_all(heard[-1]), "the last one has spoken and listened")
        for call in calls:
            call.send_signal(signal.SIGINT)
        ends = [summary(finish(call)) for call in calls]
    assert [end["status"] for end in ends] == ["completed"] * 20
    likeness = [median_likeness(read_wav(speech), read_wav(path)) for path in heard]
    assert min(likeness) > 0.95, likeness


BAD_SOUNDS = {
    "empty": (b"", "not a WAV file"),
    "text": (b"hello\n" * 100, "not a WAV file"),
    "cut_in_its_header": (b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0", "the format chunk is cut short"),
    "without_samples": (b"RIFF\x04\0\0\0WAVE", "there is no data chunk"),
    "mp3_inside": (
        b"RIFF\x24\0\0\0WAVE" + struct.pack("<4sIHHIIHH", b"fmt ", 16, 0x55, 1, 8000, 8000, 1, 0),
        "format 85 with 0 bits",
    ),
    "six_channels": (
        b"RIFF\x24\0\0\0WAVE" + struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 6, 8000, 96_000, 12, 16),
        "6 channels; 1 or 2 are needed",
    ),
}


@pytest.mark.parametrize("name", BAD_SOUNDS)
def test_a_sound_that_is_none_is_named_with_the_reason(tmp_path: Path, name: str) -> None:
    data, why = BAD_SOUNDS[name]
    path = tmp_path / "bad.wav"
    path.write_bytes(data)
    said = complaint(clutch("call", "sip:echo@127.0.0.1:9", "--play", str(path)))
    assert said.startswith(f"--play {path}: {why}")


def test_a_sound_of_no_length_is_refused(tmp_path: Path) -> None:
    path = wav(tmp_path / "silence.wav", PCM, 16, 8000, b"")
    said = complaint(clutch("call", "sip:echo@127.0.0.1:9", "--play", str(path)))
    assert said == f"--play {path}: there are no samples in it"


def test_a_sound_that_cannot_be_opened_is_named_with_the_reason(tmp_path: Path) -> None:
    for path, why in ((tmp_path / "missing.wav", "No such file or directory"), (tmp_path, "Is a directory")):
        done = clutch("call", "sip:echo@127.0.0.1:9", "--play", str(path))
        assert (done.returncode, complaint(done)) == (1, f"--play {path}: {why}")


def test_a_node_does_not_start_without_a_sound_of_its_dialplan(tmp_path: Path) -> None:
    file = tmp_path / "clutch.toml"
    file.write_text('[dialplan.menu]\nagent = "play"\nfile = "/nowhere/menu.wav"\n')
    done = clutch("run", "--config", str(file), "--data", str(tmp_path))
    assert done.returncode == 1
    assert complaint(done) == "dialplan.menu.file: /nowhere/menu.wav: No such file or directory"


@pytest.mark.parametrize("option", ["--data", "--set"])
def test_a_node_does_not_start_where_it_cannot_record(tmp_path: Path, option: str) -> None:
    folder = tmp_path / "readonly"
    folder.mkdir(mode=0o500)
    value = str(folder) if option == "--data" else f"recording.dir={folder}"
    done = clutch(
        *("run", "--set", "sip.port=0", "--set", "http.port=0", "--set", "moqt.port=0", option, value),
        command=WITHOUT_PRIVILEGE,
    )
    assert done.returncode == 1
    said = complaint(done)
    assert said.startswith(f"cannot record into {folder}")
    assert ": Permission denied; " in said
    assert "recording.dir" in said


def test_a_node_that_does_not_record_needs_no_folder(tmp_path: Path) -> None:
    with running_node(tmp_path / "data", "recording.enabled=false", "recording.dir=/dev/null") as node:
        assert clutch("call", target(node, "echo"), "--duration", "0.2").returncode == 0


def test_a_phone_does_not_dial_where_it_cannot_record(tmp_path: Path) -> None:
    folder = tmp_path / "readonly"
    folder.mkdir(mode=0o500)
    cases = {
        folder / "a.wav": "Permission denied",
        tmp_path / "missing" / "a.wav": "No such file or directory",
        tmp_path: "it is not a file",
        Path("/dev/null"): "it is not a file",
    }
    for path, why in cases.items():
        done = clutch("call", "sip:echo@127.0.0.1:9", "--record", str(path), command=WITHOUT_PRIVILEGE)
        assert (done.returncode, complaint(done)) == (1, f"cannot record to {path}: {why}")


FULL_BYTES = 32_768


def test_a_call_outlives_the_disk_of_its_recording(tmp_path: Path) -> None:
    """A limit on the size of files stands for a full disk: the errors come from the same place."""
    with running_node(tmp_path / "data") as node:
        resource.prlimit(node.process.pid, resource.RLIMIT_FSIZE, (FULL_BYTES, FULL_BYTES))
        with calling(node, "echo", "--codec", "pcmu") as caller:
            until(lambda: events(node, "recording.lost"), "the disk is full")
            assert node.status()["calls"] == 1
            caller.send_signal(signal.SIGINT)
            assert summary(finish(caller))["status"] == "completed"
        (lost,) = events(node, "recording.lost")
        (recording,) = node.recordings()
        assert lost["error"] == f"{recording}: File too large"
        assert lost["path"] == f"node/calls/{recording.stem}/recorder"
        assert "Traceback" not in node.log()
        assert FULL_BYTES // 4 < recording.stat().st_size <= FULL_BYTES
        assert read_wav(recording).seconds > 0
        assert node.stop() == 0


def test_a_phone_says_that_it_lost_its_recording(shared_node: RunningNode, tmp_path: Path) -> None:
    kept = tmp_path / "kept.wav"
    options = ("--record", str(kept), "--codec", "pcmu", "--duration", "2", "--json")
    process = start("call", target(shared_node, "tone"), *options)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (16_384, 16_384))
    done = finish(process)
    assert summary(done)["status"] == "completed"
    assert f"{kept}: File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert clean(shared_node), shared_node.log()
