"""The fast port, seen from the node: a process that is started, watched, and started again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import structlog
import trio

from clutch.net.link import Address
from clutch.net.quic.certificates import Certificates
from clutch.net.quic.engine import Engine
from clutch.node.config import Config
from clutch.node.errors import NodeError
from clutch.node.fast_worker import Task

log = structlog.get_logger(__name__)

HOST = "0.0.0.0"
"""picoquic cannot listen on one address only."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
"""Before it is started again; the wait doubles, until it has lived for the longest."""
_ROOT = Path(__file__).parents[2]
"""Where `clutch` is, so that another Python finds it, too."""
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


@attrs.define(eq=False)
class FastPort:
    """The process and what is known of it."""

    _config: Config
    _engine: Engine
    """Of the node: the worker connects to it."""
    _certificates: Certificates
    _secret: bytes = attrs.field(repr=False)
    address: Address | None = None
    """Where it listens; None while it does not."""
    starts: int = 0
    _said: Mapping[str, Any] = attrs.field(factory=dict)

    def snapshot(self) -> Mapping[str, Any]:
        """For the status page."""
        return {"listens": self.address is not None, "starts": self.starts, **self._said}

    async def run(self, *, task_status: trio.TaskStatus[Address] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep it alive until cancelled. Raises `NodeError` if it does not come up the first time."""
        wait_s, reason = FIRST_WAIT_S, ""
        while True:
            began = trio.current_time()
            async with trio.open_nursery() as nursery:
                reason = await nursery.start(self._live)
                if self.address is None and self.starts == 1:
                    raise NodeError(reason)
                if self.address is not None:
                    if self.starts == 1:
                        task_status.started(self.address)
                    log.info("fast.up", address=self.address)
            self.address, self._said = None, {}
            if trio.current_time() - began >= LONGEST_WAIT_S:
                wait_s = FIRST_WAIT_S
            log.error("fast.down", again_in_s=wait_s, error=reason)
            await trio.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)

    async def _live(self, task_status: trio.TaskStatus[str]) -> None:
        """One life of the process; started with an error, or when it listens."""
        self.starts += 1
        command = [str(self._config.moqt.fast_python or sys.executable), "-m", "clutch.node.fast_worker"]
        run = partial(
            trio.run_process, command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, check=False, cwd=_ROOT
        )
        async with trio.open_nursery() as nursery:
            process: trio.Process = await nursery.start(run)
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                await process.stdin.send_all(self._task())
                await self._listen(process.stdout, task_status)
            except trio.BrokenResourceError:
                pass  # it is gone
            if self.address is None:
                task_status.started("the process of the fast port ended at once")

    async def _listen(self, stdout: trio.abc.ReceiveStream, task_status: trio.TaskStatus[str]) -> None:
        text = b""
        async for chunk in stdout:
            *lines, text = (text + chunk).split(b"\n")
            for line in lines:
                said = json.loads(line)
                if "error" in said:
                    task_status.started(said["error"])
                    return
                if "address" in said:
                    self.address = tuple(said["address"])
                    task_status.started("")
                else:
                    self._said = said

    def _task(self) -> bytes:
        config, moqt = self._config, self._config.moqt
        certificate = self._certificates.current()  # makes the file, if there is none
        kept = config.node.data / "certificate.pem"
        host, port = self._engine.address
        auth = {
            name: None if value is None else str(value) for name, value in attrs.asdict(config.auth).items()
        }
        task = Task(
            HOST,
            moqt.fast_port or 0,
            str(_absolute(moqt.certificate or kept)),
            str(_absolute(moqt.key or kept)),
            (_WILDCARDS.get(host, host), port),
            certificate.fingerprint.hex(),
            self._secret.hex(),
            str(_absolute(config.node.data)),
            auth,
            moqt.open_loopback,
            moqt.max_sessions,
            moqt.idle_timeout_s,
            attrs.asdict(config.log),
        )
        return json.dumps(attrs.asdict(task)).encode() + b"\n"


def _absolute(path: Path) -> Path:
    return path.absolute()
