"""One child of a supervisor: its spec, its lives, and the ladder that ends them.

Plain Trio cancels all tasks of a nursery at once, in an order that it shuffles on purpose. So every child
runs inside its own shielded cancel scope, and only its supervisor cancels that scope: the shield is the
joint of the tree, and this file and `last_words` are the only places that have one.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs
import trio

from actors.runtime.mailbox import Mailbox, Ref
from actors.runtime.observe import Exit, Exited, Outcome, Restarting, Started, Stuck

if TYPE_CHECKING:
    from actors.runtime.system import System

M = TypeVar("M")


class Restart(enum.Enum):
    """What a supervisor does when a child ends by itself (OTP's restart types)."""

    PERMANENT = "permanent"
    """Start it again, always."""
    TRANSIENT = "transient"
    """Start it again if it crashed."""
    TEMPORARY = "temporary"
    """Never start it again; its end touches no sibling."""

    def wanted_after(self, outcome: Outcome) -> bool:
        """True if a child of this type that ended by itself, in this way, is to be started again."""
        crashed = outcome is Outcome.CRASHED
        return self is Restart.PERMANENT or (self is Restart.TRANSIENT and crashed)


class OnLimit(enum.Enum):
    """What a supervisor does when a child has used up the restarts."""

    ESCALATE = "escalate"
    """Stop the other children in order and raise `RestartLimitExceeded`."""
    DROP = "drop"
    """Leave the child down and go on without it."""


@attrs.define(eq=False)
class Context(Generic[M]):
    """What an actor is given: one per generation."""

    name: str
    path: str
    mailbox: trio.MemoryReceiveChannel[M]
    """Messages to this generation, in order; `async for message in ctx.mailbox` never ends by itself."""
    stopping: trio.Event
    """Set when the supervisor wants this actor gone: sweep up and return. Cancellation follows."""
    ref: Ref[M]
    system: System
    _ready: Callable[[], None]
    reason: str | None = None
    """Why the actor is being stopped; None until `stopping` is set."""

    _at_stop: list[Callable[[], None]] = attrs.field(factory=list)

    def when_stopping(self, callback: Callable[[], None]) -> None:
        """Call `callback`, once and without a checkpoint, when `stopping` is set; now, if it is already.

        For what must happen the moment a stop begins, such as closing an inlet; it must not raise.
        """
        if self.stopping.is_set():
            callback()
        else:
            self._at_stop.append(callback)

    def started(self) -> None:
        """Say that this actor is ready: the next sibling starts, the name is registered. Idempotent."""
        self._ready()

    def _stop(self) -> None:
        self.stopping.set()
        while self._at_stop:
            self._at_stop.pop()()


ActorFn = Callable[[Context[M]], Awaitable[None]]


@attrs.frozen
class ChildSpec(Generic[M]):
    """How to run and how to stop one actor."""

    name: str = attrs.field()
    run: ActorFn[M]
    restart: Restart = Restart.PERMANENT
    significant: bool = False
    """Its end may end the supervisor: see `AutoShutdown`."""
    grace_s: float = 0.0
    """First rung: how long `stopping` may be set before the actor is cancelled."""
    cleanup_s: float = 0.2
    """Second rung: how long a cancelled actor may take before it is reported as stuck. `math.inf` for
    supervisors, whose own children carry the budgets."""
    mailbox: int = 16
    """How many messages may wait; senders wait for room, an edge uses `try_tell` and answers busy."""
    on_limit: OnLimit = OnLimit.ESCALATE

    @name.validator
    def _no_slash(self, _attribute: object, name: str) -> None:
        if not name or "/" in name:
            raise ValueError(f"an actor's name is one non-empty path segment, not {name!r}")


@attrs.define(eq=False)
class _Life:
    """One generation."""

    scope: trio.CancelScope = attrs.field(factory=lambda: trio.CancelScope(shield=True))
    done: trio.Event = attrs.field(factory=trio.Event)
    ready: bool = False
    again: bool = False
    """If it was asked to stop: whether another generation is to follow."""
    context: Context[Any] | None = None
    exit: Exit | None = None


@attrs.define(eq=False)
class Child(Generic[M]):
    """A slot under a supervisor. The slot and its ref outlive the lives in it."""

    spec: ChildSpec[M]
    path: str
    system: System
    on_ready: Callable[[Child[M]], None]
    """Called, without a checkpoint, when a generation is ready."""
    on_exit: Callable[[Child[M], Exit], None]
    """Called, without a checkpoint, when a generation has ended."""
    ref: Ref[M] = attrs.field(init=False)
    last_exit: Exit | None = None
    _mailbox: Mailbox[M] = attrs.field(init=False)
    _life: _Life | None = None
    _lives: int = 0

    def __attrs_post_init__(self) -> None:
        self._mailbox = Mailbox(self.path, self.spec.mailbox)
        self._mailbox.open()
        self.ref = Ref(self._mailbox)

    @property
    def alive(self) -> bool:
        """True while a generation runs."""
        return self._life is not None

    @property
    def ready(self) -> bool:
        """True while a generation runs that has said that it is ready."""
        return self._life is not None and self._life.ready

    def spawn(self, nursery: trio.Nursery) -> None:
        """Start the next generation as a task of `nursery`."""
        assert self._life is None
        if self._lives > 0:
            self.system.observe.emit(Restarting(self.path, self._lives))
        life = self._life = _Life()
        self._mailbox.generation = self._lives
        self._lives += 1
        life.context = Context(
            self.spec.name,
            self.path,
            self._mailbox.receiver,
            trio.Event(),
            self.ref,
            self.system,
            lambda: self._became_ready(life),
        )
        nursery.start_soon(self._live, life, life.context, name=self.path)

    def _became_ready(self, life: _Life) -> None:
        if life is self._life and not life.ready:
            life.ready = True
            self.system._registry[self.path] = self.ref
            self.system.observe.emit(Started(self.path, self.ref.generation))
            self.on_ready(self)

    async def _live(self, life: _Life, context: Context[M]) -> None:
        how, error = Outcome.CRASHED, None
        try:
            with life.scope:
                await self.spec.run(context)
            how = Outcome.STOPPED if context.stopping.is_set() else Outcome.NORMAL
        except Exception as exc:  # the supervisor decides what a crash means
            error = exc
        finally:
            self._ended(life, Exit(self.path, self.ref.generation, how, context.reason, error))

    def _ended(self, life: _Life, exit_: Exit) -> None:
        """Everything that ends with a generation, in one step."""
        life.exit = self.last_exit = exit_
        self._life = None
        self.system._registry.pop(self.path, None)
        self._mailbox.close()
        asked = exit_.reason is not None
        if life.again if asked else self.spec.restart.wanted_after(exit_.outcome):
            self._mailbox.open()
        life.done.set()
        self.on_exit(self, exit_)
        self.system.observe.emit(Exited(exit_))

    def bury(self) -> None:
        """No generation will follow: refs go stale, monitors fire. Idempotent; the child must be down."""
        if self.ref.alive:
            exit_ = self.last_exit or Exit(self.path, 0, Outcome.STOPPED, "never started")
            self._mailbox.die(exit_)

    async def stop(self, reason: str, *, again: bool = False) -> Exit | None:
        """Bring the current generation down by the ladder and return how it went; None if none runs.

        `stopping`, then after `grace_s` cancellation with `reason`, then after `cleanup_s` a `Stuck` event;
        and then it waits for as long as it takes, because a Trio task cannot be killed. `again` says that
        another generation is to follow. Whoever asks first gives the reason and drives the ladder; others
        only wait. Not cancellable; if anything else breaks the wait (KeyboardInterrupt), the child is
        cancelled at once, so that it ends all the same.
        """
        life = self._life
        if life is None:
            return None
        assert life.context is not None
        with trio.CancelScope(shield=True):
            if life.context.reason is None:
                life.context.reason, life.again = reason, again
                life.context._stop()
                await self._ladder(life, reason)
            await life.done.wait()
        return life.exit

    async def _ladder(self, life: _Life, reason: str) -> None:
        """The rungs after `stopping`."""
        try:
            await _within(self.spec.grace_s, life.done)
        finally:
            life.scope.cancel(reason=reason)
        if not await _within(self.spec.cleanup_s, life.done):
            self.system.observe.emit(Stuck(self.path, self.spec.grace_s + self.spec.cleanup_s))


async def _within(seconds: float, event: trio.Event) -> bool:
    """Wait for the event, at most so long; True if it came."""
    if seconds > 0 and not event.is_set():
        with trio.move_on_after(seconds):
            await event.wait()
    return event.is_set()
