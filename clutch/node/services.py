"""Trio services as actors of a system."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import trio

from actors import ChildSpec, Context, Restart, System
from clutch.net.errors import AddressUnavailable, BackendUnavailable, NetworkError, PortInUse
from clutch.node.errors import NodeError, first_error


async def start_service(system: System, name: str, serve: Callable[..., Awaitable[object]]) -> Any:
    """Start ``serve(task_status=…)`` as a top-level actor, and return what it reports as started.

    It is restarted when it crashes, but not when it never came up: then what the network or the node said
    against it is raised as `NodeError`.
    """
    refusals: list[Exception] = []
    reports: list[Any] = []

    async def run(ctx: Context[Any]) -> None:
        reports.clear()
        try:
            async with trio.open_nursery() as nursery:
                reports.append(await nursery.start(serve))
                ctx.started()
        except* (NetworkError, NodeError) as group:
            if reports:
                raise
            refusals.append(first_error(group))

    await system.start(ChildSpec(name, run, Restart.TRANSIENT, cleanup_s=2.0))
    if refusals:
        raise NodeError(f"{name}: {refusals[0]}{_advice(name, refusals[0])}") from refusals[0]
    return reports[0]


def _advice(name: str, refusal: Exception) -> str:
    """Which keys to set if a service cannot have its address: they are in the table of its name."""
    if isinstance(refusal, PortInUse):
        return f"; choose another with --set {name}.port=PORT"
    if isinstance(refusal, BackendUnavailable):
        return "; see: clutch doctor"
    if isinstance(refusal, AddressUnavailable):
        return f"; look at {name}.host and {name}.port"
    return ""
