"""`clutch doctor`: which features this build and this machine have."""

from __future__ import annotations

import json

import click

from clutch.node.doctor import features, probe


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(as_json: bool) -> None:
    """Show which features this build and machine have, and what is missing for the others."""
    found = features(probe())
    if as_json:
        rows = [
            {"name": feature.name, "state": feature.state.value, "why": feature.why, "how": feature.how}
            for feature in found
        ]
        click.echo(json.dumps({"features": rows}, indent=2))
        return
    for feature in found:
        click.echo(f"{feature.name:<9} {feature.state.value:<10} {feature.why}")
        if feature.how:
            click.echo(f"{'':<20} {feature.how}")
