"""The lossy channel: never waits to send, drops the oldest, counts what it drops, loses nothing else."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, assert_checkpoints, wait_all_tasks_blocked

from actors.runtime import Batch, LossyReceiver, LossySender, open_lossy, open_lossy_channels


def channel(capacity: int) -> tuple[LossySender[int], LossyReceiver[int]]:
    """A channel of numbers."""
    return open_lossy(capacity)


async def test_taking_what_there_is() -> None:
    sender: LossySender[int]
    sender, receiver = open_lossy(2)
    assert receiver.receive_nowait() == []
    for number in range(3):
        sender.send(number)
    assert receiver.receive_nowait() == [1, 2]
    sender.send(3)
    sender.close()
    assert receiver.receive_nowait() == [3]
    with pytest.raises(trio.EndOfChannel):
        await receiver.receive()
    receiver.close()
    with pytest.raises(trio.ClosedResourceError):
        receiver.receive_nowait()


async def test_the_oldest_go_and_are_counted(autojump_clock: MockClock) -> None:
    sender, receiver = channel(3)
    with receiver:
        assert all(sender.send(number) for number in range(5))
        assert await receiver.receive() == Batch([2, 3, 4], 2)
        sender.send(5)
        assert await receiver.receive() == Batch([5], 0)
        assert receiver.lost_total == 2


async def test_at_least_trades_latency_for_wake_ups(autojump_clock: MockClock) -> None:
    sender, receiver = channel(8)
    batches: list[tuple[float, Batch[int]]] = []

    async def read() -> None:
        for at_least in (3, 1, 100, -1, 5):
            batch = await receiver.receive(at_least)
            batches.append((trio.current_time(), batch))

    with receiver:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            for number in range(14):
                await trio.sleep(1.0)
                sender.send(number)
            await trio.sleep(1.0)
            sender.close()
    assert batches == [
        (3.0, Batch([0, 1, 2], 0)),
        (4.0, Batch([3], 0)),
        (12.0, Batch([4, 5, 6, 7, 8, 9, 10, 11], 0)),  # never more than the capacity
        (13.0, Batch([12], 0)),
        (15.0, Batch([13], 0)),  # the end is never waited out
    ]


async def test_a_reader_sleeps_until_there_is_enough(autojump_clock: MockClock) -> None:
    steps: list[str] = []

    class Steps(trio.abc.Instrument):
        def before_task_step(self, task: trio.lowlevel.Task) -> None:
            steps.append(task.name)

    async def read() -> None:
        await receiver.receive(10)

    sender, receiver = channel(10)
    with receiver:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read, name="reader")
            await wait_all_tasks_blocked()
            trio.lowlevel.add_instrument(instrument := Steps())
            for number in range(10):
                assert "reader" not in steps
                sender.send(number)
                await wait_all_tasks_blocked()
            assert "reader" in steps
            trio.lowlevel.remove_instrument(instrument)


async def test_a_closed_sender_leaves_what_it_sent(autojump_clock: MockClock) -> None:
    sender, receiver = channel(4)
    with receiver:
        sender.send(1)
        sender.send(2)
        sender.close()
        sender.close()
        with pytest.raises(trio.ClosedResourceError):
            sender.send(3)
        assert await anext(receiver) == 1
        assert await receiver.receive(4) == Batch([2], 0)
        with pytest.raises(trio.EndOfChannel):
            await receiver.receive()
        assert [item async for item in receiver] == []


async def test_a_finished_receiver_reads_the_tail_and_no_more(autojump_clock: MockClock) -> None:
    sender, receiver = channel(4)
    with receiver:
        sender.send(1)
        receiver.finish()
        receiver.finish()
        assert not sender.send(2)
        assert [item async for item in receiver] == [1]
        with pytest.raises(trio.EndOfChannel):
            await receiver.receive()


async def test_a_closed_receiver_forgets_and_refuses(autojump_clock: MockClock) -> None:
    sender, receiver = channel(4)
    sender.send(1)
    receiver.close()
    receiver.close()
    assert not sender.send(2)
    with pytest.raises(trio.ClosedResourceError):
        await receiver.receive()
    with pytest.raises(trio.ClosedResourceError):
        await anext(receiver)


@pytest.mark.parametrize(
    ("end", "error"),
    [
        (lambda sender, receiver: sender.close(), trio.EndOfChannel),
        (lambda sender, receiver: receiver.finish(), trio.EndOfChannel),
        (lambda sender, receiver: receiver.close(), trio.ClosedResourceError),
    ],
)
async def test_the_end_wakes_a_waiting_reader(
    end: Callable[[LossySender[int], LossyReceiver[int]], None],
    error: type[Exception],
    autojump_clock: MockClock,
) -> None:
    sender, receiver = channel(4)

    async def read() -> None:
        with pytest.raises(error):
            await receiver.receive(4)

    with receiver:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await wait_all_tasks_blocked()
            end(sender, receiver)


async def test_a_cancelled_reader_takes_nothing(autojump_clock: MockClock) -> None:
    sender, receiver = channel(4)
    with receiver:
        sender.send(1)
        for read in (lambda: receiver.receive(2), lambda: receiver.receive(1), lambda: anext(receiver)):
            with trio.CancelScope() as scope:
                scope.cancel()
                await read()
            assert scope.cancelled_caught
        with trio.move_on_after(1.0) as scope:
            await receiver.receive(2)
        assert scope.cancelled_caught
        assert await receiver.receive() == Batch([1], 0)


async def test_an_item_that_comes_with_the_cancel_is_read_or_stays(autojump_clock: MockClock) -> None:
    taken: list[int] = []
    sender, receiver = channel(4)

    async def read(scope: trio.CancelScope) -> None:
        with scope:
            taken.extend((await receiver.receive()).items)

    with receiver:
        for number in range(100):
            scope = trio.CancelScope()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(read, scope)
                await wait_all_tasks_blocked()
                if number % 2:
                    sender.send(number)
                    scope.cancel()
                else:
                    scope.cancel()
                    sender.send(number)
            if number not in taken:
                with trio.fail_after(1.0):
                    taken.extend((await receiver.receive()).items)
    assert taken == list(range(100))


async def test_one_reader_at_a_time(autojump_clock: MockClock) -> None:
    sender, receiver = channel(4)
    with receiver:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(receiver.receive)
            await wait_all_tasks_blocked()
            with pytest.raises(trio.BusyResourceError):
                await receiver.receive()
            with pytest.raises(trio.BusyResourceError):
                await anext(receiver)
            sender.send(1)


async def test_reading_is_a_checkpoint(autojump_clock: MockClock) -> None:
    sender, receiver = channel(4)
    with receiver:
        sender.send(1)
        sender.send(2)
        with assert_checkpoints():
            await anext(receiver)
        with assert_checkpoints():
            await receiver.receive()


async def test_open_receivers_are_counted(autojump_clock: MockClock) -> None:
    assert open_lossy_channels() == 0
    sender, receiver = channel(4)
    _, other = channel(4)
    assert open_lossy_channels() == 2
    sender.close()
    other.finish()
    assert open_lossy_channels() == 2  # what they hold can still be read
    receiver.close()
    with other:
        pass
    assert open_lossy_channels() == 0


@pytest.mark.parametrize("capacity", [0, -1])
def test_a_channel_holds_something(capacity: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        open_lossy(capacity)


# A step is a name and a number: how many items to send, or how many to wait for.
STEPS = st.tuples(
    st.sampled_from(
        ["send", "send", "receive", "receive", "next", "cancelled", "finish", "close sender", "close"]
    ),
    st.integers(1, 5),
)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(capacity=st.integers(1, 4), steps=st.lists(STEPS, max_size=30))
def test_against_a_model(capacity: int, steps: list[tuple[str, int]]) -> None:
    trio.run(_play, capacity, steps, clock=MockClock(autojump_threshold=0))


async def _play(capacity: int, steps: list[tuple[str, int]]) -> None:
    """Play the steps on a channel and on a plain deque; both must agree after each."""
    sender, receiver = channel(capacity)
    model: deque[int] = deque()
    sent = lost = lost_total = 0
    sender_open = receiver_open = going = True
    for name, number in steps:
        if name == "send":
            for _ in range(number):
                if not sender_open:
                    with pytest.raises(trio.ClosedResourceError):
                        sender.send(sent)
                    continue
                assert sender.send(sent) is going
                if going:
                    model.append(sent)
                    sent += 1
                if len(model) > capacity:
                    model.popleft()
                    lost += 1
                    lost_total += 1
        elif name == "finish":
            receiver.finish()
            going = False
        elif name == "close sender":
            sender.close()
            going = sender_open = False
        elif name == "close":
            receiver.close()
            model.clear()
            going = receiver_open = False
        else:
            wanted = 1 if name == "next" else min(number, capacity)
            result: object = None
            with trio.move_on_after(1.0) as scope:
                if name == "cancelled":
                    scope.cancel()
                try:
                    result = await (anext(receiver) if name == "next" else receiver.receive(number))
                except (trio.EndOfChannel, StopAsyncIteration):
                    result = "end"
                except trio.ClosedResourceError:
                    result = "closed"
            if name == "cancelled" or (going and len(model) < wanted):
                assert result is None
            elif not receiver_open:
                assert result == "closed"
            elif not model:
                assert result == "end"
            elif name == "next":
                assert result == model.popleft()
            else:
                assert result == Batch(list(model), lost)
                model.clear()
                lost = 0
        assert receiver.lost_total == lost_total
    receiver.close()
    assert open_lossy_channels() == 0
