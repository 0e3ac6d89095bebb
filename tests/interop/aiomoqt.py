"""aiomoqt, an independent MoQT: its relay, its conformance client, and peers scripted on it.

It lives in a virtual environment of its own (.ci/peers), because it wants Python 3.12.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from clutch.net.quic.certificates import SelfSigned
from tests.interop.node import free_port

BIN = Path(__file__).parents[2] / ".venv/peers/bin"
SCRIPTS = Path(__file__).parent / "peers"
VERSION = "0.13.3"
"""An older Python silently gets a version of long ago."""

needs_aiomoqt = pytest.mark.skipif(
    not (BIN / "moq-interop-relay").exists(), reason="there was no Python 3.12 for aiomoqt (.ci/peers)"
)


@attrs.frozen
class Heard:
    """What a subscriber of aiomoqt received."""

    groups: Sequence[int]
    payloads: Sequence[str]
    """In hex."""
    properties: Mapping[str, Any]
    """Of the track; the keys in hex."""

    @property
    def missing(self) -> int:
        """How many groups are not there between the first and the last."""
        return max(self.groups) - min(self.groups) + 1 - len(set(self.groups))


@attrs.frozen
class Relay:
    """aiomoqt's relay, and its process."""

    port: int
    pid: int


def conformance(url: str, draft: int) -> dict[str, bool]:
    """Which cases of the conformance client the relay at `url` passes."""
    command = [str(BIN / "moq-interop-client"), "-r", url, "--draft", str(draft), "--tls-disable-verify"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert f"aiomoqt/{VERSION}" in run.stdout, run.stdout + run.stderr
    results = re.findall(r"^(not )?ok \d+ - (\S+)", run.stdout, re.MULTILINE)
    assert len(results) == 12, run.stdout + run.stderr
    return {name: not failed for failed, name in results}


@contextmanager
def relay(folder: Path, *prefix: str) -> Iterator[Relay]:
    """aiomoqt's relay, for raw QUIC and WebTransport; `prefix` comes before its command."""
    port, made = free_port(), SelfSigned().current()
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.chain[0].public_bytes(Encoding.PEM))
    key.write_bytes(made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    command: list[str | Path] = [
        *prefix,
        BIN / "moq-interop-relay",
        "--bind",
        "127.0.0.1",
        "--port",
        str(port),
        "--dual",
    ]
    command += ["--cert", certificate, "--key", key]
    with _process(command) as process:
        deadline = time.monotonic() + 20
        while not _bound(port):
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline, "aiomoqt's relay did not come up"
            time.sleep(0.05)
        yield Relay(port, process.pid)


@contextmanager
def publisher(
    url: str, draft: int, namespace: str, track: str, seconds: float, *, announce: bool = False
) -> Iterator[None]:
    """aiomoqt publishes an object of 80 bytes, 50 times a second, each its own group."""
    how = ["namespace"] if announce else []
    with _script("publish", url, draft, namespace, track, seconds, *how) as process:
        assert _line(process) == "published\n"
        yield


@contextmanager
def subscriber(
    url: str, draft: int, namespace: str, track: str, seconds: float
) -> Iterator[subprocess.Popen[str]]:
    """aiomoqt listens; give what is yielded to `heard` for the result."""
    with _script("subscribe", url, draft, namespace, track, seconds) as process:
        assert _line(process) == "subscribed\n"
        yield process


def heard(process: subprocess.Popen[str]) -> Heard:
    """Wait until a subscriber has had its time, and read its result."""
    output, _ = process.communicate(timeout=60)
    return Heard(**json.loads(output.splitlines()[-1]))


def _script(name: str, *arguments: object) -> Any:
    return _process([BIN / "python", SCRIPTS / f"{name}.py", *map(str, arguments)], quiet=True)


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


@contextmanager
def _process(command: Sequence[str | Path], *, quiet: bool = False) -> Iterator[subprocess.Popen[str]]:
    errors = subprocess.DEVNULL if quiet else subprocess.STDOUT
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _bound(port: int) -> bool:
    return f":{port:04X} " in Path("/proc/net/udp").read_text()
