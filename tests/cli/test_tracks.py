"""`clutch pub` and `clutch sub`: what they refuse before they connect."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from clutch.cli.main import main
from clutch.media.ogg import OggWriter

NOWHERE = "moqt://127.0.0.1:9"


@pytest.fixture
def runner() -> CliRunner:
    """Runs the command within this process."""
    return CliRunner()


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["pub", "a"], 2, "Missing argument '[TRACK] FILE'"),
        (["pub", "a", "b", "c", "d"], 2, "NAMESPACE, TRACK and FILE, no more"),
        (["pub", "a", "missing.wav"], 1, "missing.wav"),
        (["pub", "a", "/dev/null"], 1, "not a WAV file"),
        (["pub", "a", "x.wav", "--rate", "11025"], 2, "is not sampled at 11025 Hz"),
        (["sub", "a", "b", "--capability", "voice/opus"], 2, "either TRACK or --capability"),
        (["sub", "a", "audio.pcm16.16000", "-o", "x.ogg", "--url", NOWHERE], 2, "an Ogg file holds Opus"),
        (["sub", "a", "--capability", "voice/pcm16;rate=16000", "-o", "x.ogg"], 2, "an Ogg file holds Opus"),
        (["sub", "a", "-o", "missing/x.wav", "--url", NOWHERE], 2, "missing/x.wav cannot be written"),
        (["sub", "a", "-o", "/", "--url", NOWHERE], 2, "/ cannot be written"),
        (["sub", "a//b", "--url", NOWHERE], 1, "empty field"),
        (["sub", "a", "--url", "http://node"], 2, "moqt:// or https://"),
        (["sub", "a", "--fingerprint", "abc"], 2, "64 hexadecimal digits"),
        (["sub", "a", "--token", "t", "--token-file", "f"], 2, "either --token or --token-file"),
        (["sub", "a", "--token-file", "missing"], 1, "missing"),
        (["sub", "a", "--ca-file", "missing"], 1, "--ca-file missing"),
        (["sub", "a", "--ca-file", "/dev/null"], 1, "--ca-file /dev/null"),
        (["sub", "a/" * 32 + "a", "--url", NOWHERE], 1, "at most 32 fields"),
        (["sub", "a" * 4096, "--url", NOWHERE], 1, "at most 4096 bytes"),
    ],
)
def test_bad_usage(runner: CliRunner, arguments: list[str], status: int, said: str) -> None:
    result = runner.invoke(main, arguments)
    assert result.exit_code == status, result.output
    assert said in result.output
    assert "Traceback" not in result.output


def test_a_file_without_audio_is_refused(runner: CliRunner, tmp_path: Path) -> None:
    writer = OggWriter()
    (tmp_path / "empty.ogg").write_bytes(writer.begin() + writer.end())
    result = runner.invoke(main, ["pub", "a", str(tmp_path / "empty.ogg"), "--url", NOWHERE])
    assert (result.exit_code, "there is no audio in it" in result.output) == (1, True), result.output


def test_a_token_is_never_said(runner: CliRunner, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    result = runner.invoke(main, ["sub", "a//b", "--token-file", str(tmp_path / "token"), "--url", NOWHERE])
    assert "secret" not in result.output
