"""A Trio program as the body of a command."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import click
import trio

from clutch.node.errors import NodeError, first_error

T = TypeVar("T")


def run_program(main: Callable[..., Awaitable[T]], *arguments: Any) -> T:
    """`trio.run`, raising the first plain `NodeError` of a group, or `click.Abort` for a Ctrl-C."""
    failure: Exception
    try:
        return trio.run(main, *arguments)
    except* NodeError as group:
        failure = first_error(group)
    except* KeyboardInterrupt:
        failure = click.Abort()
    raise failure  # not in the handlers: what is raised there is put into a group again
