"""`clutch token`: make a token for MoQT."""

from __future__ import annotations

import re
import secrets
import time
from typing import Any

import click

from clutch.auth.errors import BadPattern
from clutch.auth.patterns import Pattern
from clutch.auth.tokens import MAX_TOKEN_BYTES, mint
from clutch.cli.options import config_options
from clutch.node.config import Config
from clutch.node.errors import NodeError
from clutch.node.keys import keys_path, prepare_keys
from clutch.node.log import set_up_logging

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_MAX_TTL_S = 3650 * 86_400


class _Pattern(click.ParamType[Pattern]):
    name = "pattern"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Pattern:
        try:
            return Pattern.parse(value)
        except BadPattern as error:
            self.fail(f"{value!r} {error}", param, ctx)


class _Duration(click.ParamType[int]):
    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        found = re.fullmatch(r"(\d{1,9})([smhd]?)", value, re.ASCII)
        seconds = int(found[1]) * _UNITS[found[2]] if found else 0
        if not 0 < seconds <= _MAX_TTL_S:
            self.fail(f"{value!r} must be a time from 1s to 3650d, as in 90s, 15m, 8h or 30d", param, ctx)
        return seconds


@click.command()
@click.option("--publish", multiple=True, type=_Pattern(), help="Namespaces that it may publish.")
@click.option("--subscribe", multiple=True, type=_Pattern(), help="Namespaces that it may subscribe.")
@click.option("--ttl", type=_Duration(), default="1h", show_default=True, help="How long it counts.")
@click.option("--tenant", default="", help="Whose it is.")
@click.option("--subject", default="", help="Who it is for, in the log.")
@config_options
def token(
    config: Config,
    publish: tuple[Pattern, ...],
    subscribe: tuple[Pattern, ...],
    ttl: int,
    tenant: str,
    subject: str,
) -> None:
    """Print a token that lets its bearer use MoQT namespaces, signed with the key of the node.

    In a pattern, * is one field and ** at the end any number: --subscribe 'voice/*/uplink'. The name of the
    token, by which it can be revoked, goes to standard error.
    """
    if not publish and not subscribe:
        raise click.UsageError("it must be for something: --publish or --subscribe")
    set_up_logging(config.log)
    key = prepare_keys(config).signing
    if key is None:
        raise NodeError(f"auth.keys {keys_path(config)}: has no private key to sign with")
    token_id, now = secrets.token_hex(8), time.time()
    made = mint(
        key,
        publish=publish,
        subscribe=subscribe,
        token_id=token_id,
        now=now,
        expires_at=now + ttl,
        tenant=tenant,
        subject=subject,
        issuer=config.auth.issuer,
        audience=config.auth.audience,
    )
    if len(made) > MAX_TOKEN_BYTES:
        raise NodeError(f"the token would be longer than {MAX_TOKEN_BYTES} bytes: give it fewer patterns")
    until = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(now + ttl))
    click.echo(f"jti {token_id}, valid until {until} UTC", err=True)
    click.echo(made)
