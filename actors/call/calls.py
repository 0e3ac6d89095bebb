"""The pool of calls of a node."""

from __future__ import annotations

from typing import Any

import attrs
import trio

from actors.call.call import Call, CallSpec
from actors.call.cause import Cause
from actors.call.tree import CALL_BUDGET_S, call_actor
from actors.runtime import ActorFn, ChildSpec, Context, Pool, Restart


@attrs.define(eq=False)
class Calls:
    """Every call of a node: start, look up, hang up, drain. An actor: give `run` to a system or supervisor
    by `spec`."""

    limit: int | None = None
    """How many calls may live at a time."""
    strict: bool = False
    """Raise what a call raises, instead of only reporting it on `observe`; for tests."""
    _pool: Pool = attrs.field(init=False)
    _calls: dict[str, Call] = attrs.field(factory=dict)
    _idle: trio.Event = attrs.field(factory=trio.Event)

    def __attrs_post_init__(self) -> None:
        self._pool = Pool(self.limit, self.strict)
        self._idle.set()

    def __len__(self) -> int:
        """How many calls live."""
        return len(self._calls)

    def spec(self, name: str = "calls") -> ChildSpec[Any]:
        """The child spec of the pool."""
        return ChildSpec(name, self._pool.run, cleanup_s=float("inf"))

    def start(self, spec: CallSpec) -> Call:
        """Start a call and return at once.

        Takes over `spec.leg` and `spec.stream` in any case: if `PoolFull`, `PoolClosed` or `NameTaken` is
        raised, both have been closed.
        """
        call = Call(spec)
        try:
            self._pool.start(
                ChildSpec(spec.sid, self._runner(call), Restart.TEMPORARY, cleanup_s=CALL_BUDGET_S, mailbox=1)
            )
        except Exception:
            call.close()
            raise
        self._calls[spec.sid] = call
        self._idle = trio.Event() if self._idle.is_set() else self._idle
        return call

    def get(self, sid: str) -> Call | None:
        """The living call of that sid."""
        return self._calls.get(sid)

    def all(self) -> list[Call]:
        """The living calls, oldest first."""
        return list(self._calls.values())

    def hangup(self, sid: str, cause: Cause) -> bool:
        """End a call by the signalled road. Idempotent; False if there is no such call."""
        call = self._calls.get(sid)
        if call is not None:
            call.hangup(cause)
        return call is not None

    async def idle(self) -> None:
        """Wait until no call is left."""
        await self._idle.wait()

    def _runner(self, call: Call) -> ActorFn[Any]:
        live = call_actor(call)

        async def run(ctx: Context[Any]) -> None:
            try:
                await live(ctx)
            finally:
                del self._calls[call.sid]
                if not self._calls:
                    self._idle.set()

        return run
