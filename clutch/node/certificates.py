"""The certificate of the relay: from files, or self-made and kept, so that a restart shows the same one."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import attrs
import structlog
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from clutch.net.quic.certificates import (
    RENEWAL,
    Certificate,
    CertificateFiles,
    Certificates,
    Clock,
    load,
    self_signed,
)
from clutch.net.quic.errors import CertificateUnusable
from clutch.node.config import Config
from clutch.node.errors import NodeError

log = structlog.get_logger(__name__)

_LOCAL = ("localhost", "127.0.0.1", "::1")


def make_certificates(config: Config) -> Certificates:
    """As `moqt.certificate` and `moqt.key` say; without them a self-made one. Raises `NodeError`."""
    moqt = config.moqt
    try:
        if moqt.certificate is not None and moqt.key is not None:
            return CertificateFiles(moqt.certificate, moqt.key)
    except CertificateUnusable as error:
        raise NodeError(f"moqt: {error}; look at moqt.certificate and moqt.key") from error
    spoken = ipaddress.ip_address(moqt.host)
    here = spoken.is_loopback or spoken.is_unspecified
    return KeptCertificate(config.node.data / "certificate.pem", _LOCAL if here else (*_LOCAL, moqt.host))


@attrs.define(eq=False)
class KeptCertificate:
    """`Certificates` for development: self-made, valid for 13 days, a new one in time before it ends."""

    _path: Path
    """PEM: certificate and key. Only its owner can read it."""
    _names: Sequence[str] = _LOCAL
    _clock: Clock = lambda: datetime.now(UTC)
    _current: Certificate | None = attrs.field(init=False, default=None)

    def current(self) -> Certificate:
        """See `Certificates.current`."""
        now = self._clock()
        if self._current is None:
            self._current = self._read()
        if self._current is None or self._current.chain[0].not_valid_after_utc - now < RENEWAL:
            self._current = self_signed(self._names, now)
            self._keep(self._current)
        return self._current

    def _read(self) -> Certificate | None:
        """The one that is kept, if it can be used and is for these names."""
        try:
            kept = load(self._path, self._path)
            names = kept.chain[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except (CertificateUnusable, x509.ExtensionNotFound):
            return None
        return kept if [str(name.value) for name in names] == list(self._names) else None

    def _keep(self, certificate: Certificate) -> None:
        key = certificate.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        draft = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(certificate.chain[0].public_bytes(Encoding.PEM) + key)
            draft.replace(self._path)
        except OSError as error:
            log.warning("moqt.certificate_not_kept", file=str(self._path), error=error.strerror)
        log.info("moqt.certificate_made", file=str(self._path), sha256=certificate.fingerprint.hex())
