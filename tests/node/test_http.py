"""The HTTP side, over real sockets on loopback."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import trio

from clutch.node.config import HttpConfig
from clutch.node.errors import NodeError, PortInUse
from clutch.node.http import serve_http


@asynccontextmanager
async def serving(status: Mapping[str, Any]) -> AsyncIterator[httpx.AsyncClient]:
    """A server on a free port, and a client of it."""
    async with trio.open_nursery() as nursery:
        (url,) = await nursery.start(serve_http, HttpConfig(port=0), lambda: status)
        async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
            yield client
        nursery.cancel_scope.cancel()


async def test_status_is_what_the_node_says_at_that_moment() -> None:
    status = {"calls": 1}
    async with serving(status) as client:
        answer = await client.get("/v1/status")
        assert (answer.status_code, answer.json()) == (200, {"calls": 1})
        assert answer.headers["cache-control"] == "no-store"
        status["calls"] = 2
        assert (await client.get("/v1/status")).json() == {"calls": 2}


@pytest.mark.parametrize(
    ("method", "path", "code"), [("GET", "/", 404), ("GET", "/v1/calls", 404), ("POST", "/v1/status", 405)]
)
async def test_anything_else_is_refused(method: str, path: str, code: int) -> None:
    async with serving({}) as client:
        assert (await client.request(method, path)).status_code == code


async def test_a_port_in_use_is_named_with_its_owner() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortInUse, match=rf"TCP port {port} is in use by .*pid {os.getpid()}.*http\.port"):
            await serve_http(HttpConfig(port=port), dict)


async def test_an_address_of_another_machine_is_named() -> None:
    with pytest.raises(NodeError, match=r"cannot listen on http\.host 192\.0\.2\.1"):
        await serve_http(HttpConfig(host="192.0.2.1"), dict)


async def test_nothing_is_left_after_cancel() -> None:
    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = open_files()
    for _ in range(3):
        async with serving({"a": 1}) as client:
            await client.get("/v1/status")
    assert open_files() == before
