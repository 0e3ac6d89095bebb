"""`clutch token`."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest
import structlog
from click.testing import CliRunner, Result

from clutch.auth.keys import read_keys
from clutch.auth.tokens import Verifier
from clutch.cli.main import main


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """The command sets logging up for its process."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before
    structlog.reset_defaults()


def token(*arguments: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(main, ["token", *arguments])


def test_a_token_that_the_node_takes(tmp_path: Path) -> None:
    result = token(
        *("--publish", "voice/*/downlink", "--subscribe", "voice/*/uplink", "--subscribe", "news/**"),
        *("--ttl", "2h", "--tenant", "acme", "--subject", "bot", "--data", str(tmp_path)),
    )
    assert result.exit_code == 0, result.output
    now = time.time()
    verifier = Verifier(read_keys((tmp_path / "keys.json").read_bytes()))
    grant = verifier.verify(result.stdout.strip().encode(), now)
    assert (grant.tenant, grant.subject) == ("acme", "bot")
    assert list(map(str, grant.publish)) == ["voice/*/downlink"]
    assert list(map(str, grant.subscribe)) == ["voice/*/uplink", "news/**"]
    claims = jwt.decode(result.stdout.strip(), options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 7200
    assert re.search(rf"^jti {grant.token_id}, valid until \d{{4}}-.* UTC$", result.stderr, re.MULTILINE)


def test_issuer_and_audience_of_the_configuration(tmp_path: Path) -> None:
    settings = ("--set", "auth.issuer=us", "--set", "auth.audience=clutch")
    result = token("--publish", "**", "--data", str(tmp_path), *settings)
    keys = read_keys((tmp_path / "keys.json").read_bytes())
    assert Verifier(keys, issuer="us", audience="clutch").verify(result.stdout.strip().encode(), time.time())


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "it must be for something: --publish or --subscribe"),
        (["--publish", "voice//x"], "'voice//x' has an empty field"),
        (["--subscribe", "a*"], "'a*' has * within a field; it stands for a whole one"),
        (["--publish", "a", "--ttl", "0"], "'0' must be a time from 1s to 3650d"),
        (["--publish", "a", "--ttl", "-1h"], "'-1h' must be a time from 1s to 3650d"),
        (["--publish", "a", "--ttl", "3651d"], "'3651d' must be a time from 1s to 3650d"),
        (["--publish", "a", "--ttl", "1w"], "'1w' must be a time from 1s to 3650d"),
    ],
)
def test_what_cannot_be_asked_for(tmp_path: Path, arguments: list[str], complaint: str) -> None:
    result = token(*arguments, "--data", str(tmp_path))
    assert (result.exit_code, result.stdout) == (2, "")
    assert complaint in " ".join(result.stderr.split())
    assert list(tmp_path.iterdir()) == []


def test_a_token_too_long_for_the_node(tmp_path: Path) -> None:
    result = token("--publish", "x" * 8000, "--data", str(tmp_path))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "longer than 8192 bytes" in result.stderr


def test_keys_without_a_private_half(tmp_path: Path) -> None:
    token("--publish", "a", "--data", str(tmp_path))
    path = tmp_path / "keys.json"
    table = json.loads(path.read_text())
    del table["keys"][0]["d"]
    path.write_text(json.dumps(table))
    result = token("--publish", "a", "--data", str(tmp_path))
    assert result.exit_code == 1
    assert result.stderr == f"Error: auth.keys {path}: has no private key to sign with\n"
