"""Options that several commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from clutch.node.configure import load_config


def config_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command ``--config``, ``--data`` and ``--set``, and the `Config` they make as its `config`."""

    @functools.wraps(command)
    def configured(file: Path | None, data: Path | None, overrides: tuple[str, ...], **rest: Any) -> None:
        command(config=load_config(file, overrides, data), **rest)

    for option in _OPTIONS:
        configured = option(configured)
    return configured


_OPTIONS = (
    click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="One key: sip.port=5070."),
    click.option("--data", type=click.Path(path_type=Path), help="Folder for recordings, keys and state."),
    click.option("--config", "file", type=click.Path(path_type=Path), help="Configuration, in TOML."),
)
