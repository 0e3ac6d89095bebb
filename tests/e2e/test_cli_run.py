"""`clutch run` that cannot start says why and what to change; `clutch status` and `clutch doctor`."""

from __future__ import annotations

import json
import os
import re
import socket
from pathlib import Path

import pytest

from tests.e2e.processes import clutch, complaint, summary
from tests.e2e.raw_sip import Peer, follow, invite
from tests.interop.node import CLUTCH, RunningNode, running_node

FREE = ("--set", "sip.port=0", "--set", "http.port=0", "--set", "moqt.port=0")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory of the commands."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("service", "kind", "transport"),
    [
        ("sip", socket.SOCK_DGRAM, "UDP"),
        ("sip", socket.SOCK_STREAM, "TCP"),
        ("http", socket.SOCK_STREAM, "TCP"),
        ("moqt", socket.SOCK_DGRAM, "UDP"),
    ],
)
def test_a_port_in_use_is_named_with_its_owner_and_its_key(
    folder: Path, service: str, kind: socket.SocketKind, transport: str
) -> None:
    with socket.socket(type=kind) as holder:
        holder.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            holder.listen()
        port = holder.getsockname()[1]
        done = clutch("run", *FREE, "--set", f"{service}.port={port}")
    assert done.returncode == 1
    said = done.stderr.splitlines()[-1]
    owner = f"{Path('/proc/self/comm').read_text().strip()} (pid {os.getpid()})"
    assert said.startswith(f"Error: {service}: {transport} ")
    assert f"port {port} is in use by {owner}; " in said
    assert said.endswith(f"--set {service}.port=PORT")
    assert "Traceback" not in done.stderr


def test_two_nodes_with_the_same_ports(folder: Path, shared_node: RunningNode) -> None:
    done = clutch(
        "run", "--set", f"sip.port={shared_node.sip_port}", "--set", "http.port=0", "--set", "moqt.port=0"
    )
    assert done.returncode == 1
    assert f"(pid {shared_node.process.pid})" in done.stderr


@pytest.mark.parametrize("service", ["sip", "http", "moqt"])
def test_an_address_of_another_machine_is_named_with_its_key(folder: Path, service: str) -> None:
    done = clutch("run", *FREE, "--set", f"{service}.host=192.0.2.1")
    assert done.returncode == 1
    said = done.stderr.splitlines()[-1]
    assert "192.0.2.1" in said
    assert "Cannot assign requested address" in said
    assert f"{service}.host" in said
    assert "Traceback" not in done.stderr


def test_every_mistake_in_a_file_and_on_the_line_is_named_at_once(folder: Path) -> None:
    file = folder / "clutch.toml"
    file.write_text(
        '[sip]\nport = "5060"\nprot = 1\n[limits]\nmax_calls = 0\n'
        '[telephony]\n[dialplan.menu]\nagent = "ehco"\n'
    )
    done = clutch("run", "--config", str(file), "--set", "log.level=loud", "--set", "nonsense")
    assert (done.returncode, done.stdout) == (1, "")
    assert sorted(done.stderr.removeprefix("Error: ").splitlines()) == [
        "--set nonsense: must be KEY=VALUE, as in sip.port=5070",
        'dialplan.menu = {"agent": "ehco"}: must have an agent, one of echo, tone, play, app',
        "limits.max_calls = 0: must be a number from 1 to 100000",
        'log.level = "loud": must be one of debug, info, warning, error',
        'sip.port = "5060": must be a whole number',
        "sip.prot: unknown key; did you mean sip.port?",
        "telephony: unknown key; known are node, sip, rtp, http, media, opus, recording, limits, moqt, "
        "tracks, auth, log, dialplan",
    ]
    assert list(folder.iterdir()) == [file]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"[sip\n", "at line 1, column 5"),
        (b"\xff\xfe", "utf-8"),
        (None, "No such file or directory"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_the_reason(
    folder: Path, content: bytes | None, why: str
) -> None:
    file = folder / "clutch.toml"
    if content is not None:
        file.write_bytes(content)
    done = clutch("run", "--config", str(file))
    assert done.returncode == 1
    said = complaint(done)
    assert said.startswith(f"{file}: ")
    assert why in said


def test_a_range_without_a_media_port_is_refused(folder: Path) -> None:
    done = clutch("run", *FREE, "--set", "rtp.first_port=20001", "--set", "rtp.last_port=20001")
    assert done.returncode == 1
    assert complaint(done).startswith("rtp.first_port = 20001: must be even")


def test_the_line_has_the_last_word(tmp_path: Path) -> None:
    file = tmp_path / "clutch.toml"
    file.write_text('[recording]\nenabled = true\n[dialplan.hum]\nagent = "tone"\n')
    command = (CLUTCH, "run", "--config", str(file))
    overrides = ("recording.enabled=false", "dialplan.hum.frequency_hz=500")
    with running_node(tmp_path / "data", *overrides, command=command) as node:
        assert f"answering   sip:hum@127.0.0.1:{node.sip_port}\n" in node.greeting
        call = clutch("call", f"sip:hum@127.0.0.1:{node.sip_port}", "--duration", "0.5")
        assert call.returncode == 0, call.stdout
        assert node.recordings() == []


def test_the_greeting_can_be_typed(tmp_path: Path) -> None:
    with running_node(tmp_path / "data", 'sip.host="::1"') as node:
        (uri,) = re.findall(r"call (sip:\S+) --duration", node.greeting)
        assert uri == f"sip:echo@[::1]:{node.sip_port}"
        for line in ("sub voice --capability voice/opus -o caller.wav", "pub voice/SID/downlink hello.wav"):
            assert f"{line} --url moqt://127.0.0.1:{node.moqt_port}\n" in node.greeting
        assert clutch("call", uri, "--duration", "0.2").returncode == 0


def test_status_of_a_node(shared_node: RunningNode) -> None:
    url = f"http://127.0.0.1:{shared_node.http_port}"
    said = summary(clutch("status", "--url", url, "--json"))
    keys = {"calls", "tasks", "fds", "rtp_ports", "uptime_s", "features", "draining"}
    assert keys <= said.keys()
    assert said.keys() == shared_node.status().keys()
    table = clutch("status", "--url", url)
    assert (table.returncode, table.stderr) == (0, "")
    assert re.search(r"^calls +0$", table.stdout, re.MULTILINE)
    assert re.search(r"^features +native, ", table.stdout, re.MULTILINE)


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_status_without_a_node(options: tuple[str, ...]) -> None:
    done = clutch("status", "--url", "http://127.0.0.1:9", *options)
    assert done.returncode == 1
    said = complaint(done)
    assert "no node answers at http://127.0.0.1:9" in said
    assert "clutch run" in said


def test_doctor_names_every_feature_and_the_way_to_it() -> None:
    features = {feature["name"]: feature for feature in summary(clutch("doctor", "--json"))["features"]}
    assert {"native", "twin", "udp", "io_uring", "af_xdp", "opus", "srtp"} <= features.keys()
    for feature in features.values():
        assert feature["state"] in {"available", "missing", "not built"}
        assert feature["why"]
        assert bool(feature["how"]) is (feature["state"] != "available")
    table = clutch("doctor")
    assert (table.returncode, table.stderr) == (0, "")
    for name, feature in features.items():
        assert re.search(rf"^{name} +{feature['state']} ", table.stdout, re.MULTILINE)
        assert feature["how"] in table.stdout


def test_what_a_node_has_is_what_the_doctor_finds(shared_node: RunningNode) -> None:
    said = json.loads(clutch("doctor", "--json", "--url", f"http://127.0.0.1:{shared_node.http_port}").stdout)
    assert said["in_use"] == shared_node.status()["media"] == "udp: epoll and plain sockets"
    features = said["features"]
    found = [feature["name"] for feature in features if feature["state"] == "available"]
    assert shared_node.status()["features"] == found


def test_what_a_peer_says_neither_works_the_terminal_nor_betrays_a_secret(tmp_path: Path) -> None:
    with running_node(tmp_path / "data", "log.format=console", "log.level=debug") as node:
        with Peer(node.sip_port) as peer:
            answer = peer.ask(
                invite(
                    From="<sip:alice:secret1@127.0.0.1>;tag=1",
                    Authorization='Digest username="alice", response="secret2"',
                )
            )
            peer.send(follow(answer, "ACK"))
            bye = follow(answer, "BYE", step=1)
            reason = b'Reason: Q.850;cause=16;text="\x1b[2Jgone\xff"\r\n\r\n'
            assert peer.ask(bye.replace(b"\r\n\r\n", b"\r\n" + reason)).status == 200
            assert peer.ask(invite("%1B%5B2J%FF")).status == 404
        assert node.stop() == 0
        log = node.log()
        assert "sip:alice@127.0.0.1" in log
        assert "secret" not in log
        assert log.count("\ufffd[2J") == 2
        assert "\x1b[2J" not in log
        assert "Traceback" not in log
