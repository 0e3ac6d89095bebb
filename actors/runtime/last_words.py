"""Goodbyes: the one way for an actor to await something after it was cancelled."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import trio


@contextmanager
def last_words(deadline_s: float) -> Iterator[trio.CancelScope]:
    """Shield the block from cancellation for at most `deadline_s` seconds of Trio time.

    For a farewell that the other side needs: a BYE, the tail of a recording. The deadline has no default,
    because a shield without one is a hang. Yields the scope: its `cancelled_caught` tells, after the
    block, whether the words were cut short.
    """
    with trio.move_on_after(deadline_s, shield=True) as scope:
        yield scope
