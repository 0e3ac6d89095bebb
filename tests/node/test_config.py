"""The configuration: defaults, files, overrides, and errors that say what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import attrs
import pytest

from clutch.node.config import (
    AppAgent,
    Between,
    Config,
    EchoAgent,
    HttpConfig,
    PlayAgent,
    Secret,
    SipConfig,
    ToneAgent,
)
from clutch.node.configure import load_config, structure
from clutch.node.errors import ConfigError

EVERYTHING = """
[node]
data = "/srv/clutch"
drain_s = 5
[sip]
host = "192.0.2.9"
port = 5070
tcp = false
public_address = "192.0.2.1"
[rtp]
first_port = 20000
last_port = 20100
quarantine_s = 5
timeout_s = 0
comfort_noise = true
srtp = "required"
detect_speech = true
detect_tones = false
[http]
host = "::1"
port = 0
[media]
plane = "native"
backend = "af_xdp"
interface = "eth0"
cpu = 0
busy_poll_us = 50
xdp_mode = "driver"
[opus]
rate_hz = 16000
bitrate = 24000
complexity = 9
fec = false
loss_percent = 20
dtx = true
[recording]
enabled = false
dir = "tapes"
[limits]
max_calls = 3
max_duration_s = 60.5
ring_timeout_s = 10
[moqt]
host = "192.0.2.9"
port = 443
certificate = "cert.pem"
key = "key.pem"
open_loopback = false
max_sessions = 5
idle_timeout_s = 10
keylog = "secrets.txt"
qlog = "traces"
fast_port = 4444
fast_python = "python3.12"
[tracks]
second_speaker = "mix"
[auth]
keys = "keys.json"
revoked = "revoked.txt"
issuer = "https://id.example"
audience = "clutch"
[log]
level = "debug"
format = "json"
[dialplan.hello]
agent = "play"
file = "hello.wav"
[dialplan.hum]
agent = "tone"
frequency_hz = 500
"""


def write(folder: Path, text: str) -> Path:
    """A configuration file."""
    file = folder / "clutch.toml"
    file.write_text(text)
    return file


def problems(file: Path | None = None, *overrides: str) -> list[str]:
    """What loading complains of."""
    with pytest.raises(ConfigError) as caught:
        load_config(file, overrides)
    return list(caught.value.problems)


def test_defaults() -> None:
    config = load_config()
    assert config == Config()
    assert (config.sip.host, config.sip.port, config.http.port) == ("127.0.0.1", 5060, 8080)
    assert config.dialplan == {
        "echo": EchoAgent(),
        "tone": ToneAgent(),
        "play": PlayAgent(),
        "app": AppAgent(),
    }
    assert config.recordings == Path("data/recordings")


def test_every_key_can_be_set(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, EVERYTHING))
    for section in attrs.fields(Config):
        value, default = getattr(config, section.name), getattr(Config(), section.name)
        for key in attrs.fields(type(value)) if attrs.has(type(value)) else ():
            assert getattr(value, key.name) != getattr(default, key.name), f"{section.name}.{key.name}"
    assert config.sip == SipConfig("192.0.2.9", 5070, False, "192.0.2.1")
    assert config.http == HttpConfig("::1", 0)
    assert config.dialplan == {"hello": PlayAgent(Path("hello.wav")), "hum": ToneAgent(500)}
    assert config.recordings == Path("tapes")
    assert isinstance(config.node.drain_s, float)


@pytest.mark.parametrize(
    ("text", "section", "key", "value"),
    [
        ("sip.port=5070", "sip", "port", 5070),
        ("sip.tcp = false", "sip", "tcp", False),
        ("sip.host=192.0.2.7", "sip", "host", "192.0.2.7"),
        ('sip.host="192.0.2.7"', "sip", "host", "192.0.2.7"),
        ("rtp.timeout_s=1.5", "rtp", "timeout_s", 1.5),
        ("media.plane=twin", "media", "plane", "twin"),
        ("node.data=/a b/c", "node", "data", Path("/a b/c")),
        ("node.data=a=b", "node", "data", Path("a=b")),
        ("node.data=1\nsip.port=2", "node", "data", Path("1\nsip.port=2")),
    ],
)
def test_override(text: str, section: str, key: str, value: object) -> None:
    assert getattr(getattr(load_config(overrides=[text]), section), key) == value


def test_override_beats_the_file_and_the_last_wins(tmp_path: Path) -> None:
    file = write(tmp_path, "[sip]\nport = 1\ntcp = false")
    config = load_config(file, ["sip.port=2", "sip.port=3"], tmp_path)
    assert config.sip == SipConfig(port=3, tcp=False)
    assert config.node.data == tmp_path


def test_override_changes_one_extension_and_a_file_replaces_all(tmp_path: Path) -> None:
    config = load_config(overrides=["dialplan.tone.frequency_hz=1000", "dialplan.me.agent=echo"])
    assert config.dialplan == {**Config().dialplan, "tone": ToneAgent(1000), "me": EchoAgent()}
    config = load_config(write(tmp_path, '[dialplan.me]\nagent = "echo"'))
    assert config.dialplan == {"me": EchoAgent()}
    assert load_config(write(tmp_path, "[dialplan]")).dialplan == {}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("sip.port=70000", "sip.port = 70000: must be a number from 0 to 65535"),
        ("sip.port=-1", "sip.port = -1: must be a number from 0 to 65535"),
        ("sip.port=5060.5", "sip.port = 5060.5: must be a whole number"),
        ("sip.port=true", "sip.port = true: must be a whole number"),
        ("sip.port=sip", 'sip.port = "sip": must be a whole number'),
        ("sip.tcp=1", "sip.tcp = 1: must be true or false"),
        ("sip.host=localhost", 'sip.host = "localhost": must be an IP address'),
        ("sip.public_address=", 'sip.public_address = "": must be an IP address'),
        ("rtp.timeout_s=nan", "rtp.timeout_s = NaN: must be a number from 0 to 86400"),
        ("node.drain_s=long", 'node.drain_s = "long": must be a number'),
        ("node.data=3", "node.data = 3: must be a path, as a string"),
        ("media.plane=gpu", 'media.plane = "gpu": must be one of auto, native, twin'),
        ("media.plane=[1]", "media.plane = [1]: must be one of auto, native, twin"),
        ("media.interface=", 'media.interface = "": must be the name of a network interface'),
        ("media.interface=a b", 'media.interface = "a b": must be the name of a network interface'),
        ("media.backend=af_xdp", 'media.backend = "af_xdp": must come with a media.interface to attach to'),
        ("moqt.key=k.pem", 'moqt.key = "k.pem": must come with a moqt.certificate'),
        ("moqt.certificate=c.pem", 'moqt.certificate = "c.pem": must come with a moqt.key'),
        ("sip=3", "sip = 3: must be a table"),
        ("dialplan=3", "dialplan = 3: must be a table"),
        ("dialplan.x=3", "dialplan.x = 3: must be a table"),
        (
            "dialplan.x.file=a.wav",
            'dialplan.x = {"file": "a.wav"}: must have an agent, one of echo, tone, play, app',
        ),
        (
            "dialplan.echo.agent=[1]",
            'dialplan.echo = {"agent": [1]}: must have an agent, one of echo, tone, play, app',
        ),
        ("dialplan.tone.frequency_hz=0", "dialplan.tone.frequency_hz = 0: must be a number from 20 to 3800"),
        ("dialplan.echo.file=a.wav", "dialplan.echo.file: unknown key; known are agent"),
        ("sip.prot=5070", "sip.prot: unknown key; did you mean sip.port?"),
        ("spi.port=5070", "spi: unknown key; did you mean sip?"),
        ("http.zzz=1", "http.zzz: unknown key; known are host, port"),
        ("rtp.first_port=40000", "rtp.first_port = 40000: must not be above rtp.last_port, 32767"),
        ("sip.port", "--set sip.port: must be KEY=VALUE, as in sip.port=5070"),
        ("=3", "--set =3: must be KEY=VALUE, as in sip.port=5070"),
        ("sip..port=3", "--set sip..port=3: must be KEY=VALUE, as in sip.port=5070"),
    ],
)
def test_a_problem_names_key_value_and_rule(text: str, problem: str) -> None:
    assert problems(None, text) == [problem]


@pytest.mark.parametrize("overrides", [["sip.host=0.0.0.0"], ["sip.host=::", "sip.public_address=::"]])
def test_listening_everywhere_needs_an_address_to_tell(overrides: list[str]) -> None:
    (problem,) = problems(None, *overrides)
    assert "must come with a sip.public_address" in problem


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (("backend=udp", "interface=eth0"), 'interface = "eth0": must not be set with media.backend = udp'),
        (("backend=io_uring", "busy_poll_us=9"), "busy_poll_us = 9: must be 0 with media.backend = io_uring"),
        (("xdp_mode=driver",), 'xdp_mode = "driver": must come with a media.interface'),
        (("plane=twin", "backend=udp"), 'backend = "udp": must not be set with media.plane = twin'),
        (("plane=twin", "cpu=0"), "cpu = 0: must not be set with media.plane = twin"),
    ],
)
def test_media_keys_that_do_not_go_together(overrides: tuple[str, ...], problem: str) -> None:
    assert problems(None, *(f"media.{text}" for text in overrides)) == [f"media.{problem}"]


def test_af_xdp_needs_one_address() -> None:
    overrides = ("media.backend=af_xdp", "media.interface=eth0", "sip.public_address=192.0.2.1")
    (problem,) = problems(None, "sip.host=0.0.0.0", *overrides)
    assert problem == 'sip.host = "0.0.0.0": must be one address with media.backend = af_xdp'


def test_all_problems_at_once(tmp_path: Path) -> None:
    file = write(tmp_path, '[sip]\nport = 70000\nprot = 1\n[log]\nlevel = "loud"\n[web]\n[dialplan.a]')
    assert [problem.partition(":")[0] for problem in problems(file, "http.port=x", "oops")] == [
        "--set oops",
        "sip.port = 70000",
        "sip.prot",
        'http.port = "x"',
        'log.level = "loud"',
        "dialplan.a = {}",
        "web",
    ]


@pytest.mark.parametrize("content", [b"[sip", b"sip = \xff"])
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "clutch.toml"
    file.write_bytes(content)
    (problem,) = problems(file)
    assert problem.startswith(f"{file}: ")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert problems(tmp_path / "none.toml") == [f"{tmp_path / 'none.toml'}: No such file or directory"]


@attrs.frozen
class _Account:
    password: Secret
    age: Annotated[int, Between(0, 9)] = 0


def test_a_secret_is_shown_by_reveal_only() -> None:
    account = structure({"password": "hunter2"}, _Account)
    assert account.password.reveal() == "hunter2"
    assert "hunter2" not in f"{account} {account!r} {account.password} {attrs.asdict(account)}"
    with pytest.raises(ConfigError) as caught:
        structure({"password": 12345, "age": 10}, _Account)
    assert "12345" not in str(caught.value)
    assert len(caught.value.problems) == 2
