"""Logging of the node: lines for people on a terminal, JSON elsewhere, and never a secret.

Only the node and its commands set logging up. A library room asks `structlog.get_logger()` for a logger and
leaves the rest to its host. What is bound with `structlog.contextvars` (the sid of a call) is on every line
of that Trio task and of the tasks it starts.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

from clutch.node.config import LogConfig

SECRET_WORDS = ("authorization", "password", "secret", "token")
"""A key with one of these in its name is not logged."""


def set_up_logging(config: LogConfig, stream: TextIO = sys.stderr) -> None:
    """Send what structlog and the standard library log to `stream`, in one format; once per process."""
    console = config.format == "console" or (config.format == "auto" and stream.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S.%f" if console else "iso", utc=not console),
        hide_secrets,
        make_printable,
    ]
    level = getattr(logging, config.level.upper())
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    rendering: list[Any] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if console:
        rendering += [structlog.dev.ConsoleRenderer(colors=stream.isatty())]
    else:
        rendering += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=rendering))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


def hide_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: the values of keys that sound secret are not shown."""
    for key in event:
        if any(word in key.lower() for word in SECRET_WORDS):
            event[key] = "***"
    return event


def make_printable(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: every text as `printable` has it."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = printable(value)
    return event


def printable(text: str) -> str:
    """A peer's text without what a terminal would obey or an encoding refuse: U+FFFD stands for it."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else "\ufffd" for char in text)
