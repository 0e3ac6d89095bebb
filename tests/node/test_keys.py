"""The files of keys and of revoked tokens."""

from __future__ import annotations

import stat
from pathlib import Path

import attrs
import pytest
from structlog.testing import capture_logs

from clutch.auth.keys import read_keys
from clutch.node.config import AuthConfig, Config, NodeConfig
from clutch.node.errors import NodeError
from clutch.node.keys import make_verifier, prepare_keys, reload_verifier


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Keeps everything in a folder that is not there yet."""
    return Config(NodeConfig(tmp_path / "new" / "data"))


def test_the_first_run_makes_a_key_and_says_so(config: Config) -> None:
    with capture_logs() as lines:
        keys = prepare_keys(config)
    path = config.node.data / "keys.json"
    assert lines == [
        {"event": "auth.key_made", "file": str(path), "use": "clutch token", "log_level": "info"}
    ]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in config.node.data.iterdir()] == ["keys.json"]
    assert keys.signing is not None
    assert keys.signing.algorithm == "EdDSA"
    with capture_logs() as lines:
        assert list(prepare_keys(config).by_kid) == list(keys.by_kid)
    assert lines == []


def test_a_private_key_that_others_can_read(config: Config) -> None:
    prepare_keys(config)
    path = config.node.data / "keys.json"
    path.chmod(0o640)
    with capture_logs() as lines:
        prepare_keys(config)
    assert [(line["event"], line["mode"]) for line in lines] == [
        ("auth.private_key_is_readable_by_others", "0640")
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "No such file or directory"),
        ("", 'must be a JSON Web Key Set: {"keys": [...]}'),
        ('{"keys": [{}]}', "has no key that can be used; key 1 has no kid"),
    ],
)
def test_keys_that_cannot_be_used(tmp_path: Path, config: Config, text: str | None, why: str) -> None:
    path = tmp_path / "jwks.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(NodeError) as caught:
        prepare_keys(attrs.evolve(config, auth=AuthConfig(keys=path)))
    assert str(caught.value) == f"auth.keys {path}: {why}"


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NodeError, match=r"^cannot keep keys in .*/file: File exists; choose another folder"):
        prepare_keys(Config(NodeConfig(tmp_path / "file")))


def test_files_are_read_again(tmp_path: Path, config: Config) -> None:
    revoked = tmp_path / "revoked"
    revoked.write_text("one # lost\n\n  two\n# three\n")
    config = attrs.evolve(config, auth=AuthConfig(revoked=revoked))
    verifier = make_verifier(config)
    assert verifier.revoked_ids == {"one", "two"}
    revoked.write_text("four")
    reload_verifier(verifier, config)
    assert verifier.revoked_ids == {"four"}


def test_a_broken_file_changes_nothing(tmp_path: Path, config: Config) -> None:
    revoked = tmp_path / "revoked"
    revoked.write_text("one")
    config = attrs.evolve(config, auth=AuthConfig(revoked=revoked))
    verifier = make_verifier(config)
    before = verifier.keys
    revoked.write_bytes(b"\xff")
    with pytest.raises(NodeError, match="must be text in UTF-8"):
        reload_verifier(verifier, config)
    revoked.unlink()
    with pytest.raises(NodeError, match="No such file"):
        reload_verifier(verifier, config)
    (config.node.data / "keys.json").write_text("{")
    with pytest.raises(NodeError, match="JSON Web Key Set"):
        reload_verifier(verifier, config)
    assert (verifier.keys, verifier.revoked_ids) == (before, {"one"})


def test_the_key_that_is_made_is_a_key_set(config: Config) -> None:
    prepare_keys(config)
    assert read_keys((config.node.data / "keys.json").read_bytes()).ignored == ()
