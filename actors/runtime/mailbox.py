"""Refs, mailboxes and replies: how actors speak to one another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import attrs
import outcome
import trio

from actors.runtime.errors import ActorGone, AskTimeout, MailboxFull
from actors.runtime.observe import Exit

M = TypeVar("M")
R = TypeVar("R")


@attrs.define(eq=False)
class Reply(Generic[R]):
    """The one-shot answer slot inside a message sent by `Ref.ask`. The first answer wins."""

    _done: trio.Event = attrs.field(factory=trio.Event)
    _outcome: outcome.Maybe[R] | None = None

    def answer(self, value: R) -> None:
        """Answer. Does nothing if there is an answer already or nobody waits any more."""
        self._settle(outcome.Value(value))

    def fail(self, error: Exception) -> None:
        """Answer with an error, which `ask` raises."""
        self._settle(outcome.Error(error))

    def _settle(self, result: outcome.Maybe[R]) -> None:
        if self._outcome is None:
            self._outcome = result
            self._done.set()

    async def _wait(self) -> R:
        await self._done.wait()
        assert self._outcome is not None
        return self._outcome.unwrap()


@attrs.define(eq=False)
class Mailbox(Generic[M]):
    """What stays the same over an actor's generations: its path, and where messages go now.

    The runtime's side of a `Ref`. A generation that may be followed by another opens the next mailbox in
    the step in which it ends, so a message told between two lives waits for the next one.
    """

    path: str
    capacity: int
    generation: int = 0
    final_exit: Exit | None = None
    _send: trio.MemorySendChannel[M] | None = None
    _receive: trio.MemoryReceiveChannel[M] | None = None
    _asks: set[Reply[Any]] = attrs.field(factory=set)
    _dead: trio.Event = attrs.field(factory=trio.Event)

    def open(self) -> None:
        """Give the next generation an empty mailbox."""
        self._send, self._receive = trio.open_memory_channel[M](self.capacity)

    @property
    def receiver(self) -> trio.MemoryReceiveChannel[M]:
        """The receiving end that the current generation reads."""
        assert self._receive is not None
        return self._receive

    def close(self) -> None:
        """End the current generation's mailbox: waiting messages are lost, their senders are told."""
        if self._send is not None and self._receive is not None:
            self._receive.close()
            self._send.close()
        self._send = self._receive = None
        for reply in tuple(self._asks):
            reply.fail(ActorGone(f"{self.path} ended before it answered"))

    def die(self, final_exit: Exit) -> None:
        """No generation will follow."""
        self.close()
        self.final_exit = final_exit
        self._dead.set()

    def sender(self) -> trio.MemorySendChannel[M]:
        """The sending end; raises `ActorGone`."""
        if self._send is None:
            raise ActorGone(f"{self.path} is gone")
        return self._send


@attrs.define(eq=False, repr=False)
class Ref(Generic[M]):
    """The address of an actor. Survives its restarts; worthless after its death."""

    _mailbox: Mailbox[M]

    @property
    def path(self) -> str:
        """Where the actor stands in the tree: ``node/calls/<sid>/bridge``."""
        return self._mailbox.path

    @property
    def generation(self) -> int:
        """0 for the first life, one more after each restart."""
        return self._mailbox.generation

    @property
    def alive(self) -> bool:
        """False once the actor has ended for good."""
        return self._mailbox.final_exit is None

    def __repr__(self) -> str:
        state = f"generation {self.generation}" if self.alive else "gone"
        return f"<Ref {self.path} {state}>"

    async def tell(self, message: M) -> None:
        """Send, waiting while the mailbox is full. Raises `ActorGone`. If cancelled, nothing was sent."""
        try:
            await self._mailbox.sender().send(message)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise ActorGone(f"{self.path} ended with the message unread") from None

    def try_tell(self, message: M) -> None:
        """Send at once or raise `MailboxFull` or `ActorGone`."""
        try:
            self._mailbox.sender().send_nowait(message)
        except trio.WouldBlock:
            raise MailboxFull(f"{self.path} has {self._mailbox.capacity} messages waiting") from None
        except trio.BrokenResourceError:
            raise ActorGone(f"{self.path} has closed its mailbox") from None

    async def ask(self, make: Callable[[Reply[R]], M], timeout_s: float) -> R:
        """Send the message that `make` builds around a `Reply`, and wait for the answer.

        Raises `AskTimeout` after `timeout_s` seconds of Trio time (sending included), `ActorGone` if the
        actor ends or restarts before it answers, or whatever the actor gave to `Reply.fail`.
        """
        reply: Reply[R] = Reply()
        self._mailbox._asks.add(reply)
        try:
            with trio.move_on_after(timeout_s):
                await self.tell(make(reply))
                return await reply._wait()
        finally:
            self._mailbox._asks.discard(reply)
        raise AskTimeout(f"{self.path} did not answer within {timeout_s} s")

    async def down(self) -> Exit:
        """Monitor: wait until the actor has ended for good, and return how. Restarts are not an end."""
        await self._mailbox._dead.wait()
        assert self._mailbox.final_exit is not None
        return self._mailbox.final_exit
