"""The node's HTTP side: ``GET /v1/status`` for people, scripts and health checks."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

import structlog
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config as HypercornConfig
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from clutch.net.owner import port_owner
from clutch.node.config import HttpConfig
from clutch.node.errors import NodeError, PortInUse, first_error
from clutch.wire.sip.grammar import format_host_port

log = structlog.get_logger(__name__)

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
    host, port = listener.getsockname()[:2]
    task_status.started([f"http://{format_host_port(host, port)}"])
    await trio.serve_listeners(
        _connection_handler(make_app(snapshot)),
        [trio.SocketListener(trio.socket.from_stdlib_socket(listener))],
    )


class _Unsendable(Exception):
    """The connection does not take what the application says."""


def _connection_handler(app: Starlette) -> Callable[[trio.SocketStream], Awaitable[None]]:
    """Hypercorn's server of one connection, not its server of all: that falls with any one of them."""
    config, context = HypercornConfig(), WorkerContext(None)
    config.accesslog = None
    config.errorlog = logging.getLogger("clutch.http")
    config.errorlog.setLevel(logging.WARNING)

    async def quiet_app(scope: Any, receive: Any, send: Any) -> None:
        """The application, not to be blamed in the log for what its connection does."""

        async def try_to_send(message: Any) -> None:
            try:
                await send(message)
            except Exception as error:
                raise _Unsendable from error

        with contextlib.suppress(_Unsendable):
            await app(scope, receive, try_to_send)

    asgi = ASGIWrapper(quiet_app)

    async def handle(stream: trio.SocketStream) -> None:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_close_when_cancelled, stream)
                # It says that it wants TLS, and takes plain streams as well.
                await TCPServer(asgi, config, context, ConnectionState({}), cast("Any", stream))
                nursery.cancel_scope.cancel(reason="the connection is over")
        except* Exception as group:
            # Nonsense of a client makes Hypercorn send and close at once (its issue 203).
            log.info("http.connection_failed", error=repr(first_error(group)))

    return handle


async def _close_when_cancelled(stream: trio.SocketStream) -> None:
    """Hypercorn shields its sends without a deadline; this ends one to a client that does not read."""
    try:
        await trio.sleep_forever()
    finally:
        stream.socket.close()


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
