"""Supervisors: start children in order, restart what crashed, stop in reverse order.

After OTP's supervisor behaviour (Erlang/OTP design principles, "Supervisor behaviour"). Differences that
come from Trio: a child cannot be killed, only asked and cancelled; and while a supervisor starts children
it goes on listening to the exits of those already up.
"""

from __future__ import annotations

import enum
import math
from collections import deque
from collections.abc import Sequence
from typing import Any, TypeVar

import attrs
import trio

from actors.runtime.child import Child, ChildSpec, Context, OnLimit, Restart
from actors.runtime.errors import ActorGone, NameTaken, RestartLimitExceeded
from actors.runtime.mailbox import Ref
from actors.runtime.observe import Exit

M = TypeVar("M")


class Strategy(enum.Enum):
    """Which siblings are restarted with a child."""

    ONE_FOR_ONE = "one_for_one"
    """None."""
    ONE_FOR_ALL = "one_for_all"
    """All."""
    REST_FOR_ONE = "rest_for_one"
    """Those that were started after it."""


class AutoShutdown(enum.Enum):
    """When the end of significant children ends the supervisor (OTP's auto_shutdown)."""

    NEVER = "never"
    ANY_SIGNIFICANT = "any_significant"
    ALL_SIGNIFICANT = "all_significant"


@attrs.frozen
class Intensity:
    """At most `restarts` restarts within any `within_s` seconds of Trio time."""

    restarts: int = 1
    within_s: float = 5.0


@attrs.define(eq=False)
class Supervisor:
    """An actor whose work is its children. Use `run` as the actor function, or `spec` to nest it.

    Ready when every child of the list is ready. When it ends, for whatever reason, the children have been
    stopped in reverse order, one after the other; errors that they raised while stopping come out together
    in one ExceptionGroup. The list's order is the architecture: put what others need first.
    """

    children: Sequence[ChildSpec[Any]]
    strategy: Strategy = Strategy.ONE_FOR_ONE
    intensity: Intensity = Intensity()
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER
    _crew: _Crew | None = None

    async def run(self, ctx: Context[Any]) -> None:
        """Supervise until stopped, shut down by a significant child, or out of restarts."""
        self._crew = _Crew(self, ctx)
        try:
            await self._crew.run()
        finally:
            self._crew = None

    def spec(self, name: str, **kwargs: Any) -> ChildSpec[Any]:
        """A child spec for this supervisor: its own children carry the stop budgets, so it has none."""
        return ChildSpec(name, self.run, cleanup_s=math.inf, **kwargs)

    async def start_child(self, spec: ChildSpec[M]) -> Ref[M]:
        """Add a child at the end of the order, wait until it is ready or has ended, return its ref.

        Raises `NameTaken` for a living name, `ActorGone` if the supervisor is not running or is stopped
        meanwhile. If cancelled while waiting, the child stays. A child that is not ready itself must not
        wait here: the new one starts after it.
        """
        if self._crew is None:
            raise ActorGone("the supervisor is not running")
        return await self._crew.start_child(spec)

    async def stop_child(self, name: str, reason: str) -> Exit | None:
        """Stop one child by its ladder, forget it, return how it ended; None if there is none of that name.

        If cancelled while waiting, the child is stopped all the same.
        """
        return None if self._crew is None else await self._crew.stop_child(name, reason)


class _Crew:
    """One run of a supervisor.

    Level-triggered: a child's callbacks only note its exit and ring the bell. What to do next is read off
    the children, in the supervisor's own task and nowhere else, so no news can be stale.
    """

    def __init__(self, supervisor: Supervisor, ctx: Context[Any]) -> None:
        self._plan = supervisor
        self._ctx = ctx
        self._order: list[Child[Any]] = []
        """The children that live or shall live, in start order."""
        self._exits: dict[Child[Any], Exit] = {}
        """Exits that nobody has dealt with yet, oldest first."""
        self._unwanted: dict[Child[Any], str] = {}
        """Children that somebody wants stopped, and why."""
        self._bell = trio.lowlevel.ParkingLot()
        self._restarts: deque[float] = deque()
        self._errors: list[BaseException] = []
        self._failure: RestartLimitExceeded | None = None
        self._stopping = False

    async def run(self) -> None:
        for spec in self._plan.children:
            self._add(spec)
        reason = "supervisor ended"
        try:
            async with trio.open_nursery() as nursery:
                try:
                    reason = await self._supervise(nursery)
                finally:
                    await self._stop_all(self._ctx.reason or reason)
        except BaseException as error:
            # Kept, not swallowed: it leaves below, beside what the children raised while they were stopped.
            # If it is a Cancelled, the scope that it belongs to takes it out of the group again.
            self._errors.append(error)
        if self._failure is not None:
            if not self._errors:
                raise self._failure
            self._errors.insert(0, self._failure)
        if self._errors:
            raise BaseExceptionGroup(f"{self._ctx.path} teardown", self._errors)

    def _add(self, spec: ChildSpec[Any]) -> Child[Any]:
        if any(child.spec.name == spec.name for child in self._order):
            raise NameTaken(f"{self._ctx.path}/{spec.name} exists")
        path = f"{self._ctx.path}/{spec.name}"
        child: Child[Any] = Child(spec, path, self._ctx.system, lambda _child: self._ring(), self._note_exit)
        self._order.append(child)
        return child

    def _note_exit(self, child: Child[Any], exit_: Exit) -> None:
        self._exits[child] = exit_
        self._ring()

    def _ring(self) -> None:
        """There may be something to do, or to see."""
        self._bell.unpark_all()

    async def _supervise(self, nursery: trio.Nursery) -> str:
        """Do what there is to do until the supervisor should end; return why."""
        while True:
            # Once cancelled, a supervisor starts and restarts nothing more, whatever has happened.
            await trio.lowlevel.checkpoint_if_cancelled()
            if self._unwanted:
                child, reason = next(iter(self._unwanted.items()))
                await child.stop(reason)
                self._forget(child)
            elif self._exits:
                child = next(iter(self._exits))
                end = await self._ended(child, self._exits.pop(child))
                if end is not None:
                    return end
            else:
                self._start_next(nursery)
                await self._bell.park()

    def _start_next(self, nursery: trio.Nursery) -> None:
        """Start the first child that is down, if all before it are ready; if all are, the crew is ready."""
        for child in self._order:
            if not child.alive:
                child.spawn(nursery)
            if not child.ready:
                return
        self._ctx.started()

    async def _ended(self, child: Child[Any], exit_: Exit) -> str | None:
        """A child ended by itself. Returns why the supervisor ends too, if it does."""
        if child.spec.restart.wanted_after(exit_.outcome):
            if self._may_restart():
                await self._stop_dependants(child)
                return None
            if child.spec.on_limit is OnLimit.ESCALATE:
                self._failure = RestartLimitExceeded(f"{child.path} ended too often")
                self._failure.__cause__ = exit_.error
                return str(self._failure)
        return self._gone(child, exit_)

    def _gone(self, child: Child[Any], exit_: Exit) -> str | None:
        """A child is down for good."""
        self._forget(child)
        how = self._plan.auto_shutdown
        if not child.spec.significant or how is AutoShutdown.NEVER:
            return None
        if exit_.error is not None:
            self._errors.append(exit_.error)
        if how is AutoShutdown.ALL_SIGNIFICANT and any(c.spec.significant for c in self._order):
            return None
        return f"{child.spec.name} ended"

    def _may_restart(self) -> bool:
        """Count a restart that is due, unless it is one too many."""
        now, limit = trio.current_time(), self._plan.intensity
        while self._restarts and self._restarts[0] <= now - limit.within_s:
            self._restarts.popleft()
        if len(self._restarts) >= limit.restarts:
            return False
        self._restarts.append(now)
        return True

    async def _stop_dependants(self, child: Child[Any]) -> None:
        """Stop the siblings that share the child's fate, in reverse order, to be started again with it."""
        first = {
            Strategy.ONE_FOR_ONE: len(self._order),
            Strategy.ONE_FOR_ALL: 0,
            Strategy.REST_FOR_ONE: self._order.index(child) + 1,
        }[self._plan.strategy]
        for sibling in reversed(self._order[first:]):
            again = sibling.spec.restart is not Restart.TEMPORARY
            if await sibling.stop(f"restart of {child.spec.name}", again=again) is not None:
                del self._exits[sibling]
                if not again:
                    self._forget(sibling)
            elif sibling in self._exits and sibling.spec.restart.wanted_after(self._exits[sibling].outcome):
                del self._exits[sibling]  # it crashed with the child: that is one restart, not two

    async def start_child(self, spec: ChildSpec[Any]) -> Ref[Any]:
        if self._stopping:
            raise ActorGone(f"{self._ctx.path} is stopping")
        child = self._add(spec)
        self._ring()
        while child.ref.alive and child.last_exit is None and not child.ready:
            await self._bell.park()
        if self._stopping:
            raise ActorGone(f"{self._ctx.path} is stopping")
        return child.ref

    async def stop_child(self, name: str, reason: str) -> Exit | None:
        for child in self._order:
            if child.spec.name == name:
                self._unwanted.setdefault(child, reason)
                self._ring()
                return await child.ref.down()
        return None

    def _forget(self, child: Child[Any]) -> None:
        """A child is down and stays so: its name is free, its refs are stale."""
        self._order.remove(child)
        self._exits.pop(child, None)
        self._unwanted.pop(child, None)
        child.bury()
        self._ring()

    async def _stop_all(self, reason: str) -> None:
        """Down the order, backwards, one by one. Survives anything that is raised into it."""
        self._stopping = True
        for child, exit_ in tuple(self._exits.items()):
            del self._exits[child]
            if not child.spec.restart.wanted_after(exit_.outcome):
                self._gone(child, exit_)
        for child in reversed(self._order):
            while child.alive:
                try:
                    await child.stop(reason)
                except BaseException as error:  # no Cancelled: a stop is shielded
                    self._errors.append(error)
            last = self._exits.pop(child, None)
            if last is not None and last.error is not None:
                self._errors.append(last.error)
            child.bury()
            self._ring()
