"""The system: one tree of actors inside a Trio program."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any, TypeVar

import attrs
import trio

from actors.runtime.child import Child, ChildSpec, Restart
from actors.runtime.mailbox import Ref
from actors.runtime.observe import Exit, Observatory
from actors.runtime.supervisor import Intensity, Supervisor

M = TypeVar("M")


@attrs.define(eq=False)
class System:
    """A root supervisor, a registry and a stream of events. Nothing in it is global: two may live side by
    side. Made by `open_system`."""

    observe: Observatory = attrs.field(factory=Observatory)
    _root: Supervisor = attrs.field(factory=lambda: Supervisor([], intensity=Intensity(3, 10.0)))
    _registry: dict[str, Ref[Any]] = attrs.field(factory=dict)

    @property
    def registry(self) -> Mapping[str, Ref[Any]]:
        """Path to ref of every actor that is ready: filled at `started`, emptied in the step of the exit."""
        return MappingProxyType(self._registry)

    async def start(self, spec: ChildSpec[M]) -> Ref[M]:
        """Start a top-level actor after those already there, and wait until it is ready.

        They are stopped in reverse order when the system closes. Raises `NameTaken` or `ActorGone`.
        """
        return await self._root.start_child(spec)

    async def stop(self, name: str, reason: str) -> Exit | None:
        """Stop one top-level actor by its ladder, return how it ended; None if there is none of that name."""
        return await self._root.stop_child(name, reason)


@asynccontextmanager
async def open_system(name: str = "node") -> AsyncIterator[System]:
    """Open an actor system for the length of a block.

    Leaving the block, by whatever way, stops every actor in reverse order of start, each by its ladder;
    nothing started inside outlives it. If a top-level actor uses up its restarts, the block is cancelled.
    Errors come out as an ExceptionGroup, as from a Trio nursery. Installs no signal handler and no logging,
    and never calls `trio.run`: it is a guest in your program.
    """
    system = System()
    spec = system._root.spec(name, restart=Restart.TEMPORARY)

    async with trio.open_nursery() as nursery:

        def ended(root: Child[Any], exit_: Exit) -> None:
            root.bury()
            if exit_.error is not None:
                # A task of the nursery raises it: that cancels the block, and loses no other error.
                nursery.start_soon(_raise, exit_.error)

        ready = trio.Event()
        root = Child(spec, name, system, lambda _root: ready.set(), ended)
        root.spawn(nursery)
        try:
            await ready.wait()
            yield system
        finally:
            await root.stop("system closed")


async def _raise(error: Exception) -> None:
    raise error
