"""The node's HTTP side: ``GET /v1/status`` for people, scripts and health checks."""

from __future__ import annotations

import errno
import ipaddress
import logging
import socket
from collections.abc import Callable, Mapping
from typing import Any

import trio
from hypercorn.config import Config as HypercornConfig
from hypercorn.trio import serve
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from clutch.net.owner import port_owner
from clutch.node.config import HttpConfig
from clutch.node.errors import NodeError, PortInUse

Snapshot = Callable[[], Mapping[str, Any]]
"""Makes the status that is served: plain values that JSON can carry. Must not block."""


def make_app(snapshot: Snapshot) -> Starlette:
    """The ASGI application."""

    async def status(_request: Request) -> JSONResponse:
        return JSONResponse(snapshot(), headers={"Cache-Control": "no-store"})

    return Starlette(routes=[Route("/v1/status", status)])


async def serve_http(
    config: HttpConfig,
    snapshot: Snapshot,
    *,
    task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled. Once it listens, reports its one URL, with the real port where `config` has 0.

    Raises `PortInUse` or `NodeError` if it cannot listen.
    """
    listener = _listen(config)
    server = HypercornConfig()
    # Given to Hypercorn as a descriptor, so that a failing bind is ours to explain and to clean up.
    server.bind = [f"fd://{listener.detach()}"]
    server.accesslog = None
    server.errorlog = logging.getLogger("clutch.http")
    server.errorlog.setLevel(logging.WARNING)
    app: Any = make_app(snapshot)  # ASGI is typed differently by Starlette and by Hypercorn
    await serve(app, server, task_status=task_status)


def _listen(config: HttpConfig) -> socket.socket:
    family = socket.AF_INET6 if ipaddress.ip_address(config.host).version == 6 else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((config.host, config.port))
        listener.listen(100)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUse("http.port", "TCP", config.port, port_owner("TCP", config.port)) from error
        raise NodeError(f"cannot listen on http.host {config.host}: {error.strerror}") from error
    return listener
