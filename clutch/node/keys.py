"""The files of authorization: keys that sign tokens, and the list of those that count no more."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from clutch.auth.errors import BadKeys
from clutch.auth.keys import KeySet, read_keys, write_key
from clutch.auth.tokens import Verifier
from clutch.node.config import Config
from clutch.node.errors import NodeError

log = structlog.get_logger(__name__)


def keys_path(config: Config) -> Path:
    """Where the keys are."""
    return config.auth.keys or config.node.data / "keys.json"


def prepare_keys(config: Config) -> KeySet:
    """Read the keys; make one first if there is none and `auth.keys` names no file. Raises `NodeError`."""
    path = keys_path(config)
    if config.auth.keys is None and not path.exists():
        _make_key(path)
    return _load_keys(path)


def make_verifier(config: Config) -> Verifier:
    """Who says which tokens count, as configured. Raises `NodeError`."""
    keys, revoked = prepare_keys(config), _load_revoked(config.auth.revoked)
    return Verifier(keys, revoked, config.auth.issuer, config.auth.audience)


def reload_verifier(verifier: Verifier, config: Config) -> None:
    """Read the files again. Raises `NodeError` if one is broken; then all stays as it was."""
    keys, revoked = _load_keys(keys_path(config)), _load_revoked(config.auth.revoked)
    verifier.keys, verifier.revoked_ids = keys, revoked


def _load_keys(path: Path) -> KeySet:
    try:
        keys = read_keys(path.read_bytes())
        mode = path.stat().st_mode & 0o777
    except OSError as error:
        raise NodeError(f"auth.keys {path}: {error.strerror}") from error
    except BadKeys as error:
        raise NodeError(f"auth.keys {path}: {error}") from error
    if keys.signing is not None and mode & 0o077:
        log.warning("auth.private_key_is_readable_by_others", file=str(path), mode=f"{mode:04o}")
    for why in keys.ignored:
        log.warning("auth.key_ignored", file=str(path), why=why)
    return keys


def _load_revoked(path: Path | None) -> frozenset[str]:
    if path is None:
        return frozenset()
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise NodeError(f"auth.revoked {path}: {error.strerror}") from error
    except ValueError as error:
        raise NodeError(f"auth.revoked {path}: must be text in UTF-8") from error
    return frozenset(name for line in lines if (name := line.partition("#")[0].strip()))


def _make_key(path: Path) -> None:
    """Make a signing key that its owner alone can read. If another process was faster, its key stays."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(write_key(Ed25519PrivateKey.generate()))
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
            log.info("auth.key_made", file=str(path), use="clutch token")
        draft.unlink()
    except OSError as error:
        raise NodeError(
            f"cannot keep keys in {path.parent}: {error.strerror}; choose another folder with --data, or "
            "a file of keys with --set auth.keys=FILE"
        ) from error
