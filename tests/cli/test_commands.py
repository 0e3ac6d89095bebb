"""The commands that need no node of their own."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from click.testing import CliRunner

from clutch import __version__
from clutch.cli.main import COMMANDS, main

STATUS = {"calls": 2, "uptime_s": 1.5, "features": ["native", "opus"], "names": [], "sip": {"port": 5060}}


@pytest.fixture
def runner() -> CliRunner:
    """Runs the command within this process."""
    return CliRunner()


def serve(body: bytes, code: int = 200) -> Iterator[str]:
    """A server that gives every GET the same answer; yields its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(code)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def node() -> Iterator[str]:
    """Something that answers like a node."""
    yield from serve(json.dumps(STATUS).encode())


@pytest.fixture(params=[b"<html>", b"[1, 2]", b""])
def stranger(request: pytest.FixtureRequest) -> Iterator[str]:
    """Something that answers, but unlike a node."""
    yield from serve(request.param)


@pytest.fixture
def broken() -> Iterator[str]:
    """Something that answers with an error."""
    yield from serve(b"", 500)


def test_version(runner: CliRunner) -> None:
    assert runner.invoke(main, ["--version"]).output == f"clutch, version {__version__}\n"


def test_every_command_loads_and_explains_itself(runner: CliRunner) -> None:
    result = runner.invoke(main, ["--help"])
    assert result.exit_code == 0, result.output
    for name in COMMANDS:
        assert f"\n  {name} " in result.output
        assert runner.invoke(main, [name, "--help"]).exit_code == 0


def test_an_unknown_command_is_named(runner: CliRunner) -> None:
    result = runner.invoke(main, ["fly"])
    assert result.exit_code == 2
    assert "No such command 'fly'" in result.output


def test_only_the_command_that_runs_is_loaded() -> None:
    script = "import sys, clutch.cli.main; print({'trio', 'numpy', 'httpx'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_status_as_a_table(runner: CliRunner, node: str) -> None:
    result = runner.invoke(main, ["status", "--url", node])
    assert result.exit_code == 0
    assert [line.split(maxsplit=1) for line in result.output.splitlines()] == [
        ["calls", "2"],
        ["uptime_s", "1.5"],
        ["features", "native, opus"],
        ["names", "none"],
        ["sip.port", "5060"],
    ]


def test_status_as_json(runner: CliRunner, node: str) -> None:
    result = runner.invoke(main, ["status", "--json", "--url", f"{node}/"])
    assert json.loads(result.output) == STATUS


def test_status_without_a_node(runner: CliRunner) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    result = runner.invoke(main, ["status", "--url", url])
    assert result.exit_code == 1
    assert result.output.startswith(f"Error: no node answers at {url}")
    assert "clutch run" in result.output


@pytest.mark.parametrize("url", ["nonsense", "http://127.0.0.1:port", "ftp://127.0.0.1"])
def test_status_of_a_bad_url(runner: CliRunner, url: str) -> None:
    result = runner.invoke(main, ["status", "--url", url])
    assert result.exit_code == 1
    assert result.output.startswith(f"Error: no node answers at {url}")


def test_status_of_something_else(runner: CliRunner, stranger: str) -> None:
    result = runner.invoke(main, ["status", "--url", stranger])
    assert (result.exit_code, result.output) == (
        1,
        f"Error: what answers at {stranger} is not a clutch node\n",
    )


def test_status_of_a_broken_node(runner: CliRunner, broken: str) -> None:
    result = runner.invoke(main, ["status", "--url", broken])
    assert result.exit_code == 1
    assert "500" in result.output


def test_doctor(runner: CliRunner) -> None:
    nowhere = ["doctor", "--url", "http://127.0.0.1:9"]
    said = json.loads(runner.invoke(main, [*nowhere, "--json"]).output)
    found = said["features"]
    table = runner.invoke(main, nowhere).output
    assert said["in_use"] is None
    assert "nothing: no node answers at http://127.0.0.1:9" in table
    assert {"name", "state", "why", "how"} == set(found[0])
    for feature in found:
        assert f"{feature['name']:<9} {feature['state']:<10} {feature['why']}\n" in table
