"""Refs: telling, asking and monitoring, with the other end alive, full, restarting or dead."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.runtime import (
    ActorGone,
    AskTimeout,
    ChildSpec,
    Context,
    MailboxFull,
    Outcome,
    Reply,
    Restart,
    Strategy,
    Supervisor,
    open_system,
)

MakeActor = Callable[..., ChildSpec[Any]]


def clerk(handle: Callable[[Any], None], **spec: Any) -> ChildSpec[Any]:
    """An actor that calls `handle` with every message."""

    async def run(ctx: Context[Any]) -> None:
        ctx.started()
        async for message in ctx.mailbox:
            handle(message)

    return ChildSpec("clerk", run, **spec)


def deaf(**spec: Any) -> ChildSpec[Any]:
    """An actor that never reads its mailbox."""

    async def run(ctx: Context[Any]) -> None:
        ctx.started()
        await trio.sleep_forever()

    return ChildSpec("deaf", run, **spec)


async def test_messages_come_in_order(autojump_clock: MockClock) -> None:
    got: list[int] = []
    async with open_system() as system:
        ref = await system.start(clerk(got.append))
        for number in range(50):
            await ref.tell(number)
        await wait_all_tasks_blocked()
    assert got == list(range(50))


async def test_a_full_mailbox_makes_tell_wait_and_try_tell_refuse(autojump_clock: MockClock) -> None:
    async with open_system() as system:
        ref = await system.start(deaf(mailbox=2))
        ref.try_tell(1)
        await ref.tell(2)
        with pytest.raises(MailboxFull, match="node/deaf has 2 messages waiting"):
            ref.try_tell(3)
        with trio.move_on_after(5.0) as scope:
            await ref.tell(3)
        assert scope.cancelled_caught


async def test_a_cancelled_tell_sent_nothing(autojump_clock: MockClock) -> None:
    got: list[int] = []

    async def run(ctx: Context[int]) -> None:
        ctx.started()
        await trio.sleep(2.0)
        while True:
            got.append(await ctx.mailbox.receive())

    async with open_system() as system:
        ref = await system.start(ChildSpec("late", run, mailbox=1))
        await ref.tell(1)
        with trio.move_on_after(1.0):
            await ref.tell(2)
        await trio.sleep(2.0)
    assert got == [1]


async def test_death_tells_those_who_wait_to_tell(autojump_clock: MockClock) -> None:
    async with open_system() as system, trio.open_nursery() as nursery:
        ref = await system.start(deaf(mailbox=0))

        async def tell() -> None:
            with pytest.raises(ActorGone, match="unread"):
                await ref.tell(1)

        nursery.start_soon(tell)
        nursery.start_soon(tell)
        await wait_all_tasks_blocked()
        await system.stop("deaf", "enough")
        with pytest.raises(ActorGone, match="node/deaf is gone"):
            await ref.tell(1)
        with pytest.raises(ActorGone, match="node/deaf is gone"):
            ref.try_tell(1)
    assert repr(ref) == "<Ref node/deaf gone>"


async def test_an_actor_that_closed_its_mailbox_is_gone_for_senders(autojump_clock: MockClock) -> None:
    async def run(ctx: Context[Any]) -> None:
        ctx.started()
        async with ctx.mailbox:
            pass
        await trio.sleep_forever()

    async with open_system() as system:
        ref = await system.start(ChildSpec("shut", run))
        await wait_all_tasks_blocked()
        with pytest.raises(ActorGone):
            ref.try_tell(1)
        with pytest.raises(ActorGone):
            await ref.tell(1)


async def test_a_new_generation_has_an_empty_mailbox(autojump_clock: MockClock) -> None:
    got: list[object] = []

    def handle(message: Any) -> None:
        got.append(message)
        raise ValueError(message)

    async with open_system() as system:
        ref = await system.start(clerk(handle))
        ref.try_tell("crash")
        ref.try_tell("was meant for the first")
        await wait_all_tasks_blocked()
        assert got == ["crash"]
        assert ref.generation == 1
        assert repr(ref) == "<Ref node/clerk generation 1>"


@pytest.mark.parametrize("name", ["a", "c"])
async def test_a_message_told_between_two_lives_waits_for_the_next(
    name: str, actor: MakeActor, autojump_clock: MockClock
) -> None:
    """`a` crashed, `c` was stopped to be restarted with it, and `b` is slow to go."""
    heard: list[tuple[str, int]] = []

    async def run(ctx: Context[str]) -> None:
        ctx.started()
        async for message in ctx.mailbox:
            heard.append((message, ctx.ref.generation))
            if message == "crash":
                raise ValueError

    children = [ChildSpec("a", run), actor("b", dying_s=2.0), ChildSpec("c", run)]
    async with open_system() as system:
        await system.start(Supervisor(children, Strategy.REST_FOR_ONE).spec("s"))
        ref = system.registry[f"node/s/{name}"]
        system.registry["node/s/a"].try_tell("crash")
        await trio.sleep(1.0)
        assert ref.alive
        assert ref.path not in system.registry
        ref.try_tell("hello")
        await trio.sleep(2.0)
    assert heard == [("crash", 0), ("hello", 1)]


async def test_a_child_that_will_not_come_back_takes_no_messages(
    actor: MakeActor, autojump_clock: MockClock
) -> None:
    supervisor = Supervisor(
        [actor("a", restart=Restart.TRANSIENT), actor("b", dying_s=2.0)], Strategy.REST_FOR_ONE
    )
    async with open_system() as system, trio.open_nursery() as nursery:
        await system.start(supervisor.spec("s", restart=Restart.TEMPORARY))
        a = system.registry["node/s/a"]
        nursery.start_soon(supervisor.stop_child, "b", "enough")
        await trio.sleep(1.0)  # the supervisor is busy
        a.try_tell(None)
        await wait_all_tasks_blocked()
        with pytest.raises(ActorGone):
            a.try_tell(None)


async def test_ask_is_answered_once(autojump_clock: MockClock) -> None:
    def handle(reply: Reply[str]) -> None:
        reply.answer("yes")
        reply.answer("no")
        reply.fail(ValueError())

    async with open_system() as system:
        ref = await system.start(clerk(handle))
        assert await ref.ask(lambda reply: reply, 1.0) == "yes"


async def test_ask_raises_what_the_actor_failed_it_with(autojump_clock: MockClock) -> None:
    async with open_system() as system:
        ref = await system.start(clerk(lambda reply: reply.fail(OSError("no such trunk"))))
        with pytest.raises(OSError, match="no such trunk"):
            await ref.ask(lambda reply: reply, 1.0)


@pytest.mark.parametrize("mailbox", [1, 0])
async def test_ask_times_out_also_while_it_waits_to_send(mailbox: int, autojump_clock: MockClock) -> None:
    async with open_system() as system:
        ref = await system.start(deaf(mailbox=mailbox))
        with pytest.raises(AskTimeout, match="node/deaf did not answer within"):
            await ref.ask(lambda reply: reply, 2.0)
        assert trio.current_time() == 2.0


async def test_a_late_answer_is_for_nobody(autojump_clock: MockClock) -> None:
    replies: list[Reply[str]] = []
    async with open_system() as system:
        ref = await system.start(clerk(replies.append))
        with pytest.raises(AskTimeout):
            await ref.ask(lambda reply: reply, 1.0)
        replies[0].answer("too late")


@pytest.mark.parametrize("restart", [Restart.PERMANENT, Restart.TEMPORARY])
@pytest.mark.parametrize("mailbox", [1, 0])
async def test_ask_fails_when_the_asked_generation_ends(
    restart: Restart, mailbox: int, autojump_clock: MockClock
) -> None:
    """Whether the question was read, is waiting in the mailbox, or still before it."""

    async def run(ctx: Context[Any]) -> None:
        ctx.started()
        if ctx.ref.generation == 0:
            await trio.sleep(1.0)
            raise ValueError
        await trio.sleep_forever()

    async with open_system() as system:
        ref = await system.start(ChildSpec("a", run, restart, mailbox=mailbox))
        with pytest.raises(ActorGone):
            await ref.ask(lambda reply: reply, 5.0)
        assert trio.current_time() == 1.0
        if restart is Restart.TEMPORARY:
            with pytest.raises(ActorGone):
                await ref.ask(lambda reply: reply, 5.0)


async def test_ask_fails_when_the_reader_dies_with_the_question(autojump_clock: MockClock) -> None:
    def handle(message: object) -> None:
        raise ValueError

    async with open_system() as system:
        ref = await system.start(clerk(handle))
        with pytest.raises(ActorGone, match="before it answered"):
            await ref.ask(lambda reply: reply, 5.0)


async def test_ask_between_two_lives_is_answered_by_the_next(
    actor: MakeActor, autojump_clock: MockClock
) -> None:
    def handle(reply: Any) -> None:
        if reply == "crash":
            raise ValueError
        reply.answer("second life")

    supervisor = Supervisor([clerk(handle), actor("b", dying_s=2.0)], Strategy.REST_FOR_ONE)
    async with open_system() as system:
        await system.start(supervisor.spec("s", restart=Restart.TEMPORARY))
        ref = system.registry["node/s/clerk"]
        ref.try_tell("crash")
        await trio.sleep(1.0)
        assert await ref.ask(lambda reply: reply, 5.0) == "second life"
        assert trio.current_time() == 2.0


async def test_a_cancelled_ask_leaves_nothing_behind(autojump_clock: MockClock) -> None:
    asked: list[weakref.ref[Reply[None]]] = []

    def make(reply: Reply[None]) -> Reply[None]:
        asked.append(weakref.ref(reply))
        return reply

    async with open_system() as system:
        ref = await system.start(deaf(mailbox=0))
        with trio.move_on_after(1.0) as scope:
            await ref.ask(make, 5.0)
        assert scope.cancelled_caught
        await wait_all_tasks_blocked()  # Trio itself holds the Cancelled until the next step
        gc.collect()
        assert asked[0]() is None


async def test_down_waits_over_restarts_for_the_end(actor: MakeActor, autojump_clock: MockClock) -> None:
    async with open_system() as system:
        ref = await system.start(actor("a", restart=Restart.TRANSIENT))
        downs: list[tuple[float, Outcome, int]] = []

        async def monitor() -> None:
            exit_ = await ref.down()
            downs.append((trio.current_time(), exit_.outcome, exit_.generation))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(monitor)
            nursery.start_soon(monitor)
            await trio.sleep(1.0)
            ref.try_tell(ValueError())
            await trio.sleep(1.0)
            assert downs == []
            ref.try_tell(None)
        assert downs == [(2.0, Outcome.NORMAL, 1)] * 2
        assert (await ref.down()).outcome is Outcome.NORMAL  # also afterwards


async def test_a_monitor_in_another_tree(actor: MakeActor, autojump_clock: MockClock) -> None:
    downs: list[str] = []
    async with open_system("relay") as relay, open_system("phone") as phone:
        ref = await relay.start(actor("track", restart=Restart.TEMPORARY))

        async def watch(ctx: Context[Any]) -> None:
            ctx.started()
            downs.append((await ref.down()).path)

        watcher = await phone.start(ChildSpec("watcher", watch, Restart.TEMPORARY))
        ref.try_tell(None)
        await watcher.down()
    assert downs == ["relay/track"]
