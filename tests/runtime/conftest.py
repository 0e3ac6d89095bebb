"""Actors to supervise, and a log of what they did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import trio

from actors.runtime import ChildSpec, Context, last_words

MakeActor = Callable[..., ChildSpec[Any]]


@pytest.fixture
def log() -> list[str]:
    """What the actors of `actor` did: ``+a`` it runs, ``=a`` it is ready, ``-a`` it ended."""
    return []


@pytest.fixture
def actor(log: list[str]) -> MakeActor:
    """Make the spec of an actor that raises an exception told to it, and returns when told None.

    It is ready `ready_s` after its start, takes `dying_s` to end once it is cancelled, and raises
    `last_error` when it was asked to stop. Everything else goes into the spec.
    """

    def make(
        name: str,
        *,
        ready_s: float = 0.0,
        dying_s: float = 0.0,
        last_error: BaseException | None = None,
        **spec: Any,
    ) -> ChildSpec[Any]:
        async def run(ctx: Context[BaseException | None]) -> None:
            log.append(f"+{name}")
            try:
                await trio.sleep(ready_s)
                log.append(f"={name}")
                ctx.started()
                error = await ctx.mailbox.receive()
                if error is not None:
                    raise error
            except trio.Cancelled:
                with last_words(dying_s + 1):
                    await trio.sleep(dying_s)
                raise
            finally:
                log.append(f"-{name}")
                if last_error is not None and ctx.reason is not None:
                    raise last_error

        spec.setdefault("cleanup_s", 60.0)
        return ChildSpec(name, run, **spec)

    return make
