"""A Trio program in a thread beside an asyncio one, and calls from the one into the other.

asyncio cannot run Trio code in its loop, and many programs do not choose their loop themselves. So the SDK
runs unchanged in a thread of its own, and each call waits for its answer. A hop costs about 0.1 ms.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from typing import Any, TypeVar

import attrs
import trio

T = TypeVar("T")


@asynccontextmanager
async def open_portal() -> AsyncIterator[Portal]:
    """Run Trio in a thread. Leaving cancels what still waits in it, and raises what its tasks have raised."""
    portal = Portal(asyncio.get_running_loop())
    await portal._start()
    try:
        yield portal
    finally:
        await portal._stop()


@attrs.define(eq=False)
class Portal:
    """The thread, as the asyncio side sees it."""

    loop: asyncio.AbstractEventLoop
    _thread: threading.Thread = attrs.field(init=False, repr=False)
    _token: trio.lowlevel.TrioToken = attrs.field(init=False, repr=False)
    _nursery: trio.Nursery = attrs.field(init=False, repr=False)
    _over: asyncio.Future[None] = attrs.field(init=False, repr=False)

    async def call(self, function: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        """Await an async function of Trio. If this is cancelled so is that; what it returned then is lost."""
        answer: asyncio.Future[T] = self.loop.create_future()
        scope = trio.CancelScope()
        self._token.run_sync_soon(self._begin, answer, scope, function, arguments)
        try:
            return await answer
        except asyncio.CancelledError:
            with suppress(trio.RunFinishedError):
                self._token.run_sync_soon(scope.cancel)
            raise

    async def call_sync(self, function: Callable[..., T], *arguments: Any, **options: Any) -> T:
        """Call a plain function in the thread of Trio."""

        async def call() -> T:
            return function(*arguments, **options)

        return await self.call(call)

    @asynccontextmanager
    async def inside(self, manager: AbstractAsyncContextManager[T]) -> AsyncIterator[T]:
        """Be in an async context manager of Trio, entered and left, without an error, in one task."""
        leave, left = trio.Event(), trio.Event()
        value: T = await self.call(self._nursery.start, self._stay, manager, leave, left)
        try:
            yield value
        finally:
            await self.call_sync(leave.set)
            await self.call(left.wait)

    async def from_trio(self, function: Callable[[], Awaitable[T]]) -> T:
        """In the thread of Trio: await an async function of asyncio."""

        async def call() -> T:
            return await function()

        done, answer = trio.Event(), asyncio.run_coroutine_threadsafe(call(), self.loop)
        answer.add_done_callback(lambda _: self._token.run_sync_soon(done.set))
        await done.wait()
        return answer.result()

    async def _start(self) -> None:
        ready: asyncio.Future[None] = self.loop.create_future()
        self._over = self.loop.create_future()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="clutch-client", daemon=True)
        self._thread.start()
        await ready

    async def _stop(self) -> None:
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self._nursery.cancel_scope.cancel)
        await self._over

    def _run(self, ready: asyncio.Future[None]) -> None:
        try:
            trio.run(self._main, ready)
        except BaseException as error:  # whatever it is, the other side is told
            self._tell(self._over.set_exception, error)
        else:
            self._tell(self._over.set_result, None)

    async def _main(self, ready: asyncio.Future[None]) -> None:
        self._token = trio.lowlevel.current_trio_token()
        async with trio.open_nursery() as self._nursery:
            self._tell(ready.set_result, None)
            await trio.sleep_forever()

    async def _stay(
        self,
        manager: AbstractAsyncContextManager[T],
        leave: trio.Event,
        left: trio.Event,
        *,
        task_status: trio.TaskStatus[T],
    ) -> None:
        try:
            async with manager as value:
                task_status.started(value)
                await leave.wait()
        finally:
            left.set()

    def _begin(self, answer: asyncio.Future[Any], *call: Any) -> None:
        if self._nursery.cancel_scope.cancel_called:
            self._tell(answer.cancel)
        else:
            self._nursery.start_soon(self._answer, answer, *call)

    async def _answer(
        self,
        answer: asyncio.Future[T],
        scope: trio.CancelScope,
        function: Callable[..., Awaitable[T]],
        arguments: tuple[Any, ...],
    ) -> None:
        with scope:
            try:
                result = await function(*arguments)
            except Exception as error:  # it is the caller's
                self._tell(_settle, answer, answer.set_exception, error)
            except trio.Cancelled:  # by the other side, or because everything ends
                self._tell(answer.cancel)
                raise
            else:
                self._tell(_settle, answer, answer.set_result, result)

    def _tell(self, function: Callable[..., object], *arguments: Any) -> None:
        self.loop.call_soon_threadsafe(partial(function, *arguments))


def _settle(answer: asyncio.Future[Any], settle: Callable[[Any], None], value: Any) -> None:
    if not answer.done():
        settle(value)
