"""The fast engine with aiomoqt: by itself, and as the fast port of a node."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clutch.net.quic.certificates import SelfSigned
from tests.interop import aiomoqt
from tests.interop.aiomoqt import needs_aiomoqt
from tests.interop.node import RunningNode, free_port, running_node
from tests.net.quic.pem import write

DRAFTS = (18, 16)
ROOT = Path(__file__).parents[2]
RATE = 50
"""Objects a second, in peers/publish.py."""

pytestmark = needs_aiomoqt


@pytest.fixture(scope="module")
def open_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a relay on picoquic."""
    certificate, key = write(SelfSigned().current(), tmp_path_factory.mktemp("relay"))
    port = free_port()
    command: list[str | Path] = [
        aiomoqt.BIN / "python",
        aiomoqt.SCRIPTS / "relay.py",
        str(port),
        certificate,
        key,
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "up\n"
            yield port
        finally:
            process.kill()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningNode, int]]:
    """A node with a fast port."""
    port = free_port()
    python = f'moqt.fast_python="{aiomoqt.BIN / "python"}"'
    with running_node(tmp_path_factory.mktemp("node"), f"moqt.fast_port={port}", python) as node:
        until(lambda: bool(fast(node).get("joined")))
        yield node, port
        assert node.stop() == 0, node.log()
        assert "Traceback" not in node.log(), node.log()


def fast(node: RunningNode) -> dict[str, object]:
    """What the status says of the fast port."""
    found: dict[str, object] = node.status()["moqt"]["fast"]
    return found


def until(condition: object) -> None:
    """Wait, not for ever."""
    deadline = time.monotonic() + 20
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize("draft", DRAFTS)
@pytest.mark.parametrize("scheme", ["moqt", "https"])
def test_a_relay_on_picoquic_conforms(open_port: int, scheme: str, draft: int) -> None:
    results = aiomoqt.conformance(f"{scheme}://127.0.0.1:{open_port}/", draft)
    assert all(results.values()), results


@pytest.mark.parametrize("draft", DRAFTS)
def test_the_fast_port_conforms(node: tuple[RunningNode, int], draft: int) -> None:
    results = aiomoqt.conformance(f"moqt://127.0.0.1:{node[1]}/", draft)
    assert all(results.values()), results


@pytest.mark.parametrize("announce", [False, True], ids=["PUBLISH", "PUBLISH_NAMESPACE"])
@pytest.mark.parametrize("there", [False, True], ids=["from the fast port", "to the fast port"])
def test_tracks_cross(node: tuple[RunningNode, int], there: bool, announce: bool) -> None:
    running, port = node
    ports = (running.moqt_port, port) if there else (port, running.moqt_port)
    source, sink = (f"moqt://127.0.0.1:{one}/" for one in ports)
    namespace = (
        f"voice/{there}-{announce}/uplink"  # of its own: a publisher that was killed is there for a while
    )
    with aiomoqt.publisher(source, 18, namespace, "audio", 6, announce=announce):
        time.sleep(1)  # the other side hears of it
        with aiomoqt.subscriber(sink, 18, namespace, "audio", 2) as process:
            heard = aiomoqt.heard(process)
    assert len(heard.groups) > 1.5 * RATE
    assert heard.missing == 0


def test_its_process_may_die(node: tuple[RunningNode, int]) -> None:
    running, port = node
    (child,) = _children(running.process.pid)
    starts = fast(running)["starts"]
    os.kill(child, signal.SIGKILL)
    until(lambda: fast(running)["starts"] != starts and fast(running).get("joined"))
    assert running.process.poll() is None
    results = aiomoqt.conformance(f"moqt://127.0.0.1:{port}/", 18)
    assert all(results.values()), results


def _children(pid: int) -> list[int]:
    """The workers of a process."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text().rsplit(")", 1)[1].split()[1])
            if parent == pid and b"fast_worker" in (status.parent / "cmdline").read_bytes():
                found.append(int(status.parent.name))
        except (OSError, ValueError):
            continue
    return found
