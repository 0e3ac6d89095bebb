"""The `clutch` command and its list of subcommands, each loaded only when it is asked for."""

from __future__ import annotations

import importlib
from typing import Any

import click

from clutch import __version__
from clutch.node.errors import NodeError

COMMANDS = ("run", "call", "pub", "sub", "token", "status", "doctor")
"""Each is a function of the same name in the module of that name beside this one."""


class Commands(click.Group):
    """A group that imports its subcommands late, and says a `NodeError` without a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which a newcomer needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a subcommand."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(f"clutch.cli.{cmd_name}"), cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run a subcommand; exit with 1 and the message if the node cannot do as asked."""
        try:
            return super().invoke(ctx)
        except NodeError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=Commands)
@click.version_option(__version__, prog_name="clutch")
def main() -> None:
    """A voice-call node: answers SIP calls, records them, and ends every one of them in order."""
