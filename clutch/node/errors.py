"""Errors of the node, for the person who starts it."""

from __future__ import annotations

from collections.abc import Sequence


def first_error(error: BaseException) -> Exception:
    """The first plain error of a (nested) group, or the error itself if it is none."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, Exception)
    return error


class NodeError(Exception):
    """The node cannot run as asked. The message says what to change; no traceback is needed."""


class ConfigError(NodeError):
    """The configuration is wrong. Nothing was started."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)
        """Every problem that was found, one line each: key = value: rule."""


class PortInUse(NodeError):
    """Another process has a port that the node was told to use."""

    def __init__(self, key: str, transport: str, port: int, owner: str | None) -> None:
        by = f" by {owner}" if owner else ""
        super().__init__(f"{transport} port {port} is in use{by}; choose another with --set {key}=PORT")
        self.port = port
