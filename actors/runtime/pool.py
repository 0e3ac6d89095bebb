"""Pools: many children of one kind, in no order, never restarted, stopped together."""

from __future__ import annotations

from typing import Any, TypeVar

import attrs
import trio

from actors.runtime.child import Child, ChildSpec, Context, Restart
from actors.runtime.errors import NameTaken, PoolClosed, PoolFull
from actors.runtime.mailbox import Ref
from actors.runtime.observe import Exit

M = TypeVar("M")


@attrs.define(eq=False)
class Pool:
    """An actor whose children come and go (OTP's simple_one_for_one): a thousand calls, say.

    Order is promised within a child, not between them: when the pool stops, all stop at the same time,
    each by its own ladder, or a thousand calls would take a thousand times as long. A child that crashes
    is reported on `observe` and takes nobody with it, unless the pool is `strict`, as tests want it.
    """

    limit: int | None = None
    """How many children may live at a time; None for as many as come."""
    strict: bool = False
    """Raise the first child's error and stop the rest, instead of only reporting it."""
    _children: dict[str, Child[Any]] = attrs.field(factory=dict)
    _ctx: Context[Any] | None = None
    _nursery: trio.Nursery | None = None
    _failed: trio.Event = attrs.field(factory=trio.Event)
    _errors: list[BaseException] = attrs.field(factory=list)

    def __len__(self) -> int:
        """How many children live."""
        return len(self._children)

    def __contains__(self, name: object) -> bool:
        return name in self._children

    def names(self) -> list[str]:
        """Names of the living children, oldest first."""
        return list(self._children)

    async def run(self, ctx: Context[Any]) -> None:
        """The actor function: keep the pool open until it is stopped. Give its spec `cleanup_s=math.inf`."""
        self._failed = trio.Event()
        self._errors = []
        try:
            async with trio.open_nursery() as nursery:
                self._ctx, self._nursery = ctx, nursery
                ctx.started()
                try:
                    await self._failed.wait()
                finally:
                    self._ctx = None
                    async with trio.open_nursery() as stoppers:
                        for child in self._children.values():
                            stoppers.start_soon(child.stop, ctx.reason or "pool ended")
        except BaseException as error:
            # Kept, not swallowed: it leaves below, beside the errors of the children.
            self._errors.append(error)
        self._nursery = None
        if self._errors:
            raise BaseExceptionGroup(f"{ctx.path} teardown", self._errors)

    def start(self, spec: ChildSpec[M]) -> Ref[M]:
        """Start a child at once, without waiting until it is ready.

        Raises `PoolClosed`, `PoolFull` or `NameTaken`, and ValueError if `spec.restart` is not temporary.
        """
        if spec.restart is not Restart.TEMPORARY:
            raise ValueError("a pool never restarts: its children are Restart.TEMPORARY")
        if self._ctx is None or self._nursery is None:
            raise PoolClosed("the pool is not running")
        if spec.name in self._children:
            raise NameTaken(f"{self._ctx.path}/{spec.name} exists")
        if self.limit is not None and len(self._children) >= self.limit:
            raise PoolFull(f"{self._ctx.path} holds {self.limit} already")
        path = f"{self._ctx.path}/{spec.name}"
        child = Child(spec, path, self._ctx.system, lambda _child: None, self._ended)
        self._children[spec.name] = child
        child.spawn(self._nursery)
        return child.ref

    async def stop(self, name: str, reason: str) -> Exit | None:
        """Stop one child by its ladder; None if there is none of that name. Not cancellable."""
        child = self._children.get(name)
        return None if child is None else await child.stop(reason)

    def _ended(self, child: Child[Any], exit_: Exit) -> None:
        del self._children[child.spec.name]
        child.bury()
        if exit_.error is not None and self.strict:
            self._errors.append(exit_.error)
            self._failed.set()
