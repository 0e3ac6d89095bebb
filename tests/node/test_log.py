"""What the node logs."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
import trio

from clutch.node.config import LogConfig, Secret
from clutch.node.log import set_up_logging


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where the log goes; logging is as before afterwards."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers[:], root.level = before
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    """The log, parsed."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


async def test_the_sid_is_on_every_line_of_a_call(stream: io.StringIO) -> None:
    set_up_logging(LogConfig(), stream)

    async def call(sid: str) -> None:
        structlog.contextvars.bind_contextvars(sid=sid)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(child)

    async def child() -> None:
        structlog.get_logger().info("said")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(call, "s1")
        nursery.start_soon(call, "s2")
    structlog.get_logger().info("node")
    assert [line.get("sid") for line in lines(stream)[-1:]] == [None]
    assert {line.get("sid") for line in lines(stream)[:2]} == {"s1", "s2"}


def test_json_has_time_level_and_fields_also_of_the_standard_library(stream: io.StringIO) -> None:
    set_up_logging(LogConfig(), stream)
    structlog.get_logger().warning("jitter", ms=40)
    logging.getLogger("hypercorn").error("broken %s", "pipe")
    first, second = lines(stream)
    assert (first["event"], first["level"], first["ms"]) == ("jitter", "warning", 40)
    assert first["timestamp"].endswith("Z")
    assert (second["event"], second["level"]) == ("broken pipe", "error")


def test_console_lines_are_for_people(stream: io.StringIO) -> None:
    set_up_logging(LogConfig(format="console"), stream)
    structlog.get_logger().info("call started", sid="s1")
    (line,) = stream.getvalue().splitlines()
    assert "call started" in line
    assert "sid=s1" in line
    assert "\x1b" not in line


@pytest.mark.parametrize("format_", ["json", "console"])
def test_an_exception_is_in_the_log(stream: io.StringIO, format_: Any) -> None:
    set_up_logging(LogConfig(format=format_), stream)
    try:
        raise ZeroDivisionError("boom")
    except ZeroDivisionError:
        structlog.get_logger().exception("ours")
        logging.getLogger("theirs").exception("theirs")
    assert stream.getvalue().count("ZeroDivisionError: boom") == 2


def test_the_level_holds(stream: io.StringIO) -> None:
    set_up_logging(LogConfig(level="warning"), stream)
    structlog.get_logger().info("quiet")
    logging.getLogger("hypercorn").info("quiet")
    structlog.get_logger().warning("loud")
    assert [line["event"] for line in lines(stream)] == ["loud"]


def test_secrets_are_hidden(stream: io.StringIO) -> None:
    set_up_logging(LogConfig(), stream)
    structlog.get_logger().info(
        "register", password="hunter2", auth_token="hunter2", Authorization="hunter2", key=Secret("hunter2")
    )
    assert "hunter2" not in stream.getvalue()
    assert lines(stream)[0]["password"] == "***"
