"""`clutch doctor`: which features this build and this machine have, and what a running node uses."""

from __future__ import annotations

import json

import click

from clutch.cli.status import DEFAULT_URL, fetch_status
from clutch.node.doctor import features, probe
from clutch.node.errors import NodeError


@click.command()
@click.option("--url", default=DEFAULT_URL, show_default=True, help="A node that may be running.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(url: str, as_json: bool) -> None:
    """Show which features this build and machine have, what is missing for the others, and what is in use."""
    found = features(probe())
    in_use = _in_use(url)
    if as_json:
        rows = [
            {"name": feature.name, "state": feature.state.value, "why": feature.why, "how": feature.how}
            for feature in found
        ]
        click.echo(json.dumps({"features": rows, "in_use": in_use}, indent=2))
        return
    for feature in found:
        click.echo(f"{feature.name:<9} {feature.state.value:<10} {feature.why}")
        if feature.how:
            click.echo(f"{'':<20} {feature.how}")
    click.echo(f"{'in use':<20} {in_use or f'nothing: no node answers at {url}'}")


def _in_use(url: str) -> str | None:
    """What carries the media of the node at `url`, if one answers."""
    try:
        return str(fetch_status(url).get("media"))
    except NodeError:
        return None
