"""`clutch run`: a node in the foreground, until a signal."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import click
import trio

from actors import CALL_BUDGET_S
from clutch import __version__
from clutch.cli.node_options import DEFAULT_URL
from clutch.cli.options import config_options
from clutch.cli.program import run_program
from clutch.node.config import Config
from clutch.node.log import set_up_logging
from clutch.node.node import Node, open_node
from clutch.wire.sip.flow import DEFAULT_PORT
from clutch.wire.sip.grammar import format_host_port

WATCHDOG_S = CALL_BUDGET_S + 6.0
"""How long the tree may take to come down before the process is ended: a Trio task cannot be killed."""
EXIT_STUCK = 70
"""Exit status of a node that the watchdog ended (EX_SOFTWARE of sysexits.h)."""


@click.command()
@config_options
def run(config: Config) -> None:
    """Start a node and serve calls until SIGTERM or Ctrl-C.

    The first signal drains: new calls get 503, living ones may end by themselves within node.drain_s, then
    they are hung up. A second signal ends the waiting at once; the order stays the same.
    """
    set_up_logging(config.log)
    run_program(_serve, config)


async def _serve(config: Config) -> None:
    with (
        trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals,
        trio.open_signal_receiver(signal.SIGHUP) as hangups,
    ):
        async with open_node(config) as node, trio.open_nursery() as nursery:
            nursery.start_soon(_reload, node, hangups)
            click.echo(greeting(node))
            await anext(signals)
            await _drain(node, signals)
            _start_watchdog()
            nursery.cancel_scope.cancel(reason="the node goes down")


async def _reload(node: Node, hangups: AsyncIterator[int]) -> None:
    async for _signal in hangups:
        node.reload()


async def _drain(node: Node, signals: AsyncIterator[int]) -> None:
    async with trio.open_nursery() as nursery:

        async def hurry() -> None:
            await anext(signals)
            nursery.cancel_scope.cancel(reason="a second signal")

        nursery.start_soon(hurry)
        await node.drain()
        nursery.cancel_scope.cancel(reason="drained")


def _start_watchdog() -> None:
    """The last rung of the stop ladder: end a process whose tree does not come down."""

    def bark() -> None:
        sys.stderr.write(f"clutch: still not down after {WATCHDOG_S} s; ending the process\n")
        os._exit(EXIT_STUCK)

    watchdog = threading.Timer(WATCHDOG_S, bark)
    watchdog.daemon = True
    watchdog.start()


def greeting(node: Node) -> str:
    """What a person who started a node wants to know: where it is, and what to type next."""
    addresses = node.endpoint.addresses
    host, port = addresses[0].host, addresses[0].port
    target = format_host_port(host, None if port == DEFAULT_PORT else port)
    command = os.path.relpath(Path(sys.executable).with_name("clutch"))
    url = node.http_urls[0]
    status = "" if url.endswith("127.0.0.1:8080") else f" --url {url}"
    moqt = f"moqt://{node.moqt.address}"
    tracks = "" if moqt == DEFAULT_URL else f" --url {moqt}"
    return f"""\
clutch {__version__} is up
  sip         {"  ".join(map(str, addresses))}
  moqt        {moqt}
  status      {url}/v1/status
  recordings  {node.config.recordings}
  features    {", ".join(node.features)}
  answering   {", ".join(f"sip:{name}@{target}" for name in node.extensions)}

Try, in another terminal:
  {command} call sip:echo@{target} --duration 5
  {command} status{status}
  {command} sub voice --capability voice/opus -o caller.wav{tracks}
  {command} pub voice/SID/downlink hello.wav{tracks}
Stop with Ctrl-C: calls may go on for {node.config.node.drain_s:g} s; press it again to hang up."""
