"""Every file in docs/examples runs, and does what it says."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import trio
import trio.testing

from clutch.client import CallerBridge, Voice
from tests.client.nodes import Loopback, loopback_node

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(name: str) -> None:
    trio.run(load(name).main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_embed(capsys: pytest.CaptureFixture[str]) -> None:
    run("embed")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "demo ringing"
    assert [line for line in lines if line.startswith("exit demo/")] == [
        "exit demo/leg normal",
        "exit demo/agent stopped",
        "exit demo/bridge stopped",
        "exit demo/recorder stopped",
    ]
    assert lines[-1] == "completed, left over: []"


def test_embed_is_twenty_lines() -> None:
    body = (EXAMPLES / "embed.py").read_text().split("async def main")[1].split("if __name__")[0]
    assert len([line for line in body.splitlines() if line.strip()]) <= 20


def test_every_example_has_a_test() -> None:
    tests = Path(__file__).read_text()
    for example in EXAMPLES.glob("*.py"):
        assert f'("{example.stem}")' in tests, f"docs/examples/{example.name} is run by no test"


def test_trial(capsys: pytest.CaptureFixture[str]) -> None:
    load("trial").main()
    report = capsys.readouterr().out.splitlines()[-2:]
    assert report[0].startswith("an agent that does not let go: cancel at each of ")
    assert report[1] == "  nothing left"


def test_tracks(capsys: pytest.CaptureFixture[str]) -> None:
    """The caller says something, hears it, and hangs up."""

    async def caller(node: Loopback) -> None:
        async with Voice(node.url, trust=node.trust) as voice:
            options = {"codec": "pcm16", "sample_rate": 16_000}
            async with (
                voice.audio_bridge.attach_caller("demo", **options) as bridge,  # type: ignore[arg-type]
                trio.open_nursery() as nursery,
            ):
                nursery.start_soon(speak, bridge)
                frame = await bridge.downlink.__anext__()
                assert frame.payload == b"hello"
                nursery.cancel_scope.cancel()

    async def speak(bridge: CallerBridge) -> None:
        while True:
            await bridge.uplink.send(b"hello")

    async def both(node: Loopback) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(load("tracks").main, node.url, node.trust)
            nursery.start_soon(caller, node)

    with loopback_node() as node:
        trio.run(both, node)
    assert capsys.readouterr().out.split() == ["connecting", "connected"]


def test_tracks_aio(capsys: pytest.CaptureFixture[str]) -> None:
    with loopback_node() as node:
        asyncio.run(load("tracks_aio").main(node.url, node.trust))
    assert capsys.readouterr().out.split() == ["hello", "goodbye"]
