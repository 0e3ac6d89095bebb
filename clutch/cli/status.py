"""`clutch status`: what a running node is doing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import click
import httpx

from clutch.node.config import HttpConfig
from clutch.node.errors import NodeError

_DEFAULT = HttpConfig()
DEFAULT_URL = f"http://{_DEFAULT.host}:{_DEFAULT.port}"
"""Where a node with default settings answers."""
TIMEOUT_S = 5.0
"""How long a node may take to answer."""


@click.command()
@click.option("--url", default=DEFAULT_URL, show_default=True, help="The node.")
@click.option("--json", "as_json", is_flag=True, help="Print what the node answered, as JSON.")
def status(url: str, as_json: bool) -> None:
    """Show a running node's calls, resources and features. Exits with 1 if none answers."""
    found = fetch_status(url)
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    rows = list(_rows("", found))
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        click.echo(f"{name:<{width}}  {value}")


def fetch_status(url: str) -> dict[str, Any]:
    """Ask the node at `url`. Raises `NodeError` if no node answers there."""
    try:
        # Not by a proxy from the environment: the node is on this machine or on this network.
        response = httpx.get(f"{url.rstrip('/')}/v1/status", timeout=TIMEOUT_S, trust_env=False)
        response.raise_for_status()
        found = response.json()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NodeError(f"no node answers at {url}: {error}; start one with: clutch run") from error
    except ValueError as error:
        raise NodeError(f"what answers at {url} is not a clutch node") from error
    if not isinstance(found, dict):
        raise NodeError(f"what answers at {url} is not a clutch node")
    return found


def _rows(prefix: str, table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        if isinstance(value, dict) and value:
            yield from _rows(f"{prefix}{name}.", value)
        else:
            yield f"{prefix}{name}", _plain(value)


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_plain, value)) or "none"
    return value if isinstance(value, str) else json.dumps(value)
